"""When the watchdog takes a worker for stalled, on instants that the test says."""

import asyncio
import subprocess
import sys

import pytest
from aiokafka import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from streams.watchdog import LISTEN_EVERY_S, LOOK_EVERY_S, STALL_S, STUCK_S, Sight, Stalls, Turns

P0, P1 = TopicPartition("events", 0), TopicPartition("events", 1)
WAITS = Sight(committed=10, end=11)


def stalled(*looks: tuple[float, dict[TopicPartition, Sight]], patience: float = 90.0) -> list[TopicPartition]:
    """What the last of these looks finds, with looks in between."""
    stalls = Stalls(patience)
    found: list[TopicPartition] = []
    for (since, sights), (until, _) in zip(looks, [*looks[1:], looks[-1]], strict=True):
        found = stalls.look(since, sights)
        between = since + LOOK_EVERY_S
        while between < until:
            assert stalls.look(between, sights) == []
            between += LOOK_EVERY_S
    return found


def test_a_partition_whose_records_wait_for_longer_than_the_patience_stalls() -> None:
    assert stalled((0.0, {P0: WAITS}), (90.0, {P0: WAITS})) == []
    assert stalled((0.0, {P0: WAITS}), (90.1, {P0: WAITS})) == [P0]


@pytest.mark.req("VAGT-REL-06")
def test_lag_that_grows_while_nothing_is_committed_is_a_stall() -> None:
    assert stalled((0.0, {P0: WAITS}), (60.0, {P0: Sight(10, 500)}), (90.1, {P0: Sight(10, 900)})) == [P0]


def test_a_partition_in_which_nothing_waits_never_stalls() -> None:
    assert stalled((0.0, {P0: Sight(11, 11)}), (900.0, {P0: Sight(11, 11)})) == []


def test_time_without_a_waiting_record_does_not_count() -> None:
    assert stalled((0.0, {P0: Sight(10, 10)}), (800.0, {P0: WAITS}), (890.0, {P0: WAITS})) == []


@pytest.mark.req("VAGT-REL-06")
def test_slow_progress_is_no_stall() -> None:
    steps = [(80.0 * step, {P0: Sight(10 + step, 1000)}) for step in range(20)]
    assert stalled(*steps) == []


def test_a_restore_that_goes_on_is_no_stall_and_one_that_stops_is() -> None:
    steps = [(80.0 * step, {P0: Sight(10, 1000, restored=step)}) for step in range(20)]
    assert stalled(*steps) == []
    assert stalled(*steps, (80.0 * 19 + 90.1, {P0: Sight(10, 1000, restored=19)})) == [P0]


def test_each_partition_counts_by_itself() -> None:
    sights = [(float(at), {P0: WAITS, P1: Sight(at, 1000)}) for at in range(0, 92, 1)]
    assert stalled(*sights) == [P0]


def test_a_partition_that_was_given_back_starts_again() -> None:
    assert stalled((0.0, {P0: WAITS}), (60.0, {}), (63.0, {P0: WAITS}), (95.0, {P0: WAITS})) == []


def test_a_broker_that_was_away_is_no_stall() -> None:
    stalls = Stalls(90.0)
    for now in range(0, 90, 3):
        assert stalls.look(now, {P0: WAITS}) == []
    stalls.forget()
    for now in range(90, 180, 3):
        assert stalls.look(now, {P0: WAITS}) == []


def test_a_process_that_was_stopped_and_wakes_is_no_stall() -> None:
    stalls = Stalls(90.0)
    assert stalls.look(0.0, {P0: WAITS}) == []
    assert stalls.look(300.0, {P0: WAITS}) == []
    assert stalls.look(303.0, {P0: WAITS}) == []


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 3)), min_size=1, max_size=60))
def test_nothing_stalls_before_the_patience_is_over(moves: list[tuple[int, int]]) -> None:
    stalls, now, committed, since = Stalls(90.0), 0.0, 0, 0.0
    for pause, step in moves:
        now += pause
        committed += step
        since = now if step else since
        if stalls.look(now, {P0: Sight(committed, 1000)}):
            assert now - since > 90.0


class _Loop:
    """A loop that turns when the test says."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def call_soon_threadsafe(self, *call: object) -> None:
        self.calls.append(call)

    def turn(self) -> None:
        for function, *arguments in self.calls:
            function(*arguments)  # type: ignore[operator]
        self.calls.clear()


def test_a_loop_that_does_not_turn_for_longer_than_the_patience_is_stuck() -> None:
    turns, loop = Turns(30.0), _Loop()
    for now in range(31):
        assert not turns.stuck(now, loop)  # type: ignore[arg-type]
        loop.turn()
    for now in range(31, 62):
        assert not turns.stuck(now, loop)  # type: ignore[arg-type]
    assert turns.stuck(62.0, loop)  # type: ignore[arg-type]
    loop.turn()
    assert not turns.stuck(63.0, loop)  # type: ignore[arg-type]


def test_a_process_that_was_stopped_and_wakes_is_not_stuck() -> None:
    turns, loop = Turns(30.0), _Loop()
    for now in (0.0, 300.0, 301.0):
        assert not turns.stuck(now, loop)  # type: ignore[arg-type]


def test_a_loop_that_is_closed_is_not_asked() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    assert not Turns(30.0).stuck(0.0, loop)


def test_the_patience_is_longer_than_what_kafka_may_take() -> None:
    rebalance, request = 60.0, 30.0  # Faust's broker_rebalance_timeout, and the request timeout of this service
    assert rebalance + request <= STALL_S
    assert STUCK_S > 10 * LISTEN_EVERY_S


def test_a_process_that_takes_its_time_to_end_is_not_brought_down_by_the_watchdog() -> None:
    """The watchdog's thread is still there when Python is gone: C's own `sleep` holds the process for 2 s there."""
    ends = """
import asyncio, ctypes, sys, time
from types import SimpleNamespace
import uvloop
from streams.settings import Settings
from streams.watchdog import Watchdog
asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
Watchdog(SimpleNamespace(loop=asyncio.new_event_loop(), _consumer=None), Settings(), lambda _: None).start()
time.sleep(0.2)
c = ctypes.CDLL(None)
c.on_exit(ctypes.cast(c.sleep, ctypes.c_void_p), None)
sys.exit(2)
"""
    assert subprocess.run([sys.executable, "-c", ends], check=False).returncode == 2
