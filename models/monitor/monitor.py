"""The fold over everything heard: hours are gathered, closed in order, and judged once closed.

An hour closes when time, as three patients have it, is a quarter of an hour past its end; what comes for it later is
counted and left out. So neither the order within an hour nor where a batch ended shows in what is said, and a fold that
goes on from a stored state says what one without a break would have said.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from features.instants import HOUR, MINUTE
from models.monitor.facts import Erased, Fact, Value
from models.monitor.hour import Hour
from models.monitor.inputs import Judged, judged_missing, judged_streams
from models.monitor.limits import Limits, limits
from models.monitor.newcomers import Newcomers
from models.monitor.notices import About, Found, Notice
from models.monitor.scores import judged_outcomes, judged_rates, judged_spreads
from models.monitor.silence import QUARTER, Source
from models.monitor.state import FRESH, Place, Point, State
from models.monitor.units import Ways

#: How long after its end an hour still takes facts.
LATE: Final = 15 * MINUTE
#: How often it is looked for silent sources.
_LOOK: Final = 5 * MINUTE
#: So many patients must have reached an instant before it counts as time: one wild date is none.
_WITNESSES: Final = 3
#: The age of patients is watched beside what is measured.
AGE: Final = "age"
_ENCOUNTERS: Final = "encounters"


@dataclass(slots=True)
class Monitor:
    """The watch. ``readers`` are the models that read an analyte, ``cards`` the least AUROC that a manifest states."""

    ways: Ways
    readers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    cards: Mapping[str, float] = field(default_factory=dict)
    state: State = field(default_factory=State)
    limits: Limits = field(default_factory=limits)

    @property
    def time(self) -> int | None:
        """How far time has come (ms); ``None`` before enough patients were heard of."""
        ahead = self.state.ahead
        return min(ahead.values()) if len(ahead) == _WITNESSES else None

    def hear(self, fact: Fact) -> list[Notice]:
        """Take a fact in, and say what there is to say."""
        state = self.state
        if isinstance(fact, Erased):
            state.erase(fact.patient)
            return []
        before = self.time
        self._see(fact.patient, fact.at)
        now = self.time
        if state.closes is not None and fact.at < state.closes:
            state.late += 1
            return []
        state.hours.setdefault(fact.at // HOUR * HOUR, Hour()).hear(fact)
        if isinstance(fact, Value):
            known = state.sources.setdefault(fact.source, Source(fact.at, fact.at))
            known.hear(fact.at)
        if now is None or now == before:
            return []
        if before is None or now - before >= self.limits.silence.minutes * MINUTE:
            state.awake = now
        if state.closes is None:
            state.closes = min(state.hours)
        return [*self._silences(now), *self._closed(now)]

    def _see(self, patient: str, at: int) -> None:
        ahead = self.state.ahead
        if patient in ahead or len(ahead) < _WITNESSES:
            ahead[patient] = max(at, ahead.get(patient, at))
            return
        last = min(ahead, key=lambda one: (ahead[one], one))
        if at > ahead[last]:
            del ahead[last]
            ahead[patient] = at

    def _silences(self, now: int) -> Iterable[Notice]:
        if now // _LOOK == self.state.looked:
            return
        self.state.looked = now // _LOOK
        for name, source in sorted(self.state.sources.items()):
            since = max(source.last, self.state.awake)
            awaited = source.silent(since, now, self.limits)
            minutes = (now - source.last) / MINUTE
            found = {} if awaited is None else {name: Found(source.last, {"minutes": minutes, "awaited": awaited})}
            yield from self._said([(About("silence", source=name), found, source.last <= now - _LOOK)], now, 0)

    def _closed(self, now: int) -> Iterable[Notice]:
        state = self.state
        while state.closes is not None and state.closes + HOUR + LATE <= now:
            hour = state.hours.pop(state.closes, None)
            if hour is None:  # nobody said anything: on to where somebody did
                state.closes = min([*state.hours, (now - LATE) // HOUR * HOUR])
                continue
            yield from self._judge(hour, state.closes)
            state.closes += HOUR

    def _judge(self, hour: Hour, start: int) -> Iterable[Notice]:
        state, end = self.state, start + HOUR
        self._apply(hour)
        for quarter, messages in enumerate(hour.messages):
            for name, source in state.sources.items():
                source.learn(messages[name], start + quarter * QUARTER, self.limits)
        state.forget(end)
        calm = self.limits.life.calm_hours
        for judged in (
            judged_streams(state, self.limits, self.ways, end),
            judged_missing(state, self.limits, hour, start),
            judged_spreads(state, self.limits, end),
            judged_rates(state, self.limits, hour, start),
            judged_outcomes(state, self.limits, self.cards, end),
        ):
            yield from self._said(judged, end, calm)

    def _apply(self, hour: Hour) -> None:
        state = self.state
        for patient, move in sorted(hour.moves.items()):
            if move.ward is None:
                state.places.pop(patient, None)
                continue
            known = state.places.get(patient)
            state.places[patient] = Place(move.ward, move.at if known is None else known.came)
            if known is None and move.age is not None:
                self._first(AGE, _ENCOUNTERS, move.at, move.age)
        for (analyte, source, patient), value in sorted(hour.values.items()):
            place = state.places.get(patient)
            new = patient not in state.values.get((analyte, source), ())
            told = place is not None and place.ward in state.notices.explained(analyte, source)
            if new and place is not None and value.at - place.came <= FRESH and not told:
                self._first(analyte, source, value.at, value.value)
            state.put(analyte, source, patient, Point(value.at, value.value, state.ward(patient)))
            state.outcomes.measured(patient, analyte, value.effective, value.value)
        for (kind, patient), score in sorted(hour.scores.items()):
            if not score.abstained:
                state.scores.setdefault(kind, {})[patient] = Point(score.at, score.score, state.ward(patient))
                state.outcomes.scored(score.at, patient, kind, score.score)

    def _first(self, analyte: str, source: str, at: int, value: float) -> None:
        self.state.newcomers.setdefault((analyte, source), Newcomers(at)).hear(at, value, self.limits)

    def _said(self, judged: Judged, at: int, calm: int) -> Iterable[Notice]:
        for about, over, still in judged:
            notice = self.state.notices.judge(about, over, still, at, calm, self.readers, self.limits.version)
            if notice is not None:
                yield notice
