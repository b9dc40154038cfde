"""Scores that add up the points of components: what each adds at least, and at most where it is not known."""

from collections.abc import Iterable

import msgspec

from features.record import Record
from features.series import Entry
from models.outputs import Reason, Text
from models.rules.limits import Bounds, Limit, possible, was_known
from models.rules.table import Line
from models.scorer import Scored, age_minutes, newest


class Step(Limit):
    """A line of a scale: its points count where its limit is met."""

    points: int


class Scale(Line):
    """The points of one component, in the canonical unit: the most of all lines whose limit is met."""

    unit: str
    steps: tuple[Step, ...]

    def read(self, value: Bounds) -> tuple[int, int]:
        """The least and the most points of what a value can be."""
        sure = max((step.points for step in self.steps if step.surely(value)), default=0)
        return sure, max((step.points for step in self.steps if step.possibly(value)), default=0)

    @property
    def most(self) -> int:
        """The points of the gravest line."""
        return max(step.points for step in self.steps)


class Part(msgspec.Struct, frozen=True):
    """What one component adds, read from ``entries`` (none: it is not known).

    At least ``low`` points, and at most ``most``; ``high`` is the most without what was never measured, so that only
    what grew too old holds an alert open.
    """

    name: str
    low: int
    high: int
    most: int
    entries: tuple[Entry, ...] = ()
    value: float | str | None = None
    unit: str | None = None


def measured(record: Record, name: str, scale: Scale, hours: float) -> Part:
    """The component that is an analyte's newest value, if that is at most so many hours old."""
    entry = newest(record, name, hours)
    return unknown(record, name, scale.most, name) if entry is None else read(name, entry, scale)


def read(name: str, entry: Entry, scale: Scale) -> Part:
    """The component that one numeric value gives."""
    low, high = scale.read(possible(name, entry))
    return Part(name, low, high, high, (entry,), entry.value, scale.unit)


def unknown(record: Record, name: str, most: int, *analytes: str) -> Part:
    """A component of which nothing is known now; it holds an alert if one of its analytes ever was."""
    return Part(name, 0, most if was_known(record, *analytes) else 0, most)


def total(score: str, parts: Iterable[Part], now: int, calls_at: int) -> Scored:
    """The sum, by the score's name. One that lacks a component and stays below ``calls_at`` is an abstention."""
    parts = tuple(parts)
    low, most = sum(part.low for part in parts), sum(part.most for part in parts)
    least = Text(f"{score} at least {low}", f"{score} mindst {low}")
    return Scored(
        score=float(low),
        band="raised" if low >= calls_at else "low",
        abstained=low < calls_at and not all(part.entries for part in parts),
        low=low,
        high=sum(part.high for part in parts),
        interval=(float(low), float(most)),
        title=least if low < most else Text(f"{score} {low}", f"{score} {low}"),
        reasons=reasons(parts, now),
        evidence=tuple(entry for part in parts if part.low for entry in part.entries),
    )


def reasons(parts: Iterable[Part], now: int) -> tuple[Reason, ...]:
    """The components with points, the weightiest first."""
    found = [
        Reason(
            feature=part.name,
            value=part.value,
            unit=part.unit,
            age_minutes=max((age_minutes(entry, now) for entry in part.entries), default=None),
            contribution=float(part.low),
        )
        for part in parts
        if part.low
    ]
    return tuple(sorted(found, key=lambda reason: (-reason.contribution, reason.feature)))
