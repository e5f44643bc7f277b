"""Key sets: chosen by `kid`, rotated without a restart, and the last good one outlives its server."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from notify_sse.auth import Verifier
from notify_sse.auth import jwks as module
from notify_sse.auth.jwks import Jwks
from notify_sse.auth.keys import key_set
from notify_sse.config import read_settings
from notify_sse.errors import BadConfiguration, Unauthorized
from tests.support import tokens
from tests.support.polling import until
from tests.support.tokens import NOW, jwk_set, public_jwk, token

RSA = tokens.rsa_key()
EC = tokens.ec_key()


class KeyServer:
    """An HTTP server of one document; `status` and `document` may change while it runs."""

    def __init__(self) -> None:
        self.document = b""
        self.status = 200
        self.requests = 0
        self.url = ""
        self.drips = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator["KeyServer"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/keys.json?token=canary"
        async with server:
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.requests += 1
        head = f"HTTP/1.1 {self.status} X\r\ncontent-length: {len(self.document)}\r\nconnection: close\r\n\r\n"
        if self.drips:
            writer.write(head.encode())
            with suppress(ConnectionError, RuntimeError):  # uvloop's, for a socket that is closed
                for byte in self.document:  # each in time, and the whole never
                    writer.write(bytes([byte]))
                    await writer.drain()
                    await asyncio.sleep(0.05)
        else:
            writer.write(head.encode() + self.document)
        with suppress(ConnectionError):
            await writer.drain()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@asynccontextmanager
async def verifier(source: str) -> AsyncIterator[Verifier]:
    made = Verifier(read_settings({"HOME": "/nonexistent"}, jwks_url=source), clock=lambda: NOW)
    await made.start()
    try:
        yield made
    finally:
        await made.close()


@asynccontextmanager
async def jwks(source: str, **times: Any) -> AsyncIterator[Jwks]:
    made = Jwks(source, **times)
    await made.start()
    try:
        yield made
    finally:
        await made.close()


def _more_requests(server: KeyServer, count: int) -> bool:
    return server.requests > count


async def test_each_token_is_verified_by_the_key_that_it_names(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_bytes(jwk_set(public_jwk(RSA, "r1"), public_jwk(EC, "e1")))
    for source in (str(file), file.as_uri()):
        async with verifier(source) as checked:
            assert checked.verify(token(RSA, kid="r1")).subject == "alice"
            assert checked.verify(token(EC, kid="e1")).subject == "alice"
            for wrong in (
                token(RSA, kid="e1"),
                token(EC, kid="r1"),
                token(EC, kid="../e1"),
                token(EC),
                token(tokens.ec_key(), kid="e1"),
                tokens.forged({"alg": "HS256", "kid": "r1"}, tokens.claims(), secret=tokens.public_pem(RSA)),
            ):
                with pytest.raises(Unauthorized):
                    checked.verify(wrong)


async def test_a_single_key_also_serves_tokens_that_name_none(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_bytes(jwk_set(public_jwk(EC, None)))
    async with verifier(str(file)) as checked:
        assert checked.verify(token(EC)).subject == "alice"
        with pytest.raises(Unauthorized):
            checked.verify(token(EC, kid="x"))


def test_keys_of_other_kinds_are_skipped_and_never_used() -> None:
    """Mixed sets are common. A symmetric key in one is above all not to be used: the set is public."""
    odd: list[Any] = [
        {"kty": "oct", "k": tokens.b64(b"x" * 32), "kid": "oct", "alg": "HS256"},
        {"kty": "OKP", "crv": "Ed25519", "x": "AA", "kid": "okp"},
        public_jwk(tokens.ec_key(ec.SECP384R1()), "p384") | {"alg": "ES384"},
        public_jwk(tokens.ec_key(ec.SECP384R1()), "p384b") | {"alg": "ES256"},
        public_jwk(RSA, "enc") | {"use": "enc"},
        public_jwk(RSA, "rs512") | {"alg": "RS512"},
        public_jwk(RSA, "ops") | {"key_ops": ["encrypt"]},
        public_jwk(tokens.rsa_key(1024), "short"),
        {"kty": "RSA", "kid": "no n", "e": "AQAB"},
        {"kty": "RSA", "kid": "n is a number", "e": "AQAB", "n": 5},
        {"kty": "EC", "kid": "off curve", "crv": "P-256", "x": "AQ", "y": "AQ"},
        {"kty": ["RSA"], "kid": "list"},
        {"kid": "bare"},
        {},
        None,
        "text",
    ]
    found = key_set(json.dumps({"keys": [*odd, public_jwk(EC, "good")]}).encode())
    assert set(found.by_kid) == {"good"}
    assert found.skipped == len(odd)
    assert found.find(["good"]) is None
    assert found.find({"good": 1}) is None


@pytest.mark.parametrize(
    "document", [b"", b"[]", b"{}", b"null", b'{"keys": 5}', b'{"keys": []}', b"<html>", b"[" * 100_000]
)
def test_what_is_no_key_set_is_an_error_of_the_document(document: bytes) -> None:
    with pytest.raises(ValueError, match=r"JWK set|signature key"):
        key_set(document)


async def test_a_token_with_a_new_key_is_accepted_at_once_after_a_rotation() -> None:
    """The unknown `kid` has the set read again while the request waits, since a browser never retries a 401; tokens
    of the key that was withdrawn are refused from then on, although they were verified before."""
    async with KeyServer().running() as server:
        server.document = jwk_set(public_jwk(RSA, "old"))
        async with verifier(server.url) as checked:
            old, new = token(RSA, kid="old"), token(EC, kid="new")
            assert checked.verify(old).subject == "alice"
            server.document = jwk_set(public_jwk(EC, "new"))
            waiting = [checked.verify_or_refresh(new) for _ in range(20)]
            assert {grant.subject for grant in await asyncio.gather(*waiting)} == {"alice"}
            assert server.requests == 2
            with pytest.raises(Unauthorized):
                checked.verify(old)


async def test_made_up_kids_do_not_flood_the_key_server() -> None:
    async with KeyServer().running() as server:
        server.document = jwk_set(public_jwk(RSA, "r"))
        async with verifier(server.url) as checked:
            for number in range(50):
                with pytest.raises(Unauthorized):
                    await checked.verify_or_refresh(token(EC, kid=f"made up {number}"))
            assert server.requests == 2


async def test_the_last_good_keys_stay_while_the_server_is_down(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever it answers, good tokens stay good; it is logged once, without the URL's secrets, and once when it is
    back."""
    caplog.set_level(logging.INFO)
    async with KeyServer().running() as server:
        server.document = good = jwk_set(public_jwk(EC, "e"))
        async with jwks(server.url, refresh_s=0.01, retry_s=0.01) as keys:
            for status, document in ((500, b""), (404, good), (200, b"<html>"), (204, b""), (302, good)):
                server.status, server.document, before = status, document, server.requests
                await until(partial(_more_requests, server, before + 2))
                assert keys.find("e") is not None
            failures = [r for r in caplog.records if getattr(r, "action", "") == "jwks_failed"]
            assert [record.levelname for record in failures] == ["WARNING"]
            assert "canary" not in str(vars(failures[0]))
            server.status, server.document = 200, jwk_set(public_jwk(EC, "e2"))
            await until(lambda: keys.find("e2"))
            assert keys.find("e") is None
    assert [r.levelname for r in caplog.records if getattr(r, "action", "") == "jwks_recovered"] == ["INFO"]


async def test_a_server_that_is_down_at_the_start_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    async with KeyServer().running() as server:
        server.status = 503
        async with jwks(server.url, retry_s=0.01) as keys:
            assert not keys.loaded
            assert keys.find("e") is None
            server.status, server.document = 200, jwk_set(public_jwk(EC, "e"))
            await until(lambda: keys.loaded)
    assert [r.levelname for r in caplog.records if getattr(r, "action", "") == "jwks_failed"] == ["ERROR"]


async def test_a_key_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_bytes(jwk_set(public_jwk(EC, "one")))
    async with jwks(str(file), refresh_s=0.01, retry_s=0.01) as keys:
        file.write_bytes(b"half a fi")
        file.unlink()
        file.write_bytes(jwk_set(public_jwk(EC, "two")))
        await until(lambda: keys.find("two"))


@pytest.mark.parametrize("content", [None, b"", b'{"keys": []}'])
def test_a_bad_key_file_stops_the_start(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "keys.json"
    if content is not None:
        file.write_bytes(content)
    keys = Jwks(str(file))
    with pytest.raises(BadConfiguration, match=r"^NOTIFY_SSE_JWKS_URL: "):
        keys.load_file()


async def test_an_endless_document_is_given_up() -> None:
    async with KeyServer().running() as server:
        server.document = b" " * (2 << 20)
        async with jwks(server.url) as keys:
            assert not keys.loaded


async def test_a_server_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole reading has a time: rotation and withdrawal go on, and who waits for it is answered."""
    server = KeyServer()
    server.document = jwk_set(public_jwk(RSA, "r1"))
    async with server.running(), jwks(server.url, unknown_kid_s=0) as keys:
        assert keys.loaded
        server.drips = True
        with monkeypatch.context() as short:
            short.setattr(module, "READ_S", 0.3)  # for who drips only: a good server may be slow on a slow machine
            async with asyncio.timeout(30):
                await keys.refresh_for_unknown_kid()
        server.document, server.drips = jwk_set(public_jwk(EC, "e1")), False
        await keys.refresh()
        assert keys.find("e1")
        assert keys.find("r1") is None


async def test_few_wait_for_an_unknown_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are refused at once."""
    monkeypatch.setattr(module, "READ_S", 0.3)
    monkeypatch.setattr(module, "MAX_WAITING", 3)
    server = KeyServer()
    server.document = jwk_set(public_jwk(RSA, "r1"))
    async with server.running(), jwks(server.url, unknown_kid_s=0) as keys:
        server.drips = True
        waiting = [asyncio.create_task(keys.refresh_for_unknown_kid()) for _ in range(3)]
        await asyncio.sleep(0)
        assert await keys.refresh_for_unknown_kid() is False
        assert not any(one.done() for one in waiting)
        assert await asyncio.gather(*waiting) == [True] * 3
