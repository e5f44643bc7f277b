"""What holds for every command: where output goes, exit codes, errors in one line, secrets hidden."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from notify_sse.auth import PUBLISH, READ, Verifier
from notify_sse.config import Settings, read_settings
from notify_sse.core.access import AuditRecord
from notify_sse.store import migrate, open_access_records
from tests.cli.running import COMMAND, done, environment, lines, of, run, started
from tests.cli.test_with_servers import set_revision
from tests.support.service import ServiceFactory
from tests.support.services import PostgresServer
from tests.support.tokens import SECRET


def test_a_wrong_setting_is_one_line_and_exit_code_78() -> None:
    for command in ("serve", "migrate", "settings", "dlq list"):
        ended = run(*command.split(), env=environment({"PROT": "1"}))
        assert ended.returncode == os.EX_CONFIG
        assert ended.stdout == ""
        assert ended.stderr == (
            "notify-sse: NOTIFY_SSE_PROT: there is no such setting; did you mean NOTIFY_SSE_PORT?\n"
        )


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize(
    ("name", "value"),
    [("JWT_PUBLIC_KEY", "nope"), ("JWKS_URL", "/nope.json"), ("DATABASE_URL", "sqlite:////proc/nope/x.db"),
     ("DATABASE_URL", "sqlite:////tmp")],
)  # fmt: skip
def test_what_cannot_be_used_stops_the_start_with_one_line(
    name: str, value: str, workers: str, free_port: int, database_url: str
) -> None:
    """However many workers would find it out."""
    servers = {"DATABASE_URL": database_url, "BROKER_URL": "amqp://127.0.0.1:1/"}
    if name == "DATABASE_URL":
        if workers != "1":
            return
        servers = {}
    env = environment({**servers, "PORT": str(free_port), "WORKERS": workers, name: value})
    ended = run("serve", env=env, timeout_s=20)
    named = [line for line in ended.stderr.splitlines() if f"NOTIFY_SSE_{name}" in line]
    assert ended.returncode == os.EX_CONFIG
    assert len(named) == 1, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "worker" not in ended.stderr


def test_the_log_names_the_code_with_which_the_service_ends(database_url: str, free_port: int) -> None:
    """One code for one cause, whoever finds it: here the process, long after its settings were read."""
    asyncio.run(migrate(database_url))
    asyncio.run(set_revision(database_url, "9999"))
    env = environment({"DATABASE_URL": database_url, "JWT_SECRET": SECRET, "PORT": str(free_port)})
    ended = run("serve", env=env, timeout_s=30)
    assert ended.returncode == os.EX_CONFIG
    assert f"exit_code={os.EX_CONFIG}" in ended.stderr


@pytest.mark.parametrize("scheme", ["socks5", "http"])
def test_a_proxy_of_the_environment_is_never_asked_for_this_machine(service: ServiceFactory, scheme: str) -> None:
    """It knows this machine by the same name, and is another. Nor is a library missed that only it would need."""
    running = service()
    away = f"{scheme}://127.0.0.1:1"
    env = of(running) | dict.fromkeys(("ALL_PROXY", "HTTP_PROXY", "http_proxy", "all_proxy"), away)
    assert done("publish", "--to", "alice", "--type", "note", "{}", env=env)
    assert done("history", "alice", env=env)
    assert "ready at" in done("doctor", env=env)
    with started("tail", "alice", env=env) as tail:
        assert tail.stderr is not None
        assert "connected at" in tail.stderr.readline()


def test_what_nobody_foresaw_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    """Here a library that is not installed. With the log level debug the traceback comes too, without secrets."""
    env = environment({"STATE_DIR": str(tmp_path)}) | {"ALL_PROXY": "socks5://u:canary@127.0.0.1:1"}
    for command in (["history", "alice"], ["tail", "alice"]):
        ended = run(*command, "--url", "http://push.example.test", env=env)
        assert (ended.returncode, ended.stdout) == (1, "")
        assert ended.stderr.startswith("notify-sse: ImportError: ")
        assert ended.stderr.count("\n") == 1
    ended = run(*command, "--url", "http://push.example.test", env=env | {"NOTIFY_SSE_LOG_LEVEL": "debug"})
    assert "Traceback" in ended.stderr
    assert "canary" not in ended.stderr


def test_wrong_usage_is_exit_code_2() -> None:
    for args in (["token"], ["tail"], ["publish", "--to", "a", "{not json"], ["nonsense"], ["serve", "--port", "x"]):
        ended = run(*args, env=environment())
        assert ended.returncode == 2, args
        assert "Traceback" not in ended.stderr


def test_a_service_that_is_away_is_one_line_and_exit_code_1(tmp_path: Path, free_port: int) -> None:
    env = environment({"PORT": str(free_port), "STATE_DIR": str(tmp_path)})
    ended = run("history", "alice", env=env)
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1
    assert f"http://127.0.0.1:{free_port}" in ended.stderr
    assert "notify-sse serve" in ended.stderr


def test_a_database_that_is_away_is_one_line_and_exit_code_1(free_port: int) -> None:
    env = environment({"DATABASE_URL": f"postgresql://u:canary@127.0.0.1:{free_port}/d", "LOG_LEVEL": "error"})
    ended = run("migrate", env=env)
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1
    assert "canary" not in ended.stderr


def test_memory_has_no_dead_letters_to_look_into(tmp_path: Path) -> None:
    ended = run("dlq", "list", env=environment({"STATE_DIR": str(tmp_path)}))
    assert ended.returncode == os.EX_CONFIG
    assert ended.stderr.startswith("notify-sse: NOTIFY_SSE_BROKER_URL: memory://")


def test_output_that_cannot_be_written_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    env = environment({"STATE_DIR": str(tmp_path)})
    with Path("/dev/full").open("w") as full, started("token", "--sub", "alice", env=env, stdout=full) as ended:
        assert ended.stderr is not None
        assert ended.stderr.read() == "notify-sse: cannot write: No space left on device\n"
        assert ended.wait(30) == 1


@pytest.mark.parametrize(
    ("args", "names"),
    [(("token", "--sub", "a", "--scope", "notification:read"), "notification:read"),
     (("history", "a", "--url", "nonsense"), "--url"), (("publish", "--url", "ftp://x", "{}"), "--url")],
)  # fmt: skip
def test_what_can_never_work_is_wrong_usage(args: tuple[str, ...], names: str, tmp_path: Path) -> None:
    """Told at once, and not tried again."""
    ended = run(*args, env=environment({"STATE_DIR": str(tmp_path)}))
    assert ended.returncode == 2
    assert names in ended.stderr.splitlines()[-1]


def test_a_database_that_does_not_exist_is_named(postgres_server: PostgresServer) -> None:
    missing = urlsplit(postgres_server.url)._replace(path="/nosuch").geturl()
    ended = run("migrate", env=environment({"DATABASE_URL": missing, "LOG_LEVEL": "error"}))
    assert ended.returncode == 1
    assert 'database "nosuch" does not exist' in ended.stderr


def test_a_closed_pipe_stops_no_publish(service: ServiceFactory) -> None:
    """`notify-sse publish < lines | head -1`: nobody reads the ids any more, and all is published all the same."""
    running = service()
    stdin = "".join(f'{{"payload": {{"n": {n}}}}}\n' for n in range(3000))
    publish = ("publish", "--to", "alice", "--type", "t")
    with started(*publish, env=of(running), stdin=subprocess.PIPE) as publishing:
        assert publishing.stdin is not None
        assert publishing.stdout is not None
        assert publishing.stderr is not None
        publishing.stdin.write(stdin[: len(stdin) // 2])
        publishing.stdin.flush()
        publishing.stdout.readline()
        publishing.stdout.close()
        publishing.stdin.write(stdin[len(stdin) // 2 :])
        publishing.stdin.close()
        assert publishing.stderr.read() == "notify-sse: 3000 published\n"
        assert publishing.wait(30) == 0


def test_a_closed_pipe_is_no_error(service: ServiceFactory) -> None:
    """`notify-sse history alice | head -1`, with more output than a pipe holds."""
    running = service()
    padding = "x" * 1000
    stdin = "".join(f'{{"payload": {{"n": {n}, "p": "{padding}"}}}}\n' for n in range(1000))
    done("publish", "--to", "alice", "--type", "t", "--quiet", env=of(running), stdin=stdin)
    with started("history", "alice", env=of(running)) as history:
        assert history.stdout is not None
        assert history.stderr is not None
        history.stdout.readline()
        history.stdout.close()
        assert history.wait(30) == 0
        assert history.stderr.read() == ""


def test_ctrl_c_ends_a_tail_quietly(service: ServiceFactory) -> None:
    running = service()
    with started("tail", "alice", env=of(running)) as tail:
        assert tail.stderr is not None
        assert "connected at" in tail.stderr.readline()
        tail.send_signal(signal.SIGINT)
        assert tail.wait(20) == 130
        assert "Traceback" not in tail.stderr.read()


INTERRUPTED = """
import signal, sys, threading

def interrupt():
    sys.stdin.readline()
    signal.raise_signal(signal.SIGINT)

threading.Thread(target=interrupt, daemon=True).start()
from notify_sse.cli import main
main()
"""
"""On a line from stdin, SIGINT comes to a thread that is not the one which waits, and so does not interrupt the wait:
as if it had come to that one in the instant before it began to wait.
"""


def test_ctrl_c_in_the_instant_before_it_waits_is_not_left_until_the_next_heartbeat(service: ServiceFactory) -> None:
    running = service(env={"HEARTBEAT_S": "60"})
    command = [sys.executable, "-c", INTERRUPTED]
    with started("tail", "alice", env=of(running), command=command, stdin=subprocess.PIPE) as tail:
        assert tail.stderr is not None
        assert "connected at" in tail.stderr.readline()
        assert tail.stdin is not None
        tail.stdin.write("\n")
        tail.stdin.flush()
        assert tail.wait(20) == 130


def test_token_makes_what_the_service_takes(tmp_path: Path) -> None:
    env = environment({"STATE_DIR": str(tmp_path), "JWT_ISSUER": "us"})
    made = done("token", "--sub", "álice", "--scope", f"{READ} {PUBLISH}", "--topics", "a,b", "--ttl", "60", env=env)
    settings = read_settings(env)
    grant = Verifier(settings).verify(made.strip())
    assert (grant.subject, grant.scopes, grant.topics) == ("álice", frozenset((READ, PUBLISH)), frozenset("ab"))
    assert grant.expires_at == pytest.approx(time.time() + 60, abs=5)
    (document,) = lines("token", "--sub", "bob", env=env)
    assert Verifier(settings).verify(document["token"]).expires_at == document["expires_at"]


def test_token_check_says_what_a_token_grants_or_why_it_is_refused(tmp_path: Path) -> None:
    """In one line, and exit code 1 when it is refused; from stdin, so that it stands in no list of processes."""
    env = environment({"STATE_DIR": str(tmp_path), "JWT_SECRET": SECRET})
    good = done("token", "--sub", "alice", "--topics", "a,b", env=env).strip()
    assert "sub=alice" in done("token", "--check", good, env=env)
    (grant,) = [json.loads(done("token", "--check", "-", "--json", env=env, stdin=good + "\n"))]
    assert (grant["valid"], grant["sub"], grant["scopes"], grant["topics"]) == (True, "alice", [READ], ["a", "b"])
    other = done("token", "--sub", "alice", env=env | {"NOTIFY_SSE_JWT_SECRET": SECRET + "x"}).strip()
    audience = done("token", "--sub", "alice", env=env | {"NOTIFY_SSE_JWT_AUDIENCE": "them"}).strip()
    for bad, reason in ((other, "signature"), (audience, "audience"), ("x", "malformed")):
        ended = run("token", "--check", bad, env=env)
        assert (ended.returncode, ended.stdout) == (1, "")
        assert ended.stderr.startswith(f"notify-sse: the token is refused: {reason} (")
        assert ended.stderr.count("\n") == 1
    assert json.loads(run("token", "--check", other, "--json", env=env).stdout)["reason"] == "signature"
    assert run("token", "--check", good, "--sub", "alice", env=env).returncode == 2


def test_token_check_says_that_a_token_was_taken_back_or_that_nobody_looked(sqlite_url: str, free_port: int) -> None:
    """The reason of the service. Of a database that is away it says so, and what else is known."""
    env = environment({"DATABASE_URL": sqlite_url, "JWT_SECRET": SECRET})
    token = done("token", "--sub", "alice", env=env).strip()
    done("migrate", env=env)
    assert "valid=True" in done("token", "--check", token, env=env)
    done("revoke", "--sub", "alice", env=env)
    ended = run("token", "--check", token, env=env)
    assert (ended.returncode, ended.stderr) == (1, "notify-sse: the token is refused: revoked (it was taken back)\n")
    assert "is refused: revoked" in run("doctor", "--token", token, env=env).stdout
    away = environment({"DATABASE_URL": f"postgresql://u:canary@127.0.0.1:{free_port}/d", "JWT_SECRET": SECRET})
    ended = run("token", "--check", token, env=away)
    assert (ended.returncode, "valid=True" in ended.stdout) == (0, True)
    assert ended.stderr.startswith("notify-sse: whether the token was taken back is not known: ")
    assert "canary" not in ended.stderr


def test_settings_tells_values_and_sources_and_no_secret() -> None:
    secrets = {
        "JWT_SECRET": "canary" * 8,
        "DATABASE_URL": "postgresql://u:canary@h/d",
        "BROKER_URL": "amqp://u:canary@h/",
        "PORT": "8081",
    }
    env = environment(secrets)
    text = done("settings", env=env)
    (rows,) = lines("settings", env=env)
    assert "canary" not in text + str(rows)
    assert "NOTIFY_SSE_PORT=8081  [environment]" in text
    assert "NOTIFY_SSE_HOST=127.0.0.1  [default]" in text
    named = {row["name"]: row for row in rows}
    assert set(named) == {f"NOTIFY_SSE_{field.upper()}" for field in Settings.__struct_fields__}
    assert named["NOTIFY_SSE_DATABASE_URL"]["value"] == "postgresql://u:***@h/d"
    assert named["NOTIFY_SSE_JWT_SECRET"] | {"description": "", "kind": ""} == {
        "name": "NOTIFY_SSE_JWT_SECRET",
        "value": "***",
        "source": "environment",
        "secret": True,
        "default": "unset",
        "kind": "",
        "description": "",
    }


def test_migrate_says_what_it_did(sqlite_url: str) -> None:
    env = environment({"DATABASE_URL": sqlite_url})
    assert "(before: empty)" in done("migrate", env=env)
    assert "nothing to do" in done("migrate", env=env)
    first, second = (done("migrate", "--new-epoch", "--yes", env=env).splitlines()[-1] for _ in range(2))
    assert first.startswith("new epoch ")
    assert first != second


def test_a_new_epoch_is_asked_for(sqlite_url: str) -> None:
    """It resets every client: without a yes nothing changes, not even the schema."""
    env = environment({"DATABASE_URL": sqlite_url})
    for answer in ("", "n\n", "\n"):
        ended = run("migrate", "--new-epoch", env=env, stdin=answer)
        assert (ended.returncode, "nothing was changed" in ended.stderr, ended.stdout) == (1, True, ""), answer
    assert "(before: empty)" in done("migrate", env=env)
    assert "new epoch" in run("migrate", "--new-epoch", env=env, stdin="y\n").stdout
    assert done("rollout", "--percent", "25", "--json", env=env) == '{"percent":25.0,"allow":[],"deny":[]}\n'
    done("rollout", env=env)
    changes = asyncio.run(audited(sqlite_url))
    assert [(one.action, one.who.partition(":")[0]) for one in changes] == [
        ("rollout.change", "cli"),
        ("log.new_epoch", "cli"),
    ]
    assert changes[0].details == b'{"percent":25.0}'


async def audited(url: str) -> list[AuditRecord]:
    """What is in the audit log, the newest first."""
    records = open_access_records(url)
    try:
        return await records.audit(before=None, limit=10)
    finally:
        await records.close()


def test_serve_raises_its_limit_of_open_files(service: ServiceFactory) -> None:
    """A soft limit of 1024 must not be the limit of streams."""
    running = service()
    assert running.process is not None
    limits = Path(f"/proc/{running.process.pid}/limits").read_text()
    (files,) = [line.split()[3:5] for line in limits.splitlines() if line.startswith("Max open files")]
    assert files[0] == files[1]


def test_a_secret_on_the_way_in_does_not_come_out(service: ServiceFactory) -> None:
    """A token with a wrong signature, sent by every way: the service's log has no part of it."""
    running = service(env={"LOG_LEVEL": "debug"})
    bad = running.token("canary-subject")[:-6] + "canary"
    env = of(running) | {"NOTIFY_SSE_TOKEN": bad}
    for command in (["tail"], ["history"], ["publish", "{}", "--to", "a", "--type", "t"]):
        ended = run(*command, env=env)
        assert ended.returncode == 1
        assert ended.stderr.count("not valid (401)") == 1
        assert bad not in ended.stderr
    logged = running.logged()
    for part in bad.split("."):
        assert part not in logged
    assert SECRET not in logged


def test_python_m_and_the_console_script_are_the_same() -> None:
    by_module = subprocess.run([*COMMAND, "--version"], capture_output=True, text=True, check=True).stdout
    assert by_module.startswith("notify-sse, version ")
    assert "Usage: notify-sse " in done("--help", env=dict(os.environ))
