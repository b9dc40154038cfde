"""What a model that runs elsewhere was asked about a patient, and what it answered last, as it is kept."""

import msgspec

from features.events import RemoteScore


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """One model's. Questions are numbered: ``asked`` is the newest one's number, ``number`` that of the answered one.

    ``at`` is the patient's now when it was asked, ``sha256`` whose answer it is, and ``reason`` why there is no score.
    """

    asked: int = 0
    number: int = 0
    at: int = 0
    sha256: str = ""
    score: float | None = None
    reason: str | None = None

    def then(self, event: RemoteScore) -> "Answer":
        """After an answer; one to an earlier question, or one that came before, changes nothing."""
        if event.version <= self.number:
            return self
        return Answer(self.asked, event.version, event.at, event.model.sha256, event.score, event.reason)


def input_of(model: str) -> str:
    """What a model's answer is called where it is an input."""
    return f"answer of {model}"
