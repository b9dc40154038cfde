"""What the next result of each analyte should be, given all earlier ones: a Student t for each, tied by a correlation.

The centre is linear in the patient's own earlier results and in the level of the other analytes, the logarithm of the
scale in how old, how many and how unsteady they are (Lange et al., J Am Stat Assoc 1989;84:881: regression with t
errors, which a few wild results cannot bend).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, fsum, log1p
from operator import mul
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from models.panel import ANALYTES, Before

#: So many standard deviations from the usual is as far as a level counts.
_FAR = 4.0
#: At this age (h) an earlier result counts as half old.
_HALF_OLD = 12.0
_PLACE: Final = {name: place for place, name in enumerate(ANALYTES)}


class Usual(BaseModel):
    """Median and robust standard deviation of an analyte's first results, on its working scale."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    centre: float
    spread: Annotated[float, Field(gt=0)]


class Line(BaseModel):
    """The coefficients of centre and log scale, in ``Usual.spread``, and the degrees of freedom of the error."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    location: tuple[float, ...]
    scale: tuple[float, ...]
    freedom: Annotated[float, Field(gt=2)]


@dataclass(frozen=True, slots=True)
class Expected:
    """The next result's distribution on the working scale: ``centre`` + ``scale`` x Student's t."""

    centre: float
    scale: float
    freedom: float


class Levels:
    """How far from the usual each analyte last was, in standard deviations; 0 where it has no earlier result."""

    def __init__(self, before: Mapping[str, Before], usual: Mapping[str, Usual]) -> None:
        self._before, self._usual = before, usual
        self.all = [_level(before[name].last, usual[name]) if name in before else 0.0 for name in ANALYTES]

    def location_row(self, name: str) -> list[float]:
        """What the centre is linear in: own results (where there are earlier ones), then the others' levels."""
        others = self.all.copy()
        others[_PLACE[name]] = 0.0
        own = self._before.get(name)
        if own is None:
            return [1.0, *others]
        usual, old = self._usual[name], own.age / (own.age + _HALF_OLD)
        mean, level = (own.mean - own.last) / usual.spread, _level(own.last, usual)
        previous = (own.previous - own.last) / usual.spread
        return [1.0, mean, previous, level, old, old * level, old * mean, *others]

    def scale_row(self, name: str) -> list[float]:
        """What the logarithm of the scale is linear in."""
        own = self._before.get(name)
        if own is None:
            return [1.0]
        usual, level = self._usual[name], _level(own.last, self._usual[name])
        return [
            1.0,
            log1p(own.age),
            abs(own.mean - own.last) / usual.spread,
            abs(own.previous - own.last) / usual.spread,
            (own.high - own.low) / usual.spread,
            1.0 / own.number,
            abs(level),
            level,
        ]

    def expected(self, name: str, line: Line) -> Expected:
        """The next result of an analyte; ``line`` is that for an analyte with an earlier result, or without."""
        usual, own = self._usual[name], self._before.get(name)
        base = usual.centre if own is None else own.last
        moved = _dot(line.location, self.location_row(name))
        return Expected(
            centre=base + moved * usual.spread,
            scale=exp(_dot(line.scale, self.scale_row(name))) * usual.spread,
            freedom=line.freedom,
        )


def _level(last: float, usual: Usual) -> float:
    return max(-_FAR, min(_FAR, (last - usual.centre) / usual.spread))


def _dot(coefficients: Sequence[float], row: Sequence[float]) -> float:
    return fsum(map(mul, coefficients, row))
