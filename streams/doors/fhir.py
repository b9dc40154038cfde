"""The door for FHIR R4."""

from typing import Any
from zoneinfo import ZoneInfo

from features.catalogue import Refused
from streams.doors.native import Translation


def translate(document: Any, zone: ZoneInfo, received: int) -> Translation:
    """To be written."""
    return Translation((), ((0, Refused("unsupported", "the FHIR door is being built")),))
