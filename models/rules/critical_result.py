"""Critical results: what a laboratory would telephone, by a region's own list; one alert with several findings.

The lists lie in ``critical_results/``, a file each. A result with a comparator is critical where every value that it
can be is.
"""

import tomllib
from dataclasses import dataclass
from hashlib import sha256
from math import inf
from pathlib import Path
from typing import Final, Self

from pydantic import model_validator

from features.catalogue import catalogue
from features.instants import HOUR
from features.record import ENCOUNTER, TIME, Record
from features.series import Entry
from models.outputs import ModelRef, Reason, Text
from models.rules.limits import Bounds, Limit, clean, possible
from models.rules.results import named
from models.rules.table import Line, Question, Rule, Table
from models.scorer import Finding, Scored, age_minutes

#: The lists that ship, a file each.
LISTS: Final = Path(__file__).with_name("critical_results")
#: An unknown age is an adult's, as in the catalogue.
_ADULT: Final = 18


class CriticalLimit(Limit):
    """A line of a list: an analyte beyond a limit, canonical unit; ages in years."""

    analyte: str
    fell_by_more_than: float | None = None
    always: bool = False
    age_from: float = 0
    age_to: float = inf
    not_in_units: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _reads_a_number_of_the_catalogue(self) -> Self:
        known = catalogue().analytes.get(self.analyte)
        if known is None or known.kind != "number":
            raise ValueError(f"{self.analyte} is no number of the catalogue")
        return self

    @property
    def finding(self) -> Finding:
        """What an alert says of a result beyond it: ``potassium>6.0``."""
        decimals = catalogue().analytes[self.analyte].decimals
        sides = {"<": self.below, "<=": self.at_most, ">=": self.at_least, ">": self.above}
        sign, limit = next((sign, limit) for sign, limit in sides.items() if limit is not None)
        fell = "" if self.fell_by_more_than is None else f" fell>{self.fell_by_more_than:.{decimals}f}"
        return Finding(f"{self.analyte}{sign}{limit:.{decimals}f}{fell}", self.always)


class CriticalList(Line):
    """A region's list; of an analyte's lines, the first that a result meets counts."""

    name: str
    version: str
    source: str
    questions: tuple[Question, ...] = ()
    #: Results of devices whose name begins so are left out: the ward measured them itself.
    not_from_devices: tuple[str, ...] = ()
    limits: tuple[CriticalLimit, ...]


class CriticalResultTable(Table):
    """Which list is in use, and the decisions around it, as ``critical_result.toml`` gives them."""

    list: str
    maximum_age_hours: float
    named_in_title: int


@dataclass(frozen=True, slots=True)
class _Hit:
    """A result beyond a line of the list, and the earlier result that it fell from."""

    line: CriticalLimit
    entry: Entry
    before: Entry | None = None


class CriticalResult(Rule[CriticalResultTable]):
    """The critical results at the record's now: the score counts them.

    Args:
        listed: the list: the name of one that ships, or the path of a region's own; the table's by default.

    Raises:
        ValueError: there is no such list.
    """

    kind = "critical-result"
    file = "critical_result.toml"
    shape = CriticalResultTable

    def __init__(self, listed: str | None = None) -> None:
        super().__init__()
        name = listed or self.table.list
        path = next((one for one in (LISTS / f"{name}.toml", Path(name)) if one.is_file()), None)
        if path is None:
            raise ValueError(f"{name} is neither a list of critical results that ships nor a file")
        text = path.read_bytes()
        self.listed = CriticalList.model_validate(tomllib.loads(text.decode()))
        # The list is as much a part of the rule as its table.
        digest = sha256(self.model.sha256.encode() + text).hexdigest()
        self.model = ModelRef(self.table.name, f"{self.table.version}+{self.listed.name}.{self.listed.version}", digest)
        analytes = {line.analyte for line in self.listed.limits}
        self.inputs = frozenset({*analytes, ENCOUNTER, TIME})

    def judge(self, record: Record) -> Scored:
        """The newest results beyond the list's limits."""
        lines = self._lines(record)
        entries = {analyte: self._newest(record, analyte) for analyte in lines}
        known = {analyte: entry for analyte, entry in entries.items() if entry is not None}
        found = [self._hit(record, lines[analyte], entry) for analyte, entry in known.items()]
        hits = [hit for hit in found if hit is not None]
        maybe = sum(_any(lines[analyte], possible(analyte, entry)) for analyte, entry in known.items())
        old = sum(_grew_old(record, analyte, lines[analyte]) for analyte in lines if analyte not in known)
        most = maybe + sum(analyte not in known for analyte in lines)
        count = len(hits)
        return Scored(
            score=float(count),
            band="critical" if hits else "none",
            abstained=not hits and (not known or maybe > 0),
            low=count,
            high=maybe + old,
            interval=(float(count), float(most)),
            title=_title(hits, self.table.named_in_title),
            reasons=tuple(_reason(hit, record.now) for hit in hits),
            evidence=tuple(one for hit in hits for one in (hit.entry, hit.before) if one is not None),
            findings=tuple(hit.line.finding for hit in hits),
        )

    def _newest(self, record: Record, analyte: str) -> Entry | None:
        """The newest result of an analyte that is not too old, from a device that counts."""
        oldest = record.now - round(self.table.maximum_age_hours * HOUR)
        series = record.series.get(analyte)
        for entry in reversed(series.entries if series else ()):
            own = entry.device is not None and entry.device.startswith(self.listed.not_from_devices)
            if entry.value is not None and entry.effective <= record.now and not own:
                return entry if entry.effective >= oldest else None
        return None

    def _lines(self, record: Record) -> dict[str, list[CriticalLimit]]:
        """The lines that hold for the patient's age and unit, by analyte in the order of the list."""
        stay = record.stay
        age = stay.age_years(record.now)
        years = _ADULT if age is None else age
        lines: dict[str, list[CriticalLimit]] = {}
        for line in self.listed.limits:
            if line.age_from <= years < line.age_to and stay.unit_type not in line.not_in_units:
                lines.setdefault(line.analyte, []).append(line)
        return lines

    def _hit(self, record: Record, lines: list[CriticalLimit], entry: Entry) -> _Hit | None:
        for line in lines:
            value = possible(line.analyte, entry)
            if not line.surely(value):
                continue
            if line.fell_by_more_than is None:
                return _Hit(line, entry)
            before, least = _before(record, line.analyte, entry)
            if least is not None and clean(least - value.high) > line.fell_by_more_than:
                return _Hit(line, entry, before)
        return None


def _any(lines: list[CriticalLimit], value: Bounds) -> bool:
    return any(line.possibly(value) for line in lines)


def _before(record: Record, analyte: str, entry: Entry) -> tuple[Entry | None, float | None]:
    """The result before an entry, and the least that it was; of an earlier day no more than that is kept."""
    series = record.series[analyte]
    earlier = [one for one in series.entries[: series.entries.index(entry)] if one.value is not None]
    if earlier:
        return earlier[-1], possible(analyte, earlier[-1]).low
    return None, series.extremes[-1].low if series.extremes else None


def _grew_old(record: Record, analyte: str, lines: list[CriticalLimit]) -> bool:
    """Whether the last result, now too old, may have been critical: only then may it hold an alert open."""
    series = record.series.get(analyte)
    last = series.last(record.now) if series else None
    if last is not None:
        return _any(lines, possible(analyte, last))
    if series is None or not series.extremes:
        return False
    day = series.extremes[-1]
    return _any(lines, Bounds(day.low, day.high))


def _title(hits: list[_Hit], most: int) -> Text:
    if not hits:
        return Text("No critical result", "Intet kritisk svar")
    names = [named(hit.line.analyte, hit.entry) for hit in hits[:most]]
    more = len(hits) - len(names)
    return Text(
        ", ".join(one.en for one in names) + (f" and {more} more" if more else ""),
        ", ".join(one.da for one in names) + (f" og {more} mere" if more else ""),
    )


def _reason(hit: _Hit, now: int) -> Reason:
    unit = catalogue().analytes[hit.line.analyte].unit
    return Reason(hit.line.finding.name, hit.entry.value, unit, age_minutes(hit.entry, now), 1.0)
