"""What a message says of itself and of whom it is, and whether it is one that is taken at all."""

import re
from dataclasses import dataclass
from typing import Final, Self
from zoneinfo import ZoneInfo

from features.catalogue import Refused
from features.instants import render
from streams.hl7.er7 import Message, Segment
from streams.hl7.times import instant
from streams.settings import Settings

#: MSH-9, its message and its trigger.
KINDS: Final = frozenset({"ORU^R01", *(f"ADT^A{event}" for event in ("01", "02", "03", "08", "11", "12", "13", "40"))})
_VERSION: Final = re.compile(r"2\.[1-9](\.\d)?")
#: MSH-11: training and debugging.
_NO_PATIENTS: Final = {"T", "D"}


def kind(message: Message) -> str:
    """What a message is, such as ``ORU^R01``, once its header is one that is taken.

    Raises:
        Refused: ``bad-hl7`` (MSH-7, MSH-10 or PID is missing) or ``unsupported`` (MSH-9, MSH-11 or MSH-12).
    """
    header = message.header
    found = f"{header.text(9, 1)}^{header.text(9, 2)}"
    if found not in KINDS:
        raise Refused("unsupported", f"MSH-9: it is none of {', '.join(sorted(KINDS))}")
    if header.text(11) in _NO_PATIENTS:
        raise Refused("unsupported", "MSH-11: messages for training or debugging are of no patients")
    if not _VERSION.fullmatch(header.text(12) or ""):
        raise Refused("unsupported", "MSH-12: the version must be 2.1 to 2.9")
    for field in (7, 10):
        if header.text(field) is None:
            raise Refused("bad-hl7", f"MSH-{field} is missing")
    if message.first("PID") is None:
        raise Refused("bad-hl7", "the segment PID is missing")
    return found


@dataclass(frozen=True, slots=True)
class Sending:
    """What stands above the single results and events of a message.

    Args:
        control: the sender's own number for the message (MSH-10).
        sent: when it was made (MSH-7, ms), which orders the versions of what it says.
        zone: of times without an offset.
        authorities: whose identifiers name patients, by name or OID; empty: a patient has just one.
    """

    control: str
    sent: int
    zone: ZoneInfo
    authorities: frozenset[str]

    @classmethod
    def of(cls, message: Message, received: int, settings: Settings) -> Self:
        """From a message whose header is taken. ``received`` is when Kafka had it (ms).

        Raises:
            Refused: ``schema``, MSH-7 is no time.
        """
        zone = ZoneInfo(settings.timezone)
        sent = instant(message.header.text(7) or "", "MSH-7", zone, received)
        return cls(message.header.text(10) or "", max(0, sent), zone, settings.hl7_authorities)

    def patient(self, segment: Segment, field: int) -> str:
        """The one identifier of the patient in PID-3 or MRG-1.

        Raises:
            Refused: ``missing-subject``, there is none of the deployment's authority, or more than one.
        """
        where, found = f"{segment.name}-{field}", set()
        for part in segment.parts(field):
            assigner = {part.text(4, 1), part.text(4, 2)}
            if not self.authorities or assigner & self.authorities:
                found.add(part.text(1))
        found.discard(None)
        if len(found) == 1:
            return str(found.pop())
        whose = "of the authority that VAGT_HL7_AUTHORITY names" if self.authorities else "(see VAGT_HL7_AUTHORITY)"
        raise Refused("missing-subject", f"{where}: needs just one identifier {whose}, and has {len(found)}")

    def time(self, segment: Segment, field: int) -> str | None:
        """A time as RFC 3339; ``None`` where the field is empty.

        Raises:
            Refused: ``schema``, it is no time.
        """
        text = segment.text(field)
        return None if text is None else render(instant(text, f"{segment.name}-{field}", self.zone, self.sent))

    @property
    def issued(self) -> str:
        """MSH-7 as RFC 3339."""
        return render(self.sent)
