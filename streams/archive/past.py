"""What the archive has of a partition, and from which offset on Kafka is to be asked: no hole, and no repeat."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from streams.archive.place import Place
from streams.archive.segments import Segment, cover
from streams.archive.tables import rows, sources, values
from streams.deadletter import Source
from streams.settings import Settings


@dataclass(frozen=True, slots=True)
class Past:
    """The archived part of a partition. ``end`` is the first offset after it, 0 without any."""

    place: Place
    topic: str
    segments: tuple[Segment, ...]

    @classmethod
    def of(cls, settings: Settings, name: str, partition: int) -> "Past":
        """That of a topic by its name without the prefix.

        Raises:
            ArchiveError: the archive cannot be used.
        """
        place, topic = Place.of(settings), settings.topic(name)
        return cls(place, topic, tuple(place.segments(topic, partition)))

    @property
    def end(self) -> int:
        """Where it ends."""
        return max((one.end for one in self.segments), default=0)

    def records(self) -> Iterator[Source]:
        """Its records of ``events``. Raises what ``of`` raises."""
        return sources(self.topic, self._rows())

    def audited(self) -> Iterator[bytes]:
        """The values of its records of ``audit``. Raises what ``of`` raises."""
        return values(self._rows(["offset", "raw"]))

    def messages(self) -> Iterator[bytes]:
        """The values of its records of ``alerts``. Raises what ``of`` raises."""
        return (row["value"].encode() for row in self._rows(["offset", "value"]) if row["value"] is not None)

    def _rows(self, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
        return rows(self.place, cover(self.segments), columns)
