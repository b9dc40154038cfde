"""The same patients under other names: nothing else changes, with the first key or the next."""

from collections.abc import Iterable
from itertools import islice
from typing import Any

import orjson
import pytest

from features.catalogue import catalogue
from features.instants import HOUR
from features.record import Record, decode, encode
from models import outputs
from models.lifecycle import is_open
from models.registry import shipped
from models.step import Decider, Place, step
from streams import intake
from streams.doors import native, pseudonymised
from streams.pseudonym import Pseudonyms
from streams.rotation import Known, Outcome, merges
from streams.ward import ward as living_ward
from tests.builders import content
from tests.integration.patients import START, admission, observation, ward

OLD, NEW = bytes(range(32)), bytes(range(1, 33))
BEFORE, AFTER = Pseudonyms([OLD]), Pseudonyms([NEW, OLD])
#: What may differ between a ward and the same under pseudonyms.
NAMES = {"id", "patient", "encounter", "sealed"}


class Service:
    """The log, the step and the records, without a broker."""

    def __init__(self, pseudonymous: bool = True) -> None:
        self.pseudonymous = pseudonymous
        self.decider = Decider(catalogue(), shipped())
        self.records: dict[str, Record] = {}
        self.said: dict[str, list[Any]] = {}
        self.refused: list[str] = []

    def take(self, log: Iterable[tuple[str, Any]]) -> None:
        """Decide (patient, value) pairs, and what follows from them for others."""
        waiting = list(log)
        while waiting:
            patient, value = waiting.pop(0)
            taken = intake.read(orjson.dumps(value), patient, 1 << 20, self.pseudonymous)
            events = [event for _, event in taken.events]
            record = decode(encode(self.records.get(patient, Record())))
            decision = step(self.decider, record, patient, events, Place("events", 0, 0))
            self.records[patient] = decision.record
            self.refused += [refused.reason for _, refused in (*taken.refusals, *decision.refusals)]
            self.said.setdefault(patient, []).append(orjson.loads(outputs.encode([decision.scores, decision.alerts])))
            waiting += [(send.patient, send.item) for send in decision.sends]

    @property
    def stored(self) -> dict[str, bytes]:
        """The records as they are stored."""
        return {patient: encode(record) for patient, record in self.records.items()}

    @property
    def known(self) -> dict[str, Known]:
        """The records as the changelog has them."""
        return {patient: Known(record.sealed, record.stay.into, record.now) for patient, record in self.records.items()}

    def rotate(self, pseudonyms: Pseudonyms) -> Outcome:
        """What `vagt pseudonym rotate` does."""
        outcome = Outcome()
        self.take([(item["patient"], item) for item in list(merges(self.known, pseudonyms, outcome))])
        return outcome


def named(log: Iterable[tuple[str, Any]], pseudonyms: Pseudonyms) -> list[tuple[str, Any]]:
    """The same records as a door writes them."""
    found = []
    for patient, value in log:
        items = value if isinstance(value, list) else [value]
        made = pseudonymised(native.translate(items).items, pseudonyms)
        found.append((pseudonyms.name(patient), [item for _, item in made]))
    return found


def but_for_names(said: Any) -> Any:
    """Scores and alerts without ids and patients."""
    if isinstance(said, list):
        return [but_for_names(one) for one in said]
    if isinstance(said, dict):
        return {name: but_for_names(one) for name, one in said.items() if name not in NAMES}
    return said


def alerts(said: list[Any]) -> list[Any]:
    return [alert for _, changes in said for alert in changes]


@pytest.mark.parametrize("source", ["a made-up ward", "the demo's ward"])
def test_a_ward_under_pseudonyms_gets_the_same_scores_and_alerts(source):
    log = ward(patients=4, hours=24)
    if source == "the demo's ward":
        log = [(record.patient, record.items) for record in islice(living_ward(START), 400)]
    plain, covered = Service(pseudonymous=False), Service()
    plain.take(log)
    covered.take(named(log, BEFORE))
    assert covered.refused == plain.refused
    changes = 0
    for patient, said in plain.said.items():
        name = BEFORE.name(patient)
        assert but_for_names(covered.said[name]) == but_for_names(said)
        for alert, with_name in zip(alerts(said), alerts(covered.said[name]), strict=True):
            assert (with_name["patient"], BEFORE.unseal(with_name["sealed"], name)) == (name, patient)
            assert alert["sealed"] is None
            changes += 1
    assert changes > 10


@pytest.mark.req("VAGT-PRI-03")
def test_a_new_key_takes_the_histories_and_the_open_alerts_along():
    log = ward(patients=4, hours=30)
    half = len(log) // 2
    turned, straight = Service(), Service()
    straight.take(named(log, AFTER))
    turned.take(named(log[:half], BEFORE))
    outcome = turned.rotate(AFTER)
    assert (outcome.sent, outcome.done, outcome.unknown) == (4, 0, 0)
    turned.take(named(log[half:], AFTER))
    assert turned.refused == straight.refused == []
    for patient in {patient for patient, _ in log}:
        old, new = BEFORE.name(patient), AFTER.name(patient)
        assert turned.records[old].stay.into == new
        assert AFTER.unseal(turned.records[new].sealed or "", new) == patient
        now, stay, series = content(turned.records[new])
        expected = content(straight.records[new])
        assert (now, stay) == expected[:2]
        assert series.keys() == expected[2].keys()
        for name, one in turned.records[new].series.items():
            assert one.values == straight.records[new].series[name].values
        levels = {kind: (memory.level, is_open(memory)) for kind, memory in turned.records[new].alerts.items()}
        assert levels == {
            kind: (memory.level, is_open(memory)) for kind, memory in straight.records[new].alerts.items()
        }


def test_a_rotation_that_is_done_again_changes_nothing():
    service = Service()
    service.take(named(ward(patients=3, hours=4), BEFORE))
    service.rotate(AFTER)
    records = service.stored
    again = service.rotate(AFTER)
    assert (again.sent, again.done, again.unknown) == (0, 6, 0)
    assert service.stored == records


def test_merges_that_were_written_twice_are_one():
    service, outcome = Service(), Outcome()
    service.take(named(ward(patients=2, hours=4), BEFORE))
    written = [(item["patient"], item) for item in merges(service.known, AFTER, outcome)]
    service.take(written)
    records = service.stored
    service.take(written)
    assert service.stored == records
    assert service.refused == []


def test_what_a_door_with_the_old_key_still_writes_follows():
    service, log = Service(), ward(patients=1, hours=6)
    service.take(named(log[:3], BEFORE))
    service.rotate(AFTER)
    service.take(named(log[3:], BEFORE))
    (patient,) = {patient for patient, _ in log}
    straight = Service()
    straight.take(named(log, AFTER))
    name = AFTER.name(patient)
    for analyte, one in straight.records[name].series.items():
        assert service.records[name].series[analyte].values == one.values


def test_patients_that_were_merged_before_are_one_under_the_new_key_too():
    service = Service()
    log = ward(patients=2, hours=3)
    one, other = sorted({patient for patient, _ in log})
    merge = {**admission(one), "id": "m-1", "action": "merge", "into": other}
    service.take(named([*log, (one, merge)], BEFORE))
    outcome = service.rotate(AFTER)
    assert (outcome.sent, outcome.unknown) == (2, 0)
    assert service.records[AFTER.name(one)].stay.into == AFTER.name(other)
    service.take(named([(one, observation(one, "late", START + 4 * HOUR))], AFTER))
    found = [entry for series in service.records[AFTER.name(other)].series.values() for entry in series.entries]
    assert AFTER.ident("late") in {entry.id for entry in found}


def test_a_patient_into_whom_another_is_merged_first_can_be_given_back():
    service = Service()
    log = ward(patients=1, hours=8)
    patient = log[0][0]
    merge = {**admission(patient), "id": "m-1", "action": "merge", "into": "090990-0909"}
    service.take(named([*log, (patient, merge)], BEFORE))
    name = BEFORE.name("090990-0909")
    assert BEFORE.unseal(service.records[name].sealed or "", name) == "090990-0909"


def test_of_two_merged_patients_the_standing_one_stays_who_it_is():
    service = Service()
    log = ward(patients=2, hours=2)
    one, other = sorted({patient for patient, _ in log})
    merge = {**admission(one), "id": "m-1", "action": "merge", "into": other}
    service.take(named([*log, (one, merge)], BEFORE))
    for patient in (one, other):
        name = BEFORE.name(patient)
        assert BEFORE.unseal(service.records[name].sealed or "", name) == patient


def test_a_patient_whom_no_key_opens_stays_and_is_counted():
    service = Service()
    service.take(named(ward(patients=1, hours=1), Pseudonyms([bytes(32)])))
    outcome = service.rotate(AFTER)
    assert (outcome.sent, outcome.done, outcome.unknown) == (0, 0, 1)
