"""From the bytes of a record of ``events`` to the events in it, each unusable object with a reason."""

from dataclasses import dataclass
from typing import Any

import orjson

from features.catalogue import Refused
from features.events import Event, parse


@dataclass(frozen=True, slots=True)
class Intake:
    """The usable objects with their index in the record, and the refused ones."""

    events: tuple[tuple[int, Event], ...]
    refusals: tuple[tuple[int, Refused], ...]


def load(value: bytes | None, max_bytes: int) -> Any:
    """The JSON document in a record's value.

    Raises:
        Refused: ``empty``, ``too-large`` or ``bad-json``.
    """
    if value is None:
        raise Refused("empty", "the record has no value")
    if len(value) > max_bytes:
        raise Refused("too-large", f"{len(value)} bytes; VAGT_MAX_EVENT_BYTES allows {max_bytes}")
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise Refused("bad-json", f"{error.msg} at character {error.pos}") from None


def read(value: bytes | None, key: str, max_bytes: int) -> Intake:
    """The events of a record for the patient ``key``. One bad object leaves its siblings alone.

    Raises:
        Refused: ``empty``, ``too-large``, ``bad-json`` or ``schema``, of the record as a whole.
    """
    document = load(value, max_bytes)
    items = document if isinstance(document, list) else [document]
    if not items:
        raise Refused("schema", "an empty array holds no event")
    events: list[tuple[int, Event]] = []
    refusals: list[tuple[int, Refused]] = []
    for index, item in enumerate(items):
        try:
            events.append((index, parse(item, key)))
        except Refused as refusal:
            refusals.append((index, refusal))
    return Intake(tuple(events), tuple(refusals))
