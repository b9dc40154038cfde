"""From the bytes of a record of ``events`` to the events in it, each unusable object with a reason."""

from dataclasses import dataclass
from typing import Any, Final

import orjson

from features.catalogue import Refused
from features.events import Event, parse
from streams.pseudonym import is_pseudonym

#: Objects in one record. A whole panel has fifty; a megabyte of zeros would have half a million, each to be refused.
MOST_OBJECTS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Intake:
    """The usable objects with their index in the record, and the refused ones."""

    events: tuple[tuple[int, Event], ...]
    refusals: tuple[tuple[int, Refused], ...]


def within(value: bytes | None, max_bytes: int) -> bytes:
    """A record's value, when there is one and it is not too large.

    Raises:
        Refused: ``empty`` or ``too-large``.
    """
    if value is None:
        raise Refused("empty", "the record has no value")
    if len(value) > max_bytes:
        raise Refused("too-large", f"{len(value)} bytes; VAGT_MAX_EVENT_BYTES allows {max_bytes}")
    return value


def load(value: bytes | None, max_bytes: int) -> Any:
    """The JSON document in a record's value.

    Raises:
        Refused: ``empty``, ``too-large`` or ``bad-json``.
    """
    try:
        return orjson.loads(within(value, max_bytes))
    except orjson.JSONDecodeError as error:
        raise Refused("bad-json", f"{error.msg} at character {error.pos}") from None


def too_many() -> Refused:
    """Why a record with more than ``MOST_OBJECTS`` objects is not used."""
    return Refused("too-large", f"the record holds more than {MOST_OBJECTS} objects")


def read(value: bytes | None, key: str, max_bytes: int, pseudonymous: bool = False) -> Intake:
    """The events of a record for the patient ``key``. One bad object leaves its siblings alone.

    Where ``events`` is ``pseudonymous``, only what a door of this service wrote of a pseudonym is used.

    Raises:
        Refused: ``empty``, ``too-large``, ``bad-json``, ``schema`` or ``not-pseudonymised``, of the record as a whole.
    """
    if pseudonymous and not is_pseudonym(key):
        raise Refused("not-pseudonymised", "with VAGT_PSEUDONYM_KEY set, everything enters by a door")
    document = load(value, max_bytes)
    items = document if isinstance(document, list) else [document]
    if not items:
        raise Refused("schema", "an empty array holds no event")
    if len(items) > MOST_OBJECTS:
        raise too_many()
    events: list[tuple[int, Event]] = []
    refusals: list[tuple[int, Refused]] = []
    for index, item in enumerate(items):
        try:
            event = parse(item, key)
            if pseudonymous and event.origin != "vagt":
                raise Refused("not-pseudonymised", "with VAGT_PSEUDONYM_KEY set, everything enters by a door")
            events.append((index, event))
        except Refused as refusal:
            refusals.append((index, refusal))
    return Intake(tuple(events), tuple(refusals))
