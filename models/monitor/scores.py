"""What models say, held against what they said in the first days, and against what came true."""

from collections import defaultdict
from collections.abc import Mapping

from models.monitor.distribution import Distribution, drift
from models.monitor.hour import Hour
from models.monitor.inputs import Judged
from models.monitor.limits import Limits
from models.monitor.notices import EVERYWHERE, About, Found, Type
from models.monitor.rate import Rate, summed
from models.monitor.state import Point, State, Told
from models.monitor.statistics import auroc

#: Of how many scores discrimination is judged: the newest.
_RECENT = 2000


def judged_spreads(state: State, limits: Limits, end: int) -> Judged:
    """How the scores lie that stand for patients at the ``end`` of an hour."""
    for kind, patients in sorted(state.scores.items()):
        wards: dict[str, list[tuple[str, Point]]] = defaultdict(list)
        for patient, point in sorted(patients.items()):
            wards[EVERYWHERE].append((patient, point))
            if point.ward != EVERYWHERE:
                wards[point.ward].append((patient, point))
        for ward, points in sorted(wards.items()):
            one = state.spreads.setdefault((kind, ward), Distribution())
            if one.usual is None:
                if one.lesson():
                    one.learn([(patient, point.value) for patient, point in points], (), limits)
                continue
            if len(points) < limits.learning.patients or (ward and About("scores", kind) in state.notices.open):
                continue
            found = drift(one.usual, [point.value for _, point in points])
            share = found.share(limits)
            told = Found(end, {"psi": found.psi, "patients": len(points)})
            yield About("scores", kind, ward=ward), {kind: told} if share >= 1 else {}, share >= 0.5


def judged_rates(state: State, limits: Limits, hour: Hour, start: int) -> Judged:
    """How often models abstain (at a patient's first score of a day), alert, and are dismissed as not fitting."""
    heard: dict[tuple[Type, str, str], tuple[float, float]] = {}

    def add(what: Type, kind: str, ward: str, events: float, occasions: float) -> None:
        for place in {EVERYWHERE, ward}:
            before, of = heard.get((what, kind, place), (0.0, 0.0))
            heard[what, kind, place] = before + events, of + occasions

    for (kind, patient), score in hour.scores.items():
        if state.first_today(kind, patient, score.at):
            add("abstention", kind, state.ward(patient), score.abstained, 1)
    for alert in hour.alerts.values():
        if alert.refuted:
            add("refusals", alert.model, EVERYWHERE, 1, 0)
        else:
            add("refusals", alert.model, EVERYWHERE, 0, 1)
            add("alerts", alert.model, state.ward(alert.patient), 1, 0)
    patients = {patient for _, _, patient in hour.values}
    for kind in sorted({kind for what, kind, _, _ in state.rates if what == "alerts"} | {one for _, one, _ in heard}):
        for patient in patients:
            add("alerts", kind, state.ward(patient), 0, 1)
    for (what, kind, ward), (events, occasions) in sorted(heard.items()):
        rate = state.rates.setdefault((what, kind, "", ward), Rate())
        rate.hear(events, occasions, start, limits)
        about = About(what, kind, ward=ward)
        if ward and about._replace(ward=EVERYWHERE) in state.notices.open:
            continue
        top = max(rate.up, rate.down) if what == "alerts" else rate.up
        found = Found(rate.since, {"sum": top, "usual_share": rate.share or 0.0})
        yield about, {kind: found} if top >= limits.rate.sum else {}, top >= limits.rate.sum / 2


def judged_outcomes(state: State, limits: Limits, cards: Mapping[str, float], end: int) -> Judged:
    """What came true of what models foretold; ``cards`` has the least AUROC that each model's manifest states."""
    fresh: dict[str, list[tuple[float, bool]]] = defaultdict(list)
    for kind, score, met in state.outcomes.known(end):
        fresh[kind].append((score, met))
    for kind, outcomes in sorted(fresh.items()):
        told = state.told.setdefault(kind, Told())
        for score, met in outcomes:
            told.sums = summed(told.sums, (met, 1), (score, score), end, limits)
        told.recent = [*told.recent, *outcomes][-_RECENT:]
        up, down, since = told.sums
        top = max(up, down)
        found = Found(since, {"up": up, "down": down})
        yield About("calibration", kind), {kind: found} if top >= limits.rate.sum else {}, top >= limits.rate.sum / 2
        events = [score for score, met in told.recent if met]
        others = [score for score, met in told.recent if not met]
        if kind in cards and min(len(events), len(others)) >= limits.outcome.events:
            area, error = auroc(events, others)
            off = (cards[kind] - area) / error if error else 0.0
            worse = Found(end, {"auroc": area, "error": error, "card": cards[kind]})
            over = off >= limits.outcome.errors
            yield About("discrimination", kind), {kind: worse} if over else {}, off >= limits.outcome.errors / 2
