from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.events import Treatment
from features.record import Record
from models.rules.platelet_fall import PlateletFall, percent
from models.scorer import Scored
from tests.builders import PATIENT, after, at, observation, tick

RULE = PlateletFall()
DAY = 24


def heparin(action: str, day: float, code: str = "B01AB01") -> Treatment:
    coding = {"system": "http://www.whocc.no/atc", "code": code}
    hour = day * DAY
    return Treatment.model_validate(
        {
            "type": "treatment", "id": f"{code}-{action}-{day}", "patient": PATIENT, "code": coding,
            "action": action, "at": at(hour), "issued": at(hour),
        }
    )  # fmt: skip


def counts(*points: tuple[float, float], **fields: Any) -> list[Any]:
    """Platelets on days; the fields are those of the last one."""
    last = len(points) - 1
    return [
        observation("platelets", value, day * DAY, **(fields if n == last else {}))
        for n, (day, value) in enumerate(points)
    ]


def scored(*events: Any, record: Record | None = None) -> Scored:
    result = RULE.score(after(*events, record=record))
    assert result is not None
    return result


# ---------------------------------------------------------------- item 1: how far


@pytest.mark.parametrize(
    ("before", "now", "points"),
    [
        (200, 141, 0), (200, 140, 1), (200, 100, 1), (200, 99, 2), (200, 20, 2), (200, 19, 1), (200, 10, 1),
        (200, 9, 0), (28, 20, 0), (28, 19, 1), (41, 20, 2), (40, 20, 1), (100, 300, 0), (0, 100, 0),
    ],
)  # fmt: skip
@pytest.mark.req("VAGT-RUL-08")
def test_the_points_of_a_fall_are_those_of_the_4ts(before, now, points):
    result = scored(*counts((0, before), (1, now)))
    assert (result.score, result.low, result.high) == (points, points, points)


def test_the_fall_is_measured_from_the_highest_of_14_days():
    assert scored(*counts((0, 300), (2, 150), (13.9, 140))).score == 2
    assert scored(*counts((0, 300), (2, 150), (16.9, 140))).score == 0


def test_of_earlier_days_the_highest_count_is_kept():
    result = scored(*counts((0.1, 300), (0.2, 120), (8, 140)))
    assert result.score == 2
    assert [one.id for one in result.evidence] == ["platelets-192"]


@pytest.mark.parametrize(
    ("now", "comparator", "interval"),
    [(5, "<", (0, 0)), (20, "<", (0, 3)), (20, "<=", (0, 4)), (100, "<", (0, 4)), (1000, ">", (0, 0))],
)
def test_a_count_with_a_comparator_makes_bounds(now, comparator, interval):
    result = scored(*counts((0, 200), (1, now), comparator=comparator))
    assert (result.interval, result.low) == (interval, 0)
    assert result.abstained == (interval != (0, 0))


def test_a_highest_count_that_is_a_bound_makes_the_fall_a_bound():
    result = scored(observation("platelets", 1000, 0, comparator=">"), *counts((1, 800)))
    assert (result.low, result.high) == (0, 2)


# ---------------------------------------------------------------- item 2: when


@pytest.mark.parametrize(("day", "points"), [(2, 0), (3.9, 0), (4, 1), (4.9, 1), (5, 2), (10.9, 2), (11, 1), (12, 1)])
def test_an_onset_on_days_5_to_10_of_heparin_scores_most(day, points):
    result = scored(heparin("start", 0), *counts((0, 200), (day, 90)))
    assert (result.score, result.interval) == (2 + points, (2 + points, 2 + points))


def test_the_onset_is_the_first_count_30_percent_below_the_highest():
    result = scored(heparin("start", 0), *counts((0, 200), (9, 141), (9.5, 140), (11.5, 90)))
    assert (result.score, result.title.en) == (4, "Platelets 90 × 10⁹/L, fell 55 %, heparin day 9")


@pytest.mark.parametrize(
    ("stopped", "points"), [(-1, 2), (-29, 2), (-30, 2), (-30.1, 1), (-99, 1), (-100, 1), (-100.1, 0)]
)
def test_a_fall_within_a_day_scores_by_the_exposure_before(stopped, points):
    earlier = [heparin("start", stopped - 1, "B01AB05"), heparin("stop", stopped, "B01AB05")]
    assert scored(*earlier, heparin("start", 0), *counts((0, 200), (1, 90))).score == 2 + points


def test_a_fall_on_the_second_day_of_a_first_course_has_no_points_of_timing():
    assert scored(heparin("start", 0), *counts((0, 200), (1, 90))).score == 2
    assert scored(heparin("start", 0), *counts((0, 200), (1.1, 90))).score == 2


@pytest.mark.parametrize(("onset", "points"), [(7, 2), (24, 1), (28, 0)])
def test_heparin_that_was_stopped_still_counts_for_21_days(onset, points):
    events = [heparin("start", 0), heparin("stop", 6)]
    assert scored(*events, *counts((onset - 1, 200), (onset, 90))).score == 2 + points


def test_heparin_that_began_after_the_fall_did_not_cause_it():
    result = scored(*counts((0, 200), (6, 90)), heparin("start", 6.5))
    assert (result.score, result.interval) == (2, (2, 2))
    assert result.title.en.endswith("no heparin before")


@pytest.mark.req("VAGT-RUL-08")
def test_without_heparin_events_the_timing_is_unknown_and_said_to_be():
    result = scored(*counts((0, 200), (1, 90)))
    assert (result.score, result.low, result.high, result.interval) == (2, 2, 2, (2, 4))
    assert result.title.en == "Platelets 90 × 10⁹/L, fell 55 %, heparin not known"
    assert result.title.da == "Trombocytter 90 × 10⁹/L, faldet 55 %, heparin ukendt"
    assert ("heparin", "heparin not known", 0) in [(one.feature, one.value, one.contribution) for one in result.reasons]
    other = scored(heparin("start", 0, "J01CA04"), *counts((0, 200), (6, 90)))
    assert other.interval == (2, 4)


def test_without_a_fall_there_is_nothing_to_time():
    assert scored(heparin("start", 0), *counts((0, 200), (6, 180))).interval == (0, 0)
    assert scored(*counts((0, 200), (6, 180))).interval == (0, 0)


# ---------------------------------------------------------------- consumption


@pytest.mark.parametrize(
    ("points", "lines"),
    [
        (((0, 90), (1, 80)), []), (((0, 90), (1, 79)), ["platelets_below_consumption_limit"]),
        (((0, 200), (2.9, 100)), ["platelets_halved_in_3_days"]), (((0, 200), (2.9, 101)), []),
        (((0, 200), (1, 110), (3.1, 100)), []),
        (((0, 100), (2, 50)), ["platelets_below_consumption_limit", "platelets_halved_in_3_days"]),
    ],
)  # fmt: skip
def test_platelets_as_in_consumption_are_a_line_without_points(points, lines):
    result = scored(*counts(*points))
    found = [one for one in result.reasons if one.feature.startswith(("platelets_below", "platelets_halved"))]
    assert [one.feature for one in found] == lines
    assert all(one.contribution == 0 for one in found)
    assert (result.band == "consumption") == bool(lines)


# ---------------------------------------------------------------- what is not known, and what it says


def test_a_count_lasts_48_hours_and_may_then_hold_an_alert():
    record = after(*counts((0, 200), (1, 90)))
    assert scored(tick(72), record=record).score == 2
    late = scored(tick(72.01), record=record)
    assert (late.score, late.low, late.high, late.interval, late.abstained) == (0, 0, 4, (0, 4), True)


def test_without_an_earlier_count_the_fall_is_unknown_and_holds_nothing():
    for result in (scored(), scored(*counts((0, 90)))):
        assert (result.score, result.high, result.interval, result.abstained) == (0, 0, (0, 4), True)


def test_reasons_add_up_and_the_evidence_is_the_two_counts():
    result = scored(heparin("start", 0), *counts((4, 200), (6, 90)))
    assert [(one.feature, one.value, one.contribution) for one in result.reasons][:4] == [
        ("platelet_fall_percent", 55, 2), ("platelets", 90, 0), ("platelets_highest", 200, 0),
        ("heparin_days_before_fall", 6, 2),
    ]  # fmt: skip
    assert result.band == "heparin-pattern"
    assert [one.id for one in result.evidence] == ["platelets-144", "platelets-96"]


def test_only_a_heparin_pattern_is_a_warning():
    assert [(level.severity, level.raise_at) for level in RULE.policy.levels] == [("info", 2), ("warning", 4)]
    assert {"platelets", "treatment", "encounter", "time"} == RULE.inputs


POINTS = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 600)), min_size=1, max_size=8, unique_by=lambda one: one[0]
)


@given(POINTS, st.randoms(use_true_random=False), st.booleans())
def test_the_order_of_arrival_does_not_matter_and_the_bounds_hold_the_score(points, random, treated):
    events: list[Any] = [observation("platelets", value, day * 5, issued=61) for day, value in points]
    events += [heparin("start", 0)] if treated else []
    first = scored(*events)
    random.shuffle(events)
    assert scored(*events) == first
    assert 0 <= first.low <= first.score <= first.interval[1] <= 4
    assert first.high <= 4
    assert first.score == sum(one.contribution for one in first.reasons)


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_a_fall_is_between_0_and_100_percent(highest, count):
    assert 0 <= percent(highest, count) <= 100
