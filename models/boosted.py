"""A LightGBM model as a scorer: calibrated probability, band, interval, and reasons that add up to its log-odds."""

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from math import exp, fsum, isnan
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from features.catalogue import catalogue
from features.instants import HOUR
from features.record import ENCOUNTER, TIME, Record
from features.series import KEPT, Entry
from features.vector import FEATURES, PLACES, vector
from models.artefact import RELEASES, Manifest, Trust, load
from models.desert.outcomes import OUTCOMES
from models.lifecycle import Level, Policy
from models.outputs import ModelRef, Outcome, Reason, Text
from models.scorer import Scored, Why, age_minutes
from models.single_row import SingleRow

#: How many analytes are named before the rest is summed up.
_MOST_REASONS = 5


@dataclass(slots=True)
class _Seen:
    """What all models of one decision read: the features of a record, and the analytes of which it has values."""

    numbers: list[float]
    row: NDArray[np.float64]
    known: frozenset[str]


class _Shared:
    """What was last seen: all models of one decision read the same record."""

    def __init__(self) -> None:
        self._of: tuple[object, ...] = ()
        self._seen = _Seen([], np.empty(0), frozenset())

    def see(self, record: Record) -> _Seen:
        """The features of a record; an alert that changed in it changes none."""
        of = (record.series, record.stay, record.events, record.now)
        if len(self._of) != len(of) or any(one is not other for one, other in zip(self._of, of, strict=True)):
            numbers = vector(record)
            known = frozenset(name for name, series in record.series.items() if series.values)
            self._of, self._seen = of, _Seen(numbers, np.array(numbers), known)
        return self._seen


_SHARED = _Shared()


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
        self.model = ModelRef(manifest.name, manifest.version, manifest.sha256)
        columns = [PLACES[name] for name in manifest.features]
        self._columns = np.array(columns)
        self._features = [FEATURES[column] for column in columns]
        self._analytes = frozenset(one.analyte for one in self._features if one.analyte)
        ranges = manifest.abstention.ranges
        self._ranges = [(PLACES[f"{name}_last"], one.low, one.high) for name, one in ranges.items()]
        self._upto = [one.to for one in manifest.intervals.bins]
        self.inputs = frozenset({*self._analytes, ENCOUNTER, TIME})
        bands = manifest.bands
        self.policy = Policy(
            tuple(
                Level(manifest.severity, times * bands.alert_from, times * bands.clear_below)
                for times in (1.0, *bands.escalations)
            )
        )
        self._outcome = OUTCOMES.get(self.kind)
        self._title = Text(manifest.title["en"], manifest.title["da"])
        self._units = {name: analyte.unit for name, analyte in catalogue().analytes.items()}

    def score(self, record: Record) -> Scored | None:
        """The probability of the manifest's event at the record's now; ``None`` where the event is there already."""
        if self._outcome and self._outcome.present(record):
            return None
        seen = _SHARED.see(record)
        row = seen.row[self._columns]
        margin = self._row.margin(row)
        probability = calibrated(self.manifest, margin)
        abstained = self._unsure(record, seen)
        bands = self.manifest.bands
        shown = not abstained and probability >= min(bands.high, bands.alert_from)
        return Scored(
            score=probability,
            band=_band(self.manifest, probability),
            abstained=abstained,
            low=0.0 if abstained else probability,
            high=1.0 if abstained else probability,
            interval=self._interval(probability),
            title=self._title,
            shadow=not self.manifest.switched_on or not _meant_for(self.manifest, record),
            possible=_possible(self.manifest, probability),
            why=partial(self._reasons, record, row, seen.numbers, margin) if shown else None,
        )

    def _interval(self, probability: float) -> tuple[float, float]:
        """The observed rate's interval among similar scores, widened where needed to hold the score itself."""
        bins = self.manifest.intervals.bins
        found = bins[min(bisect_left(self._upto, probability), len(bins) - 1)]
        return min(found.low, probability), max(found.high, probability)

    def _unsure(self, record: Record, seen: _Seen) -> bool:
        """Whether the inputs are too few, too old or too unlike those of the training."""
        rule = self.manifest.abstention
        numbers = seen.numbers
        outside = sum(1 for place, low, high in self._ranges if numbers[place] < low or numbers[place] > high)
        return (
            len(self._analytes & seen.known) < rule.minimum_inputs
            or outside > rule.most_outside
            or bool(rule.fresh and self._newest(record, rule.fresh) <= record.now - rule.fresh_within_h * HOUR)
            or (self._outcome is not None and not self._outcome.recent(record))
        )

    @staticmethod
    def _newest(record: Record, analytes: tuple[str, ...]) -> int:
        """When the newest of these analytes was measured; 0 when none was."""
        entries = [record.series[name].last(record.now) for name in analytes if name in record.series]
        return max((entry.effective for entry in entries if entry), default=0)

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


def _band(manifest: Manifest, probability: float) -> str:
    if probability >= manifest.bands.high:
        return "high"
    return "raised" if probability >= manifest.bands.raised else "low"


def _possible(manifest: Manifest, probability: float) -> tuple[Outcome, ...]:
    """The conformal set."""
    event: tuple[Outcome, ...] = ("event",) if probability >= manifest.conformal.event_from else ()
    absence: tuple[Outcome, ...] = ("no-event",) if probability <= manifest.conformal.absence_to else ()
    return event + absence


def _meant_for(manifest: Manifest, record: Record) -> bool:
    """Whether the patient is one that the model was made for; an unknown age is adult, an unknown unit is not."""
    age = record.stay.age_years(record.now)
    adult = age is None or age >= manifest.population.minimum_age_years
    return adult and record.stay.unit_type in manifest.population.unit_types
