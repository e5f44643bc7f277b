"""`python -m tests.support.services up|down|env`: RabbitMQ and Postgres for development, in the background.

`up` starts what does not run yet and prints the settings to export; `env` prints them again; `down` stops what `up`
started, by pid, and removes its data.
"""

import contextlib
import json
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.support.services import (
    CannotStart,
    Process,
    Server,
    ensure,
    private_directory,
    start_postgres,
    start_rabbitmq,
)
from tests.support.services.compose import ComposeServer

STATE = Path(".services/state.json")
VARIABLES = {
    "broker": ("NOTIFY_SSE_BROKER_URL", "NOTIFY_SSE_TEST_BROKER_URL"),
    "database": ("NOTIFY_SSE_DATABASE_URL", "NOTIFY_SSE_TEST_DATABASE_URL"),
}


def up() -> None:
    """Start both, unless they run; print their URLs."""
    if not _running(_read()):
        down()
        _start()
    env()


def down() -> None:
    """Stop what `up` started, and remove its data. Nothing to stop is fine."""
    state = _read()
    if not state:
        return
    for server in state["servers"].values():
        for pid, started in server["processes"]:
            Process(pid, started).end(signal.Signals[server["signal"]], within_s=30)
        if server["command"]:
            subprocess.run(server["command"], check=True)
    shutil.rmtree(state["directory"], ignore_errors=True)
    STATE.unlink()


def env() -> None:
    """Print shell lines that export the URLs of what runs."""
    state = _read()
    if not _running(state):
        raise CannotStart("nothing runs; start it with: make services")
    for name, variables in VARIABLES.items():
        for variable in variables:
            sys.stdout.write(f"export {variable}={state['servers'][name]['url']}\n")


def _start() -> None:
    with contextlib.suppress(CannotStart):  # whoever needs one of them says so
        ensure("rabbitmq", "postgres")
    directory = private_directory()
    with ThreadPoolExecutor() as pool:
        starting = pool.submit(start_rabbitmq, directory), pool.submit(start_postgres, directory)
    try:
        broker, database = (started.result() for started in starting)
    except CannotStart:
        for started in starting:
            if not started.exception():
                started.result().discard()
        shutil.rmtree(directory, ignore_errors=True)
        raise
    STATE.parent.mkdir(exist_ok=True)
    servers = {"broker": _described(broker), "database": _described(database)}
    STATE.write_text(json.dumps({"directory": str(directory), "servers": servers}, indent=2))


def _described(server: Server) -> dict[str, Any]:
    command = server.discard_command() if isinstance(server, ComposeServer) else None
    return {"url": server.url, "processes": server.processes, "signal": server.END.name, "command": command}


def _read() -> dict[str, Any]:
    state: dict[str, Any] = json.loads(STATE.read_text()) if STATE.exists() else {}
    return state


def _running(state: dict[str, Any]) -> bool:
    servers = state.get("servers", {}).values()
    return bool(servers) and all(
        Process(pid, started).alive for server in servers for pid, started in server["processes"]
    )


def main(arguments: list[str]) -> int:
    commands = {"up": up, "down": down, "env": env}
    if len(arguments) != 1 or arguments[0] not in commands:
        sys.stderr.write("usage: python -m tests.support.services up|down|env\n")
        return 2
    try:
        commands[arguments[0]]()
    except CannotStart as exc:
        sys.stderr.write(f"services: {exc}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
