"""Random histories of two patients, who may be merged, in random orders: what has to be true of every one of them."""

from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.catalogue import catalogue
from features.events import Event
from features.record import Record, decode, encode
from features.vector import vector
from models.lifecycle import is_open
from models.registry import shipped
from models.rules.news2 import News2
from models.step import Decider, wakes_at
from tests.builders import encounter, feedback, moment, observation, tick, treatment
from tests.world import Gauge, World

ONE, OTHER = "p-1", "p-2"
END = 300
GAUGE = Decider(catalogue(), (Gauge(), News2()))
ALL = Decider(catalogue(), shipped())

patients = st.sampled_from([ONE, OTHER])
minutes = st.integers(0, END * 60).map(lambda minute: minute / 60)
recent = st.integers((END - 72) * 60, END * 60).map(lambda minute: minute / 60)
analytes = st.sampled_from(["heart_rate", "heart_rate", "respiratory_rate", "creatinine"])
numbers = st.integers(16, 90).map(float)


@st.composite
def results(draw, number: int) -> list[Event]:
    """A result that comes late, or in versions, of which each may change what it says or take it away."""
    patient = draw(patients)
    versions = draw(st.lists(st.integers(1, 4), unique=True, min_size=1, max_size=3))
    # What is corrected lies where no correction is too old; what is not may lie anywhere.
    hours = recent if versions != [1] else minutes
    found: list[Event] = []
    for version in versions:
        hour = draw(hours)
        statuses = ["preliminary", "final"] if versions == [1] else ["final", "corrected", "cancelled", "registered"]
        late = draw(st.integers(0, 40 if versions == [1] else 3))
        again = draw(st.integers(0, 3)) if draw(st.booleans()) else None
        fields = {"id": f"o{number}", "version": version, "status": draw(st.sampled_from(statuses)), "patient": patient}
        one = (draw(analytes), draw(numbers), hour)
        found.append(observation(*one, min(END, hour + late), **fields))
        if again is not None:  # the same once more, known at another time
            found.append(observation(*one, min(END, hour + again), **fields))
    return found


@st.composite
def encounters(draw, number: int) -> list[Event]:
    patient = draw(patients)
    return [
        encounter(
            draw(st.sampled_from(["admit", "transfer", "discharge", "update", "cancel"])),
            draw(minutes),
            id=f"e{number}",
            version=version,
            patient=patient,
            ward=draw(st.sampled_from([None, "A", "B"])),
            unitType=draw(st.sampled_from([None, "ward", "icu"])),
            flags=draw(st.sampled_from([None, [], ["pregnant"], ["palliative"]])),
            sex=draw(st.sampled_from([None, "female", "male"])),
        )
        for version in draw(st.lists(st.integers(1, 3), unique=True, min_size=1, max_size=2))
    ]


@st.composite
def treatments(draw, number: int) -> list[Event]:
    patient, code = draw(patients), draw(st.sampled_from(["J01CE01", "B01AB01"]))
    return [
        treatment(
            code, draw(st.sampled_from(["start", "stop", "cancel"])), draw(minutes), id=f"t{number}", version=version,
            patient=patient,
        )
        for version in draw(st.lists(st.integers(1, 3), unique=True, min_size=1, max_size=2))
    ]  # fmt: skip


@st.composite
def merges(draw) -> list[Event]:
    """Merges of the one into the other, some of them taken back."""
    return [
        encounter(action, draw(minutes), id=f"m{number}", patient=ONE, **({"into": OTHER} if action == "merge" else {}))
        for number, action in enumerate(draw(st.lists(st.sampled_from(["merge", "unmerge"]), max_size=3)))
    ]


@st.composite
def histories(draw) -> list[Event]:
    """Distinct events, and some of them once more."""
    groups = [draw(results(n)) for n in range(draw(st.integers(1, 7)))]
    groups += [draw(encounters(n)) for n in range(draw(st.integers(0, 2)))]
    groups += [draw(treatments(n)) for n in range(draw(st.integers(0, 2)))]
    groups.append(draw(merges()))
    events = [event for group in groups for event in group]
    return [*events, *draw(st.lists(st.sampled_from(events), max_size=4))]


def live(world: World, events: list[Event], draw) -> World:
    """The events in their order; what is handed over arrives at random between them, ticks and answers too."""
    for event in events:
        world.take(event.patient, [event])
        for _ in range(draw(st.integers(0, 2))):
            if senders := world.senders():
                world.arrive(draw(st.sampled_from(senders)))
        extra = draw(st.sampled_from([None, None, "tick", "acknowledge", "snooze", "dismiss", "reopen"]))
        patient = draw(patients)
        if extra == "tick":
            world.take(patient, [tick(draw(minutes), patient)])
        elif extra is not None and world.alerts[patient]:
            known, hour = draw(st.sampled_from(world.alerts[patient])), draw(minutes)
            given_ = feedback(known.id, extra, hour, until=hour + 9, reason="other", patient=patient)
            world.take(patient, [given_])
    world.settle()
    # Time comes so far for everybody, and what expires with it is handed over.
    world.see(tick(END, ONE), tick(END, OTHER))
    return world


def known(record: Record) -> tuple[object, ...]:
    """What a record says of its patient, without the alerts and without from whom it came."""
    series = {
        name: ([one.content for one in found.entries], [one.issued for one in found.entries], found.extremes)
        for name, found in record.series.items()
        if found.entries or found.extremes
    }
    return record.now, record.stay, series, record.events, record.treatments


@settings(max_examples=150)
@given(histories(), st.data())
@pytest.mark.req("VAGT-IN-08")
def test_what_is_known_in_the_end_does_not_depend_on_the_order_of_arrival(history, data):
    worlds = [
        live(World(GAUGE), order, data.draw) for order in (history, data.draw(st.permutations(history), label="order"))
    ]
    one, other = worlds
    if one.refusals or other.refusals:  # conflicts and what is too old are no part of the promise
        return
    for patient in (ONE, OTHER):
        assert known(one.record(patient)) == known(other.record(patient))
        vectors = [list(map(repr, vector(world.record(patient)))) for world in worlds]
        assert vectors[0] == vectors[1]


@settings(max_examples=150)
@given(histories(), st.data())
@pytest.mark.req("VAGT-ALT-01")
def test_an_alert_counts_its_changes_and_time_never_stands_at_what_is_due(history, data):
    world = World(GAUGE)
    live(world, history, data.draw)
    lives = defaultdict(list)
    for patient in (ONE, OTHER):
        for alert in world.alerts[patient]:
            lives[alert.id].append((alert.sequence, alert.state))
        wakes = wakes_at(GAUGE, world.record(patient))
        assert wakes is None or wakes > world.record(patient).now
        ids = [score.id for score in world.scores[patient]]
        assert len(set(ids)) == len(ids)
    for changes in lives.values():
        assert sorted(sequence for sequence, _ in changes) == list(range(1, len(changes) + 1))
        assert min(changes)[1] == "raised"


@settings(max_examples=150)
@given(histories(), st.data())
@pytest.mark.req("VAGT-ALT-02")
def test_a_retraction_follows_every_correction_that_removes_the_reason(history, data):
    """At the end each result that an open alert rests on is withdrawn: nothing else can hold the alert then."""
    world = live(World(GAUGE), history, data.draw)
    for patient in (ONE, OTHER):
        record = world.record(patient)
        alert = record.alerts.get("gauge")
        if alert is None or not is_open(alert) or record.stay.into is not None:
            continue
        entries = {entry.id: (name, entry) for name, one in record.series.items() for entry in one.entries}
        assert set(alert.evidence) <= set(entries)
        withdrawn = [
            observation(
                name, None, (entry.effective - moment(0)) / 3_600_000, END, id=entry.id, patient=patient, version=9,
                status="entered-in-error",
            )
            for name, entry in entries.values()
        ]  # fmt: skip
        said = [one for one in world.take(patient, withdrawn).alerts if one.kind == "gauge"]
        assert [(one.id, one.state) for one in said] == [(alert.id, "retracted")]


@settings(max_examples=30)
@given(histories(), st.data())
@pytest.mark.req("VAGT-DEC-01")
def test_the_same_history_gives_the_same_bytes_also_from_records_that_were_stored(history, data):
    def stored(record: Record) -> Record:
        return decode(encode(record))

    first, second = World(ALL), World(ALL)
    for event in history:
        for world in (first, second):
            world.take(event.patient, [event])
            world.settle()
        if data.draw(st.booleans(), label="restart"):
            second.records = {patient: stored(record) for patient, record in second.records.items()}
    assert (first.scores, first.alerts, first.sent) == (second.scores, second.alerts, second.sent)
    assert {name: encode(one) for name, one in first.records.items()} == {
        name: encode(one) for name, one in second.records.items()
    }


@settings(max_examples=50)
@given(histories(), st.data())
def test_handovers_that_come_twice_leave_no_trace(history, data):
    """A sender that died says the last few again, in their order, before it goes on."""
    world, twice = World(GAUGE), World(GAUGE)
    for event in history:
        for one in (world, twice):
            one.take(event.patient, [event])
            one.settle()
        again = data.draw(st.integers(0, 3))
        for send in [one for one in twice.sent if one.item["type"] == "handover"][-again:] if again else []:
            twice.deliver(send)
    assert {name: encode(one) for name, one in world.records.items()} == {
        name: encode(one) for name, one in twice.records.items()
    }
