"""What comes in, held against what came in the first days: units, steps, distributions, what is missing."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import exp, log, sqrt
from statistics import median
from typing import Final, Literal, NamedTuple

from features.instants import HOUR
from models.monitor.distribution import Distribution, Usual, change, drift
from models.monitor.hour import Hour
from models.monitor.limits import Limits
from models.monitor.notices import EVERYWHERE, About, Found
from models.monitor.rate import Rate
from models.monitor.state import Point, State, day_before
from models.monitor.statistics import middle
from models.monitor.units import Guess, Ways, factor, recognised

#: In place of an analyte: all that a source sends.
ANY: Final = "any"

#: What a notice would be about, what is over its limit, and whether something is not within half of it.
Judged = Iterable[tuple[About, Mapping[str, Found], bool]]


class Stream(NamedTuple):
    """An analyte's values from one source in one place, by patient, each one's newest last."""

    analyte: str
    source: str
    ward: str
    patients: Sequence[tuple[str, list[Point]]]

    @property
    def values(self) -> list[float]:
        """The newest of each patient."""
        return [points[-1].value for _, points in self.patients]

    @property
    def changes(self) -> list[float]:
        """The patients' own changes in about a day, in logarithms, of those who have an earlier value."""
        pairs = ((day_before(points), points[-1]) for _, points in self.patients)
        found = (change(before.value, after.value) for before, after in pairs if before is not None)
        return [one for one in found if one is not None]

    def recent(self, since: int) -> "Stream":
        """The patients whose newest value came later than an instant."""
        return self._replace(patients=[one for one in self.patients if one[1][-1].at > since])

    def without(self, wards: set[str]) -> "Stream":
        """The same without the patients of some wards."""
        return self._replace(patients=[one for one in self.patients if one[1][-1].ward not in wards])


def judged_streams(state: State, limits: Limits, ways: Ways, end: int) -> Judged:
    """Learn from the values that stand for patients at the ``end`` of an hour, or judge them."""
    drifting: dict[str, dict[str, Found]] = defaultdict(dict)
    unsettled: set[str] = set()
    for (analyte, source), patients in sorted(state.values.items()):
        streams = _places(analyte, source, patients)
        usual = state.inputs.setdefault((analyte, source, EVERYWHERE), Distribution()).usual
        for stream in streams:
            if usual is not None:
                yield from _units(state, limits, ways, usual, stream, end)
        for stream in streams:
            one = state.inputs.setdefault((analyte, source, stream.ward), Distribution())
            if one.usual is None:
                if one.lesson():
                    one.learn([(who, points[-1].value) for who, points in stream.patients], stream.changes, limits)
                continue
            settled = stream.without(state.notices.explained(analyte, source))
            if _explains(state, stream) or len(settled.patients) < limits.learning.patients:
                continue
            yield _step(limits, one.usual, settled.recent(end - limits.unit.change_hours * HOUR), end)
            if _explains(state, stream):
                continue
            found = drift(one.usual, settled.values)
            share = found.share(limits)
            if share >= 1:
                drifting[stream.ward][analyte] = Found(end, {"psi": found.psi, "patients": len(settled.patients)})
            if share >= 0.5:
                unsettled.add(stream.ward)
    everywhere = drifting[EVERYWHERE]
    for (analyte, source), new in sorted(state.newcomers.items()):
        top = max(new.up, new.down)
        if top >= limits.newcomers.sum / 2 and not _explains(state, Stream(analyte, source, EVERYWHERE, ())):
            unsettled.add(EVERYWHERE)
            if top >= limits.newcomers.sum:
                everywhere.setdefault(analyte, Found(new.since, {"sum_higher": new.up, "sum_lower": new.down}))
    yield About("drift"), everywhere, EVERYWHERE in unsettled
    told = state.notices.subjects(About("drift"))
    for ward in sorted({one for _, _, one in state.inputs} - {EVERYWHERE}):
        own = {name: found for name, found in drifting[ward].items() if name not in told}
        yield About("drift", ward=ward), own, ward in unsettled


def _places(analyte: str, source: str, patients: Mapping[str, list[Point]]) -> list[Stream]:
    """The stream of all wards, then that of each."""
    wards: dict[str, list[tuple[str, list[Point]]]] = defaultdict(list)
    for one in sorted(patients.items()):
        wards[one[1][-1].ward].append(one)
    whole = [one for ward in sorted(wards) for one in wards[ward]]
    return [
        Stream(analyte, source, EVERYWHERE, whole),
        *(Stream(analyte, source, ward, wards[ward]) for ward in sorted(wards) if ward != EVERYWHERE),
    ]


def _about(kind: Literal["unit", "step"], stream: Stream, ward: str) -> About:
    return About(kind, analyte=stream.analyte, source=stream.source, ward=ward)


def _explains(state: State, stream: Stream) -> bool:
    """Whether another unit or a step is told already of this stream, here or everywhere."""
    return any(
        _about(kind, stream, ward) in state.notices.open
        for kind in ("unit", "step")
        for ward in (stream.ward, EVERYWHERE)
    )


def _units(state: State, limits: Limits, ways: Ways, usual: Usual, stream: Stream, end: int) -> Judged:
    """Values where almost none lay before: most of those of the last hours in a place, or in most wards."""
    if stream.ward != EVERYWHERE and _about("unit", stream, EVERYWHERE) in state.notices.open:
        return
    recent: dict[str, list[Point]] = defaultdict(list)
    for _, points in stream.recent(end - limits.unit.hours * HOUR).patients:
        recent[points[-1].ward].append(points[-1])
    outside = {
        ward: [one for one in points if usual.outside(one.value) and _unusual(state, stream, one)]
        for ward, points in recent.items()
    }
    off = sum(len(outside[ward]) >= limits.unit.outside * len(points) for ward, points in recent.items())
    values = [point.value for points in outside.values() for point in points]
    number = sum(map(len, recent.values()))
    over = {}
    enough = max(limits.unit.patients, limits.unit.outside * number)
    if len(values) >= enough and 2 * off > len(recent):
        guess = recognised(usual, values, ways.get(stream.analyte, {}))
        # Between rounds only the ill are measured: a few of them are no other unit where none explains them.
        if guess is not None or number >= limits.learning.patients:
            figures = {"share": len(values) / number, "patients": number, "median": median(values)}
            since = min(point.at for points in outside.values() for point in points)
            over[stream.analyte] = Found(since, figures, guess or factor(usual, values))
    calm = sum(map(usual.outside, stream.values)) < limits.unit.outside / 2 * len(stream.patients)
    yield _about("unit", stream, stream.ward), over, not calm


def _unusual(state: State, stream: Stream, point: Point) -> bool:
    """Whether a value is outside also where those of its ward lay: that of the ill is not that of all."""
    own = state.inputs.get((stream.analyte, stream.source, point.ward), Distribution()).usual
    return own is None or own.outside(point.value)


def _step(limits: Limits, usual: Usual, stream: Stream, end: int) -> tuple[About, Mapping[str, Found], bool]:
    """Patients' own values that changed by one factor within a day, against how they usually change."""
    over: dict[str, Found] = {}
    changes = stream.changes
    still = False
    if len(changes) >= limits.learning.patients:
        centre, spread = middle(changes)
        off, error = centre - usual.change, max(spread, usual.spread) / sqrt(len(changes))
        least = max(log(limits.unit.factor), limits.unit.errors * error)
        still = abs(off) >= least / 2
        if abs(off) >= least:
            figures = {"factor": exp(off), "errors": abs(off) / error if error else 0.0, "patients": len(changes)}
            over[stream.analyte] = Found(end, figures, Guess("factor", f"{exp(off):.2f}"))
    return _about("step", stream, stream.ward), over, still


def judged_missing(state: State, limits: Limits, hour: Hour, start: int) -> Judged:
    """What was left out of what a source sent of a patient within the hour: of one analyte, or of all together."""
    wards: dict[tuple[str, str], set[str]] = defaultdict(set)
    having: dict[tuple[str, str, str], int] = defaultdict(int)
    for analyte, source, patient in hour.values:
        ward = state.ward(patient)
        wards[source, ward].add(patient)
        having[analyte, source, ward] += 1
    sums: dict[tuple[str, str], dict[str, tuple[int, int]]] = defaultdict(dict)
    for analyte, source, place in sorted(state.inputs):
        where = [one for of, one in wards if of == source and place in (EVERYWHERE, one)]
        known = [one for one in where if (analyte, source, one) in state.inputs]
        occasions = sum(len(wards[source, one]) for one in known)
        if occasions:
            there = sum(having.get((analyte, source, one), 0) for one in known)
            sums[source, place][analyte] = occasions - there, occasions
    for (source, place), heard in sorted(sums.items()):
        together = sum(events for events, _ in heard.values()), sum(of for _, of in heard.values())
        over: dict[str, Found] = {}
        still = False
        for analyte, (events, occasions) in (("", together), *heard.items()):
            rate = state.rates.setdefault(("missing", analyte, source, place), Rate())
            rate.hear(events, occasions, start, limits)
            still = still or rate.up >= limits.rate.sum / 2
            if rate.up >= limits.rate.sum:
                over[analyte] = Found(rate.since, {"sum": rate.up, "usual_share": rate.share or 0.0})
        about = About("missing", source=source, ward=place)
        if place != EVERYWHERE and about._replace(ward=EVERYWHERE) in state.notices.open:
            over = {}
        # Where all together tell, each by itself would only repeat it.
        yield about, {ANY: over[""]} if "" in over else over, still
