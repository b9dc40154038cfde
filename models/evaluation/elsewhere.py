"""The infection model at other hospitals, where nobody labelled infections: death in hospital as a proxy, if known."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.evaluation.curves import Hours, discrimination
from models.evaluation.draws import Draws, Floats, draw, ratio
from models.evaluation.questions import INFECTION, Rival, rule, scores
from models.evaluation.run import Outcome
from models.evaluation.stays import was_told
from models.utility import Interval


@dataclass(frozen=True, slots=True)
class Proxy:
    """Death in hospital: ``auroc`` of each score's highest value of the stay, the model's first, and who died."""

    deaths: int
    auroc: Mapping[str, Interval]
    died_of_alerted: Interval
    died_of_others: Interval


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What the model does at another hospital; alerts are per 100 patient-days."""

    data: str
    stays: int
    days: float
    abstained: float
    alerted: Interval
    alerts: Interval
    proxy: Proxy | None


def deaths(path: Path) -> dict[str, bool]:
    """Who died in hospital, by patient: the ``outcomes*.csv`` of cinc2012, at or beside a path."""
    folder = path if path.is_dir() else path.parent
    found: dict[str, bool] = {}
    for file in sorted(folder.rglob("outcomes*.csv")):
        with file.open(encoding="utf-8", newline="") as rows:
            found |= {f"cinc2012-{one['RecordID']}": one["In-hospital_death"] == "1" for one in csv.DictReader(rows)}
    return found


def elsewhere(data: str, outcomes: Sequence[Outcome], died: Mapping[str, bool] | None = None) -> Elsewhere:
    """The model's alerts there, and where it is known of every stay whether the patient died, how they go with it."""
    draws = draw(len(outcomes))
    told = [[one for one in stay.changes if one.kind == INFECTION.kind and was_told(one)] for stay in outcomes]
    alerted = np.array([float(bool(one)) for one in told])
    days = np.array([one.days for one in outcomes])
    return Elsewhere(
        data=data,
        stays=len(outcomes),
        days=float(days.sum()),
        abstained=sum(one.abstained.get(INFECTION.kind, 0) for one in outcomes)
        / sum(len(one.hours) for one in outcomes),
        alerted=ratio(alerted, np.ones(len(outcomes)), draws),
        alerts=ratio([100 * len({one.id for one in stay}) for stay in told], days, draws),
        proxy=None if died is None else _proxy(outcomes, alerted, died, draws),
    )


def _proxy(outcomes: Sequence[Outcome], alerted: Floats, died: Mapping[str, bool], draws: Draws) -> Proxy | None:
    """``None`` where it is not known of somebody, or nobody or everybody died."""
    event = np.array([died.get(one.patient, False) for one in outcomes], bool)
    if not all(one.patient in died for one in outcomes) or not event.any() or event.all():
        return None
    peaks = {one.name: _peaks(outcomes, one) for one in (rule(INFECTION.kind, INFECTION.title), *INFECTION.rivals)}
    return Proxy(
        deaths=int(event.sum()),
        auroc={
            name: discrimination(Hours(len(event), np.arange(len(event)), event, peak), draws).auroc
            for name, peak in peaks.items()
            if peak.any()
        },
        died_of_alerted=ratio(alerted * event, alerted, draws),
        died_of_others=ratio((1 - alerted) * event, 1 - alerted, draws),
    )


def _peaks(outcomes: Sequence[Outcome], rival: Rival) -> Floats:
    return np.array([np.max(one[~np.isnan(one)], initial=0.0) for one in scores(outcomes, rival)])
