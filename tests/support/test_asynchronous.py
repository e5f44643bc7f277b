"""What runs `async def` tests fails those that hang, leave tasks behind, or swallow an exception."""

import asyncio
import contextlib
import socket
import ssl
import threading
import time
from pathlib import Path

import pytest
import uvloop

from tests.support import asynchronous
from tests.support.certificate import CERTIFICATE, KEY, write_certificate


def test_a_clean_test_passes_on_uvloop() -> None:
    seen: list[object] = []

    async def clean() -> None:
        seen.append(asyncio.get_running_loop())

    asynchronous.run(clean(), deadline_s=5)
    assert isinstance(seen[0], uvloop.Loop)


def test_a_hanging_test_fails_at_its_deadline_and_names_its_tasks() -> None:
    async def waits_for_ever() -> None:
        await asyncio.Event().wait()

    with pytest.raises(AssertionError, match=r"(?s)not done after 0\.1 s.*waits_for_ever"):
        asynchronous.run(waits_for_ever(), deadline_s=0.1)


def test_a_task_left_running_fails_the_test() -> None:
    kept: list[object] = []

    async def stays() -> None:
        await asyncio.Event().wait()

    async def leaves() -> None:
        kept.append(asyncio.create_task(stays()))

    with pytest.raises(pytest.fail.Exception, match=r"(?s)left tasks running.*stays"):
        asynchronous.run(leaves(), deadline_s=5)


def test_an_exception_that_nobody_saw_fails_the_test() -> None:
    async def breaks() -> None:
        raise ValueError("unseen")

    async def ignores() -> None:
        task = asyncio.create_task(breaks())
        await asyncio.wait([task])

    with pytest.raises(pytest.fail.Exception, match="unseen"):
        asynchronous.run(ignores(), deadline_s=5)


def test_a_failing_test_keeps_its_own_error() -> None:
    """The test's own error is what is reported, even when it leaves tasks behind."""

    async def fails() -> None:
        task = asyncio.create_task(asyncio.Event().wait())
        assert task.done(), "its own"

    with pytest.raises(AssertionError, match="its own"):
        asynchronous.run(fails(), deadline_s=5)


def test_a_server_that_says_goodbye_late_is_waited_for(tmp_path: Path) -> None:
    """Else the loop ends with a connection that its test has closed, and uvloop complains in the next test."""
    write_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / CERTIFICATE, tmp_path / KEY)
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.load_verify_locations(tmp_path / CERTIFICATE)

    def serve(listener: socket.socket) -> None:
        with context.wrap_socket(listener.accept()[0], server_side=True) as connection:
            connection.recv(1)  # its goodbye
            time.sleep(0.1)
            connection.unwrap()

    async def connects(port: int) -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(asyncio.Protocol, "localhost", port, ssl=trusting)
        transport.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve, args=(listener,))
        server.start()
        asynchronous.run(connects(listener.getsockname()[1]), deadline_s=5)
        server.join()


def test_the_alarm_stops_code_that_blocks() -> None:
    """Even a loop that swallows ordinary exceptions."""

    def blocks() -> None:
        while True:
            with contextlib.suppress(Exception):
                time.sleep(5)

    with asynchronous.alarm(0.1), pytest.raises(pytest.fail.Exception, match=r"not done after 0\.1 s"):
        blocks()
