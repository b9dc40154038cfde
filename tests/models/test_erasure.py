"""What an erasure says: open alerts expire, and nothing else is said."""

import pytest

from features.catalogue import Refused, catalogue
from features.events import Control, parse_control
from features.record import Record
from models.erasure import farewell
from models.lifecycle import is_open
from models.step import Decider, Place, step
from tests.builders import PATIENT, at, feedback, observation
from tests.world import Gauge

TWO = Decider(catalogue(), (Gauge(), Gauge(kind="other")))
PLACE = Place("events", 1, 99)


def after(*events, record=None):
    """The record after these events, each a record of the log."""
    record = Record() if record is None else record
    for offset, event in enumerate(events):
        record = step(TWO, record, PATIENT, [event], Place("events", 1, offset)).record
    return record


def heart_rate(value, hour=0.0):
    return observation("heart_rate", value, hour)


def control(**fields):
    item = {"type": "control", "id": "c-1", "action": "erase", "of": PATIENT, "at": at(9), **fields}
    found = parse_control({name: value for name, value in item.items() if value is not ...})
    assert isinstance(found, Control)
    return found


@pytest.mark.req("VAGT-PRI-04")
def test_every_open_alert_of_an_erased_patient_expires_in_its_sequence():
    record = after(heart_rate(80))
    said = farewell(TWO, record, control(), PLACE)
    assert [(one.kind, one.state, one.sequence, one.at) for one in said] == [
        ("gauge", "expired", 2, at(9)),
        ("other", "expired", 2, at(9)),
    ]
    assert [(one.trigger.offset, one.trigger.items[0].id) for one in said] == [(99, "c-1")] * 2
    assert [one.id for one in said] == [record.alerts["gauge"].id, record.alerts["other"].id]


def test_an_acknowledged_alert_expires_too_and_an_ended_one_is_not_said_again():
    raised = after(heart_rate(80))
    answered = after(feedback(raised.alerts["gauge"].id, hour=1), record=raised)
    assert [one.state for one in farewell(TWO, answered, control(), PLACE)] == ["expired", "expired"]
    calm = after(heart_rate(30, hour=2), record=answered)
    assert not any(is_open(one) for one in calm.alerts.values())
    assert farewell(TWO, calm, control(), PLACE) == ()


def test_an_erasure_dated_before_the_patients_now_does_not_turn_time_back():
    record = after(heart_rate(80, hour=12))
    assert {one.at for one in farewell(TWO, record, control(), PLACE)} == {at(12)}


def test_nothing_is_said_of_a_patient_who_is_not_known():
    assert farewell(TWO, Record(), control(), PLACE) == ()


@pytest.mark.parametrize(
    "fields",
    [
        {"of": ...},
        {"of": ""},
        {"of": 7},
        {"action": "promote"},
        {"action": ...},
        {"id": ...},
        {"at": "today"},
        {"at": 0},
    ],
)
def test_a_control_record_that_is_not_one_is_refused(fields):
    with pytest.raises(Refused) as refused:
        control(**fields)
    assert refused.value.reason == "schema"


@pytest.mark.parametrize("item", [None, [], "erase", 1, [{}]])
def test_a_control_record_holds_one_object(item):
    with pytest.raises(Refused) as refused:
        parse_control(item)
    assert refused.value.reason == "schema"


def test_a_control_record_names_its_patient_and_its_instant():
    assert control().of == PATIENT
