"""One analyte of one patient: its observations in time order, and the daily extremes of those not kept.

A series is never changed: what happens to it gives a new one. Entries lie in the order of (effective, issued,
id), so the order in which they arrived leaves no trace.

Nearly all that come are the newest, and nearly all that go the oldest. So successive series are windows upon one log
that only grows: neither costs more where there are thousands.
"""

from array import array
from bisect import bisect_left, bisect_right, insort
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

#: What left a series stays in its log, up to one part in so many of what is kept.
_MOST_GONE = 4

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


class _Log:
    """Entries in order with their places by id, and the numeric ones' instants and values; it only grows."""

    __slots__ = ("entries", "places", "times", "values")

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries = list(entries)
        self.places = {entry.id: place for place, entry in enumerate(self.entries)}
        numeric = [(entry.effective, entry.value) for entry in self.entries if entry.value is not None]
        self.times = array("q", [at for at, _ in numeric])
        self.values = array("d", [value for _, value in numeric])

    def add(self, entry: Entry) -> None:
        """Put a newer entry behind the others."""
        self.places[entry.id] = len(self.entries)
        self.entries.append(entry)
        if entry.value is not None:
            self.times.append(entry.effective)
            self.values.append(entry.value)


class Series:
    """Entries in order, and the extremes of the days before them, apart (``days``) for each who handed some over.

    ``summary`` is what ``features.vector`` last worked out of it.
    """

    # From ``_start`` to ``_end`` in the log's entries, and from ``_first`` to ``_last`` in its numbers.
    __slots__ = (
        "__dict__",
        "_end",
        "_first",
        "_last",
        "_log",
        "_start",
        "_weight",
        "count",
        "days",
        "newest",
        "oldest",
        "summary",
    )

    def __init__(self, entries: Iterable[Entry] = (), days: tuple[Extremes, ...] = ()) -> None:
        log = _Log(entries)
        self._take(log, 0, len(log.entries), 0, len(log.times), days, None)

    def _take(
        self, log: _Log, start: int, end: int, first: int, last: int, days: tuple[Extremes, ...], weight: int | None
    ) -> "Series":
        self._log, self._start, self._end, self._first, self._last = log, start, end, first, last
        self.days, self._weight = days, weight
        self.count = end - start
        self.oldest: Entry | None = log.entries[start] if end > start else None
        self.newest: Entry | None = log.entries[end - 1] if end > start else None
        self.summary: Summary | None = None
        return self

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """All entries in order."""
        return tuple(self._log.entries[self._start : self._end])

    @cached_property
    def extremes(self) -> tuple[Extremes, ...]:
        """The extremes of each day, whoever handed them over."""
        if all(day.source is None for day in self.days):
            return self.days
        return join((), (Extremes(day.day, day.low, day.high) for day in self.days))

    @property
    def size(self) -> int:
        """The bytes of the whole stored form, about."""
        # Of every series, at every observation: written out, for a call costs more than the sum.
        weight = self._weight
        return (self.weight if weight is None else weight) + _DAY_BYTES * len(self.days)

    @property
    def weight(self) -> int:
        """The bytes of the entries' stored form, about."""
        if self._weight is None:
            self._weight = sum(entry.size for entry in self._log.entries[self._start : self._end])
        return self._weight

    @property
    def times(self) -> "array[int]":
        """The effective instants of the numeric values, rising."""
        return self._log.times[self._first : self._last]

    @property
    def values(self) -> "array[float]":
        """The numeric values, canonical, in the order of ``times``."""
        return self._log.values[self._first : self._last]

    @property
    def has_numbers(self) -> bool:
        """Whether there is a numeric value."""
        return self._first < self._last

    @property
    def numbers(self) -> "tuple[array[int], array[float], int, int]":
        """``times`` and ``values`` as parts of longer arrays, which others have too, and from where to where."""
        return self._log.times, self._log.values, self._first, self._last

    def find(self, observation: str) -> Entry | None:
        """The entry of an observation by its id, a withdrawn one too."""
        place = self._log.places.get(observation)
        return None if place is None or not self._start <= place < self._end else self._log.entries[place]

    def between(self, since: int, until: int) -> list[Entry]:
        """The entries that are effective between two instants, both included, the oldest first."""
        entries, oldest, newest = self._log.entries, self.oldest, self.newest
        if oldest is None or newest is None:
            return []
        if since <= oldest.effective and newest.effective <= until:
            return entries[self._start : self._end]
        start = bisect_left(entries, since, self._start, self._end, key=_EFFECTIVE)
        return entries[start : bisect_right(entries, until, start, self._end, key=_EFFECTIVE)]

    def last(self, before: int | None = None) -> Entry | None:
        """The newest entry that holds a value or a text (and is effective at or before ``before``)."""
        newest = self.newest
        if newest is None:
            return None
        is_before = before is None or newest.effective <= before
        if is_before and (newest.value is not None or newest.text is not None):
            return newest
        entries, end = self._log.entries, self._end
        if before is not None:
            end = bisect_right(entries, before, self._start, end, key=_EFFECTIVE)
        for place in range(end - 1, self._start - 1, -1):
            entry = entries[place]
            if entry.value is not None or entry.text is not None:
                return entry
        return None

    def put(self, entry: Entry, replaced: Entry | None) -> "Series":
        """With ``entry``, and without the lower version of it."""
        if replaced is None and (self.newest is None or _ORDER(self.newest) < _ORDER(entry)):
            after = self._append(entry)
        else:
            entries = [kept for kept in self.entries if kept is not replaced]
            insort(entries, entry, key=_ORDER)
            after = Series(entries, self.days)
            after._weight = self.weight + entry.size - (replaced.size if replaced is not None else 0)
        return after._expire_first(after.count - MOST_ENTRIES)

    def _append(self, entry: Entry) -> "Series":
        """With the newest entry, as nearly all are."""
        log = self._log
        if not self.count or self._end < len(log.entries) or entry.id in log.places:
            # A constant, or another version went on from here, or had an entry of this name.
            return Series((*self.entries, entry), self.days)
        log.add(entry)
        last = self._last + (entry.value is not None)
        return Series.__new__(Series)._take(
            log, self._start, self._end + 1, self._first, last, self.days, self.weight + entry.size
        )

    def without(self, replaced: Entry) -> "Series":
        """Without an entry that moved to another series."""
        return Series((kept for kept in self.entries if kept is not replaced), self.days)

    def with_days(self, days: tuple[Extremes, ...]) -> "Series":
        """With these daily extremes in place of its own."""
        return Series.__new__(Series)._take(
            self._log, self._start, self._end, self._first, self._last, days, self._weight
        )

    def expire(self, horizon: int) -> "Series":
        """What was effective before ``horizon`` turned into daily extremes."""
        if self.oldest is None or self.oldest.effective >= horizon:
            return self
        end = bisect_left(self._log.entries, horizon, self._start, self._end, key=_EFFECTIVE)
        return self._expire_first(end - self._start)

    def lighter(self) -> "Series":
        """With its oldest as daily extremes, a sixteenth of all; without the oldest extremes when there is no more."""
        if self.count:
            return self._expire_first(self.count // 16 + 1)
        return Series((), self.days[len(self.days) // 2 + 1 :])

    def _expire_first(self, number: int) -> "Series":
        if number <= 0:
            return self
        log, start, end = self._log, self._start + number, self._end
        gone = log.entries[self._start : start]
        days = widen(self.days, gone)
        weight = self.weight - sum(entry.size for entry in gone)
        if start > (end - start) // _MOST_GONE:
            fresh = _Log(log.entries[start:end])
            return Series.__new__(Series)._take(fresh, 0, end - start, 0, len(fresh.times), days, weight)
        first = self._first + sum(entry.value is not None for entry in gone)
        return Series.__new__(Series)._take(log, start, end, first, self._last, days, weight)

    def drop_days_before(self, day: int) -> "Series":
        """Without the extremes of the days before ``day``."""
        cut = bisect_left(self.days, day, key=_DAY)
        return self.with_days(self.days[cut:]) if cut else self


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
