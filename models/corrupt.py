"""Panels made wrong on purpose, to train and to judge the surprise of results: swapped, diluted, in a mixed unit.

Works on panels as they would have been: what the catalogue would refuse as implausible is not made, since such a result
never reaches a model.
"""

from collections.abc import Mapping
from dataclasses import replace
from math import log
from random import Random

from features.catalogue import catalogue
from models.likelihood import CONFUSIONS, DILUTED
from models.panel import ANALYTES, Panel


def swapped(panel: Panel, other: Panel) -> Panel:
    """Another patient's results in place of this one's."""
    return replace(panel, values=other.values)


def diluted(panel: Panel, share: float, glucose: float, gases: bool = False) -> Panel | None:
    """Every concentration times ``share``, glucose times ``glucose``; ``gases``: theirs and saturation fall as well.

    ``None`` when nothing that is diluted is in the panel.
    """
    falling = DILUTED | ({"paco2", "pao2", "sao2"} if gases else set())
    factors = {name: glucose if name == "glucose" else share for name in panel.values if name in falling | {"glucose"}}
    changed = _times(panel, factors)
    return changed if any(name in DILUTED for name in changed.values) else None


def confusions(panel: Panel) -> list[tuple[str, float]]:
    """The analytes and factors of every mix-up of a unit that the catalogue would not refuse."""
    every = [
        (name, one) for name in panel.values for factor in CONFUSIONS.get(name, ()) for one in (factor, 1 / factor)
    ]
    return [
        (name, factor) for name, factor in every if _plausible(name, ANALYTES[name].back(panel.values[name]) * factor)
    ]


def confused(panel: Panel, name: str, factor: float) -> Panel:
    """One result times the factor of a mix-up."""
    return replace(panel, values={**panel.values, name: panel.values[name] + log(factor)})


def any_dilution(panel: Panel, chance: Random) -> Panel | None:
    """A dilution as an infusion might make it: half of them to 70 %."""
    share = 0.7 if chance.random() < 0.5 else chance.uniform(0.55, 0.8)
    return diluted(panel, share, chance.uniform(1.2, 4.0), gases=chance.random() < 0.2)


def any_confusion(panel: Panel, chance: Random) -> Panel | None:
    """One of the mix-ups of a unit that can be; ``None`` when there is none."""
    possible = confusions(panel)
    return confused(panel, *chance.choice(possible)) if possible else None


def _times(panel: Panel, factors: Mapping[str, float]) -> Panel:
    """The results times their factors; those that the catalogue would refuse are left out."""
    values = {}
    for name, worked in panel.values.items():
        working = ANALYTES[name]
        value = working.back(worked) * factors.get(name, 1.0)
        if name not in factors:
            values[name] = worked
        elif _plausible(name, value):
            values[name] = working.forward(value)
    return replace(panel, values=values)


def _plausible(name: str, value: float) -> bool:
    analyte = catalogue().analytes[name]
    return analyte.low <= value <= analyte.high
