"""Latency is counted from the intended instant; lost, repeated, late and warm-up answers are told apart."""

import pytest

from load_tests.generator import Sent
from load_tests.outcome import asked, lateness, milliseconds, time
from load_tests.patients import SIGNS
from load_tests.plan import Planned, Target
from load_tests.receiver import Received

MS = 1_000_000
START = 1_000_000 * MS


def planned(*due_ms: int, turn: int = 1, counts: bool = True, alerts: bool = False) -> list[Planned]:
    return [Planned(due * MS, Target.SERVICE, turn, counts, 0, ((SIGNS[0], 80.0),), alerts) for due in due_ms]


def received(number: int, at_ms: int, made_ms: int | None = None) -> Received:
    made = at_ms if made_ms is None else made_ms
    return Received(number, START + at_ms * MS, START // MS + made)


def sent(count: int) -> Sent:
    return Sent(START, [START] * count)


@pytest.mark.req("VAGT-PER-01")
def test_latency_runs_from_the_intended_instant_even_when_the_generator_was_late():
    plan = planned(10)
    late = Sent(START, [START + 40 * MS])
    timing = time(plan, late, [received(0, 50, made_ms=45)], [0])
    assert milliseconds(timing.latency, 50) == pytest.approx(40, rel=1e-3)
    assert milliseconds(timing.to_made, 50) == pytest.approx(35, rel=1e-3)
    assert milliseconds(timing.from_made, 50) == pytest.approx(5, rel=1e-3)
    assert milliseconds(lateness(plan, late), 50) == pytest.approx(30, rel=1e-3)


@pytest.mark.req("VAGT-PER-01")
def test_an_answer_that_never_came_is_lost_and_one_that_came_twice_counts_once():
    timing = time(planned(0, 1, 2), sent(3), [received(0, 5), received(0, 90), received(2, 7)], [0, 1, 2])
    assert (timing.expected, timing.answered, timing.lost, timing.repeated) == (3, 2, 1, 1)
    assert milliseconds(timing.latency, 99) == pytest.approx(5, rel=1e-3)


def test_an_answer_that_nobody_expected_is_timed_and_hides_no_loss():
    timing = time(planned(0, 1), sent(2), [received(1, 3)], [0])
    assert timing.lost == 1
    assert timing.latency.get_total_count() == 1


def test_the_warm_up_is_not_timed():
    plan = [*planned(0, turn=1, counts=False), *planned(9, turn=3)]
    timing = time(plan, sent(2), [received(0, 500), received(1, 10)], [0, 1])
    assert timing.expected == timing.latency.get_total_count() == 1
    assert timing.lost == 0
    assert lateness(plan, sent(2)).get_total_count() == 1


@pytest.mark.parametrize(("at_ms", "behind"), [(99, 0), (100, 0), (101, 1)])
def test_an_answer_after_the_next_turn_began_is_behind(at_ms, behind):
    plan = [*planned(0, turn=1), *planned(100, turn=2)]
    assert time(plan, sent(2), [received(0, at_ms), received(1, 900)], [0, 1]).behind == behind


def test_answers_earlier_than_a_microsecond_and_later_than_ten_minutes_stay_within_the_histogram():
    timing = time(planned(0, 0), sent(2), [received(0, -1), received(1, 700_000)], [0, 1])
    assert timing.latency.get_total_count() == 2
    assert timing.latency.get_max_value() == pytest.approx(600e6, rel=1e-2)


def test_all_records_of_a_target_are_asked_and_only_some_for_alerts():
    plan = [*planned(0), *planned(1, alerts=True)]
    assert list(asked(plan, Target.SERVICE)) == [0, 1]
    assert list(asked(plan, Target.SERVICE, alerts=True)) == [1]
    assert list(asked(plan, Target.ECHO)) == []
