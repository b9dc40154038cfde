"""Scenarios: what comes when, in a file; and the plan of a run that such a file and a seed make.

A scenario has streams, whose rates follow curves, and perhaps a backlog. Arrivals are Poisson processes. The plan plays
all of it for the echo and then again for the service.
"""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from functools import cache
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Annotated, Final, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from features.instants import HOUR
from load_tests import document
from load_tests.patients import CALM, LABOURED, LABS, RESPIRATION, SIGNS, Measure, watched
from load_tests.plan import SECOND, Arrival, Items, Planned, turns
from models.registry import shipped

FOLDER: Final = Path(__file__).with_name("scenarios")
#: Between the echo's last record and the service's first, in s.
PAUSE: Final = 3.0

_Seconds = Annotated[float, Field(ge=0)]
_Factor = Annotated[float, Field(ge=0)]


class ScenarioError(ValueError):
    """A scenario that can not be used; the message names the file, the place in it and the reason."""


class Kind(StrEnum):
    """What is measured."""

    SIGNS = "signs"
    LABS = "labs"
    BOTH = "both"

    @property
    def measures(self) -> tuple[Measure, ...]:
        """Those of the kind that some scorer reads, so that each record gives one record of scores."""
        return _measures()[self]


@cache
def _measures() -> dict[Kind, tuple[Measure, ...]]:
    both = watched(shipped())
    return {
        Kind.SIGNS: tuple(one for one in both if one in SIGNS),
        Kind.LABS: tuple(one for one in both if one in LABS),
        Kind.BOTH: both,
    }


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Records(_Strict):
    """Records of so many ``observations`` each, all of them different."""

    of: Kind
    observations: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _few_enough(self) -> Self:
        if self.observations > (most := len(self.of.measures)):
            raise ValueError(f"a record has at most {most} different observations of {self.of}")
        return self

    def draw(self, chance: Random) -> Items:
        """The observations of one record."""
        return tuple((one, one.draw(chance)) for one in chance.sample(self.of.measures, self.observations))


class Stream(_Records):
    """Records that keep coming: ``share`` of the run's rate, times the ``curve``.

    The curve's points are a second and a factor; between them it is straight, after the last it stays, and two points
    at the same second are a jump.
    """

    share: float = Field(default=1.0, gt=0, le=1)
    curve: tuple[tuple[_Seconds, _Factor], ...] = Field(default=((0, 1),), min_length=1)

    @model_validator(mode="after")
    def _forwards(self) -> Self:
        if self.curve[0][0] != 0 or any(late[0] < early[0] for early, late in pairwise(self.curve)):
            raise ValueError("a curve begins at second 0 and goes on forwards")
        return self

    def factor(self, second: float) -> float:
        """The curve's height at a second; at a jump the later one."""
        for (begin, low), (end, high) in pairwise(self.curve):
            if begin <= second < end:
                return low + (high - low) * (second - begin) / (end - begin)
        return self.curve[-1][1]


class Backlog(_Records):
    """What was held back for ``hours`` comes evenly ``within`` so many seconds from second ``at`` on, oldest first."""

    at: _Seconds
    within: float = Field(gt=0)
    hours: float = Field(gt=0, le=48)
    per_patient: int = Field(ge=1)


class Scenario(_Strict):
    """A scenario of so many ``seconds``, of which the first ``warm_up`` do not count.

    ``heavy``: from when to when there is more than usual; how long it takes to catch up is told from its end. Every
    ``alert_every``-th record of the streams changes a NEWS2 alert.
    """

    title: str
    seconds: float = Field(gt=0)
    warm_up: _Seconds = 0
    patients: int = Field(default=500, ge=1)
    alert_every: int = Field(default=10, ge=1)
    heavy: tuple[_Seconds, _Seconds] | None = None
    streams: tuple[Stream, ...] = Field(min_length=1)
    backlog: Backlog | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if abs(sum(one.share for one in self.streams) - 1) > 1e-6:
            raise ValueError("the shares of the streams do not add up to 1")
        if self.warm_up >= self.seconds:
            raise ValueError("the warm-up leaves nothing that counts")
        if self.heavy and not self.warm_up < self.heavy[0] < self.heavy[1] < self.seconds:
            raise ValueError("the heavy part begins after the warm-up and ends before the scenario")
        if self.backlog and self.backlog.at + self.backlog.within > self.seconds:
            raise ValueError("the backlog comes after the end of the scenario")
        if any(one.curve[-1][0] > self.seconds for one in self.streams):
            raise ValueError("a curve goes on after the end of the scenario")
        return self


def names() -> list[str]:
    """The scenarios that are here already."""
    return sorted(file.stem for file in FOLDER.glob("*.toml"))


def read(name: str) -> Scenario:
    """The scenario of that name, or that in a file of one's own.

    Raises:
        ScenarioError: there is none, or it can not be used.
    """
    path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    if not path.exists():
        raise ScenarioError(f"There is no scenario {name}: name a TOML file, or one of {', '.join(names())}")
    try:
        return document.read(path, Scenario)
    except ValueError as error:
        raise ScenarioError(str(error)) from None


class _Draft(NamedTuple):
    after: float
    patient: int
    items: Items
    age: float | None


def plan(scenario: Scenario, rate: float, seed: int) -> list[Planned]:
    """All records in the order of their time, the same for the same arguments; ``rate`` in observations a second."""
    drafts = [
        draft
        for number, stream in enumerate(scenario.streams)
        for draft in _stream(scenario, stream, rate, Random(f"{seed}/{number}"))
    ]
    if scenario.backlog:
        drafts += _backlog(scenario, scenario.backlog, Random(f"{seed}/backlog"))
    drafts.sort(key=lambda one: one.after)
    return turns(list(_arrivals(scenario, drafts)), 0, round((scenario.seconds + PAUSE) * SECOND))


def _stream(scenario: Scenario, stream: Stream, rate: float, chance: Random) -> Iterator[_Draft]:
    """A Poisson process at the curve's peak, thinned to the curve."""
    peak = max(factor for _, factor in stream.curve)
    records = rate * stream.share * peak / stream.observations
    if not records:
        return
    second = chance.expovariate(records)
    while second < scenario.seconds:
        if chance.random() * peak < stream.factor(second):
            yield _Draft(second, chance.randrange(scenario.patients), stream.draw(chance), None)
        second += chance.expovariate(records)


def _backlog(scenario: Scenario, backlog: Backlog, chance: Random) -> Iterator[_Draft]:
    patients = list(range(scenario.patients)) * backlog.per_patient
    chance.shuffle(patients)
    for number, patient in enumerate(patients):
        part = number / len(patients)
        age = backlog.hours * (1 - part) * HOUR / 1000
        yield _Draft(backlog.at + backlog.within * part, patient, backlog.draw(chance), age)


def _arrivals(scenario: Scenario, drafts: Sequence[_Draft]) -> Iterator[Arrival]:
    """The drafts with every so-maniest of the streams turning its patient's breathing instead of its first item."""
    laboured: set[int] = set()
    streamed = 0
    for one in drafts:
        streamed += one.age is None
        alerts = one.age is None and streamed % scenario.alert_every == 0
        items = one.items
        if alerts:
            laboured ^= {one.patient}
            items = ((RESPIRATION, LABOURED if one.patient in laboured else CALM), *items[1:])
        yield Arrival(
            round(one.after * SECOND),
            one.patient,
            items,
            alerts,
            round((one.age or 0) * SECOND),
            one.after >= scenario.warm_up,
        )
