"""A LightGBM model as a scorer: calibrated probability, band, interval, and reasons that add up to its log-odds."""

from bisect import bisect_left
from collections import defaultdict
from math import exp, fsum, isnan
from pathlib import Path

import numpy as np

from features.catalogue import catalogue
from features.record import ENCOUNTER, TIME, Record
from features.series import Entry
from features.vector import FEATURES, NAMES, vector
from models.artefact import Manifest, load
from models.lifecycle import Level, Policy
from models.outputs import ModelRef, Reason, Text
from models.scorer import Scored, age_minutes

#: How many analytes are named before the rest is summed up.
_MOST_REASONS = 5


class Boosted:
    """One artefact, loaded once, called for each record."""

    def __init__(self, folder: Path) -> None:
        self.manifest, self._booster = load(folder)
        manifest = self.manifest
        self.kind = manifest.kind
        self.model = ModelRef(manifest.name, manifest.version, manifest.sha256)
        place = {name: number for number, name in enumerate(NAMES)}
        self._columns = [place[name] for name in manifest.features]
        self._features = [FEATURES[column] for column in self._columns]
        self._analytes = sorted({one.analyte for one in self._features if one.analyte})
        self.inputs = frozenset({*self._analytes, ENCOUNTER, TIME})
        bands = manifest.bands
        self.policy = Policy((Level(manifest.severity, bands.high, bands.clear_below),))
        self._title = Text(manifest.title["en"], manifest.title["da"])
        self._units = {name: analyte.unit for name, analyte in catalogue().analytes.items()}

    def score(self, record: Record) -> Scored:
        """The probability of the manifest's event at the record's now."""
        values = vector(record)
        row = np.array([[values[column] for column in self._columns]])
        margin = float(self._booster.predict(row, raw_score=True, num_threads=1)[0])
        probability = calibrated(self.manifest, margin)
        abstained = self._too_little(record)
        band = _band(self.manifest, probability)
        named = band == "high" and not abstained
        reasons, evidence = self._reasons(record, row, values, margin) if named else ((), ())
        return Scored(
            score=probability,
            band=band,
            abstained=abstained,
            low=0.0 if abstained else probability,
            high=1.0 if abstained else probability,
            interval=_interval(self.manifest, probability),
            title=self._title,
            shadow=not _meant_for(self.manifest, record),
            reasons=reasons,
            evidence=evidence,
        )

    def _too_little(self, record: Record) -> bool:
        """Whether too few analytes have a value that is kept."""
        known = sum(1 for name in self._analytes if name in record.series and record.series[name].values)
        return known < self.manifest.minimum_inputs

    def _reasons(
        self,
        record: Record,
        row: "np.ndarray[tuple[int, int], np.dtype[np.float64]]",
        values: list[float],
        margin: float,
    ) -> tuple[tuple[Reason, ...], tuple[Entry, ...]]:
        """The analytes that moved the log-odds most, the rest as one, and the observations behind them."""
        parts = self._booster.predict(row, pred_contrib=True, num_threads=1)[0]
        moved: dict[str, list[float]] = defaultdict(list)
        for feature, part in zip(self._features, parts[:-1].tolist(), strict=True):
            moved[feature.analyte or feature.name].append(part)
        sums = {name: fsum(amounts) for name, amounts in moved.items()}
        top = sorted(sums, key=lambda name: (-abs(sums[name]), name))[:_MOST_REASONS]
        reasons, evidence = [], []
        for name in top:
            entry = record.series[name].last(record.now) if name in record.series else None
            if name in self._units:
                value = entry.value if entry else None
                age = age_minutes(entry, record.now) if entry else None
                reasons.append(Reason(f"{name}_last", value, self._units[name], age, sums[name]))
            else:
                place = NAMES.index(name)
                value = None if isnan(values[place]) else values[place]
                reasons.append(Reason(name, value, FEATURES[place].unit, None, sums[name]))
            evidence += [entry] if entry else []
        rest = margin - fsum(sums[name] for name in top)
        return (*reasons, Reason("rest", None, None, None, rest)), tuple(evidence)


def calibrated(manifest: Manifest, margin: float) -> float:
    """The probability for the model's raw log-odds."""
    line = manifest.calibration
    return 1.0 / (1.0 + exp(-(line.slope * margin + line.intercept)))


def _band(manifest: Manifest, probability: float) -> str:
    if probability >= manifest.bands.high:
        return "high"
    return "raised" if probability >= manifest.bands.raised else "low"


def _interval(manifest: Manifest, probability: float) -> tuple[float, float]:
    """The observed rate's interval among similar scores, widened where needed to hold the score itself."""
    place = bisect_left(manifest.spread, probability, key=lambda one: one.to)
    found = manifest.spread[min(place, len(manifest.spread) - 1)]
    return min(found.low, probability), max(found.high, probability)


def _meant_for(manifest: Manifest, record: Record) -> bool:
    """Whether the patient is one that the model was made for; an unknown age is adult, an unknown unit is not."""
    age = record.stay.age_years(record.now)
    adult = age is None or age >= manifest.population.minimum_age_years
    return adult and record.stay.unit_type in manifest.population.unit_types
