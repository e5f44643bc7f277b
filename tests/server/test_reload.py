"""What a program becomes on SIGHUP, and what it finds out before."""

import os
import sys
from pathlib import Path

import pytest

from notify_sse.server import reload
from notify_sse.server.reload import HANDED_ON, HandedOn


def _script(folder: Path, text: str) -> Path:
    folder.mkdir()
    script = folder / "notify-sse"
    script.write_text(f"#!/bin/sh\n{text}\n")
    script.chmod(0o755)
    return script


def test_the_script_that_a_moved_link_leads_to_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own first line says which interpreter runs it: not the one that runs now."""
    _script(tmp_path / "1.2", "echo first >&2; exit 78")
    _script(tmp_path / "1.3", 'echo "$@" >&2; exit 78')
    current = tmp_path / "current"
    current.symlink_to("1.2")
    monkeypatch.setattr(sys, "orig_argv", ["/usr/bin/python3", str(current / "notify-sse"), "serve"])
    assert reload.objection() == "first"
    current.unlink()
    current.symlink_to("1.3")
    assert reload.objection() == "serve --check"


@pytest.mark.parametrize(("does", "objection"), [("exit 0", ""), ("exit 3", "it ended with 3"), ("sleep 60", "tried")])
def test_what_does_not_end_well_and_in_time_is_objected_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str, objection: str
) -> None:
    """Silence at the end is no yes."""
    monkeypatch.setattr(reload, "TRIAL_S", 3.0 if does.startswith("exit") else 0.1)
    script = _script(tmp_path / "program", f"exec {does}" if does.startswith("sleep") else does)
    monkeypatch.setattr(sys, "orig_argv", ["/usr/bin/python3", str(script), "serve"])
    said = reload.objection()
    assert objection in said
    assert bool(said) == bool(objection)


def test_what_is_handed_on_is_taken_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """And never by a child: a descriptor means something in this process only."""
    reading, writing = os.pipe()
    monkeypatch.setenv(HANDED_ON, f'{{"listener":{reading},"workers":[7],"metrics":"/tmp/x"}}')
    os.set_inheritable(reading, True)
    assert reload.handed_on() == HandedOn(reading, (7,), "/tmp/x")
    assert not os.get_inheritable(reading)
    assert reload.handed_on() is None
    os.close(reading)
    os.close(writing)
