"""Two identifiers that are one person: what a merged patient hands over, and what the other makes of it.

Each observation, encounter record and treatment has an id and a version, so a history joins another as a union: the
higher version stands, and neither order nor repetition leaves a trace. A merged patient keeps its own record and goes
on handing over what comes for it. What was handed over says from whom, so that an unmerge can take it back.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import replace
from typing import TypeVar

import msgspec

from features.catalogue import Refused
from features.encounter import StayEvent, fold
from features.events import Handover
from features.note import NoteEvent
from features.record import (
    ENCOUNTER,
    NOTE,
    TREATMENT,
    Applied,
    Record,
    add,
    at,
    decode,
    encode,
    find,
    move,
    settle,
    with_series,
)
from features.series import Entry, Extremes, Series, join
from features.treatment import TreatmentEvent
from features.versions import put

#: Observations in one handover: even with the longest ids it stays below the default of VAGT_MAX_EVENT_BYTES.
_MOST_ENTRIES = 500

_Sourced = TypeVar("_Sourced", Entry, Extremes, StayEvent, TreatmentEvent, NoteEvent)
_Kept = TypeVar("_Kept", StayEvent, TreatmentEvent, NoteEvent)


def news(before: Record, after: Record) -> Record:
    """What ``after`` has and ``before`` has not: the part of a record that is still to be handed over."""
    series = {}
    for name, one in after.series.items():
        was = before.series.get(name, _NOTHING)
        entries = tuple(entry for entry in one.entries if was.find(entry.id) != entry) if was is not one else ()
        days = one.days if was.days != one.days else ()
        if entries or days:
            series[name] = Series(entries, days)
    return Record(
        now=after.now,
        series=series,
        events=tuple(one for one in after.events if one not in before.events and one.action not in _OWN),
        treatments=tuple(one for one in after.treatments if one not in before.treatments),
        notes=tuple(one for one in after.notes if one not in before.notes),
    )


def packed(record: Record) -> Iterator[str]:
    """A record as the states of as many handovers as it needs; the first has all but most of the observations."""
    rest = [(name, entry) for name, one in record.series.items() for entry in one.entries]
    head = replace(record, series={name: Series((), one.days) for name, one in record.series.items()})
    for start in range(0, max(len(rest), 1), _MOST_ENTRIES):
        series = dict(head.series)
        for name, entry in rest[start : start + _MOST_ENTRIES]:
            known = series.get(name, _NOTHING)
            series[name] = Series((*known.entries, entry), known.days)
        yield b64encode(encode(replace(head, series=series))).decode()
        head = Record(now=record.now)


def absorb(record: Record, handover: Handover, now: int) -> Applied:
    """The record with what another patient hands over, or without what is taken back; a repeated one changes nothing.

    Raises:
        Refused: ``schema``, the state is no stored record.
    """
    source = handover.path[0]
    if handover.version <= record.heard.get(source, 0):
        return Applied(at(record, now))
    heard = {**record.heard, source: handover.version}
    if handover.state is None:
        return _without(replace(record, heard=heard), frozenset(handover.taken_back), now)
    try:
        state = decode(b64decode(handover.state, validate=True))
    except ValueError:
        raise Refused("schema", "state: must be a stored record in base64") from None
    joined = _with_observations(_standing(record, handover), state, source, now)
    events = _union(joined.record.events, state.events, source)
    treatments = _union(record.treatments, state.treatments, source)
    notes = _union(record.notes, state.notes, source)
    changed = {
        *joined.changed,
        *([ENCOUNTER] if events != record.events else []),
        *([TREATMENT] if treatments != record.treatments else []),
        *([NOTE] if notes != record.notes else []),
    }
    told = {name: max(instant, record.told.get(name, instant)) for name, instant in state.told.items()}
    record = replace(
        at(joined.record, now),
        events=events,
        stay=fold(events),
        treatments=treatments,
        notes=notes,
        told={**record.told, **told},
        answers={**record.answers, **state.answers},
        absorbed=tuple(sorted({*record.absorbed, *handover.path} - {handover.patient})),
        heard=heard,
    )
    return Applied(record, frozenset(changed), joined.replaced, state.alerts)


def _with_observations(record: Record, state: Record, source: str, now: int) -> Applied:
    """The record with the observations that are handed over."""
    changed: set[str] = set()
    replaced: set[str] = set()
    for name, one in state.series.items():
        for entry in _from(source, one.entries):
            found = find(record, entry.id)
            if found is None:
                applied = add(record, name, entry, now)
            elif entry.version > found[1].version:
                applied = move(record, *found, name, entry, now)
            elif entry.version == found[1].version and entry.content == found[1].content:
                applied = Applied(settle(record, *found, entry, now))
            else:
                continue
            record = applied.record
            changed |= applied.changed
            replaced |= applied.replaced
        if one.days:
            known = record.series.get(name, _NOTHING)
            joined = known.with_days(join(known.days, _from(source, one.days)))
            changed |= {name} if joined.days != known.days else set()
            record = with_series(record, {name: joined}, now)
    return Applied(record, frozenset(changed), frozenset(replaced))


def _from(source: str, handed: tuple[_Sourced, ...]) -> tuple[_Sourced, ...]:
    """What is handed over, as from the patient whose it was first."""
    return tuple(msgspec.structs.replace(one, source=one.source or source) for one in handed)


def _standing(record: Record, handover: Handover) -> Record:
    """Of two patients that were merged into each other at the same time, the one whose identifier is less stands."""
    into = record.stay.into
    if into is None or into not in handover.path or into < handover.patient:
        return record
    events = tuple(
        msgspec.structs.replace(one, action="cancel") if one.action == "merge" and one.source is None else one
        for one in record.events
    )
    return replace(record, events=events, stay=fold(events))


def _without(record: Record, whose: frozenset[str], now: int) -> Applied:
    """Without what came from these patients."""
    changed, replaced = {}, set[str]()
    for name, one in record.series.items():
        entries = tuple(entry for entry in one.entries if entry.source not in whose)
        days = tuple(day for day in one.days if day.source not in whose)
        if len(entries) < len(one.entries) or len(days) < len(one.days):
            changed[name] = Series(entries, days)
            replaced |= {entry.id for entry in one.entries if entry.source in whose}
    events = tuple(one for one in record.events if one.source not in whose)
    record = replace(
        with_series(record, changed, now),
        events=events,
        stay=fold(events),
        treatments=tuple(one for one in record.treatments if one.source not in whose),
        notes=tuple(one for one in record.notes if one.source not in whose),
        absorbed=tuple(one for one in record.absorbed if one not in whose),
    )
    return Applied(record, frozenset({*changed, ENCOUNTER, TREATMENT, NOTE}), frozenset(replaced))


def _union(ours: tuple[_Kept, ...], theirs: tuple[_Kept, ...], source: str) -> tuple[_Kept, ...]:
    """Both, in order; where the same version says two things, ours stays."""
    for one in _from(source, theirs):
        try:
            ours = put(ours, one)
        except Refused:
            continue
    return ours


_NOTHING = Series()
#: What stays with the patient: whom it was merged into.
_OWN = frozenset({"merge", "unmerge"})
