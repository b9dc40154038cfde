import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.record import Record
from models.rules.shock_index import ShockIndex
from models.scorer import Scored
from tests.builders import after, encounter, observation, tick

RULE = ShockIndex()


def measured(rate: float | None, pressure: float | None, apart: float = 0.0) -> Record:
    events = [observation("systolic_pressure", pressure, 0)] if pressure is not None else []
    events += [observation("heart_rate", rate, apart)] if rate is not None else []
    return after(encounter(), *events)


def scored(record: Record) -> Scored:
    result = RULE.score(record)
    assert result is not None
    return result


@pytest.mark.parametrize(
    ("rate", "pressure", "index", "band"),
    [
        (70, 120, 0.583333, "low"), (89, 100, 0.89, "low"), (90, 100, 0.9, "raised"), (81, 90, 0.9, "raised"),
        (99, 100, 0.99, "raised"), (100, 100, 1.0, "high"), (130, 80, 1.625, "high"),
    ],
)  # fmt: skip
@pytest.mark.req("VAGT-RUL-10")
def test_the_index_is_heart_rate_over_systolic_pressure(rate, pressure, index, band):
    result = scored(measured(rate, pressure))
    assert (result.score, result.low, result.high, result.interval) == (index, index, index, (index, index))
    assert (result.band, result.abstained) == (band, False)


def test_a_nurse_reads_two_decimals():
    result = scored(measured(130, 80))
    assert (result.title.en, result.title.da) == ("Shock index 1.62", "Shockindeks 1,62")
    assert [(one.feature, one.value) for one in result.reasons] == [("heart_rate", 130), ("systolic_pressure", 80)]
    assert sum(one.contribution for one in result.reasons) == result.score
    assert {entry.id for entry in result.evidence} == {"heart_rate-0", "systolic_pressure-0"}


def test_without_one_half_the_index_is_bounded_by_what_is_plausible():
    pressure = scored(measured(None, 60))
    assert (pressure.score, pressure.interval, pressure.abstained) == (0.25, (0.25, 5.0), True)
    assert pressure.high == pressure.low
    assert pressure.title.en == "Shock index at least 0.25"
    rate = scored(measured(120, None))
    assert (rate.score, rate.interval, rate.abstained) == (0.4, (0.4, 6.0), True)
    assert scored(Record()).abstained


@pytest.mark.parametrize(("apart", "known"), [(0, True), (1, True), (1.01, False), (5, False)])
def test_both_are_measured_within_an_hour(apart, known):
    assert scored(measured(100, 100, apart)).abstained != known


def test_of_a_rate_measured_often_the_one_beside_the_pressure_counts():
    often = [observation("heart_rate", rate, hour) for hour, rate in ((0.5, 100), (3, 150), (4, 160))]
    assert scored(after(*often, record=measured(None, 100))).score == 1.0


def test_a_pair_counts_for_12_hours_and_then_holds_an_alert_open():
    record = measured(120, 80)
    assert scored(after(tick(12), record=record)).score == 1.5
    late = scored(after(tick(12.01), record=record))
    assert (late.abstained, late.low, late.high) == (True, 0.05, 15.0)


def test_it_is_for_adults_who_are_not_pregnant_and_raises_no_alert():
    assert RULE.score(after(encounter(flags=["pregnant"]))) is None
    assert RULE.score(after(encounter(birthDate="2008-03-02"))) is None
    assert RULE.policy.levels == ()


@given(st.integers(15, 300), st.integers(20, 300), st.booleans(), st.booleans())
def test_the_bounds_hold_the_index_that_would_be_if_both_were_known(rate, pressure, no_rate, no_pressure):
    full = scored(measured(rate, pressure)).score
    partial = scored(measured(None if no_rate else rate, None if no_pressure else pressure))
    assert partial.interval[0] == partial.low <= full <= partial.interval[1]
