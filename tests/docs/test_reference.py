"""The pages of the reference that nobody generates still say what the code does."""

import re
from collections.abc import Iterator
from pathlib import Path

from prometheus_client.metrics import MetricWrapperBase

from notify_sse.config import read_settings
from notify_sse.errors import BadNotification
from notify_sse.server.process import Process
from notify_sse.telemetry.metrics import Metrics
from notify_sse.web.contract.openapi import openapi
from notify_sse.web.http import problems
from tests.support.tokens import SECRET

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def page(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


async def test_every_metric_is_in_the_reference(tmp_path: Path) -> None:
    """With its kind, its labels and its meaning, as the exposition has them; and nothing else is."""
    environ = {"NOTIFY_SSE_DATABASE_URL": f"sqlite:///{tmp_path / 'log.db'}"}
    metrics = Process(read_settings(environ, jwt_secret=SECRET)).parts.metrics
    rows = re.findall(r"^\| `notify_sse_.*$", re.sub(r"\[(.+?)\]\(.+?\)", r"\1", page("metrics.md")), re.MULTILINE)
    assert sorted(rows) == sorted(_metric_rows(metrics))


def _metric_rows(metrics: Metrics) -> Iterator[str]:
    for made in metrics.registry._collector_to_names:
        if isinstance(made, MetricWrapperBase):
            name = made._name + ("_total" if made._type == "counter" else "")
            labels = ", ".join(made._labelnames)
            yield f"| `{name}` | {made._type} | {labels} | {made._documentation} |"


def test_every_reason_of_a_refusal_is_in_the_reference() -> None:
    missing = [reason for reason in BadNotification.REASONS if f"`{reason}`" not in page("amqp.md")]
    assert not missing


def test_every_code_of_a_problem_is_in_the_reference() -> None:
    codes = {kind.code for kind in problems.STATUS} | {"upgrade_required", "not_found", "method_not_allowed"}
    missing = [code for code in codes if f"`{code}`" not in page("errors.md")]
    assert not missing


def test_every_route_of_the_contract_is_in_the_reference() -> None:
    missing = [
        path
        for path in openapi(max_bytes=16_384, session_cookie="notify_sse_session")["paths"]
        if path not in page("http.md")
    ]
    assert not missing


def test_every_link_of_the_docs_leads_to_a_file() -> None:
    root = REFERENCE.parents[1]
    broken = [
        f"{source.relative_to(root)} → {target}"
        for source in [*root.glob("*.md"), *(root / "docs").rglob("*.md")]
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", source.read_text(encoding="utf-8"))
        if not (source.parent / target).exists()
    ]
    assert not broken
