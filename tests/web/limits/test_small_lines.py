"""What comes in many small lines has a tenth of the process, however many send such."""

import asyncio
import os
import time
from pathlib import Path
from typing import Final

from notify_sse.web.limits.small_lines import MAX_WORK_S, RESTS, SmallLines
from tests.support.service import Service

CRUMBS: Final = b"1\r\n \r\n" * 6000


async def test_rests_are_longer_than_the_work_and_come_one_after_the_other() -> None:
    lines, began = SmallLines(), time.monotonic()
    await asyncio.gather(*(lines.rest(began - 0.004) for _ in range(3)))
    assert time.monotonic() - began >= 3 * RESTS * 0.0036  # timers have a grain


async def test_waiting_for_an_app_is_no_work() -> None:
    began = time.monotonic()
    await SmallLines().rest(began - 60)
    assert RESTS * MAX_WORK_S * 0.9 <= time.monotonic() - began < 30


async def test_whoever_sends_crumbs_does_not_get_the_process(plain: Service) -> None:
    """By its own clock of CPU: on a slow machine it takes longer, and no more of it."""
    asked = f"Host: x\r\nAuthorization: Bearer {plain.token('p', scope='notifications:publish')}\r\n"
    head = f"POST /notifications HTTP/1.1\r\n{asked}Transfer-Encoding: chunked\r\n\r\n".encode()
    began, before_s = time.monotonic(), _cpu_s(plain)
    for _ in range(3):
        reader, writer = await asyncio.open_connection("127.0.0.1", plain.port)
        writer.write(head + CRUMBS)
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 400 ")
        writer.close()
    assert _cpu_s(plain) - before_s < 0.5 * (time.monotonic() - began)


def _cpu_s(service: Service) -> float:
    assert service.process
    fields = Path(f"/proc/{service.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
