"""deploy/prometheus: rules that Prometheus takes, that fire when they should, and that say what to do."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.metrics import documented, named
from tests.support.services import ensure
from tests.support.services.packages import executable

REPOSITORY = Path(__file__).parents[2]
PROMETHEUS = REPOSITORY / "deploy/prometheus"
RUNBOOK = (REPOSITORY / "docs/how-to/runbook.md").read_text(encoding="utf-8")
RULES: list[dict[str, Any]] = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"][0]["rules"]
TESTED = Path(__file__).with_name("alerts.test.yml")


@pytest.fixture
def promtool() -> str:
    ensure("prometheus")
    return executable("promtool")


def _run(*command: str | Path, cwd: Path) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_the_configuration_and_the_rules(promtool: str) -> None:
    _run(promtool, "check", "config", PROMETHEUS / "prometheus.yml", cwd=PROMETHEUS)


def test_each_alert_fires_when_it_should_and_not_before(promtool: str, tmp_path: Path) -> None:
    for file in (PROMETHEUS / "alerts.yml", TESTED):
        shutil.copy(file, tmp_path)
    _run(promtool, "test", "rules", TESTED.name, cwd=tmp_path)


def test_no_alert_is_left_without_a_test() -> None:
    text = TESTED.read_text()
    silent = [rule["alert"] for rule in RULES if not re.search(rf"alertname: {rule['alert']}\n +exp_alerts", text)]
    assert silent == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_an_alert_leads_to_its_section_of_the_runbook(rule: dict[str, Any]) -> None:
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert page == "how-to/runbook.md"
    assert anchor == rule["alert"].lower()
    assert f"\n### {rule['alert']}\n" in RUNBOOK
    assert rule["labels"]["severity"] in ("critical", "warning")


def test_the_runbook_has_no_section_of_an_alert_that_is_gone() -> None:
    assert set(re.findall(r"^### (NotifySse\w+)$", RUNBOOK, re.MULTILINE)) == {rule["alert"] for rule in RULES}


def test_rules_read_metrics_that_there_are() -> None:
    used = {name for rule in RULES for name in named(rule["expr"])}
    assert used
    assert used <= documented()
