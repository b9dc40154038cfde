"""What is done to the service and its brokers, and when: the same for a seed."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final

NODES: Final = 3


class Kind(StrEnum):
    """A kind of fault; its second half comes after ``lasts``."""

    KILL = "kill -9 of a worker"
    PAUSE = "SIGSTOP of a worker"
    LEAVE = "graceful stop of a worker"
    JOIN = "a third worker"
    BROKER_STOP = "graceful stop of a broker"
    BROKER_KILL = "kill -9 of a broker"
    LEADERS = "leaders moved"


#: How often each kind comes, and how many seconds it lasts.
_WEIGHTS: Final = {
    Kind.KILL: 6,
    Kind.PAUSE: 3,
    Kind.LEAVE: 3,
    Kind.JOIN: 2,
    Kind.BROKER_STOP: 1,
    Kind.BROKER_KILL: 1,
    Kind.LEADERS: 2,
}
_LASTS: Final = {
    Kind.KILL: (2.0, 20.0),
    Kind.PAUSE: (30.0, 32.0),
    Kind.LEAVE: (2.0, 15.0),
    Kind.JOIN: (12.0, 30.0),
    Kind.BROKER_STOP: (2.0, 10.0),
    Kind.BROKER_KILL: (2.0, 10.0),
    Kind.LEADERS: (0.0, 0.0),
}
_OF_WORKERS: Final = frozenset({Kind.KILL, Kind.PAUSE, Kind.LEAVE})
_OF_BROKERS: Final = frozenset({Kind.BROKER_STOP, Kind.BROKER_KILL, Kind.LEADERS})
#: Seconds after a fault's end before its target is chosen again: a worker takes over, a broker's replicas catch up.
_WORKER_RESTS_S: Final = 6.0
_BROKER_RESTS_S: Final = 20.0
_QUIET_S: Final = 12.0


@dataclass(frozen=True, slots=True)
class Fault:
    """What is done to ``target`` (a worker's or a broker's number), ``at`` seconds from the start.

    ``fresh``: the worker comes back with an empty disk; ``rough``: the third worker is killed in the end.
    """

    at: float
    kind: Kind
    target: int
    lasts: float
    fresh: bool = False
    rough: bool = False


def plan(seed: int, seconds: float, kinds: frozenset[Kind] = frozenset(Kind)) -> list[Fault]:
    """The faults of a run. Most come alone; one in five comes within seconds of the one before."""
    return list(_faults(Random(f"plan/{seed}"), seconds, [kind for kind in Kind if kind in kinds]))


def _faults(chance: Random, seconds: float, kinds: list[Kind]) -> Iterator[Fault]:
    mean = min(25.0, max(8.0, seconds / 48))
    first = chance.sample(kinds, len(kinds))
    free = {"worker 0": 0.0, "worker 1": 0.0, "third": 0.0, "brokers": 0.0}
    at = _QUIET_S
    while at < seconds - _QUIET_S:
        # Every kind once before any comes again, so that a short run has them all.
        new = bool(first)
        kind = first.pop() if new else chance.choices(kinds, [_WEIGHTS[kind] for kind in kinds])[0]
        target = chance.randrange(NODES) + 1 if kind in _OF_BROKERS else 2 if kind is Kind.JOIN else chance.randrange(2)
        whom = "brokers" if kind in _OF_BROKERS else "third" if kind is Kind.JOIN else f"worker {target}"
        lasts = chance.uniform(*_LASTS[kind])
        if free[whom] > at and kind in _OF_WORKERS:
            target = 1 - target
            whom = f"worker {target}"
        # Who is paused must find the partitions taken on waking.
        alone = kind is Kind.PAUSE and max(free["worker 0"], free["worker 1"]) > at
        if free[whom] <= at and not alone and at + lasts < seconds:
            yield Fault(at, kind, target, lasts, fresh=chance.random() < 0.3, rough=chance.random() < 0.3)
            free[whom] = at + lasts + (_BROKER_RESTS_S if kind in _OF_BROKERS else _WORKER_RESTS_S)
        elif new:
            first.insert(0, kind)
        at += chance.uniform(0.5, 5.0) if chance.random() < 0.2 else chance.uniform(0.6, 1.4) * mean
