"""The manifest of a model that others made: what it is, for whom, what it reads and gives, and what runs it."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from features import vector
from features.catalogue import catalogue
from models.artefact import (
    MANIFEST,
    Abstention,
    Bands,
    Frozen,
    Population,
    Trust,
    parsed,
    read_manifest,
)
from models.outputs import ModelRef, Severity

#: What the first field of such a manifest says.
FORM: Final = "vagt-plugin/1"

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=60)]
Line = Annotated[str, Field(min_length=1, max_length=2000)]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
#: A file of the model's own folder.
File = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$", max_length=100)]


class Title(Frozen):
    """What the score and its alert are called."""

    en: Line
    da: Line


class Input(Frozen):
    """A feature of the vector, and the unit (UCUM) in which the model takes it."""

    name: str
    unit: str


class Features(Frozen):
    """Numbers of the feature vector of that version, in the order in which the model takes them; NaN is missing."""

    type: Literal["features"]
    version: str
    features: Annotated[tuple[Input, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _are_there(self) -> Self:
        if self.version != vector.VERSION:
            raise ValueError(f"it needs features of version {self.version}; this release has {vector.VERSION}")
        for one in self.features:
            place = vector.PLACES.get(one.name)
            if place is None:
                raise ValueError(f"there is no feature {one.name}")
            unit = unit_of(vector.FEATURES[place])
            if one.unit != unit:
                raise ValueError(f"{one.name} is in {unit} here, and the manifest says {one.unit}")
        if len({one.name for one in self.features}) < len(self.features):
            raise ValueError("a feature comes twice")
        return self


class Output(Frozen):
    """The unit of what the model gives (``1`` for a probability), its least and its greatest value."""

    unit: Line
    low: float
    high: float


class Onnx(Frozen):
    """An ONNX file with one input, rows of 32-bit numbers; the score is one column of one of its outputs."""

    type: Literal["onnx"]
    file: File
    sha256: Hash
    output: Line
    column: Annotated[int, Field(ge=0, le=1000)] = 0


class LightGbm(Frozen):
    """LightGBM's text file, with one raw score: log-odds (``logit``), or the output itself (``identity``)."""

    type: Literal["lightgbm"]
    file: File
    sha256: Hash
    link: Literal["logit", "identity"]


class Http(Frozen):
    """An endpoint that is asked by POST, JSON both ways; ``sha256`` is the hash of the model that answers there."""

    type: Literal["http"]
    url: str
    sha256: Hash
    deadline_ms: Annotated[int, Field(ge=10, le=30_000)] = 1000

    @field_validator("url")
    @classmethod
    def _keeps_what_is_sent(cls, url: str) -> str:
        parts = urlsplit(url)
        if not parts.hostname or "@" in parts.netloc or parts.scheme not in {"http", "https"}:
            raise ValueError("it is no https:// address")
        if parts.scheme == "http" and parts.hostname not in {"127.0.0.1", "::1", "localhost"}:
            raise ValueError("patients' data are sent there: it must be https://, or lie on this machine")
        return url


class WholeRecord(Frozen):
    """The patient's record as JSON: stay, observations and treatments, without name, bed and identifier."""

    type: Literal["record"]
    version: Literal["1"]


class Notes(Frozen):
    """The text of each note, as it comes; a note older than ``within_days`` counts no more."""

    type: Literal["notes"]
    within_days: Annotated[int, Field(ge=1, le=36_500)]


class Words(Frozen):
    """A table (JSON) of terms with weights, whose sum is the log-odds that a note says it: ``models.reader``."""

    type: Literal["words"]
    file: File
    sha256: Hash


#: Which inputs each runtime takes.
_TAKEN: Final = {
    "onnx": ("features",),
    "lightgbm": ("features",),
    "http": ("features", "record"),
    "words": ("notes",),
}


class Manifest(Frozen):
    """All that is known of the model. ``event`` and ``horizon`` say what its score states."""

    form: Literal["vagt-plugin/1"]
    name: Name
    version: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+-]*$", max_length=60)]
    kind: Name
    owner: Line
    licence: Line
    #: A model that is switched off scores in shadow and tells nobody.
    switched_on: bool
    title: Title
    event: Line
    horizon: Line
    intended_use: Line
    population: Population
    inputs: Annotated[Features | WholeRecord | Notes, Field(discriminator="type")]
    output: Output
    bands: Bands
    severity: Severity
    abstention: Abstention
    runtime: Annotated[Onnx | LightGbm | Http | Words, Field(discriminator="type")]

    @model_validator(mode="after")
    def _has_bands_within_its_output(self) -> Self:
        out, bands = self.output, self.bands
        if not out.low < out.high:
            raise ValueError("output: low must be less than high")
        if not out.low <= bands.raised <= bands.high <= out.high:
            raise ValueError("bands: raised and high must follow each other within the output's low and high")
        if not out.low <= bands.clear_below <= bands.alert_from <= out.high:
            raise ValueError("bands: clear_below and the alert's level must follow each other within low and high")
        return self

    @model_validator(mode="after")
    def _is_run_by_what_can_take_its_inputs(self) -> Self:
        if self.inputs.type not in _TAKEN[self.runtime.type]:
            raise ValueError(f"inputs: {self.runtime.type} takes {' or '.join(_TAKEN[self.runtime.type])}")
        return self

    @field_validator("abstention")
    @classmethod
    def _knows_its_analytes(cls, rule: Abstention) -> Abstention:
        unknown = sorted({*rule.fresh, *rule.ranges} - {one.analyte for one in vector.FEATURES})
        if unknown:
            raise ValueError(f"there is no analyte {unknown[0]} in the features")
        return rule


def analytes_of(inputs: Features | WholeRecord | Notes) -> frozenset[str]:
    """The analytes that a model reads."""
    if isinstance(inputs, Notes):
        return frozenset()
    names = vector.NAMES if isinstance(inputs, WholeRecord) else [one.name for one in inputs.features]
    return frozenset(found for name in names if (found := vector.FEATURES[vector.PLACES[name]].analyte))


def unit_of(feature: vector.Feature) -> str:
    """The unit of a feature; slopes are per hour of the analyte's own unit, written ``/h``."""
    if feature.unit is not None or feature.analyte is None:
        return feature.unit or "1"
    return catalogue().analytes[feature.analyte].unit or "1"


def is_plugin(folder: Path) -> bool:
    """Whether the manifest of a folder says that it is one of these."""
    try:
        return "form" in json.loads(folder.joinpath(MANIFEST).read_bytes())
    except (OSError, ValueError, TypeError, RecursionError):
        return False


def load(folder: Path, trust: Trust) -> tuple[Manifest, ModelRef]:
    """The manifest of a plug-in, and how it is named in what it says; the hash is that of the manifest.

    Raises:
        ArtefactError: nobody who is trusted signed it, or it is none.
    """
    data = read_manifest(folder, trust)
    manifest = parsed(Manifest, folder, data, "has a manifest that is wrong")
    return manifest, ModelRef(manifest.name, manifest.version, sha256(data).hexdigest())
