"""What every admin route answers is what the contract says: to administrators, to others, and when there is nothing."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from tests.support.api import Api, bearer, fresh
from tests.support.polling import eventually
from tests.support.service import Service
from tests.web.test_admin import administrator
from tests.web.test_contract import Contract

Asked = tuple[str, str, dict[str, Any], int]
"""Method, path, further options of the request, the status of the answer."""


def _asked(recipient: str, name: str, connection_id: str) -> Iterator[Asked]:
    """Each operation, with what is there and with what is not. What removes things comes last."""
    alice = quote(recipient, safe="")
    for path in ("overview", "settings", "streams", "audit", "revocations", "dead-letters"):
        yield "GET", f"/admin/{path}", {}, 200
    yield "GET", f"/admin/notifications/{name}", {}, 200
    yield "GET", f"/admin/notifications/{name}", {"params": {"recipient_id": recipient}}, 200
    yield "GET", "/admin/notifications/nothing", {}, 404
    yield "GET", f"/admin/recipients/{alice}/connections", {}, 200
    yield "GET", f"/admin/recipients/{alice}", {}, 200
    yield "GET", "/admin/dead-letters/nothing", {}, 404
    yield "GET", "/admin/audit", {"params": {"limit": "0"}}, 400
    yield "POST", "/admin/dead-letters/replay", {"json": {"handles": ["nothing"]}}, 200
    yield "POST", "/admin/dead-letters/replay", {"json": {}}, 400
    yield "DELETE", "/admin/dead-letters", {"params": {"handle": "nothing"}}, 200
    yield "DELETE", "/admin/dead-letters", {}, 400
    yield "POST", "/admin/revocations", {"json": {"sub": f"not-{recipient}", "reason": "of a test"}}, 201
    yield "POST", "/admin/revocations", {"json": {}}, 400
    yield "DELETE", "/admin/revocations/0", {}, 404
    yield "DELETE", f"/admin/connections/{connection_id}", {}, 404
    yield "DELETE", "/admin/connections/nothing", {}, 404
    yield "DELETE", f"/admin/recipients/{alice}", {}, 200


async def test_every_admin_route_answers_as_the_contract_says(plain: Service) -> None:
    """Every operation of the document is asked; and each refuses who has no token, and who has another scope."""
    async with Api(plain) as api:
        contract, headers, alice = await Contract.of(api), administrator(plain), fresh("alice/ö")
        async with api.stream(alice) as stream:
            connection_id = str((await stream.event("connected")).json()["connection_id"])
            name = fresh("n")
            await api.publish(alice, notification_id=name)
            await stream.event("message")

        async def closed() -> Any:
            path = f"/admin/recipients/{quote(alice, safe='')}/connections"
            return [one["closed_at"] for one in (await api.http.get(path, headers=headers)).json()["items"]] != [None]

        await eventually(closed, what="the journal to have the connection")
        seen = set()
        for method, path, options, status in _asked(alice, name, connection_id):
            for other, refused in (({}, 401), (bearer(plain.token(alice)), 403), (bearer(api.publisher), 403)):
                answer = await api.http.request(method, path, headers=other, **options)
                contract.holds(answer, status=refused)
                assert alice not in answer.text
            answer = await api.http.request(method, path, headers=headers, **options)
            contract.holds(answer, status=status)
            seen.add((contract.path_of(answer.request), method.lower()))
        [revoked] = [
            one
            for one in (await api.http.get("/admin/revocations", headers=headers)).json()["items"]
            if one.get("sub") == f"not-{alice}"
        ]
        undo = await api.http.delete(f"/admin/revocations/{revoked['id']}", headers=headers)
        contract.holds(undo, status=204 if not undo.content else 200)
    described = {
        (path, method)
        for path, operations in contract.document["paths"].items()
        if path.startswith("/admin/")
        for method in operations
        if method in ("get", "post", "put", "patch", "delete")
    }
    assert seen == described, "an operation that nobody has asked"
