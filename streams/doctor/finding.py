"""What `vagt doctor` finds, and how bad that is."""

from dataclasses import dataclass
from enum import IntEnum


class Level(IntEnum):
    """How bad; the worst is the command's exit status."""

    OK = 0
    WARNING = 1
    FAULT = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """What was seen, what it means, and what to do; of what is well, the first alone."""

    check: str
    level: Level
    seen: str
    means: str = ""
    do: str = ""


def ok(check: str, seen: str) -> Finding:
    """All is well."""
    return Finding(check, Level.OK, seen)


def warning(check: str, seen: str, means: str, do: str) -> Finding:
    """It works, and will not always."""
    return Finding(check, Level.WARNING, seen, means, do)


def fault(check: str, seen: str, means: str, do: str) -> Finding:
    """Patients are not watched as they should be, or may soon not be."""
    return Finding(check, Level.FAULT, seen, means, do)
