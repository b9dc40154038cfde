"""How many alerts a ward is given, by kind, and whether every critical result was delivered."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import pytest

from features.instants import HOUR
from features.record import Record
from models.evaluation.burden import burden
from models.evaluation.critical import Critical, Delivery
from models.evaluation.draws import draw
from models.scorer import Finding
from models.step import Decision
from tests.models.evaluated import change, stay


def load(*outcomes):
    found = burden(outcomes, draw(len(outcomes), 20))
    return found, {one.kind: one for one in found.kinds}


@pytest.mark.req("VAGT-ALT-10")
def test_an_alert_counts_once_however_often_it_changes():
    changes = [change(1), change(5, "escalated", severity="critical"), change(9, "updated"), change(20, "resolved")]
    changes.insert(2, change(6, "escalated", severity="critical", passed_on=True))
    found, kinds = load(stay(hours=24, changes=changes))
    assert found.loud.estimate == found.critical_severity.estimate == 100
    assert kinds["infection-risk"].escalated == 1


def test_an_alert_for_information_is_no_warning_until_it_becomes_one():
    info = change(1, severity="info")
    found, kinds = load(stay(hours=24, changes=[info]), stay(hours=24, changes=[info, change(3, "escalated")]))
    assert found.loud.estimate == 50
    assert kinds["infection-risk"].quiet.estimate == 50


def test_an_alert_that_is_held_back_counts_by_its_reason_and_as_told_when_it_is_lifted():
    held = change(1, held="lockout")
    found, kinds = load(stay(hours=24, changes=[held]), stay(hours=24, changes=[held, change(8, "updated")]))
    assert found.loud.estimate == 50
    assert kinds["infection-risk"].held == {"lockout": 1}


def test_a_rule_adds_its_alerts_in_stays_that_no_other_alerts():
    other = change(2, kind="aki", id="b")
    _, kinds = load(stay(hours=24, changes=[change(1), other]), stay(hours=24, changes=[other]), stay(hours=24))
    assert kinds["aki"].loud.estimate == pytest.approx(200 / 3)
    assert kinds["aki"].added.estimate == pytest.approx(100 / 3)
    assert kinds["infection-risk"].added.estimate == 0


def test_two_alerts_of_a_stay_are_one_a_stay():
    _, kinds = load(stay(hours=24, changes=[change(1), change(9, id="b"), change(12, "retracted", id="b")]))
    assert kinds["infection-risk"].loud.estimate == 200
    assert kinds["infection-risk"].one_a_stay.estimate == 100
    assert kinds["infection-risk"].retracted == 1


@dataclass
class Listed:
    """A rule of critical results that finds what the test says."""

    findings: tuple[str, ...] = ()
    results: tuple[str, ...] = ()
    kind: str = "critical-result"

    def score(self, record):
        return SimpleNamespace(
            shadow=False,
            findings=[Finding(one) for one in self.findings],
            evidence=[SimpleNamespace(id=one) for one in self.results],
        )


def seen(*moments):
    """What is counted after (hour, findings, results, whether it was told, or only went to another role)."""
    rule = Listed()
    delivery = Delivery([cast(Any, rule)])
    for hour, findings, results, told in moments:
        rule.findings, rule.results = findings, results
        alert = SimpleNamespace(
            kind=rule.kind,
            state="escalated" if told == "on-call" else "raised",
            role=told if told == "on-call" else None,
            suppressed=None if told else SimpleNamespace(reason="repeat"),
            severity="critical",
        )
        score = SimpleNamespace(kind=rule.kind)
        said = cast(Any, {"scores": (score,), "alerts": (alert,)})
        delivery.see(Decision(Record(now=round(hour * HOUR)), **said))
    return delivery.critical


@pytest.mark.req("VAGT-RUL-09")
def test_a_critical_result_is_told_and_its_repeat_within_a_week_is_not_missed():
    found = seen((0, ("k>6",), ("1",), True), (24, ("k>6",), ("2",), False), (167, ("k>6",), ("3",), False))
    assert found == Critical(told=1, repeats=2)


def test_a_critical_result_that_is_held_back_after_a_week_is_missed():
    assert seen((0, ("k>6",), ("1",), True), (168, ("k>6",), ("2",), False)) == Critical(told=1, missed=1)


def test_another_finding_that_is_not_told_is_missed():
    found = seen((0, ("k>6",), ("1",), True), (1, ("k>6", "na<115"), ("1", "2"), False))
    assert found == Critical(told=1, repeats=1, missed=1)


def test_that_an_alert_went_to_another_role_tells_no_finding():
    found = seen((0, ("k>6",), ("1",), True), (1, ("k>6", "na<115"), ("1", "2"), "on-call"))
    assert found == Critical(told=1, repeats=1, missed=1)


def test_the_same_result_seen_again_counts_once():
    assert seen((0, ("k>6",), ("1",), False), (1, ("k>6",), ("1",), False)) == Critical(missed=1)
