"""docs/how-to/load-test.md: every block that can be pasted prints what the page says; only amounts are smaller."""

import asyncio
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from notify_sse.bench.report.assertions import parsed
from notify_sse.cli.commands.bench import command
from tests.support.pages import Shown, printed, script, shown
from tests.support.service import ServiceFactory

PAGE = "how-to/load-test.md"
SMALLER = {"streams": 10, "rate": 50, "seconds": 0.5, "burst": 100}


def _smaller(commands: str) -> str:
    for option, amount in SMALLER.items():
        commands = re.sub(rf"--{option} \d+", f"--{option} {amount}", commands)
    return commands.replace("p95<100", "p95<5000")


@pytest.mark.deadline(150)
async def test_what_is_tried_does_what_the_page_says(service: ServiceFactory, curl: str) -> None:
    running = await asyncio.to_thread(service)
    blocks = shown(PAGE, "## Try to break it")
    assert len(blocks) >= 7
    program = script([Shown(_smaller(block.commands), "") for block in blocks])
    program = program.replace("http://127.0.0.1:8000", running.url)
    env = running.env | {"PATH": f"{Path(sys.executable).parent}:{Path(curl).parent}:/usr/bin:/bin"}
    done = await asyncio.to_thread(
        subprocess.run, ["bash", "-c", program], env=env, capture_output=True, text=True, check=False
    )
    assert [*zip([block.printed for block in blocks], printed(done.stdout), strict=True)] == [
        (block.printed, block.printed) for block in blocks
    ], done.stderr


def test_the_one_command_is_taken() -> None:
    """Its options are there, and its assertions are some; what it does is tested where `bench` is."""
    (block,) = shown(PAGE, "## Pass or fail in one command")
    program_name, name, *arguments = shlex.split(block.commands)
    assert (program_name, name) == ("notify-sse", "bench")
    with command.make_context("bench", arguments) as context:
        assert [parsed(text).limit for text in context.params["asserted"]] == [100, 0]
