"""What waited over time, and how long it took to catch up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from load_tests.course import Way, alone, caught_up, most_carried, most_waiting, seconds, ways
from load_tests.generator import Sent
from load_tests.patients import SIGNS
from load_tests.plan import SECOND, Planned, Target
from load_tests.receiver import Received

#: Ten records at once after one second of calm, answered one each second.
BURST = [Way(0.0, 0.5), *(Way(2.0, 3.0 + number) for number in range(10))]


def test_a_way_runs_within_its_own_turn_and_ends_with_the_first_answer():
    planned = [
        Planned(due * SECOND, target, turn, True, 0, ((SIGNS[0], 80.0),), False)
        for turn, target in enumerate(Target)
        for due in (turn * 10 + 1, turn * 10 + 2)
    ]
    start = 5 * SECOND
    answers = [Received(2, start + 12 * SECOND, 0), Received(2, start + 19 * SECOND, 0)]
    found = ways(planned, Sent(start, []), answers, Target.SERVICE, 10 * SECOND)
    assert found == [Way(1, 2), Way(2, None)]


@pytest.mark.parametrize(("begin", "end", "most"), [(0, 1, 1), (1, 1.5, 0), (1, 99, 10), (3.5, 99, 9), (12.5, 99, 0)])
def test_the_most_that_waited_is_that_of_the_stretch_asked_for(begin, end, most):
    assert most_waiting(BURST, begin, end) == most


@pytest.mark.parametrize(
    ("end", "calm", "wanted"), [(2, 1, 9), (2, 0, 10), (2.5, 9, 0.5), (2.5, 10, 0), (12, 0, 0), (20, 0, 0)]
)
def test_caught_up_is_when_no_more_waits_than_in_calm(end, calm, wanted):
    assert caught_up(BURST, end, calm) == pytest.approx(wanted)


def test_what_is_never_answered_is_never_caught_up_with():
    assert caught_up([*BURST, Way(2.0, None), Way(2.0, None)], 2, 1) is None


def test_seconds_hold_what_was_due_answered_and_waiting_in_them():
    course = seconds([Way(0.0, 0.5), Way(0.5, 2.0), Way(2.25, None)])
    assert [(one.due, one.answered, one.waiting) for one in course] == [(2, 1, 1), (0, 0, 1), (1, 1, 1)]
    assert course[0].median_ms == pytest.approx(1000)
    assert course[1].median_ms is course[2].p99_ms is None


def test_the_most_carried_is_that_of_the_best_two_seconds():
    assert most_carried([Way(0, number / 100) for number in range(1000)]) == pytest.approx(100, rel=0.01)
    assert most_carried([Way(0, None)]) == 0


@given(st.lists(st.floats(0, 100), min_size=1, max_size=200).map(sorted), st.floats(1, 1000))
def test_arithmetic_answers_all_in_order_no_sooner_than_it_can(dues, carries):
    ideal = alone([Way(due, None) for due in dues], carries)
    assert [one.due for one in ideal] == dues
    ends = [one.at for one in ideal if one.at is not None]
    assert ends == sorted(ends)
    assert len(ends) == len(dues)
    assert ends[-1] >= max(dues[-1], dues[0] + (len(dues) - 1) / carries)


def test_arithmetic_of_a_surge_is_what_was_too_much_divided_by_what_is_spare():
    # 10 s at 100 a second and then 10 a second, of which 50 are carried: 500 too many, 40 to spare.
    dues = [number / 100 for number in range(1000)] + [10 + number / 10 for number in range(400)]
    assert caught_up(alone([Way(due, None) for due in dues], 50), 10, 1) == pytest.approx(500 / 40, rel=0.02)
