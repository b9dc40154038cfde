import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.record import OpenAlert
from models.lifecycle import ENDED, Change, Level, Policy, advance, leave

POLICY = Policy((Level("info", 5, 4), Level("warning", 7, 6), Level("critical", 12, 10)))


def alert(level: int) -> OpenAlert:
    return OpenAlert("a", 1, level, ("lab-1",))


def change(level: int | None, low: float, high: float | None = None, gone: bool = False) -> Change | None:
    high = low if high is None else high
    return advance(POLICY, None if level is None else alert(level), low, high, gone)


@pytest.mark.parametrize(
    ("score", "level"), [(0, None), (4.99, None), (5, 0), (6.99, 0), (7, 1), (11.99, 1), (12, 2), (20, 2)]
)
def test_an_alert_is_raised_at_the_gravest_level_reached(score, level):
    assert change(None, score) == (None if level is None else Change("raised", level))


@pytest.mark.parametrize(
    ("level", "score", "expected"),
    [
        (0, 7, Change("escalated", 1)),
        (0, 12, Change("escalated", 2)),
        (1, 12, Change("escalated", 2)),
        (0, 5, None),
        (0, 4, None),  # below what raises it, and not below what clears it
        (0, 3.99, Change("resolved", 0)),
        (1, 6, None),
        (1, 5.99, Change("updated", 0)),
        (1, 4, Change("updated", 0)),
        (1, 3.99, Change("resolved", 1)),
        (2, 10, None),
        (2, 9.99, Change("updated", 1)),
        (2, 5, Change("updated", 0)),
        (2, 0, Change("resolved", 2)),
    ],
)
def test_an_open_alert_follows_the_score_with_hysteresis(level, score, expected):
    assert change(level, score) == expected


@pytest.mark.parametrize(
    ("level", "score", "expected"),
    [
        (0, 5, None),  # other observations would raise it anew
        (0, 4.5, Change("retracted", 0)),  # hysteresis is for a score that fell, not for one that never was
        (1, 6, Change("updated", 0)),
        (1, 7, None),
        (1, 0, Change("retracted", 1)),
        (0, 7, Change("escalated", 1)),
    ],
)
def test_an_alert_whose_evidence_is_gone_stands_only_if_it_would_be_raised_anew(level, score, expected):
    assert change(level, score, gone=True) == expected


@settings(deadline=None)
@given(st.none() | st.integers(0, 2))
def test_a_score_that_is_not_known_neither_raises_nor_calms(level):
    assert change(level, 0, 20) is None


def test_what_is_known_may_raise_though_the_rest_is_not():
    assert change(None, 7, 20) == Change("raised", 1)
    assert change(0, 7, 20) == Change("escalated", 1)


def test_an_alert_falls_only_as_far_as_the_most_that_it_could_be():
    assert change(2, 0, 9) == Change("updated", 1)
    assert change(1, 0, 3.9) == Change("resolved", 1)


@settings(deadline=None)
@given(st.none() | st.integers(0, 2), st.floats(0, 20), st.floats(0, 20), st.booleans())
def test_what_was_said_is_not_said_again(level, one, other, gone):
    low, high = sorted((one, other))
    first = change(level, low, high, gone)
    if first is not None and first.state not in ENDED:
        assert change(first.level, low, high) is None
    elif first is not None:
        assert change(None, low, high) is None


def test_a_rule_that_leaves_a_patient_ends_its_alert_and_calms_nobody():
    assert leave(alert(1)) == Change("expired", 1)
    assert leave(None) is None
