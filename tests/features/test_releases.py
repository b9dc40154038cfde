"""The stored form across releases: what an earlier one wrote is read here, and what is written here is read by it."""

from dataclasses import replace

import msgspec
import pytest

from features.alert import Escalation
from features.answer import Answer
from features.note import NoteEvent
from features.record import FORMAT, Record, decode, encode
from tests.releases import Release, releases

#: Own keys of the service, which are no patients.
_OWN = b"\0"

# The form of 0.1.0, as it stood in that release. These are copies, and stay as they are.


class StayEvent(msgspec.Struct, frozen=True, array_like=True):
    at: int
    issued: int
    id: str
    version: int
    action: str
    encounter: str | None = None
    ward: str | None = None
    bed: str | None = None
    name: str | None = None
    unit_type: str | None = None
    birth_date: str | None = None
    sex: str | None = None
    flags: tuple[str, ...] | None = None
    into: str | None = None
    source: str | None = None


class TreatmentEvent(msgspec.Struct, frozen=True, array_like=True):
    at: int
    issued: int
    id: str
    version: int
    system: str
    code: str
    action: str
    source: str | None = None


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    effective: int
    issued: int
    id: str
    version: int
    status: str
    code: str
    value: float | None = None
    text: str | None = None
    comparator: str | None = None
    unit: str | None = None
    sent: float | None = None
    source: str | None = None
    device: str | None = None


class Extremes(msgspec.Struct, frozen=True, array_like=True, gc=False):
    day: int
    low: float
    high: float
    source: str | None = None


class AlertMemory(msgspec.Struct, frozen=True, array_like=True):
    id: str
    sequence: int
    state: str
    level: int
    evidence: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    supported: int = 0
    held: str | None = None
    held_until: int = 0
    snoozed_until: int = 0
    quiet_until: int = 0
    quiet_level: int = -1
    feedback: tuple[str, ...] = ()
    severity: str = ""
    said: int = 0


class Stored(msgspec.Struct, array_like=True):
    format: int
    now: int
    series: dict[str, tuple[tuple[Entry, ...], tuple[Extremes, ...]]]
    events: tuple[StayEvent, ...]
    treatments: tuple[TreatmentEvent, ...]
    alerts: dict[str, AlertMemory]
    told: dict[str, int]
    absorbed: tuple[str, ...]
    handed: int
    heard: dict[str, int]


NOTES = (NoteEvent(1_000, 1_000, "n-1", 1, "final", "ab" * 16, {"cd" * 32: 0.5}),)
ANSWERS = {"crisis": Answer(3, 2, 1_000, "ab" * 32, 0.5), "other": Answer(1, 1, 1_000, "cd" * 32, None, "no-answer")}

#: How each release reads a stored record.
READERS = {"0.1.0": msgspec.msgpack.Decoder(Stored)}


@pytest.fixture(params=releases(), ids=lambda one: one.name)
def release(request: pytest.FixtureRequest) -> Release:
    """Every release that left something."""
    found: Release = request.param
    return found


@pytest.fixture
def stored(release: Release) -> list[bytes]:
    """The records that it stored."""
    return [value for _, key, value in release.changelog if not key.startswith(_OWN)]


def test_every_release_has_a_reader(release: Release):
    assert release.name in READERS


def test_a_stored_record_says_its_form(stored: list[bytes]):
    assert {msgspec.msgpack.decode(one)[0] for one in stored} == {2}


def test_the_stored_records_of_a_release_hold_all_that_a_record_can(stored: list[bytes]):
    records = [decode(one) for one in stored]
    for name in ("series", "events", "treatments", "alerts", "told", "absorbed", "handed", "heard"):
        assert any(getattr(one, name) for one in records), name
    every = [series for one in records for series in one.series.values()]
    assert any(series.days for series in every)
    assert any(memory.feedback for one in records for memory in one.alerts.values())


def test_a_record_of_an_earlier_release_is_read_whole(release: Release, stored: list[bytes]):
    reader = READERS[release.name]
    for one in stored:
        assert reader.decode(encode(decode(one))) == reader.decode(one)


def test_an_earlier_release_reads_what_this_one_added_as_if_it_were_not_there(release: Release, stored: list[bytes]):
    reader = READERS[release.name]
    for one in stored:
        record = replace(decode(one), subject="5f" * 16, sealed="v1.abc", answers=ANSWERS, notes=NOTES)
        assert encode(decode(encode(record))) == encode(record)
        assert reader.decode(encode(record)) == reader.decode(one)


def test_an_earlier_release_reads_an_alert_that_waits_with_a_role_and_forgets_the_role(
    release: Release, stored: list[bytes]
):
    reader = READERS[release.name]
    for one in stored:
        record = decode(one)
        escalations = (Escalation("on-call", record.now + 1), Escalation("nurse-in-charge", record.now + 2))
        alerts = {
            kind: msgspec.structs.replace(known, role="responsible", escalations=escalations)
            for kind, known in record.alerts.items()
        }
        waits = replace(record, alerts=alerts)
        assert decode(encode(waits)).alerts == alerts
        assert reader.decode(encode(waits)) == reader.decode(one)
        assert decode(msgspec.msgpack.encode(reader.decode(encode(waits)))).alerts == record.alerts


def test_a_record_that_an_earlier_release_wrote_again_has_lost_what_it_does_not_know(
    release: Release, stored: list[bytes]
):
    reader = READERS[release.name]
    record = replace(decode(stored[0]), subject="5f" * 16, sealed="v1.abc", answers=ANSWERS, notes=NOTES)
    again = decode(msgspec.msgpack.encode(reader.decode(encode(record))))
    assert encode(again) == encode(replace(record, subject=None, sealed=None, answers={}, notes=()))


def test_the_hash_under_which_the_audit_stands_is_no_record_to_any_release(release: Release):
    for value in (b"0 " + b"e" * 64, b"1771 " + b"0" * 64):
        with pytest.raises(msgspec.DecodeError):
            READERS[release.name].decode(value)
        with pytest.raises(ValueError, match="a stored record"):
            decode(value)


@pytest.mark.parametrize("form", [0, 1, FORMAT + 1, 2**40])
def test_a_form_of_another_release_is_refused_and_not_guessed(stored: list[bytes], form: int):
    for one in stored:
        other = msgspec.msgpack.encode([form, *msgspec.msgpack.decode(one)[1:]])
        with pytest.raises(ValueError, match=f"form {form}; this release reads {FORMAT}"):
            decode(other)


@pytest.mark.parametrize("fields", range(10))
def test_a_stored_record_that_ends_early_is_refused(stored: list[bytes], fields: int):
    for one in stored:
        with pytest.raises(ValueError, match="a stored record"):
            decode(msgspec.msgpack.encode(msgspec.msgpack.decode(one)[:fields]))


def test_the_record_of_nobody_is_read_by_every_release(release: Release):
    assert READERS[release.name].decode(encode(Record())) is not None
