"""The known events: made-up patients who worsen and mend, sent as badly as platforms send, the same for a seed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Final

import orjson

from features.instants import HOUR, MINUTE, render
from load_tests.patients import observation
from streams.partitioner import partition_of

#: 2026-01-01T00:00Z, when all patients are admitted; the workers run as for a replay.
START: Final = 1_767_225_600_000

#: LOINC code, UCUM unit, the value of a healthy patient, and what the gravest illness adds to it.
_SIGNS: Final = (
    ("9279-1", "/min", 15.0, 17.0),
    ("59408-5", "%", 98.0, -14.0),
    ("8867-4", "/min", 75.0, 65.0),
    ("8480-6", "mm[Hg]", 125.0, -45.0),
    ("8310-5", "Cel", 37.0, 2.8),
)
_LABS: Final = (
    ("2160-0", "mg/dL", 0.9, 3.0),
    ("2823-3", "mmol/L", 4.2, 2.8),
    ("718-7", "g/dL", 13.0, -6.0),
    ("777-3", "10*3/uL", 250.0, -230.0),
    ("6690-2", "10*3/uL", 8.0, 16.0),
    ("32693-4", "mmol/L", 1.0, 6.0),
)
_ATC: Final = "http://www.whocc.no/atc"
_TREATMENTS: Final = ("J01CR05", "B01AB01", "C01CA03")

#: Every record of a stay comes so many seconds after the one before, on average.
_BETWEEN_S: Final = 5.0
_STAY_S: Final = (90.0, 420.0)
#: A burst comes every so many seconds, and brings at once what belongs to so many.
_BURST_EVERY_S: Final = (25.0, 50.0)
_BURST_OF_S: Final = 12.0


@dataclass(frozen=True, slots=True)
class Planned:
    """A record to send: ``due`` in seconds from the start, ``partition`` where it is not that of its key."""

    due: float
    patient: str
    value: bytes
    partition: int | None = None


def ward(seed: int, seconds: float, rate: float, partitions: int, *, bursts: bool = True) -> list[Planned]:
    """All records of a run, ``rate`` a second on average, in the order in which they are due."""
    chance = Random(f"ward/{seed}")
    beds = max(2, round(rate * _BETWEEN_S))
    records: list[Planned] = []
    for bed in range(beds):
        begins, number = chance.uniform(0, _BETWEEN_S), 0
        while begins < seconds:
            ends = min(seconds, begins + chance.uniform(*_STAY_S))
            records += _stay(f"t{seed}-{bed}-{number}", f"t{seed}-{(bed + 1) % beds}-0", begins, ends, chance)
            begins, number = ends + chance.uniform(0, _BETWEEN_S), number + 1
    placed = [_misplaced(one, partitions, chance) for one in records]
    return sorted(_bunched(placed, seconds, chance) if bursts else placed, key=lambda one: one.due)


def _stay(patient: str, other: str, begins: float, ends: float, chance: Random) -> Iterator[Planned]:
    """A stay's records, some of them twice, swapped with the next, or unusable."""
    values = [orjson.dumps(value) for value in _story(patient, other, round((ends - begins) / _BETWEEN_S), chance)]
    sent: list[bytes] = []
    for value in values:
        if chance.random() < 0.03:
            sent.append(_unusable(patient, value, chance))
        sent.append(value)
        if chance.random() < 0.08:
            sent.append(chance.choice(sent[-10:]))
        if len(sent) > 2 and chance.random() < 0.08:
            sent[-1], sent[-2] = sent[-2], sent[-1]
    dues = sorted(chance.uniform(begins, ends) for _ in sent)
    return (Planned(due, patient, value) for due, value in zip(dues, sent, strict=True))


def _story(patient: str, other: str, length: int, chance: Random) -> Iterator[Any]:
    """What happens to a patient, a value of a record each."""
    now = START + chance.randrange(60) * MINUTE
    yield _encounter(
        patient,
        "admit",
        now,
        0,
        ward=f"W{chance.randrange(4)}",
        unitType=chance.choice(("ward", "icu", "emergency")),
        birthDate=f"19{chance.randrange(30, 99)}-0{chance.randrange(1, 10)}-12",
        sex=chance.choice(("female", "male")),
    )
    illness, known = chance.uniform(0, 0.5), list[dict[str, Any]]()
    for number in range(1, length):
        now += chance.randrange(10, 90) * MINUTE
        illness = min(1.0, max(0.0, illness + chance.uniform(-0.3, 0.32)))
        kind = chance.random()
        if kind < 0.62 or not known:
            panel = _panel(patient, number, _SIGNS, illness, now, now, chance)
            if chance.random() < 0.5:
                alert = "A" if illness < 0.8 else "V"
                panel.append(observation(patient, f"{patient}-{number}-acvpu", "80288-4", None, alert, now))
                panel.append(observation(patient, f"{patient}-{number}-air", "3150-0", "1", 0.21, now))
            known += panel
            yield panel
        elif kind < 0.76:
            panel = _panel(patient, number, _LABS, illness, now, now, chance)
            known += panel
            yield panel
        elif kind < 0.80:
            late = now - chance.randrange(2, 14) * HOUR
            yield _panel(patient, number, _SIGNS[:3], illness, late, now, chance)
        elif kind < 0.88:
            yield [_corrected(one, now, chance) for one in chance.sample(known[-12:], min(3, len(known)))]
        elif kind < 0.92:
            yield {"type": "tick", "patient": patient, "at": render(now)}
        elif kind < 0.95:
            yield {
                "type": "treatment",
                "id": f"{patient}-{number}-given",
                "patient": patient,
                "code": {"system": _ATC, "code": chance.choice(_TREATMENTS)},
                "action": chance.choice(("start", "stop")),
                "at": render(now),
                "issued": render(now),
            }
        elif kind < 0.985:
            yield _encounter(patient, "transfer", now, number, unitType=chance.choice(("ward", "icu")))
        else:
            yield _encounter(patient, "merge", now, number, into=other)
            if chance.random() < 0.5:
                yield _encounter(patient, "unmerge", now + HOUR, number)
    yield _encounter(patient, "discharge", now + HOUR, length)


def _panel(
    patient: str,
    number: int,
    measures: Sequence[tuple[str, str, float, float]],
    illness: float,
    effective: int,
    issued: int,
    chance: Random,
) -> list[dict[str, Any]]:
    return [
        observation(
            patient,
            f"{patient}-{number}-{code}",
            code,
            unit,
            round(max(0.1, middle + swing * illness * chance.uniform(0.7, 1.0)), 1),
            effective,
        )
        | {"issued": render(issued)}
        for code, unit, middle, swing in measures
    ]


def _corrected(known: dict[str, Any], now: int, chance: Random) -> dict[str, Any]:
    """A higher version of an observation: another value, most often a calmer one, or none at all."""
    changed = {**known, "version": known["version"] + 1, "issued": render(now)}
    known["version"] += 1
    if chance.random() < 0.3:
        return {**changed, "status": "cancelled"}
    middle = {code: middle for code, _, middle, _ in (*_SIGNS, *_LABS)}.get(known["code"]["code"])
    return {**changed, "status": "corrected"} if middle is None else {**changed, "status": "corrected", "value": middle}


def _encounter(patient: str, action: str, at: int, number: int, **fields: Any) -> dict[str, Any]:
    return {
        "type": "encounter",
        "id": f"{patient}-{action}-{number}",
        "action": action,
        "patient": patient,
        "encounter": f"e-{patient}",
        "at": render(at),
        "issued": render(at),
        **fields,
    }


def _unusable(patient: str, value: bytes, chance: Random) -> bytes:
    """A record that becomes a dead letter, whole or in part."""
    document = orjson.loads(value)
    first = document[0] if isinstance(document, list) else document
    broken: tuple[Any, ...] = (
        {**first, "patient": f"{patient}-another"},
        {name: field for name, field in first.items() if name != "patient"},
        {**first, "type": "oracle"},
        [first, {**first, "id": f"{first.get('id')}-x", "type": "observation"}, 17],
        observation(patient, f"{patient}-{chance.randrange(10**6)}", "0000-0", "mmol/L", 1.0, START),
        observation(patient, f"{patient}-{chance.randrange(10**6)}", "2823-3", "furlong", 4.0, START),
        observation(patient, f"{patient}-{chance.randrange(10**6)}", "2744-1", "[pH]", 735.0, START),
    )
    return chance.choice((value[: len(value) // 2], b"", *(orjson.dumps(one) for one in broken)))


def _misplaced(one: Planned, partitions: int, chance: Random) -> Planned:
    """Now and then a record of a producer with another partitioner."""
    if chance.random() >= 0.005:
        return one
    right = partition_of(one.patient.encode(), partitions)
    return replace(one, partition=(right + 1 + chance.randrange(partitions - 1)) % partitions)


def _bunched(records: Sequence[Planned], seconds: float, chance: Random) -> Iterator[Planned]:
    """The records with those of each burst due at once."""
    starts, at = list[float](), chance.uniform(*_BURST_EVERY_S)
    while at < seconds:
        starts.append(at)
        at += chance.uniform(*_BURST_EVERY_S)
    for one in records:
        burst = next((start for start in starts if start <= one.due < start + _BURST_OF_S), None)
        yield one if burst is None else replace(one, due=burst + (one.due - burst) / 1000)
