"""What was done to values that lie where none lay before: the unit in which they came, or the factor."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Final, Literal

import msgspec

from features.catalogue import Catalogue
from features.units import Conversion
from models.monitor.distribution import Usual

#: So many of the values must lie where the usual ones lie, once a conversion is applied.
_FITS: Final = 0.8
_DECADES: Final = tuple(10.0**power for power in (-6, -3, -2, -1, 1, 2, 3, 6))

#: For each analyte the units in which its values might have come, and the way from there to the canonical one.
Ways = Mapping[str, Mapping[str, Conversion]]


class Guess(msgspec.Struct, frozen=True, order=True):
    """What was done to values: they are numbers in a unit and came ``unlabelled`` by it, under the canonical one's
    name; or numbers in the canonical unit that came ``labelled`` as another; or the usual ones times a ``factor``.
    """

    how: Literal["unlabelled", "labelled", "factor"]
    what: str


def ways(catalogue: Catalogue) -> Ways:
    """The units that the catalogue knows of each analyte and that change a number, each by its shortest spelling."""
    found: dict[str, dict[str, Conversion]] = {}
    for entry in catalogue.entries.values():
        for spelling, way in entry.ways.items():
            if spelling is None or way.forward(100.0) == 100.0:
                continue
            known = found.setdefault(entry.analyte.name, {})
            same = next((name for name, other in known.items() if other == way), None)
            if same is None or (len(spelling), spelling) < (len(same), same):
                known.pop(same or "", None)
                known[spelling] = way
    return {name: dict(sorted(known.items())) for name, known in sorted(found.items())}


def recognised(usual: Usual, values: Sequence[float], known: Mapping[str, Conversion]) -> Guess | None:
    """The unit or the power of ten that brings these values back to where the usual ones lie, if one does."""
    undone: list[tuple[Guess, list[float]]] = []
    for unit, way in known.items():
        undone.append((Guess("unlabelled", unit), [way.forward(value) for value in values]))
        undone.append((Guess("labelled", unit), [way.back(value) for value in values]))
    undone += [(Guess("factor", f"{one:g}"), [value / one for value in values]) for one in _DECADES]
    fitting = [(_off(usual, changed), guess) for guess, changed in undone if _fits(usual, changed)]
    return min(fitting)[1] if fitting else None


def factor(usual: Usual, values: Sequence[float]) -> Guess | None:
    """The factor by which these values are off, if there is one."""
    by = median(values) / usual.median if usual.median else 0.0
    if by > 0 and _fits(usual, [value / by for value in values]):
        return Guess("factor", f"{by:.3g}")
    return None


def _fits(usual: Usual, values: Sequence[float]) -> bool:
    inside = sum(not usual.outside(value) for value in values)
    return inside >= _FITS * len(values)


def _off(usual: Usual, values: Sequence[float]) -> float:
    """How far the middle is from the usual one, in usual spreads."""
    return abs(median(values) - usual.median) / (usual.high - usual.low or 1.0)
