"""Files of the data sets that are cut off, damaged, or of another shape."""

import csv
import gzip
import io
import os
import tempfile
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from load_tests.fuzz import examples
from load_tests.fuzz.mutate import Mutator, document
from models.datasets import READERS, DataError, open_source
from models.datasets.cinc2012 import PARAMETERS
from models.datasets.cinc2019 import COLUMNS, DEMOGRAPHICS

_Rows = list[dict[str, Any]]

_WILD = (None, -1, 0, 2**62, -(2**62), 1e38, float("nan"), float("inf"), "", "x" * 500, "99:99", "::", "-1:7")


class FileParser:
    """The reader of one data set."""

    NAMES: ClassVar = ("cinc2019-psv", *READERS)
    refusals = (DataError,)

    def __init__(self, name: str) -> None:
        self.name = f"file-{name}"
        self._set = name
        self._folder = Path(tempfile.mkdtemp(prefix="vagt-fuzz-", dir=os.environ.get("TMPDIR", "/dev/shm")))

    def make(self, random: Random) -> tuple[str, bytes]:
        """The file's name and bytes."""
        mutator = Mutator(random)
        if self._set == "cinc2019-psv":
            lines = [list(_HOURS[0])[1:], *([str(one) for one in list(row.values())[1:]] for row in _HOURS)]
            mutated = mutator.tree(lines)
            rows = mutated if isinstance(mutated, list) else [mutated]
            text = "\n".join("|".join(map(str, row)) if isinstance(row, list) else str(row) for row in rows)
            return "p1.psv", _some(mutator, text.encode("utf-8", "surrogatepass"))
        if self._set in {"fhir", "ndjson"}:
            these = examples.FHIR if self._set == "fhir" else examples.EVENTS
            lines_ = b"\n".join(document(random, these) for _ in range(random.randint(0, 5)))
            if random.random() < 0.3:
                return "a.ndjson.gz", _some(mutator, gzip.compress(lines_, mtime=0))
            return "a.ndjson", lines_
        rows = {"cinc2019": _HOURS, "cinc2012": _MINUTES, "mimic-demo": _MIMIC}[self._set]
        return "events.parquet", _some(mutator, _parquet(_some_rows(mutator, rows)))

    def parse(self, given: tuple[str, bytes]) -> object:
        """All stays, and what was skipped."""
        name, data = given
        file = self._folder / name
        file.write_bytes(data)
        if self._set == "mimic-demo":
            _mappings(self._folder / "mappings")
        source = open_source(self._set.removesuffix("-psv"), file)
        try:
            stays = list(source)
        finally:
            file.unlink()
        return repr(stays), sorted(source.skipped.items())


_HOURS: _Rows = [
    {"patient_id": "p1"}
    | {column: 70.0 + hour if number % 3 == hour % 3 else float("nan") for number, (column, *_) in enumerate(COLUMNS)}
    | dict(zip(DEMOGRAPHICS, (70.0, 1.0, 1.0, 0.0, -3.5), strict=True))
    | {"ICULOS": hour, "SepsisLabel": int(hour > 3)}
    for hour in range(1, 6)
]
_MINUTES: _Rows = [
    {"RecordID": 132539, "Time": f"{hour:02d}:07", "Parameter": parameter, "Value": 10.0 + hour}
    for hour in range(3)
    for parameter in ("Age", "Gender", "ICUType", "Weight", "Urine", *list(PARAMETERS)[:5])
]
_MIMIC: _Rows = [
    {"subject_id": 1, "time": None, "code": "GENDER//F", "value": None},
    {"subject_id": 1, "time": 0, "code": "MEDS_BIRTH", "value": None},
    {"subject_id": 1, "time": 10**12, "code": "TRANSFER_TO//ED//Emergency Department", "value": None},
    {"subject_id": 1, "time": 10**12, "code": "TRANSFER_TO//admit//Medical Intensive Care Unit (MICU)", "value": None},
    {"subject_id": 1, "time": 10**12 + 1, "code": "LAB//50813//mmol/L", "value": 2.5},
    {"subject_id": 1, "time": 10**12 + 2, "code": "LAB//220045//bpm", "value": 90.0},
    {"subject_id": 1, "time": 10**12 + 3, "code": "TRANSFER_TO//discharge//UNKNOWN", "value": None},
]


def _some(mutator: Mutator, data: bytes) -> bytes:
    return mutator.damaged(data) if mutator.random.random() < 0.4 else data


def _some_rows(mutator: Mutator, rows: _Rows) -> _Rows:
    """Rows with columns left out or of another type, and values that are missing or extreme."""
    done = [dict(row) for row in rows]
    for _ in range(mutator.random.randint(0, 3)):
        column = mutator.random.choice(list(rows[0]))
        kind = mutator.random.randrange(4)
        for row in done:
            if kind == 0:
                row.pop(column, None)
            elif kind == 1 and column in row:
                row[column] = str(row[column])
        if kind > 1:
            mutator.random.choice(done)[column] = mutator.random.choice(_WILD)
    mutator.random.shuffle(done)
    return done


def _parquet(rows: _Rows) -> bytes:
    columns = {}
    for name in {name: None for row in rows for name in row}:
        values = [row.get(name) for row in rows]
        try:
            columns[name] = pa.array(values, pa.timestamp("us") if name == "time" else None)
        except (ValueError, TypeError, OverflowError):
            columns[name] = pa.array([None if value is None else str(value) for value in values])
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def _mappings(folder: Path) -> None:
    if folder.exists():
        return
    folder.mkdir()
    for name, item, code in (
        ("d_labitems_to_loinc.csv", "50813", "2524-7"),
        ("meas_chartevents_main.csv", "220045", "8867-4"),
    ):
        with (folder / name).open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["itemid (omop_source_code)", "omop_vocabulary_id", "omop_concept_code"])
            writer.writerow([item, "LOINC", code])
