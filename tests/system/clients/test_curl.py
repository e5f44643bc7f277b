"""`curl -N`: what everyone tries first."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.support.api import PUBLISH, STREAM, bearer, notification
from tests.support.service import Service, ServiceFactory, Stack


@contextmanager
def _curl(curl: str, service: Service, *headers: str) -> Iterator["subprocess.Popen[str]"]:
    command = [curl, "-sN", "-H", f"Authorization: Bearer {service.token('alice')}", service.url + STREAM]
    for header in headers:
        command += ["-H", header]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def _block(process: "subprocess.Popen[str]") -> list[str]:
    """The lines up to the next empty one."""
    assert process.stdout
    lines = []
    while line := process.stdout.readline().rstrip("\n"):
        lines.append(line)
    return lines


def _publish(service: Service, text: str) -> str:
    token = service.token("p", scope=PUBLISH)
    document = notification("alice", payload={"text": text})
    answer = httpx.post(f"{service.url}/notifications", json=document, headers=bearer(token))
    cursor: str = answer.json()["cursor"]
    return cursor


def test_curl_shows_each_event_as_it_happens_and_resumes(service: ServiceFactory, on_stack: Stack, curl: str) -> None:
    """Not buffered on the way; `-H 'Last-Event-ID: …'` brings what was missed."""
    running = service(**on_stack)
    with _curl(curl, running) as process:
        retry, cursor, event, data = _block(process)
        assert retry.startswith("retry: ")
        assert cursor.startswith("id: ")
        assert event == "event: connected"
        assert data.startswith('data: {"cursor":')
        first = _publish(running, "live")
        assert _block(process)[0] == f"id: {first}"
    missed = _publish(running, "missed")
    with _curl(curl, running, f"Last-Event-ID: {first}") as process:
        assert f"id: {first}" in _block(process)
        cursor, data = _block(process)
        assert cursor == f"id: {missed}"
        assert '"payload":{"text":"missed"}' in data
