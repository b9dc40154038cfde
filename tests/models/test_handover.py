import pytest

from features.events import Event
from features.record import decode, encode
from models.lifecycle import is_open
from models.step import wakes_at
from tests.builders import encounter, feedback, moment, observation, tick, treatment
from tests.world import Gauge, World, unhurried

OLD, NEW, THIRD = "p-1", "p-2", "p-3"


@pytest.fixture
def world() -> World:
    return World(unhurried(Gauge()))


def heart(value: float | None, hour: float, patient: str = OLD, **fields) -> Event:
    return observation("heart_rate", value, hour, patient=patient, id=f"{patient}-{hour:g}", **fields)


def merge(hour: float, patient: str = OLD, into: str = NEW, **fields) -> Event:
    return encounter("merge", hour, patient=patient, into=into, **fields)


def unmerge(hour: float, patient: str = OLD) -> Event:
    return encounter("unmerge", hour, patient=patient)


def values(world: World, patient: str = NEW) -> list[float]:
    series = world.record(patient).series.get("heart_rate")
    return [*series.values] if series else []


# ---------------------------------------------------------------- histories


@pytest.mark.req("VAGT-IN-12")
def test_a_merged_patients_history_continues_under_the_other(world):
    world.see(
        heart(20, 1), encounter("admit", 0, patient=OLD, ward="A"), treatment("J01", hour=1, patient=OLD), merge(2)
    )
    assert values(world) == [20]
    assert world.record(NEW).stay.ward == "A"
    assert len(world.record(NEW).treatments) == 1
    assert world.record(NEW).now == moment(2)


def test_what_comes_later_for_a_merged_patient_follows(world):
    world.see(merge(1), heart(20, 2), treatment("J01", hour=2, patient=OLD), heart(30, 3))
    assert values(world) == [20, 30]
    world.see(heart(21, 2, version=2, status="corrected", issued=4))
    assert values(world) == [21, 30]
    world.see(heart(None, 2, version=3, status="entered-in-error", issued=5))
    assert values(world) == [30]
    assert world.record(NEW).now == moment(5)


def test_a_merged_patient_is_not_judged_any_more(world):
    world.see(merge(1), heart(80, 2), tick(30, OLD))
    assert (world.scores[OLD], world.alerts[OLD]) == ([], [])
    assert [score.score for score in world.scores[NEW]] == [80]
    assert world.states(NEW) == [(1, "raised")]
    assert wakes_at(world.decider, world.record(OLD)) is None


def test_what_changes_nothing_is_not_handed_over(world):
    world.see(merge(1), heart(20, 2))
    before = len(world.sent)
    world.see(heart(20, 2), tick(3, OLD), merge(1))
    assert len(world.sent) == before


def test_a_merge_that_is_known_late_brings_what_came_before_it_was_known(world):
    world.see(heart(20, 5), merge(1, issued="2026-03-01T06:00:00Z"), heart(30, 6))
    assert values(world) == [20, 30]


def test_a_history_follows_a_chain_of_merges_in_whichever_order_they_come():
    orders = [
        [heart(20, 1), heart(30, 1, NEW), merge(2), merge(3, NEW, THIRD)],
        [heart(30, 1, NEW), merge(3, NEW, THIRD), heart(20, 1), merge(2)],
        [merge(3, NEW, THIRD), merge(2), heart(20, 1), heart(30, 1, NEW)],
    ]
    for order in orders:
        world = World(unhurried(Gauge()))
        world.see(*order, heart(40, 4))
        assert sorted(values(world, THIRD)) == [20, 30, 40]
        assert world.record(THIRD).absorbed == (OLD, NEW)
        world.see(unmerge(5))
        assert values(world, THIRD) == [30]
        assert world.record(THIRD).absorbed == (NEW,)


def test_who_leaves_a_chain_takes_along_those_who_came_with_them(world):
    world.see(heart(20, 1), heart(30, 1, NEW), heart(40, 1, THIRD), merge(2), merge(3, NEW, THIRD), unmerge(4, NEW))
    assert (values(world, THIRD), values(world)) == ([40], [20, 30])
    assert (world.record(THIRD).absorbed, world.record(NEW).absorbed) == ((), (OLD,))


def test_a_merge_that_is_moved_to_another_takes_the_history_along(world):
    world.see(heart(20, 1), heart(30, 1, NEW), merge(2), merge(3, OLD, THIRD))
    assert (values(world), values(world, THIRD)) == ([30], [20])


def test_two_patients_who_are_merged_into_each_other_at_once_become_one(world):
    for patient, event in ((OLD, heart(20, 1)), (NEW, heart(30, 2, NEW)), (OLD, merge(3)), (NEW, merge(3, NEW, OLD))):
        world.take(patient, [event])
    world.settle()
    assert world.record(OLD).stay.into is None
    assert world.record(NEW).stay.into == OLD
    assert values(world, OLD) == [20, 30]
    world.see(heart(40, 4), heart(50, 5, NEW))
    assert values(world, OLD) == [20, 30, 40, 50]
    assert len(world.sent) < 20


def test_a_circle_of_merges_is_refused(world):
    world.see(merge(1), merge(2, NEW, THIRD), merge(3, THIRD, OLD))
    assert world.refusals == ["conflict"]
    assert world.record(THIRD).stay.into is None


def test_handovers_that_are_sent_again_after_a_crash_change_nothing(world):
    world.see(heart(80, 1), merge(2), heart(81, 3), unmerge(4))
    before, said = encode(world.record(NEW)), list(world.alerts[NEW])
    for sent in list(world.sent):
        world.deliver(sent)
        assert encode(world.record(NEW)) == before
    assert world.alerts[NEW] == said


def test_a_handover_says_what_it_is_and_from_whom(world):
    world.see(heart(20, 1), merge(2), heart(30, 3))
    assert [send.patient for send in world.sent] == [NEW, NEW]
    assert [send.item["version"] for send in world.sent] == [1, 2]
    assert len({send.item["id"] for send in world.sent}) == 2
    assert {send.item["origin"] for send in world.sent} == {"vagt"}


# ---------------------------------------------------------------- alerts


def test_an_open_alert_follows_its_patient(world):
    world.see(heart(80, 1), merge(2))
    (raised,), (moved,) = world.alerts[OLD], world.alerts[NEW]
    assert (moved.id, moved.sequence, moved.state, moved.patient) == (raised.id, 2, "updated", NEW)
    assert world.record(OLD).alerts == {}
    world.see(heart(30, 3))
    assert world.states(NEW)[-1] == (3, "resolved")


def test_an_open_alert_follows_through_one_who_is_merged_already(world):
    world.see(merge(1, NEW, THIRD), heart(80, 1), merge(2))
    assert world.states(THIRD) == [(2, "updated")]
    assert world.states(NEW) == []


def test_an_alert_that_was_answered_follows_as_it_was(world):
    world.see(heart(80, 1))
    [alert] = world.alerts[OLD]
    world.see(feedback(alert.id, "snooze", 1, until=9, patient=OLD), merge(2))
    assert world.states(NEW) == [(3, "snoozed")]
    assert wakes_at(world.decider, world.record(NEW)) == moment(9)
    world.see(tick(9, NEW))
    assert world.states(NEW)[-1] == (4, "updated")
    wakes = wakes_at(world.decider, world.record(NEW))
    assert wakes is not None
    assert wakes > moment(9)


def test_of_two_open_alerts_of_a_kind_one_goes_on(world):
    world.see(heart(80, 1), heart(55, 1, NEW), merge(2), heart(90, 3))
    ids = [alert.id for alert in world.alerts[NEW]]
    assert world.states(NEW) == [(1, "raised"), (2, "expired"), (2, "escalated")]
    assert ids[0] == ids[2] != ids[1] == world.alerts[OLD][0].id


def test_what_somebody_answers_under_the_old_name_follows_the_alert(world):
    world.see(heart(80, 1))
    [alert] = world.alerts[OLD]
    world.see(merge(2), feedback(alert.id, "acknowledge", 3, patient=OLD, note="seen"))
    assert world.states(NEW)[-1] == (3, "acknowledged")
    assert world.alerts[NEW][-1].answer is not None
    assert world.alerts[NEW][-1].answer.by == "nurse/4711"
    assert world.sent[-1].item["origin"] == "vagt"


def test_an_answer_in_the_very_record_of_the_merge_follows_it(world):
    world.see(heart(80, 1))
    [alert] = world.alerts[OLD]
    world.take(OLD, [merge(2), feedback(alert.id, "acknowledge", 2, patient=OLD)])
    world.settle()
    assert world.states(NEW) == [(2, "updated"), (3, "acknowledged")]


def test_what_was_told_of_a_patient_is_no_news_under_the_other_name(world):
    world.see(heart(80, 1), heart(30, 2), merge(3), heart(80, 4))
    assert world.states(NEW) == [(1, "raised")]
    assert world.alerts[NEW][0].suppressed is not None
    assert world.alerts[NEW][0].suppressed.reason == "repeat"


@pytest.mark.req("VAGT-IN-12")
def test_an_unmerge_retracts_what_rested_on_the_other_and_raises_it_where_it_belongs(world):
    world.see(heart(30, 0, NEW), heart(80, 1), merge(2), unmerge(3))
    assert world.states(NEW) == [(2, "updated"), (3, "retracted")]
    assert world.states(OLD) == [(1, "raised"), (1, "raised")]
    first, again = world.alerts[OLD]
    assert first.id != again.id
    assert again.suppressed is None
    assert values(world) == [30]
    assert values(world, OLD) == [80]


def test_an_unmerge_leaves_an_alert_that_the_patients_own_results_bear_out(world):
    world.see(heart(80, 2, NEW), heart(75, 1), merge(3), unmerge(4))
    assert [state for _, state in world.states(NEW)] == ["raised", "expired"]
    assert is_open(world.record(NEW).alerts["gauge"])


def test_a_merge_that_is_cancelled_is_an_unmerge(world):
    world.see(heart(80, 1), merge(2), encounter("cancel", 2, id="merge-2", version=2, patient=OLD))
    assert values(world) == []
    assert world.states(NEW)[-1][1] == "retracted"


def test_a_patient_who_is_merged_again_comes_whole(world):
    world.see(heart(20, 1), merge(2), unmerge(3), heart(30, 4), merge(5))
    assert values(world) == [20, 30]
    world.see(unmerge(6))
    assert values(world) == []


def test_a_restart_in_the_midst_of_a_merge_leaves_no_trace(world):
    other = World(world.decider)
    for event in (heart(80, 1), merge(2), heart(81, 3), unmerge(4), merge(5), heart(30, 6)):
        world.see(event)
        other.records = {patient: decode(encode(record)) for patient, record in other.records.items()}
        other.see(event)
    assert (other.alerts, other.scores) == (world.alerts, world.scores)
    assert {name: encode(one) for name, one in other.records.items()} == {
        name: encode(one) for name, one in world.records.items()
    }
