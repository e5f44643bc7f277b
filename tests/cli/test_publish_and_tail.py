"""publish, tail and history against the running service: what goes in comes out, whatever happens in between."""

import json
import os
import pty
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from notify_sse.auth import PUBLISH
from tests.cli.running import COMMAND, done, jsonl, lines, of, run, started
from tests.support.service import Service, ServiceFactory


def numbered(count: int, *, to: str = "alice", start: int = 0) -> list[dict[str, Any]]:
    return [
        {"recipient_id": to, "notification_type": "new_message", "payload": {"n": n}}
        for n in range(start, start + count)
    ]


def text(documents: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(document) + "\n" for document in documents)


def payloads(documents: list[dict[str, Any]]) -> list[int]:
    return [document["payload"]["n"] for document in documents]


def test_what_is_published_is_shown_by_history_and_tail(service: ServiceFactory) -> None:
    running = service()
    env = of(running)
    (published,) = lines("publish", "--to", "alice", "--type", "new_message", '{"text": "hi"}', env=env)
    assert published["outcome"] == "new"
    (stored,) = lines("history", "alice", env=env)
    assert stored["payload"] == {"text": "hi"}
    assert (stored["notification_id"], stored["cursor"]) == (published["notification_id"], published["cursor"])
    start = published["cursor"].partition(".")[0] + ".0"
    (shown,) = lines("tail", "alice", "--from", start, "--count", "1", env=env)
    assert shown | {"read": False} == stored


def test_topics_are_published_and_read_where_granted(service: ServiceFactory) -> None:
    env = of(service())
    done("publish", "--topic", "billing", "--type", "t", '{"n": 1}', env=env)
    done("publish", "--topic", "all", "--type", "t", '{"n": 2}', env=env)
    assert payloads(lines("history", "bob", env=env)) == [2]
    assert payloads(lines("history", "bob", "--topics", "billing", env=env)) == [1, 2]


def test_lines_are_published_in_order_and_history_pages_through_all(service: ServiceFactory) -> None:
    """1,300 lines: several batches, and several pages of 500."""
    env = of(service())
    ids = done("publish", env=env, stdin=text(numbered(1300))).splitlines()
    assert len(ids) == len({line.split()[0] for line in ids}) == 1300
    assert payloads(lines("history", "alice", env=env)) == list(range(1300))
    assert payloads(lines("history", "alice", "--newest", "--limit", "700", env=env)) == list(range(1299, 599, -1))
    stored = lines("history", "alice", "--limit", "10", env=env)
    assert payloads(
        lines("history", "alice", "--after", stored[3]["cursor"], "--before", stored[6]["cursor"], env=env)
    ) == [4, 5]


def test_the_options_fill_in_what_a_line_lacks(service: ServiceFactory) -> None:
    env = of(service())
    given = '{"payload": {"n": 1}}\n\n{"topic": "all", "payload": {"n": 2}, "notification_type": "b"}\n'
    done("publish", "--to", "alice", "--type", "a", "-", env=env, stdin=given)
    stored = lines("history", "alice", env=env)
    assert [(one.get("recipient_id"), one["notification_type"]) for one in stored] == [("alice", "a"), (None, "b")]


def test_a_line_goes_out_before_the_next_one_comes(service: ServiceFactory) -> None:
    """`tail -f | notify-sse publish` never waits for a full batch."""
    env = of(service())
    with started("publish", "--to", "a", "--type", "t", env=env, stdin=subprocess.PIPE) as publish:
        assert publish.stdin is not None
        assert publish.stdout is not None
        for n in range(3):
            publish.stdin.write(f'{{"payload": {{"n": {n}}}}}\n')
            publish.stdin.flush()
            assert len(publish.stdout.readline().split()) == 2
        publish.stdin.close()
        assert publish.wait(30) == 0


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "line 2: is not JSON"),
        ("[]", "line 2: is not a JSON object"),
        ('{"payload": 5}', "line 2: payload: must be an object"),
        ('{"payload": {}, "notification_type": "Ä"}', "line 2: notification_type: must match"),
        ('{"payload": {}, "colour": 1}', "line 2: colour: is not a field"),
    ],
)
def test_a_bad_line_is_named(service: ServiceFactory, line: str, problem: str) -> None:
    ended = run("publish", "--to", "a", "--type", "t", env=of(service()), stdin=f'{{"payload": {{}}}}\n{line}\n')
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[0].endswith("published before it stopped")
    assert ended.stderr.splitlines()[1].startswith(f"notify-sse: {problem}")


def test_an_id_that_is_used_again_repeats_nothing_or_is_refused(service: ServiceFactory) -> None:
    env = of(service())
    publish = ("publish", "--to", "alice", "--type", "t", "--id", "one")
    (first,) = lines(*publish, '{"n": 1}', env=env)
    (again,) = lines(*publish, '{"n": 1}', env=env)
    assert again == first | {"outcome": "duplicate"}
    ended = run(*publish, '{"n": 2}', env=env)
    assert ended.returncode == 1
    assert "the notification_id one was used before with other content" in ended.stderr
    assert payloads(lines("history", "alice", env=env)) == [1]


def test_a_publish_waits_for_a_service_that_restarts(service: ServiceFactory) -> None:
    running = service()
    running.kill()
    with started("publish", "--to", "a", "--type", "t", '{"n": 1}', env=of(running)) as publish:
        assert publish.stderr is not None
        assert "trying for 15 s" in publish.stderr.readline()
        running.start()
        assert publish.wait(30) == 0


@pytest.mark.deadline(120)
def test_a_tail_shows_each_once_and_in_order_across_a_kill(service: ServiceFactory) -> None:
    """The service is killed while notifications are published; the tail reconnects by itself and misses nothing."""
    running = service(env={"RETRY_MS": "100", "HEARTBEAT_S": "0.5"})
    with started("tail", "alice", "--count", "400", "--json", env=of(running)) as tail:
        assert tail.stderr is not None
        assert "connected at" in tail.stderr.readline()
        done("publish", "--quiet", env=of(running), stdin=text(numbered(200)))
        running.restart()
        done("publish", "--quiet", env=of(running), stdin=text(numbered(200, start=200)))
        out, err = tail.communicate(timeout=60)
    shown = [json.loads(line) for line in out.splitlines()]
    assert payloads(shown) == list(range(400))
    assert err.count("disconnected") >= 1
    assert f"--from {shown[-1]['cursor']}" in err


def test_a_tail_goes_on_from_a_cursor(service: ServiceFactory) -> None:
    env = of(service())
    published = lines("publish", env=env, stdin=text(numbered(5)))
    shown = lines("tail", "alice", "--from", published[1]["cursor"], "--count", "3", env=env)
    assert payloads(shown) == [2, 3, 4]


def test_a_cursor_of_another_log_is_told_as_a_reset(service: ServiceFactory) -> None:
    env = of(service())
    with started("tail", "alice", "--from", "foreign.7", "--json", env=env) as tail:
        assert tail.stdout is not None
        reset = json.loads(tail.stdout.readline())
    assert reset["event"] == "reset"
    assert reset["data"]["reason"] == "unknown_epoch"
    ended = run("history", "alice", "--after", "foreign.7", env=env)
    assert "reset: unknown_epoch" in ended.stderr


def test_a_tail_with_a_token_that_ends_says_so(service: ServiceFactory) -> None:
    """With a token that was given there is no other to go on with."""
    running = service(env={"RETRY_MS": "50"})
    token = running.token("alice", ttl_s=6)
    ended = run("tail", "--token", token, env=of(running), timeout_s=30)
    assert ended.returncode == 1
    assert "closes the stream (token_expired)" in ended.stderr
    assert ended.stderr.splitlines()[-1].startswith("notify-sse: the service refused it")
    assert token not in ended.stderr


def test_a_token_without_the_scope_is_refused(service: ServiceFactory) -> None:
    running = service()
    reader, writer = running.token("alice"), running.token("alice", scope=PUBLISH)
    refused = run("publish", "--to", "a", "--type", "t", "{}", "--token", reader, env=of(running))
    assert (refused.returncode, refused.stderr.count("(403)")) == (1, 1)
    assert run("tail", "--token", writer, env=of(running)).returncode == 1


def test_what_others_publish_cannot_drive_the_terminal(service: ServiceFactory) -> None:
    env = of(service())
    name = "a\x1b[31m\nb"
    done("publish", "--to", name, "--type", "t", '{"t": "\\u001b]0;x\\u0007\u202e"}', env=env)
    shown = done("history", name, env=env)
    assert len(shown.splitlines()) == 1
    assert shown.strip("\n").isprintable()


def test_a_long_input_shows_its_progress_on_a_terminal(service: ServiceFactory, tmp_path: Path) -> None:
    """On stderr when that is a terminal and stdout is not the same one; never in a log file or a pipe."""
    env = of(service())
    file = jsonl(tmp_path / "notifications.jsonl", numbered(1500))
    for as_pipe in (False, True):
        shown = _on_a_terminal(env, file, as_pipe=as_pipe)
        assert "published 1500" in shown
        assert ("100%" in shown) is not as_pipe
    assert "\r" not in run("publish", env=env, stdin=file.read_text()).stderr


def _on_a_terminal(env: dict[str, str], file: Path, *, as_pipe: bool) -> str:
    """What `publish` writes to a terminal that is its stderr, with `file` as its input."""
    ours, theirs = pty.openpty()
    with file.open("rb") as source:
        stdin: Any = subprocess.PIPE if as_pipe else source
        with subprocess.Popen(
            [*COMMAND, "publish"], env=env, stdin=stdin, stdout=subprocess.DEVNULL, stderr=theirs
        ) as publish:
            os.close(theirs)
            if publish.stdin is not None:
                publish.stdin.write(source.read())
                publish.stdin.close()
            shown = b"".join(iter(lambda: _read(ours), b""))
            assert publish.wait(30) == 0
    os.close(ours)
    return shown.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux says that nobody has the other end open
        return b""


def test_url_wins_over_the_settings(service: ServiceFactory) -> None:
    first: Service = service()
    second: Service = service()
    done("publish", "--to", "a", "--type", "t", '{"n": 2}', "--url", second.url + "/", env=of(first))
    read: Callable[[Service], list[Any]] = lambda one: lines("history", "a", env=of(one))  # noqa: E731
    assert (read(first), len(read(second))) == ([], 1)
