"""The tutorial, run as it stands: each command in its order, and what the page says that it prints."""

import re
import shlex
import signal
from pathlib import Path

import pytest

from tests.integration.test_up import terminals

pytestmark = [pytest.mark.broker, pytest.mark.slow]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tutorial.md"
#: A command, and what it, or the first terminal, then prints: in each line what stands between wide gaps.
STEPS = [
    (command, [part for line in printed.splitlines() for part in re.split("  +", line)])
    for command, printed in re.findall(r"```sh\n(.+?)\n```.+?```text\n(.+?)```", PAGE.read_text("utf-8"), re.DOTALL)
]


@pytest.fixture
def terminal(broker, topic_prefix, tmp_path):
    yield from terminals(broker, topic_prefix, tmp_path)


@pytest.mark.req("VAGT-EVI-03")
def test_the_tutorial_prints_what_it_says(terminal):
    (start, alerts), *others = STEPS
    assert start.startswith("make run DATA=")
    assert len(others) == 4
    up = terminal("up", "--demo", "--data", start.partition("DATA=")[2], folder="up")
    for part in alerts:
        up.wait_for(part)
    for command, printed in others:
        beside = terminal(*shlex.split(command)[1:], folder="up")
        assert beside.process.wait(120) == 0, beside.text()
        for part in printed:
            if part not in beside.text():
                up.wait_for(part)
    assert up.end(signal.SIGINT) == 0
