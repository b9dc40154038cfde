"""One analyte of one patient: its observations in time order, and the daily extremes of those not kept.

A series is never changed: what happens to it gives a new one. Entries lie in the order of (effective, issued,
id), so the order in which they arrived leaves no trace.
"""

from array import array
from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping
from functools import cached_property
from operator import attrgetter
from typing import NamedTuple

import msgspec

from features.instants import DAY, HOUR

#: Everything is kept this long, by its age at the patient's now.
KEPT = 72 * HOUR
#: What some rules look back on for longer, and all daily extremes.
KEPT_LONG = 400 * DAY
LONG_LIVED = frozenset({"creatinine"})
#: One a minute for 72 hours: beyond it the oldest become daily extremes early, so that all stays bounded.
MOST_ENTRIES = 72 * 60
#: Of one patient, all analytes together: ten signs a minute for 72 hours. Beyond it the largest series gives up its
#: oldest early. A record is written whole at each checkpoint, so a greater one would hold up other patients.
MOST_BYTES = 4 * 1024 * 1024


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An observation as it now stands.

    ``value`` is canonical, ``unit`` as it came, ``sent`` the value in that unit where it differs.
    """

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
    #: The merged patient that handed it over, ``None`` for the patient's own.
    source: str | None = None
    device: str | None = None

    @property
    def result(self) -> tuple[object, ...]:
        """What a conclusion may rest on: a new version that leaves it as it was corrects nothing."""
        return (self.effective, self.code, self.value, self.text, self.comparator)

    @property
    def size(self) -> int:
        """The bytes of its stored form, about."""
        named = len(self.id) + len(self.source or "") + len(self.device or "") + len(self.text or "")
        # Four times the letters is the most that they can be; nobody who keeps to plain ones pays for it.
        return _ENTRY_BYTES + (named if self._is_plain() else 4 * named)

    def _is_plain(self) -> bool:
        return (
            self.id.isascii()
            and (self.source is None or self.source.isascii())
            and (self.device is None or self.device.isascii())
            and (self.text is None or self.text.isascii())
        )

    @property
    def content(self) -> tuple[object, ...]:
        """What may not change without a new version."""
        value = self.value if self.sent is None else self.sent
        return (self.effective, self.status, self.code, value, self.unit, self.text, self.comparator)


class Extremes(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The least and the greatest value of a day (UTC) of which nothing else is kept."""

    day: int
    low: float
    high: float
    #: The merged patient whose values they were, ``None`` for the patient's own.
    source: str | None = None


#: An entry without its names, and a day's extremes, as stored.
_ENTRY_BYTES = 60
_DAY_BYTES = 40

_ORDER = attrgetter("effective", "issued", "id")
_EFFECTIVE = attrgetter("effective")
_DAY = attrgetter("day")


class Summary(NamedTuple):
    """What was worked out of a series, and holds from ``since`` to before ``until``; ``newest`` is its last instant.

    Instants in ms; ``newest`` is ``None`` where no value counts.
    """

    since: int
    until: int
    newest: int | None
    numbers: "array[float]"


class Series:
    """Entries in order, and the extremes of the days before them, apart (``days``) for each who handed some over.

    ``summary`` is what ``features.vector`` last worked out of it.
    """

    summary: Summary | None = None

    def __init__(self, entries: tuple[Entry, ...] = (), days: tuple[Extremes, ...] = ()) -> None:
        self.entries = entries
        self.days = days

    @cached_property
    def extremes(self) -> tuple[Extremes, ...]:
        """The extremes of each day, whoever handed them over."""
        if all(day.source is None for day in self.days):
            return self.days
        return join((), (Extremes(day.day, day.low, day.high) for day in self.days))

    @cached_property
    def weight(self) -> int:
        """The bytes of the entries' stored form, about."""
        return sum(entry.size for entry in self.entries)

    @property
    def size(self) -> int:
        """The bytes of the whole stored form, about."""
        return self.weight + _DAY_BYTES * len(self.days)

    @cached_property
    def by_id(self) -> dict[str, Entry]:
        """The entries by the id of their observation, withdrawn ones too."""
        return {entry.id: entry for entry in self.entries}

    @cached_property
    def times(self) -> list[int]:
        """The effective instants of the numeric values, rising."""
        return [entry.effective for entry in self.entries if entry.value is not None]

    @cached_property
    def values(self) -> list[float]:
        """The numeric values, canonical, in the order of ``times``."""
        return [entry.value for entry in self.entries if entry.value is not None]

    def last(self, before: int | None = None) -> Entry | None:
        """The newest entry that holds a value or a text (and is effective at or before ``before``)."""
        for entry in reversed(self.entries):
            has_result = entry.value is not None or entry.text is not None
            if has_result and (before is None or entry.effective <= before):
                return entry
        return None

    def put(self, entry: Entry, replaced: Entry | None) -> "Series":
        """With ``entry``, and without the lower version of it."""
        if replaced is None and (not self.entries or _ORDER(self.entries[-1]) < _ORDER(entry)):
            after = self._append(entry)
        else:
            entries = [kept for kept in self.entries if kept is not replaced]
            insort(entries, entry, key=_ORDER)
            after = Series(tuple(entries), self.days)
        return after._expire_first(len(after.entries) - MOST_ENTRIES)

    def _append(self, entry: Entry) -> "Series":
        """With the newest entry, as nearly all are: what was derived from the others is carried over."""
        after = Series((*self.entries, entry), self.days)
        after.by_id = {**self.by_id, entry.id: entry}
        after.weight = self.weight + entry.size
        if entry.value is not None:
            after.times, after.values = [*self.times, entry.effective], [*self.values, entry.value]
        return after

    def without(self, replaced: Entry) -> "Series":
        """Without an entry that moved to another series."""
        return Series(tuple(kept for kept in self.entries if kept is not replaced), self.days)

    def expire(self, horizon: int) -> "Series":
        """What was effective before ``horizon`` turned into daily extremes."""
        if not self.entries or self.entries[0].effective >= horizon:
            return self
        return self._expire_first(bisect_left(self.entries, horizon, key=_EFFECTIVE))

    def lighter(self) -> "Series":
        """With its oldest as daily extremes, a sixteenth of all; without the oldest extremes when there is no more."""
        if self.entries:
            return self._expire_first(len(self.entries) // 16 + 1)
        return Series((), self.days[len(self.days) // 2 + 1 :])

    def _expire_first(self, number: int) -> "Series":
        if number <= 0:
            return self
        gone = self.entries[:number]
        after = Series(self.entries[number:], widen(self.days, gone))
        after.by_id = self.by_id.copy()
        for entry in gone:
            del after.by_id[entry.id]
        after.weight = self.weight - sum(entry.size for entry in gone)
        numeric = sum(entry.value is not None for entry in gone)
        after.times, after.values = self.times[numeric:], self.values[numeric:]
        return after

    def drop_days_before(self, day: int) -> "Series":
        """Without the extremes of the days before ``day``."""
        cut = bisect_left(self.days, day, key=_DAY)
        return Series(self.entries, self.days[cut:]) if cut else self


def within_bounds(series: Mapping[str, Series]) -> Mapping[str, Series]:
    """The series of a patient, or as much of the newest of them as may be kept: one flood leaves the others alone."""
    most = MOST_BYTES
    size = sum(one.size for one in series.values())
    if size <= most:
        return series
    fewer = dict(series)
    while size > most:
        largest = max(fewer, key=lambda name: (fewer[name].size, name))
        lighter = fewer[largest].lighter()
        size += lighter.size - fewer[largest].size
        fewer[largest] = lighter
    return fewer


def widen(days: tuple[Extremes, ...], entries: Iterable[Entry]) -> tuple[Extremes, ...]:
    """The daily extremes with those entries' values in them."""
    return join(
        days,
        (
            Extremes(entry.effective // DAY, entry.value, entry.value, entry.source)
            for entry in entries
            if entry.value is not None
        ),
    )


def join(extremes: tuple[Extremes, ...], others: Iterable[Extremes]) -> tuple[Extremes, ...]:
    """The extremes of days that were seen twice over."""
    days = list(extremes)
    for other in others:
        place = bisect_left(days, _whose_day(other), key=_whose_day)
        if place < len(days) and _whose_day(days[place]) == _whose_day(other):
            known = days[place]
            days[place] = Extremes(other.day, min(known.low, other.low), max(known.high, other.high), other.source)
        else:
            days.insert(place, other)
    return tuple(days)


def _whose_day(one: Extremes) -> tuple[int, str]:
    return (one.day, one.source or "")
