"""Train the surprise of results: panels -> what is expected of each result -> a judge of the panel as a whole.

The judge learns from the panels as they are and from the same made wrong (``models/corrupt.py``). Its threshold comes
from panels of stays that the judging model did not see; the test stays are judged once.
"""

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import exp, log
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Final

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from features.apply import apply
from features.catalogue import Refused, catalogue
from features.events import parse
from features.instants import HOUR
from features.record import Record
from models.artefact import DataSource, Population
from models.corrupt import any_confusion, any_dilution, confused, confusions, diluted, swapped
from models.datasets import Stay, open_source
from models.fit_expected import COVERAGE, FOLDS, Sample, fit
from models.likelihood import COLUMNS, Likelihood
from models.panel import ANALYTES, Panel, newest
from models.split import fold, part
from models.surprise import KIND
from models.surprise_artefact import COLUMNS_VERSION, Bin, Manifest, save
from models.surprise_card import card

Floats = NDArray[np.float64]

#: A panel is judged from so many results on, of which so many have an earlier one.
LEAST_RESULTS, LEAST_COMPARED = 5, 4
#: False alarms per panel on unseen stays, of the data set that has more of them.
_FALSE_ALARMS = 0.019
#: The share of wrong panels for which the score is a probability.
_ASSUMED_WRONG = 0.01
#: Another patient's specimen is from the same kind of ward, and from so many hours around this one's since admission.
_SAME_HOURS = 6.0
_SWAPS, _TRIES = 2, 60
#: What each kind of panel weighs while the judge learns.
_WEIGHTS = {"right": 1.0, "swapped": 0.8, "diluted": 0.2, "confused": 0.4}
_SPREAD_BINS = 20
_SEED = 20123
PARAMETERS: dict[str, float | int | str] = {
    "objective": "binary",
    "learning_rate": 0.07,
    "num_leaves": 15,
    "min_data_in_leaf": 100,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 10.0,
    "seed": _SEED,
    "deterministic": "true",
    "force_row_wise": "true",
    "num_threads": 1,
    "verbosity": -1,
}
_ROUNDS = 400


@dataclass(frozen=True, slots=True)
class Gathered:
    """The panels of some data sets, and the patient-days of each set's test stays."""

    samples: tuple[Sample, ...]
    test_days: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Trained:
    """What training gives."""

    model: str
    tables: str
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class _Judged:
    """Panels as rows of ``COLUMNS``; of each its kind, its sample's fold and its data set."""

    rows: Floats
    kind: NDArray[np.str_]
    group: NDArray[np.int64]
    source: NDArray[np.int64]


#: The data sets whose licences allow a model made from them to be shared.
SETS: Final[Mapping[str, DataSource]] = {
    "cinc2019": DataSource(
        name="cinc2019",
        licence="CC BY 4.0",
        source="PhysioNet/CinC Challenge 2019 1.0.0; Reyna et al., Crit Care Med 2020;48:210-217",
        stays={},
    ),
    "cinc2012": DataSource(
        name="cinc2012",
        licence="ODC-BY 1.0",
        source="PhysioNet/CinC Challenge 2012 1.0.0; Silva et al., Comput Cardiol 2012;39:245-248",
        stays={},
    ),
}


def train_on(paths: Mapping[str, Path], out: Path, jobs: int = 1) -> Trained:
    """Train on data sets by name (of ``SETS``) and path, and write the artefact with its card.

    Raises:
        ValueError: a name is not of ``SETS``.
        FileNotFoundError: a path holds no such set.
    """
    if strangers := set(paths) - set(SETS):
        raise ValueError(f"{', '.join(sorted(strangers))}: it is trained on {' and '.join(SETS)} only")
    gathered = gather([open_source(name, path) for name, path in paths.items()], jobs)
    trained = train(gathered, [SETS[name] for name in paths])
    save(out, trained.manifest, trained.tables, trained.model, card(trained.manifest))
    return trained


def gather(sources: Sequence[Iterable[Stay]], jobs: int = 1) -> Gathered:
    """Every panel of every stay, at the moment when its last result became known."""
    samples: list[Sample] = []
    days = []
    with get_context("spawn").Pool(jobs) as pool:
        for number, stays in enumerate(sources):
            hours = 0.0
            for patient, ward, length, panels in pool.imap(_panels, stays, chunksize=50):
                test = part(patient) == "test"
                hours += length if test else 0.0
                group = -1 if test else fold(f"{patient}/fit") % FOLDS
                samples += [Sample(number, patient, ward, hour, group, panel) for hour, panel in panels]
            days.append(hours / 24)
    return Gathered(tuple(samples), tuple(days))


def _panels(stay: Stay) -> tuple[str, str, float, list[tuple[float, Panel]]]:
    """The stay's patient, last ward, length in hours, and its panels with their hours."""
    units, record, ward = catalogue(), Record(), ""
    found: dict[int, Panel] = {}
    for one in stay.records:
        seen = False
        for item in one.items:
            ward = item.get("ward", ward)
            if item["type"] != "observation" or not _is_common(item["code"]):
                continue
            try:
                record = apply(record, parse(item, stay.patient), units).record
            except Refused:
                continue
            seen = True
        panel = newest(record) if seen else None
        if panel is not None:
            found[panel.effective] = panel
    length = (stay.records[-1].at_ms - stay.start) / HOUR
    return stay.patient, ward, length, [((at - stay.start) / HOUR, panel) for at, panel in found.items()]


def _is_common(code: dict[str, str]) -> bool:
    entry = catalogue().entries.get((code["system"], code["code"]))
    return entry is not None and entry.analyte.name in ANALYTES


def large_enough(panel: Panel) -> bool:
    """Whether a panel is judged at all."""
    return len(panel.values) >= LEAST_RESULTS and panel.compared >= LEAST_COMPARED


class Donors:
    """Panels of other patients, by data set, ward and hour."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._by_ward: dict[tuple[int, str], list[Sample]] = defaultdict(list)
        for one in samples:
            if len(one.panel.values) >= LEAST_RESULTS:
                self._by_ward[one.source, one.ward].append(one)
        for every in self._by_ward.values():
            every.sort(key=lambda one: (one.hour, one.patient))
        self._hours = {ward: [one.hour for one in every] for ward, every in self._by_ward.items()}

    def swaps(self, sample: Sample, number: int, chance: Random) -> Iterator[Panel]:
        """The sample's panel with other patients' results, at most so many times."""
        ward = sample.source, sample.ward
        hours = self._hours[ward]
        low, high = bisect_left(hours, sample.hour - _SAME_HOURS), bisect_right(hours, sample.hour + _SAME_HOURS)
        for _ in range(_TRIES):
            if not number:
                return
            other = self._by_ward[ward][chance.randrange(low, high)]
            wrong = swapped(sample.panel, other.panel)
            if other.patient != sample.patient and large_enough(wrong):
                number -= 1
                yield wrong


def _made(samples: Sequence[Sample], likelihood: Likelihood, chance: Random) -> _Judged:
    """The panels that are large enough, as they are and made wrong."""
    donors = Donors(samples)
    rows: list[Floats] = []
    kinds: list[str] = []
    whose: list[Sample] = []
    for one in samples:
        if not large_enough(one.panel):
            continue
        made: list[tuple[str, Panel | None]] = [
            ("right", one.panel),
            *(("swapped", wrong) for wrong in donors.swaps(one, _SWAPS, chance)),
            ("diluted", any_dilution(one.panel, chance)),
            ("confused", any_confusion(one.panel, chance)),
        ]
        for kind, panel in made:
            if panel is not None and large_enough(panel):
                rows.append(likelihood.weigh(panel).row)
                kinds.append(kind)
                whose.append(one)
    return _Judged(
        np.array(rows),
        np.array(kinds),
        np.array([one.group for one in whose]),
        np.array([one.source for one in whose]),
    )


def train(gathered: Gathered, data: Sequence[DataSource]) -> Trained:
    """Fit what is expected, then the judge; choose the threshold without the test stays, and judge these once."""
    names = [one.name for one in data]
    fitted = fit(gathered.samples)
    likelihood = Likelihood(fitted.tables)
    made = _made([one for one in gathered.samples if one.group >= 0], likelihood, Random(_SEED))
    weights = np.array([_WEIGHTS[kind] for kind in made.kind.tolist()])
    wrong = (made.kind != "right").astype(np.float64)
    margins = np.empty(len(wrong))
    for held in range(FOLDS):
        seen, unseen = made.group != held, made.group == held
        margins[unseen] = _predict(_learn(made.rows[seen], wrong[seen], weights[seen]), made.rows[unseen])
    booster = _learn(made.rows, wrong, weights)

    learnt = float(weights[wrong == 1].sum() / weights[wrong == 0].sum())
    intercept = log(_ASSUMED_WRONG / (1 - _ASSUMED_WRONG)) - log(learnt)
    right = wrong == 0
    limit = max(
        float(np.quantile(margins[right & (made.source == one)], 1 - _FALSE_ALARMS)) for one in np.unique(made.source)
    )
    threshold = 1 / (1 + exp(-(limit + intercept)))
    unseen = {
        f"{name}_{kind}": float(np.mean(margins[(made.kind == kind) & (made.source == source)] >= limit))
        for source, name in enumerate(names)
        for kind in _WEIGHTS
    }
    model, tables = booster.model_to_string(), fitted.tables.model_dump_json() + "\n"
    manifest = Manifest(
        name=KIND,
        version="1.0.0",
        kind=KIND,
        event=(
            "the newest panel is not what it claims to be (another patient's specimen, diluted by an infusion, or a "
            "result in another unit), if one panel in a hundred were so"
        ),
        population=Population(description="adults in intensive care", unit_types=("icu",), minimum_age_years=18),
        intended_use=(
            "It points out a panel of at least five results that is unlike the patient's earlier ones, so that the "
            "specimen is checked before anyone acts. A sudden real change can look alike: it refuses no result. On "
            "other units it scores in shadow and raises no alert."
        ),
        columns_version=COLUMNS_VERSION,
        columns=COLUMNS,
        least_results=LEAST_RESULTS,
        least_compared=LEAST_COMPARED,
        intercept=intercept,
        bins=_bins(margins, wrong, weights, intercept),
        threshold=threshold,
        clear_below=threshold / 2,
        severity="warning",
        title={
            "en": "Results unlike this patient's earlier ones: check the specimen",
            "da": "Svar ligner ikke patientens tidligere: kontrollér prøven",
        },
        data=_counted(gathered, data),
        metrics={
            "unseen": unseen,
            **{name: _test_figures(gathered, number, likelihood, booster, limit) for number, name in enumerate(names)},
            **{
                f"{name} coverage": {
                    analyte: share for (one, analyte), (share, _) in fitted.coverage.items() if one == number
                }
                for number, name in enumerate(names)
            },
            **{
                f"{name} results": {
                    analyte: float(size) for (one, analyte), (_, size) in fitted.coverage.items() if one == number
                }
                for number, name in enumerate(names)
            },
        },
        training={
            **PARAMETERS,
            "rounds": _ROUNDS,
            "folds": FOLDS,
            "coverage": COVERAGE,
            "lightgbm": lgb.__version__,
        },
        sha256=sha256(model.encode()).hexdigest(),
        tables_sha256=sha256(tables.encode()).hexdigest(),
    )
    return Trained(model, tables, manifest)


def _learn(rows: Floats, wrong: Floats, weights: Floats) -> lgb.Booster:
    data = lgb.Dataset(rows, wrong, weight=weights, feature_name=list(COLUMNS))
    return lgb.train(PARAMETERS, data, num_boost_round=_ROUNDS)


def _predict(booster: lgb.Booster, rows: Floats) -> Floats:
    return np.asarray(booster.predict(rows, raw_score=True, num_threads=1), np.float64)


def _bins(margins: Floats, wrong: Floats, weights: Floats, intercept: float) -> tuple[Bin, ...]:
    """For panels scored alike, the rate of wrong ones with its 95 % interval, if one in a hundred were wrong."""
    edges = np.quantile(margins, np.linspace(0, 1, _SPREAD_BINS + 1)[1:])
    places = np.searchsorted(edges[:-1], margins)
    found = []
    for number, edge in enumerate(edges.tolist()):
        inside = places == number
        bad, every = float((weights * wrong)[inside].sum()), float(weights[inside].sum())
        rate, size = bad / every, int(inside.sum())
        middle, half = (rate + 1.92 / size) / (1 + 3.84 / size), 1.96 / (1 + 3.84 / size)
        half *= float(np.sqrt(rate * (1 - rate) / size + 0.96 / size**2))
        low, high = (_rebased(bound, intercept) for bound in (middle - half, middle + half))
        found.append(Bin(to=1 / (1 + exp(-(edge + intercept))), low=low, high=high))
    return tuple(found)


def _rebased(rate: float, intercept: float) -> float:
    """A rate among what the judge learnt from, as it is among panels of which one in a hundred is wrong."""
    inside = min(max(rate, 1e-6), 1 - 1e-6)
    return 1 / (1 + exp(-(log(inside / (1 - inside)) + intercept)))


def _counted(gathered: Gathered, data: Sequence[DataSource]) -> tuple[DataSource, ...]:
    found = []
    for number, one in enumerate(data):
        test = {sample.patient: sample.group < 0 for sample in gathered.samples if sample.source == number}
        counts = Counter("test" if held else "train" for held in test.values())
        found.append(one.model_copy(update={"stays": dict(sorted(counts.items()))}))
    return tuple(found)


def _test_figures(
    gathered: Gathered, source: int, likelihood: Likelihood, booster: lgb.Booster, limit: float
) -> dict[str, float]:
    """How the test stays of a data set fare: false alarms per panel, and the share found of each kind made wrong."""
    chance = Random(_SEED + 1 + source)
    test = [one for one in gathered.samples if one.group < 0 and one.source == source]
    of_size = [one for one in test if len(one.panel.values) >= LEAST_RESULTS]
    judged = [one for one in of_size if large_enough(one.panel)]
    donors = Donors(test)
    made: dict[str, list[Panel]] = defaultdict(list)
    for one in judged:
        made["false_alarms"].append(one.panel)
        made["swapped"] += donors.swaps(one, 1, chance)
        made["diluted"] += filter(None, [diluted(one.panel, 0.7, 1.5)])
        possible = confusions(one.panel)
        if possible:
            name, factor = chance.choice(possible)
            made["unit"].append(confused(one.panel, name, factor))
            made[f"unit_{name}_x{factor:.3g}"].append(made["unit"][-1])
    found = {"panels_of_five": float(len(of_size)), "abstained": 1 - len(judged) / len(of_size)}
    for kind, panels in made.items():
        rows = [likelihood.weigh(panel).row for panel in panels if large_enough(panel)]
        alarms = _predict(booster, np.array(rows)) >= limit
        found[kind] = float(np.mean(alarms))
        if kind == "false_alarms":
            found["alarms_per_100_patient_days"] = 100 * float(alarms.sum()) / gathered.test_days[source]
    return found
