"""Probes: on each partition, once a second, a record that must change an alert. Their answers tell of every silence.

A probe is a sedated patient in intensive care whose respiratory rate is 30, then 16: each raises or resolves NEWS2.
"""

from collections.abc import Iterator
from itertools import count
from typing import Any, Final

import orjson

from load_tests.patients import CALM, LABOURED, RESPIRATION, SIGNS, admission, observation
from load_tests.torture.ward import START, Planned
from streams.partitioner import partition_of

PREFIX: Final = "probe"
#: Seconds after which another patient takes over: a record that only grows would slow the run.
_RENEWED_S: Final = 90


def probes(seed: int, seconds: int, partitions: int) -> list[Planned]:
    """All probes of a run, in the order in which they are due."""
    return sorted(
        (one for partition in range(partitions) for one in _probes(seed, seconds, partition, partitions)),
        key=lambda one: one.due,
    )


def _probes(seed: int, seconds: int, partition: int, partitions: int) -> Iterator[Planned]:
    names = (f"{PREFIX}-{seed}-{number}" for number in count())
    own = (name for name in names if partition_of(name.encode(), partitions) == partition)
    patient = ""
    for second in range(seconds):
        due, at = second + partition / partitions, START + second * 1000
        if second % _RENEWED_S == 0:
            patient = next(own)
            yield Planned(due, patient, orjson.dumps(_admission(patient, at)))
            continue
        rate = LABOURED if second % 2 else CALM
        value = observation(patient, f"{PREFIX}/{partition}/{second}", RESPIRATION.code, RESPIRATION.unit, rate, at)
        yield Planned(due, patient, orjson.dumps(value))


def _admission(patient: str, at: int) -> list[dict[str, Any]]:
    """The stay and all signs but the respiratory rate, none of which has points but the consciousness."""
    return [
        admission(patient, at, "PROBE"),
        *(
            observation(patient, f"{patient}-{one.code}", one.code, one.unit, (one.low + one.high) / 2, at)
            for one in SIGNS
        ),
        observation(patient, f"{patient}-acvpu", "80288-4", None, "V", at),
        observation(patient, f"{patient}-air", "3150-0", "1", 0.21, at),
    ]


def probe_of(item: str) -> tuple[int, int] | None:
    """The partition and the second of the probe whose observation has this id; ``None`` for others."""
    name, _, place = item.partition("/")
    if name != PREFIX or not place:
        return None
    partition, _, second = place.partition("/")
    return int(partition), int(second)
