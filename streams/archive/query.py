"""SQL over the archive: DuckDB in memory, which may open nothing, over files that are opened for it.

DuckDB itself has no access to files, network or settings; the files come to it as Arrow datasets. So no statement can
write anything, or read anything but the archive.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds

from streams.archive.place import Place
from streams.archive.segments import ArchiveError, Piece, cover
from streams.archive.tables import FORMS, IDENTITY_SCHEMA, identity_path, load
from streams.settings import Settings
from streams.topics import ALERTS, AUDIT, AUDIT_IDENTITY, DEADLETTER, EVENTS, SCORES

_VIEWS: Final = {
    "events": (EVENTS, "SELECT * FROM {0}"),
    "scores": (SCORES, "SELECT * FROM {0}"),
    "alerts": (ALERTS, "SELECT * FROM {0}"),
    "deadletter": (DEADLETTER, "SELECT * FROM {0}"),
    "audit": (AUDIT, "SELECT * EXCLUDE (line) FROM {0} WHERE line > 0"),
}
_SEALED: Final[dict[str, str | bool | int | float | list[str]]] = {
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    # What does not fit into memory fails: it is patients' data, and must not spill to some disk.
    "temp_directory": "",
}
_ROWS: Final = 1000


class QueryError(ArchiveError):
    """The statement is not one that can be answered; the message is DuckDB's."""


@contextmanager
def asked(settings: Settings, place: Place, sql: str) -> Iterator[tuple[list[str], Iterator[Sequence[Any]]]]:
    """The columns' names and the rows that one SELECT gives.

    Raises:
        QueryError: it is no single SELECT, or fails.
        ArchiveError: the archive cannot be used.
    """
    connection = duckdb.connect(":memory:", config=_SEALED)
    try:
        for view, (name, definition) in _VIEWS.items():
            connection.register(f"_{view}", _dataset(settings, place, name))
            connection.execute(f"CREATE VIEW {view} AS {definition.format('_' + view)}")
        connection.register("identity", _names(settings, place))
        connection.execute("SET TimeZone = 'UTC'; SET lock_configuration = true")
        with _told():
            statements = connection.extract_statements(sql)
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise QueryError("Only one statement, and only a SELECT, is answered.")
            answer = connection.execute(statements[0])
            names = [column[0] for column in answer.description]
        yield names, _rows(answer)
    finally:
        connection.close()


def _rows(answer: Any) -> Iterator[Sequence[Any]]:
    with _told():
        while some := answer.fetchmany(_ROWS):
            yield from some


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        raise QueryError(str(error)) from error


def _dataset(settings: Settings, place: Place, name: str) -> Any:
    """Each archived record of a topic once."""
    schema, topic = FORMS[name].schema, settings.topic(name)
    by_partition: dict[int, list[Any]] = {}
    for one in place.segments(topic):
        by_partition.setdefault(one.partition, []).append(one)
    pieces = [piece for segments in by_partition.values() for piece in cover(segments)]
    whole = [place.path(piece.segment.path) for piece in pieces if piece.whole]
    cut = [_cut(place, piece, schema) for piece in pieces if not piece.whole]
    files = ds.dataset(whole, schema=schema, format="parquet", filesystem=place.store)
    return ds.dataset([files, ds.dataset(pa.concat_tables(cut))]) if cut else files


def _cut(place: Place, piece: Piece, schema: Any) -> Any:
    return load(place, piece.segment.path).filter(ds.field("offset") >= piece.since).select(schema.names)


def _names(settings: Settings, place: Place) -> Any:
    topic = settings.topic(AUDIT_IDENTITY)
    paths = [identity_path(topic, partition) for partition in range(settings.partitions)]
    found = [place.path(path) for path in paths if place.has(path)]
    return ds.dataset(found, schema=IDENTITY_SCHEMA, format="parquet", filesystem=place.store)
