"""Thousands of streams with cursors at two gateways; one of them is killed. Its clients come to the other.

Everybody is live and has what it missed within 10 s, no answer is other than 200, and the log is not asked once, since
every cursor lies within the tail.
"""

import time
from collections.abc import Sequence
from functools import partial
from random import Random

from tests.fault.clients import Habits
from tests.fault.finding import Finding
from tests.fault.fleet import Gateway
from tests.fault.stage import Given, Stage
from tests.support.polling import becomes_true

WITHIN_S = 10.0


async def run(*, streams: int = 10_000, notifications: int = 2000, given: Given | None = None) -> Finding:
    """`streams` clients of as many recipients, half at each gateway; `notifications` before and after the kill."""
    finding = Finding(f"reconnect: {streams} streams, one of two gateways killed -9")
    async with Stage(given=given, gateways=2, env={"HEARTBEAT_S": "5"}) as stage:
        alive: list[Gateway] = list(stage.gateways)
        rng = Random(1)
        habits = Habits(stay_s=1e9, away_s=0.0, obedient=True)
        for number in range(streams):
            home = stage.gateways[number % 2]
            stage.read(f"user-{number}", choose=partial(_home_if_alive, home, alive), habits=habits)
        finding.expect(await stage.all_connected(), "not everybody could connect")
        survivor, doomed = stage.gateways

        async def publish() -> None:
            users = [f"user-{rng.randrange(streams)}" for _ in range(notifications)]
            await stage.publish([stage.document(recipient_id=user) for user in users])

        await publish()
        finding.expect(not await stage.caught_up(within_s=30), "not everybody had everything before the kill")
        pages = (await survivor.scrape())["replay_pages"]
        orphans = [one for one in stage.clients if one.port == doomed.service.port]
        before = {one.name: one.opened for one in orphans}
        alive.remove(doomed)
        killed_at = time.monotonic()
        await doomed.kill()
        await publish()
        back = await becomes_true(
            lambda: all(one.opened > before[one.name] and one.connected for one in orphans), within_s=60
        )
        live_s = time.monotonic() - killed_at
        late = await stage.caught_up(within_s=60)
        caught_up_s = time.monotonic() - killed_at
        marker = stage.document(topic="all")
        await stage.publish([marker])
        late += await stage.caught_up(within_s=30)
        pages = (await survivor.scrape())["replay_pages"] - pages
        finding.note(
            {
                "streams that came back": len(orphans),
                "all connected again, s": live_s,
                "all caught up, s": caught_up_s,
                "pages of the log read for them": int(pages),
                "answers": stage.statuses(),
            }
        )
        finding.expect(back, "not every stream came back")
        finding.expect(not late, f"{len(late)} streams are behind")
        finding.expect(max(live_s, caught_up_s) <= WITHIN_S, f"it took over {WITHIN_S:g} s")
        finding.expect(set(stage.statuses()) == {200}, f"answers: {stage.statuses()}")
        finding.expect(pages == 0, f"{pages:.0f} pages of the log were read")
        finding.wrong += map(str, stage.judge())
    return finding


def _home_if_alive(home: Gateway, alive: Sequence[Gateway]) -> Gateway:
    return home if home in alive else alive[0]
