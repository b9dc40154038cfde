"""Result surprise: is the newest panel of results this patient's, or does something tell of the wrong specimen?

A panel is compared with all earlier results of the patient (``models/expected.py``), weighed under what usually goes
wrong (``models/likelihood.py``), and judged by a LightGBM model on these weights. The score is the probability that the
panel is wrong, if one in a hundred were.
"""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, fsum
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from features.catalogue import catalogue
from features.record import Record
from models.artefact import RELEASES, Trust
from models.lifecycle import Level, Policy
from models.likelihood import Likelihood, Weighed
from models.outputs import ModelRef, Reason, Text
from models.panel import ANALYTES, Panel, newest, upcoming
from models.scorer import Finding, Scored, age_minutes
from models.single_row import SingleRow
from models.surprise_artefact import Manifest, load
from models.words import amount, worded

KIND: Final = "result-surprise"
_MOST_REASONS: Final = 5
#: Scores and contributions are rounded so far that the last bits of a sum do not show.
_DECIMALS: Final = 9

_LIKE: Final = {
    "another_patient": Text("as if from another patient", "som fra en anden patient"),
    "diluted": Text("as if diluted", "som fortyndet"),
}


@dataclass(frozen=True, slots=True)
class Range:
    """Where an analyte's next result lies in 95 of 100 cases, in its canonical unit."""

    low: float
    high: float


class Surprise:
    """The artefact, loaded once, called for each record.

    Raises:
        ArtefactError: it must not be loaded.
    """

    kind = KIND
    switched_on = True
    inputs = frozenset(ANALYTES)

    def __init__(self, folder: Path, trust: Trust = RELEASES) -> None:
        self.manifest, self._tables, model = load(folder, trust)
        manifest = self.manifest
        self.model = ModelRef(manifest.name, manifest.version, manifest.sha256)
        self.policy = Policy((Level(manifest.severity, manifest.threshold, manifest.clear_below),))
        self._likelihood = Likelihood(self._tables)
        self._judge = SingleRow(model)

    def score(self, record: Record) -> Scored | None:
        """The probability that the newest panel is wrong; it abstains where there is too little to compare."""
        panel = newest(record)
        if panel is None:
            return None
        shadow = not self.manifest.population.includes(record)
        if len(panel.values) < self.manifest.least_results or panel.compared < self.manifest.least_compared:
            return Scored(
                score=0.0,
                band="expected",
                abstained=True,
                low=0.0,
                high=1.0,
                title=self._title(None),
                interval=(0.0, 1.0),
                shadow=shadow,
            )
        weighed = self._likelihood.weigh(panel)
        margin = self._judge.margin(weighed.row)
        probability = _probability(self.manifest, margin)
        unlikely = probability >= self.manifest.threshold
        return Scored(
            score=probability,
            band="unlikely" if unlikely else "expected",
            abstained=False,
            low=probability,
            high=probability,
            title=self._title(weighed if unlikely else None),
            interval=_interval(self.manifest, probability),
            shadow=shadow,
            reasons=self._reasons(record, panel, weighed, margin) if unlikely else (),
            evidence=tuple(panel.entries.values()) if unlikely else (),
            # Another specimen is another finding, and is told.
            findings=(Finding(f"{KIND}@{panel.effective}", always=True),) if unlikely else (),
        )

    def next_results(self, record: Record) -> Mapping[str, Range]:
        """Where the next result of each analyte with an earlier one lies, were it taken at the record's now."""
        panel = upcoming(record)
        names = tuple(panel.before)
        return dict(zip(names, self._ranges(panel, names), strict=True))

    def expected_of(self, panel: Panel) -> Mapping[str, Range]:
        """Where each result of the panel that has an earlier one was to be expected."""
        names = tuple(name for name in panel.values if name in panel.before)
        return dict(zip(names, self._ranges(panel, names), strict=True))

    def _ranges(self, panel: Panel, names: tuple[str, ...]) -> list[Range]:
        found = []
        for name, one in zip(names, self._tables.expected(panel, names), strict=True):
            analyte, back, half = catalogue().analytes[name], ANALYTES[name].back, self._tables.reach[name] * one.scale
            low, high = back(one.centre - half), back(one.centre + half)
            found.append(Range(min(max(low, analyte.low), analyte.high), max(min(high, analyte.high), analyte.low)))
        return found

    def _title(self, weighed: Weighed | None) -> Text:
        """What to do; and what the panel looks like, where one explanation fits better than this patient."""
        en, da = self.manifest.title["en"], self.manifest.title["da"]
        like = None if weighed is None else _like(weighed)
        return Text(en, da) if like is None else Text(f"{en} ({like.en})", f"{da} ({like.da})")

    def _reasons(self, record: Record, panel: Panel, weighed: Weighed, margin: float) -> tuple[Reason, ...]:
        """The results that are least this patient's, each with its range, and the rest of the raw log-odds."""
        losses = dict(zip(weighed.names, weighed.losses, strict=True))
        ranges = self.expected_of(panel)
        top = sorted(losses, key=lambda name: (-round(losses[name], _DECIMALS), name))[:_MOST_REASONS]
        found = []
        for name in top:
            entry, loss = panel.entries[name], round(losses[name], _DECIMALS)
            analyte = catalogue().analytes[name]
            reason = Reason(f"{name}_last", entry.value, analyte.unit, age_minutes(entry, record.now), loss)
            found.append(_with_range(worded(reason, record), name, ranges.get(name)))
        rest = round(margin - fsum(one.contribution for one in found), _DECIMALS)
        return (*found, worded(Reason("rest", None, None, None, rest), record))


def _like(weighed: Weighed) -> Text | None:
    """The explanation that fits best, ``None`` when none fits better than that the results are this patient's."""
    weights = {"another_patient": weighed.another_patient, "diluted": weighed.diluted, "unit": weighed.unit}
    best = max(weights, key=lambda name: round(weights[name], _DECIMALS))
    if weights[best] <= 0:
        return None
    if best != "unit" or weighed.mixed is None:
        return _LIKE[best]
    analyte = catalogue().analytes[weighed.mixed]
    en, da = _inside(analyte.en), _inside(analyte.da)
    return Text(f"as if {en} was in another unit", f"som {da} i en anden enhed")


def _inside(name: str) -> str:
    """A name as it stands inside a sentence; none of those that can be mixed up is an abbreviation."""
    return name[0].lower() + name[1:]


def _with_range(reason: Reason, name: str, found: Range | None) -> Reason:
    """The reason with what was to be expected, where the analyte has an earlier result."""
    if found is None or reason.text is None:
        return reason
    analyte = catalogue().analytes[name]
    low, high = amount(found.low, analyte), amount(found.high, analyte)
    said = Text(f"{reason.text.en}, expected {low.en} to {high.en}", f"{reason.text.da}, ventet {low.da} til {high.da}")
    return replace(reason, text=said)


def _probability(manifest: Manifest, margin: float) -> float:
    return round(1.0 / (1.0 + exp(-(margin + manifest.intercept))), _DECIMALS)


def _interval(manifest: Manifest, probability: float) -> tuple[float, float]:
    """The interval of the rate among panels scored alike, widened where needed to hold the score itself."""
    place = bisect_left(manifest.bins, probability, key=lambda one: one.to)
    found = manifest.bins[min(place, len(manifest.bins) - 1)]
    return min(found.low, probability), max(found.high, probability)
