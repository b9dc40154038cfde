"""Hyperkalaemia: the grade of the newest potassium by the UK Kidney Association (2023), 0-3.

The limits are in ``hyperkalaemia.toml``.
"""

from features.record import ENCOUNTER, TIME, Record
from features.series import Entry
from models.outputs import Reason, Text
from models.rules.limits import clean, possible, was_known
from models.rules.results import named
from models.rules.table import Line, Rule, Table
from models.scorer import Scored, age_minutes, newest

_POTASSIUM = "potassium"
_UNIT = "mmol/L"


class _Grade(Line):
    band: str
    at_least: float


class HyperkalaemiaTable(Table):
    """The grades, as ``hyperkalaemia.toml`` gives them."""

    maximum_age_hours: float
    margin: float
    grades: tuple[_Grade, ...]

    def grade(self, potassium: float) -> int:
        """The grade of a value in mmol/L, 0 for none."""
        return sum(potassium >= grade.at_least for grade in self.grades)


class Hyperkalaemia(Rule[HyperkalaemiaTable]):
    """The grade of hyperkalaemia at the record's now."""

    kind = "hyperkalaemia"
    file = "hyperkalaemia.toml"
    shape = HyperkalaemiaTable
    inputs = frozenset({_POTASSIUM, ENCOUNTER, TIME})

    def judge(self, record: Record) -> Scored:
        """The grade that the newest potassium surely has."""
        table = self.table
        entry = newest(record, _POTASSIUM, table.maximum_age_hours)
        if entry is None:
            return self._unknown(record)
        value = possible(_POTASSIUM, entry)
        grade, most = table.grade(value.low), table.grade(value.high)
        return Scored(
            score=float(grade),
            band=table.grades[grade - 1].band if grade else "none",
            abstained=not grade and most > 0,
            low=grade,
            high=table.grade(clean(value.high + table.margin)),
            interval=(float(grade), float(most)),
            title=named(_POTASSIUM, entry),
            reasons=_reasons(entry, grade, record.now),
            evidence=(entry,),
        )

    def _unknown(self, record: Record) -> Scored:
        most = len(self.table.grades)
        return Scored(
            score=0.0,
            band="none",
            abstained=True,
            low=0,
            high=most if was_known(record, _POTASSIUM) else 0,
            interval=(0.0, float(most)),
            title=Text("Potassium not known", "Kalium ikke kendt"),
        )


def _reasons(entry: Entry, grade: int, now: int) -> tuple[Reason, ...]:
    return (Reason(_POTASSIUM, entry.value, _UNIT, age_minutes(entry, now), float(grade)),) if grade else ()
