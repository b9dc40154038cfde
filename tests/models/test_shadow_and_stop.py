"""What a roster makes of decisions: a shadow is heard by nobody, and what is stopped says nothing."""

from dataclasses import replace as altered

import pytest

from features.record import Record, encode
from models.lifecycle import Level, Policy, is_open
from models.outputs import ModelRef
from models.roster import NEW, Roster, Stop
from models.step import Decider, Decision, Place, step, wakes_at
from tests.builders import PATIENT, encounter, feedback, moment, observation, tick
from tests.world import Gauge, unhurried

LIVE, NEXT = Gauge(), Gauge(model=ModelRef("next", "2.0.0", "2" * 64), policy=Policy((Level("critical", 10, 5),)))
OTHER = Gauge("other", model=ModelRef("other", "1.0.0", "3" * 64))
PLAIN = unhurried(LIVE, NEXT, OTHER)
SHADOWED = altered(PLAIN, roster=Roster(shadows=(NEXT.model,)))
PROMOTED = altered(PLAIN, roster=Roster(promoted={"gauge": (NEXT.model,)}))
ADMITTED = encounter("admit", 0, ward="A")


def stopped(kind: str | None = None, ward: str | None = None) -> Decider:
    return altered(PLAIN, roster=Roster(stops=(Stop(kind, ward, moment(1), "doctor", "it errs"),)))


def decide(*turns) -> list[Decision]:
    """One decision for each (decider, event)."""
    found: list[Decision] = []
    record = Record()
    for offset, (decider, event) in enumerate(turns):
        found.append(step(decider, record, PATIENT, [event], Place("events", 0, offset)))
        record = found[-1].record
    return found


def heart(value: float, hour: float):
    return observation("heart_rate", value, hour)


def said(decision: Decision) -> list[tuple[str, str]]:
    return [(one.kind, one.state) for one in decision.alerts]


COURSE = [ADMITTED, heart(80, 1), heart(75, 2), heart(20, 3), encounter("discharge", 4), heart(90, 5)]


@pytest.mark.req("VAGT-MOD-13")
def test_a_shadow_changes_no_byte_of_what_is_kept_or_told():
    plain = decide(*((PLAIN, one) for one in COURSE))
    shadowed = decide(*((SHADOWED, one) for one in COURSE))
    assert [encode(one.record) for one in shadowed] == [encode(one.record) for one in plain]
    assert [one.alerts for one in shadowed] == [one.alerts for one in plain]
    assert [tuple(score for score in one.scores if not score.shadow) for one in shadowed] == [
        one.scores for one in plain
    ]
    assert [wakes_at(SHADOWED, one.record) for one in shadowed] == [wakes_at(PLAIN, one.record) for one in plain]


def test_a_shadow_scores_whenever_it_would_if_it_were_live_under_its_own_name():
    shadowed = decide(*((SHADOWED, one) for one in COURSE))
    promoted = decide(*((PROMOTED, one) for one in COURSE))
    kept = [(one.id, one.at, one.score) for turn in shadowed for one in turn.scores if one.model == NEXT.model]
    assert kept == [(one.id, one.at, one.score) for turn in promoted for one in turn.scores if one.kind == "gauge"]
    assert all(one.shadow == (one.model == NEXT.model) for turn in shadowed for one in turn.scores)


def test_a_candidate_does_not_score():
    assert {one.model.name for turn in decide(*((PLAIN, one) for one in COURSE)) for one in turn.scores} == {
        "gauge",
        "other",
    }


def test_the_alert_of_a_kind_goes_on_under_the_model_that_is_promoted():
    first, *_, last = decide((PLAIN, heart(80, 1)), (PROMOTED, tick(2)), (PROMOTED, heart(20, 3)))
    assert said(first) == [("gauge", "raised"), ("other", "raised")]
    [gauge] = [one for one in last.alerts if one.kind == "gauge"]
    assert (gauge.id, gauge.state, gauge.severity) == (first.alerts[0].id, "updated", "critical")
    assert gauge.score is not None
    assert gauge.score.model == NEXT.model


@pytest.mark.parametrize(
    ("decider", "silent"),
    [
        (stopped("gauge"), {"gauge"}),
        (stopped("gauge", "A"), {"gauge"}),
        (stopped("gauge", "B"), set()),
        (stopped(ward="A"), {"gauge", "other"}),
        (stopped(), {"gauge", "other"}),
    ],
)
@pytest.mark.req("VAGT-MOD-14")
def test_what_is_stopped_scores_nothing_and_its_open_alert_ends_at_the_next_record(decider, silent):
    _, _, at_stop, later = decide((PLAIN, ADMITTED), (PLAIN, heart(80, 1)), (decider, tick(1)), (decider, heart(90, 2)))
    assert {kind for kind, state in said(at_stop) if state == "expired"} == silent
    assert {one.kind for one in later.scores} == {"gauge", "other"} - silent
    assert silent.isdisjoint(kind for kind, _ in said(later))
    assert {kind for kind, one in later.record.alerts.items() if is_open(one)} == {"gauge", "other"} - silent


@pytest.mark.req("VAGT-MOD-14")
def test_the_end_by_a_stop_says_that_nobody_watches_and_not_that_all_is_well():
    *_, ended = decide((PLAIN, ADMITTED), (PLAIN, heart(80, 1)), (stopped("gauge"), tick(1)))
    [alert] = ended.alerts
    assert (alert.title.en, alert.title.da, alert.score) == (
        "gauge: stopped, it watches no more",
        "gauge: stoppet, der overvåges ikke mere",
        None,
    )


@pytest.mark.req("VAGT-MOD-14")
def test_an_open_alert_of_what_is_stopped_is_due_at_once_and_once():
    decider = stopped("gauge")
    *_, raised = decide((PLAIN, ADMITTED), (PLAIN, heart(80, 1)))
    assert wakes_at(decider, raised.record) == raised.record.now
    ended = step(decider, raised.record, PATIENT, [tick(1)], Place("events", 0, 9)).record
    assert wakes_at(decider, ended) == wakes_at(decider, altered(ended, alerts={"other": ended.alerts["other"]}))
    assert wakes_at(decider, ended) != ended.now


def test_a_patient_who_comes_into_a_stopped_ward_is_watched_no_more_and_is_again_elsewhere():
    decider = stopped("gauge", "B")
    _, _, moved, back = decide(
        (decider, ADMITTED),
        (decider, heart(80, 1)),
        (decider, encounter("transfer", 2, ward="B")),
        (decider, encounter("transfer", 3, ward="A")),
    )
    assert said(moved) == [("gauge", "expired")]
    assert said(back) == [("gauge", "raised")], "what was told before the stop is told again"


def test_a_stopped_shadow_does_not_score_either():
    both = altered(PLAIN, roster=Roster(shadows=(NEXT.model,), stops=(Stop("gauge", None, 0, "doctor", "x"),)))
    assert {one.kind for turn in decide((both, ADMITTED), (both, heart(80, 1))) for one in turn.scores} == {"other"}


def test_feedback_to_an_alert_that_a_stop_ended_changes_nothing():
    decider = stopped("gauge")
    first, ended = decide((PLAIN, heart(80, 1)), (decider, tick(1)))
    answer = feedback(first.alerts[0].id, hour=2)
    assert said(step(decider, ended.record, PATIENT, [answer], Place("events", 0, 9))) == []


def test_after_it_resumes_the_next_result_is_judged_as_ever():
    decider = stopped("gauge")
    *_, resumed = decide((PLAIN, heart(80, 1)), (decider, heart(90, 2)), (PLAIN, heart(91, 3)))
    assert ("gauge", "raised") in said(resumed)
    assert PLAIN.roster == NEW
