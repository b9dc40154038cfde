"""Decisions across switches of models are computed again to the bit, from wherever the log still begins."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from features.record import Record
from models.outputs import ModelRef
from models.roster import NEW, Roster
from models.shelf import Shelf
from models.step import Decider
from streams import audit, release
from streams.audit import Link
from streams.deadletter import Source
from streams.judge import CONTROL_KEY, Judged, judge
from streams.rejudge import Comparison, Past, Span, compare_all
from streams.speech import spoken
from streams.terms import Terms
from tests.builders import CODES, LOINC, at, moment, observation_item
from tests.plugins import manifest, new_shelf, put

TERMS = Terms(1, True, 1 << 20, 10**15, "region_sjaelland", False)
HOURS = 12


@pytest.fixture
def shelf(tmp_path, monkeypatch) -> Shelf:
    """Two versions of a model of the deployment's own: the first raises an alert late, the second soon."""
    monkeypatch.setitem(CODES, "lactate", (LOINC, "2524-7", "mmol/L"))
    own, key = new_shelf(tmp_path)
    put(tmp_path / "models" / "1", manifest(bands={"raised": 0.98, "high": 0.99, "clear_below": 0.9}), key=key)
    put(tmp_path / "models" / "2", manifest(version="2.0.0"), key=key)
    return own


def control(number: int, action: str, of: ModelRef | None = None, **fields) -> Any:
    model = {} if of is None else {"model": {"name": of.name, "version": of.version, "sha256": of.sha256}}
    common = {"type": "control", "id": f"c-{number}", "by": "doctor", "why": "because", "at": at(number)}
    return {**common, "action": action, **model, **fields}


def log(partition: int, controls: dict[int, Any]) -> list[Source]:
    """A patient's hours on a partition, and before those hours control records."""
    patient = f"p-{partition}"
    admitted = {"type": "encounter", "id": "e", "action": "admit", "patient": patient, "unitType": "ward"}
    found: list[tuple[bytes, Any]] = [
        (patient.encode(), {**admitted, "birthDate": "1951-05-02", "at": at(0), "issued": at(0)})
    ]
    for hour in range(1, HOURS + 1):
        if hour in controls:
            found.append((CONTROL_KEY, controls[hour]))
        signs = [("lactate", 1.0 + hour % 5), ("heart_rate", 80.0 + 10 * (hour % 6))]
        found.append((patient.encode(), [{**observation_item(*one, hour), "patient": patient} for one in signs]))
    return [
        Source("events", partition, offset, moment(0), key, orjson.dumps(value), ())
        for offset, (key, value) in enumerate(found)
    ]


def decided(decider: Decider, events: list[Source], roster: Roster = NEW) -> tuple[list[bytes], list[Judged]]:
    """The audit of a partition, a record for each entry, and what was judged."""
    description = release.describe(TERMS, decider)
    link, values, judgements = Link.first(events[0].partition), list[bytes](), list[Judged]()
    patients: dict[str, Record] = {}
    for number, source in enumerate(events, 1):
        own = replace(decider, roster=roster)
        judged = judge(TERMS, own, source, lambda one: patients.get(one, Record()), lambda: "x")
        if judged.patient is not None and judged.record is not None:
            patients[judged.patient] = judged.record
        said = spoken(judged).digest
        before, (link, line) = (
            link,
            link.then(audit.body(number, source, judged, release.digest(description), said, own.roster_digest)),
        )
        values += audit.pack(source.partition, description, before, [line])
        judgements.append(judged)
        roster = roster if judged.change is None else judged.change.roster
    return values, judgements


def compared(shelf: Shelf, *pasts: tuple[list[bytes], list[Source]]) -> list[Comparison]:
    found = compare_all(TERMS, {at: Past(*one) for at, one in enumerate(pasts)}, Span(), shelf)
    return [one for _, one in sorted(found)]


def switches(decider: Decider) -> dict[int, Any]:
    _, new = (one.model for one in decider.loaded if one.kind == "crisis-risk")
    return {
        2: control(2, "shadow", new),
        4: control(4, "promote", new),
        6: control(6, "stop", kind="crisis-risk"),
        7: control(7, "promote", ModelRef("nobody", "1", "0")),
        8: control(8, "resume", kind="crisis-risk"),
        10: control(10, "rollback", new),
    }


@pytest.mark.req("VAGT-MOD-12")
def test_decisions_across_every_switch_are_computed_again_to_the_bit(shelf):
    decider = TERMS.decider(shelf)
    events = log(0, switches(decider))
    audited, judged = decided(decider, events)
    [found] = compared(shelf, (audited, events))
    assert (found.identical, found.differing, found.flaws) == (len(events), [], [])

    crisis = [[(one.model.version, one.shadow) for one in turn.scores if one.kind == "crisis-risk"] for turn in judged]
    heard = {str(versions) for versions in crisis if versions}
    assert heard == {
        "[('1.0.0', False)]",
        "[('1.0.0', False), ('2.0.0', True)]",
        "[('2.0.0', False)]",
    }
    assert [reason.reason for turn in judged for _, reason in turn.refusals] == ["unknown-model"]
    told = [(one.state, one.score.model.version if one.score else None) for turn in judged for one in turn.alerts]
    assert ("raised", "2.0.0") in told
    assert ("expired", None) in told


@pytest.mark.req("VAGT-MOD-12")
def test_each_entry_after_a_switch_names_its_roster_and_that_of_a_switch_has_it_whole(shelf):
    decider = TERMS.decider(shelf)
    events = log(0, switches(decider))
    audited, judged = decided(decider, events)
    entries = [one.fields for one in audit.unpack(audited) if isinstance(one, audit.Entry)]
    roster = ""
    for fields, turn in zip(entries, judged, strict=True):
        assert fields.get("roster", "") == roster
        assert ("change" in fields) == (turn.change is not None)
        if turn.change is not None:
            assert (fields["change"]["by"], fields["change"]["why"]) == ("doctor", "because")
            roster = turn.change.roster.digest() if turn.change.roster != NEW else ""
    assert roster == ""


def test_without_control_records_an_entry_is_as_it_was_before_there_were_rosters(shelf):
    audited, _ = decided(TERMS.decider(shelf), log(0, {}))
    for entry in audit.unpack(audited):
        assert isinstance(entry, audit.Entry)
        assert entry.fields.keys().isdisjoint({"roster", "change"})


def test_a_log_that_begins_after_a_switch_takes_the_roster_from_the_audit(shelf):
    decider = TERMS.decider(shelf)
    events = log(0, switches(decider))
    audited, _ = decided(decider, events)
    cut = next(at for at, one in enumerate(events) if b'"promote"' in (one.value or b"")) + 1
    [found] = compared(shelf, (audited, events[cut:]))
    controls = [one for one in events[cut:] if one.key == CONTROL_KEY]
    assert (found.differing, found.flaws) == ([], [])
    assert found.identical == len(controls), "the patient's history began before"
    assert found.unreachable == len(events) - len(controls)


def test_where_the_audit_forgot_the_roster_too_decisions_are_counted_as_unreachable(shelf):
    decider = TERMS.decider(shelf)
    events = log(0, {})
    new = [one.model for one in decider.loaded if one.kind == "crisis-risk"][-1]
    audited, _ = decided(decider, events, Roster(promoted={"crisis-risk": (new,)}))
    [found] = compared(shelf, (audited, events))
    assert (found.identical, found.differing, found.unreachable) == (0, [], len(events))


def test_partitions_change_each_by_itself_whatever_the_order_in_which_they_are_compared(shelf):
    decider = TERMS.decider(shelf)
    early = switches(decider)
    late = {hour + 1: one for hour, one in early.items()}
    logs = [log(0, early), log(1, late)]
    pasts = [(decided(decider, one)[0], one) for one in logs]
    for order in (pasts, pasts[::-1]):
        found = compared(shelf, *order)
        assert [one.differing for one in found] == [[], []]
    last = [decided(decider, one)[1] for one in logs]
    changes = [[one.change.roster for one in turns if one.change] for turns in last]
    assert changes[0] == changes[1]


@pytest.mark.req("VAGT-MOD-12")
def test_a_switch_that_was_not_followed_as_the_log_has_it_shows(shelf):
    decider = TERMS.decider(shelf)
    events = log(0, switches(decider))
    audited, _ = decided(decider, events)
    at = next(one.offset for one in events if b'"promote"' in (one.value or b""))
    events[at] = replace(events[at], value=(events[at].value or b"").replace(b'"promote"', b'"retire"'))
    [found] = compared(shelf, (audited, events))
    assert found.differing[0][1] == at
