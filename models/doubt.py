"""Whether a model knows too little of a patient: inputs that are too few, too old or unlike those of its training."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from features.instants import HOUR
from features.record import Record
from features.vector import PLACES
from models.artefact import Abstention
from models.seen import Seen


@dataclass(frozen=True, slots=True)
class Doubt:
    """When one model abstains; ``ranges`` are places in the vector, each with the least and the greatest value."""

    rule: Abstention
    analytes: frozenset[str]
    ranges: tuple[tuple[int, float, float], ...]

    @classmethod
    def of(cls, rule: Abstention, analytes: Iterable[str]) -> Self:
        """By a manifest, of a model that reads these analytes."""
        ranges = tuple((PLACES[f"{name}_last"], one.low, one.high) for name, one in rule.ranges.items())
        return cls(rule, frozenset(analytes), ranges)

    def holds(self, record: Record, seen: Seen) -> bool:
        """Whether the model abstains."""
        rule, numbers = self.rule, seen.numbers
        outside = sum(1 for place, low, high in self.ranges if numbers[place] < low or numbers[place] > high)
        return (
            len(self.analytes & seen.known) < rule.minimum_inputs
            or outside > rule.most_outside
            or bool(rule.fresh and _newest(record, rule.fresh) <= record.now - rule.fresh_within_h * HOUR)
        )


def _newest(record: Record, analytes: tuple[str, ...]) -> int:
    """When the newest of these analytes was measured; 0 when none was."""
    entries = [record.series[name].last(record.now) for name in analytes if name in record.series]
    return max((entry.effective for entry in entries if entry), default=0)
