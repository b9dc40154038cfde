"""What a value can be, and the limits of tables, which it meets surely, possibly or not."""

from typing import Self

import msgspec
from pydantic import model_validator

from features.catalogue import catalogue
from features.record import Record
from features.series import Entry
from models.rules.results import bounds
from models.rules.table import Line

#: Decimals at which values are compared: beyond any laboratory's, and above the noise of a conversion.
_DECIMALS = 6


def clean(value: float) -> float:
    """A value without the noise that a conversion or a difference leaves: 37.99999999999999 is 38."""
    return round(value, _DECIMALS)


class Bounds(msgspec.Struct, frozen=True):
    """The least and the greatest that a value can be, both included."""

    low: float
    high: float


def possible(analyte: str, entry: Entry | None) -> Bounds:
    """What the value of an analyte can be, canonical; without an entry, anything plausible."""
    if entry is None or entry.value is None:
        known = catalogue().analytes[analyte]
        return Bounds(known.low, known.high)
    if entry.comparator is not None:
        return Bounds(*bounds(analyte, entry))
    return Bounds(clean(entry.value), clean(entry.value))


def was_known(record: Record, *analytes: str) -> bool:
    """Whether any of these was ever known, however old: what never was can hold no alert open."""
    found = (record.series.get(one) for one in analytes)
    return any(series is not None and series.last(record.now) is not None for series in found)


class Limit(Line):
    """A limit: one of its four sides."""

    below: float | None = None
    at_most: float | None = None
    at_least: float | None = None
    above: float | None = None

    @model_validator(mode="after")
    def _has_one_side(self) -> Self:
        if sum(side is not None for side in (self.below, self.at_most, self.at_least, self.above)) != 1:
            raise ValueError("give one of below, at_most, at_least and above")
        return self

    def met(self, value: float) -> bool:
        """Whether a value meets it."""
        if self.below is not None:
            return value < self.below
        if self.at_most is not None:
            return value <= self.at_most
        if self.at_least is not None:
            return value >= self.at_least
        return self.above is not None and value > self.above

    def surely(self, value: Bounds) -> bool:
        """Whether it is met whatever the value is within its bounds."""
        return self.met(value.low) and self.met(value.high)

    def possibly(self, value: Bounds) -> bool:
        """Whether some value within the bounds meets it."""
        return self.met(value.low) or self.met(value.high)
