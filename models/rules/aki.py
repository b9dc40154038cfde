"""The AKI warning algorithm of NHS England: stages 0-3 of acute kidney injury from the history of creatinine.

``flow_chart`` is the published chart, box by box; its numbers are in ``aki.toml``. A creatinine with a comparator is
walked through the chart at both its ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf
from statistics import median
from typing import Final

from features.catalogue import catalogue
from features.instants import DAY, HOUR
from features.record import ENCOUNTER, TIME, Record
from features.series import Entry
from models.outputs import Reason, Text
from models.rules.limits import clean, possible
from models.rules.results import amount, named, results
from models.rules.table import Line, Rule, Table
from models.scorer import Scored, age_minutes, newest

_CREATININE: Final = "creatinine"
_GRAVEST: Final = 3


class Chart(Line):
    """The numbers of the flow chart; creatinine in umol/L."""

    newest_at_most_hours: float
    recent_days: int
    earlier_days: int
    stage_1_ratio: float
    stage_2_ratio: float
    stage_3_ratio: float
    stage_3_above: float
    stage_3_above_upper_limits_of_child: float
    adult_from_years: int
    rise_above: float
    rise_hours: float


class AkiTable(Table):
    """The chart and the decisions around it, as ``aki.toml`` gives them."""

    chart: Chart


@dataclass(frozen=True, slots=True)
class Previous:
    """A creatinine (umol/L) taken ``age`` ms before C1."""

    age: int
    value: float
    entry: Entry | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """The reference interval (LLRI, ULRI), and the C1 above which AKI is stage 3; umol/L."""

    lower: float
    upper: float
    stage_3_above: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """The box in which the chart ends: the stage, the comparison that led there, and the results compared with."""

    band: str
    stage: int = 0
    line: str = ""
    value: float = 0.0
    against: tuple[Previous, ...] = ()


def flow_chart(c1: float, previous: Sequence[Previous], limits: Limits, chart: Chart) -> Outcome:
    """Where C1 ends, given the results before it."""
    week = [one for one in previous if one.age // DAY <= chart.recent_days]
    year = [one for one in previous if chart.recent_days < one.age // DAY <= chart.earlier_days]

    # Any result of the last 365 days?
    if not week and not year:
        if c1 > limits.upper:
            return Outcome("high-repeat")
        return Outcome("low" if c1 < limits.lower else "none")

    # The higher of C1/RV1 and C1/RV2.
    ratios = []
    if week:
        rv1 = _lowest(week)
        ratios.append(Outcome("", 0, "creatinine_ratio_to_lowest_of_7_days", clean(c1 / rv1.value), (rv1,)))
    if year:
        rv2 = median(one.value for one in year)
        ratios.append(Outcome("", 0, "creatinine_ratio_to_median_of_year", clean(c1 / rv2), _middle(year)))
    higher = max(ratios, key=lambda one: one.value)

    if higher.value >= chart.stage_1_ratio:
        if higher.value >= chart.stage_3_ratio or c1 > limits.stage_3_above:
            return replace(higher, band="aki-3", stage=3)
        if higher.value >= chart.stage_2_ratio:
            return replace(higher, band="aki-2", stage=2)
        return replace(higher, band="aki-1", stage=1)

    # D, the rise from the lowest of the last 48 hours.
    two_days = [one for one in week if one.age <= chart.rise_hours * HOUR]
    if two_days and _rise(c1, two_days) > chart.rise_above:
        return Outcome("aki-1", 1, "creatinine_rise_in_48_hours", _rise(c1, two_days), (_lowest(two_days),))
    if week and _rise(c1, week) > chart.rise_above:
        return Outcome("rise-repeat", 0, "creatinine_rise_in_7_days", _rise(c1, week), (_lowest(week),))
    return Outcome("none")


def _lowest(previous: Sequence[Previous]) -> Previous:
    return min(previous, key=lambda one: one.value)


def _rise(c1: float, previous: Sequence[Previous]) -> float:
    return clean(c1 - _lowest(previous).value)


def _middle(previous: Sequence[Previous]) -> tuple[Previous, ...]:
    """The result that is the median, or the two around it."""
    ordered, number = sorted(previous, key=lambda one: one.value), len(previous)
    return tuple(ordered[(number - 1) // 2 : number // 2 + 1])


class Aki(Rule[AkiTable]):
    """NHS England's AKI warning stage at the record's now, 0-3."""

    kind = "aki"
    file = "aki.toml"
    shape = AkiTable
    inputs = frozenset({_CREATININE, ENCOUNTER, TIME})

    def judge(self, record: Record) -> Scored:
        """The stage, the box of the chart, and what the stage could be at most."""
        chart = self.table.chart
        c1 = newest(record, _CREATININE, chart.newest_at_most_hours)
        if c1 is None:
            return _unknown(record, chart)
        earliest = c1.effective - (chart.earlier_days + 1) * DAY
        previous = [one for one in results(record, _CREATININE, earliest, c1.effective) if one is not c1]
        current = possible(_CREATININE, c1)
        narrow, wide = self._limits(record)
        at_least = flow_chart(current.low, [_before(c1, one, highest=True) for one in previous], narrow, chart)
        at_most = flow_chart(current.high, [_before(c1, one, highest=False) for one in previous], wide, chart)
        first = not any(c1.effective - one.effective < (chart.earlier_days + 1) * DAY for one in previous)
        gravest = _GRAVEST if first else at_most.stage
        return Scored(
            score=float(at_least.stage),
            band=at_least.band,
            abstained=at_least.stage == 0 < gravest,
            low=at_least.stage,
            high=gravest,
            interval=(float(at_least.stage), float(gravest)),
            title=_title(at_least, gravest, c1, first=first),
            reasons=_reasons(at_least, c1, record.now),
            evidence=_evidence(at_least, c1),
        )

    def _limits(self, record: Record) -> tuple[Limits, Limits]:
        """The limits by sex and age, once as they make the stage least and once as they make it greatest."""
        chart, stay = self.table.chart, record.stay
        age = stay.age_years(record.now)
        sexes = (stay.sex,) if stay.sex in ("female", "male") else ("female", "male")
        found = [catalogue().analytes[_CREATININE].reference_for(sex, age) for sex in sexes]
        known = [one for one in found if one is not None]
        lower, upper = min((one.low for one in known), default=-inf), max((one.high for one in known), default=inf)
        if age is None or age >= chart.adult_from_years:
            limits = Limits(lower, upper, chart.stage_3_above)
            return limits, limits
        times = chart.stage_3_above_upper_limits_of_child
        least = min((one.high for one in known), default=0.0)
        return Limits(lower, upper, times * upper), Limits(lower, upper, times * least)


def _before(c1: Entry, entry: Entry, *, highest: bool) -> Previous:
    known = possible(_CREATININE, entry)
    return Previous(c1.effective - entry.effective, known.high if highest else known.low, entry)


def _unknown(record: Record, chart: Chart) -> Scored:
    """No creatinine, or one that grew too old: only the latter may hold an alert open."""
    series = record.series.get(_CREATININE)
    hours = f"{chart.newest_at_most_hours:g}"
    return Scored(
        score=0.0,
        band="unknown",
        abstained=True,
        low=0,
        high=_GRAVEST if series and series.last(record.now) else 0,
        interval=(0.0, float(_GRAVEST)),
        title=Text(f"AKI unknown: no creatinine in {hours} h", f"AKI ukendt: ingen kreatinin i {hours} t"),
    )


def _title(outcome: Outcome, gravest: int, c1: Entry, *, first: bool) -> Text:
    value, name = amount(_CREATININE, c1), named(_CREATININE, c1)
    if outcome.stage:
        more = gravest > outcome.stage
        return Text(
            f"AKI stage {outcome.stage}{' or more' if more else ''}: creatinine {value.en}",
            f"Akut nyresvigt, stadie {outcome.stage}{' eller mere' if more else ''}: kreatinin {value.da}",
        )
    if outcome.band == "high-repeat":
        return Text(f"{name.en}, high, no earlier one: repeat", f"{name.da}, høj, ingen tidligere: gentag")
    if outcome.band == "rise-repeat":
        return Text(f"{name.en}, rising: repeat", f"{name.da}, stigende: gentag")
    if outcome.band == "low":
        return Text(f"{name.en}, low", f"{name.da}, lav")
    if first:
        return Text(f"{name.en}, no earlier one", f"{name.da}, ingen tidligere")
    return Text(f"No AKI: creatinine {value.en}", f"Ingen AKI: kreatinin {value.da}")


def _reasons(outcome: Outcome, c1: Entry, now: int) -> tuple[Reason, ...]:
    """The comparison that fired, which carries the stage, then what was compared."""
    if outcome.band == "none":
        return ()
    current = Reason(_CREATININE, c1.value, "umol/L", age_minutes(c1, now), 0.0)
    if not outcome.line:
        return (current,)
    unit = "umol/L" if "rise" in outcome.line else "1"
    fired = Reason(outcome.line, outcome.value, unit, age_minutes(c1, now), float(outcome.stage))
    compared = tuple(
        Reason("creatinine_before", one.entry.value, "umol/L", age_minutes(one.entry, now), 0.0)
        for one in outcome.against
        if one.entry is not None
    )
    return (fired, current, *compared)


def _evidence(outcome: Outcome, c1: Entry) -> tuple[Entry, ...]:
    if outcome.band == "none":
        return ()
    return (c1, *(one.entry for one in outcome.against if one.entry is not None))
