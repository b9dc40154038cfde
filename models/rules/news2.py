"""NEWS2: the National Early Warning Score 2 of the Royal College of Physicians (2017).

The points are in ``news2.toml``. A component that is missing or too old makes the score a lower bound: its points are
counted as 0, and the interval says what the score could be at most.
"""

from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

from msgspec.structs import replace

from features.record import ENCOUNTER, TIME, Record
from features.series import Entry
from models.outputs import Text
from models.rules.points import Part, reasons
from models.rules.table import Line, Rule, Table
from models.scorer import Scored, newest

#: FiO2 of room air; more than this is oxygen.
_ROOM_AIR = 0.21
#: The analytes of components that are not called like theirs.
_READ_FROM = {"spo2": ("spo2", "sao2"), "oxygen": ("fio2", "oxygen_flow")}


class _Line(Line):
    to: float | None = None
    points: int


class _Scale(Line):
    """One parameter's column of the table."""

    unit: str
    decimals: int
    points: tuple[_Line, ...]

    def read(self, value: float) -> int:
        """The points of a value, rounded half up to the table's precision first."""
        rounded = float(Decimal(repr(value)).quantize(Decimal(1).scaleb(-self.decimals), ROUND_HALF_UP))
        return next(line.points for line in self.points if line.to is None or rounded <= line.to)

    @property
    def most(self) -> int:
        return max(line.points for line in self.points)


class _Oxygen(Line):
    air: int
    oxygen: int


class _Reading(Line):
    maximum_age_hours: float
    rounding: Literal["half-up"]


class News2Table(Table):
    """The published table and the decisions around it, as ``news2.toml`` gives them."""

    reading: _Reading
    respiratory_rate: _Scale
    spo2_scale_1: _Scale
    spo2_scale_2_on_air: _Scale
    spo2_scale_2_on_oxygen: _Scale
    systolic_pressure: _Scale
    heart_rate: _Scale
    temperature: _Scale
    oxygen: _Oxygen
    consciousness: dict[str, int]


class News2(Rule[News2Table]):
    """NEWS2 at the record's now, 0-20 points."""

    kind = "news2"
    file = "news2.toml"
    shape = News2Table
    inputs = frozenset(
        {
            "respiratory_rate",
            "spo2",
            "sao2",
            "fio2",
            "oxygen_flow",
            "systolic_pressure",
            "heart_rate",
            "consciousness",
            "temperature",
            ENCOUNTER,
            TIME,
        }
    )

    def judge(self, record: Record) -> Scored:
        """The points, the band, and what the score could be at most."""
        parts = self._parts(record)
        known = sum(part.low for part in parts)
        most = sum(part.most for part in parts)
        missing = not all(part.entries for part in parts)
        return Scored(
            score=float(known),
            band=_band(known, any(part.low == 3 for part in parts)),
            abstained=missing and known < self.policy.levels[0].raise_at,
            low=known,
            high=sum(part.high for part in parts),
            interval=(float(known), float(most)),
            title=_title(known, missing=missing),
            reasons=reasons(parts, record.now),
            evidence=tuple(entry for part in parts if part.low for entry in part.entries),
        )

    def _parts(self, record: Record) -> list[Part]:
        table = self.table
        oxygen = self._oxygen(record)
        parts = [self._saturation(record, oxygen), oxygen]
        parts += [
            _measured(record, name, self._newest(record, name), getattr(table, name))
            for name in ("respiratory_rate", "systolic_pressure", "heart_rate", "temperature")
        ]
        level = self._newest(record, "consciousness")
        if level is None:
            parts.append(_unknown(record, "consciousness", max(table.consciousness.values())))
        else:
            points = table.consciousness[level.text or ""]
            parts.append(Part("consciousness", points, points, points, (level,), level.text))
        return parts

    def _saturation(self, record: Record, oxygen: Part) -> Part:
        """SpO2, or the saturation of a blood gas where no SpO2 is known, on the patient's scale."""
        entry = self._newest(record, "spo2") or self._newest(record, "sao2")
        table = self.table
        if "hypercapnic" not in record.stay.flags:
            return _measured(record, "spo2", entry, table.spo2_scale_1)
        on_air = _measured(record, "spo2", entry, table.spo2_scale_2_on_air)
        on_oxygen = _measured(record, "spo2", entry, table.spo2_scale_2_on_oxygen)
        if oxygen.entries:
            return on_oxygen if oxygen.low else on_air
        # A saturation that is known is unsure by the oxygen alone.
        grew_old = _was_known(record, "oxygen" if on_air.entries else "spo2")
        return replace(on_air, most=on_oxygen.most, high=on_oxygen.most if grew_old else on_air.low)

    def _oxygen(self, record: Record) -> Part:
        """Air or oxygen from FiO2 or flow, whichever is newer; none means unknown, not air."""
        fraction, flow = self._newest(record, "fio2"), self._newest(record, "oxygen_flow")
        entry = max(filter(None, (fraction, flow)), key=lambda one: (one.effective, one.issued), default=None)
        table = self.table.oxygen
        if entry is None:
            return _unknown(record, "oxygen", table.oxygen)
        given = (entry.value or 0) > (_ROOM_AIR if entry is fraction else 0)
        points = table.oxygen if given else table.air
        return Part("oxygen", points, points, points, (entry,), entry.value, "1" if entry is fraction else "L/min")

    def _newest(self, record: Record, analyte: str) -> Entry | None:
        return newest(record, analyte, self.table.reading.maximum_age_hours)


def _measured(record: Record, name: str, entry: Entry | None, scale: _Scale) -> Part:
    if entry is None or entry.value is None:
        return _unknown(record, name, scale.most)
    points = scale.read(entry.value)
    return Part(name, points, points, points, (entry,), entry.value, scale.unit)


def _unknown(record: Record, name: str, most: int) -> Part:
    return Part(name, 0, most if _was_known(record, name) else 0, most)


def _was_known(record: Record, name: str) -> bool:
    """Whether a component that is unknown was known and grew too old: only then may it hold an alert open."""
    series = (record.series.get(one) for one in _READ_FROM.get(name, (name,)))
    return any(one is not None and one.last() is not None for one in series)


def _band(points: int, extreme: bool) -> str:
    """The RCP's clinical risk of an aggregate score; a single parameter with 3 points is low-medium."""
    if points >= 7:
        return "high"
    if points >= 5:
        return "medium"
    return "low-medium" if extreme else "low"


def _title(points: int, *, missing: bool) -> Text:
    if missing:
        return Text(f"NEWS2 at least {points}", f"NEWS2 mindst {points}")
    return Text(f"NEWS2 {points}", f"NEWS2 {points}")
