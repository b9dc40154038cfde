"""How well explanations fit a panel: this patient's own results, another patient's, diluted ones, a unit mixed up.

All weights are natural logarithms of likelihoods. Under each explanation the results are Student t for each analyte,
tied by a Gaussian copula: what rises together must rise together here too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import inf, lgamma, log, pi
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from models.expected import Expected, Levels, Line, Usual
from models.panel import ANALYTES, Panel

Floats = NDArray[np.float64]

#: What an infusion dilutes: concentrations, of which glucose may rise instead. Gases and clotting times do not follow.
DILUTED: Final = frozenset(ANALYTES) - {"ph", "paco2", "pao2", "sao2", "base_excess", "aptt", "glucose"}
#: The shares of the specimen that is the patient's own blood which are tried.
_OWN_SHARES: Final = np.array([[0.8], [0.7], [0.6], [0.5]])
#: How many times a value is another one when its unit was mixed up; the inverse is tried as well. Molar masses as in
#: the catalogue; urea may be urea nitrogen in the same unit of mass (28.01 of 60.06 g/mol), or mg/dL of it as mmol/L.
CONFUSIONS: Final[Mapping[str, tuple[float, ...]]] = {
    "haemoglobin": (1.61145,),
    "haematocrit": (100.0,),
    "calcium": (4.0078,),
    "magnesium": (2.4305,),
    "phosphate": (3.0974,),
    "creatinine": (88.4,),
    "urea": (60.06 / 28.014, 2.8014),
    "glucose": (18.016,),
    "lactate": (9.008,),
    "paco2": (7.50062,),
    "pao2": (7.50062,),
    "bilirubin": (17.104,),
    "bilirubin_conjugated": (17.104,),
    "albumin": (10.0,),
    "fibrinogen": (100.0,),
}
#: Beyond this many standard deviations the copula learns nothing more.
_FARTHEST: Final = 6.0
#: A glucose that rose by an infusion is taken as equally likely up to this many times e above the expected.
_GLUCOSE_RISE: Final = 2.5
#: The least that is left of a value when what is added to it is taken away, canonical.
_TRACE: Final = 1e-3
_PANELS_REMEMBERED: Final = 1024

_PLACE: Final = {name: place for place, name in enumerate(ANALYTES)}
_FALLS: Final = np.array([name in DILUTED for name in ANALYTES])
_OFFSETS: Final = np.array([one.offset for one in ANALYTES.values()])
_SHIFTS: Final = {name: [way * log(one) for one in factors for way in (1, -1)] for name, factors in CONFUSIONS.items()}
_JOINT: Final = ("another_patient", "diluted", "unit", "distance", "number", "compared", "farthest", "squares", "alone")
#: The columns that the judge of a panel reads: of the panel as a whole, then three of each analyte.
COLUMNS: Final = (*_JOINT, *(f"{kind}_{name}" for kind in ("loss", "own", "usual") for name in ANALYTES))


class Spread(BaseModel):
    """Student's t of an analyte's results among all patients, in ``Usual.spread`` from ``Usual.centre``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    centre: float
    scale: float
    freedom: float


class Tables(BaseModel):
    """What training found; matrices are in the order of ``ANALYTES``. ``reach`` is the conformal half width of the
    95 % interval of an analyte's next result, in ``Expected.scale``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    usual: dict[str, Usual]
    again: dict[str, Line]
    first: dict[str, Line]
    reach: dict[str, float]
    among_all: dict[str, Spread]
    own_correlation: tuple[tuple[float, ...], ...]
    usual_correlation: tuple[tuple[float, ...], ...]

    def expected(self, panel: Panel, names: tuple[str, ...]) -> list[Expected]:
        """The results that were to be expected of those analytes."""
        levels = Levels(panel.before, self.usual)
        return [levels.expected(name, (self.again if name in panel.before else self.first)[name]) for name in names]


@dataclass(frozen=True, slots=True)
class Weighed:
    """A panel weighed.

    ``losses`` is, for each result, how much likelier it is among all patients than as this patient's (log);
    ``another_patient``, ``diluted`` and ``unit`` say so of the panel as a whole under the best of each kind, -inf where
    none can be tried; ``mixed`` is the analyte of the best mix-up. ``row`` has the values of ``COLUMNS``.
    """

    names: tuple[str, ...]
    expected: tuple[Expected, ...]
    losses: tuple[float, ...]
    another_patient: float
    diluted: float
    unit: float
    mixed: str | None
    row: Floats


class Likelihood:
    """The explanations, ready to weigh panels."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._correlations = {
            "own": np.array(tables.own_correlation),
            "usual": np.array(tables.usual_correlation),
        }
        # The same panels are ordered again and again.
        self._inverse = lru_cache(_PANELS_REMEMBERED)(self._invert)
        among = [(tables.usual[name], tables.among_all[name]) for name in ANALYTES]
        self._centre = np.array([usual.centre + usual.spread * one.centre for usual, one in among])
        self._scale = np.array([usual.spread * one.scale for usual, one in among])
        self._freedom = np.array([one.freedom for _, one in among])
        self._constant = np.array([constant_of(one.freedom) for _, one in among])

    def _invert(self, which: str, names: tuple[str, ...]) -> tuple[Floats, float]:
        """The inverse of those analytes' part of a correlation, and the logarithm of its determinant."""
        at = [_PLACE[name] for name in names]
        part = self._correlations[which][np.ix_(at, at)]
        return np.asarray(np.linalg.inv(part), np.float64), float(np.linalg.slogdet(part)[1])

    def weigh(self, panel: Panel) -> Weighed:
        """Weigh a panel of at least one result."""
        names = tuple(panel.values)
        at = np.array([_PLACE[name] for name in names])
        expected = self._tables.expected(panel, names)
        centre = np.array([one.centre for one in expected])
        scale = np.array([one.scale for one in expected])
        freedom = np.array([one.freedom for one in expected])
        constant = np.array([constant_of(one.freedom) for one in expected])
        values = np.array([panel.values[name] for name in names])

        diluted, gained = _undiluted(at, values, centre, scale, constant)
        mixed, whose = _confused(names, values)
        tried = np.vstack([values, diluted, mixed])
        errors = (tried - centre) / scale
        marginal = _student(errors, freedom, constant) - np.log(scale)
        deviates = normal(errors, freedom)
        inverse, determinant = self._inverse("own", names)
        quadratic = np.einsum("hi,ij,hj->h", deviates, inverse, deviates)
        joint = marginal.sum(1) - 0.5 * (determinant + quadratic - (deviates**2).sum(1))
        joint[1 : 1 + len(diluted)] += gained

        usual = (values - self._centre[at]) / self._scale[at]
        among_all = _student(usual, self._freedom[at], self._constant[at]) - np.log(self._scale[at])
        usual_normal = normal(usual, self._freedom[at])
        among_inverse, among_determinant = self._inverse("usual", names)
        pull = np.einsum("i,ij,j->", usual_normal, among_inverse, usual_normal) - (usual_normal**2).sum()
        another = float(among_all.sum() - 0.5 * (among_determinant + pull) - joint[0])

        losses = among_all - marginal[0]
        gains = joint[1:] - joint[0]
        best_diluted = float(gains[: len(diluted)].max())
        units = gains[len(diluted) :]
        best = int(units.argmax()) if len(units) else None
        best_unit = -inf if best is None else float(units[best])
        squares = float((deviates[0] ** 2).sum())
        row = np.full(len(COLUMNS), np.nan)
        row[: len(_JOINT)] = (
            another,
            best_diluted,
            np.nan if best is None else best_unit,
            float(quadratic[0]),
            len(names),
            panel.compared,
            float(np.abs(deviates[0]).max()),
            squares,
            float(losses.sum()),
        )
        first = len(_JOINT)
        for column in (losses, deviates[0], usual_normal):
            row[first + at] = column
            first += len(ANALYTES)
        return Weighed(
            names=names,
            expected=tuple(expected),
            losses=tuple(losses.tolist()),
            another_patient=another,
            diluted=best_diluted,
            unit=best_unit,
            mixed=None if best is None else whose[best],
            row=row,
        )


def _undiluted(
    at: NDArray[np.int64], values: Floats, centre: Floats, scale: Floats, constant: Floats
) -> tuple[Floats, float]:
    """The results as they were before a dilution, for each share; and what to add for glucose, which may have risen.

    Glucose stands at its centre in them: its own likelihood, that of a rise, is the term that is added.
    """
    falls, offset = _FALLS[at], _OFFSETS[at]
    whole = np.maximum((np.exp(np.where(falls, values, 0.0)) - offset) / _OWN_SHARES, _TRACE)
    found = np.where(falls, np.log(whole + offset), values)
    [places] = np.nonzero(at == _PLACE["glucose"])
    if not len(places):
        return found, 0.0
    place = places[0]
    found[:, place] = centre[place]
    rise = float(values[place] - centre[place])
    below, above = min(0.0, rise / float(scale[place])), max(0.0, rise - _GLUCOSE_RISE)
    risen = -log(_GLUCOSE_RISE) - below**2 / 2 - above**2
    return found, risen - float(constant[place]) + log(scale[place])


def _confused(names: tuple[str, ...], values: Floats) -> tuple[Floats, list[str]]:
    """The results as they would be had one unit been another, and which analyte's it is."""
    shifts = [(place, name, shift) for place, name in enumerate(names) for shift in _SHIFTS.get(name, ())]
    found = np.tile(values, (len(shifts), 1))
    for number, (place, _, shift) in enumerate(shifts):
        found[number, place] -= shift
    return found, [name for _, name, _ in shifts]


def constant_of(freedom: float) -> float:
    """The logarithm of the density of Student's t at 0."""
    return lgamma((freedom + 1) / 2) - lgamma(freedom / 2) - 0.5 * log(freedom * pi)


def _student(errors: Floats, freedom: Floats, constant: Floats) -> Floats:
    """The logarithm of the density of Student's t."""
    return np.asarray(constant - (freedom + 1) / 2 * np.log1p(errors**2 / freedom))


def normal(errors: Floats, freedom: Floats | float) -> Floats:
    """Student's t as standard normal deviates (Wallace, Ann Math Stat 1959;30:1121), bounded."""
    found = (8 * freedom + 1) / (8 * freedom + 3) * np.sqrt(freedom * np.log1p(errors**2 / freedom))
    return np.asarray(np.copysign(np.minimum(found, _FARTHEST), errors))
