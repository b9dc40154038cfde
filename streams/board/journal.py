"""What became of each alert in the last weeks, and who lay where meanwhile: a patient's page tells it, the burden page
counts it. No topic, no clock.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Final, NamedTuple

from features.instants import DAY, MINUTE, parse
from models.outputs import LOUD, Alert

KEPT: Final = 30 * DAY
_MOST_ALERTS: Final = 20_000
_MOST_CHANGES: Final = 60
#: Reasons of a dismissal that say that the alert was not true.
_UNTRUE: Final = frozenset({"measurement-wrong", "does-not-fit"})
_ANSWERS: Final = frozenset({"acknowledge", "snooze", "dismiss"})
#: With fewer patient-days a rate is chance.
_LEAST_DAYS: Final = 10.0


class Change(NamedTuple):
    """A change of an alert: when (ms), to what, who is to have it, whose answer made it; empty: nobody."""

    at: int
    state: str
    severity: str
    ward: str
    held: bool
    role: str
    action: str
    by: str
    reason: str
    until: int | None

    @classmethod
    def of(cls, alert: Alert) -> "Change":
        """What an alert's record tells of the change that it is."""
        held, answer, ward = alert.suppressed is not None, alert.answer, alert.ward or ""
        told = (parse(alert.at), alert.state, alert.severity, ward, held, alert.role or "")
        if answer is None:
            return cls(*told, "", "", "", None)
        until = None if answer.until is None else parse(answer.until)
        return cls(*told, answer.action, answer.by or "", answer.reason or "", until)


@dataclass(frozen=True, slots=True)
class Figures:
    """A ward's alerts of the kept weeks that spoke aloud, and what was made of them; ``None`` where nothing tells.

    ``per_100_days`` are the alerts per 100 patient-days since the board began to watch, ``days`` those patient-days.
    ``answered`` is the share that somebody answered; ``taken`` and ``true`` are shares of those: that somebody took,
    and that nobody dismissed as untrue. ``minutes`` is the median time to the first answer.
    """

    ward: str
    alerts: int
    days: float
    per_100_days: float | None
    answered: float | None
    taken: float | None
    true: float | None
    minutes: float | None


@dataclass(slots=True)
class Journal:
    """The changes of each alert, by its id and sequence number; however often and in whatever order they are heard.

    ``since`` is from when on it is watched who lies where (ms), ``None`` while nobody watched.
    """

    since: int | None = None
    _changes: dict[str, dict[int, Change]] = field(default_factory=dict)
    _lain: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))

    def hear(self, alert: Alert) -> None:
        """``alerts`` says this."""
        changes = self._changes.setdefault(alert.id, {})
        if len(changes) < _MOST_CHANGES:
            changes[alert.sequence] = Change.of(alert)
        if len(self._changes) > _MOST_ALERTS:
            newest = sorted(self._changes, key=lambda one: max(change.at for change in self._changes[one].values()))
            for identifier in newest[: _MOST_ALERTS // 10]:
                del self._changes[identifier]

    def lie(self, wards: Mapping[str, int], since: int, until: int) -> None:
        """So many patients lay in each ward between two instants (ms)."""
        self.since = since if self.since is None else self.since
        for ward, patients in wards.items():
            self._lain[ward] += patients * (until - since)

    def history(self, alert: str) -> list[Change]:
        """The changes of an alert, the first of them first."""
        return [change for _, change in sorted(self._changes.get(alert, {}).items())]

    def figures(self, clock: int) -> list[Figures]:
        """What the wards' alerts come to at an instant (ms), by ward."""
        told: dict[str, list[list[Change]]] = defaultdict(list)
        for identifier in self._changes:
            aloud = _aloud(self.history(identifier))
            if aloud and aloud[0].at > clock - KEPT:
                told[aloud[0].ward].append(aloud)
        return [self._figures(ward, told[ward]) for ward in sorted({*told, *self._lain})]

    def _figures(self, ward: str, told: list[list[Change]]) -> Figures:
        days = self._lain.get(ward, 0) / DAY
        watched = sum(self.since is not None and one[0].at >= self.since for one in told)
        answers = [[change for change in one if change.action in _ANSWERS] for one in told]
        answered = [one for one in answers if one]
        waits = [(one[0].at - first.at) / MINUTE for (first, *_), one in zip(told, answers, strict=True) if one]
        return Figures(
            ward,
            len(told),
            days,
            100 * watched / days if days >= _LEAST_DAYS else None,
            _share(answered, told),
            _share([one for one in answered if any(change.action == "acknowledge" for change in one)], answered),
            _share([one for one in answered if not any(change.reason in _UNTRUE for change in one)], answered),
            median(waits) if waits else None,
        )


def _aloud(changes: Iterable[Change]) -> list[Change]:
    """An alert's changes from the first on that was neither held back nor for information alone."""
    found: list[Change] = []
    for change in changes:
        if found or (change.severity in LOUD and not change.held):
            found.append(change)
    return found


def _share(part: list[list[Change]], whole: list[list[Change]]) -> float | None:
    return len(part) / len(whole) if whole else None
