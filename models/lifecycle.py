"""The life of an alert: raised, escalated, updated, then resolved, retracted or expired; never said twice.

An alert is raised when even the lowest the score could be reaches a level, and falls only when even the
highest it could be is below what clears the level: what is not known neither raises nor calms. Between the
two the alert stays as it is.
"""

from dataclasses import dataclass

from features.record import OpenAlert
from models.outputs import Severity, State

#: The states after which an alert is no longer open.
ENDED: frozenset[State] = frozenset({"resolved", "retracted", "expired"})


@dataclass(frozen=True, slots=True)
class Level:
    """A severity, the score that raises it, and the score, not higher, below which it is left."""

    severity: Severity
    raise_at: float
    clear_below: float


@dataclass(frozen=True, slots=True)
class Policy:
    """The levels of one kind of alert, the mildest first."""

    levels: tuple[Level, ...]

    def reached(self, score: float) -> int:
        """The gravest level that a score raises, -1 for none."""
        return max((at for at, level in enumerate(self.levels) if score >= level.raise_at), default=-1)

    def held(self, score: float, level: int) -> int:
        """The gravest level, no graver than ``level``, that a score does not leave; -1 for none."""
        return max((at for at, one in enumerate(self.levels[: level + 1]) if score >= one.clear_below), default=-1)


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be said of an alert, and at which level (of a finished one: the level that it had)."""

    state: State
    level: int


def leave(alert: OpenAlert | None) -> Change | None:
    """The change when the rule does not speak of this patient any more: the alert ends, and calms nobody."""
    return Change("expired", alert.level) if alert else None


def advance(policy: Policy, alert: OpenAlert | None, low: float, high: float, evidence_gone: bool) -> Change | None:
    """The change that a score between ``low`` and ``high`` makes, or ``None``.

    ``evidence_gone`` says that an observation which the alert rests on was corrected or withdrawn: then it
    stands only if it would be raised anew.
    """
    raised = policy.reached(low)
    if alert is None:
        return Change("raised", raised) if raised >= 0 else None
    if raised > alert.level:
        return Change("escalated", raised)
    level = raised if evidence_gone else max(raised, policy.held(high, alert.level))
    if level == alert.level:
        return None
    if level >= 0:
        return Change("updated", level)
    return Change("retracted" if evidence_gone else "resolved", alert.level)
