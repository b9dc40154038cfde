from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.record import Record
from models.rules.delta_check import DeltaCheck
from models.scorer import Scored
from tests.builders import LOINC, after, observation, tick

RULE = DeltaCheck()
#: The within-person variations of the clinical sources, in percent.
WITHIN_PERSON = {
    "potassium": 4, "creatinine": 4.5, "haemoglobin": 2.7, "platelets": 7, "leukocytes": 11, "sodium": 0.5, "crp": 34,
}  # fmt: skip


def scored(record: Record) -> Scored:
    result = RULE.score(record)
    assert result is not None
    return result


def pair(analyte: str, before: float, now: float) -> Scored:
    return scored(after(observation(analyte, before, 0), observation(analyte, now, 12)))


@pytest.mark.req("VAGT-RUL-11")
def test_the_reference_change_value_is_that_of_the_formula():
    for line in RULE.table.analytes:
        within = WITHIN_PERSON[line.analyte]
        expected = sqrt(2) * 1.96 * sqrt(within**2 + (within / 2) ** 2)
        assert line.reference_change(RULE.table.pairs.normal_deviate) == pytest.approx(expected)
    assert {line.analyte for line in RULE.table.analytes} == WITHIN_PERSON.keys()


@pytest.mark.parametrize(
    ("analyte", "before", "inside", "beyond"),
    [  # RCV: potassium 12.4 %, creatinine 13.9 %, haemoglobin 8.4 %, platelets 21.7 %, sodium 1.5 %, CRP 105 %
        ("potassium", 4.0, 4.49, 4.5), ("potassium", 4.0, 3.51, 3.5), ("creatinine", 100, 113.9, 114),
        ("haemoglobin", 8.0, 7.4, 7.3), ("platelets", 200, 243, 244), ("leukocytes", 10, 13.4, 13.5),
        ("sodium", 140, 142, 143), ("crp", 10, 20, 21),
    ],
)  # fmt: skip
@pytest.mark.req("VAGT-RUL-11")
def test_a_change_counts_beyond_the_reference_change_value(analyte, before, inside, beyond):
    assert pair(analyte, before, inside).score == 0
    assert pair(analyte, before, beyond).score == 1


def test_the_score_counts_the_analytes_that_changed():
    events = [observation(name, 10, 0) for name in ("leukocytes", "haemoglobin", "crp")]
    events += [observation("leukocytes", 20, 6), observation("haemoglobin", 6, 6), observation("crp", 11, 6)]
    result = scored(after(*events))
    assert (result.score, result.low, result.high, result.interval, result.band) == (2, 2, 2, (2, 6), "changed")
    assert [(one.feature, one.value, one.contribution) for one in result.reasons] == [
        ("haemoglobin_change_percent", -40, 1), ("leukocytes_change_percent", 100, 1),
    ]  # fmt: skip
    assert result.title.en == "2 of 3 results changed beyond variation"
    assert len(result.evidence) == 4


def test_a_unit_is_no_change():
    mass = observation("creatinine", 1.0, 12, code={"system": LOINC, "code": "2160-0"}, unit="mg/dL")
    assert scored(after(observation("creatinine", 88, 0), mass)).score == 0


@pytest.mark.parametrize(
    ("now", "comparator", "before", "low", "high"),
    [
        (5, "<", 100, 0, 0), (20, "<", 4, 0, 1), (300, ">", 100, 1, 1), (1, "<", 300, 0, 0), (150, ">", 100, 0, 1),
    ],
)  # fmt: skip
def test_a_comparator_makes_bounds(now, comparator, before, low, high):
    result = scored(after(observation("crp", before, 0), observation("crp", now, 6, comparator=comparator)))
    assert (result.low, result.high) == (low, high)


def test_only_pairs_within_72_hours_count_and_only_for_a_day():
    first = after(observation("potassium", 4.0, 0))
    assert scored(after(observation("potassium", 6.0, 72), record=first)).score == 1
    late = scored(after(observation("potassium", 6.0, 72.1), record=first))
    assert (late.score, late.abstained, late.interval) == (0, True, (0, 7))
    record = after(observation("potassium", 6.0, 12), record=first)
    assert scored(after(tick(36), record=record)).score == 1
    assert scored(after(tick(36.1), record=record)).abstained


def test_platelets_that_rise_from_nothing_changed():
    result = pair("platelets", 0, 20)
    assert (result.score, result.reasons[0].value) == (1, None)
    assert pair("platelets", 0, 0).score == 0


def test_of_a_patient_without_pairs_nothing_is_known_and_it_raises_no_alert():
    result = scored(Record())
    assert (result.score, result.low, result.high, result.interval, result.abstained) == (0, 0, 0, (0, 7), True)
    assert RULE.policy.levels == ()
    assert {*WITHIN_PERSON, "time"} == RULE.inputs


VALUES = st.lists(
    st.tuples(st.sampled_from(["potassium", "sodium", "crp"]), st.integers(0, 30), st.integers(100, 120)),
    max_size=8,
    unique_by=lambda one: one[:2],
)


@given(VALUES, st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter_and_the_bounds_hold_the_score(items, random):
    scale = {"potassium": 20, "sodium": 1, "crp": 1}
    events = [observation(name, value / scale[name], hour, issued=31) for name, hour, value in items]
    first = scored(after(*events))
    random.shuffle(events)
    assert scored(after(*events)) == first
    assert 0 <= first.low <= first.score <= first.high <= first.interval[1] <= 7
