"""Whether the archive is whole: its files readable, none missing between them, and the audit's chain unbroken."""

from collections.abc import Iterable, Iterator

from streams import audit
from streams.archive.place import Place
from streams.archive.segments import ArchiveError, Piece, Segment, holes
from streams.archive.tables import rows
from streams.audit import Flaw
from streams.records import audited
from streams.settings import Settings
from streams.topics import ALERTS, AUDIT, DEADLETTER, EVENTS, SCORES


def faults(settings: Settings, place: Place) -> Iterator[str]:
    """What is wrong, a sentence for each; the chain is followed on into Kafka.

    Raises:
        ArchiveError: the archive cannot be used.
        KafkaError, SecurityError: the cluster does not answer, or does not let this client in.
    """
    for name in (EVENTS, SCORES, ALERTS, DEADLETTER, AUDIT):
        by_partition: dict[int, list[Segment]] = {}
        for one in place.segments(settings.topic(name)):
            by_partition.setdefault(one.partition, []).append(one)
        for partition, segments in sorted(by_partition.items()):
            where = f"{settings.topic(name)}, partition {partition}"
            yield from (f"{where}: offsets {start} to {end - 1} are missing" for start, end in holes(segments))
            yield from _damaged(place, segments)
    for partition in range(settings.partitions):
        flaws = (one for one in audit.unpack(audited(settings, partition)) if isinstance(one, Flaw))
        yield from (f"audit, partition {partition}: entry {flaw.number}: {flaw.what}" for flaw in flaws)


def _damaged(place: Place, segments: Iterable[Segment]) -> Iterator[str]:
    for one in segments:
        try:
            for row in rows(place, [Piece(one, 0)], ["offset", "partition"]):
                if row["partition"] != one.partition or row["offset"] not in range(one.start, one.end):
                    yield f"{one.path}: holds what its name does not say"
                    break
        except ArchiveError as error:
            yield str(error)
