import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.record import Record
from models.rules.hyperkalaemia import Hyperkalaemia
from models.scorer import Scored
from models.step import Place, step
from tests.builders import PATIENT, after, encounter, observation, tick
from tests.world import unhurried

RULE = Hyperkalaemia()


def measured(value: float) -> Record:
    return after(observation("potassium", value))


def scored(record: Record) -> Scored:
    result = RULE.score(record)
    assert result is not None
    return result


@pytest.mark.parametrize(
    ("value", "grade", "band"),
    [
        (4.0, 0, "none"), (5.4, 0, "none"), (5.49, 0, "none"), (5.5, 1, "mild"), (5.9, 1, "mild"), (5.99, 1, "mild"),
        (6.0, 2, "moderate"), (6.4, 2, "moderate"), (6.49, 2, "moderate"), (6.5, 3, "severe"), (12.0, 3, "severe"),
    ],
)  # fmt: skip
@pytest.mark.req("VAGT-RUL-05")
def test_the_grades_are_those_of_the_uk_kidney_association(value, grade, band):
    result = scored(measured(value))
    assert (result.score, result.low, result.interval, result.band) == (grade, grade, (grade, grade), band)
    assert not result.abstained


def test_its_levels_are_info_warning_and_critical_at_the_three_grades():
    levels = [(one.severity, one.raise_at, one.clear_below) for one in RULE.policy.levels]
    assert levels == [("info", 1, 1), ("warning", 2, 2), ("critical", 3, 3)]


def test_a_nurse_reads_the_value_in_both_languages():
    result = scored(measured(6.7))
    assert (result.title.en, result.title.da) == ("Potassium 6.7 mmol/L", "Kalium 6,7 mmol/L")
    assert [(one.feature, one.value, one.unit, one.age_minutes, one.contribution) for one in result.reasons] == [
        ("potassium", 6.7, "mmol/L", 0, 3.0)
    ]
    assert [one.id for one in result.evidence] == ["potassium-0"]
    assert scored(measured(4.0)).reasons == ()


@pytest.mark.parametrize(
    ("value", "high"), [(5.2, 0), (5.3, 1), (5.7, 1), (5.79, 1), (5.8, 2), (6.29, 2), (6.3, 3), (6.5, 3)]
)
def test_a_grade_is_left_only_0_2_below_its_limit(value, high):
    assert scored(measured(value)).high == high


@pytest.mark.parametrize(
    ("comparator", "value", "interval", "abstained"),
    [
        (">", 10.0, (3, 3), False), (">=", 6.5, (3, 3), False), (">", 6.0, (2, 3), False), ("<", 3.0, (0, 0), False),
        ("<", 5.5, (0, 0), False), ("<=", 5.5, (0, 1), True), ("<", 9.0, (0, 3), True),
    ],
)  # fmt: skip
def test_a_comparator_makes_a_bound(comparator, value, interval, abstained):
    result = scored(after(observation("potassium", value, comparator=comparator)))
    assert (result.interval, result.low, result.abstained) == (interval, interval[0], abstained)


def test_milliequivalents_are_the_same_value():
    assert scored(after(observation("potassium", 6.5, unit="meq/L"))).score == 3


def test_the_newest_specimen_counts_whenever_its_result_came():
    first, second = observation("potassium", 6.8, 1, issued=4), observation("potassium", 4.4, 2, issued=3)
    assert scored(after(second, first)).score == 0
    assert scored(after(second, first)) == scored(after(first, second))


@pytest.mark.req("VAGT-DEC-05")
def test_a_potassium_counts_for_24_hours_and_then_holds_an_alert_open():
    record = measured(6.8)
    assert scored(after(tick(24), record=record)).score == 3
    late = scored(after(tick(24.01), record=record))
    assert (late.score, late.low, late.high, late.interval, late.abstained) == (0, 0, 3, (0, 3), True)
    assert (late.title.en, late.title.da) == ("Potassium not known", "Kalium ikke kendt")


def test_one_that_was_never_measured_holds_nothing():
    result = scored(Record())
    assert (result.low, result.high, result.interval, result.abstained) == (0, 0, (0, 3), True)


def test_a_withdrawn_potassium_is_none():
    withdrawn = observation("potassium", None, version=2, status="entered-in-error")
    assert scored(after(withdrawn, record=measured(6.8))).abstained


@pytest.mark.parametrize(("born", "applies"), [("2025-03-01", True), ("2025-03-02", False), (None, True)])
def test_it_is_silent_in_the_first_year_of_life(born, applies):
    record = after(encounter("update", 0, birthDate=born), record=measured(6.8))
    assert (RULE.score(record) is not None) == applies


def test_patients_in_dialysis_are_judged_alike():
    record = after(encounter(flags=["chronic-dialysis", "pregnant"]), record=measured(6.8))
    assert scored(record).score == 3


def test_an_alert_falls_by_the_margin_and_a_correction_retracts_it():
    decider, record, said = unhurried(RULE), Record(), []
    values = [(0, 6.5), (1, 6.4), (2, 6.2), (3, 5.9), (4, 5.2), (5, 6.1)]
    events = [observation("potassium", value, hour) for hour, value in values]
    events.append(observation("potassium", 4.1, 5, issued=6, version=2, status="corrected"))
    for event in events:
        decision = step(decider, record, PATIENT, [event], Place("events", 0, 0))
        record = decision.record
        said += [(one.state, one.severity, one.title.en) for one in decision.alerts]
    assert said == [
        ("raised", "critical", "Potassium 6.5 mmol/L"),
        ("updated", "warning", "Potassium 6.2 mmol/L"),
        ("resolved", "warning", "Potassium 5.2 mmol/L"),
        ("raised", "warning", "Potassium 6.1 mmol/L"),
        ("retracted", "warning", "Potassium 4.1 mmol/L"),
    ]


@given(st.integers(100, 1200), st.integers(100, 1200))
@pytest.mark.req("VAGT-RUL-05")
def test_a_higher_potassium_never_has_a_lower_grade(one, other):
    low, high = scored(measured(min(one, other) / 100)), scored(measured(max(one, other) / 100))
    assert low.low <= high.low
    assert low.low <= low.high <= 3
