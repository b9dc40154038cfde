"""The files of the archive by their names: which offsets of which partition each holds."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

_NAME = re.compile(r"([^/]+)/partition=(\d+)/(\d{20})-(\d{20})\.parquet")


class ArchiveError(RuntimeError):
    """The archive cannot be read, written or believed; the message is one sentence for a person."""


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """A file: the records of a partition from offset ``start`` on, ``end`` not included.

    Not each offset between them has a record: Kafka keeps some for itself.
    """

    topic: str
    partition: int
    start: int
    end: int

    @property
    def path(self) -> str:
        """Its path inside the archive; the names of a partition's files sort as their offsets do."""
        return f"{self.topic}/partition={self.partition}/{self.start:020d}-{self.end:020d}.parquet"

    @classmethod
    def named(cls, path: str) -> Self | None:
        """The segment of that path; ``None`` for any other file."""
        found = _NAME.fullmatch(path)
        if found is None:
            return None
        one = cls(found[1], *map(int, found.groups()[1:]))
        return one if one.start < one.end and one.path == path else None


@dataclass(frozen=True, slots=True)
class Piece:
    """What is to be read of a segment: its records from offset ``since`` on."""

    segment: Segment
    since: int

    @property
    def whole(self) -> bool:
        """Whether that is all of it."""
        return self.since == self.segment.start


def cover(segments: Iterable[Segment]) -> Iterator[Piece]:
    """The pieces of one partition that hold each archived record once, in order.

    Where two archivers wrote, or one that was stopped and another, segments may overlap.
    """
    reached = -1
    for one in sorted(segments, key=lambda segment: (segment.start, -segment.end)):
        if one.end > reached:
            yield Piece(one, max(one.start, reached))
            reached = one.end


def holes(segments: Iterable[Segment]) -> Iterator[tuple[int, int]]:
    """The offsets between a partition's first segment and its last that none holds: from, and up to."""
    reached = None
    for piece in cover(segments):
        if reached is not None and piece.since > reached:
            yield reached, piece.since
        reached = piece.segment.end
