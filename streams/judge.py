"""What follows from one record of ``events``: a pure function of the record, the terms and the patient's history.

The worker calls it to decide, and the audit to decide again.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from features.catalogue import Refused
from features.events import Control, Observation, parse_control
from features.instants import render
from features.record import Record
from models.erasure import farewell
from models.handover import Send
from models.outputs import Alert, Score
from models.remote import Question
from models.roster import Change, apply
from models.step import Decider, Place, step
from streams import intake
from streams.deadletter import Source
from streams.intake import Intake
from streams.log import logger
from streams.partitioner import partition_of
from streams.terms import Terms
from streams.topics import OWN_KEY

_LOG = logger(__name__)

#: The header of a record that was moved to its key's partition; it is moved once only.
REKEYED = "vagt-rekeyed"
#: Records with this key speak to the service itself, and lie on every partition.
CONTROL_KEY = b"_control"


@dataclass(frozen=True, slots=True)
class Judged:
    """What follows from a record.

    ``patient`` is whom it changes, ``None`` for nobody; ``record`` is that patient's next record, ``None`` to erase it.
    ``items`` are the objects that were taken, by type, id and version; ``moved_to`` is the partition of a record that
    lay on another.
    """

    patient: str | None = None
    record: Record | None = None
    scores: tuple[Score, ...] = ()
    alerts: tuple[Alert, ...] = ()
    sends: tuple[Send, ...] = ()
    questions: tuple[Question, ...] = ()
    items: tuple[tuple[str, str, int], ...] = ()
    refusals: tuple[tuple[int, Refused], ...] = ()
    moved_to: int | None = None
    #: Who measured: the performers of the observations that were taken.
    performers: frozenset[str] = frozenset()
    #: Under which name the audit speaks of the patient.
    subject: str | None = None
    now: int | None = None
    #: What a control record made of the roster.
    change: Change | None = None


def judge(
    terms: Terms,
    decider: Decider,
    source: Source,
    history: Callable[[str], Record],
    new_subject: Callable[[], str],
) -> Judged:
    """Decide one record of ``events``; whatever it holds, it gives an answer.

    ``history`` gives a patient's record, or raises a ValueError where that cannot be read; ``new_subject`` gives a name
    for a patient who has none in the audit yet.
    """
    try:
        if _is_elsewhere(source, terms.partitions):
            return Judged(moved_to=partition_of(source.key or b"", terms.partitions))
        if source.key == CONTROL_KEY:
            return _control(terms, decider, source, history)
        patient, taken = take(source, terms)
        before = _readable(source, history, patient)
        if before.subject is None:
            before = replace(before, subject=new_subject())
        place = Place(source.topic, source.partition, source.offset)
        decision = step(decider, before, patient, [event for _, event in taken.events], place)
    except Refused as refused:
        return Judged(refusals=((0, refused),))
    except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError) as error:
        # A fault of the service's own: the patient's record stays as it was, and the others' stream goes on.
        _LOG.error("decision.failed", partition=source.partition, offset=source.offset, error=where(error))
        return Judged(refusals=((0, Refused("internal-error", type(error).__name__)),))
    late = dict(decision.refusals)
    refusals = [*taken.refusals, *((taken.events[position][0], refused) for position, refused in late.items())]
    return Judged(
        patient=patient,
        record=decision.record,
        scores=decision.scores,
        alerts=decision.alerts,
        sends=decision.sends,
        questions=decision.questions,
        items=tuple(
            (event.type, event.id, event.version)
            for position, (_, event) in enumerate(taken.events)
            if position not in late
        ),
        refusals=tuple(sorted(refusals, key=lambda one: one[0])),
        performers=frozenset(event.performer or "" for _, event in taken.events if isinstance(event, Observation)),
        subject=before.subject,
        now=decision.record.now,
    )


def take(source: Source, terms: Terms) -> tuple[str, Intake]:
    """The patient whom a record is about, and what can be used of it.

    Raises:
        Refused: nothing of the record can be used.
    """
    key = source.key or b""
    if key.startswith(OWN_KEY):
        raise Refused("wrong-subject", "a patient's identifier does not begin with a NUL character")
    try:
        patient = key.decode()
    except UnicodeDecodeError:
        raise Refused("wrong-subject", "the record's key is not UTF-8 text") from None
    taken = intake.read(source.value, patient, terms.max_event_bytes, terms.pseudonymous)
    if not terms.live:
        return patient, taken
    latest = source.timestamp + terms.max_skew_ms
    early = Refused("implausible", "it became known later than Kafka had it (VAGT_MAX_SKEW)")
    return patient, Intake(
        tuple(one for one in taken.events if one[1].known <= latest),
        (*taken.refusals, *((index, early) for index, event in taken.events if event.known > latest)),
    )


def where(error: BaseException) -> str:
    """The kind and place of a fault, without its message, which may quote a patient's data."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}" if trace is not None else "?"
    return f"{type(error).__name__} at {place}"


def _is_elsewhere(source: Source, partitions: int) -> bool:
    """Whether a record lies on another partition than its key's.

    Raises:
        Refused: ``wrong-partition``, it was moved before.
    """
    key = source.key
    if not key or key == CONTROL_KEY or partition_of(key, partitions) == source.partition:
        return False
    if any(name == REKEYED for name, _ in source.headers):
        raise Refused("wrong-partition", "the record was moved once and is still not on its key's partition")
    return True


def _readable(source: Source, history: Callable[[str], Record], patient: str) -> Record:
    try:
        return history(patient)
    except ValueError as error:
        _LOG.error("record.unreadable", partition=source.partition, offset=source.offset, error=where(error))
        raise Refused("unreadable-state", "the patient's stored record cannot be read; it stays as it is") from None


def _control(terms: Terms, decider: Decider, source: Source, history: Callable[[str], Record]) -> Judged:
    """A control record lies on every partition, and acts on each, or on that of the patient it is about."""
    control = parse_control(intake.load(source.value, terms.max_event_bytes))
    items = ((control.type, control.id, control.version),)
    if not isinstance(control, Control):
        roster = apply(decider.roster, control, decider.loaded)
        return Judged(items=items, change=Change(control.action, control.by, control.why, render(control.at), roster))
    if partition_of(control.of.encode(), terms.partitions) != source.partition:
        return Judged(items=items)
    record = _readable(source, history, control.of)
    if record == Record():
        return Judged(items=items)
    place = Place(source.topic, source.partition, source.offset)
    return Judged(
        patient=control.of,
        record=None,
        alerts=farewell(decider, record, control, place),
        items=items,
        subject=record.subject,
        now=max(record.now, control.at),
    )
