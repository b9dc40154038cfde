"""CDS Hooks 2.0: what the service offers, a patient's alerts as cards, and what came of a card as an answer. Pure.

Source: the specification at cds-hooks.hl7.org, version 2.0: discovery, the request, cards and feedback.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from features.events import DismissalReason
from features.instants import parse
from models.outputs import Alert
from streams.board.phrases import Phrases
from streams.board.row import answered, gravity, is_shown, reasons
from streams.now import Now

#: Each service by its id, with the hook that calls it.
SERVICES: Final = {"vagt-patient-view": "patient-view", "vagt-order-select": "order-select"}
#: What a card may say at most, in characters.
_MOST_SUMMARY: Final = 139
#: The reasons that the board offers for dismissing an alert, in its order.
REASONS: Final[tuple[str, ...]] = get_args(DismissalReason)
#: Nothing that a sender wrote may become a link or a picture in the EHR.
_MARKDOWN: Final = {ord(one): f"\\{one}" for one in "\\`*_{}[]<>()#!|~&"}

_Text = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Context(_Model):
    """Who looks at whom."""

    userId: _Text  # noqa: N815 (the specification's name)
    patientId: _Text  # noqa: N815


class Identifier(_Model):
    """One of a FHIR Patient's identifiers."""

    system: str | None = None
    value: str | None = None


class Patient(_Model):
    """Of a FHIR Patient, what tells who it is."""

    resourceType: Literal["Patient"]  # noqa: N815
    identifier: tuple[Identifier, ...] = Field(default=(), max_length=50)


class Prefetch(_Model):
    """What the EHR sends along, as the discovery asks for it."""

    patient: Patient | None = None


class Call(_Model):
    """A hook that fired."""

    hook: str
    hookInstance: uuid.UUID  # noqa: N815
    context: Context
    prefetch: Prefetch | None = None

    def names(self) -> list[str]:
        """What the patient may be called here: the identifiers that came along, then the EHR's own id."""
        identifiers = self.prefetch.patient.identifier if self.prefetch and self.prefetch.patient else ()
        return [*(one.value for one in identifiers if one.value), self.context.patientId]


class _Reason(_Model):
    code: str


class _Override(_Model):
    reason: _Reason | None = None
    userComment: str | None = None  # noqa: N815


class Outcome(_Model):
    """What became of one card."""

    card: uuid.UUID
    outcome: Literal["accepted", "overridden"]
    overrideReason: _Override | None = None  # noqa: N815
    outcomeTimestamp: Annotated[datetime, Field(strict=True)]  # noqa: N815

    def form(self) -> dict[str, str]:
        """The answer to the alert, as the board's own pages would give it; the same outcome gives the same."""
        why = self.overrideReason
        named = f"{self.card}/{self.outcome}/{self.outcomeTimestamp.isoformat()}"
        form = {"alert": self.card.hex, "answer": str(uuid.uuid5(self.card, named))}
        if self.outcome == "accepted":
            return {**form, "action": "acknowledge"}
        reason = why.reason.code if why is not None and why.reason is not None else "other"
        return {
            **form,
            "action": "dismiss",
            "reason": reason if reason in REASONS else "other",
            "note": (why.userComment or "") if why is not None else "",
        }


class Feedback(_Model):
    """What became of cards."""

    feedback: tuple[Outcome, ...] = Field(min_length=1, max_length=100)


def discovery(say: Phrases) -> dict[str, Any]:
    """What the service offers, and what it wants to be sent along."""
    return {
        "services": [
            {
                "hook": hook,
                "id": name,
                "title": say.word("cds", "title"),
                "description": say.word("cds", "description"),
                "prefetch": {"patient": "Patient/{{context.patientId}}"},
            }
            for name, hook in SERVICES.items()
        ]
    }


def cards(now: Now, clock: int, say: Phrases) -> list[dict[str, Any]]:
    """What speaks of a patient, the gravest first."""
    return [_card(one, now, clock, say) for one in sorted(filter(is_shown, now.alerts), key=gravity)]


def doubt(text: str, say: Phrases) -> dict[str, Any]:
    """Why there may be more than the cards tell."""
    return {"summary": _summary(text), "indicator": "warning", "source": {"label": say.word("cds", "source")}}


def _card(alert: Alert, now: Now, clock: int, say: Phrases) -> dict[str, Any]:
    name = uuid.UUID(hex=alert.id)
    card: dict[str, Any] = {
        "uuid": str(name),
        "summary": _summary(say.text(alert.title)),
        "detail": _detail(alert, now, clock, say),
        "indicator": alert.severity,
        "source": {"label": say.word("cds", "source")},
        "overrideReasons": [{"code": one, "display": say.word("reasons", one)} for one in REASONS],
    }
    if alert.state != "acknowledged":
        take = {"label": say.word("cds", "take"), "uuid": str(uuid.uuid5(name, "take"))}
        card |= {"suggestions": [take], "selectionBehavior": "at-most-one"}
    return card


def _detail(alert: Alert, now: Now, clock: int, say: Phrases) -> str:
    """The reasons, since when, who has it, and who says so; each a line of a list."""
    since = say.clock(parse(now.since.get(alert.id, alert.at)), clock)
    lines: Sequence[str] = (
        *reasons(alert, say),
        say.word("cds", "since").format(at=since),
        answered(alert, clock, say),
        "" if alert.score is None else f"{alert.score.model.name} {alert.score.model.version}",
    )
    return "\n".join(f"- {line.translate(_MARKDOWN)}" for line in lines if line)


def _summary(text: str) -> str:
    return text if len(text) <= _MOST_SUMMARY else f"{text[: _MOST_SUMMARY - 1]}…"
