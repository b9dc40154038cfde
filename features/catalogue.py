"""The catalogue of analytes: what a code means, in which units it may come, and which values cannot be.

The data is ``catalogue.toml`` beside this file, written for laboratory physicians; a deployment adds its own
codes in a file of the same shape (``docs/catalogue.md``).
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cache
from math import inf, nan
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from features.units import Conversion, Matter, Scale, UnitError, Units

FILE: Final = Path(__file__).with_name("catalogue.toml")


class Refused(ValueError):  # noqa: N818 - the input is refused; nothing went wrong here
    """An input that cannot be used: ``reason`` is a stable code, ``detail`` a text that names no patient."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"


class CatalogueError(ValueError):
    """The catalogue's file, or a deployment's, is wrong; the message names the line and what to do."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference interval in the canonical unit, for a sex (``None``: both) and an age in years."""

    low: float
    high: float
    sex: Literal["female", "male"] | None
    age_from: float
    age_to: float


@dataclass(frozen=True, slots=True)
class Analyte:
    """What is measured: names, canonical unit (UCUM), plausible range in it, hours that a value stays valid.

    An analyte of ``kind`` ``text`` has ``texts``, the values that it can have, and neither unit nor range.
    """

    name: str
    en: str
    da: str
    group: str
    kind: Literal["number", "text"]
    unit: str | None
    low: float
    high: float
    decimals: int
    valid_hours: float
    reference: tuple[Reference, ...] = ()
    texts: tuple[str, ...] = ()

    def reference_for(self, sex: str | None, age: float | None) -> Reference | None:
        """The interval for a sex and an age in years (unknown: adult); ``None`` if none fits."""
        years = 18.0 if age is None else age
        fits = (r for r in self.reference if r.sex in (None, sex) and r.age_from <= years < r.age_to)
        return next(fits, None)


@dataclass(frozen=True, slots=True)
class Entry:
    """What a code means: its analyte, and from each spelling of its units the way to the canonical one."""

    analyte: Analyte
    ways: Mapping[str | None, Conversion]


class Catalogue:
    """Every analyte, and what each code of each system means.

    Args:
        local: a deployment's own file: more systems, aliases, and codes of analytes that exist.
        path: the catalogue itself.

    Raises:
        CatalogueError: a file is wrong.
    """

    def __init__(self, local: Path | None = None, path: Path = FILE) -> None:
        raw = _toml(path)
        if local is not None:
            _merge(raw, local)
        file = _validated(_File, raw, local or path)
        self.version: str = file.version
        self.analytes: Mapping[str, Analyte] = MappingProxyType(
            {name: line.analyte(name) for name, line in file.analytes.items()}
        )
        self.text_analytes: Mapping[str, Analyte] = MappingProxyType(
            {name: analyte for name, analyte in self.analytes.items() if analyte.kind == "text"}
        )
        self._entries = _entries(file, self.analytes)
        self.entries: Mapping[tuple[str, str], Entry] = MappingProxyType(self._entries)

    def canonical(self, system: str, code: str, value: float, unit: str | None) -> tuple[Analyte, float]:
        """The analyte that a code means, and the value in its canonical unit.

        Raises:
            Refused: ``unknown-code``; ``unknown-unit`` (none, or not one of the code's property);
                ``implausible`` (outside the range, NaN, infinite); ``schema`` (the analyte is a text).
        """
        entry = self._entries.get((system, code))
        if entry is None:
            raise _unknown_code(code)
        analyte = entry.analyte
        way = entry.ways.get(unit)
        if way is None:
            raise _unknown_unit(analyte, unit)
        try:
            result = (value - way.minus) * way.times / way.over
        except OverflowError:  # a whole number beyond every float
            result = nan
        if analyte.low <= result <= analyte.high:
            return analyte, result
        raise Refused(
            "implausible",
            f"{analyte.name}: {result:g} {analyte.unit} is not within {analyte.low:g} to {analyte.high:g}",
        )

    def canonical_text(self, analyte: Analyte, text: str) -> str:
        """A text result as one of the analyte's texts.

        Raises:
            Refused: ``schema`` (the analyte is a number); ``implausible`` (none of its texts).
        """
        if analyte.kind != "text":
            raise Refused("schema", f"{analyte.name} needs a number as its value")
        stripped = text.strip()
        if stripped not in analyte.texts:
            raise Refused("implausible", f"{analyte.name} can only be {', '.join(analyte.texts)}")
        return stripped

    def analyte_for(self, system: str, code: str) -> Analyte:
        """The analyte that a code means.

        Raises:
            Refused: ``unknown-code``.
        """
        entry = self._entries.get((system, code))
        if entry is None:
            raise _unknown_code(code)
        return entry.analyte


@cache
def catalogue(local: Path | None = None) -> Catalogue:
    """The catalogue, with a deployment's own codes where it has some; read once."""
    return Catalogue(local)


# A producer may put a person's number where a code or a unit belongs: only what looks like one is repeated.
_CODE_LIKE: Final = re.compile(r"[A-Z]{2,6}[0-9]{1,6}|[0-9]{1,5}-[0-9]")
_UNIT_LIKE: Final = re.compile(r"(?!.*\d{4}).{1,20}", re.DOTALL)


def _unknown_code(code: str) -> Refused:
    shown = code if _CODE_LIKE.fullmatch(code) else "(not shown: it looks like no code)"
    return Refused("unknown-code", f"code {shown} of this system is in neither the catalogue nor a local file")


def _unknown_unit(analyte: Analyte, unit: str | None) -> Refused:
    if analyte.kind == "text":
        return Refused("schema", f"{analyte.name} is a text: {', '.join(analyte.texts)}")
    if unit is None:
        return Refused("unknown-unit", f"{analyte.name} came without a unit, and its code does not imply one")
    shown = f"{unit!r}" if _UNIT_LIKE.fullmatch(unit) else "(not shown: it looks like no unit)"
    return Refused("unknown-unit", f"{analyte.name}: unit {shown} is none that this code takes")


# ------------------------------------------------------------------------------ the file, as it is written


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _scale(raw: Any) -> Scale:
    """A number of base units, or ``minus``, ``times`` and ``over``."""
    parts = {"times": raw} if not isinstance(raw, Mapping) else raw
    if set(parts) - {"minus", "times", "over"}:
        raise ValueError("give a number of base units, or minus, times and over")
    times, over = Fraction(parts.get("times", 1)), Fraction(parts.get("over", 1))
    if times <= 0 or over <= 0:
        raise ValueError("must be above 0")
    return Scale(times / over, Fraction(parts.get("minus", 0)))


Finite = Annotated[float, Field(allow_inf_nan=False)]
MolarMass = Annotated[Decimal, Field(gt=0)]


class _CodeLine(_Line):
    system: str
    code: Annotated[str, Field(min_length=1)]
    property: str
    source: str
    unit_if_missing: str | None = None
    molar_mass: MolarMass | None = None
    verify: str | None = None
    note: str | None = None


class _ReferenceLine(_Line):
    low: Finite
    high: Finite
    source: str
    sex: Literal["female", "male"] | None = None
    age_from: Annotated[float, Field(ge=0)] = 18
    age_to: Annotated[float, Field(gt=0)] = inf
    verify: str | None = None


class _AnalyteLine(_Line):
    en: str
    da: str
    group: str
    property: str
    why: str
    valid_hours: Annotated[Finite, Field(gt=0)]
    codes: tuple[_CodeLine, ...]
    unit: str | None = None
    decimals: Annotated[int, Field(ge=0, le=4)] = 0
    plausible: tuple[Finite, Finite] | None = None
    molar_mass: MolarMass | None = None
    valence: Annotated[int, Field(ge=1, le=4)] | None = None
    texts: tuple[str, ...] = ()
    reference: tuple[_ReferenceLine, ...] = ()
    verify: str | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.property == "text":
            if not self.texts:
                raise ValueError("a text needs texts, the values that it can have")
        elif self.unit is None or self.plausible is None or self.plausible[0] >= self.plausible[1]:
            raise ValueError("needs a unit, and plausible = [lowest, highest]")
        else:
            for interval in self.reference:
                if not self.plausible[0] <= interval.low <= interval.high <= self.plausible[1]:
                    raise ValueError("a reference interval must have low below high, both within plausible")
        return self

    def analyte(self, name: str) -> Analyte:
        low, high = self.plausible or (nan, nan)
        return Analyte(
            name=name,
            en=self.en,
            da=self.da,
            group=self.group,
            kind="text" if self.property == "text" else "number",
            unit=self.unit,
            low=low,
            high=high,
            decimals=self.decimals,
            valid_hours=self.valid_hours,
            reference=tuple(Reference(r.low, r.high, r.sex, r.age_from, r.age_to) for r in self.reference),
            texts=self.texts,
        )


class _File(_Line):
    version: str
    owners: dict[str, str]
    sources: dict[str, str]
    systems: dict[str, tuple[str, ...]]
    properties: dict[str, dict[str, Annotated[Scale, BeforeValidator(_scale)]]]
    aliases: dict[str, tuple[str, ...]]
    analytes: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], _AnalyteLine]

    @model_validator(mode="after")
    def _names_what_it_uses(self) -> Self:
        for name, line in self.analytes.items():
            for interval in line.reference:
                _known(f"{name}, reference", "sources", interval.source, self.sources)
                _known(f"{name}, reference", "owners", interval.verify, self.owners)
            for code in line.codes:
                _known(f"{name}, code {code.code}", "sources", code.source, self.sources)
                _known(f"{name}, code {code.code}", "owners", code.verify, self.owners)
                _known(f"{name}, code {code.code}", "systems", code.system, self.systems)
                _known(f"{name}, code {code.code}", "properties", code.property, self.properties)
            _known(name, "properties", line.property, self.properties)
            _known(name, "owners", line.verify, self.owners)
        return self


def _known(place: str, section: str, key: str | None, keys: Mapping[str, object]) -> None:
    if key is not None and key not in keys:
        raise ValueError(f"{place}: {key!r} is no key of [{section}]: add it there, or use one of {sorted(keys)}")


class _LocalAnalyte(_Line):
    codes: list[dict[str, Any]]


class _LocalFile(_Line):
    systems: dict[str, list[str]] = {}
    sources: dict[str, str] = {}
    aliases: dict[str, list[str]] = {}
    analytes: dict[str, _LocalAnalyte]


def _toml(path: Path) -> dict[str, Any]:
    try:
        # Decimals as they are written: a molar mass of 113.12 is that, and not the nearest float.
        return tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CatalogueError(f"{path.name} cannot be read as TOML: {error}") from error


_Shape = TypeVar("_Shape", bound=BaseModel)


def _validated(shape: type[_Shape], raw: Mapping[str, Any], path: Path) -> _Shape:
    try:
        return shape.model_validate(raw)
    except ValidationError as error:
        faults = "; ".join(f"{_place(fault['loc'])}: {fault['msg']}" for fault in error.errors())
        raise CatalogueError(f"{path.name}: {faults}. docs/catalogue.md shows the shape") from None


def _place(loc: tuple[int | str, ...]) -> str:
    """Where a fault lies, such as ``analytes.creatinine.codes.2``, counted from 1 as a reader does."""
    return ".".join(str(part + 1) if isinstance(part, int) else part for part in loc) or "the file"


def _merge(raw: dict[str, Any], path: Path) -> None:
    """Adds a deployment's file to the catalogue's raw tables."""
    local = _validated(_LocalFile, _toml(path), path)
    for section in ("systems", "sources"):
        for key, item in getattr(local, section).items():
            if raw[section].setdefault(key, item) != item:
                raise CatalogueError(f"{path.name}: {section}.{key} is taken; choose another name")
    for unit, spellings in local.aliases.items():
        raw["aliases"].setdefault(unit, []).extend(spellings)
    for name, line in local.analytes.items():
        if name not in raw["analytes"]:
            raise CatalogueError(f"{path.name}: there is no analyte {name}; a local code must mean one that exists")
        raw["analytes"][name]["codes"].extend(line.codes)


def _entries(file: _File, analytes: Mapping[str, Analyte]) -> dict[tuple[str, str], Entry]:
    try:
        units = Units(file.properties, file.aliases)
    except UnitError as error:
        raise CatalogueError(f"units: {error}") from error
    entries: dict[tuple[str, str], Entry] = {}
    for name, line in file.analytes.items():
        for code in line.codes:
            try:
                ways = _ways(units, line, code)
            except UnitError as error:
                raise CatalogueError(f"{name}, code {code.code}: {error}") from error
            for system in file.systems[code.system]:
                key = (system, code.code)
                # A code may take a second property's units, never have a second meaning.
                known = entries.get(key, Entry(analytes[name], {}))
                if known.analyte.name != name or known.ways.keys() & ways.keys():
                    raise CatalogueError(
                        f"code {code.code} stands under {known.analyte.name} and again under {name}; keep one"
                    )
                entries[key] = Entry(analytes[name], {**known.ways, **ways})
    return entries


def _ways(units: Units, line: _AnalyteLine, code: _CodeLine) -> dict[str | None, Conversion]:
    if line.unit is None:
        return {}
    matter = Matter(code.molar_mass or line.molar_mass, line.valence)
    ways: dict[str | None, Conversion] = {}
    ways.update(units.conversions(code.property, (line.property, line.unit), matter))
    if code.unit_if_missing is not None:
        if code.unit_if_missing not in ways:
            raise UnitError(f"unit_if_missing = {code.unit_if_missing!r} is no unit of {code.property}")
        ways[None] = ways[code.unit_if_missing]
    return ways
