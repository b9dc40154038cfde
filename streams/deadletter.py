"""Dead letters: the original bytes with their key and headers, where they came from, and why they could not be used."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from features.catalogue import Refused


@dataclass(frozen=True, slots=True)
class Source:
    """A record as Kafka gave it."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]

    @classmethod
    def of(cls, record: Any) -> Self:
        """From a record of aiokafka's or kafka-python's consumer."""
        return cls(
            record.topic,
            record.partition,
            record.offset,
            record.timestamp,
            record.key,
            record.value,
            tuple(record.headers),
        )


#: What the dead letters of one record may hold together: each repeats all its bytes.
_MOST_BYTES = 64 * 1024 * 1024

#: Headers of a dead letter that this service writes; a replayed record sheds them.
OWN_HEADERS = ("reason", "detail", "topic", "partition", "offset", "item")


def headers(source: Source, item: int, refused: Refused) -> list[tuple[str, bytes]]:
    """The headers of the dead letter for one object (by its index) of a record: the record's own first."""
    own = {
        "reason": refused.reason,
        "detail": refused.detail,
        "topic": source.topic,
        "partition": str(source.partition),
        "offset": str(source.offset),
        "item": str(item),
    }
    kept = [header for header in source.headers if header[0] not in own]
    return kept + [(name, text.encode()) for name, text in own.items()]


def bounded(refusals: Sequence[tuple[int, Refused]], size: int) -> Sequence[tuple[int, Refused]]:
    """The refusals of a record of ``size`` bytes that get dead letters of their own, and one for the others.

    A megabyte of small unusable objects would otherwise become gigabytes of dead letters.
    """
    most = max(1, _MOST_BYTES // max(size, 1))
    if len(refusals) <= most:
        return refusals
    others = Counter(refused.reason for _, refused in refusals[most - 1 :])
    counted = ", ".join(f"{reason} {count}" for reason, count in others.most_common())
    return [
        *refusals[: most - 1],
        (refusals[most - 1][0], Refused("too-many", f"this object and others of the record: {counted}")),
    ]
