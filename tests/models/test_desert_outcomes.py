"""The conditions that the DESERT models foresee."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.instants import HOUR
from models.desert.outcomes import OUTCOMES
from tests.builders import after, moment, observation, tick

MG_DL = 88.4


def met(kind, *points):
    """Whether the newest of the (hour, value) points meets the condition."""
    times, values = zip(*points, strict=True)
    return OUTCOMES[kind].met([round(hour * HOUR) for hour in times], list(values))


@pytest.mark.parametrize(("value", "expected"), [(5.9, False), (6.0, True), (6.1, True)])
def test_potassium_is_high_from_six(value, expected):
    assert met("hyperkalaemia-risk", (0, 4.0), (6, value)) is expected


@pytest.mark.parametrize(("value", "expected"), [(50, False), (49.9, True)])
def test_platelets_are_low_below_fifty(value, expected):
    assert met("thrombocytopenia-risk", (0, value)) is expected


@pytest.mark.parametrize(("value", "expected"), [(3.9, False), (4.0, True)])
def test_lactate_is_high_from_four(value, expected):
    assert met("lactate-risk", (0, value)) is expected


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([(0, 100.0), (48, 126.5)], True),
        ([(0, 100.0), (48, 126.4)], False),
        ([(0, 100.0), (49, 126.5)], False),
        ([(0, 60.0), (167, 90.0)], True),
        ([(0, 60.0), (169, 86.0)], False),
        ([(0, 400.0)], False),
    ],
)
def test_kidney_injury_is_a_rise_in_two_days_or_half_as_much_again_in_seven(points, expected):
    assert met("aki-risk", *points) is expected


def test_half_as_much_again_is_met_whatever_the_unit_it_came_in():
    assert met("aki-risk", (0, 0.8 * MG_DL), (100, 1.2 * MG_DL))


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([(0, 8.0), (24, 6.76)], True),
        ([(0, 8.0), (24, 6.77)], False),
        ([(0, 8.0), (25, 6.76)], False),
        ([(0, 6.0), (1, 8.0), (2, 7.5), (3, 6.7)], True),
        ([(0, 7.0), (1, 9.0)], False),
    ],
)
def test_a_fall_of_haemoglobin_counts_from_the_highest_of_the_day_before(points, expected):
    assert met("haemoglobin-drop-risk", *points) is expected


@given(st.lists(st.floats(1, 3000), min_size=1, max_size=20))
def test_a_creatinine_that_never_rises_is_no_kidney_injury(values):
    falling = sorted(values, reverse=True)
    assert not met("aki-risk", *((6.0 * number, value) for number, value in enumerate(falling)))


def test_only_what_is_known_by_now_makes_a_condition_present():
    potassium = OUTCOMES["hyperkalaemia-risk"]
    record = after(observation("potassium", 6.4, 1.0))
    assert potassium.present(record)
    assert not potassium.present(after(observation("potassium", 5.0, 2.0), record=record))
    assert not potassium.present(after(tick(1.0)))


@pytest.mark.parametrize(("hour", "expected"), [(1.0, True), (25.0, True), (25.1, False)])
def test_a_result_is_recent_for_a_day(hour, expected):
    record = after(observation("potassium", 4.0, 1.0), tick(hour))
    assert record.now == moment(hour)
    assert OUTCOMES["hyperkalaemia-risk"].recent(record) is expected
