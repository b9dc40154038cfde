"""qSOFA: the quick SOFA of the Sepsis-3 consensus (2016), 0-3 points.

The limits are in ``qsofa.toml``. A criterion that is not known makes the score a lower bound.
"""

from features.record import ENCOUNTER, TIME, Record
from models.rules.coma import COMA, coma
from models.rules.points import Part, Scale, measured, total, unknown
from models.rules.table import Line, Rule, Table
from models.scorer import Scored, newest


class _Reading(Line):
    maximum_age_hours: float


class QsofaTable(Table):
    """The published criteria, as ``qsofa.toml`` gives them."""

    calls_at: int
    reading: _Reading
    respiratory_rate: Scale
    systolic_pressure: Scale
    gcs: Scale
    consciousness: dict[str, int]


class Qsofa(Rule[QsofaTable]):
    """qSOFA at the record's now."""

    kind = "qsofa"
    file = "qsofa.toml"
    shape = QsofaTable
    inputs = frozenset({"respiratory_rate", "systolic_pressure", "consciousness", *COMA, ENCOUNTER, TIME})

    def judge(self, record: Record) -> Scored:
        """One point for each criterion that is surely met."""
        table = self.table
        hours = table.reading.maximum_age_hours
        parts = (
            measured(record, "respiratory_rate", table.respiratory_rate, hours),
            measured(record, "systolic_pressure", table.systolic_pressure, hours),
            self._mentation(record),
        )
        return total("qSOFA", parts, record.now, table.calls_at)

    def _mentation(self, record: Record) -> Part:
        """Glasgow Coma Scale or level of consciousness, whichever is newer; the scale where both are."""
        table, hours = self.table, self.table.reading.maximum_age_hours
        scale, level = coma(record, record.now, hours), newest(record, "consciousness", hours)
        if scale is not None and (level is None or scale.effective >= level.effective):
            low, high = table.gcs.read(scale.total)
            return Part("gcs", low, high, high, scale.entries, scale.total.high, table.gcs.unit)
        if level is not None:
            points = table.consciousness[level.text or ""]
            return Part("consciousness", points, points, points, (level,), level.text)
        return unknown(record, "consciousness", table.gcs.most, "consciousness", *COMA)
