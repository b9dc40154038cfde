from collections.abc import Mapping
from math import exp, isfinite, log
from pathlib import Path
from random import Random
from shutil import copytree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import models
from features.catalogue import catalogue
from features.record import Record
from models.artefact import ArtefactError
from models.corrupt import confused, confusions, diluted
from models.fit_expected import Sample, line
from models.panel import ANALYTES, newest
from models.scorer import Scored
from models.surprise import Surprise
from models.train_surprise import Donors
from tests.builders import after, encounter, observation

FOLDER = Path(models.__file__).parent / "result_surprise"
MODEL = Surprise(FOLDER)

USUAL = {
    "haemoglobin": 7.0,
    "platelets": 210.0,
    "leukocytes": 9.0,
    "sodium": 139.0,
    "potassium": 4.1,
    "creatinine": 85.0,
    "glucose": 7.0,
}
#: Another patient: anaemic, thrombocytopenic, in kidney failure.
OTHER = {
    "haemoglobin": 5.1,
    "platelets": 48.0,
    "leukocytes": 17.0,
    "sodium": 129.0,
    "potassium": 5.2,
    "creatinine": 420.0,
    "glucose": 12.0,
}


def panel(hour: float, values: Mapping[str, float], record: Record) -> Record:
    """The record after a panel of results, each known an hour after it was taken."""
    return after(*(observation(name, value, hour, hour + 1) for name, value in values.items()), record=record)


def history(unit: str = "icu") -> Record:
    """A patient in intensive care with three steady panels."""
    record = after(encounter("admit", 0, unitType=unit, birthDate="1951-05-02"))
    for number, hour in enumerate((1, 9, 17)):
        record = panel(hour, {name: value * (1 + 0.01 * number) for name, value in USUAL.items()}, record)
    return record


def scored(record: Record) -> Scored:
    found = MODEL.score(record)
    assert found is not None
    return found


def test_a_panel_like_the_earlier_ones_is_expected():
    found = scored(panel(25, USUAL, history()))
    assert (found.band, found.abstained, found.reasons) == ("expected", False, ())
    assert MODEL.policy.reached(found.low) == -1


@pytest.mark.req("VAGT-MOD-09")
def test_another_patients_panel_is_unlikely_before_anyone_acts():
    found = scored(panel(25, OTHER, history()))
    assert found.band == "unlikely"
    assert MODEL.policy.levels[MODEL.policy.reached(found.low)].severity == "warning"
    assert len(found.evidence) == len(OTHER)
    assert "check the specimen" in found.title.en
    assert "kontrollér prøven" in found.title.da


@pytest.mark.req("VAGT-MOD-09")
def test_a_haemoglobin_in_grams_taken_as_millimoles_is_unlikely_and_named():
    found = scored(panel(25, {**USUAL, "haemoglobin": 11.3}, history()))
    assert found.band == "unlikely"
    assert found.reasons[0].feature == "haemoglobin_last"
    assert "another unit" in found.title.en
    assert "anden enhed" in found.title.da


@pytest.mark.req("VAGT-MOD-09")
def test_a_diluted_specimen_is_unlikely_and_looks_diluted():
    values = {name: value * (1.5 if name == "glucose" else 0.7) for name, value in USUAL.items()}
    found = scored(panel(25, values, history()))
    assert found.band == "unlikely"
    assert "diluted" in found.title.en


def test_reasons_say_what_was_expected_and_add_up_to_the_log_odds():
    found = scored(panel(25, OTHER, history()))
    log_odds = log(found.score / (1 - found.score)) - MODEL.manifest.intercept
    assert sum(reason.contribution for reason in found.reasons) == pytest.approx(log_odds, abs=1e-3)
    assert [reason.feature for reason in found.reasons][-1] == "rest"
    first = found.reasons[0].text
    assert first is not None
    assert "expected" in first.en
    assert "ventet" in first.da


@pytest.mark.parametrize(("results", "abstains"), [(4, True), (5, False)])
@pytest.mark.req("VAGT-MOD-03")
def test_it_abstains_on_a_panel_of_fewer_than_five_results(results, abstains):
    few = dict(list(USUAL.items())[:results])
    found = scored(panel(25, few, history()))
    assert found.abstained is abstains


@pytest.mark.parametrize(("earlier", "abstains"), [(3, True), (4, False)])
@pytest.mark.req("VAGT-MOD-03")
def test_it_abstains_when_fewer_than_four_results_have_an_earlier_value(earlier, abstains):
    start = after(encounter("admit", 0, unitType="icu"))
    first = panel(1, dict(list(USUAL.items())[:earlier]), start)
    found = scored(panel(9, dict(list(USUAL.items())[:5]), first))
    assert found.abstained is abstains


def test_an_abstained_panel_neither_raises_nor_calms():
    found = scored(panel(25, {"potassium": 6.9}, history()))
    assert (found.low, found.high, found.score) == (0.0, 1.0, 0.0)


def test_a_patient_without_results_has_no_score():
    assert MODEL.score(after(encounter("admit", 0), observation("heart_rate", 80, 1))) is None


def test_vital_signs_alone_do_not_trigger_it():
    vital = {name for name, one in catalogue().analytes.items() if one.group == "vital"}
    assert MODEL.inputs.isdisjoint(vital)


def test_vital_signs_after_a_panel_do_not_change_its_score():
    record = panel(25, OTHER, history())
    later = after(observation("heart_rate", 120, 27), record=record)
    assert scored(later).score == scored(record).score


@pytest.mark.req("VAGT-MOD-02")
def test_on_another_kind_of_unit_it_scores_in_shadow():
    assert scored(panel(25, OTHER, history("ward"))).shadow
    assert not scored(panel(25, OTHER, history())).shadow


def test_a_second_result_of_the_same_specimen_is_no_earlier_value():
    start = after(encounter("admit", 0, unitType="icu"), observation("potassium", 4.0, 1, 1))
    twice = after(observation("potassium", 6.5, 1, 2, id="again"), record=start)
    found = newest(twice)
    assert found is not None
    assert (found.compared, found.entries["potassium"].value) == (0, 6.5)


def test_what_is_older_than_72_hours_is_no_earlier_value():
    start = after(encounter("admit", 0, unitType="icu"), observation("creatinine", 90, 1))
    inside = newest(after(observation("creatinine", 90, 72.9), record=start))
    outside = newest(after(observation("creatinine", 90, 73), record=start))
    assert inside is not None
    assert outside is not None
    assert (inside.compared, outside.compared) == (1, 0)


def test_a_corrected_result_is_judged_anew():
    wrong = panel(25, {**USUAL, "haemoglobin": 11.3}, history())
    mended = after(observation("haemoglobin", 7.0, 25, 27, version=2, status="corrected"), record=wrong)
    assert (scored(wrong).band, scored(mended).band) == ("unlikely", "expected")


def test_the_range_of_the_next_result_is_in_the_canonical_unit_and_grows_with_time():
    soon = history()
    late = after(observation("heart_rate", 80, 60), record=soon)
    now, then = MODEL.next_results(soon), MODEL.next_results(late)
    assert set(now) == set(USUAL)
    for name, value in USUAL.items():
        assert now[name].low < value < now[name].high
    assert then["potassium"].high - then["potassium"].low > now["potassium"].high - now["potassium"].low


@settings(max_examples=60)
@given(st.data())
def test_a_score_is_always_finite_and_inside_its_interval(data):
    record = after(encounter("admit", 0, unitType="icu"))
    for hour in (1, 5):
        values = {}
        for name in USUAL:
            analyte = catalogue().analytes[name]
            values[name] = data.draw(st.floats(analyte.low, analyte.high))
        record = panel(hour, values, record)
    found = scored(record)
    assert 0 <= found.interval[0] <= found.score <= found.interval[1] <= 1
    assert all(isfinite(reason.contribution) for reason in found.reasons)


@given(st.permutations(sorted(OTHER)))
def test_the_order_of_the_results_of_a_panel_does_not_matter(names):
    first = scored(panel(25, OTHER, history()))
    assert scored(panel(25, {name: OTHER[name] for name in names}, history())).score == first.score


@given(st.sampled_from(sorted(ANALYTES)), st.floats(0, 1))
def test_the_way_to_the_working_scale_and_back_is_the_same_value(name, share):
    analyte, working = catalogue().analytes[name], ANALYTES[name]
    value = analyte.low + share * (analyte.high - analyte.low)
    assert working.back(working.forward(value)) == pytest.approx(value, rel=1e-9, abs=1e-9)


def test_a_mix_up_that_the_catalogue_refuses_is_never_made():
    found = newest(panel(25, USUAL, history()))
    assert found is not None
    possible = confusions(found)
    assert {name for name, _ in possible} == {"haemoglobin"}
    for name, factor in possible:
        value = ANALYTES[name].back(confused(found, name, factor).values[name])
        assert value == pytest.approx(USUAL[name] * factor)


def test_a_dilution_leaves_sodium_out_where_the_catalogue_would_refuse_it():
    found = newest(panel(25, {**USUAL, "sodium": 120.0}, history()))
    assert found is not None
    made = diluted(found, 0.7, 1.5)
    assert made is not None
    assert "sodium" not in made.values
    assert exp(made.values["potassium"]) == pytest.approx(0.7 * USUAL["potassium"])


def test_an_artefact_whose_tables_were_changed_is_refused(tmp_path):
    copytree(FOLDER, tmp_path / "changed")
    tables = tmp_path / "changed" / "tables.json"
    tables.write_text(tables.read_text() + " ")
    with pytest.raises(ArtefactError, match=r"tables\.json"):
        Surprise(tmp_path / "changed")


def test_a_swap_never_takes_the_patients_own_panel_nor_another_wards():
    mine, theirs = newest(panel(25, USUAL, history())), newest(panel(25, OTHER, history()))
    assert mine is not None
    assert theirs is not None
    own = Sample(0, "p-1", "MICU", 25, 0, mine)
    later = Sample(0, "p-1", "MICU", 26, 0, mine)
    other = Sample(0, "p-2", "MICU", 27, 1, theirs)
    elsewhere = Sample(0, "p-3", "SICU", 25, 1, mine)
    swaps = list(Donors([own, later, other, elsewhere]).swaps(own, 2, Random(1)))
    assert [one.values for one in swaps] == [theirs.values, theirs.values]
    assert all(one.before == mine.before for one in swaps)


def test_a_line_finds_centre_and_scale_through_wild_errors():
    chance = np.random.default_rng(1)
    location = np.column_stack([np.ones(8000), chance.normal(size=8000)])
    scale = np.column_stack([np.ones(8000), chance.uniform(0, 2, 8000)])
    change = location @ np.array([0.5, -1.0]) + np.exp(scale @ np.array([-1.0, 0.7])) * chance.standard_t(4, 8000)
    found = line(location, scale, change)
    assert found.location == pytest.approx((0.5, -1.0), abs=0.05)
    assert found.scale == pytest.approx((-1.0, 0.7), abs=0.12)
    assert 3 <= found.freedom <= 6
