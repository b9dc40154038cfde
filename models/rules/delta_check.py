"""Delta check by the reference change value: how many analytes changed more than their variation allows.

The variations are in ``delta_check.toml``. Scores only.
"""

from dataclasses import dataclass
from math import hypot, inf, sqrt

from features.instants import HOUR
from features.record import TIME, Record
from features.series import Entry
from models.outputs import Reason, Text
from models.rules.limits import Bounds, clean, possible
from models.rules.results import results
from models.rules.table import Line, Rule, Table
from models.scorer import Scored, age_minutes, newest


class _Pairs(Line):
    newest_at_most_hours: float
    apart_at_most_hours: float
    normal_deviate: float


class Variation(Line):
    """An analyte's coefficients of variation, in percent."""

    analyte: str
    within_person: float
    analytical: float

    def reference_change(self, normal_deviate: float) -> float:
        """The reference change value, in percent of the earlier result."""
        return sqrt(2) * normal_deviate * hypot(self.analytical, self.within_person)


class DeltaCheckTable(Table):
    """The variations and the decisions around them, as ``delta_check.toml`` gives them."""

    pairs: _Pairs
    analytes: tuple[Variation, ...]


@dataclass(frozen=True, slots=True)
class _Pair:
    """An analyte's newest result and the one before it; the change is in percent."""

    variation: Variation
    current: Entry
    before: Entry
    change: Bounds


class DeltaCheck(Rule[DeltaCheckTable]):
    """The number of analytes beyond their reference change value at the record's now."""

    kind = "delta-check"
    file = "delta_check.toml"
    shape = DeltaCheckTable
    inputs = frozenset({"potassium", "creatinine", "haemoglobin", "platelets", "leukocytes", "sodium", "crp", TIME})

    def judge(self, record: Record) -> Scored:
        """The analytes that changed by more than their reference change value."""
        deviate = self.table.pairs.normal_deviate
        pairs = [pair for one in self.table.analytes if (pair := self._pair(record, one)) is not None]
        beyond = [one for one in pairs if one.change.low > one.variation.reference_change(deviate)]
        maybe = sum(one.change.high > one.variation.reference_change(deviate) for one in pairs)
        count, missing = len(beyond), len(self.table.analytes) - len(pairs)
        return Scored(
            score=float(count),
            band="changed" if beyond else "none",
            abstained=not pairs,
            low=count,
            high=maybe,
            interval=(float(count), float(maybe + missing)),
            title=_title(count, len(pairs)),
            reasons=tuple(_reason(one, record.now) for one in beyond),
            evidence=tuple(entry for one in beyond for entry in (one.current, one.before)),
        )

    def _pair(self, record: Record, variation: Variation) -> _Pair | None:
        pairs, analyte = self.table.pairs, variation.analyte
        current = newest(record, analyte, pairs.newest_at_most_hours)
        if current is None:
            return None
        since = current.effective - int(pairs.apart_at_most_hours * HOUR)
        before = [one for one in results(record, analyte, since, current.effective) if one is not current]
        if not before:
            return None
        change = _change(possible(analyte, current), possible(analyte, before[-1]))
        return _Pair(variation, current, before[-1], change)


def _change(current: Bounds, before: Bounds) -> Bounds:
    """The least and the greatest change in percent of the earlier value, whatever its direction."""
    ends = [_percent(now, earlier) for now in (current.low, current.high) for earlier in (before.low, before.high)]
    overlap = current.low <= before.high and before.low <= current.high
    return Bounds(0.0 if overlap else min(ends), max(ends))


def _percent(current: float, before: float) -> float:
    if before == 0:
        return 0.0 if current == 0 else inf
    return clean(100 * abs(current - before) / before)


def _title(count: int, pairs: int) -> Text:
    return Text(
        f"{count} of {pairs} results changed beyond variation",
        f"{count} af {pairs} svar ændret ud over variationen",
    )


def _reason(pair: _Pair, now: int) -> Reason:
    """The change of an analyte in percent, with its sign."""
    current, before = pair.current.value or 0.0, pair.before.value or 0.0
    sign = 1 if current >= before else -1
    # From a count of 0 there is no change in percent.
    value = round(sign * _percent(current, before), 1) if before else None
    return Reason(f"{pair.variation.analyte}_change_percent", value, "%", age_minutes(pair.current, now), 1.0)
