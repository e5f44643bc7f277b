"""`serve --workers 3`: one worker is killed -9. The streams of the others go on; another takes its place."""

import signal
import time

from tests.fault.clients import Habits
from tests.fault.finding import Finding
from tests.fault.stage import Given, Stage
from tests.support.polling import becomes_true

WORKERS = 3


async def run(*, streams: int = 120, kills: int = 3, given: Given | None = None) -> Finding:
    """Kill a worker `kills` times; count the streams that were cut each time."""
    finding = Finding(f"workers: one of {WORKERS} killed -9, {kills} times, {streams} streams")
    async with Stage(given=given, workers=WORKERS, env={"HEARTBEAT_S": "2", "RETRY_MS": "300"}) as stage:
        gateway = stage.gateways[0]
        for number in range(streams):
            stage.read(f"user-{number}", habits=Habits(stay_s=1e9, obedient=True), heartbeat_s=2)
        finding.expect(await stage.all_connected(), "not everybody could connect")
        cut, back = [], []
        for _ in range(kills):
            workers = gateway.workers()
            finding.expect(len(workers) == WORKERS, f"{len(workers)} workers")
            opened = sum(one.opened for one in stage.clients)
            began = time.monotonic()
            workers[0].send(signal.SIGKILL)
            await stage.publish([stage.document(recipient_id=f"user-{n}") for n in range(streams)])
            finding.expect(
                await becomes_true(lambda: len(gateway.workers()) == WORKERS, within_s=20), "no worker took its place"
            )
            finding.expect(await stage.all_connected(), "not everybody came back")
            late = await stage.caught_up(within_s=20)
            back.append(time.monotonic() - began)
            cut.append(sum(one.opened for one in stage.clients) - opened)
            finding.expect(not late, f"{len(late)} are behind")
        finding.note({"streams cut by each kill": cut, "all back and caught up, s": max(back)})
        finding.expect(all(0 < one < streams for one in cut), f"streams cut: {cut} of {streams}")
        finding.expect(set(stage.statuses()) == {200}, f"answers: {stage.statuses()}")
        finding.wrong += map(str, stage.judge())
    return finding
