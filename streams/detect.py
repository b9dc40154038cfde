"""Which data set lies at a path."""

import gzip
from pathlib import Path

import orjson
import pyarrow.parquet as pq


def detect(path: Path) -> str:
    """The name of the reader for the data set at a path, by what its first file holds.

    Raises:
        ValueError: it is none of the known sets.
        FileNotFoundError: there is nothing.
    """
    if not path.exists():
        raise FileNotFoundError(f"There is no data set at {path}.")
    files = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
    for file in files:
        if name := _of_file(file):
            return name
    raise ValueError(f"{path} is none of the data sets that Vagt reads; `vagt replay --help` names them.")


def _of_file(file: Path) -> str | None:
    if file.suffix == ".psv":
        return "cinc2019"
    if file.suffix == ".parquet":
        columns = set(pq.read_schema(file).names)
        for name, some in (
            ("cinc2019", {"ICULOS", "SepsisLabel"}),
            ("cinc2012", {"RecordID", "Parameter"}),
            ("mimic-demo", {"subject_id", "code"}),
        ):
            if some <= columns:
                return name
    if file.name.endswith((".ndjson", ".ndjson.gz")):
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as lines:
            first = orjson.loads(next(iter(lines), b"null"))
        return "fhir" if isinstance(first, dict) and "resourceType" in first else "ndjson"
    return None
