"""The pictures of the demo in the documentation."""

import struct

import pytest

from tests.browser.pictures import IMAGES, NOTE, SCHEMES, SIZE, chunks, digest

MAX_BYTES = 100_000


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_picture_shows_the_demo_as_it_is(scheme: str) -> None:
    """Else `make pictures` takes it anew."""
    png = (IMAGES / f"demo-{scheme}.png").read_bytes()
    assert len(png) <= MAX_BYTES
    parts = dict(chunks(png))
    assert struct.unpack_from(">II", parts[b"IHDR"]) == SIZE
    assert parts.get(b"tEXt") == NOTE + digest().encode()
