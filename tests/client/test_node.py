"""Runs what tests the client in Node, so that `make test` shows it too. Its types are checked by `make lint`."""

import re

import pytest

from tests.client import node


@pytest.fixture(scope="module", autouse=True)
def _packages() -> None:
    node.prepared()


@pytest.mark.deadline(420)
def test_the_pure_parts_and_the_package_pass_their_tests() -> None:
    """Every test in tests/client/*.test.mjs passes, and there are some."""
    report = node.npm("test")
    passed = re.search(r"^\S* pass (\d+)$", report, re.MULTILINE)
    assert passed, report
    assert int(passed[1]) >= 60, report
    assert re.search(r"^\S* fail 0$", report, re.MULTILINE), report
    assert re.search(r"^\S* skipped 0$", report, re.MULTILINE), report
