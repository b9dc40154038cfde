"""HL7 v2 in: ORU^R01 and ADT messages, made native. docs/hl7v2.md has the mapping."""

from typing import Any

from features.catalogue import Refused
from streams.doors.native import Translation, checked
from streams.hl7 import er7
from streams.hl7.results import results
from streams.hl7.sending import Sending, kind
from streams.hl7.stays import stays
from streams.intake import MOST_OBJECTS, too_many
from streams.settings import Settings


def translate(data: bytes, received: int, settings: Settings) -> Translation:
    """The native form of a message. Indices are the positions of segments, 0 (MSH) for the message as a whole.

    Args:
        received: the record's Kafka timestamp (ms): it tells which of two instants a local time is that comes twice.

    Raises:
        Refused: the message as a whole, see ``er7.read`` and ``sending.kind``.
    """
    message = er7.read(data)
    what = kind(message)
    sending = Sending.of(message, received, settings)
    drafts = list(results(message, sending) if what == "ORU^R01" else stays(message, what, sending))
    if len(drafts) > MOST_OBJECTS:
        raise too_many()
    if not drafts:
        raise Refused("bad-hl7", "a report without results: it has no OBX")
    first: dict[str, dict[str, Any]] = {}
    twice = {
        draft["id"]
        for _, draft in drafts
        if not isinstance(draft, Refused) and first.setdefault(draft["id"], draft) != draft
    }
    items: list[tuple[str, dict[str, Any]]] = []
    refusals: list[tuple[int, Refused]] = []
    for number, draft in drafts:
        try:
            if isinstance(draft, Refused):
                raise draft
            if draft["id"] in twice:
                raise Refused("conflict", "two results of the message have the same OBR-3, OBX-3 and OBX-4")
            items.append((checked(draft), draft))
        except Refused as refused:
            refusals.append((number, refused))
    return Translation(tuple(items), tuple(refusals))
