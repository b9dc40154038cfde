"""The surprise of results as it ships: LightGBM's text, the tables of what is expected, and the manifest."""

from hashlib import sha256
from pathlib import Path
from typing import Final, Literal

import lightgbm as lgb
from pydantic import BaseModel, ConfigDict

from models.artefact import CARD, MANIFEST, MODEL, ArtefactError, DataSource, Population
from models.likelihood import COLUMNS, Tables

TABLES: Final = "tables.json"
#: The version of ``COLUMNS``.
COLUMNS_VERSION: Final = "panel-1"


class Bin(BaseModel):
    """Panels scored up to ``to``, and the 95 % interval of the rate of wrong ones among them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    to: float
    low: float
    high: float


class Manifest(BaseModel):
    """What the model is, for whom, and how well it does.

    ``intercept`` turns the raw log-odds into those of the event; ``metrics`` are of each data set's test stays, and of
    the stays that fitted the model by models that did not see them (``unseen``).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    version: str
    kind: str
    event: str
    population: Population
    intended_use: str
    columns_version: str
    columns: tuple[str, ...]
    least_results: int
    least_compared: int
    intercept: float
    threshold: float
    clear_below: float
    bins: tuple[Bin, ...]
    severity: Literal["info", "warning", "critical"]
    title: dict[Literal["en", "da"], str]
    data: tuple[DataSource, ...]
    metrics: dict[str, dict[str, float]]
    training: dict[str, float | int | str]
    sha256: str
    tables_sha256: str


def load(folder: Path) -> tuple[Manifest, Tables, lgb.Booster]:
    """The parts of the artefact in a folder.

    Raises:
        ArtefactError: a file is not the one that the manifest was written for, or is of another release.
    """
    manifest = Manifest.model_validate_json(folder.joinpath(MANIFEST).read_bytes())
    stored = {name: folder.joinpath(name).read_bytes() for name in (MODEL, TABLES)}
    for name, wanted in ((MODEL, manifest.sha256), (TABLES, manifest.tables_sha256)):
        found = sha256(stored[name]).hexdigest()
        if found != wanted:
            raise ArtefactError(f"model {manifest.name}: {name} has the hash {found}, the manifest says {wanted}")
    if manifest.columns_version != COLUMNS_VERSION or manifest.columns != COLUMNS:
        raise ArtefactError(
            f"model {manifest.name} needs columns {manifest.columns_version}; this release has {COLUMNS_VERSION}"
        )
    return manifest, Tables.model_validate_json(stored[TABLES]), lgb.Booster(model_str=stored[MODEL].decode())


def save(folder: Path, manifest: Manifest, tables: str, model: str, card: str) -> None:
    """Write the artefact; the manifest's hashes must be those of ``model`` and ``tables``."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.joinpath(MODEL).write_text(model)
    folder.joinpath(TABLES).write_text(tables)
    folder.joinpath(MANIFEST).write_text(manifest.model_dump_json(indent=1) + "\n")
    folder.joinpath(CARD).write_text(card)
