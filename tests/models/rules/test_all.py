"""What every rule keeps to."""

from math import isfinite

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.catalogue import catalogue
from features.record import Record
from models.rules.all import RULES
from models.scorer import Scored
from tests.builders import CODES, after, encounter, observation, tick

RULES_SWITCHED_ON = [rule for rule in (shape() for shape in RULES) if rule.table.switched_on]
NUMBERS = sorted(name for name in CODES if catalogue().analytes[name].kind == "number")
FLAGS = ["hypercapnic", "pregnant", "palliative", "chronic-dialysis"]


@st.composite
def observations(draw):
    """A few observations within plausible ranges, some of them bounds, each of its own instant and known later."""
    found = []
    for hour in draw(st.lists(st.integers(0, 400), min_size=1, max_size=12, unique=True)):
        name = draw(st.sampled_from(NUMBERS))
        analyte = catalogue().analytes[name]
        value = round(draw(st.floats(analyte.low, analyte.high)), 2)
        comparator = draw(st.sampled_from([None, None, None, "<", ">", "<=", ">="]))
        value = min(max(value, analyte.low), analyte.high)
        found.append(observation(name, value, hour, issued=401, comparator=comparator))
    return found


@st.composite
def persons(draw):
    return encounter(
        "admit",
        0,
        birthDate=draw(st.sampled_from([None, "1950-01-01", "2015-06-01", "2026-02-20"])),
        sex=draw(st.sampled_from([None, "female", "male", "other", "unknown"])),
        unitType=draw(st.sampled_from(["ward", "icu", "dialysis"])),
        flags=draw(st.lists(st.sampled_from(FLAGS), unique=True)),
    )


def keeps_to_the_contract(result: Scored, record: Record) -> None:
    low, high = result.interval
    assert isfinite(result.score)
    assert low <= result.score <= high
    assert low <= result.low <= result.high
    assert result.low <= high
    assert 0 < len(result.title.en) < 140
    assert 0 < len(result.title.da) < 140
    assert result.band
    kept = {id(entry) for series in record.series.values() for entry in series.entries}
    assert all(id(entry) in kept and entry.effective <= record.now for entry in result.evidence)
    assert all(one.age_minutes is None or one.age_minutes >= 0 for one in result.reasons)
    assert all(isfinite(one.contribution) for one in result.reasons)
    assert len({one.name for one in result.findings}) == len(result.findings)


@pytest.mark.parametrize("rule", RULES_SWITCHED_ON, ids=lambda rule: rule.kind)
@settings(max_examples=25)
@given(events=observations(), person=persons(), random=st.randoms(use_true_random=False))
@pytest.mark.req("VAGT-DEC-04")
def test_a_rule_bounds_its_score_whatever_is_known_and_in_whatever_order_it_came(rule, events, person, random):
    record = after(person, *events)
    result = rule.score(record)
    random.shuffle(events)
    assert rule.score(after(person, *events)) == result
    if result is not None:
        keeps_to_the_contract(result, record)


@pytest.mark.parametrize("rule", RULES_SWITCHED_ON, ids=lambda rule: rule.kind)
@pytest.mark.req("VAGT-DEC-04")
def test_a_rule_raises_nothing_on_an_unknown_patient_and_says_that_it_does_not_know(rule):
    result = rule.score(Record())
    assert result is not None
    assert rule.policy.reached(result.low) == rule.policy.held(result.high, 9) == -1
    assert result.abstained
    assert (result.evidence, result.findings) == ((), ())


@pytest.mark.parametrize("rule", RULES_SWITCHED_ON, ids=lambda rule: rule.kind)
@settings(max_examples=10)
@given(events=observations())
@pytest.mark.req("VAGT-DEC-05")
def test_what_a_rule_knew_a_month_ago_raises_nothing_now(rule, events):
    result = rule.score(after(*events, tick(402 + 30 * 24)))
    assert result is not None
    assert rule.policy.reached(result.low) == -1
    assert result.findings == ()


@pytest.mark.parametrize("rule", RULES_SWITCHED_ON, ids=lambda rule: rule.kind)
def test_two_of_the_same_rule_are_one(rule):
    assert type(rule)().model == rule.model
