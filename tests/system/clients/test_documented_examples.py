"""The examples of the documentation, run as they stand: only addresses, ids and cursors are replaced."""

import asyncio
import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.api import Api, notification
from tests.support.polling import eventually
from tests.support.service import Service, ServiceFactory
from tests.support.services import RabbitServer
from tests.support.services.nodejs import Node

DOCS = Path(__file__).parents[3] / "docs"
BROKER = "amqp://guest:guest@localhost"


def _example(page: str, heading: str, language: str) -> str:
    """The first block of that language under `heading`."""
    _, found, rest = (DOCS / page).read_text("utf-8").partition(f"\n## {heading}\n")
    assert found, f"{page} has no heading {heading!r}"
    block = re.search(rf"```{language}\n(.*?)```", rest.partition("\n## ")[0], re.DOTALL)
    assert block, f"no {language} example under {heading!r}"
    return block[1]


@pytest.fixture
def default_names(rabbitmq_server: RabbitServer) -> Iterator[str]:
    """A RabbitMQ in which the default names of exchange and queues are free: a virtual host of its own."""
    name = f"docs-{uuid.uuid4().hex[:8]}"
    rabbitmq_server.ctl("add_vhost", name)
    rabbitmq_server.ctl("set_permissions", "-p", name, "guest", ".*", ".*", ".*")
    yield f"{rabbitmq_server.url}/{name}"
    rabbitmq_server.ctl("delete_vhost", name)


async def test_every_documented_way_to_publish_reaches_an_open_stream(
    service: ServiceFactory, default_names: str, node: Node, curl: str, tmp_path: Path
) -> None:
    """Our publisher, pika, amqplib, the command, curl: what each publishes arrives."""
    running = await asyncio.to_thread(service, broker_url=default_names)
    async with Api(running) as api, api.stream("alice", topics=["news"]) as stream:
        await stream.event("connected")
        await _connected(api)

        async def arrives(example: str, **expected: Any) -> None:
            document = await stream.notification()
            assert {name: document[name] for name in expected} == expected, example

        await asyncio.to_thread(_run_python, _publisher_program(default_names), tmp_path)
        await arrives("Publisher", notification_id="invoice-4711-paid", notification_type="account_update")
        await arrives("Publisher", notification_id="message-814", notification_type="new_message")
        await arrives("Publisher", topic="all", notification_type="system_alert")

        pika = _example("how-to/publish.md", "Python, with pika", "python")
        await asyncio.to_thread(_run_python, _replaced(pika, default_names, "by-pika"), tmp_path)
        await arrives("pika", notification_id="by-pika", payload={"text": "hello"})

        amqplib = _example("how-to/publish.md", "Node, with amqplib", "js")
        program = node.directory / "node_modules" / f"example-{uuid.uuid4().hex[:8]}.mjs"  # where it finds amqplib
        program.write_text(_replaced(amqplib, default_names, "by-amqplib"))
        try:
            await asyncio.to_thread(node.run, program)
        finally:
            program.unlink()
        await arrives("amqplib", notification_id="by-amqplib", payload={"text": "hello"})

        lines = [json.dumps(notification("alice", notification_id=f"line-{n}")) for n in range(2)]
        (tmp_path / "notifications.jsonl").write_text("\n".join(lines))
        shell = _example("how-to/publish.md", "The shell", "sh")
        await asyncio.to_thread(_run_shell, shell, running, tmp_path, NOTIFY_SSE_BROKER_URL=default_names)
        await arrives("notify-sse publish --to", recipient_id="alice", payload={"text": "hello"})
        await arrives("notify-sse publish --topic", topic="news", notification_type="system_alert")
        await arrives("notify-sse publish <", notification_id="line-0")
        await arrives("notify-sse publish <", notification_id="line-1")

        by_curl = re.search(r"```sh\n(curl .*?)```", (DOCS / "how-to/publish.md").read_text("utf-8"), re.DOTALL)
        assert by_curl
        command = _replaced(by_curl[1], default_names, "by-curl").replace("https://push.example.com", running.url)
        answer = await asyncio.to_thread(_run_shell, command.replace("curl ", f"{curl} -s ", 1), running, tmp_path)
        assert json.loads(answer)["notification_id"] == "by-curl"
        await arrives("curl", notification_id="by-curl", payload={"text": "hello"})


async def test_the_tutorial_works_as_it_is_written(service: ServiceFactory, tmp_path: Path) -> None:
    """The embedded default in development mode: a token, a stream in curl, a publish, a resume, a wrong cursor."""
    running = await asyncio.to_thread(service, env={"JWT_SECRET": "", "STATE_DIR": str(tmp_path)})
    here = {"NOTIFY_SSE_STATE_DIR": str(tmp_path), "NOTIFY_SSE_PORT": str(running.port)}

    def run(script: str) -> str:
        return _run_shell(script.replace("http://127.0.0.1:8000", running.url), running, tmp_path, **here)

    blocks = re.findall(r"```sh\n(.*?)```", (DOCS / "tutorial/first-notification.md").read_text("utf-8"), re.DOTALL)
    _, open_stream, publish, publish_unheard, resume, wrong_cursor = (
        block.replace(". .venv/bin/activate\n", "") for block in blocks
    )
    token, _, stream = open_stream.partition("\n")

    def listening(curl: str, *, until: str, meanwhile: str = "") -> str:
        """What `curl` shows up to `until`; once it is connected, `meanwhile` is run."""
        wait = "until grep -q '{}' said; do sleep 0.05; done\n"
        curl = curl.strip().replace("curl ", "timeout 30 curl -s ")
        script = f"{token}\n{curl} > said &\n{wait.format('event: connected')}{meanwhile}\n{wait.format(until)}"
        return run(script + "kill $!; cat said; rm said")

    said = await asyncio.to_thread(listening, stream, meanwhile=publish, until="hello")
    cursor = re.search(r'^id: (\S+\.1)\ndata: .*"payload":{"text":"hello"}', said, re.MULTILINE)
    assert cursor, said
    await asyncio.to_thread(run, publish_unheard)
    resume = resume.replace("k3f9a1.1", cursor[1])
    resumed = await asyncio.to_thread(listening, resume, until="disk nearly full")
    assert re.search(r"are you there\?.*\n\n.*\n.*disk nearly full", resumed), resumed
    assert "hello" not in resumed
    assert "event: reset" in await asyncio.to_thread(listening, wrong_cursor, until="event: reset")


def _replaced(example: str, broker_url: str, name: str) -> str:
    return example.replace(BROKER, broker_url).replace("message-815", name)


def _publisher_program(broker_url: str) -> str:
    """The example stands within a coroutine."""
    example = _example("how-to/publish.md", "Python, with our package", "python").replace(BROKER, broker_url)
    lines = [line for line in example.splitlines() if not line.startswith("from ")]
    body = "\n".join("    " + line for line in lines)
    return f"import asyncio\nfrom notify_sse import Publisher\n\nasync def main():\n{body}\n\nasyncio.run(main())\n"


def _run_python(program: str, directory: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=directory,
        env=_env(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def _run_shell(script: str, service: Service, directory: Path, **env: str) -> str:
    """`notify-sse` is this checkout's."""
    function = f'notify-sse() {{ "{sys.executable}" -m notify_sse "$@"; }}\n'
    scope = "notifications:read notifications:publish"
    environment = _env() | {"TOKEN": service.token("alice", scope=scope)} | env
    done = subprocess.run(
        ["bash", "-euc", function + script],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _env() -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("NOTIFY_SSE_")}
    return own | {"PYTHONPATH": str(DOCS.parent)}


async def _connected(api: Api) -> None:
    async def connected() -> bool:
        return await api.metric("notify_sse_broker_connected") == 1

    await eventually(connected, what="the broker to be connected")
