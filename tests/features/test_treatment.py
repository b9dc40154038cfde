from itertools import permutations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.catalogue import Refused
from features.treatment import MOST_EVENTS, Course, courses
from tests.builders import after, at, moment, treatment

PENICILLIN, HEPARIN = "J01CE01", "B01AB01"


def given_courses(*events, code: str = "J01") -> list[tuple[str, int, int | None]]:
    return [(one.code, one.start, one.stop) for one in courses(after(*events).treatments, code)]


def test_a_course_lasts_from_its_start_to_its_stop():
    start, stop = treatment(PENICILLIN, "start", 1), treatment(PENICILLIN, "stop", 5)
    assert given_courses(start) == [(PENICILLIN, moment(1), None)]
    for order in permutations([start, stop]):
        assert given_courses(*order) == [(PENICILLIN, moment(1), moment(5))]


def test_a_course_goes_on_from_its_start_and_until_its_stop():
    course = Course("x", 10, 20)
    assert [course.goes_on(now) for now in (9, 10, 19, 20)] == [False, True, True, False]
    assert Course("x", 10).goes_on(10**15)


def test_a_start_within_a_course_belongs_to_it_and_a_stop_without_one_to_nothing():
    again = treatment(PENICILLIN, "start", 3)
    assert given_courses(treatment(PENICILLIN, "start", 1), again, treatment(PENICILLIN, "stop", 5)) == [
        (PENICILLIN, moment(1), moment(5))
    ]
    assert given_courses(treatment(PENICILLIN, "stop", 5)) == []


def test_two_treatments_are_two_courses_and_codes_are_read_from_the_left():
    events = [treatment("J01DD04", "start", 2), treatment(PENICILLIN, "start", 1), treatment(HEPARIN, "start", 0)]
    assert given_courses(*events) == [(PENICILLIN, moment(1), None), ("J01DD04", moment(2), None)]
    assert given_courses(*events, code="B01AB") == [(HEPARIN, moment(0), None)]


def test_codes_of_another_system_name_no_treatment():
    [event] = after(treatment(PENICILLIN)).treatments
    assert courses([event], "J01")
    assert courses([msgspec.structs.replace(event, system="http://local")], "J01") == ()


def test_a_cancelled_record_counts_for_nothing_even_when_the_cancellation_comes_first():
    start = treatment(PENICILLIN, "start", 1)
    cancelled = treatment(PENICILLIN, "cancel", 1, id=start.id, version=2)
    for order in permutations([start, cancelled]):
        assert given_courses(*order) == []


def test_a_repeat_and_a_lower_version_change_nothing():
    record = after(treatment(PENICILLIN, version=2))
    assert after(treatment(PENICILLIN, version=2), record=record) == record
    assert after(treatment(HEPARIN, version=1, id=f"{PENICILLIN}-start-0"), record=record) == record


def test_the_same_version_with_another_content_is_a_conflict():
    with pytest.raises(Refused, match="another content") as refused:
        after(treatment(PENICILLIN), treatment(HEPARIN, id=f"{PENICILLIN}-start-0"))
    assert refused.value.reason == "conflict"


def test_a_repeat_that_became_known_earlier_leaves_no_trace_of_its_order():
    one, other = (treatment(PENICILLIN, "start", 1, issued=at(hour)) for hour in (2, 3))
    assert after(one, other) == after(other, one)
    assert after(one, other).treatments[0].issued == moment(2)


@given(st.lists(st.tuples(st.sampled_from(["start", "stop"]), st.integers(0, 9)), unique=True, max_size=8), st.data())
def test_the_order_of_arrival_leaves_no_trace(events, data):
    made = [treatment(PENICILLIN, action, hour) for action, hour in events]
    assert given_courses(*made) == given_courses(*data.draw(st.permutations(made)))
    for _, start, stop in given_courses(*made):
        assert stop is None or start <= stop


def test_of_endless_courses_those_that_go_on_are_kept():
    events = [treatment(HEPARIN, "start", 0)]
    events += [treatment(PENICILLIN, "start" if n % 2 == 0 else "stop", 1 + n) for n in range(2 * MOST_EVENTS)]
    record = after(*events)
    assert len(record.treatments) == MOST_EVENTS
    assert [course.start for course in courses(record.treatments, HEPARIN)] == [moment(0)]
    newest = courses(record.treatments, "J01")[-1]
    assert (newest.start, newest.stop) == (moment(2 * MOST_EVENTS - 1), moment(2 * MOST_EVENTS))


def test_of_endless_different_treatments_the_newest_are_kept():
    record = after(*(treatment(f"X{n}", "start", n) for n in range(MOST_EVENTS + 10)))
    assert [event.code for event in record.treatments] == [f"X{n}" for n in range(10, MOST_EVENTS + 10)]
