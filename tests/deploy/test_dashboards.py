"""deploy/grafana: the dashboards are what their program makes, and every panel shows something."""

import asyncio
import importlib.util
import json
import math
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
import yaml

from tests.deploy.metrics import documented, named
from tests.support.amqp import publisher
from tests.support.api import Api, notification
from tests.support.failures import show_log
from tests.support.pages import blocks
from tests.support.polling import eventually
from tests.support.service import ServiceFactory
from tests.support.services import ensure, free_port
from tests.support.services.packages import executable
from tests.support.services.processes import spawn, wait_ready

DEPLOY = Path(__file__).parents[2] / "deploy"
GRAFANA = DEPLOY / "grafana"
NAMES = ("overview", "delivery", "capacity")


def _program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("dashboards", GRAFANA / "dashboards.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _queries() -> Iterator[tuple[str, str]]:
    """Where it stands, and the query with the variables filled in as Grafana does."""
    for name in NAMES:
        dashboard: dict[str, Any] = json.loads((GRAFANA / f"{name}.json").read_text())
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                query = target["expr"].replace("$job", "notify-sse").replace("$__rate_interval", "10s")
                yield f"{name}: {panel['title']}: {target['legendFormat']}", query
    yield "rollout.md: who still polls", adoption()


def adoption() -> str:
    """The query of the page on rollouts, as it is pasted."""
    [query] = blocks("how-to/rollout.md", "## 5. See who still polls", "text")
    return query


@pytest.mark.parametrize("name", NAMES)
def test_a_dashboard_is_what_its_program_makes(name: str) -> None:
    made: str = _program().text(name)
    assert (GRAFANA / f"{name}.json").read_text(encoding="utf-8") == made, "run python deploy/grafana/dashboards.py"


def test_panels_read_metrics_that_there_are() -> None:
    wrong = [f"{place}: {name}" for place, query in _queries() for name in named(query) - documented()]
    assert wrong == []


def test_compose_provisions_every_file() -> None:
    """Each dashboard is mounted where the provider looks, and the data source is the Prometheus of the same file."""
    services = yaml.safe_load((DEPLOY.parent / "compose.yaml").read_text())["services"]
    mounted = dict(volume.split(":")[:2] for volume in services["grafana"]["volumes"] if volume.startswith("./"))
    provider = yaml.safe_load((GRAFANA / "provider.yml").read_text())["providers"][0]
    folder = provider["options"]["path"]
    assert {f"./deploy/grafana/{name}.json": f"{folder}/{name}.json" for name in NAMES}.items() <= mounted.items()
    assert all((DEPLOY.parent / source).exists() for source in mounted)
    source = yaml.safe_load((GRAFANA / "datasources.yml").read_text())["datasources"][0]
    assert source["url"] == "http://prometheus:9090"
    assert {services[name]["profiles"][0] for name in ("prometheus", "grafana")} == {"observability"}
    scraped = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())["scrape_configs"][0]
    assert scraped["static_configs"] == [{"targets": ["gateway:8000"]}]
    assert "gateway" in services


@pytest.fixture
def prometheus(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """Starts Prometheus on the configuration of deploy/, but for its target and a shorter interval; returns its URL."""
    ensure("prometheus")
    started = []

    def start(target: str) -> str:
        text = (DEPLOY / "prometheus/prometheus.yml").read_text()
        text = text.replace("gateway:8000", target).replace("scrape_interval: 5s", "scrape_interval: 1s")
        text = text.replace("scrape_timeout: 4s", "scrape_timeout: 1s")
        (tmp_path / "prometheus.yml").write_text(text)
        (tmp_path / "alerts.yml").write_text((DEPLOY / "prometheus/alerts.yml").read_text())
        port, log = free_port(), tmp_path / "prometheus.log"
        show_log(request, log)
        command = [executable("prometheus"), f"--config.file={tmp_path / 'prometheus.yml'}"]
        command += [f"--storage.tsdb.path={tmp_path / 'data'}", f"--web.listen-address=127.0.0.1:{port}"]
        process = spawn(command, log=log, env={"PATH": "/usr/bin:/bin"}, cwd=tmp_path)
        started.append(process)
        url = f"http://127.0.0.1:{port}"
        wait_ready(process, lambda: _answers(f"{url}/-/ready"), within_s=20, log=log)
        return url

    yield start
    for process in started:
        process.kill()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.TransportError:
        return False


async def test_no_panel_is_empty_after_a_little_load(
    prometheus: Any, service: ServiceFactory, broker_url: str, database_url: str, amqp_prefix: str
) -> None:
    """A real Prometheus that scraped a service under a little load answers each query with a number."""
    running = await asyncio.to_thread(
        service,
        broker_url=broker_url,
        database_url=database_url,
        amqp_prefix=amqp_prefix,
        env={"TAIL_MAX_EVENTS": "50", "HEARTBEAT_S": "1"},
    )
    url = await asyncio.to_thread(prometheus, f"127.0.0.1:{running.port}")
    async with Api(running) as api, httpx.AsyncClient(base_url=url) as http:
        load = asyncio.create_task(_load(api, broker_url, amqp_prefix))
        silent: list[str] = []

        async def all_answered() -> bool:
            if load.done():
                load.result()
            silent[:] = [place for place, query in _queries() if not await _has_data(http, query)]
            return not silent

        try:
            await eventually(all_answered, what="data in every panel", within_s=25, every_s=0.5)
        except AssertionError:
            assert silent == []
        finally:
            load.cancel()
        await _assert_adoption(api, http)
        rules = (await http.get("/api/v1/rules")).json()["data"]["groups"][0]["rules"]
        assert [rule["name"] for rule in rules if rule["health"] == "err"] == []


async def _assert_adoption(api: Api, http: httpx.AsyncClient) -> None:
    """Alice came on streams, and bob and carol poll: a third, and no other number."""
    for name in ("bob", "carol"):
        head = await api.head()
        assert (await api.history(name, after=head)).status_code == 200

    async def a_third() -> bool:
        answer = (await http.get("/api/v1/query", params={"query": adoption()})).json()
        [series] = answer["data"]["result"]
        found.append(float(series["value"][1]))
        return math.isclose(found[-1], 1 / 3)

    found: list[float] = []
    try:
        await eventually(a_third, within_s=25, every_s=0.5)
    except AssertionError:
        assert found[-1] == 1 / 3


async def _has_data(http: httpx.AsyncClient, query: str) -> bool:
    answer = (await http.get("/api/v1/query", params={"query": query})).json()
    assert answer["status"] == "success", f"{query}: {answer}"
    return any(math.isfinite(float(series["value"][1])) for series in answer["data"]["result"])


async def _load(api: Api, broker_url: str, amqp_prefix: str) -> None:
    """Streams that hear what is published both ways, one that begins far back, and one refusal of each kind."""
    first = await api.publish("alice")
    await api.publish_many([notification("alice") for _ in range(200)])
    await api.http.get("/notifications/stream", headers={"Authorization": "Bearer no"})
    await api.post({"notification_type": "NO"})

    def over_amqp() -> None:
        with publisher(broker_url, amqp_prefix) as channel:
            channel.publish(notification("alice"))

    while True:
        async with api.stream("alice", last_event_id=first) as replayed, api.stream("alice") as live:
            await live.event("connected")
            await replayed.event("connected")
            await asyncio.to_thread(over_amqp)
            for _ in range(20):
                await api.publish("alice")
                await live.notification()
                await asyncio.sleep(0.02)
