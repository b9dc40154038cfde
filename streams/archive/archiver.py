"""Writing the archive: what Kafka has beyond it becomes segments.

How far the archive goes is what its files' names say, and nothing else is remembered: so a crash loses nothing and
repeats nothing, and files that are taken away are written again as long as Kafka has their records.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from kafka import TopicPartition
from kafka.errors import OffsetOutOfRangeError

from streams import kafka
from streams.archive.place import Place
from streams.archive.segments import ArchiveError, Segment
from streams.archive.tables import identities, identity_path, parquet, table
from streams.desk import HEARTBEAT_KEY
from streams.kafka import MAX_REQUEST
from streams.reading import read_all
from streams.settings import Settings
from streams.topics import ALERTS, AUDIT, AUDIT_IDENTITY, DEADLETTER, EVENTS, SCORES

_MIB: Final = 1024 * 1024
_FETCH: Final = 2 * MAX_REQUEST
_POLL_MS: Final = 500


@dataclass(frozen=True, slots=True)
class Limits:
    """When a segment is closed: by its rows, its bytes or its age; and what all open ones may hold together."""

    records: int = 100_000
    size: int = 64 * _MIB
    together: int = 256 * _MIB
    age_s: float = 6 * 60 * 60


@dataclass(slots=True)
class Outcome:
    """What was written, and the gaps that were found: topic, partition, from which offset, and up to which."""

    files: int = 0
    records: int = 0
    gaps: list[tuple[str, int, int, int]] = field(default_factory=list)


@dataclass(slots=True)
class _Open:
    """A segment that is not closed yet."""

    start: int
    since: float
    size: int = 0
    records: list[Any] = field(default_factory=list)


class Archiver:
    """Carries topics (their full names, and which topic each is) from a consumer that no group knows to a place.

    ``told`` is given a sentence for a person when something is amiss, ``written`` each segment that is closed.
    """

    def __init__(
        self,
        reader: Any,
        place: Place,
        topics: Mapping[str, str],
        told: Callable[[str], None],
        limits: Limits = Limits(),
        written: Callable[[Segment], None] = lambda _: None,
    ) -> None:
        self.outcome = Outcome()
        self._reader = reader
        self._place = place
        self._topics = topics
        self._told = told
        self._limits = limits
        self._written = written
        self._open: dict[TopicPartition, _Open] = {}

    def once(self) -> Outcome:
        """Up to where the topics end now.

        Raises:
            ArchiveError: the archive cannot be used, or is of other topics.
            KafkaError, SecurityError: the cluster does not answer, or does not let this client in.
        """
        self.begin()
        ends = self._reader.end_offsets(list(self._open))
        while any(self._reader.position(tp) < end for tp, end in ends.items()):
            self.step()
        self.close()
        return self.outcome

    def step(self) -> None:
        """Take what comes next, and write what is to be closed."""
        try:
            polled = self._reader.poll(timeout_ms=_POLL_MS)
        except OffsetOutOfRangeError:
            # Kafka forgot records while they were about to be read.
            self.close()
            self.begin()
            return
        for tp, records in polled.items():
            segment = self._open[tp]
            kept = [one for one in records if one.key != HEARTBEAT_KEY] if self._topics[tp.topic] == ALERTS else records
            segment.records += kept
            segment.size += sum(len(one.key or b"") + len(one.value or b"") for one in kept)
        now = time.monotonic()
        for tp, segment in self._open.items():
            if (
                segment.size >= self._limits.size
                or len(segment.records) >= self._limits.records
                or now - segment.since >= self._limits.age_s
            ):
                self._write(tp)
        while sum(one.size for one in self._open.values()) > self._limits.together:
            self._write(max(self._open, key=lambda tp: self._open[tp].size))

    def close(self) -> None:
        """Write all that is open."""
        for tp in self._open:
            self._write(tp)

    def begin(self) -> None:
        """Go on where the archive ends, partition by partition. Raises what ``once`` raises."""
        tps = [
            TopicPartition(topic, number)
            for topic in self._topics
            for number in sorted(self._reader.partitions_for_topic(topic) or ())
        ]
        self._reader.assign(tps)
        begins, ends = self._reader.beginning_offsets(tps), self._reader.end_offsets(tps)
        now = time.monotonic()
        for tp in tps:
            start = self._start(tp, begins[tp], ends[tp])
            self._reader.seek(tp, start)
            self._open[tp] = _Open(start, now)

    def _start(self, tp: TopicPartition, begin: int, end: int) -> int:
        reached = max((one.end for one in self._place.segments(tp.topic, tp.partition)), default=None)
        what = f"{tp.topic}, partition {tp.partition}"
        if reached is None:
            if begin > 0:
                self._told(f"The archive of {what} begins at offset {begin}: Kafka has forgotten what was before.")
            return begin
        if reached > end:
            raise ArchiveError(
                f"The archive has {what} up to offset {reached} and Kafka only up to {end}: it is another topic of the "
                "same name. Give it an archive of its own."
            )
        if reached < begin:
            self.outcome.gaps.append((tp.topic, tp.partition, reached, begin))
            self._told(f"GAP: {what}: Kafka forgot offsets {reached} to {begin - 1} before they were archived.")
            return begin
        return reached

    def _write(self, tp: TopicPartition) -> None:
        """Close a segment. One without records is written too: its name says that there were none."""
        done, end, now = self._open[tp], self._reader.position(tp), time.monotonic()
        self._open[tp] = _Open(end, now)
        if end == done.start:
            return
        segment = Segment(tp.topic, tp.partition, done.start, end)
        self._place.put(segment.path, parquet(table(self._topics[tp.topic], done.records)))
        self.outcome.files += 1
        self.outcome.records += len(done.records)
        self._written(segment)


def archived(deadletter: bool) -> tuple[str, ...]:
    """The topics that are archived, dead letters only if asked: those of a door hold what the key was to hide."""
    return (EVENTS, SCORES, ALERTS, AUDIT, *((DEADLETTER,) if deadletter else ()))


def archive(
    settings: Settings,
    place: Place,
    told: Callable[[str], None],
    deadletter: bool = False,
    limits: Limits = Limits(),
    stopped: Callable[[], bool] | None = None,
    written: Callable[[Segment], None] = lambda _: None,
) -> Outcome:
    """Archive a deployment: up to where its topics end, or until it is stopped. Raises what ``once`` raises."""
    reader = kafka.reader(
        settings,
        fetch_max_bytes=_FETCH,
        max_partition_fetch_bytes=_FETCH,
        isolation_level="read_committed",
        # It must not jump over what Kafka forgot: that is a gap, and said.
        auto_offset_reset="none",
    )
    try:
        topics = {settings.topic(name): name for name in archived(deadletter)}
        archiver = Archiver(reader, place, topics, told, limits, written)
        if stopped is None:
            archiver.once()
        else:
            _follow(archiver, stopped, lambda: keep_names(settings, place), limits.age_s)
    finally:
        reader.close()
    keep_names(settings, place)
    return archiver.outcome


def _follow(archiver: Archiver, stopped: Callable[[], bool], now_and_then: Callable[[], None], every_s: float) -> None:
    """Archive until it is stopped, and write what is open then."""
    archiver.begin()
    due = time.monotonic()
    while not stopped():
        if time.monotonic() >= due:
            now_and_then()
            due = time.monotonic() + every_s
        archiver.step()
    archiver.close()


def keep_names(settings: Settings, place: Place) -> None:
    """Write down whom the audit speaks of now. Who was erased is not among them."""
    topic = settings.topic(AUDIT_IDENTITY)
    for partition in range(settings.partitions):
        newest: dict[str, str] = {}
        for record in read_all(settings, AUDIT_IDENTITY, partition):
            if record.value is None:
                newest.pop(record.key.decode(), None)
            else:
                newest[record.key.decode()] = record.value.decode()
        place.put(identity_path(topic, partition), parquet(identities(newest)))
