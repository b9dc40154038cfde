"""A platform's own topics in the native form: as on ``events``, but a record may hold several patients."""

from dataclasses import dataclass
from typing import Any

import orjson

from features.catalogue import Refused, catalogue
from features.events import WITHDRAWN, Handover, Observation, RemoteScore, parse
from streams.intake import MOST_OBJECTS, too_many

#: The statuses of an observation whose value, if any, does not count.
VALUELESS = WITHDRAWN | {"registered"}


@dataclass(frozen=True, slots=True)
class Translation:
    """What a door made of a document.

    Args:
        items: (patient, object of the native form), in the document's order, each checked.
        refusals: (index of the part at fault within the document, why).
    """

    items: tuple[tuple[str, dict[str, Any]], ...]
    refusals: tuple[tuple[int, Refused], ...]


def translate(document: Any) -> Translation:
    """The objects of a native record, one object or an array, each with the patient that it names."""
    parts = document if isinstance(document, list) else [document]
    if not parts:
        return Translation((), ((0, Refused("schema", "an empty array holds no event")),))
    if len(parts) > MOST_OBJECTS:
        return Translation((), ((0, too_many()),))
    items: list[tuple[str, dict[str, Any]]] = []
    refusals: list[tuple[int, Refused]] = []
    for index, part in enumerate(parts):
        try:
            patient = checked(part)
            orjson.dumps(part)  # a field that nobody looks at may be nested deeper than can be written
            items.append((patient, part))
        except Refused as refused:
            refusals.append((index, refused))
        except orjson.JSONEncodeError:
            refusals.append((index, Refused("schema", "the object is nested too deep")))
    return Translation(tuple(items), tuple(refusals))


def checked(item: Any) -> str:
    """The patient of an object in native form, once all that needs no patient's record has been checked.

    Raises:
        Refused: ``schema``, ``missing-subject``, ``unsupported``, ``unknown-code``, ``unknown-unit`` or
            ``implausible``.
    """
    patient = item.get("patient") if isinstance(item, dict) else None
    event = parse(item, patient if isinstance(patient, str) else "")
    if isinstance(event, (Handover, RemoteScore)):
        raise Refused("unsupported", f"a {event.type} is the service's own: no door takes one")
    if isinstance(event, Observation):
        system, code = event.code.system, event.code.code
        analyte = catalogue().analyte_for(system, code)
        if event.status not in VALUELESS:
            if event.value is not None:
                catalogue().canonical(system, code, event.value, event.unit)
            else:
                catalogue().canonical_text(analyte, event.text or "")
    return event.patient
