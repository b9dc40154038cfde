"""What the topics say of every patient now, held in memory.

``patients.now`` comes up to a second after the alerts and scores that it stands for, so of each kind the newest counts,
whichever topic told it.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeVar

from msgspec.structs import replace

from features.instants import HOUR, parse
from models.lifecycle import ENDED
from models.outputs import Alert, Score
from models.roster import Stop, stopped
from streams.now import Now, Standing, still_told

#: Scores of a model that are kept for its course: those of a day, and not more than so many.
TRACE: Final = 24 * HOUR
_MOST_TRACED: Final = 500
#: Points and stages of rules say enough by themselves; a probability is read by its course.
_TRACED: Final = "-risk"


_Told = TypeVar("_Told", Alert, Standing)


class Point(NamedTuple):
    """A score of the past: the patient's instant (ms), the score and its band."""

    at: int
    score: float
    band: str


@dataclass(slots=True)
class Beat:
    """A partition's last heartbeat: when it was heard (s, monotonic), its time, whether the workers are live.

    ``stops`` are the kinds and wards that are not watched there.
    """

    heard: float
    at: str
    live: bool
    stops: tuple[Stop, ...] = ()


@dataclass(slots=True)
class House:
    """All patients who are shown. ``changed`` is told the name of each who changes, comes or goes."""

    changed: Callable[[str], None] = lambda _: None
    patients: dict[str, Now] = field(default_factory=dict)
    beats: dict[int, Beat] = field(default_factory=dict)
    _traces: dict[tuple[str, str], deque[Point]] = field(default_factory=dict)
    #: Who is shown for an alert alone: ``patients.now`` has said nothing of them yet, or that they are gone.
    _for_alerts: set[str] = field(default_factory=set)

    @property
    def stops(self) -> list[Stop]:
        """What is stopped on any partition, each kind and ward once."""
        found = {(one.kind or "", one.ward or ""): one for beat in self.beats.values() for one in beat.stops}
        return [found[key] for key in sorted(found)]

    def hear_beat(self, partition: int, beat: Beat) -> None:
        """A partition is awake. What is stopped now was last scored before: those scores are shown no more."""
        before = self.stops
        self.beats[partition] = beat
        if self.stops != before:
            for patient, known in self.patients.items():
                self.patients[patient] = self._watched(known)
                self.changed(patient)

    def _watched(self, now: Now) -> Now:
        """A patient without the scores of what is stopped."""
        stops = self.stops
        if not stops:
            return now
        return replace(now, scores=tuple(one for one in now.scores if not stopped(stops, one.kind, now.ward)))

    def hear_now(self, patient: str, told: Now | None) -> None:
        """``patients.now`` says this of a patient; ``None``: the patient is not shown any more."""
        self._for_alerts.discard(patient)
        if told is None:
            self.patients.pop(patient, None)
            for key in [key for key in self._traces if key[0] == patient]:
                del self._traces[key]
        else:
            known = self.patients.get(patient)
            self.patients[patient] = self._watched(told if known is None else _joined(told, known))
        self.changed(patient)

    def hear_alert(self, alert: Alert) -> None:
        """``alerts`` says this.

        A board that starts hears again of who left meanwhile: with the end of the last alert they are gone again.
        """
        known = self.patients.get(alert.patient)
        if known is None:
            if alert.state in ENDED:
                return
            self._for_alerts.add(alert.patient)
        known = known or Now(patient=alert.patient, at=alert.at, ward=alert.ward, encounter=alert.encounter)
        alerts = tuple(_newest([*known.alerts, alert], _follows))
        if alert.patient in self._for_alerts and all(one.state in ENDED for one in alerts):
            self.hear_now(alert.patient, None)
            return
        since = {one.id: known.since.get(one.id, one.at) for one in alerts}
        self.patients[alert.patient] = replace(known, at=max(known.at, alert.at), alerts=alerts, since=since)
        self.changed(alert.patient)

    def hear_scores(self, scores: Iterable[Score]) -> None:
        """``risk.scores`` says this, of one patient; who is not shown is not shown for a score alone."""
        shown = [one for one in scores if not one.shadow]
        known = self.patients.get(shown[0].patient) if shown else None
        if known is None:
            return
        for one in shown:
            if one.kind.endswith(_TRACED) and not one.abstained:
                self._trace(one)
        standing = _newest([*known.scores, *map(Standing.of, shown)], _later)
        at = max(known.at, *(one.at for one in shown))
        self.patients[known.patient] = self._watched(replace(known, at=at, scores=tuple(standing)))
        self.changed(known.patient)

    def trace(self, patient: str, kind: str) -> list[Point]:
        """The course of a patient's score, oldest first."""
        return sorted(self._traces.get((patient, kind), ()))

    def _trace(self, score: Score) -> None:
        points = self._traces.setdefault((score.patient, score.kind), deque(maxlen=_MOST_TRACED))
        points.append(Point(parse(score.at), score.score, score.band))
        while points[0].at < points[-1].at - TRACE:
            points.popleft()


def _joined(told: Now, known: Now) -> Now:
    """What was told, with what is newer than it."""
    alerts = still_told(_newest([*told.alerts, *known.alerts], _follows), parse(max(told.at, known.at)))
    since = {**known.since, **told.since}
    return replace(
        told,
        at=max(told.at, known.at),
        alerts=alerts,
        since={one.id: since[one.id] for one in alerts},
        scores=tuple(_newest([*known.scores, *told.scores], _later)),
    )


def _newest(told: Iterable[_Told], follows: Callable[[_Told, _Told], bool]) -> list[_Told]:
    """Of each kind the newest, by kind."""
    found: dict[str, _Told] = {}
    for one in told:
        known = found.get(one.kind)
        if known is None or follows(one, known):
            found[one.kind] = one
    return [found[kind] for kind in sorted(found)]


def _later(one: Standing, known: Standing) -> bool:
    return one.at >= known.at


def _follows(one: Alert, known: Alert) -> bool:
    """An alert's changes follow each other, and so do a kind's alerts: of two at one instant the open one is newer."""
    if one.id == known.id:
        return one.sequence >= known.sequence
    return (one.at, one.state not in ENDED) >= (known.at, known.state not in ENDED)
