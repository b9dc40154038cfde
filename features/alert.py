"""What was last said of an alert, as it is kept with the patient: the memory of its life cycle."""

from typing import Annotated

import msgspec


class Escalation(msgspec.Struct, frozen=True, array_like=True):
    """A role that an alert goes to, and the instant from which it does."""

    role: str
    at: int


class AlertMemory(msgspec.Struct, frozen=True, array_like=True):
    """One alert, open or lately ended. Instants are in ms since the epoch, 0 for none.

    ``level`` counts its policy's levels from 0, the mildest, and was said with ``severity``, last at ``said``;
    ``supported`` is when a score last bore the alert out; ``held`` says why it is held back, up to ``held_until``;
    ``quiet_until`` and ``quiet_level`` are the lockout that follows an acknowledgement or a dismissal; ``feedback`` are
    the answers so far. While it waits for an answer, ``role`` has it, and ``escalations`` are to come.
    ``asleep_since`` is when a snooze began that the next result ends.
    """

    id: str
    sequence: int
    state: str
    level: Annotated[int, msgspec.Meta(ge=0)]
    evidence: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    supported: int = 0
    held: str | None = None
    held_until: int = 0
    snoozed_until: int = 0
    quiet_until: int = 0
    quiet_level: int = -1
    feedback: tuple[str, ...] = ()
    severity: str = ""
    said: int = 0
    role: str | None = None
    escalations: tuple[Escalation, ...] = ()
    asleep_since: int = 0
