"""The surprise of results as it ships: LightGBM's text, the tables of what is expected, and the manifest."""

from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from models.artefact import (
    CARD,
    MANIFEST,
    MODEL,
    RELEASES,
    SIGNATURE,
    ArtefactError,
    DataSource,
    Population,
    Trust,
    parsed,
    read_manifest,
    read_part,
)
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


def load(folder: Path, trust: Trust = RELEASES) -> tuple[Manifest, Tables, str]:
    """The parts of the artefact in a folder.

    Raises:
        ArtefactError: nobody who is trusted signed it, a file is not the one that was signed or is not there, or it is
            of another release.
    """
    manifest = parsed(Manifest, folder, read_manifest(folder, trust))
    model = read_part(folder, MODEL, manifest.sha256)
    tables = parsed(Tables, folder, read_part(folder, TABLES, manifest.tables_sha256))
    if manifest.columns_version != COLUMNS_VERSION or manifest.columns != COLUMNS:
        raise ArtefactError(
            f"model {manifest.name} needs columns {manifest.columns_version}; this release has {COLUMNS_VERSION}"
        )
    return manifest, tables, model.decode()


def save(folder: Path, manifest: Manifest, tables: str, model: str, card: str) -> None:
    """Write the artefact, unsigned; the manifest's hashes must be those of ``model`` and ``tables``."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.joinpath(MODEL).write_text(model)
    folder.joinpath(TABLES).write_text(tables)
    folder.joinpath(MANIFEST).write_text(manifest.model_dump_json(indent=1) + "\n")
    folder.joinpath(SIGNATURE).unlink(missing_ok=True)
    folder.joinpath(CARD).write_text(card)
