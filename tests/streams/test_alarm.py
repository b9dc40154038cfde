import re
import time
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

import features
import models
from streams.alarm import Alarms, Clock
from tests.integration.patients import ward
from tests.integration.service import oracle


def alarms(**instants: int | None) -> Alarms:
    found = Alarms()
    for patient, instant in instants.items():
        found.put(patient, instant)
    return found


def test_an_alarm_rings_at_its_instant_once_and_the_earliest_first():
    found = alarms(a=30, b=10, c=31)
    assert found.take(9) == []
    assert found.take(30) == [("b", 10), ("a", 30)]
    assert found.take(30) == []
    assert found.take(99) == [("c", 31)]


def test_a_new_alarm_takes_the_place_of_the_one_before():
    found = alarms(a=10)
    found.put("a", 20)
    assert found.take(19) == []
    assert found.take(20) == [("a", 20)]
    found.put("a", 40)
    found.put("a", 30)
    assert found.take(50) == [("a", 30)]


def test_an_alarm_can_be_taken_away_and_set_again():
    found = alarms(a=10)
    assert "a" in found
    found.put("a", None)
    found.put("nobody", None)
    assert "a" not in found
    assert found.take(10) == []
    found.put("a", 10)
    assert found.take(10) == [("a", 10)]


def test_an_alarm_that_was_set_back_rings_once():
    found = alarms(a=10)
    found.put("a", 20)
    found.put("a", 10)
    assert found.take(99) == [("a", 10)]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.none() | st.integers(0, 20), st.booleans()), max_size=40))
def test_what_rings_is_what_was_set_last(steps):
    found, expected = Alarms(), dict[str, int]()
    for number, (patient, instant, take) in enumerate(steps):
        found.put(patient, instant)
        expected.pop(patient, None)
        if instant is not None:
            expected[patient] = instant
        if take:
            rung = sorted((at, who) for who, at in expected.items() if at <= number)
            assert found.take(number) == [(who, at) for at, who in rung]
            expected = {who: at for who, at in expected.items() if at > number}


def test_alarms_that_are_set_again_and_again_take_no_more_room():
    found = Alarms()
    for instant in range(100_000):
        found.put("a", 1_000_000 + instant)
    assert len(found._queue) < 100
    assert found.take(2_000_000) == [("a", 1_099_999)]


class Machine:
    """A machine whose clock can be set."""

    def __init__(self) -> None:
        self.day = 1_767_225_600_000
        self.steady = 5_000
        self.clock = Clock(lambda: self.day, lambda: self.steady)

    def after(self, seconds: int, jump: int = 0) -> int:
        """The time after so many seconds, in seconds since the start; the clock is set by ``jump`` in between."""
        self.day += 1000 * (seconds + jump)
        self.steady += 1000 * seconds
        return (self.clock.now() - 1_767_225_600_000) // 1000


DAY_S = 24 * 3600


@pytest.mark.parametrize("jump", [DAY_S, -DAY_S, 3600, -10])
@pytest.mark.req("VAGT-REL-10")
def test_a_clock_that_jumps_and_returns_brings_no_tick_early_or_late(jump):
    machine = Machine()
    assert machine.after(10) == 10
    assert machine.after(10, jump) == 20
    assert machine.after(600) == 620
    assert machine.after(10, -jump) == 630


@pytest.mark.parametrize("jump", [DAY_S, -DAY_S])
def test_a_clock_that_was_set_right_is_believed_after_a_quarter_of_an_hour(jump):
    machine = Machine()
    machine.after(0, jump)
    assert machine.after(15 * 60) == 15 * 60
    assert machine.after(1) == 15 * 60 + 1 + jump
    assert machine.after(1) == 15 * 60 + 2 + jump


def test_what_time_servers_mend_is_followed_at_once():
    machine = Machine()
    machine.day += 1_500
    assert machine.clock.now() == machine.day
    machine.day += 1_500
    assert machine.clock.now() == machine.day


def test_a_jump_is_said_once():
    machine = Machine()
    with structlog.testing.capture_logs() as said:
        for _ in range(5):
            machine.after(1, 3600 if not said else 0)
    assert [(one["event"], one["seconds"]) for one in said] == [("clock.jumped", 3600)]


@pytest.mark.req("VAGT-DEC-01")
def test_no_decision_reads_a_clock(monkeypatch):
    def read(*_):
        raise AssertionError("a decision read a clock")

    for name in ("time", "time_ns", "monotonic", "monotonic_ns", "localtime", "gmtime"):
        monkeypatch.setattr(time, name, read)
    scores, _ = oracle(ward(patients=1, hours=3))
    monkeypatch.undo()
    assert scores
    decides = [Path(features.__file__).parent, Path(models.__file__).parent]
    sources = [path for folder in decides for path in [*folder.glob("*.py"), *folder.glob("rules/*.py")]]
    assert len(sources) > 40
    told = [path.name for path in sources if re.search(r"\b(now|today|utcnow)\(\)", path.read_text())]
    assert told == []
