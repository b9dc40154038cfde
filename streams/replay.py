"""A data set as events: sent as fast as Kafka takes them, or in the set's own time, so many times faster."""

import asyncio
import tempfile
import time
from array import array
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple

import orjson
from aiokafka.errors import MessageSizeTooLargeError

from features.catalogue import Refused
from models.datasets.native import Record, Source, Stay
from streams import kafka
from streams.doors.native import checked
from streams.partitioner import partition_of
from streams.pseudonym import Pseudonyms
from streams.settings import Settings
from streams.topics import EVENTS

_LINGER_MS = 20
_BATCH_BYTES = 512 * 1024
#: After so many records the loop looks after its other tasks.
_TURN = 200


class Message(NamedTuple):
    """A record ready to be sent: when it became known (ms since the epoch), its patient, and its JSON."""

    at_ms: int
    patient: bytes
    value: bytes
    observations: int


@dataclass(slots=True)
class Tally:
    """How far a replay is; it is filled while the replay goes on. ``expected`` is None while nobody knows."""

    stays: int = 0
    records: int = 0
    observations: int = 0
    expected: int | None = None
    skipped: Counter[str] = field(default_factory=Counter)


async def replay(
    settings: Settings, source: Source, tally: Tally, speed: float | None = None, limit: int | None = None
) -> None:
    """Send the first ``limit`` stays of a data set; each patient's records keep their order.

    With a ``speed``, all stays together in the order of time, that many times faster than they happened;
    without, one stay after the other as fast as possible. The topics must exist. What goes to ``events`` passes no
    door: where there is a key, patients get their pseudonyms here, and what a door would refuse is skipped.

    Raises:
        KafkaError: the cluster does not take the records.
        FileNotFoundError, ValueError: the data set is not what it should be.
    """
    pseudonyms = Pseudonyms.of(settings) if source.topic == EVENTS else None
    if speed is None:
        messages = as_they_come(source, tally, limit, pseudonyms)
    else:
        messages = paced(in_time_order(source, tally, limit, settings.data_dir, pseudonyms), speed)
    producer = kafka.producer(
        settings,
        client_id=f"{settings.group}-replay",
        linger_ms=_LINGER_MS if speed is None else 0,
        max_batch_size=_BATCH_BYTES,
    )
    topic = settings.topic(source.topic)
    failures: list[BaseException] = []

    def acknowledged(sent: "asyncio.Future[Any]") -> None:
        if not sent.cancelled() and (error := sent.exception()) is not None:
            failures.append(error)

    await producer.start()
    try:
        async for message in messages:
            partition = partition_of(message.patient, settings.partitions) if source.topic == EVENTS else None
            try:
                sent = await producer.send(topic, message.value, message.patient, partition=partition)
            except MessageSizeTooLargeError:
                tally.skipped["too-large"] += 1
                continue
            sent.add_done_callback(acknowledged)
            if failures:
                break
            tally.records += 1
            tally.observations += message.observations
            if tally.records % _TURN == 0:
                await asyncio.sleep(0)
        await producer.flush()
    finally:
        await producer.stop()
        tally.skipped.update(source.skipped)
    if failures:
        raise failures[0]


def _message(patient: str, record: Record) -> Message:
    items = record.value if isinstance(record.value, list) else [record.value]
    observations = sum(
        isinstance(item, dict) and "observation" in (item.get("type"), str(item.get("resourceType")).lower())
        for item in items
    )
    return Message(record.at_ms, patient.encode(), orjson.dumps(record.value), observations)


def _stays(source: Source, tally: Tally, limit: int | None, pseudonyms: Pseudonyms | None) -> Iterator[Stay]:
    for stay in islice(source, limit):
        tally.stays += 1
        yield stay if pseudonyms is None else pseudonymised(stay, pseudonyms, tally)


def pseudonymised(stay: Stay, pseudonyms: Pseudonyms, tally: Tally) -> Stay:
    """The stay under its patient's pseudonym, without what no door would let in."""
    records = []
    for record in stay.records:
        items = []
        for item in record.items:
            try:
                if checked(item) != stay.patient:
                    raise Refused("wrong-subject", "the object is about another patient than its record")
                items.append(pseudonyms.pseudonymised(item))
            except Refused as refused:
                tally.skipped[refused.reason] += 1
        if items:
            records.append(Record(record.at_ms, items if isinstance(record.value, list) else items[0]))
    return replace(stay, patient=pseudonyms.name(stay.patient), records=records)


async def as_they_come(
    source: Source, tally: Tally, limit: int | None, pseudonyms: Pseudonyms | None = None
) -> AsyncIterator[Message]:
    """All records, stay after stay."""
    for stay in _stays(source, tally, limit, pseudonyms):
        for record in stay.records:
            yield _message(stay.patient, record)


async def in_time_order(
    source: Source, tally: Tally, limit: int | None, scratch: Path, pseudonyms: Pseudonyms | None = None
) -> AsyncIterator[Message]:
    """All records by time; equal times, and a patient's records always, in the set's order.

    Stays overlap, in some sets all of them, so the records wait in a file and only their times in memory.
    """
    times, counts, starts, patients = array("q"), array("i"), array("q", [0]), array("i")
    numbers: dict[bytes, int] = {}
    latest: dict[bytes, int] = {}
    with _scratch_file(scratch) as waiting:
        for stay in _stays(source, tally, limit, pseudonyms):
            for message in (_message(stay.patient, record) for record in stay.records):
                at = latest[message.patient] = max(message.at_ms, latest.get(message.patient, message.at_ms))
                times.append(at)
                counts.append(message.observations)
                patients.append(numbers.setdefault(message.patient, len(numbers)))
                starts.append(starts[-1] + waiting.write(message.value))
            await asyncio.sleep(0)
        tally.expected = len(times)
        names = list(numbers)
        for index in sorted(range(len(times)), key=times.__getitem__):
            waiting.seek(starts[index])
            value = waiting.read(starts[index + 1] - starts[index])
            yield Message(times[index], names[patients[index]], value, counts[index])


def _scratch_file(folder: Path) -> "IO[bytes]":
    folder.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryFile(dir=folder)


async def paced(
    messages: AsyncIterator[Message],
    speed: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncIterator[Message]:
    """Hold each message back until its time has come, counted from the first."""
    began: tuple[float, int] | None = None
    async for message in messages:
        if began is None:
            began = clock(), message.at_ms
        due = began[0] + (message.at_ms - began[1]) / 1000 / speed
        if (wait := due - clock()) > 0:
            await sleep(wait)
        yield message
