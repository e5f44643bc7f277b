"""`POST /notifications`: accepted once, whole or not at all, and safe to repeat."""

import asyncio
import gzip
from typing import Any

import msgspec
import pytest

from notify_sse.core.cursor import Cursor
from notify_sse.errors import StoreRefused
from notify_sse.log.append import Logged, Refused
from notify_sse.web.api.publish import _answer
from notify_sse.web.http.problems import refusal
from tests.support import doubles
from tests.support.api import Api, bearer, fresh, notification
from tests.support.service import Service

MAX_BYTES = 16_384


async def test_a_new_one_is_201_and_committed(shared: Service) -> None:
    """The answer names its id and its cursor, and it is in the log by then."""
    async with Api(shared) as api:
        alice, name = fresh("alice"), fresh("id")
        start = await api.head()
        answer = await api.post(notification(alice, notification_id=name))
        assert answer.status_code == 201
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.json()["notification_id"] == name
        page = (await api.history(alice, after=start)).json()
        assert [item["cursor"] for item in page["items"]] == [answer.json()["cursor"]]


async def test_the_same_again_is_200_with_the_originals_cursor(shared: Service) -> None:
    """A retry is safe: also with its keys in another order, and when the service made the timestamp."""
    async with Api(shared) as api:
        alice = fresh("alice")
        document = notification(alice, notification_id=fresh("id"), payload={"a": 1, "b": 2})
        first = await api.post(document)
        again = await api.post(dict(reversed([*document.items(), ("payload", {"b": 2, "a": 1})])))
        assert (first.status_code, again.status_code) == (201, 200)
        assert again.json()["cursor"] == first.json()["cursor"]
        assert again.json()["notification_id"] == document["notification_id"]
        async with api.stream(alice, last_event_id=first.json()["cursor"]) as stream:
            await stream.event("connected")
            later = await api.publish(alice)
            assert (await stream.event("message")).id == later, "the repetition was delivered"


@pytest.mark.parametrize(
    "other",
    [
        {"payload": {"text": "other"}},
        {"notification_type": "system_alert"},
        {"timestamp": "2026-11-22T10:00:00Z"},
        {"expires_at": "2126-11-22T10:00:00Z"},
    ],
)
async def test_the_same_id_with_other_content_is_409(shared: Service, other: dict[str, Any]) -> None:
    """The log keeps the first, and says where it is."""
    async with Api(shared) as api:
        document = notification(fresh("alice"), notification_id=fresh("id"))
        first = await api.post(document)
        answer = await api.post(document | other)
    assert answer.status_code == 409
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["code"], problem["field"], problem["status"]) == ("conflict", "notification_id", 409)
    assert problem["items"][0]["cursor"] == first.json()["cursor"]


async def test_the_same_id_on_another_channel_is_another_notification(shared: Service) -> None:
    """`order-4711-paid` for alice, for bob, and for a topic that is called as alice is: all are told, and each
    repetition is known by its own.
    """
    async with Api(shared) as api:
        name, alice, bob = "order-4711-paid", fresh("alice"), fresh("bob")
        channels = [{"recipient_id": alice}, {"recipient_id": bob}, {"topic": alice}, {"topic": bob}]
        documents = [notification(**channel, notification_id=name) for channel in channels]
        first = [await api.post(one) for one in documents]
        again = [await api.post(one) for one in documents]
        assert [answer.status_code for answer in first + again] == [201] * 4 + [200] * 4
        cursors = [answer.json()["cursor"] for answer in first]
        assert len(set(cursors)) == 4
        assert [answer.json()["cursor"] for answer in again] == cursors


async def test_many_at_once_with_one_id_are_stored_once(shared: Service) -> None:
    """Thirty concurrent publishes of the same notification: one 201, the others 200, one delivery."""
    async with Api(shared) as api:
        alice = fresh("alice")
        document = notification(alice, notification_id=fresh("id"))
        start = await api.head()
        answers = await asyncio.gather(*(api.post(document) for _ in range(30)))
        assert sorted(answer.status_code for answer in answers) == [200] * 29 + [201]
        assert len({answer.json()["cursor"] for answer in answers}) == 1
        assert len((await api.history(alice, after=start)).json()["items"]) == 1


async def test_an_array_is_answered_in_its_order(shared: Service) -> None:
    """Contiguous, in order, one result each; the whole again is 200; partly new is 201."""
    async with Api(shared) as api:
        alice = fresh("alice")
        documents = [notification(alice, notification_id=fresh("id"), payload={"n": n}) for n in range(20)]
        first = await api.post(documents)
        assert first.status_code == 201
        assert [one["notification_id"] for one in first.json()] == [one["notification_id"] for one in documents]
        positions = [int(one["cursor"].rpartition(".")[2]) for one in first.json()]
        assert positions == list(range(positions[0], positions[0] + 20))
        again = await api.post(documents)
        assert again.status_code == 200
        assert [one["cursor"] for one in again.json()] == [one["cursor"] for one in first.json()]
        mixed = await api.post([documents[3], notification(alice), documents[3]])
        assert mixed.status_code == 201
        assert mixed.json()[0]["cursor"] == mixed.json()[2]["cursor"] == first.json()[3]["cursor"]


async def test_in_an_array_a_conflict_spares_the_others(shared: Service) -> None:
    """409 says what became of each: one is not stored, the others are."""
    async with Api(shared) as api:
        alice, name = fresh("alice"), fresh("id")
        start = await api.head()
        await api.publish(alice, notification_id=name)
        answer = await api.post([notification(alice, notification_id=name, payload={}), notification(alice)])
        assert answer.status_code == 409
        assert [one["outcome"] for one in answer.json()["items"]] == ["conflict", "new"]
        assert len((await api.history(alice, after=start)).json()["items"]) == 2


@pytest.mark.parametrize("batch", [True, False])
def test_what_the_database_refuses_is_422_with_what_became_of_each(batch: bool) -> None:
    """Made by hand: the checks let nothing through that either database is known to refuse. A conflict beside it is
    among the items; the refused one has no cursor."""
    documents = [doubles.notification("a"), doubles.notification("b"), doubles.notification("c")]
    outcomes: list[Logged | Refused] = [
        Logged("new", Cursor("e0", 7)),
        Refused("the database refuses it"),
        Logged("conflict", Cursor("e0", 3)),
    ]
    with pytest.raises(StoreRefused) as refused:
        _answer(documents if batch else documents[1:2], outcomes if batch else outcomes[1:2], batch=batch)
    answer = refusal(refused.value)
    problem = msgspec.json.decode(answer.body)
    assert (answer.status_code, problem["code"]) == (422, "store_refused")
    assert problem["detail"] == "the database refuses it"
    items = [
        {"notification_id": "a", "cursor": "e0.7", "outcome": "new"},
        {"notification_id": "b", "outcome": "refused"},
        {"notification_id": "c", "cursor": "e0.3", "outcome": "conflict"},
    ]
    assert problem["items"] == (items if batch else items[1:2])


async def test_an_array_is_refused_whole(shared: Service) -> None:
    """One bad item: 400 with its place and field, and none of the others is stored."""
    async with Api(shared) as api:
        alice = fresh("alice")
        start = await api.head()
        documents = [notification(alice) for _ in range(5)]
        documents[3]["notification_type"] = "Not Allowed"
        answer = await api.post(documents)
        assert answer.status_code == 400
        assert answer.json()["field"] == "[3].notification_type"
        assert (await api.history(alice, after=start)).json()["items"] == []
        assert await api.head() == start


@pytest.mark.parametrize(("count", "status"), [(0, 400), (1, 201), (500, 201), (501, 400)])
async def test_an_array_holds_one_to_five_hundred(shared: Service, count: int, status: int) -> None:
    async with Api(shared) as api:
        answer = await api.post([notification(fresh("alice"))] * count)
    assert answer.status_code == status, answer.text[:300]


def _of_size(recipient: str, size: int) -> bytes:
    """A notification of exactly `size` bytes."""
    frame = msgspec.json.encode(notification(recipient, payload={"text": ""}))
    return msgspec.json.encode(notification(recipient, payload={"text": "x" * (size - len(frame))}))


async def test_the_size_limit_is_exact(shared: Service) -> None:
    """16 KiB as published is taken and delivered; one byte more is refused, alone and in an array."""
    async with Api(shared) as api:
        alice = fresh("alice")
        async with api.stream(alice) as stream:
            await stream.event("connected")
            fits, over = _of_size(alice, MAX_BYTES), _of_size(alice, MAX_BYTES + 1)
            assert (len(fits), len(over)) == (MAX_BYTES, MAX_BYTES + 1)
            answer = await api.post(fits)
            assert answer.status_code == 201
            received = await stream.notification()
            assert received["payload"] == msgspec.json.decode(fits)["payload"]
        refused = await api.post(over)
        assert (refused.status_code, refused.json()["reason"]) == (400, "too_large")
        assert refused.json()["field"] == "body"
        batch = await api.post(b"[" + fits + b"," + over + b"]")
        assert (batch.status_code, batch.json()["field"]) == (400, "[1].body")
        whole = await api.post(b"[" + b",".join([fits] * 500) + b"]")
        assert whole.status_code == 201


async def test_a_body_beyond_every_limit_is_413(plain: Service) -> None:
    """The client gets the answer, not a reset connection, whether or not it announced the length."""
    async with Api(plain) as api:
        answer = await api.post(b" " * (9 * 1024 * 1024))
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")

        async def endless() -> Any:
            for _ in range(150):
                yield b" " * 65_536

        streamed = await api.http.post("/notifications", content=endless(), headers=bearer(api.publisher))
        assert streamed.status_code == 413


@pytest.mark.parametrize("path", ["/notifications", "/notifications/session", "/nowhere"])
async def test_who_is_refused_while_sending_gets_the_answer(plain: Service, path: str) -> None:
    """And may go on on the same connection: it is neither reset nor closed for the rest of the request."""
    async with Api(plain) as api:

        async def slowly() -> Any:
            for _ in range(20):
                yield b" " * 20_000
                await asyncio.sleep(0.005)

        for _ in range(5):
            answer = await api.http.post(path, content=slowly(), headers=bearer("x.y.z"))
            assert answer.status_code in (401, 404)
            assert "connection" not in answer.headers


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "APPLICATION/JSON",
        "text/plain",
        "application/octet-stream",
        "application/x-www-form-urlencoded",
        None,
    ],
)
async def test_json_is_taken_as_simple_clients_send_it(plain: Service, content_type: str | None) -> None:
    """`curl -d` says form data and means JSON."""
    async with Api(plain) as api:
        body = msgspec.json.encode(notification(fresh("alice")))
        headers = {"Content-Type": content_type} if content_type else {}
        answer = await api.post(body, headers=headers)
    assert answer.status_code == 201, answer.text


@pytest.mark.parametrize("batch", [False, True])
async def test_gzip_is_undone(plain: Service, batch: bool) -> None:
    """The same notification as when it is sent plain."""
    async with Api(plain) as api:
        document = notification(fresh("alice"), notification_id=fresh("id"))
        body = gzip.compress(msgspec.json.encode([document] if batch else document))
        answer = await api.post(body, headers={"Content-Encoding": "gzip"})
        assert answer.status_code == 201, answer.text
        assert (await api.post(document | {"topic": None, "expires_at": None})).status_code == 200


@pytest.mark.parametrize("batch", [False, True])
async def test_msgpack_is_taken_too(shared: Service, batch: bool) -> None:
    """The same content as JSON is the same notification: delivered as JSON, and a duplicate of itself."""
    async with Api(shared) as api:
        alice = fresh("alice")
        document = notification(alice, notification_id=fresh("id"), payload={"n": 2**63, "é": [None, True, 1.5]})
        async with api.stream(alice) as stream:
            await stream.event("connected")
            body = msgspec.msgpack.encode([document] if batch else document)
            answer = await api.post(body, headers={"Content-Type": "application/msgpack"})
            assert answer.status_code == 201, answer.text
            assert (await stream.notification())["payload"] == document["payload"]
        assert (await api.post(document)).status_code == 200


async def test_another_content_type_is_415(plain: Service) -> None:
    async with Api(plain) as api:
        answer = await api.post(b"<n/>", headers={"Content-Type": "application/xml"})
    assert answer.status_code == 415
    assert (answer.json()["field"], answer.json()["reason"]) == ("content_type", "unsupported_content_type")


async def test_publishing_takes_the_scope(shared: Service) -> None:
    """A reader's token is 403, no token 401; nothing is stored."""
    async with Api(shared) as api:
        alice = fresh("alice")
        start = await api.head()
        for scope in (None, "notifications:read", "notifications:admin"):
            answer = await api.post(notification(alice), token=shared.token(alice, scope=scope))
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        assert (await api.http.post("/notifications", json=notification(alice))).status_code == 401
        both = shared.token(alice, scope="notifications:read notifications:publish")
        assert (await api.post(notification(alice), token=both)).status_code == 201
        assert len((await api.history(alice, after=start)).json()["items"]) == 1
