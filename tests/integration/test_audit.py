"""The audit on a real Kafka: every decision once, in a chain that holds, computed again to the bit; and erasure."""

import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from features.instants import HOUR, render
from features.record import decode
from models.lifecycle import ENDED
from streams import audit
from streams.audit import Entry
from streams.records import audited, events
from streams.rejudge import Comparison, Span, compare
from streams.terms import Terms
from streams.topics import NOW_KEY
from tests.integration.patients import START, ward
from tests.integration.service import PARTITIONS, Service, running


@pytest.fixture
def service(broker: str, topic_prefix: str, tmp_path: Path) -> Iterator[Service]:
    """A deployment without workers yet; its topics exist."""
    with running(Service(broker, topic_prefix, tmp_path)) as service:
        yield service


def compared(service: Service) -> list[Comparison]:
    return [
        compare(Terms.of(service.settings), one, audited(service.settings, one), events(service.settings, one), Span())
        for one in range(PARTITIONS)
    ]


@pytest.mark.req("VAGT-AUD-02")
def test_every_decision_is_computed_again_to_the_bit_whatever_the_workers_went_through(service: Service) -> None:
    records = ward(patients=12, hours=12, seed=7)
    records.insert(40, (records[3][0], b"no JSON"))
    third = len(records) // 3
    service.start("w1")
    service.send(records[:third])
    service.settle()
    service.send(records[third : 2 * third])
    service.stop("w1", signal.SIGKILL)
    service.start("w2")
    service.send(records[2 * third :])
    service.settle()
    found = compared(service)
    assert sum(one.identical for one in found) == len(records)
    assert [(one.differing, one.flaws, one.elsewhere, one.unreachable, one.unaudited) for one in found] == [
        ([], [], 0, 0, 0)
    ] * PARTITIONS

    status, said = service.vagt("audit", "replay")
    assert (status, said.count(" 0 differ, 0 entries not as they were written")) == (0, PARTITIONS)

    raised = next(one for changes in service.alerts().values() for one in changes if one["state"] == "raised")
    status, story = service.vagt("audit", "explain", raised["id"])
    assert status == 0
    for part in (raised["patient"], raised["title"]["en"], raised["score"]["model"]["version"], "events/"):
        assert part in story
    assert service.vagt("audit", "explain", "0" * 32)[0] == 1

    # One byte of one entry is changed in a copy of the audit, then one input in a copy of the log.
    partition = max(range(PARTITIONS), key=lambda one: found[one].identical)
    values, log = list(audited(service.settings, partition)), list(events(service.settings, partition))
    terms = Terms.of(service.settings)
    at = len(values) // 2
    number = next(one.number for one in audit.unpack([values[at]]) if isinstance(one, Entry))
    altered = [*values[:at], values[at].replace(b'"now":1', b'"now":2', 1), *values[at + 1 :]]
    changed = compare(terms, partition, altered, log, Span())
    assert [flaw.number for flaw in changed.flaws] == [number]
    assert changed.identical == found[partition].identical - 1
    assert changed.unaudited == 1

    at, worse = next(
        (at, orjson.loads(one.value)) for at, one in enumerate(log) if one.value and b'"9279-1"' in one.value
    )
    worse = worse if isinstance(worse, list) else [worse]
    for item in worse:
        item["value"] = 55.0 if item["code"]["code"] == "9279-1" else item["value"]
    log[at] = replace(log[at], value=orjson.dumps(worse))
    exchanged = compare(terms, partition, values, log, Span())
    assert log[at].offset in {offset for _, offset, _ in exchanged.differing}
    assert exchanged.flaws == []


@pytest.mark.req("VAGT-PRI-04")
def test_an_erased_patient_leaves_the_state_the_changelog_and_the_audits_names(service: Service) -> None:
    records = ward(patients=6, hours=12, seed=8)
    service.start("w1")
    service.send(records)
    service.settle()
    alerts = service.alerts()
    last = {patient: {one["id"]: one["state"] for one in changes} for patient, changes in alerts.items()}
    patient = next(name for name, states in last.items() if set(states.values()) - ENDED)
    subjects = _subjects(service)
    assert patient in subjects.values()
    assert patient in service.shown()

    status, answer = service.vagt("erase", "--yes", said=f"{patient}\n")
    assert (status, patient in answer) == (0, False)
    service.settle()
    assert patient not in _subjects(service).values()
    assert sorted({*subjects.values()} - {*_subjects(service).values()}) == [patient]
    changelog = {one.key: one.value for one in service.read("vagt-patients-changelog")}
    assert changelog[patient.encode()] is None
    assert changelog[NOW_KEY + patient.encode()] is None
    assert patient not in service.shown()
    newest = {one["id"]: one["state"] for one in service.alerts()[patient]}
    assert newest.keys() == last[patient].keys()
    assert newest == {alert: state if state in ENDED else "expired" for alert, state in last[patient].items()}
    assert [one.differing or one.flaws for one in compared(service)] == [[]] * PARTITIONS

    # Whoever comes again under that name is new, also for a worker that starts from the changelog alone.
    service.stop("w1")
    service.start("w2")
    service.send([(patient, {"type": "tick", "patient": patient, "at": render(START + 99 * HOUR)})])
    service.settle()
    changelog = {one.key: one.value for one in service.read("vagt-patients-changelog")}
    assert decode(changelog[patient.encode()]).series == {}
    assert service.shown()[patient]["alerts"] == []
    assert [one.differing or one.flaws for one in compared(service)] == [[]] * PARTITIONS


def _subjects(service: Service) -> dict[str, str]:
    names = {one.key: one.value for one in service.read("audit.identity")}
    return {subject.decode(): whose.decode() for subject, whose in names.items() if whose is not None}


def test_nobody_is_erased_who_is_not_there(service: Service) -> None:
    service.start("w1")
    assert service.vagt("erase", "--yes", said="p-nobody\n")[0] == 0
    service.settle()
    assert (service.dead(), service.alerts()) == ([], {})
    assert [one.identical for one in compared(service)] == [1] * PARTITIONS
