from typing import Any

import pytest
from pydantic import ValidationError

from models.rules.toks import Toks, ToksTable
from models.scorer import Scored
from tests.builders import after, encounter, observation

#: Made up for this test: not the points of TOKS.
MADE_UP = [
    {"analyte": analyte, "scale": {"unit": "1", "steps": [{"above": 100, "points": 1}, {"above": 200, "points": 3}]}}
    for analyte in ("heart_rate", "systolic_pressure")
] + [
    {"analyte": analyte, "scale": {"unit": "1", "steps": [{"below": 10, "points": 2}]}}
    for analyte in ("gcs", "respiratory_rate", "spo2", "temperature")
]
LEVELS = [{"severity": "warning", "raise_at": 3, "clear_below": 2}]


def table(**lines: Any) -> ToksTable:
    filled = {"switched_on": True, "parameters": MADE_UP, "levels": LEVELS, **lines}
    return ToksTable.model_validate({**Toks().table.model_dump(), **filled})


def scored(**values: float) -> Scored:
    rule = Toks()
    rule.table = table()
    result = rule.score(after(*(observation(name, value) for name, value in values.items())))
    assert result is not None
    return result


@pytest.mark.req("VAGT-RUL-12")
def test_it_ships_switched_off_and_with_an_empty_table():
    rule = Toks()
    assert not rule.table.switched_on
    assert rule.table.parameters == ()
    assert rule.policy.levels == ()
    assert rule.score(after(observation("heart_rate", 250))) is None


@pytest.mark.parametrize("lines", [{"parameters": []}, {"levels": []}, {"parameters": MADE_UP[1:]}])
@pytest.mark.req("VAGT-RUL-12")
def test_it_cannot_be_switched_on_before_its_table_is_filled_in(lines):
    with pytest.raises(ValidationError, match="before TOKS is switched on"):
        table(**lines)


@pytest.mark.parametrize("parameters", [[*MADE_UP, MADE_UP[0]], [{**MADE_UP[0], "analyte": "crp"}]])
def test_a_parameter_is_one_of_the_six_and_stands_once(parameters):
    with pytest.raises(ValidationError, match="none stands twice"):
        table(parameters=parameters)


def test_a_table_that_is_filled_in_is_read():
    result = scored(heart_rate=201, systolic_pressure=101, temperature=37, respiratory_rate=9, spo2=97)
    assert (result.score, result.interval, result.high) == (6, (6, 8), 6)
    assert [(one.feature, one.contribution) for one in result.reasons] == [
        ("heart_rate", 3), ("respiratory_rate", 2), ("systolic_pressure", 1),
    ]  # fmt: skip
    assert result.title.da == "TOKS mindst 6"


def test_a_line_is_met_beyond_its_limit():
    assert scored(heart_rate=100).score == 0
    assert scored(heart_rate=100.5).score == 1
    assert scored(heart_rate=50).abstained


def test_it_is_not_for_children_under_16():
    rule = Toks()
    rule.table = table()
    child = encounter("admit", 0, birthDate="2015-01-01")
    assert rule.score(after(child, observation("heart_rate", 120))) is None
