"""TOKS, the Danish early warning score, as a table to fill in; switched off until it is.

The points come from ``toks.toml`` alone. A component that is missing or too old makes the score a lower bound.
"""

from typing import Final, Self

from pydantic import model_validator

from features.record import ENCOUNTER, TIME, Record
from models.rules.points import Scale, measured, total
from models.rules.table import Line, Rule, Table
from models.scorer import Scored

_COMPONENTS: Final = frozenset(
    {"respiratory_rate", "spo2", "temperature", "systolic_pressure", "heart_rate", "gcs"},
)


class _Reading(Line):
    maximum_age_hours: float


class Parameter(Line):
    """One component's column of the table."""

    analyte: str
    scale: Scale


class ToksTable(Table):
    """The table as ``toks.toml`` gives it: without parameters it cannot be switched on."""

    reading: _Reading
    parameters: tuple[Parameter, ...] = ()

    @model_validator(mode="after")
    def _is_filled_in_before_it_is_switched_on(self) -> Self:
        named = [one.analyte for one in self.parameters]
        if len(set(named)) < len(named) or not _COMPONENTS.issuperset(named):
            raise ValueError(f"each parameter is one of {', '.join(sorted(_COMPONENTS))}, and none stands twice")
        if self.switched_on and not (_COMPONENTS.issubset(named) and self.levels):
            raise ValueError("fill in the points of every parameter and the levels before TOKS is switched on")
        return self


class Toks(Rule[ToksTable]):
    """TOKS at the record's now; ``None`` while it is switched off."""

    kind = "toks"
    file = "toks.toml"
    shape = ToksTable
    inputs = frozenset({*_COMPONENTS, ENCOUNTER, TIME})

    def judge(self, record: Record) -> Scored | None:
        """The sum of the components' points."""
        table = self.table
        if not table.switched_on:
            return None
        hours = table.reading.maximum_age_hours
        parts = [measured(record, one.analyte, one.scale, hours) for one in table.parameters]
        return total("TOKS", parts, record.now, int(table.levels[0].raise_at))
