"""SOFA-1: the Sequential Organ Failure Assessment of 1996, 0-24 points, where inputs allow.

The limits are in ``sofa.toml``. Each organ counts at its worst in the window. Doses of vasopressors, respiratory
support and urine output are no inputs: the score is a lower bound, and the interval says what it could be at most.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from typing import Final

from msgspec.structs import replace

from features.instants import HOUR
from features.record import ENCOUNTER, TIME, TREATMENT, Record
from features.series import Entry
from features.treatment import Course, courses
from models.rules.coma import COMA, coma
from models.rules.limits import Bounds, clean, possible
from models.rules.points import Part, Scale, read, total, unknown
from models.rules.results import results
from models.rules.table import Line, Rule, Table
from models.scorer import Scored

#: Each organ has at most so many points.
_MOST: Final = 4
_VALUE: Final = attrgetter("value")


class _Reading(Line):
    window_hours: float
    beside_hours: float
    room_air: float
    pure_oxygen: float


class _Oxygenation(Scale):
    most_without_support: int


class _Creatinine(Scale):
    most_without_urine: int


class _Span(Line):
    at_least: int
    at_most: int


class _Agent(_Span):
    code: str
    name: str


class _Vasopressors(Line):
    least_hours: float
    most: int
    agents: tuple[_Agent, ...]

    def agent(self, code: str) -> _Agent:
        """The line of an ATC code: the longest that it begins with."""
        return max((one for one in self.agents if code.startswith(one.code)), key=lambda one: len(one.code))


class SofaTable(Table):
    """The published table and the decisions around it, as ``sofa.toml`` gives them."""

    calls_at: int
    reading: _Reading
    pao2_fio2: _Oxygenation
    platelets: Scale
    bilirubin: Scale
    mean_pressure: Scale
    vasopressors: _Vasopressors
    gcs: Scale
    consciousness: dict[str, _Span]
    creatinine: _Creatinine


class Sofa(Rule[SofaTable]):
    """SOFA of the window that ends at the record's now."""

    kind = "sofa"
    file = "sofa.toml"
    shape = SofaTable
    inputs = frozenset(
        {
            "pao2",
            "fio2",
            "oxygen_flow",
            "platelets",
            "bilirubin",
            "mean_pressure",
            "consciousness",
            *COMA,
            "creatinine",
            TREATMENT,
            ENCOUNTER,
            TIME,
        }
    )

    def judge(self, record: Record) -> Scored:
        """The sum of the six organs, each at least what is known of it."""
        window = _Window(record, record.now - int(self.table.reading.window_hours * HOUR))
        table = self.table
        kidney = window.worst("creatinine", table.creatinine)
        parts = (
            self._respiration(window),
            window.worst("platelets", table.platelets),
            window.worst("bilirubin", table.bilirubin),
            self._circulation(window),
            self._coma(window),
            replace(kidney, most=max(kidney.most, table.creatinine.most_without_urine)),
        )
        return total("SOFA", parts, record.now, table.calls_at)

    def _respiration(self, window: "_Window") -> Part:
        scale = self.table.pao2_fio2
        found = []
        for gas in window.entries("pao2"):
            oxygen, beside = self._fio2(window.record, gas.effective)
            pressure = possible("pao2", gas)
            quotient = Bounds(clean(pressure.low / oxygen.high), clean(pressure.high / oxygen.low))
            low, high = scale.read(quotient)
            low = min(low, scale.most_without_support)
            found.append(Part("pao2_fio2", low, high, high, (gas, *beside), quotient.high, scale.unit))
        return _worst(found) or unknown(window.record, "pao2_fio2", _MOST, "pao2")

    def _fio2(self, record: Record, instant: int) -> tuple[Bounds, tuple[Entry, ...]]:
        """What FiO2 can have been at an instant, from FiO2 or flow, whichever is newer, and from what it is known."""
        reading = self.table.reading
        since = instant - int(reading.beside_hours * HOUR)
        fraction = results(record, "fio2", since, instant)[-1:]
        flow = results(record, "oxygen_flow", since, instant)[-1:]
        if fraction and (not flow or fraction[0].effective >= flow[0].effective):
            return possible("fio2", fraction[0]), tuple(fraction)
        if flow and flow[0].value == 0:
            return Bounds(reading.room_air, reading.room_air), tuple(flow)
        return Bounds(reading.room_air, reading.pure_oxygen), ()

    def _circulation(self, window: "_Window") -> Part:
        """Pressure, or the vasopressors that were given: at least what both make sure, at most what either allows."""
        table, record = self.table.vasopressors, window.record
        pressure = window.worst("mean_pressure", self.table.mean_pressure)
        if not record.treatments:
            return replace(pressure, most=table.most)
        given = [
            course
            for course in courses(record.treatments, *(one.code for one in table.agents))
            if course.start <= record.now and (course.stop is None or course.stop >= window.since)
        ]
        most = max([pressure.most, *(table.agent(course.code).at_most for course in given)])
        sure = [course for course in given if _hours(course, record.now) >= table.least_hours]
        gravest = max(sure, key=lambda course: table.agent(course.code).at_least, default=None)
        if gravest is None or table.agent(gravest.code).at_least <= pressure.low:
            return replace(pressure, most=most)
        agent = table.agent(gravest.code)
        return Part("vasopressor", agent.at_least, most, most, value=agent.name)

    def _coma(self, window: "_Window") -> Part:
        table, record = self.table, window.record
        read, found = cache(table.gcs.read), []
        for instant in sorted({entry.effective for name in COMA for entry in window.entries(name)}):
            scale = coma(record, instant, table.reading.beside_hours)
            if scale is not None:
                low, high = read(scale.total)
                found.append(Part("gcs", low, high, high, scale.entries, scale.total.high, table.gcs.unit))
        for level in () if found else window.entries("consciousness"):
            span = table.consciousness[level.text or ""]
            found.append(Part("consciousness", span.at_least, span.at_most, span.at_most, (level,), level.text))
        return _worst(found) or unknown(record, "gcs", _MOST, "consciousness", *COMA)


@dataclass(frozen=True, slots=True)
class _Window:
    """What a record holds from an instant up to its now."""

    record: Record
    since: int

    def entries(self, analyte: str) -> Iterator[Entry]:
        """The results of an analyte in the window."""
        series = self.record.series.get(analyte)
        for entry in series.between(self.since, self.record.now) if series else ():
            if entry.value is not None or entry.text is not None:
                yield entry

    def worst(self, analyte: str, scale: Scale) -> Part:
        """The component at its worst, which of exact values is the least or the greatest."""
        entries = [entry for entry in self.entries(analyte) if entry.value is not None]
        bounds = [entry for entry in entries if entry.comparator is not None]
        exact = sorted((entry for entry in entries if entry.comparator is None), key=_VALUE)
        found = _worst(read(analyte, entry, scale) for entry in (*bounds, *exact[:1], *exact[-1:]))
        return found or unknown(self.record, analyte, _MOST, analyte)


def _worst(parts: Iterable[Part]) -> Part | None:
    """The last of the parts with the most points, and at most what any of them allows."""
    found = list(parts)
    if not found:
        return None
    most = max(part.most for part in found)
    gravest = max(part.low for part in found)
    return replace([part for part in found if part.low == gravest][-1], high=most, most=most)


def _hours(course: Course, now: int) -> float:
    """How long a course has been given."""
    return ((now if course.stop is None else min(now, course.stop)) - course.start) / HOUR
