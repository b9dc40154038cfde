import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.catalogue import catalogue
from features.record import Record
from models.rules.qsofa import Qsofa
from models.scorer import Scored
from tests.builders import after, encounter, observation, tick

RULE = Qsofa()
NORMAL: dict[str, float | str] = {"respiratory_rate": 16, "systolic_pressure": 120, "consciousness": "A"}


def measured(flags: list[str] | None = None, /, **values: float | str | None) -> Record:
    found = {name: value for name, value in {**NORMAL, **values}.items() if value is not None}
    return after(encounter(flags=flags), *(observation(name, value) for name, value in found.items()))


def scored(record: Record) -> Scored:
    result = RULE.score(record)
    assert result is not None
    return result


@pytest.mark.parametrize(
    ("values", "points"),
    [
        ({}, 0), ({"respiratory_rate": 21.9}, 0), ({"respiratory_rate": 22}, 1), ({"systolic_pressure": 100}, 1),
        ({"systolic_pressure": 100.1}, 0), ({"consciousness": "C"}, 1), ({"consciousness": "V"}, 1),
        ({"consciousness": "P"}, 1), ({"consciousness": "U"}, 1), ({"gcs": 15}, 0), ({"gcs": 14}, 1),
        ({"respiratory_rate": 22, "systolic_pressure": 100}, 2),
        ({"respiratory_rate": 30, "systolic_pressure": 70, "gcs": 3}, 3),
        ({"consciousness": None, "gcs_eye": 4, "gcs_verbal": 5, "gcs_motor": 6}, 0),
        ({"consciousness": None, "gcs_eye": 4, "gcs_verbal": 4, "gcs_motor": 6}, 1),
        # Two of three responses: the most that the sum can be is below 15.
        ({"consciousness": None, "gcs_eye": 3, "gcs_motor": 6}, 1),
    ],
)  # fmt: skip
@pytest.mark.req("VAGT-RUL-10")
def test_each_criterion_gives_a_point_from_its_limit_on(values, points):
    result = scored(measured(**values))
    assert (result.score, result.low, result.high, result.interval) == (points, points, points, (points, points))
    assert result.title.en == f"qSOFA {points}"
    assert result.band == ("raised" if points >= 2 else "low")
    assert not result.abstained


@pytest.mark.parametrize("missing", NORMAL)
def test_without_a_criterion_the_score_is_a_lower_bound(missing):
    result = scored(measured(**{missing: None}))
    assert (result.score, result.interval, result.abstained) == (0, (0, 1), True)
    assert (result.title.en, result.title.da) == ("qSOFA at least 0", "qSOFA mindst 0")


def test_two_points_are_no_abstention_whatever_is_missing():
    result = scored(measured(consciousness=None, respiratory_rate=22, systolic_pressure=90))
    assert (result.score, result.interval, result.abstained) == (2, (2, 3), False)


def test_a_response_that_leaves_the_sum_open_is_a_bound():
    result = scored(measured(consciousness=None, gcs_eye=4, gcs_motor=6))
    assert (result.score, result.interval) == (0, (0, 1))


def test_every_level_of_consciousness_has_its_line():
    assert set(RULE.table.consciousness) == set(catalogue().text_analytes["consciousness"].texts)


def test_of_consciousness_and_coma_scale_the_newer_counts():
    later = after(observation("gcs", 14, 1), record=measured())
    assert scored(later).score == 1
    assert scored(after(observation("consciousness", "A", 2), record=later)).score == 0


def test_components_count_up_to_12_hours_and_old_ones_hold_an_alert_open():
    record = measured(respiratory_rate=30, systolic_pressure=80)
    assert scored(after(tick(12), record=record)).score == 2
    late = scored(after(tick(12.01), record=record))
    assert (late.score, late.low, late.high, late.interval) == (0, 0, 3, (0, 3))
    assert scored(Record()).high == 0


def test_a_pressure_in_kilopascal_is_the_same_pressure():
    record = after(observation("systolic_pressure", 13.0, unit="kPa"))
    assert scored(record).score == 1
    assert scored(after(observation("systolic_pressure", 14.0, unit="kPa"))).score == 0


@pytest.mark.parametrize(("born", "applies"), [("2008-03-01", True), ("2008-03-02", False), (None, True)])
def test_it_is_for_adults(born, applies):
    assert (RULE.score(after(encounter("update", 0, birthDate=born), record=measured())) is not None) == applies


def test_it_is_not_for_pregnant_women():
    assert RULE.score(measured(["pregnant"])) is None


def test_its_alert_is_for_information_from_2_and_reasons_are_the_criteria_met():
    assert [(level.severity, level.raise_at) for level in RULE.policy.levels] == [("info", 2)]
    result = scored(measured(respiratory_rate=30, gcs=12))
    assert [(one.feature, one.value, one.contribution) for one in result.reasons] == [
        ("gcs", 12, 1),
        ("respiratory_rate", 30, 1),
    ]
    assert {entry.id for entry in result.evidence} == {"gcs-0", "respiratory_rate-0"}


@given(
    st.fixed_dictionaries(
        {
            "respiratory_rate": st.sampled_from([10, 21, 22, 40]),
            "systolic_pressure": st.sampled_from([60, 100, 101, 180]),
            "consciousness": st.sampled_from("ACVPU"),
        }
    ),
    st.sets(st.sampled_from(sorted(NORMAL))),
    st.randoms(use_true_random=False),
)
def test_the_bounds_hold_the_full_score_and_arrival_does_not_matter(values, unknown, random):
    full = scored(measured(**values))
    partial = scored(measured(**{**values, **dict.fromkeys(unknown)}))
    assert partial.interval[0] == partial.low <= full.score <= partial.interval[1]
    assert partial.low == sum(reason.contribution for reason in partial.reasons)
    events = [observation(name, value) for name, value in values.items()]
    random.shuffle(events)
    assert scored(after(*events)) == full
