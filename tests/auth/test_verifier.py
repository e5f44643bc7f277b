"""Tokens: what is accepted, and that every mutation of a good one is refused as `Unauthorized` and as nothing else."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from notify_sse.auth import READ, Verifier
from notify_sse.auth.verifier import MAX_TOKEN_BYTES
from notify_sse.config import read_settings
from notify_sse.errors import BadConfiguration, TokenRefused, Unauthorized
from tests.support import tokens
from tests.support.tokens import NOW, SECRET, b64, claims, forged, signed, token

HS256 = {"alg": "HS256", "typ": "JWT"}


class Clock:
    """Unix time, moved by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def verifier(clock: Clock | None = None, /, **settings: Any) -> Verifier:
    settings = settings or {"jwt_secret": SECRET}
    return Verifier(read_settings({"HOME": "/nonexistent"}, **settings), clock=clock or Clock())


def test_a_good_token_grants_what_it_says() -> None:
    grant = verifier().verify(
        token(sub="Zoë #*.:x", scope="notifications:read  notifications:publish", topics=["billing", "a.b"])
    )
    assert grant.subject == "Zoë #*.:x"
    assert grant.scopes == {"notifications:read", "notifications:publish"}
    assert grant.topics == {"billing", "a.b"}
    assert grant.expires_at == NOW + 300
    assert grant.lifetime_s(now=NOW) == 300


def test_without_scope_a_token_may_read_only() -> None:
    assert verifier().verify(token()).scopes == {READ}


def test_scope_may_be_a_list() -> None:
    """As many issuers send it; a string within it may name several."""
    scopes = verifier().verify(token(scope=["notifications:read", "notifications:publish other"])).scopes
    assert scopes == {"notifications:read", "notifications:publish", "other"}
    assert verifier().verify(token(scope=[])).scopes == frozenset()


def test_thousands_of_grants_share_their_sets() -> None:
    """Each is kept with its stream, and a set of its own would take more than the rest of the grant."""
    alice, bob = (verifier().verify(token(sub=sub, scope=READ)) for sub in ("alice", "bob"))
    assert alice.scopes is bob.scopes
    assert alice.topics is bob.topics


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (lambda: "x", "malformed"),
        (lambda: "a.b.c", "malformed"),
        (lambda: token("another secret, also over 32 bytes long"), "signature"),
        (lambda: forged({"alg": "none"}, claims()), "algorithm"),
        (lambda: forged(HS256 | {"crit": ["exp"]}, claims()), "algorithm"),
        (lambda: token(exp=NOW - 1), "expired"),
        (lambda: token(nbf=NOW + 99), "not_yet_valid"),
        (lambda: token(iat=NOW + 99), "not_yet_valid"),
        (lambda: token(aud="other"), "audience"),
        (lambda: forged(HS256, claims(sub=5)), "claim"),
        (lambda: forged(HS256, claims(exp=...)), "claim"),
    ],
)
async def test_each_refusal_has_its_reason_for_us_and_none_for_the_caller(made: Any, reason: str) -> None:
    told: list[TokenRefused] = []
    settings = read_settings({"HOME": "/nonexistent"}, jwt_secret=SECRET)
    checked = Verifier(settings, clock=Clock(), on_refused=told.append)
    with pytest.raises(Unauthorized, match=r"^the token is not valid$"):
        await checked.verify_or_refresh(made())
    assert [one.reason for one in told] == [reason]
    assert reason in TokenRefused.REASONS


def test_an_empty_scope_grants_nothing() -> None:
    assert verifier().verify(token(scope="")).scopes == frozenset()


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": ["other", "notify-sse"]},
        {"exp": NOW + 0.5},
        {"iat": ...},
        {"iat": NOW + 20},
        {"nbf": NOW + 20},
        {"sub": "é" * 100},
        {"unknown": {"deep": [1]}},
        {"at_hash": "x"},
        {"jti": 5},
    ],
    ids=str,
)
def test_accepts(changes: dict[str, Any]) -> None:
    """Small clock differences, other claims and the longest subject are no reason to refuse."""
    assert verifier().verify(token(**changes)).expires_at > NOW


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": ...},
        {"exp": NOW},
        {"exp": NOW - 1},
        {"exp": str(int(NOW + 300))},
        {"exp": None},
        {"exp": True},
        {"exp": []},
        {"exp": float("inf")},
        {"exp": float("nan")},
        {"exp": 10**400},
        {"exp": 1e300},
        {"exp": -1},
        {"aud": ...},
        {"aud": None},
        {"aud": "notify-sse2"},
        {"aud": ""},
        {"aud": []},
        {"aud": {"notify-sse": 1}},
        {"aud": [["notify-sse"]]},
        {"sub": ...},
        {"sub": ""},
        {"sub": 5},
        {"sub": None},
        {"sub": ["alice"]},
        {"sub": "é" * 101},
        {"sub": "\ud800"},
        {"nbf": NOW + 31},
        {"nbf": "soon"},
        {"nbf": None},
        {"iat": NOW + 31},
        {"iat": "0"},
        {"iat": True},
        {"iat": {}},
        {"scope": ["notifications:admin", 5]},
        {"scope": {"notifications:admin": True}},
        {"scope": None},
        {"topics": "billing"},
        {"topics": [1]},
        {"topics": ["a b"]},
        {"topics": ["x" * 101]},
        {"topics": [""]},
        {"topics": {"a": 1}},
    ],
    ids=str,
)
def test_refuses_a_claim_that_is_missing_or_wrong(changes: dict[str, Any]) -> None:
    """Signed by the right key, and still refused, whatever exception the libraries below would raise."""
    with pytest.raises(Unauthorized, match=r"^the token is not valid$"):
        verifier().verify(forged(HS256, claims(**changes)))


@pytest.mark.parametrize(
    "header",
    [
        {"typ": "JWT"},
        {"alg": "none"},
        {"alg": "None"},
        {"alg": ""},
        {"alg": None},
        {"alg": ["HS256"]},
        {"alg": "hs256"},
        {"alg": "HS384"},
        {"alg": "RS256"},
        {"alg": "HS256", "crit": ["exp"]},
        {"alg": "HS256", "crit": []},
        {"alg": "HS256", "b64": False, "crit": ["b64"]},
    ],
    ids=str,
)
def test_refuses_a_header_that_asks_for_something_else(header: dict[str, Any]) -> None:
    """The algorithm is the key's. What the header says can only be wrong."""
    with pytest.raises(Unauthorized):
        verifier().verify(forged(header, claims()))
    with pytest.raises(Unauthorized):
        verifier().verify(f"{b64(header)}.{b64(claims())}.")


@pytest.mark.parametrize(
    "header",
    [
        {"kid": "../../etc/passwd"},
        {"kid": "x' OR 1=1"},
        {"kid": {"a": 1}},
        {"kid": None},
        {"jku": "http://127.0.0.1:1/keys", "x5u": "http://127.0.0.1:1/", "jwk": {"kty": "oct", "k": "AAAA"}},
    ],
    ids=str,
)
def test_a_header_never_brings_or_chooses_the_key(header: dict[str, Any]) -> None:
    """With one configured key a `kid` means nothing, and keys or addresses in the header are not looked at."""
    assert verifier().verify(forged(HS256 | header, claims())).subject == "alice"
    with pytest.raises(Unauthorized):
        verifier().verify(forged(HS256 | header, claims(), secret=b"\0\0\0"))


def test_refuses_what_is_not_a_token() -> None:
    good = token()
    header, body, signature = good.split(".")
    deep, not_utf8 = "[" * 4000, b"\xff\xfe"
    for bad in (
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        good[:-2],
        good + "=",
        good + "\n",
        " " + good,
        f"{header}.{body}",
        f"{header}.{body}.{signature}.",
        f"{header}..{body}.{signature}.x",
        f"{header}.{body}!.{signature}",
        f"{header}.{body}.{signature}".replace(".", "․"),  # noqa: RUF001
        signed(f"{b64(b'[]')}.{body}"),
        signed(f"{b64(b'{')}.{body}"),
        signed(f"{header}.{b64(b'[]')}"),
        signed(f"{header}.{b64(deep.encode())}"),
        signed(f"{b64(deep.encode())}.{body}"),
        signed(f"{header}.{b64(not_utf8)}"),
        signed(f"{header}.{body}", secret=b"other"),
        "\ud800",
        "é" * 10,
    ):
        with pytest.raises(Unauthorized):
            verifier().verify(bad)


def test_refuses_an_encrypted_token() -> None:
    """Five parts: python-jose would not get it wrong today, and shall not get the chance."""
    with pytest.raises(Unauthorized):
        verifier().verify(".".join([b64({"alg": "dir", "enc": "A128GCM"}), "", b64(b"x"), b64(b"x"), b64(b"x")]))


def test_refuses_an_oversized_token_that_is_otherwise_good() -> None:
    fits = forged(HS256, claims(pad="x" * 5000))
    assert verifier().verify(fits).subject == "alice"
    with pytest.raises(Unauthorized):
        verifier().verify(forged(HS256, claims(pad="x" * MAX_TOKEN_BYTES)))


@pytest.mark.parametrize("make", [tokens.rsa_key, tokens.ec_key])
def test_a_public_key_is_never_an_hmac_secret(make: Any) -> None:
    """HS/RS confusion: everyone knows the public key, so a token signed with its text as a secret is a forgery."""
    key = make()
    pem = tokens.public_pem(key)
    checked = verifier(jwt_public_key=pem)
    assert checked.verify(token(key)).subject == "alice"
    assert checked.verify(token(key, kid="any")).subject == "alice"
    for secret in (pem, pem.strip(), pem.encode() + b"\0", ""):
        for alg in ("HS256", tokens.algorithm(key), "none"):
            with pytest.raises(Unauthorized):
                checked.verify(forged({"alg": alg}, claims(), secret=secret))
    with pytest.raises(Unauthorized):
        checked.verify(token(make()))


def test_issuer_is_checked_when_configured() -> None:
    checked = verifier(jwt_secret=SECRET, jwt_issuer="https://id.example.org")
    assert checked.verify(token(iss="https://id.example.org")).subject == "alice"
    for wrong in (..., "https://id.example.org/", None, ["https://id.example.org"]):
        with pytest.raises(Unauthorized):
            checked.verify(token(iss=wrong))


def test_a_cached_token_ends_at_its_exp() -> None:
    clock = Clock()
    checked = verifier(clock)
    good = token()
    assert checked.verify(good) is checked.verify(good)
    clock.now = NOW + 299.9
    checked.verify(good)
    clock.now = NOW + 300
    with pytest.raises(Unauthorized):
        checked.verify(good)


def test_a_cached_token_does_not_vouch_for_another_signature() -> None:
    checked = verifier()
    good = token()
    checked.verify(good)
    with pytest.raises(Unauthorized):
        checked.verify(good[:-4] + "AAAA")


def test_the_token_id_is_of_what_was_signed() -> None:
    """An ES256 signature can be replaced by another valid one; a revoked session must stay revoked."""
    key = tokens.ec_key()
    checked = verifier(jwt_public_key=tokens.public_pem(key))
    first = token(key)
    header, body, _ = first.split(".")
    again = [token(key) for _ in range(3)]
    assert {checked.verify(each).token_id for each in [first, *again]} == {checked.verify(first).token_id}
    assert len({first, *again}) > 1
    assert header in first
    assert checked.verify(token(key, sub="bob")).token_id != checked.verify(first).token_id
    assert body in first


@given(st.data())
def test_no_mutation_of_a_good_token_passes(data: st.DataObject) -> None:
    """One changed, added or removed character anywhere makes it `Unauthorized`: no other exception, no grant.

    The last character of the signature also holds two bits that are padding; a change of only those is the same
    signature, and gives the same grant.
    """
    good = token()
    place = data.draw(st.integers(0, len(good) - 1))
    new = data.draw(st.characters(codec="utf-8") | st.just(""))
    mutant = good[:place] + new + good[place + 1 :]
    try:
        grant = verifier().verify(mutant)
    except Unauthorized:
        return
    assert mutant == good or (place == len(good) - 1 and grant == verifier().verify(good))


@given(
    st.dictionaries(
        st.sampled_from(["alg", "kid", "crit", "typ", "jwk"]),
        st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=4),
    ),
    st.dictionaries(
        st.sampled_from(["exp", "aud", "sub", "iat", "nbf", "scope", "topics", "iss"]),
        st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=4),
    ),
)
def test_random_headers_and_claims_are_granted_rightly_or_unauthorized(
    header: dict[str, Any], changes: dict[str, Any]
) -> None:
    body = json.loads(json.dumps(claims() | changes))
    made = signed(f"{b64(json.dumps(HS256 | header).encode())}.{b64(json.dumps(body).encode())}")
    try:
        grant = verifier().verify(made)
    except Unauthorized:
        return
    assert grant.subject == body["sub"]
    assert grant.expires_at == body["exp"] > NOW


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("nonsense", "neither PEM text nor a file"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "not a public key in PEM"),
        (tokens.private_pem(tokens.ec_key()), "private key"),
        (tokens.public_pem(tokens.rsa_key(1024)), "at least 2048"),
        (tokens.public_pem(tokens.ec_key(ec.SECP384R1())), "P-256"),
    ],
    ids=["no file", "garbage", "private", "short RSA", "other curve"],
)
def test_a_public_key_that_cannot_be_used_stops_the_start(key: str, reason: str) -> None:
    with pytest.raises(BadConfiguration, match=rf"^NOTIFY_SSE_JWT_PUBLIC_KEY: .*{reason}") as caught:
        verifier(jwt_public_key=key)
    assert "\n" not in str(caught.value)


def test_a_public_key_is_read_from_a_file_or_with_escaped_line_ends(tmp_path: Path) -> None:
    key = tokens.ec_key()
    pem = tokens.public_pem(key)
    (tmp_path / "key.pem").write_text(pem)
    for given_as in (str(tmp_path / "key.pem"), pem.replace("\n", "\\n"), f"  {pem}"):
        assert verifier(jwt_public_key=given_as).verify(token(key)).subject == "alice"
