"""PhysioNet/Computing in Cardiology Challenge 2019: intensive-care stays by the hour, labelled for sepsis.

Reads a Parquet file that holds many stays, a folder of such files, or a folder of the challenge's own `.psv`
files (also in sub-folders). Download: https://physionet.org/content/challenge-2019/1.0.0/ (CC BY 4.0).
Hospital identifiers and calendar are removed from the set; a stay's start is made up, the same at every
reading.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from features import instants
from models.datasets.native import (
    Item,
    Record,
    Stay,
    birth_date,
    column_table,
    decimals,
    encounter,
    observation,
    start_of,
)

#: Column, LOINC code and unit of each measured quantity, in the file's order.
COLUMNS: tuple[tuple[str, str, str], ...] = tuple(
    (row["column"], row["loinc"], row["unit"]) for row in column_table("cinc2019.csv")
)
DEMOGRAPHICS = ("Age", "Gender", "Unit1", "Unit2", "HospAdmTime")

_SCHEMA = pa.schema(
    [("patient_id", pa.string())]
    + [(column, pa.float32()) for column, _, _ in COLUMNS]
    + [(column, pa.float32()) for column in DEMOGRAPHICS]
    + [("ICULOS", pa.int64()), ("SepsisLabel", pa.int64())]
)


class Cinc2019:
    """The set's stays, one at a time, each as the acceptance replay of the contract sends it."""

    topic = "events"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.skipped: Counter[str] = Counter()

    def __iter__(self) -> Iterator[Stay]:
        self.skipped.clear()
        for table in tables(self.path):
            yield from _stays(table)


def tables(path: Path, rows: int = 65_536) -> Iterator[pa.Table]:
    """The set as tables of about so many rows with the columns of the challenge; no stay is cut in two.

    Quantities and demographics are float32, NaN or null where missing. Raises FileNotFoundError when the path
    holds neither `.parquet` nor `.psv` files, and pyarrow.ArrowInvalid for a file that is not of this set.
    """
    found = [path] if path.is_file() else sorted(path.rglob("*.parquet")) or sorted(path.rglob("*.psv"))
    if not found:
        raise FileNotFoundError(f"no .parquet or .psv file in {path}")
    for file in found:
        parts = [_read_psv(file)] if file.suffix == ".psv" else _read_parquet(file, rows)
        yield from (table for table in parts if table.num_rows)


def bounds(patients: pa.ChunkedArray) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Where each patient's rows begin, and at the end the number of rows."""
    codes = patients.combine_chunks().dictionary_encode().indices.to_numpy()
    return np.concatenate([[0], np.flatnonzero(np.diff(codes)) + 1, [len(codes)]]).astype(np.int64)


def _read_parquet(file: Path, rows: int) -> Iterator[pa.Table]:
    """Batches of a file; the last stay of each waits for the next, which may go on with it."""
    held = _SCHEMA.empty_table()
    with pq.ParquetFile(file) as parquet:
        for batch in parquet.iter_batches(rows, columns=_SCHEMA.names):
            joined = pa.concat_tables([held, pa.table(batch).select(_SCHEMA.names).cast(_SCHEMA)])
            whole = int(bounds(joined["patient_id"])[-2])
            held = joined.slice(whole)
            yield joined.slice(0, whole)
    yield held


def _read_psv(file: Path) -> pa.Table:
    hourly = pa_csv.read_csv(
        file,
        parse_options=pa_csv.ParseOptions(delimiter="|"),
        convert_options=pa_csv.ConvertOptions(
            column_types={field.name: field.type for field in _SCHEMA}, null_values=["NaN", "nan", ""]
        ),
    )
    patient = pa.array([file.stem] * hourly.num_rows, pa.string())
    return hourly.append_column("patient_id", patient).select(_SCHEMA.names)


def _stays(hourly: pa.Table) -> Iterator[Stay]:
    """The stays of a table of hours; columns are converted once for all rows, then dealt out by the hour."""
    patients = hourly["patient_id"].to_pylist()
    hours = hourly["ICULOS"].to_pylist()
    labels = hourly["SepsisLabel"].to_pylist()
    known = {column: hourly[column].to_numpy().tolist() for column in DEMOGRAPHICS}
    measured: list[list[tuple[str, str, str, float]]] = [[] for _ in patients]
    for column, code, unit in COLUMNS:
        values = hourly[column].to_numpy()
        present = np.flatnonzero(~np.isnan(values))
        for row, value in zip(present.tolist(), decimals(values[present]), strict=True):
            measured[row].append((column, code, unit, value))
    edges = bounds(hourly["patient_id"]).tolist()
    for first, end in pairwise(edges):
        patient = patients[first]
        start = start_of(patient)
        stay = slice(first, end)
        person = {column: values[first] for column, values in known.items()}
        yield Stay(
            patient=patient,
            records=[
                *_arrival(patient, start, person),
                *(_hour(patient, start, *hour) for hour in zip(hours[stay], measured[stay], strict=True)),
                _departure(patient, start + hours[end - 1] * instants.HOUR),
            ],
            hours=hours[stay],
            labels=labels[stay],
            start=start,
        )


def _arrival(patient: str, start: int, person: dict[str, float]) -> Iterator[Record]:
    """Admission to hospital (earlier, when the set says so) and transfer to intensive care."""
    waited = person["HospAdmTime"]
    admitted = start
    if waited < 0:
        admitted += round(float(str(np.float32(waited))) * instants.HOUR)
    at = instants.render(admitted)
    yield Record(
        admitted,
        encounter(
            patient,
            f"e-{patient}",
            f"{patient}-admit",
            "admit",
            at,
            unitType="ward",
            birthDate=None if np.isnan(person["Age"]) else birth_date(start, person["Age"]),
            sex=None if np.isnan(person["Gender"]) else "male" if person["Gender"] == 1 else "female",
        ),
    )
    ward = "MICU" if person["Unit1"] == 1 else "SICU" if person["Unit2"] == 1 else "ICU"
    at = instants.render(start)
    yield Record(
        start,
        encounter(patient, f"e-{patient}", f"{patient}-transfer", "transfer", at, unitType="icu", ward=ward),
    )


def _hour(patient: str, start: int, hour: int, values: list[tuple[str, str, str, float]]) -> Record:
    moment = start + hour * instants.HOUR
    at = instants.render(moment)
    if not values:
        return Record(moment, {"type": "tick", "patient": patient, "at": at})
    stay = f"e-{patient}"
    items: list[Item] = [
        observation(patient, stay, f"{patient}-{hour}-{column}", code, value, unit, at)
        for column, code, unit, value in values
    ]
    return Record(moment, items)


def _departure(patient: str, moment: int) -> Record:
    at = instants.render(moment)
    return Record(moment, encounter(patient, f"e-{patient}", f"{patient}-discharge", "discharge", at))
