"""A platform's own topics in the native form: as on ``events``, but a record may hold several patients' objects."""

from dataclasses import dataclass
from typing import Any

from features.catalogue import Refused
from features.events import parse


@dataclass(frozen=True, slots=True)
class Translation:
    """What a door made of a document.

    Args:
        items: (patient, object of the native form), in the document's order; ``features.events.parse`` takes each.
        refusals: (index of the part at fault within the document, why).
    """

    items: tuple[tuple[str, dict[str, Any]], ...]
    refusals: tuple[tuple[int, Refused], ...]


def translate(document: Any) -> Translation:
    """The objects of a native record, one object or an array, each with the patient that it names."""
    parts = document if isinstance(document, list) else [document]
    if not parts:
        return Translation((), ((0, Refused("schema", "an empty array holds no event")),))
    items: list[tuple[str, dict[str, Any]]] = []
    refusals: list[tuple[int, Refused]] = []
    for index, part in enumerate(parts):
        try:
            items.append((parse(part, patient_of(part)).patient, part))
        except Refused as refused:
            refusals.append((index, refused))
    return Translation(tuple(items), tuple(refusals))


def patient_of(item: Any) -> str:
    """The patient whom an object names, as far as one can tell before it is checked."""
    patient = item.get("patient") if isinstance(item, dict) else None
    return patient if isinstance(patient, str) else ""
