"""Runs `notify-sse` as users do: a process with its own environment, its output as text."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.service import Service

COMMAND = [sys.executable, "-m", "notify_sse"]


def environment(settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """The caller's environment without its NOTIFY_SSE_ variables, and with `settings` (names without the prefix)."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("NOTIFY_SSE_")}
    return clean | {f"NOTIFY_SSE_{name}": value for name, value in (settings or {}).items()}


def of(service: Service) -> dict[str, str]:
    """The environment in which the commands find `service`."""
    return service.env | {"NOTIFY_SSE_PORT": str(service.port)}


def run(
    *args: str, env: Mapping[str, str], stdin: str | bytes = b"", timeout_s: float = 60
) -> subprocess.CompletedProcess[str]:
    """One command to its end."""
    given = stdin if isinstance(stdin, str) else stdin.decode()
    return subprocess.run(
        [*COMMAND, *args], env=dict(env), input=given, capture_output=True, text=True, timeout=timeout_s, check=False
    )


def done(*args: str, env: Mapping[str, str], stdin: str = "") -> str:
    """The stdout of a command that must succeed."""
    ended = run(*args, env=env, stdin=stdin)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def lines(*args: str, env: Mapping[str, str], stdin: str = "") -> list[Any]:
    """The JSON lines that a command that must succeed prints."""
    return [json.loads(line) for line in done(*args, "--json", env=env, stdin=stdin).splitlines()]


@contextmanager
def started(
    *args: str, env: Mapping[str, str], command: Sequence[str] = COMMAND, **options: Any
) -> Iterator[subprocess.Popen[str]]:
    """A command that runs until the block ends, then is killed if it still does. Its stderr is a pipe too."""
    process = subprocess.Popen(
        [*command, *args],
        env=dict(env),
        stdin=options.pop("stdin", subprocess.DEVNULL),
        stdout=options.pop("stdout", subprocess.PIPE),
        stderr=options.pop("stderr", subprocess.PIPE),
        text=True,
        **options,
    )
    try:
        with process:
            try:
                yield process
            finally:
                process.kill()
    finally:
        process.wait()


def jsonl(path: Path, documents: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(document) + "\n" for document in documents))
    return path
