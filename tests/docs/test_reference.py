"""The pages of the reference that nobody generates still say what the code does."""

import re
from pathlib import Path

from notify_sse.errors import BadNotification
from notify_sse.telemetry.metrics import Metrics
from notify_sse.web.contract.openapi import openapi
from notify_sse.web.http import problems

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def page(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


def test_every_metric_is_in_the_reference() -> None:
    exposed, _ = Metrics().render("")
    names = set(re.findall(r"^# TYPE (notify_sse_\w+) (?:counter|gauge|histogram)$", exposed.decode(), re.MULTILINE))
    names = {name for name in names if not name.endswith("_created")}
    documented = set(re.findall(r"^\| `(notify_sse_\w+)`", page("metrics.md"), re.MULTILINE))
    assert names
    assert names <= documented


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
