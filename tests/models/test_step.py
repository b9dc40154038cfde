from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from features.catalogue import catalogue
from features.events import NEXT_RESULT, Event
from features.record import ENCOUNTER, TIME, Record, decode, encode
from models.lifecycle import Level, Policy, is_open
from models.outputs import Alert, ModelRef, Score, Text, identify
from models.rules.news2 import News2
from models.step import Decider, Decision, Place, step, wakes_at
from tests.builders import PATIENT, at, encounter, feedback, moment, observation, tick, treatment
from tests.world import Gauge, unhurried

GAUGE = unhurried(Gauge())


def decide(*records: Event | list[Event], decider: Decider = GAUGE, record: Record | None = None) -> list[Decision]:
    """One decision for each record of the log; a list is an array of objects."""
    found = []
    record = Record() if record is None else record
    for offset, events in enumerate(records):
        listed = events if isinstance(events, list) else [events]
        found.append(step(decider, record, PATIENT, listed, Place("events", 2, offset)))
        record = found[-1].record
    return found


def alerts(decisions: list[Decision]) -> list[Alert]:
    return [alert for decision in decisions for alert in decision.alerts]


def said(decisions: list[Decision]) -> list[tuple[int, str, str]]:
    return [(alert.sequence, alert.state, alert.severity) for alert in alerts(decisions)]


def heart(value: float | None, hour: float, **fields) -> Event:
    return observation("heart_rate", value, hour, **fields)


# ---------------------------------------------------------------- scores


def test_a_score_says_what_when_why_and_by_whom():
    [decision] = decide([encounter("admit", 0, encounter="e-1"), heart(55, 1)])
    [score] = decision.scores
    assert (score.patient, score.encounter, score.at) == (PATIENT, "e-1", at(1))
    assert (score.kind, score.model.name, score.score, score.emitted) == ("gauge", "gauge", 55, "")
    assert [(item.id, item.version) for item in score.trigger.items] == [("admit-0", 1), ("heart_rate-1", 1)]
    assert (score.trigger.topic, score.trigger.partition, score.trigger.offset) == ("events", 2, 0)


def test_a_rule_scores_only_when_an_input_that_it_declares_changed():
    decisions = decide(
        heart(55, 0),
        observation("temperature", 37.0, 1),
        encounter("admit", 2),
        tick(3),
        heart(55, 0),  # repeated
        observation("respiratory_rate", 20, 4),
    )
    assert [len(decision.scores) for decision in decisions] == [1, 0, 0, 0, 0, 1]


@pytest.mark.parametrize(("declared", "event"), [(TIME, tick(1)), (ENCOUNTER, encounter("admit", 1))])
def test_time_and_encounter_are_inputs_where_declared(declared, event):
    decider = unhurried(Gauge(), Gauge(kind="other", inputs=frozenset({declared})))
    *_, last = decide(heart(55, 0), event, decider=decider)
    assert [score.kind for score in last.scores] == ["other"]


def test_a_tick_that_brings_no_time_scores_nothing():
    decider = unhurried(Gauge(inputs=frozenset({TIME})))
    decisions = decide(tick(2), tick(2), tick(1), tick(3), decider=decider)
    assert [len(decision.scores) for decision in decisions] == [1, 0, 0, 1]


def test_an_array_is_judged_once_after_its_last_object():
    [decision] = decide([heart(90, 0), heart(30, 1), heart(55, 2)])
    assert [score.score for score in decision.scores] == [55]
    assert said([decision]) == [(1, "raised", "info")]


def test_what_an_array_takes_back_itself_raises_nothing():
    [decision] = decide([heart(90, 0), heart(30, 0, version=2, status="corrected")])
    assert decision.alerts == ()


@pytest.mark.req("VAGT-IN-02")
def test_an_object_that_cannot_be_used_is_named_by_its_place_and_its_siblings_are_used():
    [decision] = decide([heart(1e6, 0), heart(55, 1), heart(56, 1), heart(57, 2, unit="kg")])
    assert [(place, refused.reason) for place, refused in decision.refusals] == [
        (0, "implausible"),
        (2, "conflict"),
        (3, "unknown-unit"),
    ]
    assert [score.score for score in decision.scores] == [55]
    assert [item.id for item in decision.scores[0].trigger.items] == ["heart_rate-1"]


def test_a_record_of_refused_objects_alone_changes_nothing():
    first, second = decide(heart(55, 0), [heart(56, 0), heart(1e6, 9)])
    assert second.record is first.record
    assert (second.scores, second.alerts) == ((), ())


# ---------------------------------------------------------------- the life of an alert


def test_an_alert_is_raised_escalated_updated_and_resolved_and_repeats_nothing():
    values = [30, 49, 50, 60, 69, 70, 90, 61, 60, 59, 45, 40, 39, 30, 55]
    decisions = decide(*(heart(value, hour) for hour, value in enumerate(values)))
    assert said(decisions) == [
        (1, "raised", "info"),
        (2, "escalated", "warning"),
        (3, "updated", "info"),
        (4, "resolved", "info"),
        (1, "raised", "info"),
    ]
    first, *_, again = alerts(decisions)
    assert len({alert.id for alert in alerts(decisions)[:-1]}) == 1
    assert again.id != first.id


@pytest.mark.req("VAGT-ALT-11")
def test_an_alert_says_where_why_and_on_what_it_rests():
    [decision] = decide([encounter("admit", 0, encounter="e-1", ward="OUH-M2"), heart(132.0, 1)])
    [alert] = decision.alerts
    assert (alert.ward, alert.encounter, alert.patient, alert.at) == ("OUH-M2", "e-1", PATIENT, at(1))
    assert alert.title == Text("Gauge 132", "Måler 132")
    assert alert.score == decision.scores[0]
    [evidence] = alert.evidence
    assert (evidence.type, evidence.id, evidence.version) == ("observation", "heart_rate-1", 1)
    assert (evidence.code, evidence.value, evidence.unit, evidence.effective) == (
        "8867-4",
        132.0,
        "/min",
        at(1),
    )


@pytest.mark.req("VAGT-ALT-11")
def test_evidence_is_shown_as_it_was_sent():
    [decision] = decide([observation("temperature", 104.0, unit="[degF]"), heart(131, 0)], decider=NEWS2)
    shown = {evidence.id: (evidence.value, evidence.unit) for evidence in decision.alerts[0].evidence}
    assert shown == {"temperature-0": (104.0, "[degF]"), "heart_rate-0": (131.0, "/min")}


@pytest.mark.parametrize(
    "change",
    [
        heart(30, 1, version=2, status="corrected", issued=2),
        heart(45, 1, version=2, status="corrected", issued=2),  # above what clears it, and never raised by it
        heart(None, 1, version=2, status="entered-in-error", issued=2),
        heart(None, 1, version=2, status="cancelled", issued=2),
        observation("temperature", 37.0, 1, id="heart_rate-1", version=2, issued=2),  # it was another analyte
        heart(80, 0.5, id="heart_rate-1", version=2, issued=2),  # it was taken before the newest
    ],
)
@pytest.mark.req("VAGT-ALT-02")
def test_a_corrected_or_withdrawn_result_retracts_its_alert_at_once(change):
    before = [heart(30, 0.8)]
    decisions = decide(*before, heart(80, 1), change)
    assert said(decisions) == [(1, "raised", "warning"), (2, "retracted", "warning")]
    assert not is_open(decisions[-1].record.alerts["gauge"])


def test_an_alert_is_retracted_too_when_its_rule_cannot_speak_without_the_withdrawn_result():
    decider = unhurried(Gauge(needs_a_result=True))
    decisions = decide(heart(80, 1), heart(None, 1, version=2, status="cancelled", issued=2), decider=decider)
    assert said(decisions) == [(1, "raised", "warning"), (2, "retracted", "warning")]


def test_a_correction_that_still_raises_the_alert_says_nothing_or_its_new_level():
    assert said(decide(heart(80, 1), heart(75, 1, version=2, issued=2))) == [(1, "raised", "warning")]
    assert said(decide(heart(80, 1), heart(55, 1, version=2, issued=2)))[1:] == [(2, "updated", "info")]


def test_an_alert_rests_on_the_newest_observations_that_support_it():
    """The second result says nothing new; once it is corrected, the alert had no ground since then."""
    decisions = decide(heart(80, 1), heart(81, 2), heart(30, 2, version=2, issued=3))
    assert said(decisions) == [(1, "raised", "warning"), (2, "retracted", "warning")]


def test_an_alert_that_newer_observations_support_outlives_the_first():
    decisions = decide(heart(80, 1), heart(81, 2), heart(30, 1, version=2, issued=3), heart(65, 4))
    assert said(decisions) == [(1, "raised", "warning")]


def test_an_alert_that_only_hysteresis_holds_falls_with_what_raised_it():
    decisions = decide(heart(55, 1), heart(45, 2), heart(30, 1, version=2, issued=3))
    assert said(decisions) == [(1, "raised", "info"), (2, "retracted", "info")]


@pytest.mark.req("VAGT-DEC-04")
def test_what_is_not_known_neither_raises_nor_calms():
    """The score could be anything from the heart rate to the respiratory rate."""
    unknown = [heart(20, 2), observation("respiratory_rate", 90, 2)]
    assert said(decide(unknown)) == []
    assert said(decide(heart(55, 1), unknown)) == [(1, "raised", "info")]


@pytest.mark.req("VAGT-MOD-02")
def test_a_score_in_shadow_raises_nothing():
    decider = unhurried(Gauge(shadow_in="ward"))
    *_, last = decide(encounter("admit", 0, unitType="ward"), heart(90, 1), decider=decider)
    assert [(score.shadow, score.score) for score in last.scores] == [(True, 90)]
    assert (last.alerts, last.record.alerts) == ((), {})


@pytest.mark.parametrize("rule", [{"shadow_in": "ward"}, {"not_in": "ward"}])
def test_an_alert_ends_when_its_rule_does_not_speak_of_the_patient_any_more(rule):
    gauge = Gauge(inputs=frozenset({"heart_rate", ENCOUNTER}), **rule)
    admitted = encounter("admit", 0, unitType="icu")
    moved = encounter("transfer", 2, unitType="ward")
    decisions = decide(admitted, heart(90, 1), moved, heart(95, 3), decider=unhurried(gauge))
    assert said(decisions) == [(1, "raised", "warning"), (2, "expired", "warning")]
    expired = alerts(decisions)[-1]
    assert (expired.score is None) == ("not_in" in rule)
    assert expired.evidence == ()


def test_alerts_of_two_kinds_do_not_touch_each_other():
    decider = unhurried(Gauge(), Gauge(kind="other", policy=Policy((Level("critical", 80, 75),))))
    decisions = decide(heart(60, 0), heart(90, 1), heart(70, 2), heart(30, 3), decider=decider)
    assert [(alert.kind, alert.sequence, alert.state) for alert in alerts(decisions)] == [
        ("gauge", 1, "raised"),
        ("gauge", 2, "escalated"),
        ("other", 1, "raised"),
        ("other", 2, "resolved"),
        ("gauge", 3, "resolved"),
    ]


# ---------------------------------------------------------------- quiet

INFECTION = unhurried(Gauge(kind="infection-risk"))
AKI = unhurried(Gauge(kind="aki"))


def held(decisions: list[Decision]) -> list[tuple[str, str | None]]:
    return [(one.state, None if one.suppressed is None else one.suppressed.reason) for one in alerts(decisions)]


@pytest.mark.req("VAGT-ALT-08")
def test_antibiotics_hold_an_infection_alert_back_at_once_and_for_two_days():
    started = treatment("J01CE01", "start", 2)
    decisions = decide(heart(80, 1), started, tick(40), tick(50), decider=INFECTION)
    assert held(decisions) == [("raised", None), ("updated", "already-treated"), ("updated", None)]
    first = decisions[1].alerts[0]
    assert first.suppressed is not None
    assert first.suppressed.until == at(50)
    assert wakes_at(INFECTION, decisions[2].record) == moment(50)
    assert held(decide(started, heart(80, 3), decider=INFECTION)) == [("raised", "already-treated")]


def test_an_antibiotic_that_is_stopped_or_cancelled_lifts_its_hold():
    stopped = treatment("J01CE01", "stop", 4)
    cancelled = treatment("J01CE01", "cancel", 2, id="J01CE01-start-2", version=2)
    for end in (stopped, cancelled):
        decisions = decide(treatment("J01CE01", "start", 2), heart(80, 3), end, decider=INFECTION)
        assert held(decisions) == [("raised", "already-treated"), ("updated", None)]


def test_other_alerts_go_on_though_antibiotics_were_given():
    assert held(decide(treatment("J01CE01", "start", 0), heart(80, 1))) == [("raised", None)]


@pytest.mark.req("VAGT-ALT-03")
def test_a_palliative_patients_alert_is_on_the_topic_and_held_back():
    flagged = encounter("update", 2, flags=["palliative"])
    unflagged = encounter("update", 3, flags=[])
    assert held(decide(heart(80, 1), flagged, unflagged)) == [
        ("raised", None),
        ("updated", "palliative"),
        ("updated", None),
    ]


def test_a_warning_is_for_information_in_intensive_care():
    decider = unhurried(Gauge(kind="news2"))
    for unit, severity in (("icu", "info"), ("ward", "warning"), (None, "warning")):
        admitted = encounter("admit", 0, unitType=unit)
        assert said(decide(admitted, heart(80, 1), decider=decider)) == [(1, "raised", severity)]


def test_an_alert_that_was_for_information_is_a_warning_when_the_patient_comes_to_the_ward():
    decider = unhurried(Gauge(kind="news2"))
    moves = [encounter("admit", 0, unitType="icu"), heart(80, 1), encounter("transfer", 2, unitType="ward")]
    assert said(decide(*moves, heart(80, 3), decider=decider)) == [(1, "raised", "info"), (2, "updated", "warning")]


def test_an_answer_is_on_the_alert_that_it_changed():
    first = decide(heart(80, 1))
    [alert] = alerts(first)
    answer = feedback(alert.id, "dismiss", 2, reason="expected")
    [decision] = decide([answer, feedback("another", "acknowledge", 2)], record=first[-1].record)
    [dismissed] = decision.alerts
    assert (dismissed.id, dismissed.sequence, dismissed.state) == (alert.id, 2, "dismissed")
    assert dismissed.answer is not None
    assert (dismissed.answer.id, dismissed.answer.reason, dismissed.answer.by) == (
        "dismiss-2",
        "expected",
        "nurse/4711",
    )
    assert decision.scores == ()
    assert decide(answer, record=decision.record)[0].alerts == ()


def test_an_answer_and_a_result_in_one_record_are_two_changes():
    first = decide(heart(80, 1))
    answer = feedback(alerts(first)[0].id, "acknowledge", 2)
    assert said(decide([heart(30, 2), answer], record=first[-1].record)) == [
        (2, "acknowledged", "warning"),
        (3, "resolved", "warning"),
    ]


def asleep() -> Record:
    """A patient whose alert rests on a heart rate, and at hour 2 sleeps until the next one."""
    first = decide(heart(80, 1))
    answer = feedback(alerts(first)[0].id, "snooze", 2, until=3).model_copy(update={"until": NEXT_RESULT})
    [decision] = decide(answer, record=first[-1].record)
    [snoozed] = decision.alerts
    assert snoozed.answer is not None
    assert (snoozed.state, snoozed.answer.until, snoozed.answer.next_result) == ("snoozed", at(14), True)
    return decode(encode(decision.record))


def test_a_snooze_until_the_next_result_ends_with_one_of_what_the_alert_rests_on():
    assert said(decide(heart(80, 3), heart(81, 4), record=asleep())) == [(3, "updated", "warning")]
    assert said(decide(heart(30, 3), record=asleep())) == [(3, "resolved", "warning")]
    came_late = heart(75, 0.5, issued=3)
    assert said(decide(came_late, record=asleep())) == [(3, "updated", "warning")]


def test_a_snooze_until_the_next_result_goes_on_through_what_is_no_such_result():
    others: list[Event] = [observation("creatinine", 80, 3), encounter("update", 4), tick(5), heart(80, 1)]
    assert said(decide(*others, record=asleep())) == []


def test_a_snooze_until_the_next_result_ends_with_the_lockout_at_the_latest():
    record = asleep()
    assert wakes_at(GAUGE, record) == moment(14)
    assert said(decide(tick(14 - 1 / 3_600_000), tick(14), record=record)) == [(3, "updated", "warning")]


def test_another_answer_ends_the_wait_for_the_next_result():
    record = asleep()
    alert = record.alerts["gauge"].id
    answers: list[Event] = [feedback(alert, "reopen", 3), feedback(alert, "snooze", 4, until=9)]
    assert said(decide(*answers, heart(80, 5), record=record))[2:] == []


@pytest.mark.req("VAGT-ALT-09")
def test_a_discharge_ends_the_alerts_of_the_bedside_and_not_those_of_the_laboratory():
    left = encounter("discharge", 2)
    bedside, laboratory = (decide(heart(80, 1), left, heart(81, 3), decider=one) for one in (GAUGE, AKI))
    assert said(bedside) == [(1, "raised", "warning"), (2, "expired", "warning")]
    assert [len(decision.scores) for decision in bedside] == [1, 0, 0]
    assert said(laboratory) == [(1, "raised", "warning")]
    back = decide(encounter("admit", 40), heart(80, 41), record=bedside[-1].record)
    assert said(back) == [(1, "raised", "warning")]


def test_a_discharge_that_is_known_before_it_happens_ends_the_alert_when_it_does():
    planned = encounter("discharge", 9, issued=at(2))
    decisions = decide(heart(80, 1), planned)
    assert said(decisions) == [(1, "raised", "warning")]
    assert wakes_at(GAUGE, decisions[-1].record) == moment(9)
    assert said(decide(tick(9), record=decisions[-1].record)) == [(2, "expired", "warning")]


@pytest.mark.req("VAGT-ALT-09")
def test_a_result_after_the_discharge_alerts_the_ward_of_discharge():
    decisions = decide(encounter("admit", 0, ward="OUH-M2"), encounter("discharge", 1), heart(80, 2), decider=AKI)
    assert [(alert.state, alert.ward) for alert in alerts(decisions)] == [("raised", "OUH-M2")]


def test_an_alert_wakes_the_service_when_it_expires():
    unknown = observation("respiratory_rate", 90, 2)
    decisions = decide(heart(55, 1), [heart(20, 2), unknown])
    expires = wakes_at(GAUGE, decisions[-1].record)
    assert expires == moment(25) + 1
    assert said(decide(tick((expires - moment(0)) / 3_600_000), record=decisions[-1].record)) == [
        (2, "expired", "info")
    ]


def test_nobody_wakes_for_an_alert_that_no_rule_speaks_of_any_more():
    decisions = decide(heart(80, 1))
    assert wakes_at(Decider(catalogue(), ()), decisions[-1].record) is None


def test_a_discharged_patients_record_shrinks_to_its_extremes_when_nothing_comes_any_more():
    decisions = decide(heart(30, 1), encounter("discharge", 2))
    wakes = wakes_at(GAUGE, decisions[-1].record)
    assert wakes is not None
    [last] = decide(tick((wakes - moment(0)) / 3_600_000), record=decisions[-1].record)
    assert last.record.series["heart_rate"].entries == ()
    assert wakes_at(GAUGE, last.record) is None


def test_a_result_that_is_final_as_it_was_preliminary_leaves_its_alert_as_it_is():
    preliminary = heart(55, 1, status="preliminary")
    final = heart(55, 1, version=2, issued=3)
    assert said(decide(preliminary, heart(45, 2), final)) == [(1, "raised", "info")]


readings = st.tuples(st.integers(15, 90), st.integers(1, 90)).map(
    lambda pair: [("heart_rate", pair[0]), ("respiratory_rate", pair[1])]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(readings, st.sampled_from(["new", "correct", "withdraw"]), st.integers(0, 5)), max_size=25))
@pytest.mark.req("VAGT-ALT-01")
def test_sequences_have_no_gap_and_nothing_is_said_twice(history):
    """Random scores, some partly unknown, some corrected or withdrawn later."""
    records: list[list[Event]] = []
    for number, (pair, action, back) in enumerate(history):
        hour = number if action == "new" else max(0, number - 1 - back)
        status = "entered-in-error" if action == "withdraw" else "final"
        records.append(
            [observation(name, value, hour, number, version=number + 1, status=status) for name, value in pair]
        )
    decisions = decide(*records)
    changes = alerts(decisions)
    known: dict[str, list[Alert]] = {}
    for alert in changes:
        known.setdefault(alert.id, []).append(alert)
    for life in known.values():
        assert [alert.sequence for alert in life] == list(range(1, len(life) + 1))
        assert [alert.state == "raised" for alert in life] == [True] + [False] * (len(life) - 1)
        assert all(alert.state not in {"resolved", "retracted", "expired"} for alert in life[:-1])
        for one, other in pairwise(life):
            assert (one.state, one.severity, one.suppressed) != (other.state, other.severity, other.suppressed)
    for decision in decisions:
        for alert, score in zip(decision.alerts, decision.scores, strict=False):
            low, most = score.score, Gauge().score(decision.record)
            assert most is not None
            if alert.state in {"raised", "escalated"}:
                assert low >= (70 if alert.severity == "warning" else 50)
            if alert.state == "resolved":
                assert most.high < 40


# ---------------------------------------------------------------- ids


def ids(*records, decider: Decider = GAUGE, patient: str = PATIENT, offset: int = 0) -> tuple[list[str], list[str]]:
    record, scores, found = Record(), [], []
    for number, event in enumerate(records):
        events = event if isinstance(event, list) else [event]
        decision = step(decider, record, patient, events, Place("events", 0, offset + number))
        record = decision.record
        scores += [score.id for score in decision.scores]
        found += [alert.id for alert in decision.alerts]
    return scores, found


def test_ids_are_the_same_wherever_the_record_lies():
    assert ids(heart(55, 1)) == ids(heart(55, 1), offset=900)


def test_ids_differ_with_patient_time_items_versions_and_model():
    newer = unhurried(Gauge(model=ModelRef("gauge", "1.0.1", "0" * 64)))
    other = unhurried(Gauge(kind="other", model=ModelRef("other", "1.0.0", "0" * 64)))
    found = [
        ids(heart(55, 1)),
        ids(heart(55, 1), patient="p-2"),
        ids(heart(55, 1, issued=2)),
        ids(heart(55, 1, id="x")),
        ids(heart(55, 1, version=2)),
        ids([heart(55, 1), observation("temperature", 37.0, 1)]),
        ids(heart(55, 1), decider=other),
    ]
    assert len({scores[0] for scores, _ in found}) == len(found)
    assert len({raised[0] for _, raised in found}) == len(found)
    assert ids(heart(55, 1), decider=newer)[0] != ids(heart(55, 1))[0]
    # An alert is of a kind, whichever version of the model speaks.
    assert ids(heart(55, 1), decider=newer)[1] == ids(heart(55, 1))[1]


parts = st.recursive(st.text() | st.integers(-(2**63), 2**63), lambda inner: st.lists(inner).map(tuple), max_leaves=6)


@settings(deadline=None)
@given(st.lists(parts).map(tuple), st.lists(parts).map(tuple))
def test_different_parts_have_different_ids(one, other):
    assert (identify(*one) == identify(*other)) == (one == other)
    assert len(identify(*one)) == 32


def test_parts_do_not_run_into_each_other():
    assert identify("a\x1fb", "c") != identify("a", "b\x1fc") != identify("a", "b", "c")
    assert identify("1") != identify(1)


# ---------------------------------------------------------------- the step is a pure function

NEWS2 = unhurried(News2(), Gauge(inputs=frozenset({"heart_rate", "respiratory_rate", ENCOUNTER, TIME})))
values = st.sampled_from(
    [
        ("heart_rate", 40),
        ("heart_rate", 135),
        ("respiratory_rate", 26),
        ("temperature", 39.5),
        ("temperature", 500),
        ("systolic_pressure", 88),
        ("spo2", 90),
    ]
)
events = st.one_of(
    st.builds(
        lambda value, hour, version, status: observation(
            value[0], value[1], hour, id=f"{value[0]}-{hour}", version=version, status=status
        ),
        values,
        st.integers(0, 40),
        st.integers(1, 3),
        st.sampled_from(["final", "corrected", "cancelled"]),
    ),
    st.builds(tick, st.integers(0, 60)),
    st.builds(
        lambda hour, unit, flags: encounter("transfer", hour, unitType=unit, flags=flags),
        st.integers(0, 40),
        st.sampled_from(["icu", "ward"]),
        st.sampled_from([None, [], ["pregnant"], ["hypercapnic"]]),
    ),
)


def plain(decision: Decision) -> tuple[object, ...]:
    refusals = [(place, refused.reason, refused.detail) for place, refused in decision.refusals]
    return decision.scores, decision.alerts, refusals, encode(decision.record)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(events, min_size=1, max_size=4), max_size=12))
@pytest.mark.req("VAGT-DEC-01")
def test_the_same_record_and_events_give_the_same_decision_and_touch_nothing(records):
    record = Record()
    for offset, batch in enumerate(records):
        before, place = encode(record), Place("events", 0, offset)
        one, other = (step(NEWS2, record, PATIENT, batch, place) for _ in range(2))
        assert plain(one) == plain(other)
        assert encode(record) == before
        record = one.record


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(events, min_size=1, max_size=4), max_size=12))
@pytest.mark.req("VAGT-ALT-01")
def test_every_alert_of_any_history_has_its_own_id_and_counts_from_1(records):
    seen: dict[str, int] = {}
    scores: dict[str, Score] = {}
    for decision in decide(*records, decider=NEWS2):
        assert len({score.model.name for score in decision.scores}) == len(decision.scores)
        for alert in decision.alerts:
            assert alert.sequence == seen.get(alert.id, 0) + 1
            seen[alert.id] = alert.sequence
        for score in decision.scores:
            assert score.id not in scores
            scores[score.id] = score
            assert score.interval[0] <= score.score <= score.interval[1]
            assert score.at == at((decision.record.now - moment(0)) / 3_600_000)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(events, min_size=1, max_size=4), max_size=12), st.integers(0, 12))
def test_a_restart_leaves_no_trace(records, restart):
    """The record is stored and read again between any two records of the log."""
    straight = decide(*records, decider=NEWS2)
    first = decide(*records[:restart], decider=NEWS2)
    stored = decode(encode(first[-1].record)) if first else None
    rest = decide(*records[restart:], decider=NEWS2, record=stored)

    def outputs(decisions: list[Decision]) -> list[object]:
        def nowhere(score: Score | None) -> Score | None:
            return score and replace(score, trigger=replace(score.trigger, offset=0))

        found: list[object] = []
        for decision in decisions:
            found.append([nowhere(score) for score in decision.scores])
            for alert in decision.alerts:
                trigger = replace(alert.trigger, offset=0)
                found.append(replace(alert, score=nowhere(alert.score), trigger=trigger))
        return found

    assert outputs(straight) == outputs([*first, *rest])
