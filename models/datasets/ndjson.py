"""Native events from a file: one JSON value (an object, or an array of objects about one patient) on each
line.
"""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import orjson

from features import instants
from models.datasets.native import Record, Stay


class Ndjson:
    """The file's records in its own order (`.gz` is unpacked); lines of one patient that follow each other
    make a stay.

    Objects are not checked: that is the service's task. A line is skipped only when it cannot be keyed: no
    JSON (`bad-json`), or no patient (`missing-subject`). A record without a readable time has that of the
    line before.
    """

    topic = "events"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.skipped: Counter[str] = Counter()

    def __iter__(self) -> Iterator[Stay]:
        self.skipped.clear()
        for patient, run in groupby(self._lines(), key=lambda line: line[0]):
            yield Stay(patient, [record for _, record in run], hours=[], labels=[])

    def _lines(self) -> Iterator[tuple[str, Record]]:
        latest = 0
        with gzip.open(self.path) if self.path.suffix == ".gz" else self.path.open("rb") as lines:
            for line in lines:
                if not line.strip():
                    continue
                try:
                    value = orjson.loads(line)
                except orjson.JSONDecodeError:
                    self.skipped["bad-json"] += 1
                    continue
                whole = value if isinstance(value, list) else [value]
                objects = [item for item in whole if isinstance(item, dict)]
                patient = next((item["patient"] for item in objects if item.get("patient")), None)
                if not isinstance(patient, str):
                    self.skipped["missing-subject"] += 1
                    continue
                latest = max((moment for item in objects for moment in _known(item)), default=latest)
                yield patient, Record(latest, value)


def _known(item: dict[str, Any]) -> Iterator[int]:
    try:
        yield instants.parse(str(item.get("issued", item.get("at"))))
    except ValueError:
        return
