"""A fall of the platelets, judged by the first two of the 4Ts of heparin-induced thrombocytopenia, 0-4 points.

The points are in ``platelet_fall.toml``. Timing needs heparin among the treatments: without it only the fall is scored.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, nextafter
from typing import Final

from features.instants import DAY, MINUTE
from features.record import ENCOUNTER, TIME, TREATMENT, Record
from features.series import Entry
from features.treatment import Course, courses
from models.outputs import Reason, Text
from models.rules.limits import Bounds, clean, possible
from models.rules.results import named, results
from models.rules.table import Line, Rule, Table
from models.scorer import Scored, age_minutes, newest

_PLATELETS: Final = "platelets"
_UNIT: Final = "10*9/L"
#: The most points of one item of the 4Ts.
_ITEM: Final = 2
_NOT_KNOWN: Final = Text("heparin not known", "heparin ukendt")


class _Counts(Line):
    newest_at_most_hours: float
    baseline_days: float


class Fall(Line):
    """4Ts, item 1: falls in percent, nadirs in 10*9/L."""

    percent: float
    great_percent: float
    nadir: float
    lowest_nadir: float

    def points(self, highest: float, count: float) -> int:
        """The points of a count that was once ``highest``."""
        fallen = percent(highest, count)
        if fallen < self.percent or count < self.lowest_nadir:
            return 0
        return 2 if fallen > self.great_percent and count >= self.nadir else 1


class Timing(Line):
    """4Ts, item 2: days since the start of heparin."""

    heparin: tuple[str, ...]
    typical_from_day: int
    typical_to_day: int
    uncertain_from_day: int
    rapid_days: float
    recent_exposure_days: float
    remote_exposure_days: float
    after_stop_days: float

    def explain(self, onset: int, given: Sequence[Course]) -> tuple[int, Course | None]:
        """The points of a fall that began at an instant, and the course of heparin before it that explains it best."""
        found = [(self._of(one, onset, given), one) for one in given if one.start <= onset]
        return max(found, key=lambda one: (one[0], one[1].start), default=(0, None))

    def _of(self, course: Course, onset: int, given: Sequence[Course]) -> int:
        if course.stop is not None and onset > course.stop + self.after_stop_days * DAY:
            return 0
        day = (onset - course.start) // DAY
        if self.typical_from_day <= day <= self.typical_to_day:
            return 2
        if day >= self.uncertain_from_day:
            return 1
        if onset - course.start <= self.rapid_days * DAY:
            if _exposed(course, given, self.recent_exposure_days):
                return 2
            if _exposed(course, given, self.remote_exposure_days):
                return 1
        return 0


class _Consumption(Line):
    below: float
    halved_within_days: float


class PlateletFallTable(Table):
    """The points and the decisions around them, as ``platelet_fall.toml`` gives them."""

    counts: _Counts
    fall: Fall
    timing: Timing
    consumption: _Consumption


@dataclass(frozen=True, slots=True)
class Count:
    """A count (10*9/L), or those of a day of which the extremes alone are kept, then at its midday.

    The lowest is at least ``low``; the highest is between ``least_high`` and ``high``.
    """

    at: int
    low: float
    least_high: float
    high: float
    entry: Entry | None = None


@dataclass(frozen=True, slots=True)
class _Heparin:
    """What is known of heparin before the onset of a fall: the points of the timing, and the course behind them."""

    points: Bounds
    known: bool
    course: Course | None
    onset: int

    @property
    def text(self) -> Text:
        if self.course is None:
            return Text("no heparin before", "ingen heparin før") if self.known else _NOT_KNOWN
        return Text(f"heparin day {self._day(self.course)}", f"heparin dag {self._day(self.course)}")

    def reason(self, now: int, *, counts: bool) -> Reason:
        if self.course is None:
            return Reason("heparin", self.text.en, None, None, 0.0)
        minutes, points = (now - self.course.start) // MINUTE, self.points.low if counts else 0.0
        return Reason("heparin_days_before_fall", float(self._day(self.course)), "d", minutes, float(points))

    def _day(self, course: Course) -> int:
        return (self.onset - course.start) // DAY


class PlateletFall(Rule[PlateletFallTable]):
    """The fall of the platelets at the record's now."""

    kind = "platelet-fall"
    file = "platelet_fall.toml"
    shape = PlateletFallTable
    inputs = frozenset({_PLATELETS, TREATMENT, ENCOUNTER, TIME})

    def judge(self, record: Record) -> Scored:
        """The points of the fall and of its timing, and what they could be at most."""
        table = self.table
        entry = newest(record, _PLATELETS, table.counts.newest_at_most_hours)
        if entry is None:
            series = record.series.get(_PLATELETS)
            return _unknown(ever=series is not None and series.last(record.now) is not None)
        earlier = self._earlier(record, entry)
        now = possible(_PLATELETS, entry)
        if not earlier:
            return _first(entry)
        top = max(earlier, key=lambda one: (one.least_high, one.at))
        fall = _points(table.fall, top, now)
        given = courses(record.treatments, *table.timing.heparin)
        onset = self._onset(top, earlier, entry)
        points, course = table.timing.explain(onset, given)
        heparin = _Heparin(Bounds(points, points if given else _ITEM), known=bool(given), course=course, onset=onset)
        # Without a fall there is nothing to time.
        low = int(fall.low + (heparin.points.low if fall.low else 0))
        high = int(fall.high + (heparin.points.low if fall.high else 0))
        most = int(fall.high + (heparin.points.high if fall.high else 0))
        fallen = percent(top.least_high, entry.value or 0.0)
        consumed = self._consumed(earlier, entry, now)
        reasons = [
            Reason("platelet_fall_percent", round(fallen, 1), "%", age_minutes(entry, record.now), float(fall.low)),
            Reason(_PLATELETS, entry.value, _UNIT, age_minutes(entry, record.now), 0.0),
            Reason("platelets_highest", top.least_high, _UNIT, max(0, record.now - top.at) // MINUTE, 0.0),
            heparin.reason(record.now, counts=fall.low > 0),
            *consumed,
        ]
        return Scored(
            score=float(low),
            band=_band(low, self.policy.levels[-1].raise_at, consumed=bool(consumed)),
            abstained=low == 0 < high,
            low=low,
            high=high,
            interval=(float(low), float(most)),
            title=_title(entry, fallen, heparin) if fall.low else named(_PLATELETS, entry),
            reasons=tuple(reasons) if low or consumed else (),
            evidence=_evidence(entry, top) if low else (),
        )

    def _earlier(self, record: Record, entry: Entry) -> list[Count]:
        """The counts before an entry that may be its baseline, the oldest first."""
        since = entry.effective - int(self.table.counts.baseline_days * DAY)
        days = [
            Count(one.day * DAY + DAY // 2, one.low, one.high, one.high)
            for one in record.series[_PLATELETS].extremes
            if since <= one.day * DAY + DAY // 2 <= entry.effective
        ]
        kept = [one for one in results(record, _PLATELETS, since, entry.effective) if one is not entry]
        counts = [(one, possible(_PLATELETS, one)) for one in kept]
        return [*days, *(Count(one.effective, value.low, value.low, value.high, one) for one, value in counts)]

    def _onset(self, top: Count, earlier: Sequence[Count], entry: Entry) -> int:
        """When the fall began: at the first count after the highest that lies so far below it."""
        least = self.table.fall.percent
        fallen = (one.at for one in earlier if one.at > top.at and percent(top.least_high, one.low) >= least)
        return min(fallen, default=entry.effective)

    def _consumed(self, earlier: Sequence[Count], entry: Entry, now: Bounds) -> list[Reason]:
        """The lines of consumption that are surely met."""
        table = self.table.consumption
        since = entry.effective - int(table.halved_within_days * DAY)
        highest = max((one.low for one in earlier if one.at >= since and one.entry is not None), default=0.0)
        found = []
        if now.high < table.below:
            found.append(Reason("platelets_below_consumption_limit", entry.value, _UNIT, None, 0.0))
        if highest > 0 and now.high <= highest / 2:
            found.append(Reason("platelets_halved_in_3_days", highest, _UNIT, None, 0.0))
        return found


def percent(highest: float, count: float) -> float:
    """How far a count lies below the highest one, in percent of that; 0 if it does not."""
    return max(0.0, clean(100 * (highest - count) / highest)) if highest > 0 else 0.0


def _points(fall: Fall, top: Count, now: Bounds) -> Bounds:
    """The least and the most points of a fall between bounds: where the points step, both sides are tried."""
    points = set()
    for highest in (top.least_high, top.high):
        steps = [
            fall.lowest_nadir,
            fall.nadir,
            *(highest * (1 - one / 100) for one in (fall.percent, fall.great_percent)),
        ]
        tried = {now.low, now.high}
        tried |= {value for step in steps for value in (nextafter(step, -inf), step, nextafter(step, inf))}
        points |= {fall.points(highest, value) for value in tried if now.low <= value <= now.high}
    return Bounds(min(points), max(points))


def _exposed(course: Course, given: Sequence[Course], days: float) -> bool:
    """Whether heparin was given within so many days before a course began."""
    since = course.start - days * DAY
    return any(one.start < course.start and (one.stop is None or one.stop >= since) for one in given)


def _band(score: int, heparin: float, *, consumed: bool) -> str:
    if score >= heparin:
        return "heparin-pattern"
    if consumed:
        return "consumption"
    return "fall" if score else "none"


def _title(entry: Entry, fallen: float, heparin: _Heparin) -> Text:
    name, when = named(_PLATELETS, entry), heparin.text
    return Text(f"{name.en}, fell {fallen:.0f} %, {when.en}", f"{name.da}, faldet {fallen:.0f} %, {when.da}")


def _evidence(entry: Entry, top: Count) -> tuple[Entry, ...]:
    return (entry,) if top.entry is None else (entry, top.entry)


def _first(entry: Entry) -> Scored:
    """A count without one to compare it with."""
    name = named(_PLATELETS, entry)
    return _nothing(Text(f"{name.en}, no earlier one", f"{name.da}, ingen tidligere"), high=0)


def _unknown(*, ever: bool) -> Scored:
    """No count, or one that grew too old: only the latter may hold an alert open."""
    return _nothing(Text("Platelet fall unknown", "Trombocytfald ukendt"), high=2 * _ITEM if ever else 0)


def _nothing(title: Text, *, high: float) -> Scored:
    most = float(2 * _ITEM)
    return Scored(score=0.0, band="unknown", abstained=True, low=0, high=high, interval=(0.0, most), title=title)
