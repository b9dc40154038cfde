import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.record import Record
from models.rules.haemoglobin_drop import HaemoglobinDrop
from models.scorer import Scored
from tests.builders import after, observation, tick, treatment

RULE = HaemoglobinDrop()


def measured(*values: tuple[float, float]) -> Record:
    """A record of (hour, value)."""
    return after(*(observation("haemoglobin", value, hour) for hour, value in values))


def scored(record: Record) -> Scored:
    result = RULE.score(record)
    assert result is not None
    return result


# ---------------------------------------------------------------- the fall


@pytest.mark.parametrize(
    ("values", "stage"),
    [
        ([(0, 8.0), (20, 6.76)], 1), ([(0, 8.0), (20, 6.77)], 0), ([(0, 8.0), (20, 6.7)], 1),
        ([(0, 8.0), (20, 6.8)], 0), ([(0, 8.0), (24, 6.0)], 1), ([(0, 8.0), (24.1, 6.0)], 0),
        ([(0, 6.0), (20, 8.0)], 0),
        # The highest of the window, wherever it lies in it.
        ([(0, 7.0), (4, 8.0), (12, 7.2), (20, 6.7)], 1), ([(0, 9.0), (10, 7.0), (30, 6.5)], 0),
        ([(0, 8.0), (10, 6.0), (20, 7.9)], 0),
    ],
)  # fmt: skip
@pytest.mark.req("VAGT-RUL-06")
def test_a_fall_of_1_24_from_the_highest_of_24_hours_is_told(values, stage):
    result = scored(measured(*values))
    assert (result.score, result.low) == (stage, stage)


@pytest.mark.req("VAGT-RUL-06")
def test_20_g_per_litre_is_the_limit_in_every_unit():
    litre = [observation("haemoglobin", value, hour, unit="g/dL", code=GRAMS) for hour, value in ((0, 12.0), (9, 10.0))]
    assert scored(after(*litre)).score == 1
    less = [observation("haemoglobin", value, hour, unit="g/dL", code=GRAMS) for hour, value in ((0, 12.0), (9, 10.1))]
    assert scored(after(*less)).score == 0
    mixed = [litre[0], observation("haemoglobin", 6.2, 9)]
    assert scored(after(*mixed)).score == 1


GRAMS = {"system": "http://loinc.org", "code": "718-7"}


@pytest.mark.req("VAGT-RUL-06")
def test_it_says_that_the_drop_is_compatible_with_bleeding_and_no_more():
    result = scored(measured((0, 9.1), (20, 7.2)))
    assert result.title.en == "Hb 7.2 mmol/L, drop compatible with bleeding: 9.1 mmol/L 20 h before"
    assert result.title.da == "Hb 7,2 mmol/L, fald foreneligt med blødning: 9,1 mmol/L 20 t før"
    assert [(one.feature, one.value, one.age_minutes, one.contribution) for one in result.reasons] == [
        ("haemoglobin", 7.2, 0, 1),
        ("haemoglobin", 9.1, 1200, 0),
    ]
    assert [one.id for one in result.evidence] == ["haemoglobin-0", "haemoglobin-20"]
    assert [(one.name, one.always) for one in result.findings] == [("haemoglobin-fall", False)]


def test_without_a_fall_it_names_the_value_alone():
    result = scored(measured((0, 8.1), (20, 8.0)))
    assert (result.title.en, result.reasons, result.evidence, result.findings) == ("Haemoglobin 8.0 mmol/L", (), (), ())
    assert (result.band, result.abstained, result.interval) == ("none", False, (0, 0))


def test_the_alert_is_left_only_0_2_less_than_the_limit():
    assert scored(measured((0, 8.0), (20, 6.96))).high == 1
    assert scored(measured((0, 8.0), (20, 6.97))).high == 0


# ---------------------------------------------------------------- the laboratory's call


@pytest.mark.parametrize(
    ("values", "stage"),
    [
        ([(0, 5.0), (20, 3.9)], 2), ([(0, 4.9), (20, 3.9)], 0), ([(0, 4.91), (20, 3.9)], 2), ([(0, 5.2), (20, 4.0)], 0),
        ([(0, 5.3), (20, 4.0)], 1), ([(0, 6.0), (60, 3.9)], 2), ([(0, 6.0), (10, 4.5), (20, 3.9)], 1),
    ],
)  # fmt: skip
def test_below_4_0_with_more_than_1_0_from_the_previous_value_is_always_told(values, stage):
    result = scored(measured(*values))
    assert result.score == stage
    if stage == 2:
        assert [(one.name, one.always) for one in result.findings] == [("haemoglobin<4", True)]
        assert result.band == "call"


def test_the_previous_value_may_be_known_as_the_extremes_of_a_day():
    record = measured((0, 6.0), (0.5, 5.0), (200, 3.9))
    assert [one.id for one in record.series["haemoglobin"].entries] == ["haemoglobin-200"]
    result = scored(record)
    assert (result.score, [one.id for one in result.evidence]) == (2, ["haemoglobin-200"])
    assert result.title.da == "Hb 3,9 mmol/L, fald foreneligt med blødning"
    unsure = scored(measured((0, 6.0), (0.5, 4.5), (200, 3.9)))
    assert (unsure.score, unsure.interval, unsure.abstained) == (0, (0, 2), True)


# ---------------------------------------------------------------- what is not known


def test_of_one_value_alone_the_fall_is_unknown():
    result = scored(measured((0, 7.0)))
    assert (result.score, result.interval, result.abstained, result.high) == (0, (0, 1), True, 0)
    assert scored(measured((0, 3.5))).interval == (0, 2)


def test_of_no_value_everything_is_unknown():
    result = scored(Record())
    assert (result.interval, result.abstained, result.high) == ((0, 2), True, 0)


def test_a_value_counts_for_24_hours_and_then_holds_an_alert_open():
    record = measured((0, 9.0), (5, 7.0))
    assert scored(after(tick(29), record=record)).score == 1
    late = scored(after(tick(29.1), record=record))
    assert (late.score, late.high, late.abstained) == (0, 2, True)


@pytest.mark.parametrize(
    ("comparator", "value", "interval"),
    [("<", 3.0, (2, 2)), ("<", 6.0, (1, 2)), ("<", 7.5, (0, 2)), (">", 7.5, (0, 0)), (">", 6.0, (0, 1))],
)
def test_a_comparator_makes_a_bound(comparator, value, interval):
    low = observation("haemoglobin", value, 10, comparator=comparator)
    assert scored(after(low, record=measured((0, 8.0)))).interval == interval


def test_a_transfusion_may_hide_a_fall():
    record = after(treatment("B05AX01", "start", 5), record=measured((0, 8.0), (10, 7.5)))
    result = scored(record)
    assert (result.score, result.interval, result.abstained) == (0, (0, 1), True)
    assert scored(after(treatment("B05AX01", "start", 11), record=measured((0, 8.0), (10, 7.5)))).interval == (0, 0)


def test_an_infusion_that_dilutes_is_named_beside_the_fall():
    record = after(treatment("B05BB01", "start", 5), record=measured((0, 8.0), (10, 6.5)))
    reasons = {one.feature: (one.value, one.age_minutes, one.contribution) for one in scored(record).reasons}
    assert reasons["dilution"] == ("B05BB01", 300, 0.0)


def test_a_correction_takes_the_fall_away():
    record = measured((0, 9.0), (5, 7.0))
    corrected = observation("haemoglobin", 8.9, 5, issued=6, version=2, status="corrected")
    assert scored(after(corrected, record=record)).score == 0


def test_its_levels_are_warning_and_critical():
    assert [(one.severity, one.raise_at) for one in RULE.policy.levels] == [("warning", 1), ("critical", 2)]


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(20, 120)), min_size=1, max_size=6, unique_by=lambda one: one[0])
)
def test_the_order_of_arrival_does_not_matter_and_the_bounds_hold_the_score(found):
    values = [(hour, value / 10) for hour, value in sorted(found)]
    result = scored(measured(*values))
    assert result.interval[0] == result.low <= result.interval[1] <= 2
    late = [observation("haemoglobin", value, hour, issued=60) for hour, value in values]
    assert scored(after(*late)) == scored(after(*reversed(late)))


@given(st.integers(30, 90), st.integers(0, 20))
def test_a_lower_value_never_makes_a_lower_stage(before, less):
    one = scored(measured((0, 9.0), (10, before / 10))).low
    assert scored(measured((0, 9.0), (10, (before - less) / 10 if before - less > 9 else 1.0))).low >= one
