"""`python -m tests.browser.pictures`: takes the pictures of the demo that the documentation shows, into docs/images.

A picture says which demo it shows, in a text chunk, so that a test tells when it is out of date. Its colours are in a
palette: that is a third of the bytes.
"""

import asyncio
import hashlib
import itertools
import struct
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from playwright.async_api import Page

from tests.browser.bench import chromium
from tests.support.service import Service

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs/images"
DEMO = ROOT / "notify_sse/demo"
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
SIZE = (1240, 900)
SIGNATURE = b"\x89PNG\r\n\x1a\n"
NOTE = b"Demo\0"
COLOURS = 256
Pixel = tuple[int, int, int]


def main() -> int:
    """Both pictures, taken anew."""
    with tempfile.TemporaryDirectory(prefix="notify-sse-pictures") as folder:
        asyncio.run(_take(Path(folder)))
    return 0


async def _take(folder: Path) -> None:
    service = Service(folder / "service")
    del service.env["NOTIFY_SSE_JWT_SECRET"]
    service.env["NOTIFY_SSE_STATE_DIR"] = str(folder)
    await asyncio.to_thread(service.start)
    try:
        async with chromium() as browser:
            page = await browser.new_page(viewport={"width": SIZE[0], "height": SIZE[1]})
            await page.goto(f"{service.url}/")
            await _play(page)
            for scheme in SCHEMES:
                await page.emulate_media(color_scheme=scheme)
                (IMAGES / f"demo-{scheme}.png").write_bytes(small(await page.screenshot(), shows=digest()))
    finally:
        await asyncio.to_thread(service.kill)


async def _play(page: Page) -> None:
    """A flood that a cut did no harm to, one of each kind, and a critical alert being written."""
    connected = page.locator("#log li", has_text="Connected by")
    await connected.first.wait_for()
    await page.click("#flood")
    await page.click("#cut")
    await connected.nth(1).wait_for()
    await _received(page, "1,000")
    await page.get_by_label("System Alert").check()
    await page.select_option("[name=severity]", "critical")
    await page.get_by_role("button", name="Publish").click()
    await _received(page, "1,001")
    await page.click("#one-each")
    await _received(page, "1,004")
    await page.locator("#inbox [part=toast]").first.wait_for(state="detached", timeout=60_000)
    await page.evaluate("document.activeElement.blur()")
    await page.mouse.move(0, 0)


async def _received(page: Page, count: str) -> None:
    await page.locator("#count-received", has_text=count).wait_for()


def digest() -> str:
    """Of what the demo looks like: its page and its styles."""
    return hashlib.sha256((DEMO / "demo.html").read_bytes() + (DEMO / "demo.css").read_bytes()).hexdigest()


def chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of each part of the file."""
    at = len(SIGNATURE)
    while at < len(png):
        length, kind = struct.unpack_from(">I4s", png, at)
        yield kind, png[at + 8 : at + 8 + length]
        at += length + 12


def small(png: bytes, *, shows: str) -> bytes:
    """The same picture with the commonest colours in a palette, others as the nearest of these; `shows` as its note."""
    parts = list(chunks(png))
    width, height = struct.unpack_from(">II", parts[0][1])
    rows = _rows(zlib.decompress(b"".join(content for kind, content in parts if kind == b"IDAT")), width)
    counted = Counter(itertools.chain.from_iterable(rows))
    palette = [colour for colour, _ in counted.most_common(COLOURS)]
    place = {colour: min(range(len(palette)), key=lambda n: _distance(palette[n], colour)) for colour in counted}
    image = b"".join(b"\0" + bytes(place[colour] for colour in row) for row in rows)
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    wanted = [(b"IHDR", head), (b"tEXt", NOTE + shows.encode()), (b"PLTE", bytes(itertools.chain(*palette)))]
    wanted += [(b"IDAT", zlib.compress(image, 9)), (b"IEND", b"")]
    return SIGNATURE + b"".join(_chunk(kind, content) for kind, content in wanted)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _distance(one: Pixel, other: Pixel) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


def _rows(data: bytes, width: int) -> list[list[Pixel]]:
    """The pixels of 8-bit RGB, each line's filter undone (PNG, section 9)."""
    above, stride, rows = bytearray(width * 3), width * 3 + 1, []
    for at in range(0, len(data), stride):
        kind, line = data[at], bytearray(data[at + 1 : at + stride])
        for n in range(len(line) if kind else 0):
            left, corner = (line[n - 3], above[n - 3]) if n >= 3 else (0, 0)
            line[n] = (line[n] + _guess(kind, left, above[n], corner)) & 255
        rows.append(list(zip(line[::3], line[1::3], line[2::3], strict=True)))
        above = line
    return rows


def _guess(kind: int, left: int, up: int, corner: int) -> int:
    if kind != 4:
        return (0, left, up, (left + up) // 2)[kind]
    near = left + up - corner
    return min((left, up, corner), key=lambda value: abs(near - value))


if __name__ == "__main__":
    sys.exit(main())
