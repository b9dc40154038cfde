"""What an event does to a patient's record. Nothing here reads a clock."""

from collections.abc import Mapping
from dataclasses import replace

from features.answer import Answer, input_of
from features.catalogue import Analyte, Catalogue, Refused
from features.encounter import StayEvent, fold
from features.events import WITHDRAWN, Encounter, Event, Handover, Note, Observation, RemoteScore, Tick, Treatment
from features.instants import DAY, MINUTE
from features.merge import absorb
from features.note import NoteEvent
from features.numeral import numeral
from features.record import ENCOUNTER, NOTE, TIME, TREATMENT, Applied, Record, add, at, expire, find, kept, move, settle
from features.series import KEPT_LONG, Entry
from features.treatment import TreatmentEvent
from features.versions import put

#: Nobody alive was born before this many days ago, so an older instant is a mistake.
_LONGEST_LIFE = 125 * 366 * DAY
_CORRECTED = WITHDRAWN | {"corrected", "amended"}
_TICKED = frozenset({TIME})


def apply(
    record: Record,
    event: Event,
    catalogue: Catalogue,
    max_skew: int = 10 * MINUTE,
    read: Mapping[str, float] | None = None,
) -> Applied:
    """The record after ``event``; ``read`` is what models made of a note, ``None`` where none reads notes.

    Raises:
        Refused: ``unknown-code``, ``unknown-unit``, ``implausible``, ``schema``, ``conflict``, ``too-old`` or
            ``unsupported``; the record stays as it was.
    """
    now = max(record.now, event.known)
    if isinstance(event, Observation):
        applied = _observe(record, event, now, catalogue, max_skew)
    elif isinstance(event, Encounter):
        applied = _encounter(record, event, now)
    elif isinstance(event, Treatment):
        applied = _treat(record, event, now)
    elif isinstance(event, RemoteScore):
        applied = _hear(record, event, now)
    elif isinstance(event, Note):
        applied = _note(record, event, now, read)
    elif isinstance(event, Handover):
        applied = absorb(record, event, now)
    else:
        ticked = isinstance(event, Tick) and now > record.now
        applied = Applied(at(record, now), _TICKED if ticked else frozenset())
    if event.sealed is not None and event.sealed != applied.record.sealed:
        applied = replace(applied, record=replace(applied.record, sealed=event.sealed))
    if now > applied.record.next_expiry:
        return replace(applied, record=expire(applied.record))
    return applied


def _observe(record: Record, event: Observation, now: int, catalogue: Catalogue, max_skew: int) -> Applied:
    analyte, entry = _read(event, catalogue)
    name = analyte.name
    if event.effective > event.issued + max_skew:
        raise Refused("implausible", "effective lies after issued")
    if event.effective < now - _LONGEST_LIFE:
        raise Refused("implausible", "effective lies before anyone alive was born")
    found = find(record, event.id)
    if found is None:
        # A door's versions are times, so they do not tell a correction.
        correction = entry.status in _CORRECTED or (entry.version > 1 and event.origin is None)
        if entry.effective < now - (kept(name) if correction else KEPT_LONG):
            raise Refused("too-old", "the observation lies before what is kept: it can be neither added nor corrected")
        return add(record, name, entry, now)
    home, known = found
    if entry.version > known.version:
        return move(record, home, known, name, entry, now)
    if entry.version < known.version:
        return Applied(at(record, now))
    if home != name or entry.content != known.content:
        raise Refused("conflict", "the same version of this observation came with another content")
    return Applied(settle(record, name, known, entry, now))


def _read(event: Observation, catalogue: Catalogue) -> tuple[Analyte, Entry]:
    """The observation in canonical code and unit."""
    system, code = event.code.system, event.code.code
    analyte = catalogue.analyte_for(system, code)
    sent, comparator = event.value, event.comparator
    value: float | None = None
    text: str | None = None
    if event.status in WITHDRAWN or event.status == "registered":
        sent = None
    elif sent is None and analyte.kind == "text":
        text = catalogue.canonical_text(analyte, event.text or "")
    else:
        if sent is None:
            sent, comparator = numeral(event.text or "")
        _, value = catalogue.canonical(system, code, sent, event.unit)
    entry = Entry(
        effective=event.effective,
        issued=event.issued,
        id=event.id,
        version=event.version,
        status=event.status,
        code=code,
        value=value,
        text=text,
        comparator=comparator,
        unit=event.unit,
        sent=sent if sent != value else None,
        device=event.device,
    )
    return analyte, entry


def _encounter(record: Record, event: Encounter, now: int) -> Applied:
    if event.into is not None and event.into in record.absorbed:
        raise Refused("conflict", "the patient named in into was merged into this one: unmerge that first")
    events = put(record.events, StayEvent.of(event))
    if events is record.events:
        return Applied(at(record, now))
    return Applied(replace(record, now=now, events=events, stay=fold(events)), frozenset({ENCOUNTER}))


def _treat(record: Record, event: Treatment, now: int) -> Applied:
    treatments = put(record.treatments, TreatmentEvent.of(event))
    if treatments is record.treatments:
        return Applied(at(record, now))
    return Applied(replace(record, now=now, treatments=treatments), frozenset({TREATMENT}))


def _note(record: Record, event: Note, now: int, read: Mapping[str, float] | None) -> Applied:
    if read is None:
        raise Refused("unsupported", "no model in use reads notes")
    notes = put(record.notes, NoteEvent.of(event, read))
    if notes is record.notes:
        return Applied(at(record, now))
    return Applied(replace(record, now=now, notes=notes), frozenset({NOTE}))


def _hear(record: Record, event: RemoteScore, now: int) -> Applied:
    name = event.model.name
    known = record.answers.get(name, Answer())
    answer = known.then(event)
    if answer is known:
        return Applied(at(record, now))
    return Applied(replace(record, now=now, answers={**record.answers, name: answer}), frozenset({input_of(name)}))
