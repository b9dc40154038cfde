"""What can happen to a patient: the messages of the topic ``events``, as they come in.

Field names follow FHIR R4. Instants are RFC 3339 with an offset on the wire and milliseconds since the epoch
here.
"""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, ClassVar, Final, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from features import instants
from features.catalogue import Refused

Instant = Annotated[int, BeforeValidator(instants.parse), WithJsonSchema({"type": "string", "format": "date-time"})]


def _day(text: Any) -> date:
    try:
        day = date.fromisoformat(text)
    except (TypeError, ValueError):
        day = None
    if day is None or day.isoformat() != text:
        raise ValueError("must be a date such as 1951-05-02")
    return day


Day = Annotated[date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]
Identifier = Annotated[str, Field(min_length=1, max_length=200)]
#: A text that is shown or carried on, sealed or not; nothing of a patient's record may be without a bound.
Label = Annotated[str, Field(max_length=1000)]
Version = Annotated[int, Field(ge=0, lt=2**53)]
#: The identifier of a patient as only who holds the key can read it.
Sealed = Annotated[str, Field(max_length=2000)]

_Model = TypeVar("_Model", bound="Message")

#: The statuses that take a value away.
WITHDRAWN = frozenset({"cancelled", "entered-in-error"})


class Message(BaseModel):
    """What all messages have in common: fields that nobody declared are ignored, nothing is coerced."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class Coding(Message):
    """A code and the system that it is from."""

    system: Identifier
    code: Identifier


class Told(Message):
    """What all that is told of a patient has in common.

    ``origin`` is ``vagt`` on what this service, or a door of it, wrote. Where ``patient`` is a pseudonym, ``sealed`` is
    whose it is.
    """

    origin: Label | None = None
    sealed: Sealed | None = None


class Observation(Told):
    """A laboratory result or a vital sign; a higher ``version`` of the same ``id`` replaces the lower one."""

    type: Literal["observation"]
    id: Identifier
    version: Version = 1
    status: Literal["registered", "preliminary", "final", "corrected", "amended", "cancelled", "entered-in-error"]
    patient: Identifier
    encounter: Identifier | None = None
    code: Coding
    value: Annotated[float, Field(allow_inf_nan=False)] | None = None
    text: Annotated[str, Field(max_length=2000)] | None = None
    comparator: Literal["<", "<=", ">", ">="] | None = None
    unit: Annotated[str, Field(max_length=60)] | None = None
    effective: Instant
    issued: Instant
    issued_assumed: bool = Field(default=False, alias="issuedAssumed")
    performer: Label | None = None
    requisition: Label | None = None
    device: Label | None = None

    @model_validator(mode="after")
    def _has_a_result_unless_withdrawn(self) -> "Observation":
        needs_one = self.status not in WITHDRAWN and self.status != "registered"
        if needs_one and self.value is None and self.text is None:
            raise ValueError(f"an observation that is {self.status} needs a value or a text")
        return self

    @property
    def known(self) -> int:
        """When this became known."""
        return self.issued


UnitType = Literal["ward", "emergency", "icu", "dialysis", "maternity", "paediatric"]


class Encounter(Told):
    """An admission, a move, a discharge; a field that is left out keeps its earlier value."""

    type: Literal["encounter"]
    id: Identifier
    version: Version = 1
    action: Literal["admit", "transfer", "discharge", "update", "cancel", "merge", "unmerge"]
    patient: Identifier
    encounter: Identifier | None = None
    into: Identifier | None = None
    #: What ``sealed`` is to ``patient``, of the patient named in ``into``.
    into_sealed: Sealed | None = Field(default=None, alias="intoSealed")
    at: Instant
    issued: Instant
    ward: Label | None = None
    bed: Label | None = None
    name: Label | None = None
    unit_type: UnitType | None = Field(default=None, alias="unitType")
    birth_date: Day | None = Field(default=None, alias="birthDate")
    sex: Literal["male", "female", "other", "unknown"] | None = None
    flags: tuple[Literal["hypercapnic", "pregnant", "palliative", "chronic-dialysis"], ...] | None = Field(
        default=None, strict=False
    )

    @model_validator(mode="after")
    def _merges_into_another(self) -> "Encounter":
        if self.action == "merge" and (self.into is None or self.into == self.patient):
            raise ValueError("a merge needs into, another patient")
        return self

    @property
    def known(self) -> int:
        """When this became known."""
        return self.issued


class Treatment(Told):
    """A treatment that was started or stopped; a higher ``version`` of the same ``id`` replaces the lower one."""

    type: Literal["treatment"]
    id: Identifier
    version: Version = 1
    patient: Identifier
    encounter: Identifier | None = None
    code: Coding
    action: Literal["start", "stop", "cancel"]
    at: Instant
    issued: Instant

    @property
    def known(self) -> int:
        """When this became known."""
        return self.issued


#: Instead of an instant: a snooze that the next result of what the alert rests on ends.
NEXT_RESULT: Final = "next-result"


def _until(given: Any) -> Any:
    return given if given == NEXT_RESULT else instants.parse(given)


Until = Annotated[
    int | Literal["next-result"],
    BeforeValidator(_until),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "date-time"}, {"const": NEXT_RESULT}]}),
]
DismissalReason = Literal["already-treated", "expected", "palliative", "measurement-wrong", "does-not-fit", "other"]


class Feedback(Told):
    """What somebody did about an alert; ``until`` ends a snooze: an instant, or the next result of what it rests on."""

    type: Literal["feedback"]
    id: Identifier
    version: Version = 1
    patient: Identifier
    alert: Identifier
    action: Literal["acknowledge", "snooze", "dismiss", "reopen", "comment"]
    by: Annotated[str, Field(max_length=200)] | None = None
    reason: DismissalReason | None = None
    note: Annotated[str, Field(max_length=2000)] | None = None
    until: Until | None = None
    at: Instant

    @model_validator(mode="after")
    def _says_what_its_action_needs(self) -> "Feedback":
        if self.action == "snooze" and self.until is None:
            raise ValueError("a snooze needs until, the instant at which it ends, or next-result")
        if self.action == "dismiss" and self.reason is None:
            raise ValueError("a dismissal needs a reason")
        return self

    @property
    def known(self) -> int:
        """When this became known."""
        return self.at


class Handover(Told):
    """What the service tells a patient's partition of another patient, who was merged into this one.

    ``version`` numbers the handovers of a patient, ``path`` is the patient who hands over, then those who were merged
    into that one before. ``state`` is a stored record in base64: what is handed over. Without it, what came from the
    patients ``taken_back`` no longer belongs here, after an unmerge.
    """

    type: Literal["handover"]
    id: Identifier
    version: Version
    patient: Identifier
    path: Annotated[tuple[Identifier, ...], Field(min_length=1, strict=False)]
    state: str | None = None
    taken_back: tuple[str, ...] = Field(default=(), alias="takenBack", strict=False)
    at: Instant
    origin: Literal["vagt"]

    @property
    def known(self) -> int:
        """When this became known."""
        return self.at


class Tick(Told):
    """Time has come so far for this patient."""

    type: Literal["tick"]
    patient: Identifier
    at: Instant

    id: ClassVar[str] = "tick"
    version: ClassVar[int] = 1

    @property
    def known(self) -> int:
        """When this became known."""
        return self.at


class Note(Told):
    """A note of the patient's record; a higher ``version`` of the same ``id`` replaces the lower one.

    Models that read notes read its ``text``, once, when it comes; it is not kept.
    """

    type: Literal["note"]
    id: Identifier
    version: Version = 1
    status: Literal["final", "amended", "entered-in-error"] = "final"
    patient: Identifier
    encounter: Identifier | None = None
    text: Annotated[str, Field(max_length=20_000)] = ""
    at: Instant
    issued: Instant

    @model_validator(mode="after")
    def _has_a_text_unless_withdrawn(self) -> "Note":
        if not self.text and self.status not in WITHDRAWN:
            raise ValueError("a note needs a text")
        return self

    @property
    def known(self) -> int:
        """When this became known."""
        return self.issued


class ModelName(Message):
    """Which model answered: its name, its version and the hash of its manifest."""

    name: Identifier
    version: Identifier
    sha256: Identifier


#: Why a model that runs elsewhere gave no score.
NoScore = Literal["declined", "no-answer", "bad-answer", "other-model"]


class RemoteScore(Told):
    """What a model that runs elsewhere answered about a patient, as the service wrote it down.

    ``version`` numbers the questions about this patient to this model, and ``at`` is the patient's now when it was
    asked. Without a ``score`` the ``reason`` says why: the model ``declined`` to tell, there was ``no-answer`` in time,
    a ``bad-answer`` that cannot be used, or one of an ``other-model`` than the manifest names.
    """

    type: Literal["score"]
    id: Identifier
    version: Version
    patient: Identifier
    model: ModelName
    score: Annotated[float, Field(allow_inf_nan=False)] | None = None
    reason: NoScore | None = None
    at: Instant
    origin: Literal["vagt"]

    @model_validator(mode="after")
    def _is_a_score_or_says_why_not(self) -> "RemoteScore":
        if (self.score is None) == (self.reason is None):
            raise ValueError("an answer is a score, or a reason why there is none")
        return self

    @property
    def known(self) -> int:
        """When the patient was as the answer says."""
        return self.at


class Control(Message):
    """What speaks to the service itself; it is written to every partition. ``erase`` removes the patient ``of``."""

    type: Literal["control"]
    id: Identifier
    version: Version = 1
    action: Literal["erase"]
    of: Identifier
    at: Instant


class ModelControl(Message):
    """What changes which models speak; it is written to every partition, and each changes when it comes to it.

    ``promote``, ``shadow``, ``rollback`` and ``retire`` are about a ``model``. ``stop`` and ``resume`` are about a
    ``kind`` of scores, a ``ward``, a kind in a ward, or without either about everything. ``by`` is a role, ``why`` what
    people are told.
    """

    type: Literal["control"]
    id: Identifier
    version: Version = 1
    action: Literal["promote", "shadow", "rollback", "retire", "stop", "resume"]
    model: ModelName | None = None
    kind: Identifier | None = None
    ward: Identifier | None = None
    by: Identifier
    why: Label
    at: Instant

    @model_validator(mode="after")
    def _says_what_its_action_is_about(self) -> "ModelControl":
        if self.action in ("stop", "resume"):
            if self.model is not None:
                raise ValueError("a stop is of a kind, not of a model")
        elif self.model is None or self.kind is not None or self.ward is not None:
            raise ValueError("it needs a model, and neither a kind nor a ward")
        return self


Event = Observation | Encounter | Treatment | Feedback | Handover | Tick | RemoteScore | Note

_MODELS: Mapping[str, type[Event]] = {
    "observation": Observation,
    "encounter": Encounter,
    "treatment": Treatment,
    "feedback": Feedback,
    "handover": Handover,
    "tick": Tick,
    "score": RemoteScore,
    "note": Note,
}


def parse(item: Any, key: str) -> Event:
    """One object of a record of ``events`` as an event of the patient ``key``.

    Raises:
        Refused: ``schema``, ``missing-subject``, ``wrong-subject`` or ``unsupported``, with the field at
            fault.
    """
    if not isinstance(item, Mapping):
        raise Refused("schema", "an event must be a JSON object")
    patient = item.get("patient")
    if patient is None or patient == "":
        raise Refused("missing-subject", "the event names no patient")
    if patient != key:
        raise Refused("wrong-subject", "the record's key is not the patient that the event names")
    kind = item.get("type")
    model = _MODELS.get(kind) if isinstance(kind, str) else None
    if model is None:
        raise Refused("schema", f"type: must be one of {', '.join(_MODELS)}")
    return _valid(model, item)


def parse_control(item: Any) -> Control | ModelControl:
    """A record of ``events`` that speaks to the service itself.

    Raises:
        Refused: ``schema``, with the field at fault.
    """
    if not isinstance(item, Mapping):
        raise Refused("schema", "a control record holds one JSON object")
    return _valid(Control, item) if item.get("action") == "erase" else _valid(ModelControl, item)


def _valid(model: type[_Model], item: Mapping[str, Any]) -> _Model:
    try:
        return model.model_validate(item)
    except ValidationError as error:
        raise Refused("schema", _explain(error)) from None


def _explain(error: ValidationError) -> str:
    """The first faults, by field and rule; the values stay out, since a detail may be logged."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'event'}: {fault['msg']}" for fault in faults[:3])
