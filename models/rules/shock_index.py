"""The shock index: heart rate over systolic pressure, both measured at about the same time."""

from features.instants import HOUR
from features.record import ENCOUNTER, TIME, Record
from features.series import Entry
from models.outputs import Reason, Text
from models.rules.limits import Bounds, clean, possible, was_known
from models.rules.table import Line, Rule, Table
from models.scorer import Scored, age_minutes, newest

_RATE = "heart_rate"
_PRESSURE = "systolic_pressure"


class _Reading(Line):
    maximum_age_hours: float
    apart_hours: float


class _Bands(Line):
    raised_at: float
    high_at: float


class ShockIndexTable(Table):
    """The limits, as ``shock_index.toml`` gives them."""

    reading: _Reading
    bands: _Bands


class ShockIndex(Rule[ShockIndexTable]):
    """The shock index at the record's now; unknown, the least that the known half allows."""

    kind = "shock-index"
    file = "shock_index.toml"
    shape = ShockIndexTable
    inputs = frozenset({_RATE, _PRESSURE, ENCOUNTER, TIME})

    def judge(self, record: Record) -> Scored:
        """The newest pair's quotient."""
        rate, pressure = self._pair(record)
        known = rate is not None and pressure is not None
        index = _quotient(possible(_RATE, rate), possible(_PRESSURE, pressure))
        grew_old = not known and was_known(record, _RATE) and was_known(record, _PRESSURE)
        return Scored(
            score=index.low,
            band=self._band(index.low),
            abstained=not known and index.low < self.table.bands.raised_at,
            low=index.low,
            high=index.high if known or grew_old else index.low,
            interval=(index.low, index.high),
            title=_title(index, known=known),
            reasons=_reasons(rate, pressure, index.low, record.now),
            evidence=tuple(entry for entry in (rate, pressure) if entry is not None),
        )

    def _pair(self, record: Record) -> tuple[Entry | None, Entry | None]:
        """The newest heart rate and pressure that lie near each other, else the newer of the two alone."""
        hours, apart = self.table.reading.maximum_age_hours, int(self.table.reading.apart_hours * HOUR)
        rate, pressure = newest(record, _RATE, hours), newest(record, _PRESSURE, hours)
        if rate is None or pressure is None:
            return rate, pressure
        # What is measured more often is read beside the newest of what is measured more rarely.
        until = min(record.now, min(rate.effective, pressure.effective) + apart)
        near = record.series[_RATE].last(until), record.series[_PRESSURE].last(until)
        if near[0] and near[1] and abs(near[0].effective - near[1].effective) <= apart:
            return near
        return (rate, None) if rate.effective >= pressure.effective else (None, pressure)

    def _band(self, index: float) -> str:
        bands = self.table.bands
        if index >= bands.high_at:
            return "high"
        return "raised" if index >= bands.raised_at else "low"


def _quotient(rate: Bounds, pressure: Bounds) -> Bounds:
    return Bounds(clean(rate.low / pressure.high), clean(rate.high / pressure.low))


def _title(index: Bounds, *, known: bool) -> Text:
    figure = f"{index.low:.2f}"
    if known and index.low == index.high:
        return Text(f"Shock index {figure}", f"Shockindeks {figure.replace('.', ',')}")
    return Text(f"Shock index at least {figure}", f"Shockindeks mindst {figure.replace('.', ',')}")


def _reasons(rate: Entry | None, pressure: Entry | None, index: float, now: int) -> tuple[Reason, ...]:
    """Both halves of a pair; the quotient is the contribution of the two together, told with the heart rate."""
    if rate is None or pressure is None:
        return ()
    return (
        Reason(_RATE, rate.value, "/min", age_minutes(rate, now), index),
        Reason(_PRESSURE, pressure.value, "mm[Hg]", age_minutes(pressure, now), 0.0),
    )
