"""What is shown of a patient, from what was decided."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.catalogue import catalogue
from features.events import Event
from features.instants import parse
from features.record import Record
from models.step import Decider, Place, step
from streams import now
from streams.now import News, Now
from tests.builders import PATIENT, at, encounter, feedback, observation
from tests.streams.board.told import alert
from tests.world import Gauge, unhurried

ANALYTES = catalogue().analytes
GAUGE = unhurried(Gauge())
ADMITTED = encounter(
    ward="OUH-M2", bed="12", name="Anna Jensen", encounter="e-1", birthDate="1951-05-02", sex="female", unitType="ward"
)


class Ward:
    """A patient whose record is shown after every event, or after several."""

    def __init__(self, decider: Decider = GAUGE) -> None:
        self.decider = decider
        self.record = Record()
        self.shown: Now | None = None

    def see(self, *events: Event) -> Now | None:
        news = News()
        for event in events:
            decision = step(self.decider, self.record, PATIENT, [event], Place("events", 0, 1))
            self.record = decision.record
            news.hear(self.record, decision.scores, decision.alerts)
        stored = None if self.shown is None else now.encode(self.shown)
        before = None if stored is None else now.decode(stored)
        self.shown = now.now(before, PATIENT, self.record, news, ANALYTES)
        return self.shown

    def look(self, *events: Event) -> Now:
        shown = self.see(*events)
        assert shown is not None
        return shown


def heart(value: float, hour: float, **fields: object) -> Event:
    return observation("heart_rate", value, hour, **fields)  # type: ignore[arg-type]


def test_place_and_person_are_those_of_the_encounter_records():
    shown = Ward().look(ADMITTED, heart(50, 1))
    assert (shown.ward, shown.bed, shown.name, shown.birth_date) == ("OUH-M2", "12", "Anna Jensen", "1951-05-02")
    assert (shown.admitted, shown.discharged, shown.at) == (at(0), None, at(1))
    assert msgspec.json.decode(now.encode(shown))["birthDate"] == "1951-05-02"


def test_it_has_the_newest_score_of_each_kind_and_the_alert_that_is_open():
    ward = Ward()
    ward.see(ADMITTED, heart(80, 1), heart(85, 2))
    shown = ward.look(heart(75, 3))
    assert [(one.kind, one.score, one.at) for one in shown.scores] == [("gauge", 75, at(3))]
    assert shown.since == {shown.alerts[0].id: at(1)}
    assert [(one.kind, one.state, one.sequence) for one in shown.alerts] == [("gauge", "raised", 1)]
    calm = ward.look(heart(30, 4))
    assert [(one.state, one.sequence) for one in calm.alerts] == [("resolved", 2)]


def test_what_was_said_before_is_still_shown_after_events_that_say_nothing():
    ward = Ward()
    before = ward.look(ADMITTED, heart(80, 1))
    after = ward.look(encounter("update", 2, bed="14"))
    assert (after.scores, after.alerts) == (before.scores, before.alerts)
    assert (after.bed, after.at) == ("14", at(2))


def test_an_alert_that_is_over_is_told_for_a_day():
    ward = Ward()
    ward.see(ADMITTED, heart(80, 1), heart(30, 2))
    assert [one.state for one in ward.look(heart(31, 25.9)).alerts] == ["resolved"]
    assert ward.look(heart(32, 26)).alerts == ()


@pytest.mark.req("VAGT-BRD-12")
def test_a_shadow_is_not_shown():
    shown = Ward(unhurried(Gauge(shadow_in="ward"))).look(ADMITTED, heart(80, 1))
    assert (shown.scores, shown.alerts) == ((), ())


def test_freshness_is_told_by_group_with_when_a_value_was_taken_and_when_it_became_known():
    shown = Ward().look(heart(80, 1, issued=1.5), heart(70, 0.5, issued=2), observation("creatinine", 90, 3, issued=5))
    assert shown.newest == {"vital": (at(1), at(1.5)), "kidney": (at(3), at(5))}


def test_who_left_is_shown_as_long_as_an_alert_is_open():
    ward = Ward(unhurried(Gauge(kind="aki")))  # judged after a discharge too
    ward.see(ADMITTED, heart(80, 1))
    assert ward.look(encounter("discharge", 2)).discharged == at(2)
    assert ward.see(heart(30, 3)) is None


def test_who_was_merged_into_another_is_not_shown_whatever_is_open():
    ward = Ward()
    assert ward.look(ADMITTED, heart(80, 1)).alerts
    assert ward.see(encounter("merge", 2, into="p-2")) is None


def test_who_comes_back_is_shown_again():
    ward = Ward()
    ward.see(ADMITTED, heart(40, 1), encounter("discharge", 2))
    assert ward.shown is None
    assert ward.look(encounter("admit", 3, ward="OUH-M3")).ward == "OUH-M3"


@pytest.mark.req("VAGT-PRI-04")
def test_nothing_of_who_was_erased_is_shown_when_somebody_comes_under_that_name():
    ward = Ward()
    before = ward.look(ADMITTED, heart(80, 1))
    news = News()
    news.hear(None, (), before.alerts)
    record = step(GAUGE, Record(), PATIENT, [heart(40, 9)], Place("events", 0, 1)).record
    news.hear(record, (), ())
    shown = now.now(before, PATIENT, record, news, ANALYTES)
    assert shown == Now(patient=PATIENT, at=at(9), newest={"vital": (at(9), at(9))})


def test_an_answer_shows_with_its_alert():
    ward = Ward()
    raised = ward.look(ADMITTED, heart(80, 1))
    answered = ward.look(feedback(raised.alerts[0].id, hour=2))
    assert [one.state for one in answered.alerts] == ["acknowledged"]
    assert answered.since == raised.since == {raised.alerts[0].id: at(1)}
    answer = answered.alerts[0].answer
    assert answer is not None
    assert answer.by is not None


def test_how_events_were_batched_never_shows():
    back = encounter("admit", 7, ward="OUH-M3")
    events = [ADMITTED, heart(80, 1), heart(85, 2), feedback("none", hour=3), heart(30, 4), heart(90, 5)]
    events += [encounter("discharge", 6), back, observation("creatinine", 90, 8)]
    whole, single = Ward(), Ward()
    for event in events:
        single.see(event)
    assert whole.see(*events) == single.shown


def test_the_stored_form_reads_back_as_it_was():
    shown = Ward().look(ADMITTED, heart(80, 1))
    assert now.decode(now.encode(shown)) == shown
    placed = msgspec.structs.replace(shown, record=now.Place(1, 7))
    assert now.decode(now.encode(placed)).record == now.Place(1, 7)


@given(
    told=st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["raised", "resolved"])), min_size=1, max_size=8),
    ends=st.sets(st.integers(0, 7)),
)
def test_whichever_alert_of_a_kind_was_told_when_shows_the_same_however_it_was_batched(told, ends):
    said = [alert(state, hour=hour, id=name) for hour, (name, state) in enumerate(told)]
    single, batched, news = None, None, News()
    for position, one in enumerate(said):
        record = Record(now=parse(one.at))
        alone = News()
        alone.hear(record, (), [one])
        single = now.now(single, PATIENT, record, alone, ANALYTES)
        news.hear(record, (), [one])
        if position in ends or one is said[-1]:
            batched, news = now.now(batched, PATIENT, record, news, ANALYTES), News()
    assert batched == single
