"""The decision: one pure step, (record, events) -> (record, scores, alerts, refusals).

No clock, no Kafka, no file, no random number: the stream, the evaluation and a replay all call this.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from features.catalogue import Catalogue, Refused
from features.events import Event
from features.instants import MINUTE, render
from features.record import OpenAlert, Record, apply
from features.series import Entry
from models.lifecycle import ENDED, advance, leave
from models.outputs import Alert, Evidence, Item, Score, Text, Trigger, identify
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
    """The next record and what is to be said; of each event not used, its position and why."""

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

    used = tuple(Item(name, version) for _, name, version in items)
    trigger = Trigger(place.topic, place.partition, place.offset, used)
    occasion = _Occasion(patient, tuple(items), frozenset(replaced), trigger)
    scores: list[Score] = []
    alerts: list[Alert] = []
    for scorer in decider.scorers:
        if scorer.inputs.isdisjoint(changed):
            continue
        scored = scorer.score(record)
        score = None if scored is None else _name(scorer, scored, record, occasion)
        record, alert = _judge(scorer, scored, score, record, occasion)
        scores += [score] if score else []
        alerts += [alert] if alert else []
    return Decision(record, tuple(scores), tuple(alerts), tuple(refusals))


@dataclass(frozen=True, slots=True)
class _Occasion:
    """What one record of the log brought: the objects that changed something, by type, id and version."""

    patient: str
    items: tuple[tuple[str, str, int], ...]
    replaced: frozenset[str]
    trigger: Trigger


def _name(scorer: Scorer, scored: Scored, record: Record, occasion: _Occasion) -> Score:
    model, patient = scorer.model, occasion.patient
    return Score(
        id=identify("score", patient, record.now, occasion.items, model.name, model.version),
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
        trigger=occasion.trigger,
    )


def _judge(
    scorer: Scorer, scored: Scored | None, score: Score | None, record: Record, occasion: _Occasion
) -> tuple[Record, Alert | None]:
    """The alert's next state, kept in the record, and what is to be said of it."""
    kind, patient = scorer.kind, occasion.patient
    known = record.alerts.get(kind)
    evidence: tuple[Entry, ...] = ()
    if scored is None or scored.shadow:
        change, title = leave(known), _not_for(kind)
    else:
        gone = known is not None and not occasion.replaced.isdisjoint(known.evidence)
        change = advance(scorer.policy, known, scored.low, scored.high, gone)
        title, evidence = scored.title, scored.evidence
        if known and change is None and scorer.policy.reached(scored.low) == known.level:
            # Nothing to say, but the alert rests on the newer observations from now on.
            return _keep(record, kind, known.id, known.sequence, known.level, evidence), None
    if change is None:
        return record, None
    identifier = known.id if known else identify("alert", patient, kind, record.now, occasion.items)
    sequence = known.sequence + 1 if known else 1
    alert = Alert(
        id=identifier,
        sequence=sequence,
        state=change.state,
        kind=kind,
        severity=scorer.policy.levels[change.level].severity,
        patient=patient,
        encounter=record.stay.encounter,
        ward=record.stay.ward,
        at=render(record.now),
        title=title,
        score=score,
        evidence=tuple(map(_evidence, evidence)),
        trigger=occasion.trigger,
    )
    if change.state in ENDED:
        rest = {other: open_ for other, open_ in record.alerts.items() if other != kind}
        return replace(record, alerts=rest), alert
    return _keep(record, kind, identifier, sequence, change.level, evidence), alert


def _keep(record: Record, kind: str, identifier: str, sequence: int, level: int, evidence: tuple[Entry, ...]) -> Record:
    alert = OpenAlert(identifier, sequence, level, tuple(entry.id for entry in evidence))
    return replace(record, alerts={**record.alerts, kind: alert})


def _not_for(kind: str) -> Text:
    return Text(f"{kind}: not for this patient any more", f"{kind}: ikke længere for denne patient")


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
