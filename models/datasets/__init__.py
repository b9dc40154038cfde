"""Readers of public data sets, by name. Each yields stays in the contract's native form (`mimic-fhir`: in
FHIR).
"""

from __future__ import annotations

from pathlib import Path

from models.datasets.cinc2012 import Cinc2012
from models.datasets.cinc2019 import Cinc2019
from models.datasets.mimic_demo import MimicDemo
from models.datasets.mimic_fhir import MimicFhir
from models.datasets.native import Record, Source, Stay
from models.datasets.ndjson import Ndjson

__all__ = ["READERS", "Record", "Source", "Stay", "open_source"]

READERS: dict[str, type[Source]] = {
    "cinc2019": Cinc2019,
    "cinc2012": Cinc2012,
    "mimic-demo": MimicDemo,
    "fhir": MimicFhir,
    "ndjson": Ndjson,
}


def open_source(name: str, path: Path) -> Source:
    """The named set at a path. Raises ValueError for an unknown name, FileNotFoundError when nothing is
    there.
    """
    if name not in READERS:
        raise ValueError(f"no data set is called {name!r}; there are {', '.join(READERS)}")
    if not path.exists():
        raise FileNotFoundError(f"there is no data set at {path}")
    return READERS[name](path)
