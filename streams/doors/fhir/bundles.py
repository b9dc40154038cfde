"""The entries of a Bundle of any type."""

import re
from collections.abc import Mapping
from typing import Any, Final

from features.catalogue import Refused
from streams.doors.fhir.context import Entry
from streams.doors.fhir.shape import Json, object_, string
from streams.intake import MOST_OBJECTS, too_many

#: First in a Bundle they speak of the Bundle itself: subscription notifications, messages.
_ABOUT_THE_BUNDLE: Final = {"Parameters", "SubscriptionStatus", "MessageHeader"}
#: What is taken back when it is deleted.
_DELETABLE: Final = {"Observation", "Encounter"}
_ETAG: Final = re.compile('(?:W/)?"([0-9]{1,15})"')


def entries(document: Any) -> list[tuple[int, Entry | Refused]]:
    """The entries with their positions, without those that are about the Bundle itself; of what is no Bundle, it.

    Raises:
        Refused: the document is no FHIR resource.
    """
    if not isinstance(document, dict) or not isinstance(document.get("resourceType"), str):
        raise Refused("schema", "not a FHIR resource: it has no resourceType")
    if document["resourceType"] != "Bundle":
        return [(0, Entry(document))]
    parts = document.get("entry", [])
    if not isinstance(parts, list):
        raise Refused("schema", "entry: must be an array")
    if len(parts) > MOST_OBJECTS:
        raise too_many()
    found = [(index, _entry(part)) for index, part in enumerate(parts) if not _is_an_outcome(part)]
    if found and isinstance(found[0][1], Entry) and found[0][1].kind in _ABOUT_THE_BUNDLE:
        del found[0]
    # R4 sorts a history with the newest first.
    newest = {(one.kind, one.ident): one.resource for _, one in reversed(found) if isinstance(one, Entry)}
    return [(index, _deleted(parts[index], newest) if _deletes(parts[index]) else one) for index, one in found]


def _is_an_outcome(part: Any) -> bool:
    """Whether it is what a search says of itself."""
    search = part.get("search") if isinstance(part, dict) else None
    return isinstance(search, dict) and search.get("mode") == "outcome"


def _entry(part: Any) -> Entry | Refused:
    resource = part.get("resource") if isinstance(part, dict) else None
    if not isinstance(resource, dict):
        return Refused("unsupported", "an entry without a resource: subscribe with full resources in the payload")
    url = part.get("fullUrl")
    return Entry(resource, url if isinstance(url, str) else None)


def _deletes(part: Any) -> bool:
    request = part.get("request") if isinstance(part, dict) else None
    return isinstance(request, dict) and request.get("method") == "DELETE"


def _deleted(part: Json, newest: Mapping[tuple[str | None, str | None], Json]) -> Entry | Refused:
    """The resource as it was before its deletion, withdrawn: a deletion alone says neither whose it was nor what."""
    try:
        kind, _, ident = (string(object_(part, "request"), "url") or "").partition("/")
        if kind not in _DELETABLE:
            raise Refused("unsupported", "a deletion of what is neither an Observation nor an Encounter")
        before = newest.get((kind, ident))
        response = object_(part, "response")
        etag, known = _ETAG.fullmatch(string(response, "etag") or ""), string(response, "lastModified")
        if before is None or etag is None or known is None:
            raise Refused(
                "unsupported",
                "a deletion needs an earlier version of the resource in the Bundle, and response.etag and lastModified",
            )
        meta = {"versionId": etag[1], "lastUpdated": known}
        return Entry({**before, "status": "entered-in-error", "issued": known, "meta": meta})
    except Refused as refused:
        return refused
