"""The Helm chart, rendered: by a Helm that is there, or not at all."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).parents[2]
CHART = REPOSITORY / "deploy/helm/notify-sse"
VALUES = sorted((REPOSITORY / "deploy/helm/values").glob("*.yaml"))
BUILT = REPOSITORY / ".cache/helm"
Manifest = dict[str, Any]


def helm(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run Helm, from PATH or built by tools/helm; without one the test does not count."""
    built = sorted(BUILT.glob("v*/helm"))
    program = str(built[-1]) if built else shutil.which("helm")
    if not program:
        pytest.skip("helm is not installed, and tools/helm was not run: the chart is not rendered here")
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


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
