from math import isnan, nan

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from features.encounter import Stay
from features.instants import HOUR, MINUTE
from features.record import Record
from features.series import Series
from features.vector import BRIEF, FEATURES, LABS, NAMES, VERSION, VITALS, vector
from tests.builders import START, after, encounter, moment, observation, series, tick

NOW = moment(100)


def features(record: Record) -> dict[str, float]:
    return dict(zip(NAMES, vector(record), strict=True))


def of(analyte: str, *points: tuple[float, float]) -> dict[str, float]:
    """The features of values so many hours before now."""
    one = series(*((NOW - round(hours * HOUR), value) for hours, value in points))
    return features(Record(now=NOW, series={analyte: one}))


def naive(statistic: str, times: np.ndarray, values: np.ndarray) -> float:
    """A statistic as one would write it down first, of times in hours before now."""

    def known(hours: float) -> float:
        """The newest value that is at least so old, of those younger than 72 h."""
        found = values[(times >= hours) & (times < 72)]
        return float(found[-1]) if len(found) else nan

    name, _, window = statistic.partition("_")
    last = known(0)
    if statistic in {"change_72h", "above_min_72h", "below_max_72h"}:
        kept = values[(times >= 0) & (times < 72)]
        if not len(kept):
            return nan
        return float({"c": last - kept[0], "a": last - kept.min(), "b": kept.max() - last}[name[0]])
    if statistic == "change_previous":
        kept = values[(times >= 0) & (times < 72)]
        return float(kept[-1] - kept[-2]) if len(kept) > 1 else nan
    if name == "last":
        return last
    if name == "age":
        kept = times[(times >= 0) & (times < 72)]
        return float(kept[-1]) if len(kept) else nan
    hours = float(window.removesuffix("h"))
    if name == "change":
        return last - known(hours)
    within = (times >= 0) & (times < hours)
    found, when = values[within], -times[within]
    if name == "count":
        return float(len(found))
    if not len(found):
        return nan
    if name == "slope":
        if len(set(when)) < 2:
            return nan
        return float(np.cov(when, found, bias=True)[0, 1] / np.var(when))
    return float(getattr(np, name)(found))


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["heart_rate", "potassium", "phosphate", "temperature", "albumin"]),
    st.lists(
        st.tuples(st.integers(-60, 80 * 60), st.integers(10, 3000).map(lambda tenths: tenths / 10)),
        max_size=40,
    ),
)
@pytest.mark.req("VAGT-DEC-03")
def test_every_feature_is_what_one_would_compute_by_hand(analyte, points):
    """Instants in minutes before now: some lie after it, some on the edge of a window, some coincide."""
    one = series(*((NOW - minutes * MINUTE, value) for minutes, value in points))
    found = features(Record(now=NOW, series={analyte: one}))
    times = (NOW - np.array([entry.effective for entry in one.entries], dtype=float)) / HOUR
    values = np.array([entry.value for entry in one.entries], dtype=float)
    names = [feature.name for feature in FEATURES if feature.name.startswith(f"{analyte}_")]
    names = [name for name in names if name != "potassium_slope_24h"]
    assert len(names) == (16 if analyte in VITALS else 15 if analyte in LABS else 4)
    for name in names:
        expected = naive(name.removeprefix(f"{analyte}_"), times, values)
        assert found[name] == pytest.approx(expected, rel=1e-9, abs=1e-7, nan_ok=True), name


def test_every_feature_has_a_name_of_its_own_and_a_place_in_the_vector():
    assert len(set(NAMES)) == len(NAMES) == len(vector(Record())) == 563
    assert [feature.name for feature in FEATURES] == list(NAMES)
    assert all(feature.meaning for feature in FEATURES)
    assert len({*VITALS, *LABS, *BRIEF}) == len(VITALS) + len(LABS) + len(BRIEF)
    assert VERSION == "2"


def test_what_is_missing_is_nan_and_counts_nothing():
    for name, value in features(Record(now=NOW)).items():
        nothing = "_count_" in name or "_points" in name or name in {"laboratory_newest", "laboratory_known"}
        assert value == 0 if nothing else isnan(value), name


@pytest.mark.parametrize(("hours", "statistic"), [(6, "count_6h"), (24, "count_24h")])
def test_a_window_holds_its_end_and_not_its_start(hours, statistic):
    assert of("heart_rate", (0, 80), (hours - 1 / HOUR, 80))[f"heart_rate_{statistic}"] == 2
    assert of("heart_rate", (0, 80), (hours, 80))[f"heart_rate_{statistic}"] == 1


@pytest.mark.req("VAGT-DEC-05")
def test_a_value_is_forgotten_at_72_hours():
    assert of("potassium", (72 - 1 / HOUR, 4.0))["potassium_last"] == 4.0
    forgotten = of("potassium", (72, 4.0)).items()
    assert list(map(repr, forgotten)) == list(map(repr, features(Record(now=NOW)).items()))


def test_a_change_is_counted_from_the_value_known_then():
    found = of("heart_rate", (0, 100), (1, 90), (6, 70), (24, 50))
    assert [found[f"heart_rate_change_{hours}h"] for hours in (1, 6, 24)] == [10, 30, 50]
    found = of("heart_rate", (0.5, 100), (7, 70))
    assert [found[f"heart_rate_change_{hours}h"] for hours in (1, 6)] == [30, 30]
    assert isnan(found["heart_rate_change_24h"])


def test_a_change_is_not_counted_from_a_value_that_is_forgotten():
    found = of("heart_rate", (0, 100), (72, 50))
    assert all(isnan(found[f"heart_rate_change_{hours}h"]) for hours in (1, 6, 24))
    found = of("potassium", (0, 4.0), (72, 3.0))
    assert isnan(found["potassium_change_previous"])
    assert isnan(found["potassium_change_24h"])


@pytest.mark.req("VAGT-DEC-02")
def test_nothing_from_after_the_instant_counts():
    now_only = of("heart_rate", (0, 80), (2, 70))
    with_later = of("heart_rate", (0, 80), (2, 70), (-0.1, 200), (-5, 10))
    assert list(map(repr, now_only.values())) == list(map(repr, with_later.values()))


def test_withdrawn_and_text_results_are_no_values():
    record = after(
        observation(value=90, hour=1), observation(value=None, hour=1, version=2, status="cancelled"), tick(2)
    )
    assert features(record)["heart_rate_count_6h"] == 0


def test_the_slope_is_in_units_per_hour():
    assert of("heart_rate", (0, 100), (2, 96), (4, 92))["heart_rate_slope_6h"] == pytest.approx(2)
    assert isnan(of("heart_rate", (1, 100), (1, 96))["heart_rate_slope_6h"])


def test_ratios_need_both_their_values():
    record = Record(now=NOW, series={"heart_rate": series((NOW, 120)), "systolic_pressure": series((NOW, 80))})
    assert features(record)["shock_index"] == 1.5
    assert isnan(of("heart_rate", (0, 120))["shock_index"])
    stale = {"heart_rate": series((NOW, 120)), "systolic_pressure": series((NOW - 72 * HOUR, 80))}
    assert isnan(features(Record(now=NOW, series=stale))["shock_index"])
    zero = {"spo2": series((NOW, 97)), "fio2": series((NOW, 0))}
    assert isnan(features(Record(now=NOW, series=zero))["saturation_ratio"])


def test_the_person_and_the_stay_are_features():
    record = after(
        encounter("admit", 0, birthDate="1951-05-02", sex="male", unitType="ward"),
        encounter("transfer", 6, unitType="icu"),
        tick(8),
    )
    found = features(record)
    assert [found[name] for name in ("age_years", "sex_male", "admitted_h", "unit_h")] == [74, 1, 8, 2]
    assert features(Record(now=START, stay=Stay(sex="female")))["sex_male"] == 0
    assert isnan(features(Record(now=START, stay=Stay(sex="other")))["sex_male"])


@pytest.mark.parametrize(("ward", "surgical"), [("SICU", 1), ("MICU", 0)])
def test_a_surgical_and_a_medical_unit_are_told_apart_by_their_usual_names(ward, surgical):
    assert features(Record(now=NOW, stay=Stay(ward=ward)))["surgical_unit"] == surgical
    assert isnan(features(Record(now=NOW, stay=Stay(ward="OUH-ITA")))["surgical_unit"])


def test_creatinine_is_set_against_the_least_of_seven_days():
    name = "creatinine_baseline_ratio"
    assert of("creatinine", (0, 120), (24, 90), (6.9 * 24, 60), (7 * 24, 30))[name] == 2
    assert of("creatinine", (5, 120))[name] == 1
    assert isnan(of("creatinine", (7 * 24, 30))[name])


def test_the_slope_of_potassium_is_that_of_a_day():
    name = "potassium_slope_24h"
    assert of("potassium", (0, 5.0), (12, 4.4), (24, 1.0))[name] == pytest.approx(0.05)
    assert isnan(of("potassium", (0, 5.0))[name])


def test_a_visit_of_the_laboratory_counts_the_tests_of_the_newest_instant():
    found = features(
        Record(
            now=NOW,
            series={
                "potassium": series((NOW - 9 * HOUR, 4.0), (NOW - 3 * HOUR, 4.2)),
                "chloride": series((NOW - 3 * HOUR, 101)),
                "lactate": series((NOW - 5 * HOUR, 1.1)),
                "heart_rate": series((NOW, 80)),
            },
        )
    )
    assert [found[f"laboratory_{name}"] for name in ("age_h", "newest", "known")] == [3, 2, 3]


@given(
    st.dictionaries(
        st.sampled_from(["heart_rate", "creatinine", "gcs"]),
        st.lists(st.tuples(st.integers(0, 80 * 4), st.floats(1, 200)), min_size=1, max_size=12),
        min_size=1,
    ),
    # Quarters of an hour, and the millisecond before or after: where values enter and leave the windows.
    st.lists(st.tuples(st.integers(0, 160 * 4), st.sampled_from([-1, 0, 1])), min_size=2, max_size=12),
)
@pytest.mark.req("VAGT-DEC-03")
def test_what_is_kept_of_a_series_is_what_is_worked_out_again(points, instants):
    def made() -> dict[str, Series]:
        return {
            name: series(*sorted((START + quarter * 15 * MINUTE, value) for quarter, value in found))
            for name, found in points.items()
        }

    kept = made()
    for quarters, beside in instants:
        now = START + quarters * 15 * MINUTE + beside
        again = vector(Record(now=now, series=made()))
        assert list(map(repr, vector(Record(now=now, series=kept)))) == list(map(repr, again))


@given(
    st.sampled_from(["heart_rate", "base_excess", "creatinine", "gcs"]),
    st.lists(
        st.tuples(st.integers(0, 80 * 60), st.sampled_from([0.0, -0.0, 7.1]) | st.floats(-30, 200)),
        min_size=1,
        max_size=60,
    ),
)
@example("base_excess", [(3, -0.0), (2, 0.0)])
@settings(deadline=None)
@pytest.mark.req("VAGT-DEC-03")
def test_many_values_give_the_same_numbers_as_few_to_the_bit(analyte, points):
    """Worked out as windows of thousands are, and as those of a few are."""
    record = {
        many: Record(now=NOW, series={analyte: series(*((NOW - minutes * MINUTE, value) for minutes, value in points))})
        for many in (1, 1000)
    }
    found = []
    for many, one in record.items():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("features.vector._MANY", many)
            found.append(list(map(repr, vector(one))))
    assert found[0] == found[1]
