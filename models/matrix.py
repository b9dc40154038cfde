"""The training matrix: the stream's own record and features, walked through the stays of a data set, hour by hour."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray

from features.apply import apply
from features.catalogue import Refused, catalogue
from features.events import parse
from features.instants import HOUR
from features.record import Record
from features.vector import vector
from models.datasets import Stay


@dataclass(frozen=True, slots=True)
class Matrix:
    """One row for each labelled hour: features (float32), the number of its stay, its label; and the patients."""

    x: NDArray[np.float32]
    stay: NDArray[np.int32]
    label: NDArray[np.int8]
    patients: tuple[str, ...]


def walk(stay: Stay) -> Iterator[tuple[int, Record]]:
    """The record after each record of the log, with its instant. Unusable objects are left out, as in the stream."""
    units = catalogue()
    record = Record()
    for at, value in ((one.at_ms, one.value) for one in stay.records):
        for item in value if isinstance(value, list) else [value]:
            try:
                record = apply(record, parse(item, stay.patient), units).record
            except Refused:
                continue
        yield at, record


def rows(stay: Stay) -> tuple[str, NDArray[np.float32], list[int]]:
    """The stay's patient, its features at each labelled hour, and the labels."""
    wanted = [stay.start + hour * HOUR for hour in stay.hours]
    hourly = frozenset(wanted)
    found = {at: vector(record) for at, record in walk(stay) if at in hourly}
    return stay.patient, np.array([found[at] for at in wanted], np.float32), list(stay.labels)


def build(stays: Iterable[Stay], jobs: int = 2) -> Matrix:
    """The matrix of all stays, computed by so many processes; the order is that of the stays."""
    with get_context("spawn").Pool(jobs) as pool:
        patients, blocks, labels = zip(*pool.imap(rows, stays, chunksize=20), strict=True)
    lengths = [len(block) for block in blocks]
    return Matrix(
        x=np.concatenate(blocks),
        stay=np.repeat(np.arange(len(patients), dtype=np.int32), lengths),
        label=np.fromiter(chain.from_iterable(labels), np.int8),
        patients=tuple(patients),
    )
