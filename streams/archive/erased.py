"""What is left of a record of ``events`` whose patient was erased: its place."""

from typing import Final

from streams.deadletter import Source

#: The only header of such a record.
ERASED: Final = "vagt-erased"


def is_erased(source: Source) -> bool:
    """Whether only the place of this record is left."""
    return source.value is None and any(name == ERASED for name, _ in source.headers)
