"""The plan of a run, made before it starts: what is sent when. It is an open loop: no answer moves it.

A run alternates short turns of the echo and of the service. Both get the same observations at the same
distances, so that they differ in nothing but who answers. Arrivals are a Poisson process.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import NamedTuple

from load_tests.patients import CALM, LABOURED, RESPIRATION, Measure

SECOND = 1_000_000_000


class Target(StrEnum):
    """Who is to answer."""

    ECHO = "echo"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Load:
    """A run: ``rate`` observations a second for ``seconds`` on each target, after ``warmup`` seconds on each.

    ``segment`` and ``pause`` (s): the length of a turn, and the silence after it; the other times are rounded
    up to whole turns. Every ``alert_every``-th observation changes an alert.
    """

    rate: float
    seconds: int = 60
    warmup: int = 5
    segment: int = 5
    pause: float = 0.5
    patients: int = 500
    alert_every: int = 10
    seed: int = 1


Items = tuple[tuple[Measure, float], ...]


class Planned(NamedTuple):
    """A record: ``due`` in ns after the start; ``turn`` counts from 0; ``alerts``: it changes an alert.

    ``items``: its observations, more than one for a panel; ``age``: so many ns before ``due`` they became known.
    """

    due: int
    target: Target
    turn: int
    counts: bool
    patient: int
    items: Items
    alerts: bool
    age: int = 0


#: Makes a plan: the same one each time it is called, in whatever process.
Planner = Callable[[], list[Planned]]


class Arrival(NamedTuple):
    """A record before it is known to whom it goes; ``after`` in ns after the beginning of its turn."""

    after: int
    patient: int
    items: Items
    alerts: bool
    age: int = 0
    counts: bool = True


def plan(load: Load, measures: Sequence[Measure]) -> list[Planned]:
    """All records in the order of their time; the same for the same arguments."""
    found: list[Planned] = []
    length = round((load.segment + load.pause) * SECOND)
    for number, arrivals in enumerate(_segments(load, measures)):
        found += turns(arrivals, 2 * number, length)
    return found


def turns(arrivals: Sequence[Arrival], turn: int, length: int) -> list[Planned]:
    """The same arrivals for the echo in this turn and for the service in the next; each takes ``length`` ns."""
    return [
        Planned(number * length + one.after, target, number, one.counts, one.patient, one.items, one.alerts, one.age)
        for number, target in enumerate(Target, start=turn)
        for one in arrivals
    ]


def _segments(load: Load, measures: Sequence[Measure]) -> Iterator[list[Arrival]]:
    chance = Random(load.seed)
    laboured: set[int] = set()
    count = 0
    warm = -(-load.warmup // load.segment)
    for number in range(warm + -(-load.seconds // load.segment)):
        arrivals: list[Arrival] = []
        after = chance.expovariate(load.rate)
        while after < load.segment:
            count += 1
            patient = chance.randrange(load.patients)
            alerts = count % load.alert_every == 0
            if alerts:
                laboured ^= {patient}
                measure, value = RESPIRATION, LABOURED if patient in laboured else CALM
            else:
                measure = chance.choice(measures)
                value = measure.draw(chance)
            arrivals.append(Arrival(round(after * SECOND), patient, ((measure, value),), alerts, counts=number >= warm))
            after += chance.expovariate(load.rate)
        yield arrivals
