"""What every model and rule looks like to the decision step."""

from dataclasses import dataclass
from typing import Protocol

from features.instants import MINUTE
from features.record import Record
from features.series import Entry
from models.lifecycle import Policy
from models.outputs import ModelRef, Reason, Text


@dataclass(frozen=True, slots=True)
class Scored:
    """A result before it has a name and a place.

    ``low`` and ``high`` bound what the score could be if all that is missing were known: they are the score
    itself when nothing is missing, and an alert is raised on ``low`` and cleared on ``high``.
    """

    score: float
    band: str
    abstained: bool
    low: float
    high: float
    title: Text
    interval: tuple[float, float]
    shadow: bool = False
    reasons: tuple[Reason, ...] = ()
    evidence: tuple[Entry, ...] = ()


class Scorer(Protocol):
    """A model or a rule: a pure function of the record at its now, and what it declares about itself."""

    @property
    def kind(self) -> str:
        """The kind of its scores and alerts."""

    @property
    def model(self) -> ModelRef:
        """Name, version and hash."""

    @property
    def inputs(self) -> frozenset[str]:
        """The analytes that it reads, and ``encounter`` or ``time`` where these can change the result."""

    @property
    def policy(self) -> Policy:
        """When its score becomes an alert."""

    def score(self, record: Record) -> Scored | None:
        """The result at the record's now; ``None`` where the rule does not apply to this patient."""


def age_minutes(entry: Entry, now: int) -> int:
    """Whole minutes since the observation, never less than 0."""
    return max(0, (now - entry.effective) // MINUTE)
