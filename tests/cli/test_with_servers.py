"""The commands on a real RabbitMQ and a real Postgres: publish over AMQP, the refused messages, doctor."""

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import aio_pika
import pytest

from notify_sse.cli.diagnosis import told_by
from notify_sse.store import migrate, open_access_records
from tests.cli.running import done, environment, lines, of, run
from tests.support.service import ServiceFactory
from tests.support.services import free_port as new_port
from tests.support.services import wait_until
from tests.support.tokens import SECRET


def findings(env: dict[str, str], *, code: int = 0) -> dict[str, dict[str, Any]]:
    ended = run("doctor", "--json", env=env)
    assert ended.returncode == code, ended.stdout + ended.stderr
    return {one["check"]: one for one in json.loads(ended.stdout)}


async def publish_raw(broker_url: str, exchange: str, *messages: tuple[str, bytes]) -> None:
    """As a program that is not ours."""
    async with await aio_pika.connect(broker_url) as connection, connection.channel() as channel:
        target = await channel.get_exchange(exchange, ensure=False)
        for key, body in messages:
            await target.publish(aio_pika.Message(body, content_type="application/json"), key)


@pytest.mark.deadline(120)
def test_publish_goes_through_rabbitmq_when_that_is_configured(
    service: ServiceFactory, broker_url: str, amqp_prefix: str
) -> None:
    running = service(broker_url=broker_url, amqp_prefix=amqp_prefix)
    env = of(running)
    count = 600
    given = "".join(f'{{"payload": {{"n": {n}}}}}\n' for n in range(count))
    published = lines("publish", "--to", "alice", "--type", "t", env=env, stdin=given)
    assert all(set(one) == {"notification_id"} for one in published)
    shown = lines("history", "alice", env=env)
    wait_until(lambda: len(lines("history", "alice", env=env)) == count, within_s=20, what="all of them in the log")
    shown = lines("history", "alice", env=env)
    assert [one["payload"]["n"] for one in shown] == list(range(count))
    assert [one["notification_id"] for one in shown] == [one["notification_id"] for one in published]
    bad = run("publish", "--to", "a", "--type", "t", env=env, stdin='{"payload": {}}\n{"payload": 5}\n')
    assert (bad.returncode, "line 2: payload: must be an object" in bad.stderr) == (1, True)


@pytest.mark.deadline(120)
def test_refused_messages_are_listed_shown_replayed_and_purged(
    service: ServiceFactory, broker_url: str, amqp_prefix: str, tmp_path: Path
) -> None:
    running = service(broker_url=broker_url, amqp_prefix=amqp_prefix)
    env = of(running)
    assert lines("dlq", "list", env=env) == []
    good = {"notification_type": "t", "recipient_id": "alice", "payload": {}}
    bodies = [("recipient.alice.t", b"not json"), ("recipient.bob.t", json.dumps(good).encode()), ("x", b"\xff\x00")]
    asyncio.run(publish_raw(broker_url, amqp_prefix, *bodies))

    def listed() -> list[Any]:
        return lines("dlq", "list", env=env)

    wait_until(lambda: len(listed()) == 3, within_s=20, what="three refused messages")
    found = listed()
    assert found == listed() == sorted(found, key=lambda one: one["died_at"])
    by_key = {one["routing_key"]: one for one in found}
    assert {one["reason"] for one in by_key.values()} == {"malformed", "key_mismatch"}
    assert by_key["recipient.alice.t"]["body"] == "not json"
    assert by_key["x"]["body_base64"] == "/wA="
    handle = by_key["recipient.bob.t"]["handle"]
    (shown,) = lines("dlq", "show", handle, env=env)
    assert json.loads(shown["body"]) == good
    assert "reason:  key_mismatch" in done("dlq", "show", handle, env=env)
    assert run("dlq", "show", "nosuch", env=env).returncode == 1
    assert lines("dlq", "count", env=env) == [{"total": 3, "reasons": {"key_mismatch": 1, "malformed": 2}}]
    assert [one["handle"] for one in lines("dlq", "list", "--reason", "key_mismatch", env=env)] == [handle]
    missing = run("dlq", "purge", "--yes", "nosuch", env=env)
    assert (missing.returncode, missing.stdout) == (1, "0 removed\n")
    assert len(listed()) == 3
    refused = findings(env)["refused"]
    assert refused["status"] == "warning"
    assert refused["detail"].startswith(f"3 refused messages in {amqp_prefix}.dead, the oldest since 20")
    assert run("doctor", env=env).returncode == 0
    assert run("doctor", "--strict", env=env).returncode == 1
    assert done("dlq", "replay", "--limit", "2", env=env) == "2 replayed\n"
    wait_until(lambda: len(listed()) == 3, within_s=20, what="those replayed to be refused again")
    anew = next(one["handle"] for one in listed() if one["reason"] == "key_mismatch")
    assert done("dlq", "replay", anew, env=env) == "1 replayed\n"
    wait_until(lambda: len(listed()) == 3, within_s=20, what="that one to be refused again")
    kept = run("dlq", "purge", env=env, stdin="n\n")
    assert (kept.returncode, kept.stderr.splitlines()[-1].endswith("notify-sse: nothing was removed")) == (1, True)
    assert done("dlq", "purge", "--yes", "--reason", "key_mismatch", env=env) == "1 removed\n"
    assert {one["reason"] for one in listed()} == {"malformed"}
    assert done("dlq", "purge", "--yes", env=env) == "2 removed\n"
    assert listed() == []
    assert asyncio.run(_noted(env)) == [
        ("dead_letters.purge", {}),
        ("dead_letters.purge", {"reason": "key_mismatch"}),
        ("dead_letters.replay", {"handles": [anew]}),
        ("dead_letters.replay", {}),
        ("dead_letters.purge", {"handles": ["nosuch"]}),
    ]
    alone = run("dlq", "purge", "--yes", env=env | {"NOTIFY_SSE_DATABASE_URL": f"sqlite:///{tmp_path}/none.db"})
    assert (alone.returncode, alone.stdout) == (0, "0 removed\n")
    assert "not noted in the audit log: NOTIFY_SSE_DATABASE_URL: there is no log" in alone.stderr
    assert not (tmp_path / "none.db").exists(), "made for a note"


async def _noted(env: dict[str, str]) -> list[tuple[str, Any]]:
    """What the user of this machine changed, the newest first."""
    records = open_access_records(env["NOTIFY_SSE_DATABASE_URL"])
    found = await records.audit(before=None, limit=100)
    await records.close()
    return [(one.action, json.loads(one.details)) for one in found if one.who.startswith("cli:")]


@pytest.mark.deadline(120)
def test_doctor_finds_nothing_wrong_where_nothing_is(
    service: ServiceFactory, broker_url: str, amqp_prefix: str, database_url: str
) -> None:
    running = service(
        broker_url=broker_url, amqp_prefix=amqp_prefix, database_url=database_url, env={"MAX_STREAMS": "1000"}
    )
    wait_until(lambda: "gateways" in findings(of(running)), within_s=20, what="the gateway's first beat")
    found = findings(of(running))
    assert {one["status"] for one in found.values()} == {"ok"}, found
    expected = (
        "settings keys database migrations log gateways size clock broker permissions queue members files service"
    )
    assert list(found) == expected.split()
    assert found["gateways"]["detail"].startswith("1 up")
    assert run("doctor", "--strict", env=of(running)).returncode == 0
    assert "1 consumers" in found["queue"]["detail"]
    assert "refused" not in found


@pytest.mark.deadline(120)
def test_two_services_that_share_their_queues_by_mistake_are_told_so(
    service: ServiceFactory, broker_url: str, amqp_prefix: str
) -> None:
    """Each has a database of its own; all that is published goes to whichever consumes, and the other hears of it."""
    first, second = (
        service(broker_url=broker_url, amqp_prefix=amqp_prefix, env={"ADMIN_PORT": str(new_port())}) for _ in range(2)
    )
    given = "".join(f'{{"payload": {{"n": {n}}}}}\n' for n in range(10))
    lines("publish", "--to", "alice", "--type", "t", env=of(first), stdin=given)

    def told() -> list[str]:
        return [one.logged() for one in (first, second) if "action=foreign_epoch" in one.logged()]

    wait_until(lambda: len(told()) == 1, within_s=20, what="one of them to notice")
    assert told()[0].count("ERROR notify_sse.gateway.relay: another service") == 1
    hears = first if "action=foreign_epoch" in first.logged() else second
    assert "its own NOTIFY_SSE_AMQP_PREFIX" in findings(of(hears), code=1)["epoch"]["advice"]


def test_doctor_says_what_to_do_about_an_old_schema_and_an_empty_database(database_url: str) -> None:
    env = environment({"DATABASE_URL": database_url, "JWT_SECRET": SECRET})
    assert "notify-sse migrate" in findings(env)["database"]["advice"]
    asyncio.run(migrate(database_url))
    assert findings(env)["migrations"]["status"] == "ok"
    asyncio.run(set_revision(database_url, "9999"))
    assert "upgrade this one" in findings(env, code=1)["migrations"]["detail"]


async def set_revision(database_url: str, revision: str) -> None:
    import asyncpg

    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("UPDATE notify_sse_schema SET version_num = $1", revision)
    finally:
        await connection.close()


def test_doctor_names_what_is_away_without_its_password(free_port: int) -> None:
    gone = f"127.0.0.1:{free_port}"
    env = environment(
        {
            "DATABASE_URL": f"postgresql://u:canary@{gone}/d",
            "BROKER_URL": f"amqp://u:canary@{gone}/",
            "JWT_SECRET": SECRET,
            "PORT": str(free_port),
        }
    )
    ended = run("doctor", env=env)
    assert ended.returncode == 1
    assert "canary" not in ended.stdout + ended.stderr
    assert ended.stderr == ""
    found = findings(env, code=1)
    assert {name for name, one in found.items() if one["status"] == "error"} == {"database", "broker"}
    assert all(one["advice"] for one in found.values() if one["status"] != "ok")
    assert found["service"]["status"] == "warning"


@pytest.mark.parametrize(
    ("sample", "check"),
    [
        ("foreign_epoch_total 1.0", "epoch"),
        ("oldest_waiting_seconds 61.5", "waiting"),
        ("retention_lag_seconds 7200.0", "retention"),
    ],
)
def test_what_is_wrong_by_the_services_own_metrics_is_told(sample: str, check: str) -> None:
    exposition = f'# HELP x\nnotify_sse_{sample}\nnotify_sse_other{{a="b"}} 5.0\nprocess_x 9\n'
    [found] = told_by(exposition)
    assert (found.check, found.advice != "") == (check, True)
    assert list(told_by(exposition.replace(sample.split()[1], "0.0"))) == []


def test_doctor_makes_nothing(tmp_path: Any) -> None:
    state = tmp_path / "state"
    assert findings(environment({"STATE_DIR": str(state)}))["keys"]["status"] == "ok"
    assert not state.exists()


def test_doctor_says_why_a_token_is_refused(tmp_path: Any, free_port: int) -> None:
    """A key that is wrong on both sides verifies what doctor makes; a token from outside shows it."""
    env = environment({"STATE_DIR": str(tmp_path), "JWT_SECRET": SECRET, "PORT": str(free_port)})
    good = done("token", "--sub", "alice", env=env).strip()
    for secret, status, code in ((SECRET, "ok", 0), (SECRET + "x", "error", 1)):
        ended = run("doctor", "--token", good, "--json", env=env | {"NOTIFY_SSE_JWT_SECRET": secret})
        (token,) = [one for one in json.loads(ended.stdout) if one["check"] == "token"]
        assert (token["status"], ended.returncode) == (status, code)
    assert "signature" in token["detail"]


def test_doctor_reports_a_wrong_setting() -> None:
    found = findings(environment({"HOST": "0.0.0.0"}), code=1)
    assert list(found) == ["settings"]
    assert "NOTIFY_SSE_JWT_SECRET" in found["settings"]["detail"]


def test_doctor_knows_a_stranger_on_the_port(free_port: int, tmp_path: Any) -> None:
    with subprocess.Popen(
        ["python3", "-m", "http.server", str(free_port), "--bind", "127.0.0.1"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as stranger:
        try:
            env = environment({"PORT": str(free_port), "STATE_DIR": str(tmp_path)})
            wait_until(
                lambda: "something else" in run("doctor", env=env).stdout, within_s=20, what="the stranger to answer"
            )
        finally:
            stranger.terminate()
