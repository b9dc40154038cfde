"""What every reader of a data set yields: a patient's stay as records of the contract's native form."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from features import instants

LOINC = "http://loinc.org"
#: Sets without a calendar start here, each stay a while later.
EPOCH = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000)
STAGGER_MINUTES = 72 * 60

Item = dict[str, Any]


class DataError(ValueError):
    """A file that is damaged or not of its data set; the message names it."""


class Record(NamedTuple):
    """One record of a topic: when it became known (ms since the epoch), and an object or an array of them."""

    at_ms: int
    value: Item | list[Item]

    @property
    def items(self) -> list[Item]:
        """The record's objects, whether it holds one or an array."""
        return self.value if isinstance(self.value, list) else [self.value]


@dataclass(frozen=True, slots=True)
class Stay:
    """A patient's records in the order in which they became known.

    `hours` and `labels` are for sets that are judged by the hour, and else empty: hour h ends `start + h`
    hours, and `labels` has the outcome (0 or 1) of each of `hours`.
    """

    patient: str
    records: list[Record]
    hours: list[int]
    labels: list[int]
    start: int = EPOCH


class Source(Protocol):
    """A data set that was opened for reading: iterate over it for its stays, as often as wanted.

    `topic` is where its records belong; `skipped` counts, after an iteration, what was read and not sent, by
    reason.
    """

    topic: str
    skipped: Counter[str]

    def __init__(self, path: Path) -> None: ...

    def __iter__(self) -> Iterator[Stay]: ...


def start_of(patient: str) -> int:
    """When a stay without a calendar starts: by its identifier, up to 72 h after `EPOCH`, on the minute."""
    digest = sha256(patient.encode()).digest()
    return EPOCH + int.from_bytes(digest[8:16], "big") % STAGGER_MINUTES * instants.MINUTE


def decimals(values: NDArray[np.float32]) -> list[float]:
    """Each single-precision number as the shortest decimal that means it: 7.35, not 7.349999904632568."""
    distinct, position = np.unique(values, return_inverse=True)
    shortest = [float(str(number)) for number in distinct]
    return [shortest[i] for i in position.tolist()]


def observation(patient: str, visit: str | None, name: str, code: str, value: float, unit: str | None, at: str) -> Item:
    """A final result of a LOINC code, known when it was measured (`at`, RFC 3339); `name` is its id."""
    return {
        "type": "observation",
        "id": name,
        "version": 1,
        "status": "final",
        "patient": patient,
        "encounter": visit,
        "code": {"system": LOINC, "code": code},
        "value": value,
        "unit": unit,
        "effective": at,
        "issued": at,
    }


def encounter(patient: str, visit: str, name: str, action: str, at: str, **fields: str | None) -> Item:
    """An admission, transfer or discharge, known when it happened (`at`); empty fields are left out."""
    return {
        "type": "encounter",
        "id": name,
        "version": 1,
        "action": action,
        "patient": patient,
        "encounter": visit,
        "at": at,
        "issued": at,
    } | {name: value for name, value in fields.items() if value is not None}


def birth_date(start: int, age: float) -> str:
    """The first of January of the year in which somebody of this age at `start` (ms) was born."""
    return f"{datetime.fromtimestamp(start / 1000, UTC).year - int(age):04d}-01-01"


def column_table(name: str) -> list[dict[str, str]]:
    """The rows of a column table that lies beside the readers."""
    text = files(__package__).joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
