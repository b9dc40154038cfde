"""SIRS: the systemic inflammatory response syndrome of the consensus of 1991 (Bone 1992), 0-4 criteria.

The limits are in ``sirs.toml``. Band forms are not read: they are a part of the fourth criterion that is never known.
"""

from msgspec.structs import replace

from features.record import ENCOUNTER, TIME, Record
from models.rules.points import Part, Scale, measured, total
from models.rules.table import Line, Rule, Table
from models.scorer import Scored


class _Reading(Line):
    vital_signs_hours: float
    blood_gas_hours: float
    leukocytes_hours: float


class _Bands(Line):
    points: int


class SirsTable(Table):
    """The published criteria, as ``sirs.toml`` gives them."""

    calls_at: int
    reading: _Reading
    temperature: Scale
    heart_rate: Scale
    respiratory_rate: Scale
    paco2: Scale
    leukocytes: Scale
    bands: _Bands


class Sirs(Rule[SirsTable]):
    """SIRS at the record's now."""

    kind = "sirs"
    file = "sirs.toml"
    shape = SirsTable
    inputs = frozenset({"temperature", "heart_rate", "respiratory_rate", "paco2", "leukocytes", ENCOUNTER, TIME})

    def judge(self, record: Record) -> Scored:
        """One point for each criterion that is surely met."""
        table, reading = self.table, self.table.reading
        leukocytes = measured(record, "leukocytes", table.leukocytes, reading.leukocytes_hours)
        parts = (
            measured(record, "temperature", table.temperature, reading.vital_signs_hours),
            measured(record, "heart_rate", table.heart_rate, reading.vital_signs_hours),
            _either(
                measured(record, "respiratory_rate", table.respiratory_rate, reading.vital_signs_hours),
                measured(record, "paco2", table.paco2, reading.blood_gas_hours),
            ),
            replace(leukocytes, most=max(leukocytes.most, table.bands.points)),
        )
        return total("SIRS", parts, record.now, table.calls_at)


def _either(breathing: Part, gas: Part) -> Part:
    """The criterion that breathing or the blood gas meets; an old gas holds no alert while breathing is known."""
    read = [part for part in (breathing, gas) if part.entries]
    worst = max(read or (breathing, gas), key=lambda part: part.low)
    high = max(part.high for part in read or (breathing, gas))
    return replace(worst, high=high, most=max(breathing.most, gas.most))
