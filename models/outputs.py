"""What the decision says: scores and alerts, field for field as ``risk.scores`` and ``alerts`` carry them.

Instants are RFC 3339 in UTC with milliseconds. ``emitted`` and the trigger's partition and offset are the
only fields that may differ when the same events are decided again.
"""

from hashlib import blake2b
from typing import Final, Literal

import msgspec

Severity = Literal["info", "warning", "critical"]
#: What counts against a ward's budget.
LOUD: Final[frozenset[Severity]] = frozenset({"warning", "critical"})
#: What a model foresees, or not.
Outcome = Literal["event", "no-event"]
Trend = Literal["rising", "falling", "steady"]
State = Literal[
    "raised",
    "escalated",
    "updated",
    "acknowledged",
    "snoozed",
    "dismissed",
    "resolved",
    "retracted",
    "expired",
]


class Item(msgspec.Struct, frozen=True):
    """An input object by identity."""

    id: str
    version: int


class Trigger(msgspec.Struct, frozen=True):
    """The record of ``events`` that caused an output, and those of its objects that were used."""

    topic: str
    partition: int
    offset: int
    items: tuple[Item, ...]


class ModelRef(msgspec.Struct, frozen=True):
    """Which model or rule spoke; ``sha256`` is that of its artefact or table."""

    name: str
    version: str
    sha256: str


class Text(msgspec.Struct, frozen=True):
    """A text in the two languages of the product."""

    en: str
    da: str


class Reason(msgspec.Struct, frozen=True):
    """One reason for a score. ``contribution`` is in log-odds for a model, in points for a scoring system.

    ``text`` says it to a person, and ``trend`` which way the analyte went in the last day.
    """

    feature: str
    value: float | str | None
    unit: str | None
    age_minutes: int | None
    contribution: float
    trend: Trend | None = None
    text: Text | None = None


class Score(msgspec.Struct, frozen=True):
    """What one model or rule says of a patient at an instant. ``interval`` holds the score.

    ``reasons`` of a model cost as much as ten decisions: they are given where its alert says something with this score.

    ``possible`` is a model's conformal set: the outcomes that it does not rule out at its stated coverage; both or none
    means that it cannot tell. It is empty for a rule too.
    """

    id: str
    patient: str
    encounter: str | None
    at: str
    model: ModelRef
    kind: str
    score: float
    band: str
    abstained: bool
    shadow: bool
    interval: tuple[float, float]
    reasons: tuple[Reason, ...]
    trigger: Trigger
    possible: tuple[Outcome, ...] = ()
    emitted: str = ""


class Evidence(msgspec.Struct, frozen=True):
    """An observation that an alert rests on, with value and unit as they were sent."""

    id: str
    version: int
    code: str
    value: float | str | None
    unit: str | None
    effective: str
    type: Literal["observation"] = "observation"


class Suppressed(msgspec.Struct, frozen=True):
    """Why an alert is held back, and until when."""

    reason: str
    until: str | None


class Answer(msgspec.Struct, frozen=True):
    """The feedback that changed an alert's state; ``until`` ends a snooze, and with ``next_result`` a result before."""

    id: str
    action: str
    by: str | None
    reason: str | None
    at: str
    until: str | None
    next_result: bool = False


class Escalation(msgspec.Struct, frozen=True):
    """The role that an alert goes to next, and when, if nobody answers."""

    role: str
    at: str


class Alert(msgspec.Struct, frozen=True):
    """A change of an alert's state; ``sequence`` counts the changes from 1 without a gap.

    ``score`` is ``None`` where the rule does not score this patient any more; ``answer`` is there on the change that
    somebody's feedback made. While the alert waits for an answer, ``role`` has it, and ``escalates`` is what comes
    next. ``sealed`` gives the patient's identifier back to who holds the key, where ``patient`` is
    a pseudonym.
    """

    id: str
    sequence: int
    state: State
    kind: str
    severity: Severity
    patient: str
    encounter: str | None
    ward: str | None
    at: str
    title: Text
    score: Score | None
    evidence: tuple[Evidence, ...]
    trigger: Trigger
    suppressed: Suppressed | None = None
    answer: Answer | None = None
    role: str | None = None
    escalates: Escalation | None = None
    sealed: str | None = None
    emitted: str = ""


#: An output as JSON.
encode: Final = msgspec.json.Encoder().encode


def identify(*parts: object) -> str:
    """A name derived from its parts alone (texts, whole numbers, tuples of them): 32 hexadecimal digits."""
    return blake2b(msgspec.json.encode(parts), digest_size=16).hexdigest()
