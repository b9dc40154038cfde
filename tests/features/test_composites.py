from math import isnan

import pytest

from features.composites import COMPOSITES
from features.record import Record
from features.vector import NAMES, vector
from tests.builders import moment, series

NOW = moment(100)


def joined(**newest: float) -> dict[str, float]:
    """The numbers of a patient with these values at now."""
    record = Record(now=NOW, series={name: series((NOW, value)) for name, value in newest.items()})
    return dict(zip(NAMES, vector(record), strict=True))


@pytest.mark.parametrize(
    ("analyte", "values", "points"),
    [
        ("creatinine", (109, 110, 170, 171, 299, 300, 440, 441), (0, 1, 1, 2, 2, 3, 3, 4)),
        ("bilirubin", (19, 20, 32, 33, 101, 102, 204, 205), (0, 1, 1, 2, 2, 3, 3, 4)),
        ("platelets", (150, 149, 100, 99, 50, 49, 20, 19), (0, 1, 1, 2, 2, 3, 3, 4)),
        ("gcs", (15, 14, 13, 12, 10, 9, 6, 5), (0, 1, 1, 2, 2, 3, 3, 4)),
        ("mean_pressure", (70, 69), (0, 1)),
    ],
)
def test_points_of_organ_failure_change_at_the_edges_of_the_table(analyte, values, points):
    assert [joined(**{analyte: value})["sofa_points"] for value in values] == list(points)
    assert [joined(**{analyte: value})["sofa_points_24h"] for value in values] == list(points)


@pytest.mark.parametrize(("spo2", "fio2", "points"), [(95, 0.3, 0), (94, 0.3, 2), (94, 0.4, 2), (93, 0.4, 3)])
def test_breathing_has_its_points_by_saturation_and_oxygen(spo2, fio2, points):
    assert joined(spo2=spo2, fio2=fio2)["sofa_points"] == points
    assert joined(spo2=spo2)["sofa_points"] == 0


@pytest.mark.parametrize(
    ("analyte", "value", "met"),
    [
        ("temperature", 38.0, 0),
        ("temperature", 38.1, 1),
        ("temperature", 36.0, 0),
        ("temperature", 35.9, 1),
        ("heart_rate", 90, 0),
        ("heart_rate", 91, 1),
        ("respiratory_rate", 20, 0),
        ("respiratory_rate", 21, 1),
        ("paco2", 4.3, 0),
        ("paco2", 4.2, 1),
        ("leukocytes", 12.0, 0),
        ("leukocytes", 12.1, 1),
        ("leukocytes", 4.0, 0),
        ("leukocytes", 3.9, 1),
    ],
)
def test_each_criterion_of_sirs_has_its_boundary(analyte, value, met):
    found = joined(**{analyte: value})
    assert found["sirs_points"] == found["sirs_points_24h"] == met


def test_points_of_a_day_are_those_of_its_worst_values():
    times = (moment(90), NOW)
    record = Record(
        now=NOW,
        series={
            "platelets": series(*zip(times, (40, 160), strict=True)),
            "heart_rate": series(*zip(times, (120, 80), strict=True)),
        },
    )
    found = dict(zip(NAMES, vector(record), strict=True))
    assert (found["sofa_points"], found["sofa_points_24h"]) == (0, 3)
    assert (found["sirs_points"], found["sirs_points_24h"]) == (0, 1)


def test_ratios_and_differences_need_all_their_values():
    found = joined(
        heart_rate=120,
        systolic_pressure=80,
        mean_pressure=60,
        diastolic_pressure=50,
        respiratory_rate=30,
        spo2=90,
        fio2=0.5,
        pao2=10,
        sodium=140,
        chloride=100,
        bicarbonate=24,
        urea=9,
        creatinine=90,
    )
    expected = {
        "shock_index": 1.5,
        "shock_index_mean": 2,
        "pulse_pressure": 30,
        "saturation_ratio": 180,
        "saturation_ratio_24h": 180,
        "rox_index": 6,
        "oxygenation_ratio": 20,
        "anion_gap": 16,
        "urea_creatinine": 0.1,
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    for name in expected:
        assert isnan(joined(heart_rate=120, spo2=90, sodium=140, urea=9)[name]), name


def test_nothing_is_divided_by_zero():
    numbers = dict.fromkeys(NAMES, 0.0)
    assert isnan(next(one for one in COMPOSITES if one.name == "shock_index").compute(numbers))
    assert isnan(next(one for one in COMPOSITES if one.name == "rox_index").compute(numbers))
