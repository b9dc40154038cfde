"""PhysioNet/Computing in Cardiology Challenge 2012: the first 48 h of intensive-care stays, event by event.

Reads a Parquet file (columns RecordID, Time as HH:MM since admission, Parameter, Value), or a folder of such
files. Download: https://physionet.org/content/challenge-2012/1.0.0/ (ODC-BY 1.0).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import numpy as np
import pyarrow as pa
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

#: LOINC code and unit of each parameter that is sent.
PARAMETERS: dict[str, tuple[str, str]] = {
    row["column"]: (row["loinc"], row["unit"]) for row in column_table("cinc2012.csv")
}
WARDS = {1: "CCU", 2: "CSRU", 3: "MICU", 4: "SICU"}
#: Parameters that describe the patient and the stay; they go into the admission.
_DESCRIPTORS = frozenset({"RecordID", "Age", "Gender", "ICUType"})
#: How the set writes an unknown weight.
_UNKNOWN = -1.0

Row = tuple[str, str, float]


class Cinc2012:
    """The set's stays, one at a time: an admission to intensive care, then one record for each minute with
    values.

    No discharge is sent, since the set breaks off after 48 h and the stay goes on. Skipped are parameters
    without a code in `cinc2012.csv` (`unmapped:Urine`, `unmapped:MechVent`, ...) and unknown weights
    (`missing:Weight`).
    """

    topic = "events"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.skipped: Counter[str] = Counter()

    def __iter__(self) -> Iterator[Stay]:
        self.skipped.clear()
        found = [self.path] if self.path.is_file() else sorted(self.path.rglob("*.parquet"))
        if not found:
            raise FileNotFoundError(f"no .parquet file in {self.path}")
        for file in found:
            for number, rows in groupby(_rows(file), key=lambda row: row[0]):
                yield self._stay(f"cinc2012-{number}", [row for _, row in rows])

    def _stay(self, patient: str, rows: list[Row]) -> Stay:
        start = start_of(patient)
        person = {parameter: value for _, parameter, value in rows if parameter in _DESCRIPTORS}
        records = [Record(start, _admission(patient, start, person))]
        numbered = sorted(enumerate(rows), key=lambda entry: entry[1][0])
        for time, entries in groupby(numbered, key=lambda entry: entry[1][0]):
            moment = start + int(time[:-3]) * instants.HOUR + int(time[-2:]) * instants.MINUTE
            at = instants.render(moment)
            items: list[Item] = []
            for number, (_, parameter, value) in entries:
                if parameter in _DESCRIPTORS:
                    continue
                if parameter not in PARAMETERS:
                    self.skipped[f"unmapped:{parameter}"] += 1
                elif parameter == "Weight" and value == _UNKNOWN:
                    self.skipped["missing:Weight"] += 1
                else:
                    code, unit = PARAMETERS[parameter]
                    name = f"{patient}-{number}"
                    items.append(observation(patient, f"e-{patient}", name, code, value, unit, at))
            if items:
                records.append(Record(moment, items))
        return Stay(patient, records, hours=[], labels=[], start=start)


def _rows(file: Path) -> Iterator[tuple[int, Row]]:
    with pq.ParquetFile(file) as parquet:
        for batch in parquet.iter_batches(columns=["RecordID", "Time", "Parameter", "Value"]):
            number, time, parameter, value = batch.columns
            numbers = decimals(value.cast(pa.float32()).to_numpy(zero_copy_only=False).astype(np.float32))
            rows = zip(time.to_pylist(), parameter.to_pylist(), numbers, strict=True)
            yield from zip(number.to_pylist(), rows, strict=True)


def _admission(patient: str, start: int, person: dict[str, float]) -> Item:
    return encounter(
        patient,
        f"e-{patient}",
        f"{patient}-admit",
        "admit",
        instants.render(start),
        unitType="icu",
        ward=WARDS.get(int(person.get("ICUType", 0)), "ICU"),
        birthDate=birth_date(start, person["Age"]) if "Age" in person else None,
        sex={0.0: "female", 1.0: "male"}.get(person.get("Gender", _UNKNOWN)),
    )
