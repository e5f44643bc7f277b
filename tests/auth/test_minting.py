"""Tokens made by us, and the key of development mode."""

import multiprocessing
import stat
from pathlib import Path
from typing import Any

import pytest

from notify_sse.auth import PUBLISH, READ, Verifier, mint, signing_secret
from notify_sse.config import Settings, read_settings
from notify_sse.errors import BadConfiguration
from tests.support import tokens


def settings(directory: Path, **changes: Any) -> Settings:
    return read_settings({}, state_dir=str(directory), **changes)


@pytest.mark.parametrize("changes", [{}, {"jwt_secret": tokens.SECRET, "jwt_issuer": "us", "jwt_audience": "them"}])
def test_the_service_accepts_what_it_mints(tmp_path: Path, changes: dict[str, Any]) -> None:
    made = settings(tmp_path, **changes)
    token = mint(made, "álice", scopes=[READ, PUBLISH], topics=["b", "a", "b"], ttl_s=60)
    grant = Verifier(made).verify(token)
    assert (grant.subject, grant.scopes, grant.topics) == ("álice", frozenset((READ, PUBLISH)), frozenset("ab"))
    assert grant.lifetime_s(now=0) == pytest.approx(60)


def test_two_tokens_are_never_the_same(tmp_path: Path) -> None:
    made = settings(tmp_path)
    assert mint(made, "a", now=1.0, ttl_s=5) != mint(made, "a", now=1.0, ttl_s=5)


@pytest.mark.parametrize(
    ("subject", "options"),
    [("", {}), ("é" * 101, {}), ("a", {"topics": ["a b"]}), ("a", {"ttl_s": 0}), ("a", {"ttl_s": 1e12})],
)
def test_nothing_is_minted_that_would_be_refused(tmp_path: Path, subject: str, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="would refuse"):
        mint(settings(tmp_path), subject, **options)


def test_with_a_public_key_alone_nothing_can_be_minted(tmp_path: Path) -> None:
    public = settings(tmp_path, jwt_public_key=tokens.public_pem(tokens.ec_key()))
    with pytest.raises(BadConfiguration, match=r"^NOTIFY_SSE_JWT_SECRET: "):
        mint(public, "alice")
    assert list(tmp_path.iterdir()) == []


def test_the_development_key_is_kept_and_private(tmp_path: Path) -> None:
    made = settings(tmp_path / "deep" / "er")
    first = signing_secret(made)
    assert len(first) >= 32
    assert signing_secret(made) == first
    file = tmp_path / "deep" / "er" / "dev-secret"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [entry.name for entry in file.parent.iterdir()] == ["dev-secret"]
    assert signing_secret(settings(tmp_path / "other")) != first


def test_processes_that_start_at_once_share_the_development_key(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        assert len(set(pool.map(signing_secret, [settings(tmp_path)] * 16, chunksize=1))) == 1


@pytest.mark.parametrize("content", [b"", b"\xff\xff"])
def test_a_spoilt_development_key_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "dev-secret").write_bytes(content)
    with pytest.raises(BadConfiguration, match=r"^NOTIFY_SSE_STATE_DIR: .*remove it$"):
        signing_secret(settings(tmp_path))


def test_a_state_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadConfiguration, match=r"^NOTIFY_SSE_STATE_DIR: cannot keep"):
        signing_secret(settings(tmp_path / "file" / "below"))
