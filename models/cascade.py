"""Who has an alert that nobody answers: the one who has the patient, then role after role as time goes by."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from msgspec import structs

from features.alert import AlertMemory, Escalation


@dataclass(frozen=True, slots=True)
class Cascade:
    """The roles in their order, and for each severity after how many ms without an answer each later one has an alert.

    An alert of a severity without times is nobody's in particular.
    """

    roles: tuple[str, ...] = ()
    after: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def covers(self, severity: str) -> bool:
        """Whether an alert of this severity goes from role to role."""
        return bool(self.after.get(severity))

    def begin(self, alert: AlertMemory, now: int) -> AlertMemory:
        """The alert when it waits for an answer from ``now`` on, with the first role."""
        if not self.covers(alert.severity):
            return end(alert)
        first, *later = self.roles
        escalations = tuple(
            Escalation(role, now + after) for role, after in zip(later, self.after[alert.severity], strict=False)
        )
        return structs.replace(alert, role=first, escalations=escalations)


def end(alert: AlertMemory) -> AlertMemory:
    """The alert when it does not wait for an answer any more."""
    return alert if alert.role is None else structs.replace(alert, role=None, escalations=())


def pass_on(alert: AlertMemory, now: int) -> AlertMemory | None:
    """The alert when it goes to the last of the roles that are due at ``now``; ``None``: none is."""
    due = [one for one in alert.escalations if one.at <= now]
    if not due:
        return None
    return structs.replace(
        alert,
        sequence=alert.sequence + 1,
        state="escalated",
        role=due[-1].role,
        escalations=alert.escalations[len(due) :],
    )
