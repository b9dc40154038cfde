"""Fever in neutropenia, by the definition of the IDSA (2010) or of the ESMO (2016): 0 or 1.

The limits are in ``neutropenia_fever.toml``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from pydantic import model_validator

from features.instants import HOUR
from features.record import ENCOUNTER, TIME, Record
from features.series import Entry
from models.outputs import Reason, Text
from models.rules.limits import Bounds, Limit, clean, possible, was_known
from models.rules.results import amount, results
from models.rules.table import Line, Rule, Table
from models.scorer import Scored, age_minutes, newest

_TEMPERATURE = "temperature"
_NEUTROPHILS = "neutrophils"
_LEUKOCYTES = "leukocytes"
_CELLS = {_NEUTROPHILS: Text("neutrophils", "neutrofile"), _LEUKOCYTES: Text("leukocytes", "leukocytter")}


class _Reading(Line):
    count_hours: float
    fever_hours: float
    no_fever_hours: float
    trend_hours: float


class _Definition(Line):
    once: Limit
    sustained: Limit
    sustained_hours: float
    neutropenia: Limit
    falling: Limit
    falling_hours: float


class NeutropeniaFeverTable(Table):
    """The definitions, as ``neutropenia_fever.toml`` gives them."""

    definition: str
    reading: _Reading
    definitions: dict[str, _Definition]

    @model_validator(mode="after")
    def _has_its_definition(self) -> Self:
        if self.definition not in self.definitions:
            raise ValueError(f"definition must be one of {', '.join(sorted(self.definitions))}")
        return self


@dataclass(frozen=True, slots=True)
class _Half:
    """One half of the definition: met for ``sure``, perhaps (``may``), perhaps by what was once known (``held``)."""

    sure: bool
    may: bool
    held: bool
    analyte: str
    evidence: tuple[Entry, ...] = ()


class NeutropeniaFever(Rule[NeutropeniaFeverTable]):
    """Fever in neutropenia at the record's now."""

    kind = "neutropenia-fever"
    file = "neutropenia_fever.toml"
    shape = NeutropeniaFeverTable
    inputs = frozenset({_TEMPERATURE, _NEUTROPHILS, _LEUKOCYTES, ENCOUNTER, TIME})

    def judge(self, record: Record) -> Scored:
        """1 where fever and neutropenia are both sure."""
        fever, count = self._fever(record), self._neutropenia(record)
        both, most = fever.sure and count.sure, fever.may and count.may
        return Scored(
            score=float(both),
            band=_band(fever, count),
            abstained=most and not both,
            low=float(both),
            high=float(fever.held and count.held),
            interval=(float(both), float(most)),
            title=_title(fever, count),
            reasons=_reasons(fever, count, record.now) if both else (),
            evidence=(*fever.evidence, *count.evidence) if both else (),
        )

    @property
    def _definition(self) -> _Definition:
        return self.table.definitions[self.table.definition]

    def _fever(self, record: Record) -> _Half:
        reading, definition = self.table.reading, self._definition
        entries = results(record, _TEMPERATURE, record.now - int(reading.fever_hours * HOUR), record.now)
        evidence = _fever(entries, definition, Limit.surely)
        if evidence:
            return _Half(True, True, True, _TEMPERATURE, evidence)
        measured = newest(record, _TEMPERATURE, reading.no_fever_hours) is not None
        may = not measured or bool(_fever(entries, definition, Limit.possibly))
        return _Half(False, may, may and (measured or was_known(record, _TEMPERATURE)), _TEMPERATURE)

    def _neutropenia(self, record: Record) -> _Half:
        hours, limit = self.table.reading.count_hours, self._definition.neutropenia
        neutrophils, leukocytes = newest(record, _NEUTROPHILS, hours), newest(record, _LEUKOCYTES, hours)
        older = neutrophils is None or (leukocytes is not None and neutrophils.effective <= leukocytes.effective)
        if leukocytes and older and limit.surely(Bounds(0.0, possible(_LEUKOCYTES, leukocytes).high)):
            return _Half(True, True, True, _LEUKOCYTES, (leukocytes,))
        if neutrophils is None:
            grew_old = was_known(record, _NEUTROPHILS) or (leukocytes is None and was_known(record, _LEUKOCYTES))
            return _Half(False, True, grew_old, _NEUTROPHILS)
        value = possible(_NEUTROPHILS, neutrophils)
        if limit.possibly(value):
            return _Half(limit.surely(value), True, True, _NEUTROPHILS, (neutrophils,))
        return self._expected(record, neutrophils)

    def _expected(self, record: Record, count: Entry) -> _Half:
        """Whether a count that is not low yet is expected to be, by the line through it and an older one."""
        definition, value = self._definition, possible(_NEUTROPHILS, count)
        if not definition.falling.possibly(value):
            return _Half(False, False, False, _NEUTROPHILS)
        until = count.effective - int(self.table.reading.trend_hours * HOUR)
        before = [one for one in results(record, _NEUTROPHILS, 0, until) if one.comparator is None]
        if not before or count.comparator is not None:
            return _Half(False, True, False, _NEUTROPHILS)
        older = before[-1]
        fall = (clean(older.value or 0.0) - value.low) / (count.effective - older.effective)
        expected = clean(value.low - fall * definition.falling_hours * HOUR)
        falls = definition.neutropenia.met(expected)
        return _Half(falls, falls, falls, _NEUTROPHILS, (older, count) if falls else ())


def _fever(entries: list[Entry], definition: _Definition, meets: Callable[[Limit, Bounds], bool]) -> tuple[Entry, ...]:
    """The temperatures that are a fever by the definition, none if there is none: a single one, or first and last."""
    first: Entry | None = None
    found: tuple[Entry, ...] = ()
    # A thermometer has few readings, and a monitor gives thousands of them.
    known: dict[tuple[float | None, str | None], tuple[bool, bool]] = {}
    for entry in entries:
        reading = (entry.value, entry.comparator)
        if reading not in known:
            value = possible(_TEMPERATURE, entry)
            known[reading] = meets(definition.sustained, value), meets(definition.once, value)
        sustained, once = known[reading]
        first = (first or entry) if sustained else None
        if once:
            found = (entry,)
        elif first is not None and entry.effective - first.effective >= definition.sustained_hours * HOUR:
            found = (first, entry)
    return found


def _band(fever: _Half, count: _Half) -> str:
    if fever.sure and count.sure:
        return "neutropenic-fever"
    if fever.sure:
        return "fever"
    return "neutropenia" if count.sure else "none"


def _title(fever: _Half, count: _Half) -> Text:
    if not (fever.sure and count.sure):
        return Text("No fever in neutropenia known", "Feber ved neutropeni ikke kendt")
    degrees, name = f"{fever.evidence[-1].value:.1f}", _CELLS[count.analyte]
    cells = amount(count.analyte, count.evidence[-1])
    return Text(
        f"Fever in neutropenia: {degrees} °C, {name.en} {cells.en}",
        f"Feber ved neutropeni: {degrees.replace('.', ',')} °C, {name.da} {cells.da}",
    )


def _reasons(fever: _Half, count: _Half, now: int) -> tuple[Reason, ...]:
    """Both halves, which make the score together: it is told with the count."""
    heat, cells = fever.evidence[-1], count.evidence[-1]
    return (
        Reason(count.analyte, cells.value, "10*9/L", age_minutes(cells, now), 1.0),
        Reason(_TEMPERATURE, heat.value, "Cel", age_minutes(heat, now), 0.0),
    )
