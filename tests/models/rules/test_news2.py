import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.instants import HOUR
from features.record import Record
from models.rules.news2 import News2
from models.scorer import Scored
from tests.builders import after, encounter, observation, tick

RULE = News2()

# The table of the Royal College of Physicians' report of 2017: (from, to, points).
PUBLISHED: dict[str, list[tuple[float, float, int]]] = {
    "respiratory_rate": [(1, 8, 3), (9, 11, 1), (12, 20, 0), (21, 24, 2), (25, 90, 3)],
    "spo2_scale_1": [(20, 91, 3), (92, 93, 2), (94, 95, 1), (96, 100, 0)],
    "spo2_scale_2_on_air": [(20, 83, 3), (84, 85, 2), (86, 87, 1), (88, 100, 0)],
    "spo2_scale_2_on_oxygen": [
        (20, 83, 3), (84, 85, 2), (86, 87, 1), (88, 92, 0), (93, 94, 1), (95, 96, 2), (97, 100, 3),
    ],
    "systolic_pressure": [(20, 90, 3), (91, 100, 2), (101, 110, 1), (111, 219, 0), (220, 300, 3)],
    "heart_rate": [(15, 40, 3), (41, 50, 1), (51, 90, 0), (91, 110, 1), (111, 130, 2), (131, 300, 3)],
    "temperature": [(24.0, 35.0, 3), (35.1, 36.0, 1), (36.1, 38.0, 0), (38.1, 39.0, 1), (39.1, 45.0, 2)],
}  # fmt: skip
NORMAL: dict[str, float | str] = {
    "respiratory_rate": 16, "spo2": 97, "oxygen_flow": 0, "systolic_pressure": 120, "heart_rate": 70,
    "consciousness": "A", "temperature": 37.0,
}  # fmt: skip


def measured(hour: float = 0, flags: list[str] | None = None, /, **values: float | str | None) -> Record:
    """A record of these components on top of normal ones; ``None`` leaves one out."""
    found = {name: value for name, value in {**NORMAL, **values}.items() if value is not None}
    events = [observation(name, value, hour) for name, value in found.items()]
    return after(encounter("admit", hour, flags=flags), *events)


def scored(record: Record) -> Scored:
    result = RULE.score(record)
    assert result is not None
    return result


def points(*, flags: list[str] | None = None, **values: float | str | None) -> float:
    return scored(measured(0, flags, **values)).score


# ---------------------------------------------------------------- the table


@pytest.mark.parametrize("parameter", PUBLISHED)
@pytest.mark.req("VAGT-RUL-01")
def test_the_table_is_the_published_one(parameter):
    scale = getattr(RULE.table, parameter)
    step = 10**scale.decimals
    assert scale.decimals == (1 if parameter == "temperature" else 0)
    for low, high, expected in PUBLISHED[parameter]:
        for value in range(round(low * step), round(high * step) + 1):
            assert scale.read(value / step) == expected, value / step


def test_oxygen_gives_2_and_every_change_of_consciousness_3():
    assert (RULE.table.oxygen.air, RULE.table.oxygen.oxygen) == (0, 2)
    assert RULE.table.consciousness == {"A": 0, "C": 3, "V": 3, "P": 3, "U": 3}


VECTORS = [  # respiratory rate, SpO2, oxygen, systolic pressure, heart rate, ACVPU, temperature
    ((22, 94, 0, 105, 95, "A", 38.2), 6),
    ((12, 96, 0, 111, 51, "A", 36.1), 0),
    ((8, 91, 1, 90, 131, "U", 35.0), 20),
    ((25, 95, 1, 220, 40, "C", 39.1), 17),
    ((21, 95, 0, 110, 91, "A", 38.1), 6),
]
ORDER = (
    "respiratory_rate",
    "spo2",
    "oxygen_flow",
    "systolic_pressure",
    "heart_rate",
    "consciousness",
    "temperature",
)


@pytest.mark.parametrize(("values", "expected"), VECTORS)
@pytest.mark.req("VAGT-RUL-01")
def test_a_worked_example_gives_its_score(values, expected):
    assert points(**dict(zip(ORDER, values, strict=True))) == expected


@pytest.mark.parametrize(("spo2", "oxygen", "expected"), [(93, 2, 3), (93, 0, 0), (97, 2, 5), (88, 2, 2), (83, 0, 3)])
@pytest.mark.req("VAGT-RUL-01")
def test_hypercapnic_patients_are_scored_on_scale_2(spo2, oxygen, expected):
    assert points(flags=["hypercapnic"], spo2=spo2, oxygen_flow=oxygen) == expected


@pytest.mark.parametrize(
    ("analyte", "value", "expected"),
    [
        ("temperature", 38.04, 0), ("temperature", 38.05, 1), ("temperature", 35.049, 3),
        ("temperature", 35.05, 1), ("temperature", 39.05, 2), ("spo2", 95.49, 1), ("spo2", 95.5, 0),
        ("spo2", 91.49, 3), ("spo2", 91.5, 2), ("heart_rate", 90.49, 0), ("heart_rate", 130.5, 3),
        ("respiratory_rate", 24.5, 3), ("systolic_pressure", 90.5, 2),
    ],
)  # fmt: skip
def test_a_value_between_two_lines_is_rounded_half_up_first(analyte, value, expected):
    assert points(**{analyte: value}) == expected


@settings(deadline=None)
@given(st.integers(3400, 4200) | st.sampled_from([3505, 3605, 3805, 3905]))
def test_a_converted_temperature_is_rounded_as_the_one_that_was_measured(hundredths):
    celsius = scored(after(observation("temperature", hundredths / 100)))
    for value, unit in (
        (round(hundredths * 0.018 + 32, 3), "[degF]"),
        (round(hundredths / 100 + 273.15, 2), "K"),
    ):
        assert scored(after(observation("temperature", value, unit=unit))).score == celsius.score


# ---------------------------------------------------------------- what is not known


@pytest.mark.parametrize(
    ("missing", "most"),
    [
        ("respiratory_rate", 3), ("spo2", 3), ("oxygen_flow", 2), ("systolic_pressure", 3), ("heart_rate", 3),
        ("consciousness", 3), ("temperature", 3),
    ],
)  # fmt: skip
@pytest.mark.req("VAGT-RUL-02")
def test_without_a_component_the_score_is_a_lower_bound(missing, most):
    result = scored(measured(**{missing: None}))
    assert (result.score, result.interval, result.low) == (0, (0, most), 0)
    assert result.abstained
    assert (result.title.en, result.title.da) == ("NEWS2 at least 0", "NEWS2 mindst 0")


def test_with_all_components_the_score_is_itself():
    result = scored(measured(heart_rate=131))
    assert (result.score, result.low, result.high, result.interval, result.abstained) == (
        3,
        3,
        3,
        (3, 3),
        False,
    )
    assert result.title.en == "NEWS2 3"


def test_a_lower_bound_that_calls_for_a_nurse_is_no_abstention():
    assert not scored(measured(temperature=None, heart_rate=131, respiratory_rate=21)).abstained
    assert scored(measured(temperature=None, heart_rate=131, respiratory_rate=11)).abstained


def test_of_an_unknown_patient_the_score_is_anything():
    result = scored(Record())
    assert (result.score, result.interval, result.evidence, result.reasons) == (0, (0, 20), (), ())


VALUES: dict[str, tuple[float | str, ...]] = {
    "respiratory_rate": (8, 10, 16, 22, 30),
    "spo2": (80, 84, 86, 90, 94, 96, 99),
    "systolic_pressure": (80, 95, 105, 150, 230),
    "heart_rate": (35, 45, 70, 100, 120, 150),
    "temperature": (34.0, 35.5, 37.0, 38.5, 40.0),
    "oxygen_flow": (0, 4),
    "consciousness": ("A", "U"),
}


@settings(deadline=None)
@given(
    st.fixed_dictionaries({name: st.sampled_from(found) for name, found in VALUES.items()}),
    st.sets(st.sampled_from(sorted(VALUES))),
    st.booleans(),
)
@pytest.mark.req("VAGT-RUL-02")
def test_the_bounds_hold_the_score_that_would_be_if_all_were_known(values, unknown, hypercapnic):
    flags = ["hypercapnic"] if hypercapnic else []
    full = scored(measured(0, flags, **values))
    partial = scored(measured(0, flags, **{**values, **dict.fromkeys(unknown)}))
    low, high = partial.interval
    assert partial.low == low <= full.score <= high
    assert 0 <= low <= high <= 20
    assert partial.score == sum(reason.contribution for reason in partial.reasons)


# ---------------------------------------------------------------- age of the components


@pytest.mark.req("VAGT-DEC-05")
def test_a_component_counts_up_to_12_hours_and_not_beyond():
    record = measured(heart_rate=131)
    assert scored(after(tick(12), record=record)).score == 3
    late = scored(after(tick(12 + 1 / HOUR), record=record))
    assert (late.score, late.interval) == (0, (0, 20))


def test_a_component_that_grew_too_old_may_still_hold_an_alert_and_one_never_measured_may_not():
    fresh = [observation("heart_rate", 70, 20)]
    assert scored(after(*fresh, record=measured())).high == 17
    assert scored(after(*fresh)).high == 0


def test_oxygen_that_grew_too_old_holds_an_alert_by_the_second_scale_too():
    late = observation("spo2", 98, 20)
    assert scored(after(late, record=measured(0, ["hypercapnic"], oxygen_flow=4))).high == 2 + 3 + 15
    assert scored(after(late, record=measured(0, ["hypercapnic"], oxygen_flow=None, spo2=None))).high == 15


def test_the_newest_value_counts_whenever_it_became_known():
    record = after(observation(value=131, hour=2), observation(value=70, hour=1, issued=3))
    assert scored(record).score == 3


def test_a_value_from_after_now_does_not_count_yet():
    ahead = observation(value=131, hour=1, effective="2026-03-01T01:05:00Z")
    assert scored(after(observation(value=70), ahead)).score == 0
    assert scored(after(observation(value=70), ahead, tick(1 + 5 / 60))).score == 3


# ---------------------------------------------------------------- oxygen and saturation


@pytest.mark.parametrize(("fio2", "expected"), [(0.2, 0), (0.21, 0), (0.22, 2), (1.0, 2)])
def test_more_than_room_air_is_oxygen(fio2, expected):
    assert points(oxygen_flow=None, fio2=fio2) == expected


def test_no_flow_is_air_and_any_flow_is_oxygen():
    assert (points(oxygen_flow=0), points(oxygen_flow=0.5)) == (0, 2)


def test_of_fraction_and_flow_the_newer_counts():
    on_air = observation("fio2", 0.21, 2)
    assert scored(after(on_air, record=measured(oxygen_flow=4))).score == 0
    assert scored(after(observation("oxygen_flow", 4, 3), on_air, record=measured())).score == 2


def test_a_blood_gas_saturation_counts_where_no_pulse_oximetry_is_known():
    assert points(spo2=None, sao2=90) == 3
    assert points(spo2=97, sao2=90) == 0


def test_on_scale_2_unknown_oxygen_widens_the_bounds():
    result = scored(measured(0, ["hypercapnic"], spo2=97, oxygen_flow=None))
    assert (result.score, result.interval) == (0, (0, 5))


# ---------------------------------------------------------------- for whom


@pytest.mark.parametrize(
    ("born", "applies"), [("2010-03-01", True), ("2010-03-02", False), ("2026-03-01", False), (None, True)]
)
@pytest.mark.req("VAGT-RUL-01")
def test_it_is_not_for_children_under_16(born, applies):
    record = after(encounter("update", 0, birthDate=born), record=measured())
    assert (RULE.score(record) is not None) == applies


@pytest.mark.req("VAGT-RUL-01")
def test_it_is_not_for_pregnant_women():
    assert RULE.score(measured(0, ["pregnant"])) is None
    assert RULE.score(measured(0, ["palliative"])) is not None


# ---------------------------------------------------------------- what it says


@pytest.mark.parametrize(
    ("values", "band"),
    [
        ({}, "low"),
        ({"heart_rate": 120, "respiratory_rate": 22}, "low"),
        ({"heart_rate": 131}, "low-medium"),
        ({"heart_rate": 131, "respiratory_rate": 22}, "medium"),
        ({"heart_rate": 131, "respiratory_rate": 25}, "medium"),
        ({"heart_rate": 131, "respiratory_rate": 25, "spo2": 95}, "high"),
    ],
)
def test_the_band_is_the_clinical_risk_of_the_report(values, band):
    assert scored(measured(**values)).band == band


def test_reasons_are_the_components_with_points_the_weightiest_first():
    result = scored(measured(heart_rate=131, spo2=95, temperature=38.5, oxygen_flow=2))
    assert [(one.feature, one.value, one.unit, one.contribution, one.age_minutes) for one in result.reasons] == [
        ("heart_rate", 131, "/min", 3, 0),
        ("oxygen", 2, "L/min", 2, 0),
        ("spo2", 95, "%", 1, 0),
        ("temperature", 38.5, "Cel", 1, 0),
    ]
    assert {entry.id for entry in result.evidence} == {
        "heart_rate-0",
        "oxygen_flow-0",
        "spo2-0",
        "temperature-0",
    }


def test_its_levels_are_5_and_7_and_it_declares_what_it_reads():
    assert [(level.raise_at, level.clear_below) for level in RULE.policy.levels] == [(5, 4), (7, 6)]
    assert {*VALUES, "sao2", "fio2", "encounter", "time"} == RULE.inputs


def test_the_score_is_a_function_of_the_record_alone():
    record = measured(heart_rate=131)
    assert RULE.score(record) == News2().score(record)
    assert RULE.model == News2().model


def test_an_unknown_age_is_an_adults_but_on_a_childrens_ward():
    record = after(observation("heart_rate", 140, 0), encounter("admit", 0))
    assert RULE.score(record) is not None
    assert RULE.score(after(encounter("transfer", 1, unitType="paediatric"), record=record)) is None
