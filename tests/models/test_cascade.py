"""An alert that nobody answers goes to the next role, by time alone and the same at every repetition."""

from collections import defaultdict
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from features.catalogue import catalogue
from features.events import Event
from features.instants import HOUR, MINUTE
from features.record import Record, decode, encode
from models.lifecycle import Level, Policy
from models.outputs import Alert, Escalation
from models.quiet import quietness
from models.step import Decider, Decision, Place, step, wakes_at
from tests.builders import PATIENT, at, encounter, feedback, moment, observation, tick, treatment
from tests.world import Gauge, World

LEVELS = Policy((Level("info", 50, 40), Level("warning", 70, 60), Level("critical", 90, 80)))
GAUGE = Decider(catalogue(), (Gauge(policy=LEVELS),))
FIRST, SECOND, THIRD = "responsible", "on-call", "nurse-in-charge"
ANSWERS = ("acknowledge", "snooze", "dismiss")
MS = 1 / HOUR

#: What is said of an alert: its state, whose it is, and to whom it goes next.
Said = tuple[str, str | None, Escalation | None]


def decide(*events: Event | list[Event], decider: Decider = GAUGE, record: Record | None = None) -> list[Decision]:
    found: list[Decision] = []
    record = record or Record()
    for event in events:
        listed = event if isinstance(event, list) else [event]
        found.append(step(decider, record, PATIENT, listed, Place("events", 0, len(found))))
        record = found[-1].record
    return found


def said(decisions: list[Decision]) -> list[Said]:
    return [(one.state, one.role, one.escalates) for decision in decisions for one in decision.alerts]


def heart(value: float, hour: float) -> Event:
    return observation("heart_rate", value, hour)


def raised(value: float = 80, hour: float = 0, decider: Decider = GAUGE) -> tuple[Record, str]:
    """A patient whose alert was just raised, and the alert's id."""
    [decision] = decide(heart(value, hour), decider=decider)
    return decision.record, decision.alerts[0].id


def next_(role: str, hour: float) -> Escalation:
    return Escalation(role, at(hour))


# ---------------------------------------------------------------- time


@pytest.mark.req("VAGT-ALT-12")
@pytest.mark.parametrize(("value", "second", "third"), [(80, 1, 2), (95, 0.25, 0.5)])
def test_an_alert_goes_to_the_next_role_after_exactly_so_many_minutes(value, second, third):
    story = decide(heart(value, 0), tick(second - MS), tick(second), tick(third - MS), tick(third), tick(20))
    assert [said([one]) for one in story] == [
        [("raised", FIRST, next_(SECOND, second))],
        [],
        [("escalated", SECOND, next_(THIRD, third))],
        [],
        [("escalated", THIRD, None)],
        [],
    ]
    wakes = [wakes_at(GAUGE, one.record) for one in story[:4]]
    assert wakes == [moment(second), moment(second), moment(third), moment(third)]


def test_the_roles_that_were_due_in_a_long_silence_are_one_change():
    assert said(decide(heart(80, 0), tick(9)))[1:] == [("escalated", THIRD, None)]
    assert said(decide(heart(80, 0), tick(1.9)))[1:] == [("escalated", SECOND, next_(THIRD, 2))]


def test_any_record_of_the_patient_brings_the_time_not_a_tick_alone():
    assert said(decide(heart(80, 0), observation("creatinine", 80, 1)))[1:] == [("escalated", SECOND, next_(THIRD, 2))]
    late = observation("creatinine", 80, 0.1, issued=1)
    assert said(decide(heart(80, 0), late))[1:] == [("escalated", SECOND, next_(THIRD, 2))]


@pytest.mark.parametrize("kind", ["news2", "result-surprise"])
def test_a_kind_may_have_times_of_its_own_or_none(kind):
    decider = Decider(catalogue(), (Gauge(kind=kind),))
    found = said(decide(heart(80, 0), tick(0.5), tick(5), decider=decider))
    roles = [("raised", FIRST, next_(SECOND, 0.5)), ("escalated", SECOND, next_(THIRD, 1)), ("escalated", THIRD, None)]
    assert found == (roles if kind == "news2" else [("raised", None, None)])


def test_what_is_for_information_goes_to_nobody():
    assert said(decide(heart(55, 0), tick(20))) == [("raised", None, None)]


def test_an_alert_that_is_over_when_time_comes_goes_to_nobody():
    assert said(decide(heart(80, 0), heart(30, 3))) == [("raised", FIRST, next_(SECOND, 1)), ("resolved", None, None)]


def test_a_change_of_role_is_a_change_of_its_own_beside_what_is_new():
    *_, last = decide(heart(95, 0), heart(75, 0.3))
    assert said([last]) == [("updated", FIRST, next_(SECOND, 0.25)), ("escalated", SECOND, next_(THIRD, 0.5))]
    assert [one.sequence for one in last.alerts] == [2, 3]


# ---------------------------------------------------------------- what stops it and what starts it


@pytest.mark.req("VAGT-ALT-12")
@pytest.mark.parametrize("action", ANSWERS)
@pytest.mark.parametrize("hours", [(0.5,), (1, 1.5), (1, 2, 2.5)])
def test_any_answer_stops_it_whosever_it_is(action, hours):
    record, alert = raised()
    *ticks, hour = hours
    answer = feedback(alert, action, hour, until=12, reason="other")
    *_, answered, silence = decide(*map(tick, ticks), answer, tick(11), record=record)
    assert said([answered])[0][1:] == (None, None)
    assert said([silence]) == []


def test_an_answer_that_comes_with_the_time_stops_it():
    record, alert = raised()
    assert said(decide(feedback(alert, "acknowledge", 1), tick(9), record=record)) == [("acknowledged", None, None)]
    together: list[Event] = [tick(1), feedback(alert, "acknowledge", 1)]
    assert said(decide(together, record=record)) == [("acknowledged", None, None)]


def test_a_comment_is_no_answer():
    record, alert = raised()
    commented = feedback(alert, "comment", 0.5, note="seen")
    assert said(decide(commented, tick(1), record=record)) == [("escalated", SECOND, next_(THIRD, 2))]


@pytest.mark.parametrize("action", ANSWERS)
def test_reopening_starts_again_at_the_first_role(action):
    record, alert = raised()
    answer, reopened = feedback(alert, action, 1.5, until=9, reason="other"), feedback(alert, "reopen", 3)
    assert said(decide(tick(1), answer, reopened, tick(4 - MS), tick(4), record=record))[2:] == [
        ("updated", FIRST, next_(SECOND, 4)),
        ("escalated", SECOND, next_(THIRD, 5)),
    ]


def test_a_graver_level_starts_again_at_the_first_role_with_the_times_of_its_severity():
    assert said(decide(heart(80, 0), tick(1), heart(95, 1.5), tick(1.75)))[2:] == [
        ("escalated", FIRST, next_(SECOND, 1.75)),
        ("escalated", SECOND, next_(THIRD, 2)),
    ]


def test_a_milder_level_gives_no_more_time_and_one_for_information_stops_it():
    assert said(decide(heart(95, 0), heart(75, 0.1), tick(0.25)))[1:] == [
        ("updated", FIRST, next_(SECOND, 0.25)),
        ("escalated", SECOND, next_(THIRD, 0.5)),
    ]
    assert said(decide(heart(95, 0), tick(0.25), heart(55, 0.3), tick(9)))[2:] == [("updated", None, None)]


def test_what_somebody_took_goes_to_nobody_because_it_is_milder_now():
    record, alert = raised(95)
    taken = feedback(alert, "acknowledge", 0.1)
    assert said(decide(taken, heart(75, 1), tick(9), record=record))[1:] == [("updated", None, None)]


def test_a_snooze_that_ends_and_is_still_so_starts_at_the_first_role():
    record, alert = raised()
    taken, snoozed = feedback(alert, "acknowledge", 0.1), feedback(alert, "snooze", 0.2, until=4)
    given_: list[list[Event]] = [[snoozed], [taken, snoozed]]
    for answers in given_:
        assert said(decide(*answers, tick(4), tick(5), record=record))[len(answers) :] == [
            ("updated", FIRST, next_(SECOND, 5)),
            ("escalated", SECOND, next_(THIRD, 6)),
        ]


def test_what_is_held_back_goes_to_nobody_until_it_is_told():
    flagged, lifted = encounter("update", 0.5, flags=["palliative"]), encounter("update", 8, flags=[])
    assert said(decide(heart(80, 0), flagged, tick(7), lifted, tick(9)))[1:] == [
        ("updated", None, None),
        ("updated", FIRST, next_(SECOND, 9)),
        ("escalated", SECOND, next_(THIRD, 10)),
    ]
    assert said(decide(flagged, heart(80, 1), tick(7))) == [("raised", None, None)]


def test_a_warning_that_was_for_information_starts_when_it_is_told_as_one():
    decider = Decider(catalogue(), (Gauge(kind="news2"),))
    moves = [encounter("admit", 0, unitType="icu"), heart(80, 1), tick(3), encounter("transfer", 4, unitType="ward")]
    assert said(decide(*moves, decider=decider)) == [("raised", None, None), ("updated", FIRST, next_(SECOND, 4.5))]


def test_a_reminder_does_not_start_it_again():
    decider = Decider(catalogue(), (Gauge(kind="infection-risk"),))
    again = heart(80, 23.5)  # keeps the alert alive
    assert said(decide(heart(80, 0), tick(1), tick(2), again, tick(24), decider=decider))[3:] == [
        ("updated", THIRD, None)
    ]


def test_an_alert_that_follows_a_merged_patient_goes_on_with_its_time():
    world = World(GAUGE)
    world.see(observation("heart_rate", 80, 0, patient="p-1"), tick(1, "p-1"))
    world.see(encounter("merge", 1.5, patient="p-1", into="p-2"), tick(2, "p-2"))
    assert [(one.sequence, one.state, one.role) for one in world.alerts["p-2"]] == [
        (3, "updated", SECOND),
        (4, "escalated", THIRD),
    ]


def test_an_alert_left_open_by_a_release_without_roles_waits_until_it_changes():
    record, _ = raised()
    known = replace(record.alerts["gauge"], role=None, escalations=())
    before = decode(encode(Record(record.now, record.series, alerts={"gauge": known})))
    assert said(decide(tick(9), record=before)) == []
    assert said(decide(tick(9), heart(95, 10), record=before)) == [("escalated", FIRST, next_(SECOND, 10.25))]


# ---------------------------------------------------------------- histories

#: Minutes from one to the next: around the times of the cascade, and any.
gaps = st.sampled_from([0, 1, 14, 15, 16, 29, 30, 45, 59, 60, 61, 119, 120, 121]) | st.integers(0, 200)
values = st.sampled_from([30.0, 45.0, 55.0, 65.0, 75.0, 85.0, 95.0])
actions = st.one_of(
    values,
    st.sampled_from([*ANSWERS, "reopen", "comment"]),
    st.sampled_from(["hold", "lift", "antibiotic"]),
)
histories = st.lists(st.tuples(gaps, actions), min_size=1, max_size=9)


class Story:
    """A patient's history as it happens. ``live``: the service writes each tick when it is due, in its very instant."""

    def __init__(self, live: bool) -> None:
        self.live = live
        self.record = Record()
        self.alerts: list[Alert] = []

    def tell(self, number: int, hour: float, action: float | str) -> None:
        """What happens at an hour."""
        if self.live:
            self.wait(moment(hour))
        known = self.record.alerts.get("infection-risk")
        if isinstance(action, float):
            self._take(heart(action, hour))
        elif action == "antibiotic":
            self._take(treatment("J01CE01", "start", hour, id=f"t{number}"))
        elif action in {"hold", "lift"}:
            self._take(encounter("update", hour, id=f"e{number}", flags=["palliative"] if action == "hold" else []))
        elif known is not None:
            self._take(feedback(known.id, action, hour, until=hour + 2, reason="other", id=f"f{number}"))

    def wait(self, until: int) -> None:
        """Time goes by up to an instant (ms), and what is due happens when it is."""
        while (wakes := wakes_at(TOLD, self.record)) is not None and wakes < until:
            self._take(tick((wakes - moment(0)) / HOUR))

    def look(self, hour: float) -> None:
        """A tick of somebody else's."""
        if self.live:
            self.wait(moment(hour))
        self._take(tick(hour))

    def _take(self, event: Event) -> None:
        decision = step(TOLD, self.record, PATIENT, [event], Place("events", 0, 0))
        self.record = decode(encode(decision.record))
        self.alerts += decision.alerts


TOLD = Decider(catalogue(), (Gauge(kind="infection-risk", policy=LEVELS),))


@given(histories, st.data())
def test_ticks_beside_those_that_are_due_change_nothing(history, data):
    exact, looked, minute = Story(live=True), Story(live=True), 0
    for number, (gap, action) in enumerate(history):
        for one in sorted(data.draw(st.lists(st.integers(minute, minute + gap), max_size=2), label="looks")):
            looked.look(one / 60)
        minute += gap
        for story in (exact, looked):
            story.tell(number, minute / 60, action)
    assert looked.alerts == exact.alerts


@given(
    st.lists(
        st.tuples(gaps, st.sampled_from([30.0, 45.0, 55.0, 65.0, 75.0, 85.0, 95.0, "acknowledge"])), max_size=9
    ).filter(lambda history: sum(gap for gap, _ in history) < TOLD.quiet.of("infection-risk").quiet.lockout // MINUTE)
)
def test_a_service_that_was_away_has_each_alert_where_it_would_be(history):
    """Before the lock-out ends nothing but the time without an answer goes by: what is told late waits from then on."""
    there, away, minute = Story(live=True), Story(live=False), 0
    for number, (gap, action) in enumerate(history):
        minute += gap
        there.tell(number, minute / 60, action)
        away.tell(number, minute / 60, action)
        assert whose(there) == whose(away)
    assert [told(one) for one in there.alerts if not passed_on(one)] == [
        told(one) for one in away.alerts if not passed_on(one)
    ]


@pytest.mark.req("VAGT-ALT-12")
@given(histories, st.booleans(), st.data())
def test_an_alert_goes_on_by_what_is_due_and_never_after_an_answer(history, live, data):
    story, minute = Story(live), 0
    for number, (gap, action) in enumerate(history):
        minute += gap
        story.tell(number, minute / 60, action)
        if data.draw(st.booleans(), label="look"):
            story.look(minute / 60)
    lives = defaultdict(list)
    for one in story.alerts:
        lives[one.id].append(one)
    for changes in lives.values():
        assert [one.sequence for one in changes] == list(range(1, len(changes) + 1))
        for one in changes:
            waits = one.state in {"raised", "escalated", "updated"} and one.suppressed is None
            assert one.role is None or (waits and one.severity != "info")
            assert one.escalates is None or (one.role is not None and one.escalates.at > one.at)
        for before, after in pairwise(changes):
            if passed_on(after):
                assert before.escalates is not None
                assert after.at >= before.escalates.at
                assert quietness().rank(after.role) > quietness().rank(before.role)
            if before.role is None or (after.severity == "critical" != before.severity):
                assert quietness().rank(after.role) == 0
        assert sum(map(passed_on, changes)) <= 2 * sum(one.role == FIRST for one in changes)


def passed_on(alert: Alert) -> bool:
    return quietness().passed_on(alert.state, alert.role)


def told(alert: Alert) -> tuple[object, ...]:
    return alert.id, alert.at, alert.state, alert.severity, alert.suppressed


def whose(story: Story) -> tuple[object, ...] | None:
    memory = story.record.alerts.get("infection-risk")
    return None if memory is None else (memory.id, memory.level, memory.role, memory.escalations)
