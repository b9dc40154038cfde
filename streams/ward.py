"""A ward that lives: simulated patients who come, fall ill, get well and leave, as native events.

Nobody here is real, and the courses are caricatures: enough to see the service at work, not to judge a
model by. The ward's hours before its start are a history with their own times; from then on they pass
faster than the clock's, so that somebody who watches for a few minutes sees the courses of hours.
"""

import asyncio
import heapq
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple

import orjson

from features.instants import DAY, HOUR, MINUTE, render
from streams import kafka
from streams.now import Now, decode
from streams.partitioner import partition_of
from streams.pseudonym import Pseudonyms
from streams.reading import newest
from streams.settings import Settings
from streams.topics import EVENTS, NOW

NPU = "http://npu-terminology.org"
LOINC = "http://loinc.org"
#: How many of the ward's hours pass in one of the clock's, after the start.
PACE = 30.0

_HISTORY = 30 * HOUR
_LABORATORY_TAKES = 40 * MINUTE
_FIRST = ("Test", "Prøve", "Demo", "Øvelse")
_LAST = ("Hansen", "Jensen", "Nielsen", "Sørensen", "Rasmussen", "Mortensen", "Kristensen", "Holm")


class Sent(NamedTuple):
    """A record: when it becomes known (ms since the epoch), of whom it is, and its objects."""

    at_ms: int
    patient: str
    items: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Bed:
    """Where a patient lies; ``unit`` is the contract's `unitType`."""

    ward: str
    number: int
    unit: str


BEDS = (
    *(Bed("DEMO-ITA", number, "icu") for number in range(1, 9)),
    *(Bed("DEMO-M2", number, "ward") for number in range(1, 9)),
)


@dataclass(frozen=True, slots=True)
class Course:
    """An illness as a trapezium over time, in ms of the ward.

    From ``onset`` it takes ``rise`` to its ``peak`` (0 well, 1 as ill as can be), stays there for ``hold``
    and passes within ``fall``.
    """

    illness: str
    onset: int
    rise: int = 1
    hold: int = 0
    fall: int = 1
    peak: float = 0.0

    def severity(self, illness: str, at: int) -> float:
        """How bad an illness is at an instant, 0 to 1; 0 for an illness that this is not."""
        if illness != self.illness:
            return 0.0
        up = (at - self.onset) / self.rise
        down = (self.onset + self.rise + self.hold + self.fall - at) / self.fall
        return self.peak * min(1.0, max(0.0, min(up, down)))


@dataclass(frozen=True, slots=True)
class Sign:
    """A quantity of the well, its spread, and what the worst infection and kidney injury add to it."""

    code: str
    unit: str
    well: float
    spread: float
    infection: float = 0.0
    kidney: float = 0.0
    decimals: int = 0
    most: float = float("inf")
    system: str = NPU

    def value(self, own: float, noise: float, infection: float, kidney: float) -> float:
        """The value in a patient whose normal lies ``own`` spreads off; ``noise`` is in spreads too."""
        value = self.well + self.spread * (own + 0.3 * noise) + self.infection * infection + self.kidney * kidney
        return max(round(10.0**-self.decimals, self.decimals), round(min(value, self.most), self.decimals))


VITALS = {
    "respiratory_rate": Sign("MCS88122", "/min", 15, 1.5, infection=15),
    "spo2": Sign("NPU27280", "%", 97.5, 1, infection=-9, most=100),
    "systolic_pressure": Sign("DNK05472", "mmHg", 128, 9, infection=-42, kidney=12),
    "diastolic_pressure": Sign("DNK05473", "mmHg", 76, 6, infection=-26, kidney=6),
    "heart_rate": Sign("NPU21692", "/min", 76, 8, infection=52, kidney=6),
    "temperature": Sign("NPU08676", "°C", 36.9, 0.25, infection=2.3, decimals=1),
}
BLOOD = {
    "leukocytes": Sign("NPU02593", "10^9/L", 7.5, 1.5, infection=13, decimals=1),
    "crp": Sign("NPU19748", "mg/L", 14, 6, infection=240, kidney=15),
    "creatinine": Sign("NPU18016", "µmol/L", 78, 12, infection=70, kidney=260),
    "urea": Sign("NPU01459", "mmol/L", 5.8, 1.2, infection=7, kidney=22, decimals=1),
    "potassium": Sign("NPU03230", "mmol/L", 4.1, 0.25, infection=0.3, kidney=2.0, decimals=1),
    "sodium": Sign("NPU03429", "mmol/L", 139, 2, infection=-3, kidney=-5),
    "haemoglobin": Sign("NPU02319", "mmol/L", 8.1, 0.7, infection=-0.8, decimals=1),
    "platelets": Sign("NPU03568", "10^9/L", 245, 45, infection=-140),
    "bilirubin": Sign("NPU01370", "µmol/L", 11, 3, infection=32),
    "albumin": Sign("NPU19673", "g/L", 38, 3, infection=-11),
    "glucose": Sign("NPU02192", "mmol/L", 6.4, 0.9, infection=3.5, decimals=1),
}
GAS = {
    "lactate": Sign("NPU03943", "mmol/L", 1.1, 0.25, infection=4.6, kidney=0.4, decimals=1),
    "ph": Sign("2744-1", "[pH]", 7.41, 0.015, infection=-0.12, kidney=-0.09, decimals=2, system=LOINC),
}


def ward(start: int, seed: int = 0, pace: float = PACE) -> Iterator[Sent]:
    """The ward's records without end, in the order in which they become known.

    The first patients of some beds have courses that begin around ``start`` (ms since the epoch). The same
    arguments give the same records.
    """
    beds = [_bed(bed, position, start, Random(f"{seed}/{position}")) for position, bed in enumerate(BEDS)]
    for record in heapq.merge(*beds, key=lambda record: record.at_ms):
        yield _on_the_clock(record, start, pace)


async def play(settings: Settings, seed: int = 0, pace: float = PACE) -> None:
    """Send a ward that starts now, until cancelled: its history at once, then each record in its time.

    Whoever still lies there from an earlier start is discharged first.

    Raises:
        KafkaError, SecurityError: the cluster does not answer, or does not take a record.
    """
    producer, pseudonyms = kafka.producer(settings), Pseudonyms.of(settings)
    there = await asyncio.to_thread(newest, settings, NOW)

    async def send(key: bytes, value: bytes) -> None:
        partition = partition_of(key, settings.partitions)
        await producer.send_and_wait(settings.topic(EVENTS), value, key, partition=partition)

    await producer.start()
    try:
        for left in leaving(map(decode, there.values()), _now()):
            await send(*as_sent(left, None))  # Kafka knows them by their pseudonyms, where there is a key
        for record in ward(_now(), seed, pace):
            if (wait := record.at_ms - _now()) > 0:
                await asyncio.sleep(wait / 1000)
            await send(*as_sent(record, pseudonyms))
    finally:
        await producer.stop()


def leaving(shown: Iterable[Now], at: int) -> Iterator[Sent]:
    """Discharges at ``at`` (ms since the epoch) of those of the shown who lie in one of the ward's beds."""
    wards = {bed.ward for bed in BEDS}
    for one in shown:
        if one.ward in wards and one.discharged is None:
            item = {"type": "encounter", "action": "discharge", "id": f"{one.patient}-left", "encounter": one.encounter}
            yield Sent(at, one.patient, [item | {"patient": one.patient, "at": render(at), "issued": render(at)}])


def as_sent(record: Sent, pseudonyms: Pseudonyms | None) -> tuple[bytes, bytes]:
    """Key and value of a record; under a pseudonym where there is a key, since no door is on its way."""
    patient, items = record.patient, record.items
    if pseudonyms is not None:
        patient, items = pseudonyms.name(patient), [pseudonyms.pseudonymised(item) for item in items]
    return patient.encode(), orjson.dumps(items)


def _now() -> int:
    return time.time_ns() // 1_000_000


#: Of the first patients, by bed: the illness, and how long after the ward's start it begins.
_OPENING = {
    0: Course("infection", -5 * HOUR, 5 * HOUR, 6 * HOUR, 8 * HOUR, 0.95),
    1: Course("infection", -2 * HOUR, 4 * HOUR, 4 * HOUR, 6 * HOUR, 0.9),
    2: Course("infection", -20 * HOUR, 6 * HOUR, 8 * HOUR, 8 * HOUR, 0.8),
    3: Course("kidney", -9 * HOUR, 14 * HOUR, 12 * HOUR, 30 * HOUR, 0.9),
    4: Course("infection", 0, 2 * HOUR, 3 * HOUR, 5 * HOUR, 0.9),
    8: Course("infection", -3 * HOUR, 4 * HOUR, 3 * HOUR, 8 * HOUR, 0.85),
    9: Course("infection", -HOUR, 3 * HOUR, 3 * HOUR, 6 * HOUR, 0.75),
    10: Course("kidney", -4 * HOUR, 12 * HOUR, 10 * HOUR, 30 * HOUR, 0.8),
    11: Course("infection", -HOUR // 2, 2 * HOUR, 2 * HOUR, 5 * HOUR, 0.8),
}


def _bed(bed: Bed, position: int, start: int, random: Random) -> Iterator[Sent]:
    """One bed's patients, one after the other, in the ward's own time."""
    admitted = start - _HISTORY + int(random.uniform(0, 6) * HOUR)
    for number in range(1, 2**31):
        opening = _OPENING.get(position) if number == 1 else None
        course = _shifted(opening, start) if opening else _any_course(admitted, random)
        leaves = max(course.onset + course.rise + course.hold + course.fall, start) - admitted
        stay = max(int(random.uniform(18, 40) * HOUR), leaves + 3 * HOUR if course.peak else 0)
        patient = f"demo-{start // MINUTE:x}-{position + 1:02d}-{number}"
        yield from sorted(
            _stay(patient, bed, course, admitted, admitted + stay, start, random),
            key=lambda record: record.at_ms,
        )
        admitted += stay + int(random.uniform(0.5, 3) * HOUR)


def _shifted(course: Course, start: int) -> Course:
    return Course(course.illness, start + course.onset, course.rise, course.hold, course.fall, course.peak)


def _any_course(admitted: int, random: Random) -> Course:
    """Half of the patients stay well; most of the others have an infection, some of them a mild one."""
    onset = admitted + int(random.uniform(2, 12) * HOUR)
    chance = random.random()
    if chance < 0.5:
        return Course("none", onset)
    if chance < 0.65:
        return Course("kidney", onset, 12 * HOUR, 8 * HOUR, 16 * HOUR, random.uniform(0.4, 0.9))
    rise = int(random.uniform(3, 6) * HOUR)
    return Course("infection", onset, rise, int(random.uniform(2, 6) * HOUR), 8 * HOUR, random.uniform(0.35, 1.0))


def _stay(
    patient: str, bed: Bed, course: Course, admitted: int, leaves: int, start: int, random: Random
) -> Iterator[Sent]:
    own = {name: random.gauss(0, 1) for name in (*VITALS, *BLOOD, *GAS)}
    yield _encounter(patient, "admit", admitted, bed, _person(admitted, random))
    yield _encounter(patient, "discharge", leaves, bed, {})
    at = admitted + int(random.uniform(2, 15) * MINUTE)
    while at < leaves:
        ill = course.severity("infection", at)
        items = _measured(patient, VITALS, own, course, at, at, random)
        yield Sent(at, patient, [*items, *_observed(patient, ill, at)])
        # In the history, rounds will do for those who are not ill.
        often = at >= start or ill > 0.3
        at += int((random.uniform(5, 15) if often else random.uniform(40, 80)) * MINUTE)
    for panel, hours in ((BLOOD, (6, 24)), (GAS, (4, 10) if bed.unit == "icu" else (10, 24))):
        taken = admitted + int(random.uniform(10, 60) * MINUTE)
        while taken + _LABORATORY_TAKES < leaves:
            issued = taken + (_LABORATORY_TAKES if panel is BLOOD else 5 * MINUTE)
            yield Sent(issued, patient, _measured(patient, panel, own, course, taken, issued, random))
            # Who gets worse is tested sooner.
            worse = max(course.severity(illness, taken) for illness in ("infection", "kidney"))
            taken += int(random.uniform(*hours) * HOUR * (1 - 0.6 * worse))


def _person(admitted: int, random: Random) -> dict[str, Any]:
    born = admitted - int(random.uniform(35, 88) * 365.25 * DAY)
    return {
        "name": f"{random.choice(_FIRST)} {random.choice(_LAST)}",
        "birthDate": render(born)[:10],
        "sex": random.choice(("female", "male")),
    }


def _encounter(patient: str, action: str, at: int, bed: Bed, person: dict[str, Any]) -> Sent:
    item = {
        "type": "encounter",
        "id": f"{patient}-{action}",
        "version": 1,
        "action": action,
        "patient": patient,
        "encounter": f"e-{patient}",
        "at": at,
        "issued": at,
        "ward": bed.ward,
        "bed": str(bed.number),
        "unitType": bed.unit,
        **person,
    }
    return Sent(at, patient, [item])


def _measured(
    patient: str,
    signs: dict[str, Sign],
    own: dict[str, float],
    course: Course,
    effective: int,
    issued: int,
    random: Random,
) -> list[dict[str, Any]]:
    infection, kidney = (course.severity(illness, effective) for illness in ("infection", "kidney"))
    items = []
    for name, sign in signs.items():
        value = sign.value(own[name], random.gauss(0, 1), infection, kidney)
        item = _observation(patient, name, sign.system, sign.code, effective, issued)
        items.append(item | {"value": value, "unit": sign.unit})
    return items


def _observed(patient: str, ill: float, at: int) -> Iterator[dict[str, Any]]:
    """Consciousness and oxygen, as a nurse sees them."""
    text = "V" if ill > 0.85 else "C" if ill > 0.7 else "A"
    yield _observation(patient, "consciousness", LOINC, "80288-4", at, at) | {"text": text}
    flow = round(2 + 10 * (ill - 0.4)) if ill > 0.4 else 0
    yield _observation(patient, "oxygen_flow", LOINC, "3151-8", at, at) | {"value": flow, "unit": "L/min"}


def _observation(patient: str, name: str, system: str, code: str, effective: int, issued: int) -> dict[str, Any]:
    return {
        "type": "observation",
        "id": f"{patient}-{name}-{effective // MINUTE:x}",
        "version": 1,
        "status": "final",
        "patient": patient,
        "encounter": f"e-{patient}",
        "code": {"system": system, "code": code},
        "effective": effective,
        "issued": issued,
    }


def _on_the_clock(record: Sent, start: int, pace: float) -> Sent:
    """The record with its instants on the clock, as text."""

    def clock(at: int) -> int:
        return at if at <= start else start + int((at - start) / pace)

    items = [
        item | {name: render(clock(item[name])) for name in ("at", "effective", "issued") if name in item}
        for item in record.items
    ]
    return Sent(clock(record.at_ms), record.patient, items)
