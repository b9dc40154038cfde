import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from features.record import Record
from models.rules.neutropenia_fever import NeutropeniaFever, NeutropeniaFeverTable
from models.scorer import Scored
from tests.builders import after, observation, tick

RULE = NeutropeniaFever()
ESMO = NeutropeniaFever()
ESMO.table = ESMO.table.model_copy(update={"definition": "esmo"})


def measured(neutrophils: float | None, *temperatures: tuple[float, float]) -> Record:
    """A record of a neutrophil count at hour 0 and (hour, temperature)."""
    counts = [] if neutrophils is None else [observation("neutrophils", neutrophils)]
    return after(*counts, *(observation("temperature", value, hour) for hour, value in temperatures))


def scored(record: Record, rule: NeutropeniaFever = RULE) -> Scored:
    result = rule.score(record)
    assert result is not None
    return result


# ---------------------------------------------------------------- fever


@pytest.mark.parametrize(
    ("temperatures", "idsa", "esmo"),
    [
        ([(0, 37.0)], 0, 0), ([(0, 38.2)], 0, 0), ([(0, 38.3)], 1, 0), ([(0, 38.4)], 1, 1),
        ([(0, 38.0), (1, 38.0)], 1, 0), ([(0, 38.0), (0.9, 38.0)], 0, 0), ([(0, 37.9), (1, 38.2)], 0, 0),
        ([(0, 38.1), (1, 38.1)], 1, 0), ([(0, 38.1), (2, 38.1)], 1, 1), ([(0, 38.1), (1, 37.5), (2, 38.1)], 0, 0),
        ([(0, 38.1), (0.5, 38.2), (1.5, 38.0)], 1, 0),
        # One reading of fever is enough, however the later ones are.
        ([(0, 38.9), (4, 37.0)], 1, 1),
    ],
)  # fmt: skip
@pytest.mark.req("VAGT-RUL-07")
def test_fever_is_one_high_temperature_or_a_sustained_one(temperatures, idsa, esmo):
    assert scored(measured(0.2, *temperatures)).score == idsa
    assert scored(measured(0.2, *temperatures), ESMO).score == esmo


def test_a_fever_counts_for_24_hours():
    record = measured(0.2, (0, 39.0), (20, 37.0))
    assert scored(after(tick(24), record=record)).score == 1
    late = scored(after(tick(24.1), record=record))
    assert (late.score, late.interval, late.high, late.abstained) == (0, (0, 0), 0, False)


def test_without_a_temperature_of_12_hours_there_may_be_fever():
    record = measured(0.2, (0, 37.0))
    assert scored(after(tick(12), record=record)).interval == (0, 0)
    late = scored(after(tick(12.1), record=record))
    assert (late.interval, late.abstained, late.high) == ((0, 1), True, 1)
    never = scored(measured(0.2))
    assert (never.interval, never.abstained, never.high) == ((0, 1), True, 0)


def test_a_temperature_in_fahrenheit_meets_the_same_limits():
    fahrenheit = [observation("temperature", value, unit="[degF]") for value in (100.9, 101.0)]
    assert [scored(after(one, record=measured(0.2))).score for one in fahrenheit] == [0, 1]


# ---------------------------------------------------------------- neutropenia


@pytest.mark.parametrize(("count", "score"), [(0.0, 1), (0.49, 1), (0.5, 0), (1.0, 0), (7.0, 0)])
@pytest.mark.req("VAGT-RUL-07")
def test_neutropenia_is_below_0_5(count, score):
    assert scored(measured(count, (0, 39.0))).score == score


@pytest.mark.parametrize(
    ("older", "newer", "hours", "interval"),
    [
        # 2.0 to 0.9 in a day: gone in two more; 1.0 to 0.9: 0.7 after 48 h.
        (2.0, 0.9, 24, (1, 1)), (1.0, 0.9, 24, (0, 0)), (0.9, 0.9, 24, (0, 0)), (0.6, 0.9, 24, (0, 0)),
        # 1.1 to 0.9 in 24 h reaches 0.5, which is not below it.
        (1.1, 0.9, 24, (0, 0)), (1.11, 0.9, 24, (1, 1)),
        # Too near each other for a line.
        (2.0, 0.9, 11, (0, 1)),
        # From 1.0 on nothing is expected.
        (3.0, 1.0, 24, (0, 0)),
    ],
)  # fmt: skip
def test_below_1_0_the_line_through_two_counts_says_what_is_expected(older, newer, hours, interval):
    fresh = [observation("neutrophils", newer, hours), observation("temperature", 39.0, hours)]
    result = scored(after(*fresh, record=measured(older)))
    assert result.interval == interval
    assert result.abstained == (interval == (0, 1))


def test_of_one_count_alone_it_is_not_known_what_is_expected():
    result = scored(measured(0.7, (0, 39.0)))
    assert (result.score, result.interval, result.abstained, result.band) == (0, (0, 1), True, "fever")


def test_leukocytes_below_the_limit_are_neutropenia_too():
    few = observation("leukocytes", 0.4)
    assert scored(after(few, record=measured(None, (0, 39.0)))).score == 1
    enough = scored(after(observation("leukocytes", 0.5), record=measured(None, (0, 39.0))))
    assert (enough.score, enough.interval, enough.abstained) == (0, (0, 1), True)


def test_of_neutrophils_and_leukocytes_the_newer_counts():
    few = observation("leukocytes", 0.4, 1)
    assert scored(after(few, record=measured(3.0, (0, 39.0)))).score == 1
    recovered = observation("neutrophils", 1.2, 2)
    assert scored(after(few, recovered, record=measured(None, (0, 39.0)))).score == 0


@pytest.mark.parametrize(
    ("comparator", "count", "interval"),
    [("<", 0.5, (1, 1)), ("<", 0.1, (1, 1)), ("<=", 0.5, (0, 1)), ("<", 1.0, (0, 1)), (">", 1.0, (0, 0))],
)
def test_a_count_with_a_comparator_is_a_bound(comparator, count, interval):
    few = observation("neutrophils", count, comparator=comparator)
    result = scored(after(few, record=measured(None, (0, 39.0))))
    assert (result.interval, result.low) == (interval, interval[0])


def test_a_count_counts_for_48_hours_and_then_holds_an_alert_open():
    fever = [(40.0, 39.0)]
    record = measured(0.2, *fever)
    assert scored(after(tick(48), record=record)).score == 1
    late = scored(after(tick(48.1), record=record))
    assert (late.score, late.high, late.abstained) == (0, 1, True)
    assert scored(measured(None, *fever)).high == 0


def test_counts_per_microlitre_are_the_same_count():
    assert scored(after(observation("neutrophils", 490, unit="/uL"), record=measured(None, (0, 39.0)))).score == 1


# ---------------------------------------------------------------- what it says


def test_a_nurse_reads_both_halves_in_both_languages():
    result = scored(measured(0.3, (0, 38.7)))
    assert result.title.en == "Fever in neutropenia: 38.7 °C, neutrophils 0.30 × 10⁹/L"
    assert result.title.da == "Feber ved neutropeni: 38,7 °C, neutrofile 0,30 × 10⁹/L"
    assert [(one.feature, one.value, one.contribution) for one in result.reasons] == [
        ("neutrophils", 0.3, 1),
        ("temperature", 38.7, 0),
    ]
    assert {one.id for one in result.evidence} == {"neutrophils-0", "temperature-0"}
    assert result.band == "neutropenic-fever"


def test_a_sustained_fever_rests_on_its_first_and_last_reading():
    result = scored(measured(0.3, (0, 38.0), (0.5, 38.2), (1.5, 38.1)))
    assert [one.id for one in result.evidence] == ["temperature-0", "temperature-1.5", "neutrophils-0"]


@pytest.mark.req("VAGT-RUL-07")
def test_neutropenia_without_fever_is_no_alert():
    result = scored(measured(0.3, (0, 37.0)))
    assert (result.score, result.band, result.abstained, result.reasons) == (0, "neutropenia", False, ())


def test_its_alert_is_critical():
    assert [(one.severity, one.raise_at) for one in RULE.policy.levels] == [("critical", 1)]


def test_a_definition_that_is_not_in_the_table_is_refused():
    raw = {**RULE.table.model_dump(), "definition": "mine", "definitions": {}}
    with pytest.raises(ValidationError, match="definition must be one of"):
        NeutropeniaFeverTable.model_validate(raw)


@given(
    st.lists(st.tuples(st.integers(0, 23), st.integers(360, 400)), max_size=5, unique_by=lambda one: one[0]),
    st.none() | st.integers(0, 30),
)
def test_the_bounds_hold_the_score_and_the_order_of_arrival_does_not_matter(temperatures, count):
    events = [observation("temperature", value / 10, hour, issued=23) for hour, value in temperatures]
    if count is not None:
        events.append(observation("neutrophils", count / 10, issued=23))
    result = scored(after(*events))
    assert 0 <= result.interval[0] == result.low <= result.interval[1] <= 1
    assert scored(after(*reversed(events))) == result
    assert scored(after(*(one for one in events if one.code.code == "8310-5"))).low <= result.low
