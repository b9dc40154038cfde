import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.catalogue import catalogue
from features.record import Record
from models.rules.sofa import Sofa
from models.scorer import Scored
from tests.builders import after, encounter, observation, tick, treatment

RULE = Sofa()
NORMAL: dict[str, float | str] = {
    "pao2": 12.0, "fio2": 0.21, "platelets": 250, "bilirubin": 10, "mean_pressure": 90, "gcs": 15, "creatinine": 80,
}  # fmt: skip


def measured(**values: float | str | None) -> Record:
    """A record of these on top of normal ones, of a patient who is given no vasopressor."""
    found = {name: value for name, value in {**NORMAL, **values}.items() if value is not None}
    # The quotient reads FiO2 beside the gas: it comes first.
    events = [observation(name, value) for name, value in sorted(found.items())]
    return after(encounter(), treatment("J01CA04"), *events)


def scored(record: Record) -> Scored:
    result = RULE.score(record)
    assert result is not None
    return result


# ---------------------------------------------------------------- the table


@pytest.mark.parametrize(
    ("analyte", "points"),
    [
        ("platelets", {150: 0, 149: 1, 100: 1, 99: 2, 50: 2, 49: 3, 20: 3, 19: 4}),
        ("bilirubin", {19: 0, 20: 1, 32: 1, 33: 2, 101: 2, 102: 3, 204: 3, 205: 4}),
        ("mean_pressure", {70: 0, 69: 1, 30: 1}),
        ("gcs", {15: 0, 14: 1, 13: 1, 12: 2, 10: 2, 9: 3, 6: 3, 5: 4, 3: 4}),
        ("creatinine", {109: 0, 110: 1, 170: 1, 171: 2, 299: 2, 300: 3, 440: 3, 441: 4}),
    ],
)
@pytest.mark.req("VAGT-RUL-10")
def test_each_organ_has_the_points_of_the_published_line(analyte, points):
    for value, expected in points.items():
        assert scored(measured(**{analyte: value})).score == expected, value


@pytest.mark.parametrize(
    ("quotient", "sure", "most"),
    [(53.3, 0, 0), (53.2, 1, 1), (40.0, 1, 1), (39.9, 2, 2), (26.7, 2, 2), (26.6, 2, 3), (13.3, 2, 3), (13.2, 2, 4)],
)
def test_respiration_has_at_most_2_points_that_are_sure_without_support(quotient, sure, most):
    result = scored(measured(pao2=quotient * 0.5, fio2=0.5))
    # The kidney's urine is never known.
    assert (result.score, result.interval) == (sure, (sure, most + 4))


def test_urine_output_is_no_input_so_the_kidney_reaches_4():
    result = scored(measured())
    assert (result.score, result.interval, result.abstained) == (0, (0, 4), False)
    assert scored(measured(creatinine=441)).interval == (4, 4)
    assert (result.title.en, result.title.da) == ("SOFA at least 0", "SOFA mindst 0")
    assert scored(measured(creatinine=441)).title.en == "SOFA 4"


@pytest.mark.parametrize(
    ("organ", "analytes"),
    [
        ("respiration", ["pao2"]), ("coagulation", ["platelets"]), ("liver", ["bilirubin"]),
        ("circulation", ["mean_pressure"]), ("coma", ["gcs"]), ("kidney", ["creatinine"]),
    ],
)  # fmt: skip
def test_an_organ_of_which_nothing_is_known_is_anything_from_0_to_4(organ, analytes):
    result = scored(measured(**dict.fromkeys(analytes)))
    assert (result.score, result.abstained) == (0, True)
    assert result.interval == (0, 4 if organ == "kidney" else 8)


def test_of_an_unknown_patient_the_score_is_anything():
    result = scored(Record())
    assert (result.score, result.interval, result.abstained, result.evidence) == (0, (0, 24), True, ())


# ---------------------------------------------------------------- oxygen


@pytest.mark.parametrize(
    ("values", "interval"),
    [
        # PaO2 8 kPa on an unknown fraction: 38.1 at most, on room air.
        ({"pao2": 8, "fio2": None}, (2, 8)),
        ({"pao2": 12, "fio2": None}, (0, 8)),
        ({"pao2": 12, "fio2": None, "oxygen_flow": 0}, (0, 4)),
        ({"pao2": 12, "fio2": None, "oxygen_flow": 4}, (0, 8)),
        ({"pao2": 60, "fio2": None, "oxygen_flow": 4}, (0, 4)),
    ],
)
def test_without_a_fraction_the_quotient_is_bounded_by_room_air_and_pure_oxygen(values, interval):
    assert scored(measured(**values)).interval == interval


def test_the_fraction_belongs_to_the_gas_whenever_either_became_known():
    gas, fraction = observation("pao2", 10, 2), observation("fio2", 0.5, 1)
    later = observation("fio2", 1.0, 3)
    record = after(treatment("J01CA04"), fraction, gas, later)
    assert scored(record).score == 2
    assert scored(after(treatment("J01CA04"), later, gas, fraction)) == scored(record)
    assert scored(after(treatment("J01CA04"), observation("fio2", 0.5, 1), observation("pao2", 10, 5.1))).score == 1


def test_a_gas_in_mmhg_gives_the_same_quotient():
    record = after(observation("fio2", 50, unit="%"), observation("pao2", 110, unit="mm[Hg]"))
    assert [(one.feature, one.unit, one.contribution) for one in scored(record).reasons] == [("pao2_fio2", "kPa", 2)]


# ---------------------------------------------------------------- circulation


@pytest.mark.parametrize(
    ("code", "sure", "most"),
    [
        ("C01CA03", 3, 4), ("C01CA24", 3, 4), ("C01CA04", 2, 4), ("C01CA07", 2, 2), ("C01CA06", 0, 4), ("C01CA", 0, 4),
        ("H01BA01", 0, 4), ("B01AB01", 0, 0),
    ],
)  # fmt: skip
def test_a_vasopressor_of_unknown_dose_gives_the_least_that_its_line_has(code, sure, most):
    given = scored(after(treatment(code, "start", 0), tick(2), record=measured()))
    assert (given.score, given.interval) == (sure, (sure, most + 4))


def test_a_vasopressor_counts_after_an_hour_and_for_the_window_after_its_stop():
    record = after(treatment("C01CA03", "start", 0), record=measured())
    assert scored(after(tick(0.9), record=record)).interval == (0, 8)
    assert scored(after(tick(1), record=record)).score == 3
    stopped = after(treatment("C01CA03", "stop", 2), record=record)
    assert scored(after(tick(23), record=stopped)).score == 3
    assert scored(after(*(observation(name, value, 27) for name, value in NORMAL.items()), record=stopped)).score == 0


def test_the_pressure_counts_where_it_gives_more_than_the_vasopressor_surely_does():
    record = after(treatment("C01CA06", "start", 0), tick(2), record=measured(mean_pressure=60))
    assert scored(record).score == 1


def test_without_any_treatment_event_a_vasopressor_is_unknown():
    record = after(*(observation(name, value) for name, value in NORMAL.items()))
    assert scored(record).interval == (0, 8)


# ---------------------------------------------------------------- consciousness


@pytest.mark.parametrize(("level", "interval"), [("A", (0, 4)), ("C", (1, 8)), ("V", (1, 8)), ("U", (1, 8))])
def test_without_a_coma_scale_the_level_of_consciousness_bounds_it(level, interval):
    assert scored(measured(gcs=None, consciousness=level)).interval == interval
    assert scored(measured(gcs=15, consciousness=level)).interval == (0, 4)


def test_every_level_of_consciousness_has_its_line():
    assert set(RULE.table.consciousness) == set(catalogue().text_analytes["consciousness"].texts)


def test_the_coma_scale_may_come_as_its_three_responses():
    assert scored(measured(gcs=None, gcs_eye=2, gcs_verbal=2, gcs_motor=5)).score == 3


# ---------------------------------------------------------------- time and bounds


def test_each_organ_counts_at_its_worst_of_24_hours():
    record = after(observation("platelets", 40, 0), observation("platelets", 160, 10), record=measured(platelets=None))
    assert scored(record).score == 3
    assert scored(after(tick(24), record=record)).score == 3
    assert scored(after(tick(24.01), record=record)).score == 0
    assert [one.id for one in scored(record).evidence] == ["platelets-0"]


@pytest.mark.parametrize(
    ("comparator", "value", "interval"),
    [("<", 20, (4, 8)), ("<", 30, (3, 8)), (">", 150, (0, 4)), ("<=", 20, (3, 8))],
)
def test_platelets_with_a_comparator_are_a_bound(comparator, value, interval):
    count = observation("platelets", value, 0.5, comparator=comparator)
    assert scored(after(count, record=measured(platelets=None))).interval == interval


def test_it_only_scores_and_is_for_adults_who_are_not_pregnant():
    assert RULE.policy.levels == ()
    assert RULE.score(after(encounter(flags=["pregnant"]))) is None
    assert RULE.score(after(encounter(birthDate="2008-03-02"))) is None


VALUES: dict[str, tuple[float, ...]] = {
    "pao2": (6.0, 10.0, 14.0), "fio2": (0.21, 0.6), "platelets": (10, 120, 300), "bilirubin": (5, 50, 300),
    "mean_pressure": (50, 80), "gcs": (4, 11, 15), "creatinine": (60, 200, 500),
}  # fmt: skip


@given(
    st.fixed_dictionaries({name: st.sampled_from(found) for name, found in VALUES.items()}),
    st.sets(st.sampled_from(sorted(VALUES))),
)
def test_the_bounds_hold_the_score_that_would_be_if_all_were_known(values, unknown):
    full = scored(measured(**values))
    partial = scored(measured(**{**values, **dict.fromkeys(unknown)}))
    assert 0 <= partial.interval[0] == partial.low <= full.low
    assert full.interval[1] <= partial.interval[1] <= 24
    assert partial.low == sum(reason.contribution for reason in partial.reasons)


@given(st.permutations(sorted(NORMAL)))
def test_the_order_of_arrival_does_not_matter(order):
    worse = {"platelets": 60, "creatinine": 180, "gcs": 13}
    events = {name: observation(name, {**NORMAL, **worse}[name]) for name in NORMAL}
    assert scored(after(*(events[name] for name in order))) == scored(after(*events.values()))
