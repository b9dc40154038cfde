"""Erasure of patients from the archive: the files that hold something of them are written again without it.

The audit's entries stay: they name nobody, and their chain must hold. Who is meant by them is taken away.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from streams.archive.erased import ERASED
from streams.archive.place import Place
from streams.archive.segments import cover
from streams.archive.tables import identity_path, load, parquet, rows
from streams.erasure import same_people
from streams.pseudonym import Pseudonyms
from streams.settings import Settings
from streams.topics import ALERTS, AUDIT_IDENTITY, DEADLETTER, EVENTS, SCORES

#: Where an object of ``events`` names patients.
_NAMING = ("patient", "into", "of", "path", "takenBack")
_TELLS_OF_TWO = re.compile(rb'"(merge|unmerge|handover)"')


@dataclass(frozen=True, slots=True)
class Erased:
    """How many names the patients had, and how many rows were taken out of how many files."""

    names: int
    rows: int
    files: int


def erase(settings: Settings, place: Place, patients: Iterable[str]) -> Erased:
    """Take these patients, and all who were merged with them, out of the archive. It must be let be meanwhile.

    A record of ``events`` leaves its place behind (partition, offset and time), so that a replay of the audit knows
    that there was one. All else goes without a trace.

    Raises:
        ArchiveError: the archive cannot be used; what was rewritten until then stays so, and it can be done again.
        ValueError: VAGT_PSEUDONYM_KEY is no key.
    """
    pseudonyms = Pseudonyms.of(settings)
    names = {name for one in patients for name in (one, *(pseudonyms.names(one) if pseudonyms else ()))}
    names = same_people(names, _links(settings, place))
    mentioned = re.compile(b"|".join(sorted(_patterns(names))))
    gone: Mapping[str, Callable[[dict[str, Any]], bool]] = {
        SCORES: lambda row: row["patient"] in names or _key(row) in names,
        ALERTS: lambda row: row["patient"] in names or _key(row) in names,
        DEADLETTER: lambda row: _key(row) in names or mentioned.search(row["value"] or b"") is not None,
    }
    counts = [
        _rewrite(place, segment.path, is_gone)
        for name, is_gone in gone.items()
        for segment in place.segments(settings.topic(name))
    ]
    for partition in range(settings.partitions):
        path = identity_path(settings.topic(AUDIT_IDENTITY), partition)
        if place.has(path):
            counts.append(_rewrite(place, path, lambda row: row["patient"] in names))
    # The last, since they say who was merged with whom, for when this is interrupted and done again.
    counts += [
        _rewrite(place, segment.path, lambda row: _of_event(row, names, mentioned), _emptied)
        for segment in place.segments(settings.topic(EVENTS))
    ]
    return Erased(len(names), sum(counts), sum(1 for one in counts if one))


def _rewrite(
    place: Place,
    path: str,
    is_gone: Callable[[dict[str, Any]], bool],
    emptied: Callable[[Any], Any] | None = None,
) -> int:
    """Write a file again without some rows, or with them ``emptied``; how many there were."""
    found = load(place, path)
    columns = [name for name in ("key", "value", "patient") if name in found.schema.names]
    gone = pa.array([is_gone(row) for row in found.select(columns).to_pylist()], pa.bool_())
    count: int = gone.true_count
    if count:
        left = found.filter(pc.invert(gone))
        if emptied is not None:
            left = pa.concat_tables([left, emptied(found.filter(gone))]).sort_by("offset")
        place.put(path, parquet(left))
    return count


def _emptied(found: Any) -> Any:
    """Rows of ``events`` of which only the places are left."""
    nothing = pa.nulls(found.num_rows, pa.binary())
    marks = [[{"name": ERASED, "value": b""}]] * found.num_rows
    columns = {"key": nothing, "value": nothing, "headers": pa.array(marks, found.schema.field("headers").type)}
    for name, column in columns.items():
        found = found.set_column(found.schema.get_field_index(name), found.schema.field(name), column)
    return found


def _key(row: Mapping[str, Any]) -> str | None:
    return None if row["key"] is None else row["key"].decode(errors="replace")


def _of_event(row: Mapping[str, Any], names: set[str], mentioned: re.Pattern[bytes]) -> bool:
    """Whether a record of ``events`` is of these patients, or names them."""
    if _key(row) in names:
        return True
    if row["value"] is None or mentioned.search(row["value"]) is None:
        return False
    try:
        items = orjson.loads(row["value"])
    except orjson.JSONDecodeError:
        return True
    return any(not names.isdisjoint(_named(one)) for one in (items if isinstance(items, list) else [items]))


def _named(item: Any) -> Iterator[str]:
    """The patients whom an object of ``events`` names."""
    if isinstance(item, dict):
        for field in _NAMING:
            value = item.get(field)
            yield from (one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str))


def _patterns(names: Iterable[str]) -> set[bytes]:
    """The names as JSON may write them, where they are no part of a longer word."""
    written = {
        form for one in names for form in (one.encode(), json.dumps(one)[1:-1].encode(), orjson.dumps(one)[1:-1])
    }
    return {rb"(?<![0-9A-Za-z])" + re.escape(one) + rb"(?![0-9A-Za-z])" for one in written}


def _links(settings: Settings, place: Place) -> Mapping[str, set[str]]:
    """Who is the same person by a merge, as the archived events say."""
    links: dict[str, set[str]] = {}
    for partition in range(settings.partitions):
        segments = place.segments(settings.topic(EVENTS), partition)
        for row in rows(place, cover(segments), ["offset", "value"]):
            if row["value"] is None or _TELLS_OF_TWO.search(row["value"]) is None:
                continue
            try:
                items = orjson.loads(row["value"])
            except orjson.JSONDecodeError:
                continue
            for one in items if isinstance(items, list) else [items]:
                same = set(_named(one))
                for name in same:
                    links.setdefault(name, set()).update(same)
    return links
