"""The patient's record: what is known about one patient at an instant.

A record is never changed: ``apply`` gives the next one. Nothing here reads a clock; a patient's now is the
greatest instant at which anything in the record became known.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import msgspec

from features.catalogue import Analyte, Catalogue, Refused
from features.encounter import Stay, StayEvent, fold
from features.events import WITHDRAWN, Encounter, Event, Observation
from features.instants import DAY, MINUTE
from features.series import KEPT, KEPT_LONG, LONG_LIVED, Entry, Extremes, Series, widen

#: The version of the encoded form.
FORMAT = 1
#: What an input that is no analyte is called when it changes.
ENCOUNTER = "encounter"
TIME = "time"
#: Nobody alive was born before this many days ago, so an older instant is a mistake.
_LONGEST_LIFE = 125 * 366 * DAY
_NEVER = 2**62
_NO_STAY = Stay()


class OpenAlert(msgspec.Struct, frozen=True, array_like=True):
    """What was last said of an open alert. ``level`` counts the policy's levels from 0, the mildest."""

    id: str
    sequence: int
    level: int
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """One patient: observations by analyte, the events of the stay, and the alerts that are open, by kind."""

    now: int = 0
    series: Mapping[str, Series] = field(default_factory=dict)
    events: tuple[StayEvent, ...] = ()
    stay: Stay = _NO_STAY
    alerts: Mapping[str, OpenAlert] = field(default_factory=dict)
    #: Nothing is to leave up to this instant; spares the search on every event.
    next_expiry: int = _NEVER


@dataclass(frozen=True, slots=True)
class Applied:
    """The next record, which inputs changed, and the observations that were replaced or withdrawn (by id)."""

    record: Record
    changed: frozenset[str] = frozenset()
    replaced: frozenset[str] = frozenset()


_NO_SERIES = Series()
_CORRECTED = WITHDRAWN | {"corrected", "amended"}
_TICKED = frozenset({TIME})


def apply(record: Record, event: Event, catalogue: Catalogue, max_skew: int = 10 * MINUTE) -> Applied:
    """The record after ``event``.

    Raises:
        Refused: ``unknown-code``, ``unknown-unit``, ``implausible``, ``schema``, ``conflict``, ``too-old`` or
            ``unsupported``; the record stays as it was.
    """
    now = max(record.now, event.known)
    if isinstance(event, Observation):
        applied = _observe(record, event, now, catalogue, max_skew)
    elif isinstance(event, Encounter):
        applied = _encounter(record, event, now)
    else:
        applied = Applied(_at(record, now), _TICKED if now > record.now else frozenset())
    if now > applied.record.next_expiry:
        return replace(applied, record=_expire(applied.record))
    return applied


def _observe(record: Record, event: Observation, now: int, catalogue: Catalogue, max_skew: int) -> Applied:
    analyte, entry = _read(event, catalogue)
    name = analyte.name
    if event.effective > event.issued + max_skew:
        raise Refused("implausible", "effective lies after issued")
    if event.effective < now - _LONGEST_LIFE:
        raise Refused("implausible", "effective lies before anyone alive was born")
    found = _find(record, event.id)
    if found is None:
        return _first(record, name, entry, now, from_door=event.origin is not None)
    home, known = found
    if entry.version < known.version:
        return Applied(_at(record, now))
    if entry.version == known.version:
        if home != name or entry.content != known.content:
            raise Refused("conflict", "the same version of this observation came with another content")
        return Applied(_at(record, now))
    if home == name:
        changed = {home: record.series[home].put(entry, known)}
    else:
        changed = {
            home: record.series[home].without(known),
            name: record.series.get(name, _NO_SERIES).put(entry, None),
        }
    return Applied(_with(record, changed, now), frozenset(changed), frozenset({event.id}))


def _first(record: Record, name: str, entry: Entry, now: int, *, from_door: bool) -> Applied:
    """An observation of which no version is kept. A door's versions are times, so they do not tell a correction."""
    series = record.series.get(name, _NO_SERIES)
    if entry.effective >= now - kept(name):
        return Applied(_with(record, {name: series.put(entry, None)}, now), frozenset({name}))
    correction = entry.status in _CORRECTED or (entry.version > 1 and not from_door)
    if correction or entry.effective < now - KEPT_LONG:
        raise Refused("too-old", "the observation lies before what is kept: it can be neither added nor corrected")
    widened = Series(series.entries, widen(series.extremes, [entry]))
    if widened.extremes == series.extremes:
        return Applied(_at(record, now))
    return Applied(_with(record, {name: widened}, now), frozenset({name}))


def kept(analyte: str) -> int:
    """How long every observation of an analyte is kept, in milliseconds."""
    return KEPT_LONG if analyte in LONG_LIVED else KEPT


def _read(event: Observation, catalogue: Catalogue) -> tuple[Analyte, Entry]:
    """The observation in canonical code and unit."""
    system, code = event.code.system, event.code.code
    value: float | None = None
    text: str | None = None
    if event.status in WITHDRAWN or event.status == "registered":
        analyte = catalogue.analyte_for(system, code)
    elif event.value is not None:
        analyte, value = catalogue.canonical(system, code, event.value, event.unit)
    else:
        analyte = catalogue.analyte_for(system, code)
        text = catalogue.canonical_text(analyte, event.text or "")
    entry = Entry(
        effective=event.effective,
        issued=event.issued,
        id=event.id,
        version=event.version,
        status=event.status,
        code=code,
        value=value,
        text=text,
        comparator=event.comparator,
        unit=event.unit,
        sent=event.value if event.value != value else None,
    )
    return analyte, entry


def _find(record: Record, observation: str) -> tuple[str, Entry] | None:
    """Where an observation is kept: a correction may have given it another code."""
    for name, series in record.series.items():
        entry = series.by_id.get(observation)
        if entry is not None:
            return name, entry
    return None


def _encounter(record: Record, event: Encounter, now: int) -> Applied:
    if event.action in {"merge", "unmerge"}:
        raise Refused("unsupported", f"this release does not act on the action {event.action}")
    entry = StayEvent.of(event)
    known = next((other for other in record.events if other.id == entry.id), None)
    if known is not None and entry.version < known.version:
        return Applied(_at(record, now))
    if known is not None and entry.version == known.version:
        if entry != known:
            raise Refused("conflict", "the same version of this encounter record came with another content")
        return Applied(_at(record, now))
    events = tuple(sorted((*(e for e in record.events if e is not known), entry), key=StayEvent.order))
    return Applied(replace(record, now=now, events=events, stay=fold(events)), frozenset({ENCOUNTER}))


def _at(record: Record, now: int) -> Record:
    return record if now == record.now else replace(record, now=now)


def _with(record: Record, changed: Mapping[str, Series], now: int) -> Record:
    # Each observation comes through here: the constructor is several times as quick as replace().
    return Record(
        now,
        {**record.series, **changed},
        record.events,
        record.stay,
        record.alerts,
        min(record.next_expiry, _next_expiry(changed)),
    )


def _next_expiry(series: Mapping[str, Series]) -> int:
    """The last instant at which everything in these series is still kept."""
    ends = [_NEVER]
    for name, one in series.items():
        if one.entries:
            ends.append(one.entries[0].effective + kept(name))
        if one.extremes:
            ends.append((one.extremes[0].day + 1) * DAY + KEPT_LONG - 1)
    return min(ends)


def _expire(record: Record) -> Record:
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
    alerts: dict[str, OpenAlert]


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(_Stored)


def encode(record: Record) -> bytes:
    """The record as it is stored: MessagePack, its first field the version of the form."""
    series = {name: (one.entries, one.extremes) for name, one in record.series.items()}
    return _ENCODER.encode(_Stored(FORMAT, record.now, series, record.events, dict(record.alerts)))


def decode(stored: bytes) -> Record:
    """The record of its stored form.

    Raises:
        ValueError: it was stored in a form that this release does not read, or is damaged.
    """
    try:
        form = _DECODER.decode(stored)
    except msgspec.DecodeError as error:
        raise ValueError(f"a stored record cannot be read: {error}") from None
    if form.format != FORMAT:
        raise ValueError(f"a stored record has form {form.format}; this release reads {FORMAT}")
    series = {name: Series(entries, extremes) for name, (entries, extremes) in form.series.items()}
    return Record(
        now=form.now,
        series=series,
        events=form.events,
        stay=fold(form.events),
        alerts=form.alerts,
        next_expiry=_next_expiry(series),
    )
