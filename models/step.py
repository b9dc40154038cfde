"""The decision: one pure step, (record, events) -> (record, scores, alerts, refusals).

No clock, no Kafka, no file, no random number: the stream, the training, the evaluation and a replay all call this.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from features.catalogue import Catalogue, Refused
from features.events import Event
from features.instants import MINUTE, render
from features.record import OpenAlert, Record, apply
from features.series import Entry
from models.lifecycle import advance
from models.outputs import Alert, Evidence, Item, Score, Trigger, identify
from models.scorer import Scored, Scorer


@dataclass(frozen=True, slots=True)
class Decider:
    """All that a decision depends on besides the record and the events."""

    catalogue: Catalogue
    scorers: tuple[Scorer, ...]
    max_skew: int = 10 * MINUTE


@dataclass(frozen=True, slots=True)
class Place:
    """Where the events were read."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Decision:
    """The next record and what is to be said. ``refusals`` holds the position of an event and why it was not used."""

    record: Record
    scores: tuple[Score, ...] = ()
    alerts: tuple[Alert, ...] = ()
    refusals: tuple[tuple[int, Refused], ...] = ()


def step(decider: Decider, record: Record, patient: str, events: Sequence[Event], place: Place) -> Decision:
    """Apply the events of one record of the log in order, then judge once."""
    changed: set[str] = set()
    replaced: set[str] = set()
    items: list[tuple[str, str, int]] = []
    refusals: list[tuple[int, Refused]] = []
    for position, event in enumerate(events):
        try:
            applied = apply(record, event, decider.catalogue, decider.max_skew)
        except Refused as refusal:
            refusals.append((position, refusal))
            continue
        record = applied.record
        if applied.changed:
            items.append((event.type, event.id, event.version))
        changed |= applied.changed
        replaced |= applied.replaced
    if not changed:
        return Decision(record, refusals=tuple(refusals))

    cause = "\x1e".join(f"{kind}\x1f{id_}\x1f{version}" for kind, id_, version in items)
    trigger = Trigger(
        place.topic, place.partition, place.offset, tuple(Item(id_, version) for _, id_, version in items)
    )
    scores: list[Score] = []
    alerts: list[Alert] = []
    for scorer in decider.scorers:
        if scorer.inputs.isdisjoint(changed):
            continue
        scored = scorer.score(record)
        if scored is None:
            continue
        score = _name(scorer, scored, record, patient, cause, trigger)
        scores.append(score)
        if not scored.shadow:
            record, alert = _judge(scorer, scored, score, record, cause, frozenset(replaced))
            alerts += [alert] if alert else []
    return Decision(record, tuple(scores), tuple(alerts), tuple(refusals))


def _name(
    scorer: Scorer, scored: Scored, record: Record, patient: str, cause: str, trigger: Trigger
) -> Score:
    model = scorer.model
    return Score(
        id=identify("score", patient, record.now, cause, model.name, model.version),
        patient=patient,
        encounter=record.stay.encounter,
        at=render(record.now),
        model=model,
        kind=scorer.kind,
        score=scored.score,
        band=scored.band,
        abstained=scored.abstained,
        shadow=scored.shadow,
        interval=scored.interval,
        reasons=scored.reasons,
        trigger=trigger,
    )


def _judge(
    scorer: Scorer, scored: Scored, score: Score, record: Record, cause: str, replaced: frozenset[str]
) -> tuple[Record, Alert | None]:
    """The alert's next state, kept in the record, and what is to be said of it."""
    kind = scorer.kind
    known = record.alerts.get(kind)
    gone = known is not None and not replaced.isdisjoint(known.evidence)
    change = advance(scorer.policy, known, scored.low, scored.high, gone)
    if change is None:
        return record, None
    identifier = known.id if known else identify("alert", score.patient, kind, record.now, cause)
    sequence = known.sequence + 1 if known else 1
    alerts = {other: alert for other, alert in record.alerts.items() if other != kind}
    if change.state not in {"resolved", "retracted"}:
        evidence = tuple(entry.id for entry in scored.evidence)
        alerts[kind] = OpenAlert(identifier, sequence, change.level, evidence)
    alert = Alert(
        id=identifier,
        sequence=sequence,
        state=change.state,
        kind=kind,
        severity=scorer.policy.levels[change.level].severity,
        patient=score.patient,
        encounter=score.encounter,
        ward=record.stay.ward,
        at=score.at,
        title=scored.title,
        score=score,
        evidence=tuple(map(_evidence, scored.evidence)),
        trigger=score.trigger,
    )
    return replace(record, alerts=alerts), alert


def _evidence(entry: Entry) -> Evidence:
    value = entry.value if entry.sent is None else entry.sent
    return Evidence(
        id=entry.id,
        version=entry.version,
        code=entry.code,
        value=entry.text if value is None else value,
        unit=entry.unit,
        effective=render(entry.effective),
    )
