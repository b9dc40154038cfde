"""A model as it ships: the LightGBM text file, the manifest that says what it is, and a card for people."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from features import vector
from features.events import UnitType
from features.record import Record
from models.signing import KeyFileError, sign, signer

MODEL = "model.txt"
MANIFEST = "manifest.json"
CARD = "card.md"
#: The signature of the manifest's bytes, which name the hash of every file that is loaded.
SIGNATURE = "manifest.sig"

_Shape = TypeVar("_Shape", bound=BaseModel)


class ArtefactError(ValueError):
    """A model that must not be loaded; the message says which and why."""


class Frozen(BaseModel):
    """A part of a manifest: nothing may stand in it that nobody declared."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Population(Frozen):
    """For whom the model speaks; for all others it scores in shadow and tells nobody."""

    description: str
    unit_types: tuple[UnitType, ...]
    minimum_age_years: float

    def includes(self, record: Record) -> bool:
        """Whether the patient is one that the model was made for; an unknown age is adult, an unknown unit is not."""
        age = record.stay.age_years(record.now)
        return (age is None or age >= self.minimum_age_years) and record.stay.unit_type in self.unit_types


class Calibration(Frozen):
    """Log-odds of the outcome = slope x the model's raw log-odds + intercept."""

    slope: float
    intercept: float


class Bin(Frozen):
    """Scores up to ``to`` (a probability), and the interval of the observed rate among them."""

    to: float
    low: float
    high: float


class Intervals(Frozen):
    """Split-conformal intervals: the share of hours with the event, among hours with such a score, in a new group of
    ``group_stays`` patients lies within with the stated coverage.
    """

    coverage: Annotated[float, Field(gt=0, lt=1)]
    group_stays: Annotated[int, Field(ge=1)]
    bins: Annotated[tuple[Bin, ...], Field(min_length=1)]


class Conformal(Frozen):
    """A class-conditional conformal set (Vovk 2003): which outcomes a score does not rule out.

    The event belongs to the set from ``event_from`` on, its absence up to ``absence_to`` (probabilities). The set
    holds the true outcome with the stated coverage, both among those who have the event and among those who have not.
    """

    coverage: Annotated[float, Field(gt=0, lt=1)]
    event_from: float
    absence_to: float


class Range(Frozen):
    """Between which newest values, canonical unit, nearly all of the training's hours lay."""

    low: float
    high: float


class Abstention(Frozen):
    """When the model says that it does not know."""

    #: Fewer analytes than this have a value that is kept.
    minimum_inputs: Annotated[int, Field(ge=0)]
    #: No value of these analytes is younger than so many hours; no analyte means that age does not matter.
    fresh: tuple[str, ...] = ()
    fresh_within_h: Annotated[float, Field(gt=0)] = 12
    #: More analytes than this lie outside the training's range.
    most_outside: Annotated[int, Field(ge=0)]
    ranges: dict[str, Range]


class Bands(Frozen):
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


class Estimate(Frozen):
    """A figure with the bounds of its 95 % bootstrap interval, stays drawn."""

    estimate: float
    low: float
    high: float


class DataSource(Frozen):
    """What the model was made from."""

    name: str
    licence: str
    source: str
    stays: dict[str, int]


class Manifest(Frozen):
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


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose models are loaded: those that a release's key signed, or one of a deployment's own.

    Args:
        keys: the folder of the deployment's own public keys.
        unsigned: a candidate that nobody signed yet is loaded, to be judged: never by a worker.
    """

    keys: Path | None = None
    unsigned: bool = False


RELEASES: Final = Trust()
UNSIGNED: Final = Trust(unsigned=True)


def read_manifest(folder: Path, trust: Trust) -> bytes:
    """The bytes of a folder's manifest, once somebody who is trusted has signed them.

    Raises:
        ArtefactError: nobody has.
    """
    data = _read(folder, MANIFEST)
    if not trust.unsigned:
        _signer(folder, data, trust)
    return data


def signed_by(folder: Path, trust: Trust) -> str:
    """The name of the trusted key that signed the manifest of a folder.

    Raises:
        ArtefactError: none did.
    """
    return _signer(folder, _read(folder, MANIFEST), trust)


def _signer(folder: Path, data: bytes, trust: Trust) -> str:
    if not folder.joinpath(SIGNATURE).exists():
        raise ArtefactError(f"the model in {folder} is not signed: `vagt models sign` signs it")
    try:
        by = signer(data, _read(folder, SIGNATURE), trust.keys)
    except KeyFileError as error:
        raise ArtefactError(f"the model in {folder} cannot be verified: {error}") from None
    if by is None:
        raise ArtefactError(f"the model in {folder} is not signed by a key that is trusted, or was changed since")
    return by


def read_part(folder: Path, name: str, sha256_hex: str) -> bytes:
    """A file of an artefact whose manifest names its hash.

    Raises:
        ArtefactError: the file is not the one that the manifest was written for.
    """
    data = _read(folder, name)
    found = sha256(data).hexdigest()
    if found != sha256_hex:
        raise ArtefactError(f"the model in {folder}: {name} has the hash {found}, the manifest says {sha256_hex}")
    return data


def parsed(shape: type[_Shape], folder: Path, data: bytes, blame: str = "is of another release") -> _Shape:
    """A part of an artefact in this release's form.

    Raises:
        ArtefactError: it has another form; the message says where, after what is to ``blame``.
    """
    try:
        return shape.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        fault = first["msg"].removeprefix("Value error, ")
        raise ArtefactError(f"the model in {folder} {blame}: {where + ': ' if where else ''}{fault}") from None


def load(folder: Path, trust: Trust = RELEASES) -> tuple[Manifest, str]:
    """The manifest and the model (LightGBM's text) of a folder.

    Raises:
        ArtefactError: nobody who is trusted signed it, a file is not the one that was signed or is not there, or the
            features are not those of this release.
    """
    manifest = parsed(Manifest, folder, read_manifest(folder, trust))
    stored = read_part(folder, MODEL, manifest.sha256)
    unknown = sorted(set(manifest.features) - set(vector.NAMES))
    if manifest.features_version != vector.VERSION or unknown:
        raise ArtefactError(
            f"model {manifest.name} needs features {manifest.features_version}; this release has {vector.VERSION}"
        )
    return manifest, stored.decode()


def save(folder: Path, manifest: Manifest, model: str, card: str) -> None:
    """Write an artefact, unsigned; the manifest's hash must be that of ``model``."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.joinpath(MODEL).write_text(model)
    folder.joinpath(MANIFEST).write_text(manifest.model_dump_json(indent=1) + "\n")
    folder.joinpath(SIGNATURE).unlink(missing_ok=True)
    folder.joinpath(CARD).write_text(card)


def put_signature(folder: Path, key: Path) -> None:
    """Sign the manifest of an artefact with a private key."""
    folder.joinpath(SIGNATURE).write_bytes(sign(folder.joinpath(MANIFEST).read_bytes(), key))


def _read(folder: Path, name: str) -> bytes:
    try:
        return folder.joinpath(name).read_bytes()
    except OSError as error:
        raise ArtefactError(f"the model in {folder}: {name} cannot be read: {error.strerror}") from None
