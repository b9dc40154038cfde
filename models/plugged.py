"""A model that others made, as a scorer: it runs here, on the features of the record."""

from collections.abc import Callable
from functools import partial
from math import isfinite, tanh
from pathlib import Path
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from features.record import ENCOUNTER, TIME, Record
from features.series import KEPT
from features.vector import PLACES
from models.artefact import ArtefactError, Trust, read_part
from models.banded import band, policy
from models.doubt import Doubt
from models.onnx_row import OnnxRow
from models.outputs import Reason, Text
from models.plugin import Features, LightGbm, Manifest, Onnx, analytes_of, load
from models.scorer import Scored, Why
from models.seen import see
from models.single_row import SingleRow

#: From a row of the features that the manifest names, to the score.
Run = Callable[[NDArray[np.float64]], float]


class Plugged:
    """One plug-in, loaded once, called for each record. It gives no reasons: nobody asks a foreign model for them.

    Raises:
        ArtefactError: it must not be loaded.
    """

    def __init__(self, folder: Path, trust: Trust) -> None:
        self.manifest, self.model = load(folder, trust)
        manifest = self.manifest
        self.kind, self.switched_on = manifest.kind, manifest.switched_on
        self.policy = policy(manifest.bands, manifest.severity)
        assert isinstance(manifest.inputs, Features)
        assert isinstance(manifest.runtime, Onnx | LightGbm)
        self._columns = np.array([PLACES[one.name] for one in manifest.inputs.features])
        self._analytes = analytes_of(manifest.inputs)
        self._doubt = Doubt.of(manifest.abstention, self._analytes)
        self.inputs = frozenset({*self._analytes, ENCOUNTER, TIME})
        self._run = _run(folder, manifest.runtime, len(self._columns))

    def output(self, record: Record) -> float | None:
        """What the model gives at the record's now; ``None`` where that is no number of its range."""
        value, out = self._run(see(record).row[self._columns]), self.manifest.output
        return value if isfinite(value) and out.low <= value <= out.high else None

    def score(self, record: Record) -> Scored:
        """The same as a result; it abstains too where there is none."""
        value = self.output(record)
        abstained = value is None or self._doubt.holds(record, see(record))
        why = partial(behind, self._analytes, record)
        given = self.manifest.output.low if value is None else value
        return scored(self.manifest, record, given, abstained, why=why)


def behind(analytes: frozenset[str], record: Record) -> Why:
    """No reasons, and the newest observation of each of these analytes that has one."""
    newest = (record.series[name].last(record.now) for name in sorted(analytes) if name in record.series)
    return (), tuple(one for one in newest if one is not None and one.effective > record.now - KEPT)


def scored(
    manifest: Manifest,
    record: Record,
    value: float,
    abstained: bool,
    reasons: tuple[Reason, ...] = (),
    why: Callable[[], Why] | None = None,
) -> Scored:
    """What a plug-in's output means for a patient."""
    out = manifest.output
    low, high = (out.low, out.high) if abstained else (value, value)
    return Scored(
        score=value,
        band=band(manifest.bands, value),
        abstained=abstained,
        low=low,
        high=high,
        interval=(low, high),
        title=Text(manifest.title.en, manifest.title.da),
        shadow=not manifest.switched_on or not manifest.population.includes(record),
        reasons=reasons,
        why=None if abstained or value < manifest.bands.alert_from else why,
    )


def _run(folder: Path, runtime: Onnx | LightGbm, width: int) -> Run:
    data = read_part(folder, runtime.file, runtime.sha256)
    try:
        match runtime:
            case Onnx():
                return OnnxRow(data, width, runtime.output, runtime.column)
            case LightGbm():
                return _boosted(SingleRow(data.decode()), width, runtime)
    except ValueError as error:
        raise ArtefactError(f"the model in {folder}: {runtime.file}: {error}") from None
    assert_never(runtime)


def _boosted(row: SingleRow, width: int, runtime: LightGbm) -> Run:
    row.margin(np.zeros(width))
    if runtime.link == "identity":
        return row.margin
    return lambda values: 0.5 + 0.5 * tanh(0.5 * row.margin(values))
