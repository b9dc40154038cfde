"""What a ward would notice: stays with an alert, those that were found in time, and how long before."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from features.instants import HOUR
from models.evaluation.draws import Draws, Floats, median, ratio
from models.evaluation.run import Change, Outcome
from models.utility import Interval

SPOKEN: Final = frozenset({"raised", "escalated", "updated"})
#: A lead time counts where the onset came later than this many hours after the first judged hour began.
LATER_THAN: Final = 24.0


@dataclass(frozen=True, slots=True)
class Truth:
    """What came, one entry for each stay, hours counting from its start; ``onset`` is NaN for a stay without one.

    ``at_start`` marks an onset that was there from the stay's first row: nothing was to be seen ahead of it. An alert
    finds it up to ``window`` hours before.
    """

    onset: Floats
    at_start: NDArray[np.bool_]
    days: Floats
    window: float

    @property
    def struck(self) -> NDArray[np.bool_]:
        """The stays that have an onset."""
        return ~np.isnan(self.onset)


@dataclass(frozen=True, slots=True)
class Told:
    """What was said, one entry for each stay: whether at all, whether it found the onset (either may be a chance,
    0-1), hours from the first alert that found it to the onset (NaN: none), and the number of alerts.
    """

    name: str
    alerted: Floats
    found: Floats
    lead: Floats
    alerts: Floats


@dataclass(frozen=True, slots=True)
class StayFigures:
    """The figures of one way of alerting. Alerts are per 100 patient-days; lead is in hours."""

    name: str
    alerted: Interval
    sensitivity: Interval
    sensitivity_later: Interval
    sensitivity_at_start: Interval
    predictive_value: Interval
    found_of_alerted: Interval
    alerts: Interval
    one_a_stay: Interval
    lead: Interval


def figures(told: Told, truth: Truth, draws: Draws) -> StayFigures:
    """All figures with their intervals."""
    struck, start = truth.struck.astype(np.float64), truth.at_start.astype(np.float64)
    late = truth.onset > LATER_THAN
    return StayFigures(
        name=told.name,
        alerted=ratio(told.alerted, np.ones(len(struck)), draws),
        sensitivity=ratio(told.found, struck, draws),
        sensitivity_later=ratio(told.found * (1 - start), struck * (1 - start), draws),
        sensitivity_at_start=ratio(told.found * start, struck * start, draws),
        predictive_value=ratio(told.alerted * struck, told.alerted, draws),
        found_of_alerted=ratio(told.found, told.alerted, draws),
        alerts=ratio(100 * told.alerts, truth.days, draws),
        one_a_stay=ratio(100 * told.alerted, truth.days, draws),
        lead=median(np.where(late, told.lead, np.nan), draws),
    )


def of(told: Told, stays: NDArray[np.bool_]) -> Told:
    """What was said in some of the stays."""
    return Told(told.name, told.alerted[stays], told.found[stays], told.lead[stays], told.alerts[stays])


def truth_of(truth: Truth, stays: NDArray[np.bool_]) -> Truth:
    """What came in some of the stays."""
    return Truth(truth.onset[stays], truth.at_start[stays], truth.days[stays], truth.window)


def by_alerts(name: str, outcomes: Sequence[Outcome], truth: Truth, kind: str) -> Told:
    """As the service spoke: alerts of a kind that were raised, escalated or updated and not held back."""
    spoken = [[one for one in stay.changes if one.kind == kind and was_told(one)] for stay in outcomes]
    instants = [
        np.array([(one.at - stay.start) / HOUR for one in changes])
        for stay, changes in zip(outcomes, spoken, strict=True)
    ]
    return _told(name, instants, truth, np.array([len({one.id for one in changes}) for changes in spoken], np.float64))


def was_told(change: Change) -> bool:
    """Whether a change had something new to say, and said it."""
    return change.state in SPOKEN and change.held is None and not change.passed_on


def by_hours(name: str, outcomes: Sequence[Outcome], truth: Truth, scores: Sequence[Floats], threshold: float) -> Told:
    """As if every hour whose score reaches the threshold told it; alerts count the times that it was crossed."""
    above = [one >= threshold for one in scores]
    instants = [np.array(stay.hours, np.float64)[one] for stay, one in zip(outcomes, above, strict=True)]
    crossed = [np.count_nonzero(np.diff(one.astype(np.int8), prepend=0) == 1) for one in above]
    return _told(name, instants, truth, np.array(crossed, np.float64))


def at_share(name: str, outcomes: Sequence[Outcome], truth: Truth, scores: Sequence[Floats], share: float) -> Told:
    """``by_hours`` at the threshold that alerts in this share of the stays.

    Where none does, as with points, each stay is alerted by chance at one of the two thresholds around it.
    """
    peaks = np.array([np.max(one[~np.isnan(one)], initial=-np.inf) for one in scores])
    levels = np.unique(peaks[np.isfinite(peaks)])[::-1]
    shares = np.array([np.mean(peaks >= one) for one in levels])
    place = int(np.searchsorted(shares, share))
    if place == len(levels):
        return by_hours(name, outcomes, truth, scores, float(levels[-1]) if len(levels) else np.inf)
    many = by_hours(name, outcomes, truth, scores, float(levels[place]))
    few = by_hours(name, outcomes, truth, scores, float(levels[place - 1]) if place else np.inf)
    fewer = shares[place - 1] if place else 0.0
    weight = (share - fewer) / (shares[place] - fewer)
    return Told(
        name=name,
        alerted=weight * many.alerted + (1 - weight) * few.alerted,
        found=weight * many.found + (1 - weight) * few.found,
        lead=many.lead if weight >= 0.5 else few.lead,
        alerts=weight * many.alerts + (1 - weight) * few.alerts,
    )


def at_random(outcomes: Sequence[Outcome], truth: Truth, share: float, every: int = 12) -> Told:
    """An alarm by chance at the first hour and every 12 hours after it, as likely as alerts in this share of stays."""
    places = [np.array(one.hours, np.float64)[::every] for one in outcomes]
    number = np.array([len(one) for one in places], np.float64)
    within = np.array([_within(one, onset, truth.window).sum() for one, onset in zip(places, truth.onset, strict=True)])
    low, high = 0.0, 1.0
    for _ in range(60):
        chance = (low + high) / 2
        low, high = (chance, high) if np.mean(1 - (1 - chance) ** number) < share else (low, chance)
    return Told(
        name="a random alarm every 12 h",
        alerted=1 - (1 - high) ** number,
        found=1 - (1 - high) ** within,
        lead=np.full(len(number), np.nan),
        alerts=high * number,
    )


def as_sensitive(
    outcomes: Sequence[Outcome], truth: Truth, scores: Sequence[Floats], sensitivity: float
) -> float | None:
    """The highest threshold at which ``by_hours`` finds at least this share of the onsets; ``None``: there is none."""
    reached = np.array(
        [
            np.max(
                one[_within(np.array(stay.hours, np.float64), onset, truth.window) & ~np.isnan(one)], initial=-np.inf
            )
            for stay, one, onset in zip(outcomes, scores, truth.onset, strict=True)
        ]
    )[truth.struck]
    wanted = int(np.ceil(sensitivity * len(reached) - 1e-9))
    if not wanted or wanted > np.isfinite(reached).sum():
        return None
    return float(np.sort(reached)[::-1][wanted - 1])


def _told(name: str, instants: Sequence[Floats], truth: Truth, alerts: Floats) -> Told:
    lead = np.full(len(instants), np.nan)
    for number, (said, onset) in enumerate(zip(instants, truth.onset, strict=True)):
        finding = said[_within(said, onset, truth.window)]
        if len(finding):
            lead[number] = onset - finding.min()
    alerted = np.array([float(len(one) > 0) for one in instants])
    return Told(name, alerted, (~np.isnan(lead)).astype(np.float64), lead, alerts)


def _within(instants: Floats, onset: float, window: float) -> NDArray[np.bool_]:
    """Which instants find the onset: none of a stay that has none."""
    return (instants <= onset) & (instants >= onset - window)
