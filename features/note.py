"""Notes of the patient's record: what the models that read said of each. The text itself is not kept."""

from collections.abc import Mapping
from hashlib import blake2b

import msgspec

from features.events import Note

#: Notes that are kept of a patient: those of a long stay, several a day.
MOST_EVENTS = 500


class NoteEvent(msgspec.Struct, frozen=True, array_like=True):
    """A note as it is kept; ``found`` has by model and its hash what it read. A withdrawn one has nothing."""

    at: int
    issued: int
    id: str
    version: int
    status: str
    #: A hash of the text, which tells one note from another.
    text: str
    found: dict[str, float]
    #: The merged patient that handed it over, ``None`` for the patient's own.
    source: str | None = None

    @classmethod
    def of(cls, event: Note, found: Mapping[str, float]) -> "NoteEvent":
        """What is kept of an incoming note."""
        text = blake2b(event.text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        return cls(event.at, event.issued, event.id, event.version, event.status, text, dict(found))

    def order(self) -> tuple[int, int, str]:
        """Where the note stands among the others, however it arrived."""
        return (self.at, self.issued, self.id)

    @staticmethod
    def bounded(events: tuple["NoteEvent", ...]) -> tuple["NoteEvent", ...]:
        """The notes without the oldest, once there is one too many."""
        return events[-MOST_EVENTS:]
