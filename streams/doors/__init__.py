"""Doors: topics in other forms, or with several patients to a record, translated and written to ``events``.

A door checks what it lets in, so that what nobody can use is set aside with the sender's own bytes. Where the
deployment has a key, a patient's identifier comes no further than this.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from features.catalogue import Refused
from streams import deadletter, kafka, metrics
from streams.deadletter import Source
from streams.doors import fhir, hl7, native
from streams.doors.native import Translation
from streams.doors.registry import Registry
from streams.intake import load, within
from streams.log import logger
from streams.partitioner import partition_of
from streams.pseudonym import Pseudonyms
from streams.settings import FRAMED, Settings

if TYPE_CHECKING:
    from streams.traces import Trace, Traces

_LOG = logger(__name__)

#: Objects in native form, each with its patient.
Items = tuple[tuple[str, dict[str, Any]], ...]
#: Records that may await the broker before a door takes the next one.
_MOST_PENDING = 2_000


class Doors:
    """The doors of one worker. Not thread-safe: all calls come from the worker's loop.

    A send that failed is never forgotten: from then on ``handle`` and ``settle`` raise, so that no offset is
    committed for a record that the broker does not have, and nothing of a patient overtakes what was lost.
    The worker that takes over reads the same records again; repeated ids change nothing.
    """

    def __init__(self, settings: Settings, traces: "Traces | None" = None) -> None:
        self._settings = settings
        self._traces = traces
        self._events = settings.topic("events")
        self._dead = settings.topic("deadletter")
        self._pseudonyms = Pseudonyms.of(settings)
        framed = any(form.startswith(FRAMED) for form in settings.door_forms.values())
        self._registry = Registry(settings) if framed else None
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._pending: set[asyncio.Future[Any]] = set()
        self._failure: KafkaError | None = None

    async def handle(self, source: Source, form: str) -> None:
        """Translate one record of a door that speaks ``form``, as ``Settings.door_forms`` has it.

        Raises:
            KafkaError: the broker did not take a record; never for what the record holds.
        """
        if len(self._pending) >= _MOST_PENDING:
            await self.settle()
        trace = None if self._traces is None else self._traces.taken(source)
        most = self._settings.max_event_bytes
        translation = await self._translated(source, form)
        refusals = list(translation.refusals)
        for key, value in records(translation.items):
            if len(value) > most:
                refusals.append((0, Refused("too-large", f"a patient's part is {len(value)} bytes when translated")))
                continue
            partition = partition_of(key, self._settings.partitions)
            await self._send(self._events, value, key, trace=trace, partition=partition, timestamp_ms=source.timestamp)
        for item, refused in deadletter.bounded(refusals, len(source.value or b"")):
            head = deadletter.headers(source, item, refused)
            await self._send(self._dead, source.value, source.key, headers=head)
            metrics.DEADLETTERS.add(refused.reason)
            _LOG.info("deadletter", reason=refused.reason, item=item, **_place(source))
        if trace is not None:
            trace.end()

    async def settle(self) -> None:
        """Wait until the broker has all that was sent.

        Raises:
            KafkaError: it did not take all of it.
        """
        if self._pending:
            await asyncio.wait(self._pending)
        if self._failure is not None:
            raise self._failure

    async def close(self) -> None:
        """Send what is left, and stop."""
        if self._producer is not None:
            await self._producer.stop()

    async def _translated(self, source: Source, form: str) -> Translation:
        if self._registry is not None and form.startswith(FRAMED):
            try:
                value = await self._registry.read(within(source.value, self._settings.max_event_bytes))
            except Refused as refused:
                return Translation((), ((0, refused),))
            source, form = replace(source, value=value), form.removeprefix(FRAMED)
        return _translate(source, form, self._settings, self._pseudonyms)

    async def _send(
        self, topic: str, value: bytes | None, key: bytes | None, *, trace: "Trace | None" = None, **more: Any
    ) -> None:
        if self._failure is not None:
            raise self._failure
        try:
            producer = await self._started()
            outputs = producer if trace is None else trace.through(producer)
            sent = await outputs.send(topic, value, key, **more)
        except KafkaError as error:
            self._failure = error
            raise
        self._pending.add(sent)
        sent.add_done_callback(self._done)

    def _done(self, sent: "asyncio.Future[Any]") -> None:
        self._pending.discard(sent)
        failure = KafkaError("the producer was stopped") if sent.cancelled() else sent.exception()
        if failure is not None and self._failure is None:
            self._failure = failure if isinstance(failure, KafkaError) else KafkaError(type(failure).__name__)

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer = kafka.producer(self._settings)
                await producer.start()
                self._producer = producer
            return self._producer


def records(items: Iterable[tuple[str, dict[str, Any]]]) -> list[tuple[bytes, bytes]]:
    """Key and value of one record of ``events`` for each patient, the objects in their order."""
    by_patient: dict[str, list[dict[str, Any]]] = {}
    for patient, item in items:
        by_patient.setdefault(patient, []).append({**item, "origin": "vagt"})
    return [
        (patient.encode(), orjson.dumps(group[0] if len(group) == 1 else group))
        for patient, group in by_patient.items()
    ]


def pseudonymised(items: Items, pseudonyms: Pseudonyms | None) -> Items:
    """The objects, each with its patient, as they leave a door: under pseudonyms where there is a key."""
    if pseudonyms is None:
        return items
    made = (pseudonyms.pseudonymised(item) for _, item in items)
    return tuple((item["patient"], item) for item in made)


def _translate(source: Source, form: str, settings: Settings, pseudonyms: Pseudonyms | None) -> Translation:
    try:
        made = _made(source, form, settings)
        return Translation(pseudonymised(made.items, pseudonyms), made.refusals)
    except Refused as refused:
        return Translation((), ((0, refused),))
    except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError) as error:
        # A fault of the door's own: this record is set aside, and the next one is read.
        _LOG.error("door.failed", error=type(error).__name__, **_place(source))
        return Translation((), ((0, Refused("internal-error", type(error).__name__)),))


def _made(source: Source, form: str, settings: Settings) -> Translation:
    most = settings.max_event_bytes
    if form == "hl7":
        return hl7.translate(within(source.value, most), source.timestamp, settings)
    document = load(source.value, most)
    if form == "fhir":
        return fhir.translate(document, source.timestamp, settings.patient_system)
    return native.translate(document)


def _place(source: Source) -> dict[str, Any]:
    return {"topic": source.topic, "partition": source.partition, "offset": source.offset}
