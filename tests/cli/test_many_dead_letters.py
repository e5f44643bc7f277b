"""`notify-sse dlq` where there are more refused messages than anybody wants to hold."""

import asyncio
from typing import Final

import pytest

from tests.cli.running import done, environment, lines, run
from tests.support.dead_letters import refuse_at

MANY: Final = 1150
FEW: Final = 5


@pytest.mark.deadline(120)
def test_all_refused_messages_are_counted_found_and_listed(broker_url: str, amqp_prefix: str, sqlite_url: str) -> None:
    """Those beyond the first thousand too, each time one looks."""
    few = [b"few %d" % number for number in range(FEW)]
    many = [b"many %d" % number for number in range(MANY)]
    asyncio.run(refuse_at(broker_url, amqp_prefix, ("malformed", many), ("too_deep", few)))
    env = environment({"BROKER_URL": broker_url, "AMQP_PREFIX": amqp_prefix, "DATABASE_URL": sqlite_url})
    counted = {"total": MANY + FEW, "reasons": {"malformed": MANY, "too_deep": FEW}}
    assert lines("dlq", "count", env=env) == lines("dlq", "count", env=env) == [counted]
    listed = lines("dlq", "list", "--reason", "too_deep", env=env)
    assert sorted(one["body"] for one in listed) == [body.decode() for body in few]
    assert [one["died_at"] for one in listed] == sorted(one["died_at"] for one in listed)
    handle = listed[-1]["handle"]
    assert lines("dlq", "show", handle, env=env) == [listed[-1]]
    oldest = done("dlq", "list", "--limit", "3", env=env).splitlines()
    assert [("malformed" in line, "refused by a test" in line) for line in oldest] == [(True, True)] * 3
    assert len(done("dlq", "list", "--limit", "1100", env=env).splitlines()) == 1100
    assert run("dlq", "show", "nosuch", env=env).returncode == 1
    assert done("dlq", "purge", "--yes", handle, env=env) == "1 removed\n"
    assert done("dlq", "purge", "--yes", "--reason", "malformed", env=env) == f"{MANY} removed\n"
    assert lines("dlq", "count", env=env) == [{"total": FEW - 1, "reasons": {"too_deep": FEW - 1}}]
