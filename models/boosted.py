"""A LightGBM model as a scorer: calibrated probability, band, interval, and reasons that add up to its log-odds."""

from bisect import bisect_left
from collections import defaultdict
from functools import partial
from math import exp, fsum, isnan
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from features.catalogue import catalogue
from features.record import ENCOUNTER, TIME, Record
from features.series import KEPT, Entry
from features.vector import FEATURES, PLACES
from models.artefact import RELEASES, Manifest, Trust, load
from models.banded import band, policy
from models.desert.outcomes import OUTCOMES
from models.doubt import Doubt
from models.outputs import ModelRef, Outcome, Reason, Text
from models.scorer import Scored, Why, age_minutes
from models.seen import Seen, see
from models.single_row import SingleRow

#: How many analytes are named before the rest is summed up.
_MOST_REASONS = 5


class Boosted:
    """One artefact, loaded once, called for each record.

    Raises:
        ArtefactError: it must not be loaded.
    """

    def __init__(self, folder: Path, trust: Trust = RELEASES) -> None:
        self.manifest, model = load(folder, trust)
        self._row = SingleRow(model)
        manifest = self.manifest
        self.kind = manifest.kind
        self.switched_on = manifest.switched_on
        self.model = ModelRef(manifest.name, manifest.version, manifest.sha256)
        columns = [PLACES[name] for name in manifest.features]
        self._columns = np.array(columns)
        self._features = [FEATURES[column] for column in columns]
        self._analytes = frozenset(one.analyte for one in self._features if one.analyte)
        self._doubt = Doubt.of(manifest.abstention, self._analytes)
        self._upto = [one.to for one in manifest.intervals.bins]
        self.inputs = frozenset({*self._analytes, ENCOUNTER, TIME})
        self.policy = policy(manifest.bands, manifest.severity)
        self._outcome = OUTCOMES.get(self.kind)
        self._title = Text(manifest.title["en"], manifest.title["da"])
        self._units = {name: analyte.unit for name, analyte in catalogue().analytes.items()}

    def score(self, record: Record) -> Scored | None:
        """The probability of the manifest's event at the record's now; ``None`` where the event is there already."""
        if self._outcome and self._outcome.present(record):
            return None
        seen = see(record)
        row = seen.row[self._columns]
        margin = self._row.margin(row)
        probability = calibrated(self.manifest, margin)
        abstained = self._unsure(record, seen)
        bands = self.manifest.bands
        shown = not abstained and probability >= min(bands.high, bands.alert_from)
        return Scored(
            score=probability,
            band=band(bands, probability),
            abstained=abstained,
            low=0.0 if abstained else probability,
            high=1.0 if abstained else probability,
            interval=self._interval(probability),
            title=self._title,
            shadow=not self.switched_on or not self.manifest.population.includes(record),
            possible=_possible(self.manifest, probability),
            why=partial(self._reasons, record, row, seen.numbers, margin) if shown else None,
        )

    def _interval(self, probability: float) -> tuple[float, float]:
        """The observed rate's interval among similar scores, widened where needed to hold the score itself."""
        bins = self.manifest.intervals.bins
        found = bins[min(bisect_left(self._upto, probability), len(bins) - 1)]
        return min(found.low, probability), max(found.high, probability)

    def _unsure(self, record: Record, seen: Seen) -> bool:
        return self._doubt.holds(record, seen) or (self._outcome is not None and not self._outcome.recent(record))

    def _reasons(self, record: Record, row: NDArray[np.float64], values: list[float], margin: float) -> Why:
        """The known analytes that moved the log-odds most, the rest as one, and the observations behind them."""
        parts = self._row.contributions(row)
        moved: dict[str, list[float]] = defaultdict(list)
        for feature, part in zip(self._features, parts[:-1], strict=True):
            moved[feature.analyte or feature.name].append(part)
        sums = {name: fsum(amounts) for name, amounts in moved.items()}
        reasons: list[Reason] = []
        evidence: list[Entry] = []
        for name in sorted(sums, key=lambda name: (-abs(sums[name]), name)):
            if len(reasons) == _MOST_REASONS:
                break
            if name in self._units:
                entry = record.series[name].last(record.now) if name in record.series else None
                if entry is None or entry.effective <= record.now - KEPT:
                    continue
                age = age_minutes(entry, record.now)
                reasons.append(Reason(f"{name}_last", entry.value, self._units[name], age, sums[name]))
                evidence.append(entry)
            elif not isnan(value := values[PLACES[name]]):
                reasons.append(Reason(name, value, FEATURES[PLACES[name]].unit, None, sums[name]))
        rest = margin - fsum(reason.contribution for reason in reasons)
        return (*reasons, Reason("rest", None, None, None, rest)), tuple(evidence)


def calibrated(manifest: Manifest, margin: float) -> float:
    """The probability for the model's raw log-odds."""
    line = manifest.calibration
    return 1.0 / (1.0 + exp(-(line.slope * margin + line.intercept)))


def _possible(manifest: Manifest, probability: float) -> tuple[Outcome, ...]:
    """The conformal set."""
    event: tuple[Outcome, ...] = ("event",) if probability >= manifest.conformal.event_from else ()
    absence: tuple[Outcome, ...] = ("no-event",) if probability <= manifest.conformal.absence_to else ()
    return event + absence
