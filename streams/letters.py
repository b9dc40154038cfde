"""Reading the dead letters, and sending what is in them again."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

import orjson

from streams.deadletter import OWN_HEADERS
from streams.partitioner import partition_of
from streams.reading import read_all
from streams.settings import Settings
from streams.topics import DEADLETTER
from streams.writing import Outgoing, write_all

#: What is wrong with a whole record, whose letter names no object of it.
_OF_A_RECORD: Final = frozenset(
    {"internal-error", "not-pseudonymised", "too-many", "unreadable-state", "wrong-partition"}
)


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter: why, where its record lay, which of its objects it is about, and the record itself."""

    reason: str
    detail: str
    topic: str
    partition: str
    offset: str
    item: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]

    @property
    def place(self) -> str:
        """Topic, partition, offset and item, for a person."""
        return f"{self.topic}/{self.partition}/{self.offset}#{self.item}"


@dataclass(slots=True)
class Outcome:
    """How many objects were sent, and why others were left."""

    sent: int = 0
    left: Counter[str] = field(default_factory=Counter)


def letters(settings: Settings, reason: str | None = None) -> Iterator[Letter]:
    """All dead letters until now, the oldest first; with a ``reason`` only those.

    Raises:
        KafkaError: the cluster does not answer.
    """
    for record in read_all(settings, DEADLETTER):
        letter = _letter(record.key, record.value, tuple(record.headers))
        if reason is None or letter.reason == reason:
            yield letter


def resend(settings: Settings, reason: str | None = None) -> Outcome:
    """Send the object that each dead letter is about to where it came from, with its key and its own headers.

    Of an array only that object is sent, in an array of its own, unless the record as a whole was refused. What is
    refused again comes back as a new dead letter; of such twins one is sent.

    Raises:
        KafkaError: the cluster does not answer, or does not take a record.
    """
    outcome = Outcome()
    write_all(settings, _again(settings, letters(settings, reason), outcome))
    return outcome


def _again(settings: Settings, found: Iterable[Letter], outcome: Outcome) -> Iterator[Outgoing]:
    """The records that send the letters' objects again; ``outcome`` counts them."""
    seen: set[bytes] = set()
    for letter in found:
        if letter.topic not in _inputs(settings):
            outcome.left[f"{letter.topic or 'an unnamed topic'} is no input of this deployment"] += 1
            continue
        value = _object(letter)
        twin = blake2b(repr((letter.topic, letter.key, value)).encode(), digest_size=16).digest()
        if twin in seen:
            continue
        seen.add(twin)
        right = None
        if letter.topic == settings.topic("events") and letter.key is not None:
            right = partition_of(letter.key, settings.partitions)
        outcome.sent += 1
        yield Outgoing(letter.topic, letter.key, value, right, letter.headers)


def _inputs(settings: Settings) -> set[str]:
    return {settings.topic("events"), *settings.door_forms}


def _letter(key: bytes | None, value: bytes | None, headers: tuple[tuple[str, bytes], ...]) -> Letter:
    own = {name: text.decode(errors="replace") for name, text in headers if name in OWN_HEADERS}
    item = own.get("item", "0")
    return Letter(
        reason=own.get("reason", ""),
        detail=own.get("detail", ""),
        topic=own.get("topic", ""),
        partition=own.get("partition", ""),
        offset=own.get("offset", ""),
        item=int(item) if re.fullmatch(r"[0-9]{1,9}", item) else 0,
        key=key,
        value=value,
        headers=tuple(header for header in headers if header[0] not in OWN_HEADERS),
    )


def _object(letter: Letter) -> bytes | None:
    """The object that a letter is about; the whole record when that is no array with such an object."""
    if letter.value is None or letter.reason in _OF_A_RECORD:
        return letter.value
    try:
        document = orjson.loads(letter.value)
        if not isinstance(document, list) or letter.item >= len(document):
            return letter.value
        return orjson.dumps([document[letter.item]])
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):  # no JSON, or nested deeper than can be written
        return letter.value
