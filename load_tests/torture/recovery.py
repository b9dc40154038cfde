"""How long it was silent after each fault, by the probes' answers."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Final

#: A fault is alone if no other began or ended within so many seconds before it, or before the service had recovered.
ALONE_S: Final = 10.0

_Probe = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that was done, at ``at`` seconds since the epoch; ``fault`` numbers the fault that it belongs to."""

    at: float
    what: str
    fault: int


@dataclass(frozen=True, slots=True)
class Recovery:
    """What followed a mark, in seconds.

    ``recovered``: until every partition had answered a probe that was due after it (``None``: one never did);
    ``silence``: the longest time without an answer of a partition until the next mark.
    """

    mark: Mark
    recovered: float | None
    silence: float
    alone: bool


def recoveries(
    marks: Sequence[Mark], sent: Mapping[_Probe, float], seen: Mapping[_Probe, float], partitions: int
) -> list[Recovery]:
    """The recovery after each mark. Times in seconds since the epoch; ``sent`` is when a probe was due."""
    by_partition = [
        sorted((at, seen.get((partition, second))) for (partition, second), at in sent.items() if partition == number)
        for number in range(partitions)
    ]
    found = []
    for number, mark in enumerate(marks):
        recovered = _recovered(mark.at, by_partition)
        until = marks[number + 1].at if number + 1 < len(marks) else float("inf")
        silence = max(_silence(mark.at, until, own) for own in by_partition)
        ends = mark.at + (recovered or 0.0)
        others = (one for one in marks if one.fault != mark.fault)
        alone = not any(mark.at - ALONE_S < one.at < ends for one in others)
        found.append(Recovery(mark, recovered, silence, alone))
    return found


def _recovered(at: float, by_partition: Iterable[Sequence[tuple[float, float | None]]]) -> float | None:
    answers = []
    for own in by_partition:
        later = [answer for due, answer in own if due >= at and answer is not None]
        if not later:
            return None
        answers.append(min(later) - at)
    return max(answers)


def _silence(since: float, until: float, own: Sequence[tuple[float, float | None]]) -> float:
    """The longest time without an answer that begins before ``until``, counted from ``since`` at the earliest."""
    answers = sorted(answer for _, answer in own if answer is not None)
    gaps = [
        after - max(before, since) for before, after in pairwise([since, *answers]) if after > since and before < until
    ]
    return max(gaps, default=0.0)


def by_kind(found: Iterable[Recovery]) -> dict[str, dict[str, float | int | None]]:
    """Median and greatest recovery (s) of each kind: of those that came alone, and the greatest of all."""
    kinds: dict[str, list[Recovery]] = defaultdict(list)
    for one in found:
        kinds[one.mark.what].append(one)
    return {what: _figures(ones) for what, ones in kinds.items()}


def _figures(ones: Sequence[Recovery]) -> dict[str, float | int | None]:
    alone = [one.recovered for one in ones if one.alone and one.recovered is not None]
    every = [one.recovered for one in ones if one.recovered is not None]
    return {
        "count": len(ones),
        "alone": len(alone),
        "never": len(ones) - len(every),
        "median": round(median(alone), 2) if alone else None,
        "max": round(max(alone), 2) if alone else None,
        "max of all": round(max(every), 2) if every else None,
        "longest silence": round(max(one.silence for one in ones), 2),
    }
