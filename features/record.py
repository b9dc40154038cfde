"""The patient's record: what is known about one patient at an instant.

A record is never changed: ``features.apply`` gives the next one. A patient's now is the greatest instant at which
anything in the record became known.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import msgspec

from features.alert import AlertMemory
from features.answer import Answer
from features.encounter import Stay, StayEvent, fold
from features.instants import DAY
from features.note import NoteEvent
from features.series import KEPT, KEPT_LONG, LONG_LIVED, Entry, Extremes, Series, widen, within_bounds
from features.treatment import TreatmentEvent
from features.versions import earliest

#: The version of the encoded form.
FORMAT = 2
#: What an input that is no analyte is called when it changes.
ENCOUNTER = "encounter"
TREATMENT = "treatment"
NOTE = "note"
TIME = "time"
_NEVER = 2**62
_NO_STAY = Stay()
_NO_SERIES = Series()


@dataclass(frozen=True, slots=True)
class Record:
    """One patient: observations by analyte, the events of the stay, treatments, and what was said of alerts.

    ``alerts`` has the newest of each kind, ended ones too while these still matter; ``told`` has for each finding of an
    alert (``kind/finding``) when it was last told.
    """

    now: int = 0
    series: Mapping[str, Series] = field(default_factory=dict)
    events: tuple[StayEvent, ...] = ()
    stay: Stay = _NO_STAY
    treatments: tuple[TreatmentEvent, ...] = ()
    alerts: Mapping[str, AlertMemory] = field(default_factory=dict)
    told: Mapping[str, int] = field(default_factory=dict)
    #: The patients that were merged into this one, directly or not.
    absorbed: tuple[str, ...] = ()
    #: The number of the last handover to another patient, and of the last one heard from each.
    handed: int = 0
    heard: Mapping[str, int] = field(default_factory=dict)
    #: The random name under which the audit speaks of this patient.
    subject: str | None = None
    #: The patient's identifier, sealed, where the record is kept under a pseudonym.
    sealed: str | None = None
    #: What was read of notes, in order.
    notes: tuple[NoteEvent, ...] = ()
    #: By model, what those that run elsewhere were asked and answered.
    answers: Mapping[str, Answer] = field(default_factory=dict)
    #: Nothing is to leave up to this instant; spares the search on every event.
    next_expiry: int = _NEVER


@dataclass(frozen=True, slots=True)
class Applied:
    """The next record, which inputs changed, and the observations that no longer say what they said (by id).

    ``adopted`` are the alerts of a patient who was merged into this one, by kind.
    """

    record: Record
    changed: frozenset[str] = frozenset()
    replaced: frozenset[str] = frozenset()
    adopted: Mapping[str, AlertMemory] = field(default_factory=dict)


def kept(analyte: str) -> int:
    """How long every observation of an analyte is kept, in milliseconds."""
    return KEPT_LONG if analyte in LONG_LIVED else KEPT


def find(record: Record, observation: str) -> tuple[str, Entry] | None:
    """Where an observation is kept: a correction may have given it another code."""
    for name, series in record.series.items():
        entry = series.find(observation)
        if entry is not None:
            return name, entry
    return None


def add(record: Record, name: str, entry: Entry, now: int) -> Applied:
    """With an observation that was not kept before; one that is too old to be kept whole widens its day's extremes."""
    series = record.series.get(name, _NO_SERIES)
    if entry.effective >= now - kept(name):
        return Applied(with_series(record, {name: series.put(entry, None)}, now), frozenset({name}))
    days = widen(series.days, [entry])
    if days == series.days:
        return Applied(at(record, now))
    return Applied(with_series(record, {name: series.with_days(days)}, now), frozenset({name}))


def move(record: Record, home: str, known: Entry, name: str, entry: Entry, now: int) -> Applied:
    """With ``entry`` in place of the lower version of it, which may have had another code."""
    if home == name:
        changed = {home: record.series[home].put(entry, known)}
    else:
        changed = {
            home: record.series[home].without(known),
            name: record.series.get(name, _NO_SERIES).put(entry, None),
        }
    replaced = frozenset() if home == name and entry.result == known.result else frozenset({entry.id})
    return Applied(with_series(record, changed, now), frozenset(changed), replaced)


def settle(record: Record, name: str, known: Entry, entry: Entry, now: int) -> Record:
    """With an observation that came again and is alike: nothing that was concluded from it changes."""
    stands = earliest(known, entry)
    return (
        at(record, now) if stands == known else with_series(record, {name: record.series[name].put(stands, known)}, now)
    )


def at(record: Record, now: int) -> Record:
    """The record when time has come to ``now``."""
    return record if now == record.now else replace(record, now=now)


def with_series(record: Record, changed: Mapping[str, Series], now: int) -> Record:
    """The record with these series in place of its own of the same names."""
    # Each observation comes through here: the constructor is several times as quick as replace().
    return Record(
        now,
        within_bounds({**record.series, **changed}),
        record.events,
        record.stay,
        record.treatments,
        record.alerts,
        record.told,
        record.absorbed,
        record.handed,
        record.heard,
        record.subject,
        record.sealed,
        record.notes,
        record.answers,
        min(record.next_expiry, _next_expiry(changed)),
    )


def _next_expiry(series: Mapping[str, Series]) -> int:
    """The last instant at which everything in these series is still kept."""
    ends = [_NEVER]
    for name, one in series.items():
        if one.oldest is not None:
            ends.append(one.oldest.effective + kept(name))
        if one.days:
            ends.append((one.days[0].day + 1) * DAY + KEPT_LONG - 1)
    return min(ends)


def expire(record: Record) -> Record:
    """What is older than is kept becomes daily extremes, and extremes go in their turn."""
    last_day = (record.now - KEPT_LONG) // DAY
    series = {
        name: one.expire(record.now - kept(name)).drop_days_before(last_day) for name, one in record.series.items()
    }
    return replace(record, series=series, next_expiry=_next_expiry(series))


class _Stored(msgspec.Struct, array_like=True):
    """The encoded form of a record."""

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
    #: What was added later stands last and may be left out: a release before it reads the form all the same.
    subject: str | None = None
    sealed: str | None = None
    answers: dict[str, Answer] = {}
    notes: tuple[NoteEvent, ...] = ()


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(_Stored)


def encode(record: Record) -> bytes:
    """The record as it is stored: MessagePack, its first field the version of the form."""
    series = {name: (one.entries, one.days) for name, one in record.series.items()}
    return _ENCODER.encode(
        _Stored(
            FORMAT,
            record.now,
            series,
            record.events,
            record.treatments,
            dict(record.alerts),
            dict(record.told),
            record.absorbed,
            record.handed,
            dict(record.heard),
            record.subject,
            record.sealed,
            dict(record.answers),
            record.notes,
        )
    )


def decode(stored: bytes) -> Record:
    """The record of its stored form.

    Raises:
        ValueError: it was stored in a form that this release does not read, or is damaged.
    """
    try:
        form = _DECODER.decode(stored)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(_why_not(stored, error)) from None
    if form.format != FORMAT:
        raise ValueError(_other_form(form.format))
    series = {name: Series(entries, days) for name, (entries, days) in form.series.items()}
    return Record(
        now=form.now,
        series=series,
        events=form.events,
        stay=fold(form.events),
        treatments=form.treatments,
        alerts=form.alerts,
        told=form.told,
        absorbed=form.absorbed,
        handed=form.handed,
        heard=form.heard,
        subject=form.subject,
        sealed=form.sealed,
        answers=form.answers,
        notes=form.notes,
        next_expiry=_next_expiry(series),
    )


class _Form(msgspec.Struct, array_like=True):
    format: int


def _why_not(stored: bytes, error: Exception) -> str:
    try:
        form = msgspec.msgpack.decode(stored, type=_Form).format
    except (msgspec.DecodeError, RecursionError):
        form = FORMAT
    return f"a stored record cannot be read: {error}" if form == FORMAT else _other_form(form)


def _other_form(form: int) -> str:
    return f"a stored record has form {form}; this release reads {FORMAT}"
