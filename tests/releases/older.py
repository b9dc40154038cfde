"""A worker as release 0.1.0 had it, as far as it matters to the workers beside it.

It is this release's own worker with the differences put back: a stored record ends where it ended then, nothing is
written to the audit or to `patients.now`, and the place where the audit stands is left alone. All else is this
release's: that a worker of the real 0.1.0 goes along with this one was tried by hand (docs/upgrades.md).
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from features import record as records
from streams import shard
from streams.audit import Link
from streams.cli import app

_FIELDS = 10


class _Shard(shard.Shard):
    def advance(self, offset: int, entry: bytes, patient: str | None = None, record: Any = None, *said: Any) -> None:
        known = None if record is None else replace(record, subject=None, sealed=None)
        super().advance(offset, entry, patient, known, *said)

    async def _shown(self, news: Any) -> Any:
        return []


def _encode(record: records.Record) -> bytes:
    return msgspec.msgpack.encode(msgspec.msgpack.decode(records.encode(record))[:_FIELDS])


def _decode(stored: bytes) -> records.Record:
    return records.decode(msgspec.msgpack.encode(msgspec.msgpack.decode(stored)[:_FIELDS]))


def _nothing(*_: object) -> Iterator[bytes]:
    return iter(())


def _stays(link: Link, body: bytes) -> tuple[Link, bytes]:
    return link, body


def main(arguments: Sequence[str]) -> None:
    """The command line, with the worker of then."""
    from streams import desk

    for place, name, old in (
        (shard, "encode", _encode),
        (shard, "decode", _decode),
        (shard, "pack", _nothing),
        (Link, "then", _stays),
        (desk, "Shard", _Shard),
    ):
        # A name that is gone would leave the worker of today, and the test would show nothing.
        assert hasattr(place, name)
        setattr(place, name, old)
    app(list(arguments))


if __name__ == "__main__":
    main(sys.argv[1:])
