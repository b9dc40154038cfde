"""From a scorer's result to what is said of its alert, and to what the record keeps of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from msgspec import structs

from features.alert import AlertMemory
from features.events import Feedback
from features.instants import render
from features.record import Record, find
from features.series import Entry
from models.lifecycle import ENDED, Policy, Turn, Verdict, adopt, advance, escalate, is_open, leave, react
from models.outputs import Alert, Answer, Escalation, Evidence, Score, Suppressed, Text, Trigger, identify
from models.quiet import Manners
from models.scorer import Scored, Scorer
from models.words import worded


@dataclass(frozen=True, slots=True)
class Occasion:
    """What one record of the log brought: the objects that changed something, by type, id and version."""

    patient: str
    items: tuple[tuple[str, str, int], ...]
    replaced: frozenset[str]
    adopted: Mapping[str, AlertMemory]
    answers: tuple[Feedback, ...]
    trigger: Trigger


@dataclass(slots=True)
class Result:
    """What one scorer found of a patient; ``scored`` is ``None`` where it does not speak of them, or is ``stopped``.

    ``policy`` has the levels that hold where the patient is; ``score`` is the result with its name, once it has one.
    """

    scorer: Scorer
    manners: Manners
    policy: Policy
    scored: Scored | None
    stopped: bool = False
    score: Score | None = None

    def explain(self) -> None:
        """Work out the reasons, where that was put off."""
        if self.scored is not None and self.scored.why is not None:
            reasons, evidence = self.scored.why()
            self.scored = structs.replace(self.scored, reasons=reasons, evidence=evidence, why=None)


def name(result: Result, record: Record, occasion: Occasion) -> Score | None:
    """The score of a result, with its name and place: one and the same for the alert and for the list of scores."""
    scored = result.scored
    if scored is None or result.score is not None:
        return result.score
    scorer, patient = result.scorer, occasion.patient
    model = scorer.model
    result.score = Score(
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
        reasons=tuple(worded(reason, record) for reason in scored.reasons),
        trigger=occasion.trigger,
        possible=scored.possible,
    )
    return result.score


def tell(result: Result, record: Record, occasion: Occasion) -> tuple[Record, list[Alert]]:
    """The record with the alert's next memory, and the alert's changes.

    First an alert that comes with a merged patient, then the answers to it, then the verdict, and last whom it goes to.
    """
    kind, said = result.scorer.kind, list[Alert]()
    calm = result.scored is None or result.policy.reached(result.scored.low) < 0
    if calm and not record.told and kind not in record.alerts and kind not in occasion.adopted:
        return record, said  # most results by far: there is no alert, and none comes
    if kind in occasion.adopted:
        own = record.alerts.get(kind)
        turn = adopt(own, occasion.adopted[kind])
        if not is_open(own):
            record = _turned(result, record, turn, said, occasion)
        elif turn.state is not None:
            said.append(_alert(result, turn, record, occasion))
    for answer in occasion.answers:
        known = record.alerts.get(kind)
        if known is not None and answer.alert == known.id:
            turn = react(result.manners.quiet, known, answer, record.now)
            record = _turned(result, record, turn, said, occasion, answer)
    turn = _judged(result, record, occasion)
    if turn.memory is not None and turn.state is not None and result.scored is not None and result.scored.why:
        result.explain()
        if result.policy.reached(result.scored.low) >= turn.memory.level:
            memory = structs.replace(turn.memory, evidence=_ids(result.scored))
            turn = structs.replace(turn, memory=memory)
    record = _turned(result, record, turn, said, occasion)
    return _turned(result, record, escalate(record.alerts.get(kind), record.now), said, occasion), said


def _judged(result: Result, record: Record, occasion: Occasion) -> Turn:
    kind, known, scored = result.scorer.kind, record.alerts.get(result.scorer.kind), result.scored
    gone = known is not None and not occasion.replaced.isdisjoint(known.evidence)
    if scored is None or scored.shadow:
        return leave(known, gone=gone)
    held, until = result.manners.held(record)
    verdict = Verdict(
        now=record.now,
        low=scored.low,
        high=scored.high,
        evidence=_ids(scored),
        findings=tuple(one.name for one in scored.findings),
        always=frozenset(one.name for one in scored.findings if one.always),
        gone=gone,
        held=held,
        held_until=until,
        elsewhere=result.manners.told_elsewhere(record, scored.evidence),
        renewed=known is not None and _renewed(record, known),
    )
    return advance(
        result.policy,
        result.manners.quiet,
        known,
        verdict,
        _told(record, kind),
        lambda: identify("alert", occasion.patient, kind, record.now, occasion.items),
    )


def _renewed(record: Record, alert: AlertMemory) -> bool:
    """Whether a result of what a snoozed alert rests on became known since, where the snooze waits for one."""
    if not alert.asleep_since:
        return False
    places = [find(record, one) for one in alert.evidence]
    rests = {place[0] for place in places if place is not None}
    return any(one.issued > alert.asleep_since for name in rests for one in record.series[name].entries)


def _turned(
    result: Result, record: Record, turn: Turn, said: list[Alert], occasion: Occasion, answer: Feedback | None = None
) -> Record:
    """The record after a turn; what the turn says is added to ``said``."""
    kind = result.scorer.kind
    if turn.state is not None:
        said.append(_alert(result, turn, record, occasion, answer))
    as_it_was = turn.told is None or turn.told == _told(record, kind)
    if as_it_was and turn.memory == record.alerts.get(kind):
        return record
    alerts = {one: other for one, other in record.alerts.items() if one != kind}
    if turn.memory is not None:
        alerts[kind] = turn.memory
    told = record.told
    if turn.told is not None:
        others = {one: at for one, at in told.items() if not one.startswith(f"{kind}/")}
        told = {**others, **{f"{kind}/{one}": at for one, at in turn.told.items()}}
    return replace(record, alerts=alerts, told=told)


def _told(record: Record, kind: str) -> dict[str, int]:
    """When each finding of a kind was last told."""
    if not record.told:
        return {}
    prefix = f"{kind}/"
    return {one.removeprefix(prefix): at for one, at in record.told.items() if one.startswith(prefix)}


def _ids(scored: Scored) -> tuple[str, ...]:
    return tuple(entry.id for entry in scored.evidence)


def _alert(result: Result, turn: Turn, record: Record, occasion: Occasion, answer: Feedback | None = None) -> Alert:
    result.explain()
    scorer, scored, memory = result.scorer, result.scored, turn.memory
    assert memory is not None
    assert turn.state is not None
    speaks = scored is not None and not scored.shadow
    return Alert(
        id=memory.id,
        sequence=memory.sequence,
        state=turn.state,
        kind=scorer.kind,
        severity=result.policy.severity(memory.level),
        patient=occasion.patient,
        encounter=record.stay.encounter,
        ward=record.stay.ward,
        at=render(record.now),
        title=scored.title if scored is not None and speaks else _silent(result),
        score=name(result, record, occasion),
        evidence=tuple(map(_evidence, scored.evidence)) if scored is not None and speaks else (),
        trigger=occasion.trigger,
        suppressed=None if turn.state in ENDED else _suppressed(memory.held, memory.held_until),
        answer=None if answer is None else _answer(answer, memory),
        role=memory.role,
        escalates=_escalates(memory),
        sealed=record.sealed,
    )


def _suppressed(reason: str | None, until: int) -> Suppressed | None:
    return None if reason is None else Suppressed(reason, render(until) if until else None)


def _escalates(memory: AlertMemory) -> Escalation | None:
    return next((Escalation(one.role, render(one.at)) for one in memory.escalations), None)


def _answer(feedback: Feedback, memory: AlertMemory) -> Answer:
    until = feedback.until if isinstance(feedback.until, int) else memory.snoozed_until
    return Answer(
        id=feedback.id,
        action=feedback.action,
        by=feedback.by,
        reason=feedback.reason,
        at=render(feedback.at),
        until=render(until) if until else None,
        next_result=bool(memory.asleep_since),
    )


def _silent(result: Result) -> Text:
    kind = result.scorer.kind
    if result.stopped:
        return Text(f"{kind}: stopped, it watches no more", f"{kind}: stoppet, der overvåges ikke mere")
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
