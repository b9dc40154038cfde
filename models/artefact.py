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


class Bin(_Frozen):
    """Scores up to ``to`` (a probability), and the interval of the observed rate among them."""

    to: float
    low: float
    high: float


class Intervals(_Frozen):
    """Split-conformal intervals: the share of hours with the event, among hours with such a score, in a new group of
    ``group_stays`` patients lies within with the stated coverage.
    """

    coverage: Annotated[float, Field(gt=0, lt=1)]
    group_stays: Annotated[int, Field(ge=1)]
    bins: Annotated[tuple[Bin, ...], Field(min_length=1)]


class Conformal(_Frozen):
    """A class-conditional conformal set (Vovk 2003): which outcomes a score does not rule out.

    The event belongs to the set from ``event_from`` on, its absence up to ``absence_to`` (probabilities). The set
    holds the true outcome with the stated coverage, both among those who have the event and among those who have not.
    """

    coverage: Annotated[float, Field(gt=0, lt=1)]
    event_from: float
    absence_to: float


class Range(_Frozen):
    """Between which newest values, canonical unit, nearly all of the training's hours lay."""

    low: float
    high: float


class Abstention(_Frozen):
    """When the model says that it does not know."""

    #: Fewer analytes than this have a value that is kept.
    minimum_inputs: Annotated[int, Field(ge=0)]
    #: No value of these analytes is younger than so many hours; no analyte means that age does not matter.
    fresh: tuple[str, ...] = ()
    fresh_within_h: Annotated[float, Field(gt=0)] = 12
    #: More analytes than this lie outside the training's range.
    most_outside: Annotated[int, Field(ge=0)]
    ranges: dict[str, Range]


class Bands(_Frozen):
    """Probabilities from which a score is called raised and high, from which it raises an alert, and below which that
    alert is over. Without a level of its own the alert comes with the high band. At each of ``escalations`` times these
    two the alert is escalated.
    """

    raised: float
    high: float
    alert: float | None = None
    clear_below: float
    escalations: tuple[Annotated[float, Field(gt=1)], ...] = ()

    @property
    def alert_from(self) -> float:
        """The probability that raises an alert."""
        return self.high if self.alert is None else self.alert


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
    owner: str
    #: A model that is switched off scores in shadow and tells nobody.
    switched_on: bool
    kind: str
    event: str
    horizon: str
    population: Population
    intended_use: str
    features_version: str
    features: tuple[str, ...]
    calibration: Calibration
    intervals: Intervals
    conformal: Conformal
    abstention: Abstention
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
