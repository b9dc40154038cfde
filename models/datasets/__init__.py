"""Readers of public data sets, by name. Each yields stays in the contract's native form (`mimic-fhir`: in
FHIR).
"""

from __future__ import annotations

import gzip
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from models.datasets.cinc2012 import Cinc2012
from models.datasets.cinc2019 import Cinc2019
from models.datasets.mimic_demo import MimicDemo
from models.datasets.mimic_fhir import MimicFhir
from models.datasets.native import DataError, Record, Source, Stay
from models.datasets.ndjson import Ndjson

__all__ = ["READERS", "DataError", "Record", "Source", "Stay", "open_source"]

READERS: dict[str, type[Source]] = {
    "cinc2019": Cinc2019,
    "cinc2012": Cinc2012,
    "mimic-demo": MimicDemo,
    "fhir": MimicFhir,
    "ndjson": Ndjson,
}


class _Checked:
    """A source, the faults of whose files are told by the name of the set."""

    def __init__(self, name: str, path: Path) -> None:
        self._name = name
        self._path = path
        self._source = READERS[name](path)
        self.topic = self._source.topic
        self.skipped: Counter[str] = self._source.skipped

    def __iter__(self) -> Iterator[Stay]:
        try:
            yield from self._source
        except FileNotFoundError:
            raise
        except _FAULTS as error:
            raise self._error(error) from error
        except OSError as error:
            if error.errno is None:  # pyarrow's own, of what it read
                raise self._error(error) from error
            raise

    def _error(self, error: Exception) -> DataError:
        return DataError(f"{self._path} is damaged or not of the set {self._name} ({type(error).__name__})")


#: What the readers and the libraries below them raise at a file that does not hold what it should.
_FAULTS = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    TypeError,
    ValueError,
    gzip.BadGzipFile,
    pa.ArrowException,
    zlib.error,
)


def open_source(name: str, path: Path) -> Source:
    """The named set at a path; reading it raises DataError when a file is not of that set.

    Raises:
        ValueError: there is no set of that name.
        FileNotFoundError: there is nothing at the path.
    """
    if name not in READERS:
        raise ValueError(f"no data set is called {name!r}; there are {', '.join(READERS)}")
    if not path.exists():
        raise FileNotFoundError(f"there is no data set at {path}")
    return _Checked(name, path)
