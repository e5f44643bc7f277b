"""The Helm chart, rendered: by a Helm 3 that is there or is had in seconds, or not at all."""

import functools
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).parents[2]
CHART = REPOSITORY / "deploy/helm/notify-sse"
VALUES = sorted((REPOSITORY / "deploy/helm/values").glob("*.yaml"))
Manifest = dict[str, Any]


def helm(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the Helm of tools/helm; without one the test does not count."""
    program, why_not = _program()
    if not program:
        pytest.skip(why_not)
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


@functools.cache
def _program() -> tuple[str, str]:
    found = subprocess.run([REPOSITORY / "tools/helm", "--no-build"], capture_output=True, text=True, check=False)
    return found.stdout.strip(), found.stderr.strip()


def rendered(*arguments: str | Path) -> list[Manifest]:
    """The manifests of the chart."""
    done = helm("template", "notify-sse", CHART, "--namespace", "notify-sse", "--kube-version", "1.35.0", *arguments)
    assert done.returncode == 0, done.stderr
    return parsed(done.stdout)


def parsed(text: str) -> list[Manifest]:
    """The manifests in a file."""
    return [document for document in yaml.safe_load_all(text) if document]


def of_kind(manifests: list[Manifest], kind: str) -> list[Manifest]:
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def pods(manifests: list[Manifest]) -> list[tuple[str, Manifest]]:
    """The pod templates, by the names of their owners."""
    owners = of_kind(manifests, "Deployment") + of_kind(manifests, "Job")
    return [(owner["metadata"]["name"], owner["spec"]["template"]) for owner in owners]
