"""Records of one thing in several versions: which one stands, by whichever way and in whichever order they came."""

from bisect import insort
from typing import TypeVar

import msgspec

from features.catalogue import Refused
from features.encounter import StayEvent
from features.note import NoteEvent
from features.series import Entry
from features.treatment import TreatmentEvent

_Kept = TypeVar("_Kept", StayEvent, TreatmentEvent, NoteEvent)
_Any = TypeVar("_Any", StayEvent, TreatmentEvent, NoteEvent, Entry)


def put(kept: tuple[_Kept, ...], entry: _Kept) -> tuple[_Kept, ...]:
    """With an entry, in order; a higher version of the same id replaces the lower one. Of too many the oldest goes.

    Raises:
        Refused: ``conflict``, the same version says something else.
    """
    known: _Kept | None = next((one for one in kept if one.id == entry.id), None)
    if known is not None and entry.version < known.version:
        return kept
    if known is not None and entry.version == known.version:
        if _plain(entry) != _plain(known):
            raise Refused("conflict", "the same version of this record came with another content")
        entry = earliest(known, entry)
        if entry == known:
            return kept
    others = [one for one in kept if one is not known]
    insort(others, entry, key=lambda one: one.order())
    return entry.bounded(tuple(others))


def earliest(one: _Any, other: _Any) -> _Any:
    """Of two that say the same: known since the first of them, and the patient's own where one of them is."""
    source = min(one.source or "", other.source or "") or None
    return msgspec.structs.replace(one, issued=min(one.issued, other.issued), source=source)


def _plain(one: _Kept) -> _Kept:
    # What was read of a note depends on who read it.
    plain = msgspec.structs.replace(one, found={}) if isinstance(one, NoteEvent) else one
    return msgspec.structs.replace(plain, issued=0, source=None)
