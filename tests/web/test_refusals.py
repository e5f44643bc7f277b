"""Bad input over HTTP: each refusal of the contract is a 400 that names the field, and changes nothing."""

import pytest

from tests.support.api import Api, fresh, notification
from tests.support.refusals import JSON, MSGPACK, REFUSALS, Refusal, sent_with
from tests.support.service import Service


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.name)
async def test_bad_input_is_refused_with_the_field_named(plain: Service, refusal: Refusal) -> None:
    async with Api(plain) as api:
        head = await api.head()
        answer = await api.post(refusal.body, headers=sent_with(refusal))
        problem = answer.json()
        assert answer.status_code == (415 if refusal.reason.startswith("unsupported") else 400), problem
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert (problem["code"], problem["status"]) == ("bad_notification", answer.status_code)
        assert (problem["field"][: len(refusal.field)], problem["reason"]) == (refusal.field, refusal.reason)
        assert problem["title"]
        assert len(problem["detail"]) < 500
        assert await api.head() == head


async def test_after_all_refusals_the_service_is_as_before(plain: Service) -> None:
    """Hostile input costs nobody anything: each in an array too, and then a stream gets what is good."""
    async with Api(plain) as api:
        alice = fresh("alice")
        async with api.stream(alice) as stream:
            await stream.event("connected")
            for refusal in REFUSALS:
                if refusal.content_type == JSON and refusal.body and not refusal.content_encoding:
                    answer = await api.post(b"[" + refusal.body + b"]")
                    assert answer.status_code == 400, (refusal.name, answer.text)
                elif refusal.content_type == MSGPACK:
                    headers = {"Content-Type": MSGPACK}
                    answer = await api.post(b"\x91" + refusal.body, headers=headers)
                    assert answer.status_code == 400, (refusal.name, answer.text)
            published = await api.publish(alice)
            assert (await stream.event("message")).id == published


@pytest.mark.parametrize("depth", [31, 32, 33])
async def test_the_depth_limit_is_exact(plain: Service, depth: int) -> None:
    """32 levels are taken, the payload itself counted."""
    value: object = "deepest"
    for _ in range(depth - 1):
        value = {"in": value}
    async with Api(plain) as api:
        answer = await api.post(notification(fresh("alice"), payload={"in": value} if depth == 1 else value))
    assert answer.status_code == (201 if depth <= 33 else 400), answer.text
