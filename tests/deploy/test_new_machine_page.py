"""docs/how-to/new-machine.md: followed from its first section to its last, on a machine that is a folder.

These lines of the page are not run: `apt-get` (1), since the tests install the same packages in their own way, which is
compared; `python3 -m venv` and `pip install` (2), which need the network and a minute (tests/packaging installs the
wheel): the program that they make is put in place. Others run with a stand-in: `su postgres -c psql` and `rabbitmqctl`
(3) reach the tests' own servers, and `systemctl` (5, 6, 8, 10) starts what the units say without systemd: user, sandbox
and restarts of the units are not seen here (test_systemd.py asks systemd about them). Ports and folders are our own.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from notify_sse import __version__
from tests.deploy import systemctl
from tests.deploy.machine import NAME, Machine
from tests.deploy.test_server_pages import pasted
from tests.support.api import STREAM
from tests.support.pages import below, printed, script, shown
from tests.support.polling import eventually
from tests.support.services import ensure
from tests.support.services.packages import NEEDS

PAGE = "how-to/new-machine.md"
SETTINGS = "## 4. Settings, and a look at them"
NEEDED = ("rabbitmq", "postgres", "nginx", "prometheus", "curl")
IN_A_NEW_SHELL = "set -a; . /etc/notify-sse/notify-sse.env; set +a\n"
"""As section 4 has it."""


@pytest.fixture
def machine(superuser: dict[str, str], operator: dict[str, str], tmp_path: Path) -> Iterator[Machine]:
    ensure(*NEEDED)
    machine = Machine(tmp_path / "machine", postgres=superuser, broker=operator)
    yield machine
    machine.stop()


def test_the_packages_are_those_of_the_tests() -> None:
    """So what is run here is what the page installs."""
    (programs,) = shown(PAGE, "## 1. Programs")
    named = set(re.findall(r"install --yes (.*)", programs.commands)[0].split())
    assert named >= {package for need in NEEDED for package in NEEDS[need].packages}


async def _follow(machine: Machine, *headings: str, before: str = "") -> list[str]:
    """What each block below these headings prints."""
    program = script([block for heading in headings for block in shown(PAGE, heading)])
    return printed(await _pasted(machine, before + program))


async def _pasted(machine: Machine, program: str) -> str:
    try:
        return await pasted(machine.here(program), machine.env, machine.sources)
    except AssertionError as exc:
        raise AssertionError(f"{exc}\n{machine.logged()}") from exc


def _linked(machine: Machine) -> str:
    """Section 2, without the two lines that make what `Machine.installed` puts in place."""
    (block,) = shown(PAGE, "## 2. The service")
    venv, pip, *links = block.commands.splitlines()
    folder = f"/opt/notify-sse/{__version__}"
    assert venv == f"python3 -m venv {folder}"
    assert pip == f"{folder}/bin/pip install --quiet --constraint constraints.txt ."
    machine.installed(__version__)
    return "\n".join([*links, ""])


@pytest.mark.deadline(120)
async def test_the_page_leads_from_an_empty_machine_to_the_first_stream(machine: Machine) -> None:
    """Each block does what the page says of it, one after the other; nobody has a stream before the rollout, and an
    update by section 10 leaves what is stored, and all who are connected come back.
    """
    *_, diagnosis = await _follow(machine, "## 3. Database and broker", SETTINGS, before=_linked(machine))
    assert "reached" in diagnosis
    gateways, _ = await _follow(machine, "## 5. Two gateways", "## 6. TLS", before=IN_A_NEW_SHELL)
    assert gateways.count('"status":"ready"') == 2, gateways
    (history,) = await _follow(machine, "## 7. The first notification", before=IN_A_NEW_SHELL)
    assert '"payload":{"text":"hi"}' in history
    (checked,) = await _follow(machine, "## 8. Prometheus, dashboards and alerts")
    assert "SUCCESS" in checked
    token = (
        await pasted(machine.here(f"{IN_A_NEW_SHELL}notify-sse token --sub alice"), machine.env, machine.sources)
    ).strip()
    headers = {"Authorization": f"Bearer {token}", "Host": NAME}
    async with httpx.AsyncClient(base_url=f"https://127.0.0.1:{machine.https}", verify=False, headers=headers) as http:
        assert (await http.get(STREAM, headers={"Accept": "text/event-stream"})).status_code == 204
        (stream,) = await _follow(machine, "## 9. The first step of the rollout", before=IN_A_NEW_SHELL)
        assert "event: connected" in stream
        await _assert_watched(machine)
        before = systemctl.running(machine.folder)
        for instance in re.findall(r"@(\d+)`", below(PAGE, "## 10. And an update of it")):
            await _pasted(machine, f"systemctl restart notify-sse@{instance}")
        after = systemctl.running(machine.folder)
        assert {unit.partition("@")[0] for unit in before if before[unit] != after[unit]} == {"notify-sse"}
        assert sum(before[unit] != after[unit] for unit in before) == 2

        async def stored() -> list[Any]:
            answer = await http.get("/notifications/history")  # of one of them; the other may not be ready yet
            return [item["payload"] for item in answer.json()["items"]] if answer.status_code == 200 else []

        found = await eventually(stored, what="a gateway that was restarted", within_s=30, every_s=0.1)
    assert found == [{"text": "hi"}]


async def _assert_watched(machine: Machine) -> None:
    """Prometheus scrapes both gateways, and has the rules."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{machine.prometheus}/api/v1", timeout=10) as http:

        async def scraped() -> list[str]:
            result: list[Any] = (await http.get("/query", params={"query": "up == 1"})).json()["data"]["result"]
            found = sorted(series["metric"]["instance"] for series in result)
            return found if len(found) > 1 else []

        found = await eventually(scraped, what="a scrape of both gateways", within_s=40, every_s=0.2)
        assert found == sorted(f"127.0.0.1:{port}" for port in machine.gateways)
        (group,) = (await http.get("/rules")).json()["data"]["groups"]
        assert group["rules"]
