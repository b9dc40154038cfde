"""A model as it ships: the LightGBM text file, the manifest that says what it is, and a card for people."""

from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal

import lightgbm as lgb
from pydantic import BaseModel, ConfigDict, Field

from features import vector

MODEL = "model.txt"
MANIFEST = "manifest.json"
CARD = "card.md"


class ArtefactError(ValueError):
    """A model that must not be loaded; the message says which and why."""


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Population(_Frozen):
    """For whom the model speaks; for all others it scores in shadow and tells nobody."""

    description: str
    unit_types: tuple[str, ...]
    minimum_age_years: float


class Calibration(_Frozen):
    """Log-odds of the outcome = slope x the model's raw log-odds + intercept."""

    slope: float
    intercept: float


class Spread(_Frozen):
    """The observed rate, with its interval, among hours scored up to ``to`` (a probability)."""

    to: float
    low: float
    high: float


class Bands(_Frozen):
    """Probabilities from which a score is called raised and high, and below which a high one is over."""

    raised: float
    high: float
    clear_below: float


class Estimate(_Frozen):
    """A figure with the bounds of its 95 % bootstrap interval, stays drawn."""

    estimate: float
    low: float
    high: float


class DataSource(_Frozen):
    """What the model was made from."""

    name: str
    licence: str
    source: str
    stays: dict[str, int]


class Manifest(_Frozen):
    """What a model is, for whom, and how well it does."""

    name: str
    version: str
    kind: str
    event: str
    horizon: str
    population: Population
    intended_use: str
    features_version: str
    features: tuple[str, ...]
    minimum_inputs: Annotated[int, Field(ge=0)]
    calibration: Calibration
    spread: tuple[Spread, ...]
    bands: Bands
    severity: Literal["info", "warning", "critical"]
    title: dict[Literal["en", "da"], str]
    data: tuple[DataSource, ...]
    metrics: dict[str, float | Estimate]
    training: dict[str, float | int | str]
    sha256: str


def load(folder: Path) -> tuple[Manifest, lgb.Booster]:
    """The manifest and the model of a folder.

    Raises:
        ArtefactError: the hash is not the manifest's, or the features are not those of this release.
    """
    manifest = Manifest.model_validate_json(folder.joinpath(MANIFEST).read_bytes())
    stored = folder.joinpath(MODEL).read_bytes()
    found = sha256(stored).hexdigest()
    if found != manifest.sha256:
        raise ArtefactError(f"model {manifest.name}: its hash is {found}, the manifest says {manifest.sha256}")
    unknown = sorted(set(manifest.features) - set(vector.NAMES))
    if manifest.features_version != vector.VERSION or unknown:
        raise ArtefactError(
            f"model {manifest.name} needs features {manifest.features_version}; this release has {vector.VERSION}"
        )
    return manifest, lgb.Booster(model_str=stored.decode())


def save(folder: Path, manifest: Manifest, model: str, card: str) -> None:
    """Write an artefact; the manifest's hash must be that of ``model``."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.joinpath(MODEL).write_text(model)
    folder.joinpath(MANIFEST).write_text(manifest.model_dump_json(indent=1) + "\n")
    folder.joinpath(CARD).write_text(card)
