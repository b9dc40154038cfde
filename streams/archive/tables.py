"""Records as rows and back: for each topic the columns of its files.

The first five columns are alike everywhere: where a record lay, when Kafka had it, its key and headers. ``events``,
``deadletter`` and ``audit`` are kept byte for byte; scores and alerts are JSON texts with a few columns made of them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from features.instants import parse
from streams.archive.place import Place
from streams.archive.segments import ArchiveError, Piece
from streams.deadletter import Source
from streams.topics import ALERTS, AUDIT, DEADLETTER, EVENTS, SCORES

_BATCH_ROWS: Final = 4096
_TIME: Final = pa.timestamp("ms", "UTC")
_WHOLE: Final = range(-(2**63), 2**63)
_YEARS: Final = range(-62_135_596_800_000, 253_402_300_800_000)  # 1 to 9999

_Row = dict[str, Any]

_PLACED: Final = (
    ("partition", pa.int32()),
    ("offset", pa.int64()),
    ("timestamp", _TIME),
    ("key", pa.binary()),
    ("headers", pa.list_(pa.struct([("name", pa.string()), ("value", pa.binary())]))),
)


@dataclass(frozen=True, slots=True)
class Form:
    """The columns of a topic's files, and the rows that a record's value becomes."""

    schema: Any
    rows: Callable[[bytes | None], Iterator[_Row]]


def _bytes(value: bytes | None) -> Iterator[_Row]:
    yield {"value": value}


def _scores(value: bytes | None) -> Iterator[_Row]:
    """A row for each score of a record."""
    items = _json(value)
    if not isinstance(items, list) or not items:
        yield {"value": _text_of(value)}
        return
    for number, one in enumerate(items):
        model = _of(one, "model")
        yield {
            "item": number,
            "id": _text(_of(one, "id")),
            "kind": _text(_of(one, "kind")),
            "patient": _text(_of(one, "patient")),
            "encounter": _text(_of(one, "encounter")),
            "time": _time(_of(one, "at")),
            "score": _number(_of(one, "score")),
            "band": _text(_of(one, "band")),
            "abstained": _flag(_of(one, "abstained")),
            "model": _text(_of(model, "name")),
            "version": _text(_of(model, "version")),
            "value": orjson.dumps(one).decode(),
        }


def _alerts(value: bytes | None) -> Iterator[_Row]:
    one = _json(value)
    yield {
        "id": _text(_of(one, "id")),
        "sequence": _whole(_of(one, "sequence")),
        "state": _text(_of(one, "state")),
        "kind": _text(_of(one, "kind")),
        "severity": _text(_of(one, "severity")),
        "patient": _text(_of(one, "patient")),
        "encounter": _text(_of(one, "encounter")),
        "ward": _text(_of(one, "ward")),
        "time": _time(_of(one, "at")),
        "held": _of(one, "suppressed") is not None if isinstance(one, dict) else None,
        "value": _text_of(value),
    }


def _audit(value: bytes | None) -> Iterator[_Row]:
    """A row for each line, the head too: so the record can be put together again."""
    for number, line in enumerate([None] if value is None else value.split(b"\n")):
        entry = _json(line) if number else None
        yield {
            "line": number,
            "number": _whole(_of(entry, "n")),
            "decided": _whole(_of(entry, "offset")),
            "received": _instant(_of(entry, "received")),
            "now": _instant(_of(entry, "now")),
            "subject": _text(_of(entry, "subject")),
            "release": _text(_of(entry, "release")),
            "raw": line,
        }


def _form(rows: Callable[[bytes | None], Iterator[_Row]], *columns: tuple[str, Any]) -> Form:
    return Form(pa.schema([*_PLACED, *columns]), rows)


FORMS: Final[Mapping[str, Form]] = {
    EVENTS: _form(_bytes, ("value", pa.binary())),
    SCORES: _form(
        _scores,
        ("item", pa.int32()),
        ("id", pa.string()),
        ("kind", pa.string()),
        ("patient", pa.string()),
        ("encounter", pa.string()),
        ("time", _TIME),
        ("score", pa.float64()),
        ("band", pa.string()),
        ("abstained", pa.bool_()),
        ("model", pa.string()),
        ("version", pa.string()),
        ("value", pa.string()),
    ),
    ALERTS: _form(
        _alerts,
        ("id", pa.string()),
        ("sequence", pa.int64()),
        ("state", pa.string()),
        ("kind", pa.string()),
        ("severity", pa.string()),
        ("patient", pa.string()),
        ("encounter", pa.string()),
        ("ward", pa.string()),
        ("time", _TIME),
        ("held", pa.bool_()),
        ("value", pa.string()),
    ),
    DEADLETTER: _form(_bytes, ("value", pa.binary())),
    AUDIT: _form(
        _audit,
        ("line", pa.int32()),
        ("number", pa.int64()),
        ("decided", pa.int64()),
        ("received", _TIME),
        ("now", _TIME),
        ("subject", pa.string()),
        ("release", pa.string()),
        ("raw", pa.binary()),
    ),
}

#: Whom the audit speaks of: one file for each partition, the newest.
IDENTITY_SCHEMA: Final = pa.schema([("subject", pa.string()), ("patient", pa.string())])


def identity_path(topic: str, partition: int) -> str:
    """The path of the file that says whom a partition's audit speaks of."""
    return f"{topic}/partition={partition}/newest.parquet"


def table(name: str, records: Iterable[Any]) -> Any:
    """The rows of records of a topic (by its name without the prefix), whatever their values are."""
    form = FORMS[name]
    rows = []
    for record in records:
        placed = {
            "partition": record.partition,
            "offset": record.offset,
            "timestamp": record.timestamp,
            "key": record.key,
            "headers": [{"name": header, "value": value} for header, value in record.headers],
        }
        rows += [placed | row for row in form.rows(record.value)]
    return pa.Table.from_pylist(rows, schema=form.schema)


def identities(newest: Mapping[str, str]) -> Any:
    """The rows of names in the audit, and of whom each is."""
    return pa.table([list(newest), list(newest.values())], schema=IDENTITY_SCHEMA)


def parquet(rows: Any) -> Any:
    """The rows as a Parquet file in a buffer: the same bytes for the same rows."""
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink, compression="zstd")
    return sink.getvalue()


def load(place: Place, path: str) -> Any:
    """All rows of a file.

    Raises:
        ArchiveError: the file is damaged.
    """
    with place.read(path) as file, _undamaged(path):
        return pq.read_table(file)


def rows(place: Place, pieces: Iterable[Piece], columns: list[str] | None = None) -> Iterator[_Row]:
    """The rows of these pieces in order, few of them at once in memory. Raises what ``load`` raises."""
    for piece in pieces:
        path = piece.segment.path
        with place.read(path) as file, _undamaged(path):
            for batch in pq.ParquetFile(file).iter_batches(_BATCH_ROWS, columns=columns):
                for row in _counted(batch).to_pylist():
                    if row["offset"] >= piece.since:
                        yield row


def sources(topic: str, found: Iterable[_Row]) -> Iterator[Source]:
    """The records that rows of ``events`` were made of."""
    for row in found:
        yield Source(
            topic=topic,
            partition=row["partition"],
            offset=row["offset"],
            timestamp=row["timestamp"],
            key=row["key"],
            value=row["value"],
            headers=tuple((one["name"], one["value"]) for one in row["headers"]),
        )


def values(found: Iterable[_Row]) -> Iterator[bytes]:
    """The values that rows of ``audit`` were made of."""
    for _, lines in groupby(found, key=lambda row: row["offset"]):
        yield b"\n".join(row["raw"] or b"" for row in lines)


@contextmanager
def _undamaged(path: str) -> Iterator[None]:
    """A file that is no Parquet, or not all of it, in a sentence."""
    try:
        yield
    except (pa.ArrowInvalid, OSError) as error:
        raise ArchiveError(f"{path} is damaged: put a copy of it in its place.") from error


def _counted(batch: Any) -> Any:
    """The rows with Kafka's time as a number: Python's calendar ends before Kafka's."""
    at = batch.schema.get_field_index("timestamp")
    return batch if at < 0 else batch.set_column(at, "timestamp", batch.column(at).cast(pa.int64()))


def _json(value: bytes | None) -> Any:
    try:
        return None if value is None else orjson.loads(value)
    except orjson.JSONDecodeError:
        return None


def _of(item: Any, name: str) -> Any:
    return item.get(name) if isinstance(item, dict) else None


def _text_of(value: bytes | None) -> str | None:
    return None if value is None else value.decode(errors="replace")


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value in _WHOLE else None


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _instant(value: Any) -> int | None:
    found = _whole(value)
    return found if found is not None and found in _YEARS else None


def _time(value: Any) -> int | None:
    try:
        return parse(value)
    except ValueError:
        return None
