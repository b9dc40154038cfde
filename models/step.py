"""The decision: one pure step, (record, events) -> (record, scores, alerts, refusals, sends).

No clock, no Kafka, no file, no random number: the stream, the evaluation and a replay all call this.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from msgspec import structs

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
from models.roster import NEW, Roster, seated, stopped
from models.scorer import Scorer
from models.telling import Occasion, Result, name, tell

#: What may hold an alert back, or end it, though it is no input of the score.
_MOVING = frozenset({ENCOUNTER, TREATMENT})


@dataclass(frozen=True, slots=True)
class Decider:
    """All that a decision depends on besides the record and the events.

    ``loaded`` are all models and rules; the ``roster`` says which of them are live (``scorers``), of each kind one, and
    which score in shadow (``shadows``).

    Raises:
        RosterError: the roster names a model that is not loaded.
    """

    catalogue: Catalogue
    loaded: tuple[Scorer, ...]
    max_skew: int = 10 * MINUTE
    quiet: Quietness = field(default_factory=quietness)
    roster: Roster = NEW
    scorers: tuple[Scorer, ...] = field(init=False)
    shadows: tuple[Scorer, ...] = field(init=False)
    #: The roster's short name; empty for that which no control record changed.
    roster_digest: str = field(init=False)

    def __post_init__(self) -> None:
        live, shadows = seated(self.roster, self.loaded)
        object.__setattr__(self, "roster_digest", "" if self.roster == NEW else self.roster.digest())
        object.__setattr__(self, "scorers", live)
        object.__setattr__(self, "shadows", shadows)

    def stops(self, scorer: Scorer, record: Record) -> bool:
        """Whether a scorer is stopped for the patient, where that is now."""
        return bool(self.roster.stops) and stopped(self.roster.stops, scorer.kind, record.stay.ward)

    def running(self, record: Record) -> tuple[Scorer, ...]:
        """Those that score this patient where that is now, be it in shadow."""
        both = (*self.scorers, *self.shadows)
        return tuple(one for one in both if not self.stops(one, record)) if self.roster.stops else both


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
                check(decider.loaded, event)
            read = found_in(decider.loaded, event) if isinstance(event, Note) else None
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
        ended = decider.stops(scorer, record)
        over = ended or manners.ended_with(record)
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
        result = Result(scorer, manners, policy, None if over else scorer.score(record), ended)
        record, said = tell(result, record, occasion)
        score = name(result, record, occasion) if speaks else None
        scores += [score] if score else []
        alerts += said
    scores += _in_shadow(decider, record, changed, occasion)
    record, questions = ask(decider.running(record), record, changed)
    return Decision(record, tuple(scores), tuple(alerts), tuple(refusals), sends, questions)


def _in_shadow(decider: Decider, record: Record, changed: set[str], occasion: Occasion) -> Iterator[Score]:
    """What those in shadow give; nobody is told, and the record keeps nothing of it."""
    for scorer in decider.shadows:
        manners = decider.quiet.of(scorer.kind)
        if scorer.inputs.isdisjoint(changed) or decider.stops(scorer, record) or manners.ended_with(record):
            continue
        scored = scorer.score(record)
        if scored is not None:
            result = Result(scorer, manners, scorer.policy, structs.replace(scored, shadow=True))
            yield from filter(None, [name(result, record, occasion)])


def wakes_at(decider: Decider, record: Record) -> int | None:
    """The instant from which time alone changes something of this patient, in ms since the epoch; ``None`` for never.

    That is an open alert, or after a discharge the record itself, which then keeps daily extremes alone of most.
    """
    instants = []
    for scorer in decider.scorers:
        alert = record.alerts.get(scorer.kind)
        if alert is not None and is_open(alert):
            ends = decider.stops(scorer, record)
            instants.append(record.now if ends else due(alert, decider.quiet.of(scorer.kind).quiet))
    left = record.stay.discharged
    if instants and left is not None and left > record.now:
        instants.append(left)
    if left is not None and any(one.count for name, one in record.series.items() if name not in LONG_LIVED):
        instants.append(record.now + KEPT + 1)
    return min(instants, default=None)
