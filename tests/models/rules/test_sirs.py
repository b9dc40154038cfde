import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.record import Record
from models.rules.sirs import Sirs
from models.scorer import Scored
from tests.builders import after, encounter, observation, tick

RULE = Sirs()
NORMAL = {"temperature": 37.0, "heart_rate": 70, "respiratory_rate": 16, "leukocytes": 7.0, "paco2": 5.3}


def measured(flags: list[str] | None = None, /, **values: float | None) -> Record:
    found = {name: value for name, value in {**NORMAL, **values}.items() if value is not None}
    return after(encounter(flags=flags), *(observation(name, value) for name, value in found.items()))


def scored(record: Record) -> Scored:
    result = RULE.score(record)
    assert result is not None
    return result


@pytest.mark.parametrize(
    ("values", "points"),
    [
        ({}, 0), ({"temperature": 38.0}, 0), ({"temperature": 38.1}, 1), ({"temperature": 36.0}, 0),
        ({"temperature": 35.9}, 1), ({"heart_rate": 90}, 0), ({"heart_rate": 91}, 1), ({"respiratory_rate": 20}, 0),
        ({"respiratory_rate": 21}, 1), ({"paco2": 4.3}, 0), ({"paco2": 4.29}, 1),
        ({"respiratory_rate": 21, "paco2": 4.0}, 1), ({"respiratory_rate": None, "paco2": 4.0}, 1),
        ({"leukocytes": 12.0}, 0), ({"leukocytes": 12.1}, 1), ({"leukocytes": 4.0}, 0), ({"leukocytes": 3.9}, 1),
        ({"temperature": 39, "heart_rate": 120, "respiratory_rate": 28, "leukocytes": 20}, 4),
    ],
)  # fmt: skip
@pytest.mark.req("VAGT-RUL-10")
def test_each_criterion_gives_a_point_beyond_its_limit(values, points):
    result = scored(measured(**values))
    assert (result.score, result.low, result.high) == (points, points, points)
    assert not result.abstained


def test_bands_are_not_read_so_normal_leukocytes_may_still_be_a_point():
    assert scored(measured()).interval == (0, 1)
    assert scored(measured(leukocytes=13)).interval == (1, 1)
    assert scored(measured()).title.en == "SIRS at least 0"
    assert scored(measured(leukocytes=13)).title.da == "SIRS 1"


def test_without_a_blood_gas_normal_breathing_may_still_be_a_point():
    result = scored(measured(paco2=None, leukocytes=13))
    assert (result.interval, result.abstained) == ((1, 2), False)
    assert scored(measured(paco2=None, respiratory_rate=24, leukocytes=13)).interval == (2, 2)


@pytest.mark.parametrize("missing", ["temperature", "heart_rate", "leukocytes"])
def test_without_a_criterion_the_score_is_a_lower_bound(missing):
    result = scored(measured(**{missing: None}))
    assert (result.score, result.interval[0], result.abstained) == (0, 0, True)
    assert result.interval[1] >= 1


@pytest.mark.parametrize(
    ("comparator", "value", "interval"),
    [("<", 4.0, (1, 1)), ("<=", 4.0, (0, 1)), (">", 12.0, (1, 1)), ("<", 0.5, (1, 1)), ("<", 5.0, (0, 1))],
)
def test_a_leukocyte_count_with_a_comparator_is_a_bound(comparator, value, interval):
    count = observation("leukocytes", value, 1, comparator=comparator)
    assert scored(after(count, record=measured())).interval == interval


def test_leukocytes_count_for_24_hours_and_vital_signs_for_12():
    record = measured(leukocytes=20, heart_rate=100)
    assert scored(after(tick(12), record=record)).score == 2
    assert scored(after(tick(12.01), record=record)).score == 1
    assert scored(after(tick(24.01), record=record)).score == 0
    assert scored(after(tick(24.01), record=record)).high == 4


def test_an_old_blood_gas_holds_no_alert_while_breathing_is_known():
    record = after(observation("respiratory_rate", 16, 20), record=measured(leukocytes=20))
    assert scored(record).high == 3


def test_a_temperature_in_fahrenheit_and_a_gas_in_mmhg_meet_the_same_limits():
    assert scored(after(observation("temperature", 100.4, unit="[degF]"))).score == 0
    assert scored(after(observation("temperature", 100.6, unit="[degF]"))).score == 1
    assert scored(after(observation("paco2", 32, unit="mm[Hg]"))).score == 1
    assert scored(after(observation("paco2", 33, unit="mm[Hg]"))).score == 0


def test_it_is_for_adults_who_are_not_pregnant():
    assert RULE.score(measured(["pregnant"])) is None
    assert RULE.score(after(encounter("update", 0, birthDate="2008-03-02"), record=measured())) is None
    assert RULE.score(after(encounter("update", 0, birthDate="2008-03-01"), record=measured())) is not None


def test_it_raises_no_alert():
    assert RULE.policy.levels == ()


@given(
    st.fixed_dictionaries(
        {
            "temperature": st.sampled_from([34, 36, 37, 38, 40]),
            "heart_rate": st.sampled_from([60, 90, 91, 150]),
            "respiratory_rate": st.sampled_from([12, 20, 21]),
            "paco2": st.sampled_from([3.0, 4.3, 6.0]),
            "leukocytes": st.sampled_from([1, 4, 8, 12, 30]),
        }
    ),
    st.sets(st.sampled_from(sorted(NORMAL))),
)
def test_the_bounds_hold_the_score_that_would_be_if_all_were_known(values, unknown):
    full = scored(measured(**values))
    partial = scored(measured(**{**values, **dict.fromkeys(unknown)}))
    assert partial.interval[0] == partial.low <= full.score <= partial.interval[1] <= 4
    assert partial.low == sum(reason.contribution for reason in partial.reasons)
