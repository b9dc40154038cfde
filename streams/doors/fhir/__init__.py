"""FHIR R4 in: `Observation`, `Patient`, `Encounter`, `DiagnosticReport`, or a `Bundle` of them, made native.

Only what a resource says is passed on: what is missing, ambiguous or too imprecise is refused with a reason.
The elements that are read must have FHIR's shape; the others are not looked at.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any, Final

from features import instants
from features.catalogue import Refused
from streams.doors.fhir.bundles import entries
from streams.doors.fhir.context import Context, Entry
from streams.doors.fhir.encounters import encounter, patient
from streams.doors.fhir.observations import observation, report
from streams.doors.fhir.shape import Json
from streams.doors.native import Translation, checked
from streams.intake import MOST_OBJECTS, too_many

Drafts = Iterator[dict[str, Any] | Refused]

_TRANSLATORS: Final[Mapping[str, Callable[[Json, str, Context], Drafts]]] = {
    "Observation": observation,
    "DiagnosticReport": report,
    "Patient": patient,
    "Encounter": encounter,
}


def translate(document: Any, received: int, patient_system: str | None = None) -> Translation:
    """The native form of a FHIR document. Indices are positions in the Bundle, 0 for a lone resource.

    A `Patient` that states no time is dated by the earliest of what the Bundle says of that patient: it must
    not move the patient's clock ahead of the results beside it.

    Args:
        received: the record's Kafka timestamp (ms), the time of what states none and has no such company.
        patient_system: the identifier system of patients; ``None`` where they go by the id of their `Patient`.
    """
    try:
        found = entries(document)
    except Refused as refused:
        return Translation((), ((0, refused),))
    context = Context.of([one for _, one in found if isinstance(one, Entry)], received, patient_system)
    items: list[tuple[str, dict[str, Any]]] = []
    refusals: list[tuple[int, Refused]] = []
    drafts: list[tuple[int, list[dict[str, Any] | Refused]]] = []
    room = MOST_OBJECTS
    for index, entry in found:
        drafts.append((index, list(islice(_drafts(entry, context), room + 1))))
        room -= len(drafts[-1][1])
        if room < 0:
            return Translation((), ((0, too_many()),))
    since = _earliest(draft for _, parts in drafts for draft in parts)
    for index, parts in drafts:
        faults: list[Refused] = []
        for draft in parts:
            try:
                if isinstance(draft, Refused):
                    raise draft
                if draft["issued"] is None:
                    draft["at"] = draft["issued"] = instants.render(since.get(draft["patient"], received))
                items.append((checked(draft), draft))
            except Refused as refused:
                faults.append(refused)
        refusals += [(index, refused) for refused in _merged(faults)]
    return Translation(tuple(items), tuple(refusals))


def _drafts(entry: Entry | Refused, context: Context) -> Drafts:
    """What an entry holds, in native form but not checked yet, and what it holds that cannot be used."""
    try:
        if isinstance(entry, Refused):
            raise entry
        kind = entry.kind or ""
        translator = _TRANSLATORS.get(kind)
        if translator is None:
            shown = kind if re.fullmatch("[A-Za-z]{1,40}", kind) else "this type"
            raise Refused("unsupported", f"the door does not take a resource of type {shown} here")
        if entry.ident is None:
            raise Refused("schema", "id: the resource has none")
        yield from translator(entry.resource, entry.ident, context)
    except Refused as refused:
        yield refused


def _earliest(drafts: Iterable[dict[str, Any] | Refused]) -> dict[str, int]:
    """For each patient the first instant at which something became known."""
    since: dict[str, int] = {}
    for draft in drafts:
        if isinstance(draft, Refused) or draft["issued"] is None:
            continue
        with suppress(ValueError):  # a time that is none is refused with its draft
            known, patient = instants.parse(draft["issued"]), draft["patient"]
            since[patient] = min(known, since.get(patient, known))
    return since


def _merged(faults: Iterable[Refused]) -> list[Refused]:
    """One refusal for each reason, with its first details: a panel's parts mostly fail alike."""
    details: dict[str, list[str]] = {}
    for fault in faults:
        details.setdefault(fault.reason, []).append(fault.detail)
    return [Refused(reason, "; ".join(dict.fromkeys(found[:3]))) for reason, found in details.items()]
