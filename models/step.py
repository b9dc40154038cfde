"""The decision: one pure step, (record, events) -> (record, scores, alerts, refusals, sends).

No clock, no Kafka, no file, no random number: the stream, the evaluation and a replay all call this.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from features.alert import AlertMemory
from features.apply import apply
from features.catalogue import Catalogue, Refused
from features.events import Event, Feedback, Note, RemoteScore
from features.instants import MINUTE
from features.record import ENCOUNTER, NOTE, TREATMENT, Record
from features.series import KEPT, LONG_LIVED
from models.handover import Send, hand_over
from models.lifecycle import due, is_open
from models.outputs import Alert, Item, Score, Trigger
from models.quiet import Quietness, quietness
from models.reader import found_in
from models.remote import Question, ask, check
from models.scorer import Scorer
from models.telling import Occasion, Result, name, tell

#: What may hold an alert back, or end it, though it is no input of the score.
_MOVING = frozenset({ENCOUNTER, TREATMENT})


@dataclass(frozen=True, slots=True)
class Decider:
    """All that a decision depends on besides the record and the events."""

    catalogue: Catalogue
    scorers: tuple[Scorer, ...]
    max_skew: int = 10 * MINUTE
    quiet: Quietness = field(default_factory=quietness)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the events were read."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Decision:
    """The next record and what is to be said; of each event not used, its position and why.

    ``questions`` are those to models that run elsewhere.
    """

    record: Record
    scores: tuple[Score, ...] = ()
    alerts: tuple[Alert, ...] = ()
    refusals: tuple[tuple[int, Refused], ...] = ()
    sends: tuple[Send, ...] = ()
    questions: tuple[Question, ...] = ()


def step(decider: Decider, record: Record, patient: str, events: Sequence[Event], place: Place) -> Decision:
    """Apply the events of one record of the log in order, then judge once.

    A patient who is merged into another is not judged: what comes is handed over.
    """
    before = record
    adopted: dict[str, AlertMemory] = {}
    changed: set[str] = set()
    replaced: set[str] = set()
    used: list[Event] = []
    refusals: list[tuple[int, Refused]] = []
    for position, event in enumerate(events):
        try:
            if isinstance(event, RemoteScore):
                check(decider.scorers, event)
            read = found_in(decider.scorers, event) if isinstance(event, Note) else None
            applied = apply(record, event, decider.catalogue, decider.max_skew, read)
        except Refused as refusal:
            refusals.append((position, refusal))
            continue
        record = applied.record
        if applied.changed or applied.adopted or isinstance(event, Feedback):
            used.append(event)
        adopted |= applied.adopted
        changed |= applied.changed
        replaced |= applied.replaced

    sends: tuple[Send, ...] = ()
    if before.stay.into is not None or record.stay.into is not None:
        record, sends = hand_over(patient, before, record, used, adopted)
        if record.stay.into is not None:
            return Decision(record, refusals=tuple(refusals), sends=sends)
        changed |= {*record.series, ENCOUNTER, TREATMENT, NOTE}

    occasion = Occasion(
        patient=patient,
        items=tuple((one.type, one.id, one.version) for one in used),
        replaced=frozenset(replaced),
        adopted=adopted,
        answers=tuple(one for one in used if isinstance(one, Feedback)),
        trigger=Trigger(place.topic, place.partition, place.offset, tuple(Item(one.id, one.version) for one in used)),
    )
    scores: list[Score] = []
    alerts: list[Alert] = []
    for scorer in decider.scorers:
        reads = not scorer.inputs.isdisjoint(changed)
        known = record.alerts.get(scorer.kind)
        if not reads and known is None and scorer.kind not in adopted:
            continue
        manners = decider.quiet.of(scorer.kind)
        over = manners.ended_with(record)
        speaks = reads and not over
        moved = scorer.kind in adopted or (
            known is not None
            and (
                over
                or not _MOVING.isdisjoint(changed)
                or (is_open(known) and due(known, manners.quiet) <= record.now)
                or any(one.alert == known.id for one in occasion.answers)
            )
        )
        if not speaks and not moved:
            continue
        policy = manners.policy(scorer.policy, record.stay)
        result = Result(scorer, manners, policy, None if over else scorer.score(record))
        record, said = tell(result, record, occasion)
        score = name(result, record, occasion) if speaks else None
        scores += [score] if score else []
        alerts += said
    record, questions = ask(decider.scorers, record, changed)
    return Decision(record, tuple(scores), tuple(alerts), tuple(refusals), sends, questions)


def wakes_at(decider: Decider, record: Record) -> int | None:
    """The instant from which time alone changes something of this patient, in ms since the epoch; ``None`` for never.

    That is an open alert, or after a discharge the record itself, which then keeps daily extremes alone of most.
    """
    instants = []
    for scorer in decider.scorers:
        alert = record.alerts.get(scorer.kind)
        if alert is not None and is_open(alert):
            instants.append(due(alert, decider.quiet.of(scorer.kind).quiet))
    left = record.stay.discharged
    if instants and left is not None and left > record.now:
        instants.append(left)
    if left is not None and any(one.entries for name, one in record.series.items() if name not in LONG_LIVED):
        instants.append(record.now + KEPT + 1)
    return min(instants, default=None)
