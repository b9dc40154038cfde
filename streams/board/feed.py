"""What keeps the house up to date: it reads ``patients.now``, ``alerts`` and ``risk.scores``, and notes silence."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from models.outputs import Alert, Score
from models.roster import Stop
from streams import kafka, now, topics
from streams.board.house import TRACE, Beat, House
from streams.board.journal import KEPT, Journal
from streams.board.lag import Lag
from streams.desk import HEARTBEAT_KEY
from streams.log import logger
from streams.metrics.probes import stuck
from streams.settings import Settings

_LOG = logger(__name__)

#: Heartbeats come every 10 s.
SILENT_S: Final = 25.0
_ASK_EVERY_S: Final = 2.0
_PATIENCE_S: Final = 5.0
_AGAIN_S: Final = 1.0
_POLL_MS: Final = 500
#: Of what lies long back so much is read at once, and then whoever waits comes first.
_BACK_RECORDS: Final = 200
_BACK_PAUSE_S: Final = 0.02

_alert: Final = msgspec.json.Decoder(Alert).decode
_scores: Final = msgspec.json.Decoder(tuple[Score, ...]).decode


@dataclass(slots=True)
class Health:
    """How far the board can be trusted.

    ``part`` is how much of the first reading is done, 1 from then on; ``lost`` is since when the broker does not answer
    (s since the epoch), ``None`` while it does; ``lag`` how long what was sent has waited to be decided (s, monotonic).
    """

    part: float = 0.0
    lost: float | None = None
    started: float = field(default_factory=time.time)
    loop: asyncio.AbstractEventLoop | None = None
    lag: Lag = field(default_factory=Lag)

    @property
    def ready(self) -> bool:
        """Whether the board has reached what the topics held when it began."""
        return self.part >= 1.0

    def dead(self) -> str | None:
        """Why the board had better be started again."""
        return None if self.loop is None else stuck(self.loop)

    def unready(self) -> str | None:
        """Why what it shows is not whole."""
        if self.lost is not None:
            return "The cluster is away."
        return None if self.ready else f"It has read {self.part:.0%} of what is shown."


class Feed:
    """The readers of one board."""

    def __init__(self, settings: Settings, house: House, journal: Journal) -> None:
        self._settings = settings
        self._house = house
        self._journal = journal
        self.health = Health()

    async def run(self) -> None:
        """Read, until cancelled; a cluster that does not answer is waited for."""
        self.health.loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch())
            tasks.create_task(self._remember())
            while True:
                try:
                    await self._read()
                except (KafkaError, OSError) as error:
                    self.health.lost = self.health.lost or time.time()
                    _LOG.warning("board.broker_away", error=type(error).__name__)
                    await asyncio.sleep(_AGAIN_S)

    async def _read(self) -> None:
        """What is shown first, and then what is said; both from then on."""
        reader = kafka.consumer(
            self._settings,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            fetch_max_wait_ms=20,
            max_partition_fetch_bytes=4 * 1024 * 1024,
        )
        await reader.start()
        try:
            await self._load(reader)
            while True:
                self._hear(await reader.getmany(timeout_ms=_POLL_MS))
        finally:
            await reader.stop()

    async def _load(self, reader: AIOKafkaConsumer) -> None:
        """Read what lies there: first who is shown, then what was said in the last day."""
        shown, said = self._parts(topics.NOW), [*self._parts(topics.ALERTS), *self._parts(topics.SCORES)]
        ends = await reader.end_offsets([*shown, *said])
        since = await reader.offsets_for_times(dict.fromkeys(said, int(time.time() * 1000) - TRACE))
        positions: dict[TopicPartition, int] = await reader.beginning_offsets(shown)
        positions |= {tp: ends[tp] if found is None else found.offset for tp, found in since.items()}
        total = sum(end - positions[tp] for tp, end in ends.items())
        for tps in (shown, [*shown, *said]):
            reader.assign(tps)
            for tp in tps:
                reader.seek(tp, positions[tp])
            while any(positions[tp] < ends[tp] for tp in tps):
                self._hear(await reader.getmany(timeout_ms=_POLL_MS))
                positions |= {tp: await reader.position(tp) for tp in tps}
                left = sum(max(0, end - positions[tp]) for tp, end in ends.items())
                self.health.part = max(self.health.part, min(0.99, 1 - left / max(total, 1)))
        self.health.part = 1.0
        _LOG.info("board.ready", patients=len(self._house.patients))

    def _parts(self, name: str) -> list[TopicPartition]:
        return [TopicPartition(self._settings.topic(name), number) for number in range(self._settings.partitions)]

    def _hear(self, batches: dict[TopicPartition, list[Any]]) -> None:
        for tp, records in batches.items():
            name = tp.topic.removeprefix(self._settings.topic_prefix)
            for record in records:
                try:
                    self._hear_one(name, record)
                except (ValueError, TypeError, LookupError, AttributeError) as error:
                    # A release that says what this one cannot read: what it can read is shown.
                    _LOG.error("board.unreadable", topic=name, partition=tp.partition, error=type(error).__name__)

    def _hear_one(self, name: str, record: Any) -> None:
        if name == topics.NOW:
            self._house.hear_now(record.key.decode(), None if record.value is None else now.decode(record.value))
        elif name == topics.SCORES:
            self._house.hear_scores(_scores(record.value))
        elif record.key == HEARTBEAT_KEY:
            beat = orjson.loads(record.value)
            heard = time.monotonic() - max(0.0, time.time() - record.timestamp / 1000)
            stops = msgspec.convert(beat.get("roster", {}).get("stops", ()), tuple[Stop, ...])
            self._house.hear_beat(record.partition, Beat(heard, beat["at"], beat["live"], stops))
        else:
            alert = _alert(record.value)
            self._house.hear_alert(alert)
            self._journal.hear(alert)

    async def _watch(self) -> None:
        """Ask the broker now and then how far the workers are; a reader hears nothing of a cluster that is away."""
        parts = self._parts(topics.EVENTS)
        while True:
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    # Of the workers' group, but nothing is subscribed: it is asked, and never joined.
                    options = {"group_id": self._settings.group, "request_timeout_ms": int(_PATIENCE_S * 1000)}
                    asker = kafka.consumer(self._settings, **options)
                    await asker.start()
                try:
                    while True:
                        async with asyncio.timeout(_PATIENCE_S):
                            ends = await asker.end_offsets(parts)
                            for tp, end in ends.items():
                                decided = await asker.committed(tp) or 0
                                self.health.lag.note(tp.partition, end, decided, time.monotonic())
                        self.health.lost = None
                        await asyncio.sleep(_ASK_EVERY_S)
                finally:
                    await asker.stop()
            except (KafkaError, OSError, TimeoutError):
                self.health.lost = self.health.lost or time.time()
                await asyncio.sleep(_AGAIN_S)

    async def _remember(self) -> None:
        """Read once what was said of alerts in the last weeks, after and behind everything else."""
        while True:
            await asyncio.sleep(_AGAIN_S)
            try:
                if self.health.ready:
                    return await self._read_back()
            except (KafkaError, OSError) as error:
                _LOG.warning("board.broker_away", error=type(error).__name__)

    async def _read_back(self) -> None:
        parts = self._parts(topics.ALERTS)
        async with kafka.consumer(self._settings, isolation_level="read_committed") as reader:
            ends = await reader.end_offsets(parts)
            since = await reader.offsets_for_times(dict.fromkeys(parts, int(time.time() * 1000) - KEPT))
            reader.assign(parts)
            for tp, found in since.items():
                reader.seek(tp, ends[tp] if found is None else found.offset)
            while any([await reader.position(tp) < end for tp, end in ends.items()]):
                batches = await reader.getmany(timeout_ms=_POLL_MS, max_records=_BACK_RECORDS)
                for record in (one for records in batches.values() for one in records):
                    if record.key != HEARTBEAT_KEY:
                        with suppress(ValueError):  # told when it was heard first
                            self._journal.hear(_alert(record.value))
                await asyncio.sleep(_BACK_PAUSE_S)
