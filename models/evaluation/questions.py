"""What each model is asked: at which hours it is judged, what came, and beside what it stands."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from features.instants import HOUR
from models.desert.hours import PRESENT, UNMEASURED, follow
from models.desert.outcomes import OUTCOMES, RECENT
from models.desert.outcomes import Outcome as Condition
from models.evaluation.curves import Hours
from models.evaluation.draws import Floats
from models.evaluation.run import Outcome, at_hours
from models.evaluation.stays import Truth

#: The labels of the 2019 challenge begin so many hours before the onset.
_LABELLED_AHEAD: Final = 6


@dataclass(frozen=True, slots=True)
class Rival:
    """What a model is compared with: hourly numbers of a stay, the higher the graver, and the usual thresholds."""

    name: str
    score: Callable[[Outcome], Sequence[float]]
    thresholds: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Judged:
    """A stay against a question: the hours that count, at which of them the event is to be foreseen, and its onset.

    ``counts`` and ``event`` have one entry for each hour; ``onset`` is in hours after the start, ``None`` where none
    came; ``at_start`` says that it was there from the first row.
    """

    counts: NDArray[np.bool_]
    event: NDArray[np.bool_]
    onset: float | None
    at_start: bool


@dataclass(frozen=True, slots=True)
class Question:
    """A model's question. ``asked`` says in words when an hour counts and what its event is.

    ``window`` is how many hours before the onset an alert finds it; ``second`` judges by other hours, which
    ``second_asked`` names.
    """

    kind: str
    title: str
    asked: str
    window: float
    judge: Callable[[Outcome], Judged]
    rivals: tuple[Rival, ...]
    second: Callable[[Outcome], Judged] | None = None
    second_asked: str = ""


def rule(kind: str, name: str, *thresholds: float) -> Rival:
    """A rule of the service as a rival."""
    return Rival(name, lambda one: one.score(kind), thresholds)


def infection(stay: Outcome) -> Judged:
    """Every hour counts; the event is the challenge's label, the onset six hours after the first labelled one."""
    labels = np.array(stay.labels, bool)
    first = int(np.argmax(labels)) if labels.any() else None
    onset = None if first is None else float(stay.hours[first] + _LABELLED_AHEAD)
    return Judged(np.ones(len(labels), bool), labels, onset, first == 0)


def last_value(analyte: str, sign: float = 1.0) -> Callable[[Outcome], Sequence[float]]:
    """The newest result at each hour, or what is left of it where a low one is grave (``sign`` -1)."""
    return lambda stay: [
        sign * one for one in at_hours(stay.start, stay.hours, [(at, value) for at, value in stay.results[analyte]])
    ]


def foreseen(condition: Condition, *, measured_again: bool) -> Callable[[Outcome], Judged]:
    """A condition of an analyte's results, asked while the newest is at most 24 h old and does not meet it.

    ``measured_again`` leaves out the hours after which nothing was measured within the horizon; else they count as
    hours without the event.
    """

    def judge(stay: Outcome) -> Judged:
        times = [at for at, _ in stay.results[condition.analyte]]
        values = [value for _, value in stay.results[condition.analyte]]
        instants = [stay.start + hour * HOUR for hour in stay.hours]
        labels = np.array(follow(condition, times, values, instants)[0])
        newest = [bisect_right(times, instant) - 1 for instant in instants]
        recent = [place >= 0 and at - times[place] <= RECENT for place, at in zip(newest, instants, strict=True)]
        left_out = (PRESENT, UNMEASURED) if measured_again else (PRESENT,)
        met = [condition.met(times[: end + 1], values[: end + 1]) for end in range(len(times))]
        first = met.index(True) if True in met else None
        return Judged(
            counts=np.array(recent, bool) & ~np.isin(labels, left_out),
            event=labels == 1,
            onset=None if first is None else (times[first] - stay.start) / HOUR,
            at_start=first == 0,
        )

    return judge


INFECTION: Final = Question(
    kind="infection-risk",
    title="Infection",
    asked=(
        "every hour of the stay; the event is the label of the 2019 challenge (from 6 h before the onset of sepsis on)"
    ),
    window=48,
    judge=infection,
    rivals=(
        rule("news2", "NEWS2", 5, 7),
        rule("qsofa", "qSOFA", 2),
        rule("sirs", "SIRS", 2),
        rule("shock-index", "Shock index", 0.9, 1.0),
        Rival("Last lactate", last_value("lactate"), (2, 4)),
    ),
)


def _desert(condition: Condition) -> Question:
    hours_ahead = condition.horizon / HOUR
    return Question(
        kind=condition.kind,
        title=condition.title_en,
        asked=(
            f"hours at which the newest {condition.analyte} is at most 24 h old and does not meet the condition, and "
            f"after which it is measured again in time; the event is that {condition.event}"
        ),
        window=hours_ahead,
        judge=foreseen(condition, measured_again=True),
        rivals=(Rival(f"Last {condition.analyte}", last_value(condition.analyte, 1.0 if condition.rising else -1.0)),),
        second=foreseen(condition, measured_again=False),
        second_asked="Counting the hours after which it was not measured again as hours without the event",
    )


#: Each model's question by the kind of its scores.
QUESTIONS: Final = {INFECTION.kind: INFECTION} | {kind: _desert(one) for kind, one in OUTCOMES.items()}


def hours(stays: Sequence[Outcome], judged: Sequence[Judged], scores: Sequence[Floats]) -> Hours:
    """The hours that count, with scores; an hour before the first score has 0."""
    numbers = [np.full(int(one.counts.sum()), number) for number, one in enumerate(judged)]
    chosen = [one[other.counts] for one, other in zip(scores, judged, strict=True)]
    return Hours(
        stays=len(stays),
        stay=np.concatenate(numbers).astype(np.int64),
        event=np.concatenate([one.event[one.counts] for one in judged]),
        score=np.nan_to_num(np.concatenate(chosen)),
    )


def truth(stays: Sequence[Outcome], judged: Sequence[Judged], window: float) -> Truth:
    """The stays' onsets and lengths."""
    return Truth(
        onset=np.array([np.nan if one.onset is None else one.onset for one in judged]),
        at_start=np.array([one.at_start for one in judged]),
        days=np.array([one.days for one in stays]),
        window=window,
    )


def scores(stays: Sequence[Outcome], rival: Rival) -> list[Floats]:
    """The rival's hourly numbers of each stay, NaN where it has none."""
    return [np.asarray(rival.score(one), np.float64) for one in stays]
