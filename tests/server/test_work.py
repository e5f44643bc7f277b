"""What one client asks for costs the others no long wait: the event loop never works at a stretch for it."""

import json
from pathlib import Path

from tests.server.in_process import running
from tests.support.api import Api, notification
from tests.support.turns import turns


async def test_a_batch_costs_others_no_long_wait(tmp_path: Path) -> None:
    """Neither a sound one of much work, nor one that is broken at its end."""
    item = notification("bob", payload={"a": [0] * 8000})
    batch = json.dumps([item] * 200).replace(" ", "")
    async with running(tmp_path) as served, Api(served) as api:
        for body, status in ((batch, 201), (batch[:-1] + ",NaN]", 400)):
            async with turns() as stretches:
                assert (await api.post(body.encode())).status_code == status
            assert max(stretches) < 0.1 < sum(stretches)
