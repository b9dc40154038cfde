from inspect import isabstract
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import pytest

from features.catalogue import catalogue
from features.record import ENCOUNTER, TIME, TREATMENT
from models import rules
from models.rules import document
from models.rules.all import RULES
from models.rules.table import Rule


@pytest.mark.req("VAGT-RUL-13")
def test_the_published_page_is_current():
    assert document.PAGE.read_text(encoding="utf-8") == document.page(), "run `python -m models.rules.document`"


def test_every_rule_with_a_table_ships():
    tables = {path.name for folder in rules.__path__ for path in Path(folder).glob("*.toml")}
    assert {rule.file for rule in RULES} == tables
    assert len({rule.kind for rule in RULES}) == len(RULES)
    assert not any(isabstract(rule) for rule in RULES)
    assert {rule.__module__.rpartition(".")[2] for rule in RULES} <= {one.name for one in iter_modules(rules.__path__)}


@pytest.mark.parametrize("shape", RULES)
@pytest.mark.req("VAGT-RUL-13")
def test_a_rule_names_its_source_owner_questions_and_inputs(shape):
    rule: Rule[Any] = shape()
    table = rule.table
    assert len(table.source) > 20
    assert table.owner
    assert table.questions or rule.kind == "sirs"
    assert set(catalogue().analytes) | {ENCOUNTER, TIME, TREATMENT} >= rule.inputs
    raised = [level.raise_at for level in rule.policy.levels]
    assert raised == sorted(raised)
    assert all(level.clear_below <= level.raise_at for level in rule.policy.levels)


@pytest.mark.req("VAGT-RUL-13")
def test_every_question_of_a_table_is_on_the_page():
    page = document.page()
    for shape in RULES:
        for one in shape().table.questions:
            assert one.until_then in page
            assert one.decision in page
