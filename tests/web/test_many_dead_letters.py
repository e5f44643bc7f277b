"""`/admin/dead-letters` where there are more of them than a page holds."""

import asyncio
from typing import Any, Final

import pytest

from tests.support.api import Api
from tests.support.dead_letters import refuse_at
from tests.support.service import ServiceFactory
from tests.web.test_admin import administrator
from tests.web.test_contract import Contract

MANY: Final = 1150
LETTERS: Final = "/admin/dead-letters"


@pytest.mark.deadline(120)
async def test_all_dead_letters_are_counted_found_and_shown(
    service: ServiceFactory, broker_url: str, amqp_prefix: str, database_url: str
) -> None:
    """Those beyond the first thousand too. `more` says only whether the list is longer."""
    running = await asyncio.to_thread(
        service, broker_url=broker_url, amqp_prefix=amqp_prefix, database_url=database_url
    )
    many = [b"many %d" % number for number in range(MANY)]
    await refuse_at(broker_url, amqp_prefix, ("malformed", many), ("too_deep", [b"few 1", b"few 2"]))
    async with Api(running) as api:
        contract, headers = await Contract.of(api), administrator(running)

        async def asked(path: str, *, status: int = 200, **params: str) -> Any:
            answer = await api.http.get(path, headers=headers, params=params)
            contract.holds(answer, status=status)
            return answer.json()

        page = await asked(LETTERS)
        assert page["reasons"] == {"malformed": MANY, "too_deep": 2}
        assert page["more"]
        assert {one["reason"] for one in page["items"]} == {"malformed"}
        few = await asked(LETTERS, reason="too_deep")
        assert few["reasons"] == page["reasons"]
        assert (len(few["items"]), few["more"]) == (2, False)
        shown = [(await asked(f"{LETTERS}/{one['handle']}"))["body"] for one in few["items"]]
        assert sorted(shown) == ["few 1", "few 2"]
        await asked(f"{LETTERS}/nosuch", status=404)
        overview = await asked("/admin/overview")
        assert overview["queues"] == {"ingest": 0, "dead": MANY + 2}
