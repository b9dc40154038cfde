"""The audit: one entry for each record of ``events``, enough to repeat the decision, chained by hash.

A record of the topic ``audit`` holds lines. The first is its head: the partition, what decided (``streams.release``)
and the hash before its first entry. Each other line is an entry, in the order of the offsets, and ends with its own
hash, which is that of the entry before it and of the line's own bytes. So an entry that was altered, left out or put in
shows.

An entry names nobody: its ``subject`` is a random name, and the topic ``audit.identity`` says whose it is, until the
patient is erased.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import msgspec
import orjson

from models.roster import Roster
from streams.deadletter import Source
from streams.judge import Judged
from streams.release import digest

#: What a record of the topic may hold, so that a reader needs no large buffers.
_MOST_BYTES: Final = 512 * 1024
_SEAL: Final = b',"hash":"'
_SEALED: Final = len(_SEAL) + 64 + 2
_UNREADABLE: Final = (orjson.JSONDecodeError, KeyError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Link:
    """Where a partition's chain stands: the number of the last entry, and its hash."""

    number: int
    hash: str

    @classmethod
    def first(cls, partition: int) -> "Link":
        """Before the first entry of a partition."""
        return cls(0, sha256(f"vagt audit {partition}".encode()).hexdigest())

    @classmethod
    def stored(cls, value: bytes) -> "Link":
        """From its stored form."""
        number, _, last = value.decode().partition(" ")
        return cls(int(number), last)

    def store(self) -> bytes:
        """The stored form."""
        return f"{self.number} {self.hash}".encode()

    def then(self, body: bytes) -> "tuple[Link, bytes]":
        """The chain after one more entry, and the entry's line; ``body`` is a JSON object."""
        link = Link(self.number + 1, _hash(self.hash, body))
        return link, _sealed(body, link.hash)


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something that is not as it was written, at an entry (by number) of a partition, or at its record's head."""

    partition: int
    number: int
    what: str


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as it is read: its number in the partition's chain, and its fields."""

    partition: int
    number: int
    fields: dict[str, Any]
    release: bytes
    body: bytes


def body(number: int, source: Source, judged: Judged, release: str, said: str, roster: str = "") -> bytes:
    """The entry of a decision, not yet sealed. ``said`` is the hash of all that was said, byte for byte.

    ``roster`` names the one under which it was made, if control records had changed it. The entry of such a record has
    the whole roster after it.
    """
    return orjson.dumps(
        {
            "n": number,
            "offset": source.offset,
            "received": source.timestamp,
            "release": release,
            "subject": judged.subject,
            "now": judged.now,
            "moved": judged.moved_to,
            "items": judged.items,
            "refused": [[item, refused.reason] for item, refused in judged.refusals],
            "scores": [[one.id, one.kind, one.score, one.band, one.abstained] for one in judged.scores],
            "alerts": [
                [one.id, one.sequence, one.state, one.kind, one.severity, one.suppressed is not None]
                for one in judged.alerts
            ],
            "said": said,
            **({"roster": roster} if roster else {}),
            **({"change": msgspec.to_builtins(judged.change)} if judged.change is not None else {}),
        }
    )


def changed(entry: Entry) -> dict[str, Roster]:
    """The roster after an entry of a control record that changed it, by its short name."""
    if "change" not in entry.fields:
        return {}
    roster = msgspec.convert(entry.fields["change"]["roster"], Roster)
    return {roster.digest(): roster}


def pack(partition: int, release: bytes, before: Link, lines: Sequence[bytes]) -> Iterator[bytes]:
    """The values of the audit's records for these lines, which follow ``before``."""
    start, size, previous = 0, 0, before.hash
    for at, line in enumerate([*lines, b""]):
        size += len(line) + 1
        if at == len(lines) or (size > _MOST_BYTES and at > start):
            head = orjson.dumps({"partition": partition, "previous": previous, "release": orjson.Fragment(release)})
            yield b"\n".join([head, *lines[start:at]])
            previous = _borne(lines[at - 1])
            start, size = at, len(line) + 1


def unpack(values: Iterable[bytes]) -> Iterator[Entry | Flaw]:
    """The entries of one partition's records in their order, and a flaw wherever one is not as it was written.

    Where the first record is not the chain's first, its head is believed.
    """
    chain: _Chain | None = None
    for value in values:
        head, *lines = value.split(b"\n")
        try:
            fields = orjson.loads(head)
            partition, previous = int(fields["partition"]), str(fields["previous"])
            release = orjson.dumps(fields["release"])
        except _UNREADABLE:
            where = (-1, 0) if chain is None else (chain.partition, chain.number)
            yield Flaw(*where, "the head of the record after this entry cannot be read, nor its entries checked")
            continue
        if chain is None:
            begins = previous == Link.first(partition).hash
            chain = _Chain(partition, 0 if begins else _number(lines) - 1, (previous,))
            if chain.number == 0 and not begins:
                yield Flaw(partition, 1, "the chain does not begin as every chain of this partition does")
        elif previous not in chain.hashes:
            if lines and chain.fits(lines[0]):
                yield Flaw(partition, chain.number + 1, "the head of this entry's record is not what was written")
            else:
                yield Flaw(partition, chain.number + 1, "this entry, or more from it on, is missing")
                chain = _Chain(partition, _number(lines) - 1, (previous,))
        for line in lines:
            yield from chain.read(release, line)


@dataclass(slots=True)
class _Chain:
    """How far a partition was read: the last number, and the hashes that the next entry may follow.

    They are two after an altered entry: its own hash, and the one that it bears.
    """

    partition: int
    number: int
    hashes: tuple[str, ...]

    def fits(self, line: bytes) -> bool:
        """Whether this line is the next entry, as it was written."""
        return self._intact(line, self._expected(line))

    def read(self, release: bytes, line: bytes) -> Iterator[Entry | Flaw]:
        """The next line."""
        expected, borne = self._expected(line), _borne(line)
        intact = self._intact(line, expected)
        self.number += 1
        self.hashes = (borne,) if intact else (*expected, borne)
        try:
            fields = orjson.loads(line)
            number, named = int(fields["n"]), fields["release"]
        except _UNREADABLE:
            yield Flaw(self.partition, self.number, "the entry cannot be read")
            return
        if not intact:
            yield Flaw(self.partition, self.number, "the entry is not what was written")
            return
        if number != self.number:
            yield Flaw(self.partition, self.number, f"entry {number} stands in its place")
            self.number = number
        if named != digest(release):
            yield Flaw(self.partition, number, "the head of its record does not describe the release that decided")
        yield Entry(self.partition, number, fields, release, line[:-_SEALED] + b"}")

    @staticmethod
    def _intact(line: bytes, expected: Sequence[str]) -> bool:
        return any(line == _sealed(line[:-_SEALED] + b"}", one) for one in expected)

    def _expected(self, line: bytes) -> list[str]:
        return [_hash(one, line[:-_SEALED] + b"}") for one in self.hashes]


def _sealed(body: bytes, seal: str) -> bytes:
    return body[:-1] + _SEAL + seal.encode() + b'"}'


def _borne(line: bytes) -> str:
    """The hash that a line bears."""
    return line[-66:-2].decode(errors="replace")


def _number(lines: Sequence[bytes]) -> int:
    """The number that the first of some lines gives itself."""
    try:
        return int(orjson.loads(lines[0])["n"])
    except (*_UNREADABLE, IndexError):
        return 1


def _hash(previous: str, body: bytes) -> str:
    return sha256(previous.encode() + body).hexdigest()
