"""Units: from any accepted spelling to an analyte's canonical unit, by a table.

Every factor is computed once as an exact fraction (a molar mass is a decimal number, °F is 5/9). A conversion
is then a subtraction, a multiplication and a division of floats, always in this order: the same value in, the
same bits out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

_EXACT = 2**53  # below it a float holds every whole number

#: Between these a molar mass converts: at 1 g/mol, one base unit of mass (g/L) is 1000 of substance (mmol/L).
_MASS, _SUBSTANCE, _MMOL_PER_MOL = "mass", "substance", 1000
_EQUIVALENT = "meq/L"


class UnitError(ValueError):
    """A unit that the table does not have, or that cannot become the canonical one."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How many of its property's base unit one of a unit is: ``(x - minus) * factor``."""

    factor: Fraction
    minus: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True)
class Conversion:
    """A unit's way to the canonical one: ``(value - minus) * times / over``."""

    minus: float
    times: float
    over: float

    def forward(self, value: float) -> float:
        """The value in the canonical unit. Overflows to an infinity, never to an exception."""
        return (value - self.minus) * self.times / self.over

    def back(self, value: float) -> float:
        """The canonical value in this unit again."""
        return value * self.over / self.times + self.minus


@dataclass(frozen=True, slots=True)
class Matter:
    """What one must know of a substance to convert its units: g/mol, and charges per ion."""

    molar_mass: Decimal | None = None
    valence: int | None = None


class Units:
    """The units of each property and all their spellings.

    Args:
        properties: for each property its units; the first is the base unit, with factor 1.
        aliases: for each unit (UCUM) its other spellings.

    Raises:
        UnitError: an alias of a unit that no property has, or one spelling of two units.
    """

    def __init__(self, properties: Mapping[str, Mapping[str, Scale]], aliases: Mapping[str, Sequence[str]]) -> None:
        self._properties = properties
        known = {unit for units in properties.values() for unit in units}
        if strangers := set(aliases) - known:
            raise UnitError(f"aliases of {sorted(strangers)}, which no property lists as a unit")
        self._unit_of: dict[str, str] = {}
        for unit in sorted(known):
            for spelling in (unit, *aliases.get(unit, ())):
                for variant in _variants(spelling):
                    if self._unit_of.setdefault(variant, unit) != unit:
                        raise UnitError(f"{variant!r} would mean both {self._unit_of[variant]} and {unit}")

    def spellings(self, unit: str) -> list[str]:
        """Every way in which the unit may be written."""
        return [spelling for spelling, meant in self._unit_of.items() if meant == unit]

    def conversions(self, measured: str, canonical: tuple[str, str], matter: Matter) -> dict[str, Conversion]:
        """For each spelling of each unit of a property its way to the canonical unit.

        Args:
            measured: the property in which a code states its values.
            canonical: property and unit of the analyte.
            matter: molar mass where the two properties differ, valence where ``meq/L`` is to be taken.

        Raises:
            UnitError: there is no such way.
        """
        target, unit = canonical
        goal = self._properties.get(target, {}).get(unit)
        if goal is None or goal.minus:
            raise UnitError(f"{unit} is no unit of {target} in which to calculate")
        bridge = _bridge(measured, target, matter)
        ways: dict[str, Conversion] = {}
        for name, scale in self._properties[measured].items():
            factor = scale.factor * bridge / goal.factor
            if name == _EQUIVALENT:
                if matter.valence is None:
                    continue
                factor /= matter.valence
            way = _conversion(factor, scale.minus)
            ways.update(dict.fromkeys(self.spellings(name), way))
        return ways


def _bridge(measured: str, target: str, matter: Matter) -> Fraction:
    if measured == target:
        return Fraction(1)
    if {measured, target} != {_MASS, _SUBSTANCE}:
        raise UnitError(f"{measured} is no {target}, and nothing converts one to the other")
    if matter.molar_mass is None:
        raise UnitError(f"to convert {measured} to {target} it needs a molar_mass")
    mmol_per_gram = _MMOL_PER_MOL / Fraction(matter.molar_mass)
    return mmol_per_gram if measured == _MASS else 1 / mmol_per_gram


def _conversion(factor: Fraction, minus: Fraction) -> Conversion:
    times, over = factor.numerator, factor.denominator
    if times < _EXACT and over < _EXACT:
        return Conversion(float(minus), float(times), float(over))
    return Conversion(float(minus), float(factor), 1.0)


def _variants(spelling: str) -> set[str]:
    """The spelling with either micro sign, and with ``l`` for litre as UCUM allows."""
    micro = {spelling, spelling.replace("\u00b5", "\u03bc")}
    return micro | {text.replace("L", "l") for text in micro}
