"""All figures of one model's report, from the outcomes of one walk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models import utility
from models.evaluation import questions
from models.evaluation.burden import Burden, burden
from models.evaluation.curves import (
    Calibration,
    Curve,
    Discrimination,
    Hours,
    benefit,
    calibration,
    discrimination,
    net_benefit,
)
from models.evaluation.draws import Draws, Floats, draw, interval, ratio
from models.evaluation.questions import Question, Rival
from models.evaluation.run import Outcome
from models.evaluation.stays import (
    StayFigures,
    Told,
    Truth,
    as_sensitive,
    at_random,
    at_share,
    by_alerts,
    by_hours,
    figures,
    of,
    truth_of,
)
from models.utility import Interval

_AGES: Final = ((0, 50), (50, 65), (65, 80), (80, 200))


@dataclass(frozen=True, slots=True)
class Group:
    """The figures of some of the stays; ``auroc`` and ``in_the_large`` are NaN where too few events came."""

    by: str
    name: str
    stays: int
    struck: int
    auroc: Interval
    in_the_large: Interval
    told: StayFigures


@dataclass(frozen=True, slots=True)
class Fewer:
    """The model at the sensitivity of a rule: how many alerts less there are, as a share of the rule's."""

    rule: str
    sensitivity: Interval
    threshold: float
    stays: Interval
    crossings: Interval
    hours: Interval


@dataclass(frozen=True, slots=True)
class Second:
    """Discrimination by other hours, by name, the model first."""

    asked: str
    hours: int
    events: int
    auroc: Mapping[str, Interval]


@dataclass(frozen=True, slots=True)
class Model:
    """Which model is judged, the probability from which its score is high, and that from which it alerts."""

    name: str
    version: str
    sha256: str
    threshold: float
    alert_from: float
    switched_on: bool = True


@dataclass(frozen=True, slots=True)
class Analysis:
    """What one report says. ``told`` has the model first, then what it is compared with."""

    question: Question
    model: Model
    data: str
    stays: int
    struck: int
    at_start: int
    hours: int
    events: int
    days: float
    abstained: float
    own: Discrimination
    rivals: Mapping[str, Discrimination]
    margin: Mapping[str, Interval]
    calibration: Calibration
    benefit: Curve
    act_always: Floats
    rules_benefit: Mapping[str, Floats]
    utility: Interval | None
    told: StayFigures
    beside: tuple[StayFigures, ...]
    usual: tuple[StayFigures, ...]
    lead: Floats
    fewer: Fewer | None
    groups: tuple[Group, ...]
    second: Second | None
    burden: Burden


def analyse(question: Question, model: Model, sets: Mapping[str, Sequence[Outcome]]) -> Analysis:
    """Judge a model on these stays, by the name of their data set.

    Raises ValueError when no hour that counts has the event, or every one has.
    """
    outcomes = [one for stays in sets.values() for one in stays]
    judged = [question.judge(one) for one in outcomes]
    draws = draw(len(outcomes))
    own = [np.asarray(one.score(question.kind), np.float64) for one in outcomes]
    hours = questions.hours(outcomes, judged, own)
    truth = questions.truth(outcomes, judged, question.window)
    told = by_alerts("alerts as told", outcomes, truth, question.kind)
    high = by_hours("hours at or above the threshold", outcomes, truth, own, model.threshold)
    # A model that tells nobody is compared at the share of stays in which its score was high.
    share = float(told.alerted.mean() or high.alerted.mean())
    rivals = {one.name: questions.scores(outcomes, one) for one in question.rivals}
    known = [one for one in question.rivals if any(np.isfinite(stay).any() for stay in rivals[one.name])]
    found = discrimination(hours, draws)
    ranked = {one.name: discrimination(questions.hours(outcomes, judged, rivals[one.name]), draws) for one in known}
    grid = _grid(hours)
    return Analysis(
        question=question,
        model=model,
        data=" and ".join(sets),
        stays=len(outcomes),
        struck=int(truth.struck.sum()),
        at_start=int((truth.struck & truth.at_start).sum()),
        hours=len(hours.event),
        events=int(hours.event.sum()),
        days=float(truth.days.sum()),
        abstained=sum(one.abstained.get(question.kind, 0) for one in outcomes)
        / sum(len(one.hours) for one in outcomes),
        own=found,
        rivals=ranked,
        margin={
            name: interval(found.auroc.estimate - one.auroc.estimate, found.drawn - one.drawn)
            for name, one in ranked.items()
            if len(found.drawn) == len(one.drawn)
        },
        calibration=calibration(hours, draws),
        benefit=net_benefit(hours, grid, draws),
        act_always=np.array([hours.event.mean() - (1 - hours.event.mean()) * one / (1 - one) for one in grid]),
        rules_benefit=_rules_benefit(known, rivals, hours, outcomes, judged, grid, draws),
        utility=_utility(question, outcomes, own, model.threshold),
        told=figures(told, truth, draws),
        beside=tuple(
            figures(one, truth, draws)
            for one in (
                high,
                at_share("the model's hours, same share", outcomes, truth, own, share),
                *(at_share(one.name, outcomes, truth, rivals[one.name], share) for one in known),
                at_random(outcomes, truth, share),
            )
        ),
        usual=tuple(
            figures(by_hours(f"{one.name} ≥ {limit:g}", outcomes, truth, rivals[one.name], limit), truth, draws)
            for one in known
            for limit in one.thresholds
        ),
        lead=told.lead[~np.isnan(told.lead)],
        fewer=_fewer(known, rivals, outcomes, truth, own, draws),
        groups=tuple(_groups(sets, hours, truth, told, draws)),
        second=_second(
            question, outcomes, {question.title: own} | {one.name: rivals[one.name] for one in known}, draws
        ),
        burden=burden(outcomes, draws),
    )


def _grid(hours: Hours) -> Floats:
    """Threshold probabilities up to where hardly any hour reaches them."""
    most = float(np.clip(np.quantile(hours.score, 0.995), 0.02, 0.9))
    return np.linspace(most / 40, most, 40)


def _rules_benefit(
    known: Sequence[Rival],
    scores: Mapping[str, Sequence[Floats]],
    hours: Hours,
    outcomes: Sequence[Outcome],
    judged: Sequence[questions.Judged],
    grid: Floats,
    draws: Draws,
) -> dict[str, Floats]:
    """The net benefit of acting on each rule's first usual threshold."""
    found = {}
    for one in known:
        if one.thresholds:
            acted = questions.hours(outcomes, judged, scores[one.name]).score >= one.thresholds[0]
            benefits = [benefit(hours, acted, float(limit), draws).estimate for limit in grid]
            found[f"{one.name} ≥ {one.thresholds[0]:g}"] = np.array(benefits)
    return found


def _utility(
    question: Question, outcomes: Sequence[Outcome], scores: Sequence[Floats], threshold: float
) -> Interval | None:
    """The challenge's utility, for the question that it was made for."""
    if question is not questions.INFECTION:
        return None
    truth = utility.stays([one.labels for one in outcomes])
    return utility.utility_interval(truth, [np.nan_to_num(one) >= threshold for one in scores])


def _fewer(
    known: Sequence[Rival],
    scores: Mapping[str, Sequence[Floats]],
    outcomes: Sequence[Outcome],
    truth: Truth,
    own: Sequence[Floats],
    draws: Draws,
) -> Fewer | None:
    """Beside the first rival's first usual threshold."""
    first = next((one for one in known if one.thresholds), None)
    if first is None or not truth.struck.any():
        return None
    limit = first.thresholds[0]
    other = by_hours(f"{first.name} ≥ {limit:g}", outcomes, truth, scores[first.name], limit)
    sensitivity = ratio(other.found, truth.struck, draws)
    threshold = as_sensitive(outcomes, truth, own, sensitivity.estimate)
    if threshold is None:
        return None
    same = by_hours("", outcomes, truth, own, threshold)
    return Fewer(
        rule=other.name,
        sensitivity=sensitivity,
        threshold=threshold,
        stays=ratio(other.alerted - same.alerted, other.alerted, draws),
        crossings=ratio(other.alerts - same.alerts, other.alerts, draws),
        hours=_fewer_hours(own, threshold, scores[first.name], limit, draws),
    )


def _fewer_hours(
    own: Sequence[Floats], threshold: float, rule: Sequence[Floats], limit: float, draws: Draws
) -> Interval:
    mine = np.array([np.count_nonzero(one >= threshold) for one in own])
    others = np.array([np.count_nonzero(one >= limit) for one in rule])
    return ratio(others - mine, others, draws)


def _second(
    question: Question, outcomes: Sequence[Outcome], scores: Mapping[str, Sequence[Floats]], draws: Draws
) -> Second | None:
    if question.second is None:
        return None
    judged = [question.second(one) for one in outcomes]
    hours = {name: questions.hours(outcomes, judged, one) for name, one in scores.items()}
    first = next(iter(hours.values()))
    return Second(
        asked=question.second_asked,
        hours=len(first.event),
        events=int(first.event.sum()),
        auroc={name: discrimination(one, draws).auroc for name, one in hours.items()},
    )


def _groups(sets: Mapping[str, Sequence[Outcome]], hours: Hours, truth: Truth, told: Told, draws: Draws) -> list[Group]:
    outcomes = [one for stays in sets.values() for one in stays]
    found = []
    for by, names in (
        ("sex", [one.sex or "unknown" for one in outcomes]),
        ("age", [_age(one.age) for one in outcomes]),
        ("unit", [one.ward or "unknown" for one in outcomes]),
        ("set", [name for name, stays in sets.items() for _ in stays] if len(sets) > 1 else []),
    ):
        for name in sorted(set(names)):
            chosen = np.array([one == name for one in names])
            found.append(_group(by, name, chosen, hours, truth, told, draws))
    return found


def _group(by: str, name: str, stays: NDArray[np.bool_], hours: Hours, truth: Truth, told: Told, draws: Draws) -> Group:
    own, drawn, came = hours.of(stays), draws.of(stays), truth_of(truth, stays)
    event, score = own.by_stay(own.event), own.by_stay(own.score)
    unknown = Interval(np.nan, np.nan, np.nan)
    return Group(
        by=by,
        name=name,
        stays=int(stays.sum()),
        struck=int(came.struck.sum()),
        auroc=discrimination(own, drawn).auroc if own.both else unknown,
        in_the_large=ratio(event, score, drawn),
        told=figures(of(told, stays), came, drawn),
    )


def _age(years: int | None) -> str:
    if years is None:
        return "unknown"
    low, high = next(one for one in _AGES if one[0] <= years < one[1])
    return f"under {high}" if not low else f"{low} and over" if high == 200 else f"{low}-{high - 1}"
