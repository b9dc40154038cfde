"""What somebody does about an alert, as feedback on ``events``."""

import uuid
from collections.abc import Mapping
from typing import Any, Final

import orjson
from pydantic import ValidationError

from features.events import NEXT_RESULT, Feedback
from features.instants import HOUR, render
from models.lifecycle import ENDED
from streams.board.outlet import Outlet
from streams.now import Now
from streams.partitioner import partition_of
from streams.topics import EVENTS

#: How long a snooze may be, by the names of ISO 8601.
SNOOZES: Final[Mapping[str, int]] = {"PT1H": HOUR, "PT4H": 4 * HOUR}
ACTIONS: Final = frozenset({"acknowledge", "snooze", "dismiss", "reopen", "comment"})
_MOST_NOTE: Final = 500


class AnswerError(ValueError):
    """The answer cannot be given; ``code`` names the sentence for the person who gave it."""

    def __init__(self, code: str, status: int) -> None:
        super().__init__(code)
        self.code = code
        self.status = status


def item(form: Mapping[str, str], now: Now, by: str, clock: int) -> dict[str, Any]:
    """The feedback that a form gives, at the instant ``clock`` (ms).

    Raises:
        AnswerError: the alert is not there, it is over, or the form is not one.
    """
    alert = next((one for one in now.alerts if one.id == form.get("alert")), None)
    if alert is None:
        raise AnswerError("unknown_alert", 404)
    action = form.get("action", "")
    if action not in ACTIONS:
        raise AnswerError("unknown_action", 400)
    if alert.state in ENDED:
        raise AnswerError("over", 409)
    until = _until(form.get("until", ""), clock)
    if action == "snooze" and until is None:
        raise AnswerError("until_missing", 400)
    if action == "dismiss" and not form.get("reason"):
        raise AnswerError("reason_missing", 400)
    found: dict[str, Any] = {
        "type": "feedback",
        "id": _id(form.get("answer")),
        "alert": alert.id,
        "patient": now.patient,
        "action": action,
        "by": by,
        "reason": form.get("reason") if action == "dismiss" else None,
        "until": until if action == "snooze" else None,
        "note": form.get("note", "")[:_MOST_NOTE] or None,
        "at": render(clock),
    }
    try:
        Feedback.model_validate(found)
    except ValidationError:
        raise AnswerError("not_usable", 400) from None
    return {name: value for name, value in found.items() if value is not None}


def _until(chosen: str, clock: int) -> str | None:
    if chosen == NEXT_RESULT:
        return chosen
    return render(clock + SNOOZES[chosen]) if chosen in SNOOZES else None


def _id(given: str | None) -> str:
    """The name that the page gave an answer, so that one sent twice is one; a new one where it gave none."""
    try:
        return f"board-{uuid.UUID(given)}"
    except (ValueError, TypeError):
        return f"board-{uuid.uuid4()}"


async def give(outlet: Outlet, partitions: int, feedback: Mapping[str, Any]) -> None:
    """Write feedback to ``events``, of so many partitions, and wait until the broker has it.

    Raises:
        KafkaError, OSError: the broker does not take it.
    """
    key = feedback["patient"].encode()
    await (await outlet.send(EVENTS, orjson.dumps(feedback), key, partition_of(key, partitions)))
