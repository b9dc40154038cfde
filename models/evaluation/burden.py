"""The load of alerts on a ward: what is told, what each rule adds, what is held back, and what must not be missed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Final

import numpy as np

from models.evaluation.critical import Critical
from models.evaluation.draws import Draws, Floats, ratio
from models.evaluation.run import Change, Outcome
from models.evaluation.stays import SPOKEN, was_told
from models.outputs import LOUD
from models.utility import Interval

_BY_KIND: Final = attrgetter("kind", "id")


@dataclass(frozen=True, slots=True)
class Load:
    """One kind's part, alerts counted by id. Rates are per 100 patient-days.

    ``loud`` were ever told as a warning or critical, ``one_a_stay`` counts at most one of these a stay, ``added``
    those of stays in which no other kind is ever loud; ``quiet`` were told for information only, ``held`` never told,
    by the first reason. ``escalated`` and ``retracted`` count changes that were told.
    """

    kind: str
    loud: Interval
    one_a_stay: Interval
    added: Interval
    stays: Interval
    quiet: Interval
    held: Mapping[str, int]
    escalated: int
    retracted: int


@dataclass(frozen=True, slots=True)
class Burden:
    """All kinds together, each kind, and the critical results."""

    days: float
    loud: Interval
    critical_severity: Interval
    kinds: tuple[Load, ...]
    critical: Critical


def burden(outcomes: Sequence[Outcome], draws: Draws) -> Burden:
    """The load of these stays."""
    days = np.array([one.days for one in outcomes])
    alerts = [_alerts(one) for one in outcomes]
    kinds = sorted({one.kind for stay in alerts for one in stay})
    loud = [[one for one in stay if one.loud] for stay in alerts]
    return Burden(
        days=float(days.sum()),
        loud=_rate([len(stay) for stay in loud], days, draws),
        critical_severity=_rate([sum(one.critical for one in stay) for stay in loud], days, draws),
        kinds=tuple(_load(kind, alerts, days, draws) for kind in kinds),
        critical=Critical(
            told=sum(one.critical.told for one in outcomes),
            repeats=sum(one.critical.repeats for one in outcomes),
            missed=sum(one.critical.missed for one in outcomes),
        ),
    )


@dataclass(frozen=True, slots=True)
class _Alert:
    """One alert's whole life."""

    kind: str
    changes: tuple[Change, ...]

    @property
    def told(self) -> bool:
        return any(was_told(one) for one in self.changes)

    @property
    def loud(self) -> bool:
        return any(was_told(one) and one.severity in LOUD for one in self.changes)

    @property
    def critical(self) -> bool:
        return any(was_told(one) and one.severity == "critical" for one in self.changes)

    @property
    def reason(self) -> str:
        return next((one.held for one in self.changes if one.held is not None), "unknown")


def _alerts(stay: Outcome) -> list[_Alert]:
    grouped = groupby(sorted(stay.changes, key=_BY_KIND), key=_BY_KIND)
    found = [_Alert(kind, tuple(changes)) for (kind, _), changes in grouped]
    return [one for one in found if any(change.state in SPOKEN for change in one.changes)]


def _load(kind: str, alerts: Sequence[Sequence[_Alert]], days: Floats, draws: Draws) -> Load:
    own = [[one for one in stay if one.kind == kind] for stay in alerts]
    loud = [sum(one.loud for one in stay) for stay in own]
    others = [any(one.loud and one.kind != kind for one in stay) for stay in alerts]
    flat = [one for stay in own for one in stay]
    changes = [change for one in flat for change in one.changes]
    return Load(
        kind=kind,
        loud=_rate(loud, days, draws),
        one_a_stay=_rate([min(1, one) for one in loud], days, draws),
        added=_rate([0 if other else one for one, other in zip(loud, others, strict=True)], days, draws),
        stays=ratio([min(1, one) for one in loud], np.ones(len(loud)), draws),
        quiet=_rate([sum(one.told and not one.loud for one in stay) for stay in own], days, draws),
        held=dict(sorted(Counter(one.reason for one in flat if not one.told).items())),
        escalated=sum(one.state == "escalated" and was_told(one) for one in changes),
        retracted=sum(one.state == "retracted" for one in changes),
    )


def _rate(counts: Sequence[int], days: Floats, draws: Draws) -> Interval:
    return ratio(100 * np.array(counts, np.float64), days, draws)
