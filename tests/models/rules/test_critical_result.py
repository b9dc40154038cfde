from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from features.record import Record
from models.rules.critical_result import LISTS, CriticalLimit, CriticalList, CriticalResult
from models.scorer import Finding, Scored
from tests.builders import LOINC, NPU, after, encounter, observation, tick

RULE = CriticalResult()
BORNHOLM = CriticalResult("bornholm")


def scored(record: Record, rule: CriticalResult = RULE) -> Scored:
    result = rule.score(record)
    assert result is not None
    return result


def found(*events: Any, rule: CriticalResult = RULE, record: Record | None = None) -> list[str]:
    return [one.name for one in scored(after(*events, record=record), rule).findings]


# ---------------------------------------------------------------- the lists

REGION_SJAELLAND = [  # analyte, the last value that is not told, the first that is
    ("haemoglobin", 4.0, 3.9), ("leukocytes", 0.5, 0.4), ("leukocytes", 35, 35.1), ("platelets", 20, 19),
    ("platelets", 15, 14), ("potassium", 2.5, 2.4), ("potassium", 6.0, 6.1), ("sodium", 115, 114),
    ("sodium", 160, 161), ("glucose", 2.5, 2.4), ("glucose", 22, 22.1), ("calcium", 1.5, 1.49),
    ("calcium", 3.0, 3.01), ("calcium_ionised", 0.7, 0.69), ("calcium_ionised", 1.8, 1.81), ("inr", 5.0, 5.1),
]  # fmt: skip
OF_BORNHOLM = [
    ("haemoglobin", 4.0, 3.9), ("leukocytes", 1.0, 0.9), ("leukocytes", 100, 100.1), ("neutrophils", 0.5, 0.49),
    ("platelets", 20, 19), ("potassium", 2.5, 2.4), ("potassium", 6.0, 6.1), ("sodium", 120, 119),
    ("sodium", 160, 161), ("glucose", 2.6, 2.5), ("glucose", 25.0, 25.1), ("calcium", 3.5, 3.51),
    ("calcium_ionised", 1.75, 1.76), ("inr", 6.0, 6.1),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "analyte", "calm", "critical"),
    [(RULE, *line) for line in REGION_SJAELLAND if line != ("platelets", 15, 14)]
    + [(BORNHOLM, *line) for line in OF_BORNHOLM],
)
@pytest.mark.req("VAGT-RUL-09")
def test_a_result_is_critical_beyond_the_lists_limit_and_not_at_it(rule, analyte, calm, critical):
    assert found(observation(analyte, calm), rule=rule) == []
    assert len(found(observation(analyte, critical), rule=rule)) == 1


@pytest.mark.req("VAGT-RUL-09")
def test_every_line_of_a_list_has_its_boundary_here():
    for rule, boundaries in ((RULE, REGION_SJAELLAND), (BORNHOLM, [*OF_BORNHOLM, ("platelets", 15, 14)])):
        of_lines = {(one.analyte, one.below or one.above) for one in rule.listed.limits}
        assert of_lines == {(analyte, calm) for analyte, calm, _ in boundaries}


def test_bornholm_tells_no_low_calcium():
    assert found(observation("calcium_ionised", 0.5), observation("calcium", 1.45), rule=BORNHOLM) == []


def test_what_is_told_however_lately_it_was_told_is_the_lists_exception():
    def of(analyte: str, value: float) -> Finding:
        return scored(after(observation(analyte, value))).findings[0]

    assert of("platelets", 14) == Finding("platelets<15", always=True)
    assert of("platelets", 15) == Finding("platelets<20")
    assert of("inr", 5.1) == Finding("inr>5.0", always=True)
    assert of("potassium", 6.7) == Finding("potassium>6.0", always=True)
    assert of("haemoglobin", 3.9) == Finding("haemoglobin<4.0")
    assert of("leukocytes", 0.4) == Finding("leukocytes<0.5")


@pytest.mark.parametrize(
    ("before", "now", "name"),
    [
        (5.0, 3.9, "haemoglobin<4.0 fell>1.0"), (4.9, 3.9, "haemoglobin<4.0"), (4.91, 3.9, "haemoglobin<4.0 fell>1.0"),
        (6.0, 4.0, None),
    ],
)  # fmt: skip
def test_a_haemoglobin_below_4_that_fell_by_more_than_1_is_always_told(before, now, name):
    events = observation("haemoglobin", before, 0), observation("haemoglobin", now, 6)
    result = scored(after(*events))
    assert [one.name for one in result.findings] == ([name] if name else [])
    fell = name is not None and "fell" in name
    assert [one.always for one in result.findings] == ([fell] if name else [])
    assert len(result.evidence) == (2 if fell else 1 if name else 0)


def test_a_haemoglobin_of_an_earlier_day_counts_as_the_lowest_of_that_day():
    days = [observation("haemoglobin", 6.0, 0), observation("haemoglobin", 5.1, 12), observation("potassium", 4, 200)]
    assert found(*days, observation("haemoglobin", 3.9, 200)) == ["haemoglobin<4.0 fell>1.0"]
    days[1] = observation("haemoglobin", 4.9, 12)
    assert found(*days, observation("haemoglobin", 3.9, 200)) == ["haemoglobin<4.0"]


def test_a_line_may_hold_for_an_age_and_leave_out_units():
    children = CriticalLimit(analyte="glucose", below=3.1, age_to=18, not_in_units=("icu",))
    rule = CriticalResult()
    rule.listed = CriticalList(name="made-up", version="1", source="a test", limits=(children,))
    low = observation("glucose", 3.0)

    def told(**person: Any) -> bool:
        return bool(found(encounter("admit", 0, **person), low, rule=rule))

    assert told(birthDate="2008-03-02")
    assert not told(birthDate="2008-03-01")
    assert not told()
    assert not told(birthDate="2020-01-01", unitType="icu")
    assert told(birthDate="2020-01-01", unitType="paediatric")


def test_intensive_care_is_told_as_long_as_nobody_decided_otherwise():
    assert found(encounter("admit", 0, unitType="icu"), observation("potassium", 6.7)) == ["potassium>6.0"]


@pytest.mark.parametrize("analyte", ["digoxin", "consciousness"])
def test_a_list_may_only_name_numbers_of_the_catalogue(analyte):
    with pytest.raises(ValidationError, match="no number of the catalogue"):
        CriticalLimit(analyte=analyte, above=3.0)


# ---------------------------------------------------------------- results


def test_a_result_in_another_unit_is_judged_in_the_canonical_one():
    def mass(value: float) -> Any:
        return observation("haemoglobin", value, code={"system": NPU, "code": "NPU28309"}, unit="g/L")

    assert found(mass(65)) == []
    assert found(mass(64)) == ["haemoglobin<4.0"]

    def glucose(value: float) -> Any:
        return observation("glucose", value, code={"system": LOINC, "code": "2345-7"}, unit="mg/dL")

    assert found(glucose(45.1)) == []
    assert found(glucose(44.9)) == ["glucose<2.5"]


@pytest.mark.parametrize(
    ("value", "comparator", "low", "high"),
    [
        (6.0, ">", 1, 1), (6.0, ">=", 0, 1), (5.0, ">", 0, 1), (7.0, "<", 0, 1), (2.5, "<", 1, 1), (2.5, "<=", 0, 1),
        (2.0, "<", 1, 1), (6.5, ">", 1, 1),
    ],
)  # fmt: skip
def test_a_comparator_makes_bounds(value, comparator, low, high):
    result = scored(after(observation("potassium", value, comparator=comparator)))
    assert (result.score, result.low, result.high) == (low, low, high)
    assert result.abstained == (low < high)


def test_the_newest_sample_counts():
    assert found(observation("potassium", 6.7, 0), observation("potassium", 4.0, 1)) == []
    assert found(observation("potassium", 4.0, 1), observation("potassium", 6.7, 0, issued=2)) == []


def test_a_result_counts_for_72_hours_and_may_then_hold_the_alert_if_it_was_critical():
    record = after(observation("potassium", 6.7), observation("sodium", 140))
    assert scored(after(tick(72), record=record)).score == 1
    late = scored(after(tick(72 + 1 / 3600), record=record))
    assert (late.score, late.low, late.high, late.abstained) == (0, 0, 1, True)
    assert late.interval == (0, 9)


def test_of_a_patient_without_results_nothing_is_known():
    result = scored(Record())
    assert (result.score, result.high, result.abstained, result.interval) == (0, 0, True, (0, 9))


# ---------------------------------------------------------------- what it says


def test_one_alert_names_every_finding_with_value_and_unit_in_two_languages():
    result = scored(after(observation("glucose", 1.9), observation("potassium", 6.7), observation("platelets", 12)))
    assert result.title.en == "Platelets 12 × 10⁹/L, Potassium 6.7 mmol/L, Glucose 1.9 mmol/L"
    assert result.title.da == "Trombocytter 12 × 10⁹/L, Kalium 6,7 mmol/L, Glukose 1,9 mmol/L"
    assert (result.score, result.band) == (3, "critical")
    assert [(one.feature, one.value, one.unit, one.age_minutes, one.contribution) for one in result.reasons] == [
        ("platelets<15", 12, "10*9/L", 0, 1), ("potassium>6.0", 6.7, "mmol/L", 0, 1),
        ("glucose<2.5", 1.9, "mmol/L", 0, 1),
    ]  # fmt: skip
    assert [one.id for one in result.evidence] == ["platelets-0", "potassium-0", "glucose-0"]


def test_a_ratio_has_no_unit_and_a_bound_its_sign():
    assert scored(after(observation("inr", 8, comparator=">"))).title.da == "INR >8,0"


def test_beyond_four_findings_the_title_counts():
    values = {"haemoglobin": 3.0, "platelets": 5, "potassium": 7.0, "sodium": 170, "glucose": 40, "inr": 9}
    result = scored(after(*(observation(name, value) for name, value in values.items())))
    assert result.score == 6
    assert result.title.en.endswith("Sodium 170 mmol/L and 2 more")
    assert result.title.da.endswith("Natrium 170 mmol/L og 2 mere")
    assert len(result.title.da) < 140


def test_its_hash_and_version_tell_which_list_is_in_use():
    assert RULE.model == CriticalResult().model
    assert RULE.model.sha256 != BORNHOLM.model.sha256
    assert RULE.model.version == "1.0.0+region-sjaelland.1.0.0"
    assert BORNHOLM.model.version == "1.0.0+bornholm.1.0.0"
    assert "neutrophils" in BORNHOLM.inputs - RULE.inputs
    assert [(level.severity, level.raise_at) for level in RULE.policy.levels] == [("critical", 1)]


RESULT = st.tuples(st.sampled_from(["potassium", "platelets", "haemoglobin"]), st.floats(1.0, 12.0), st.integers(0, 60))


@given(st.lists(RESULT, max_size=8, unique_by=lambda one: (one[0], one[2])), st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter_and_the_bounds_hold_the_score(items, random):
    events = [observation(name, value, hour, issued=61) for name, value, hour in items]
    first = scored(after(*events))
    random.shuffle(events)
    assert scored(after(*events)) == first
    assert 0 <= first.low <= first.score <= first.high <= first.interval[1] <= 9
    assert len(first.reasons) == len(first.findings) == first.score


def test_what_the_wards_own_analyser_measured_is_left_out_where_the_list_says_so():
    gas = observation("potassium", 6.7, 1, device="ABL90 FLEX")
    assert scored(after(observation("potassium", 4.0, 0), gas)).score == 0
    assert scored(after(observation("potassium", 6.7, 0), observation("potassium", 4.0, 1, device="ABL90"))).score == 1
    assert scored(after(observation("potassium", 6.7, 1, device="Cobas"))).score == 1
    assert [rule.listed.not_from_devices for rule in (RULE, BORNHOLM)] == [("ABL",), ()]


@pytest.mark.req("VAGT-RUL-09")
def test_a_regions_own_list_is_a_file_and_one_that_is_not_there_is_an_error(tmp_path):
    own = tmp_path / "own.toml"
    own.write_bytes((LISTS / "bornholm.toml").read_bytes())
    assert CriticalResult(str(own)).listed == BORNHOLM.listed
    with pytest.raises(ValueError, match="neither a list"):
        CriticalResult("nowhere")
