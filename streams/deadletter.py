"""Dead letters: the original bytes with their key and headers, where they came from, and why they could not be used."""

from dataclasses import dataclass

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
