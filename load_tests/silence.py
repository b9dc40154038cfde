"""Silence: the time in which a record waited and nothing came out, from output to output by Kafka's timestamps."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import orjson

from streams.deadletter import Source


@dataclass(frozen=True, slots=True)
class Answer:
    """When a record of ``events`` came, and when the first output was said of it, in seconds since the epoch."""

    partition: int
    asked: float
    said: float


def first_answers(events: Iterable[Source], outputs: Iterable[Source]) -> list[Answer]:
    """The first of all scores and alerts that came of each record; records of which nothing came are left out."""
    asked = {(one.partition, one.offset): one.timestamp for one in events}
    said: dict[tuple[int, int], int] = {}
    for source in outputs:
        document = orjson.loads(source.value or b"{}")
        output = document[0] if isinstance(document, list) else document
        if "trigger" in output:
            place = source.partition, output["trigger"]["offset"]
            said[place] = min(source.timestamp, said.get(place, source.timestamp))
    return [Answer(place[0], asked[place] / 1000, at / 1000) for place, at in said.items()]


def longest(groups: Iterable[Iterable[Answer]], since: float, until: float) -> float:
    """The longest silence (s) of any of these groups of answers that ended between two instants."""
    ended = (one for group in groups for one in _silences(group) if since < one[0] <= until)
    return max((seconds for _, seconds in ended), default=0.0)


def _silences(answers: Iterable[Answer]) -> Iterator[tuple[float, float]]:
    """End and length of each silence, the latest first."""
    waiting = float("inf")
    for after, before in pairwise(sorted(answers, key=lambda one: one.said, reverse=True)):
        # Of those that were answered from here on, the oldest.
        waiting = min(waiting, after.asked)
        yield after.said, after.said - max(before.said, waiting)
