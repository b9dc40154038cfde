"""What is shown of a patient now: the value of ``patients.now``, from which a board or an EHR starts.

It adds nothing to what was decided. Scores of models that run in the shadow are left out, and so are the rows that make
a model's score repeatable; the alert that stands on it has them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from features.catalogue import Analyte
from features.instants import HOUR, parse, render
from features.record import Record
from models.lifecycle import ENDED, is_open
from models.outputs import Alert, Outcome, Reason, Score

#: How long an alert that is over is still told, so that whoever looks learns that it was withdrawn.
TOLD_AFTER: Final = 24 * HOUR


class Standing(msgspec.Struct, frozen=True):
    """The newest score of one kind: fields of ``models.outputs.Score``, of ``model`` the name and the version."""

    kind: str
    at: str
    score: float
    band: str
    abstained: bool
    interval: tuple[float, float]
    model: tuple[str, str]
    reasons: tuple[Reason, ...] = ()
    possible: tuple[Outcome, ...] = ()

    @classmethod
    def of(cls, score: Score) -> "Standing":
        """What is shown of a score."""
        return cls(
            score.kind,
            score.at,
            score.score,
            score.band,
            score.abstained,
            score.interval,
            (score.model.name, score.model.version),
            score.reasons,
            score.possible,
        )


class Place(msgspec.Struct, frozen=True):
    """Where the patient's whole record lies in the changelog: the first with the patient's key from ``offset`` on."""

    partition: int
    offset: int


class Now(msgspec.Struct, frozen=True, rename="camel"):
    """One patient: person and place as encounter records gave them, newest scores by kind, and alerts.

    ``at`` is the patient's now. ``newest`` has, for each group of analytes, when its newest value was measured or
    taken, and when it became known. ``alerts`` are the newest of each kind: those that are open, and those that ended
    within a day; ``since`` is when each was raised, by its id. ``bed`` and ``name`` are sealed where ``patient`` is a
    pseudonym.
    """

    patient: str
    at: str
    encounter: str | None = None
    ward: str | None = None
    bed: str | None = None
    name: str | None = None
    birth_date: str | None = None
    sex: str | None = None
    unit_type: str | None = None
    flags: tuple[str, ...] = ()
    admitted: str | None = None
    discharged: str | None = None
    newest: Mapping[str, tuple[str, str]] = {}
    scores: tuple[Standing, ...] = ()
    alerts: tuple[Alert, ...] = ()
    since: Mapping[str, str] = {}
    sealed: str | None = None
    record: Place | None = None


encode: Final = msgspec.json.Encoder(order="deterministic").encode
decode: Final = msgspec.json.Decoder(Now).decode


@dataclass(slots=True)
class News:
    """What was said of a patient since that was last shown, the newest of each kind.

    ``since`` is when the alert of each kind was first heard of, and ``others`` are the kinds that spoke of another
    alert before. ``begins`` says that the patient was not to be shown in between: what was shown before is forgotten.
    """

    scores: dict[str, Score] = field(default_factory=dict)
    alerts: dict[str, Alert] = field(default_factory=dict)
    since: dict[str, str] = field(default_factory=dict)
    others: set[str] = field(default_factory=set)
    begins: bool = False

    def hear(self, record: Record | None, scores: Iterable[Score], alerts: Iterable[Alert]) -> None:
        """Take in what one decision said, and the patient's record after it; ``None``: it was erased."""
        if record is None or is_gone(record):
            self.scores, self.alerts, self.since, self.others, self.begins = {}, {}, {}, set(), True
            return
        self.scores |= {one.kind: one for one in scores if not one.shadow}
        for one in alerts:
            known = self.alerts.get(one.kind)
            if known is None or known.id != one.id:
                self.since[one.kind] = one.at
                if known is not None:
                    self.others.add(one.kind)
            self.alerts[one.kind] = one


def is_gone(record: Record) -> bool:
    """Whether a patient is not shown: who was merged into another, or left and has no open alert."""
    stay = record.stay
    has_left = stay.discharged is not None and stay.discharged <= record.now
    return stay.into is not None or (has_left and not any(map(is_open, record.alerts.values())))


def now(before: Now | None, patient: str, record: Record, news: News, analytes: Mapping[str, Analyte]) -> Now | None:
    """What is shown after ``news``; ``None`` for nothing."""
    if is_gone(record):
        return None
    stay = record.stay
    if news.begins:
        before = None
    known = {} if before is None else {one.kind: one for one in before.alerts}
    alerts = still_told((one for _, one in sorted((known | news.alerts).items())), record.now)
    since = {} if before is None else dict(before.since)
    for kind, at in news.since.items():
        alert = news.alerts[kind]
        if kind in news.others or kind not in known or known[kind].id != alert.id:
            since[alert.id] = at
    scores = {} if before is None else {one.kind: one for one in before.scores}
    scores |= {kind: Standing.of(one) for kind, one in news.scores.items()}
    return Now(
        patient=patient,
        at=render(record.now),
        encounter=stay.encounter,
        ward=stay.ward,
        bed=stay.bed,
        name=stay.name,
        birth_date=stay.birth_date,
        sex=stay.sex,
        unit_type=stay.unit_type,
        flags=stay.flags,
        admitted=_rendered(stay.admitted),
        discharged=_rendered(stay.discharged),
        newest=_newest(record, analytes),
        scores=tuple(scores[kind] for kind in sorted(scores)),
        alerts=alerts,
        since={one.id: since[one.id] for one in alerts},
        sealed=record.sealed,
    )


def still_told(alerts: Iterable[Alert], instant: int) -> tuple[Alert, ...]:
    """Those that are open at an instant (ms), or ended not long before it."""
    return tuple(one for one in alerts if one.state not in ENDED or parse(one.at) > instant - TOLD_AFTER)


def _newest(record: Record, analytes: Mapping[str, Analyte]) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[int, int]] = {}
    for name, series in record.series.items():
        last = series.last(before=record.now)
        if last is not None and name in analytes:
            group = analytes[name].group
            found[group] = max(found.get(group, (0, 0)), (last.effective, last.issued))
    return {group: (render(effective), render(issued)) for group, (effective, issued) in sorted(found.items())}


def _rendered(instant: int | None) -> str | None:
    return None if instant is None else render(instant)
