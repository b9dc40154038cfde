"""What the audit is read from, partition by partition, the earliest first: the audit, records of ``events``, alerts.

Where there is an archive it comes first, and Kafka goes on where it ends. All raise what ``read_all`` raises, and an
``ArchiveError`` where the archive cannot be used.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from streams.deadletter import Source
from streams.reading import read_all
from streams.settings import Settings
from streams.topics import ALERTS, AUDIT, EVENTS

if TYPE_CHECKING:
    from streams.archive.past import Past


def audited(settings: Settings, partition: int) -> Iterator[bytes]:
    """The values of the audit of a partition."""
    past = _past(settings, AUDIT, partition)
    if past is not None:
        yield from past.audited()
    yield from (record.value for record in read_all(settings, AUDIT, partition, past.end if past else 0))


def alerts(settings: Settings, partition: int) -> Iterator[bytes]:
    """The values of the alerts of a partition, heartbeats too."""
    past = _past(settings, ALERTS, partition)
    if past is not None:
        yield from past.messages()
    yield from (record.value for record in read_all(settings, ALERTS, partition, past.end if past else 0))


def events(settings: Settings, partition: int) -> Iterator[Source]:
    """The records of a partition of ``events``."""
    past = _past(settings, EVENTS, partition)
    if past is not None:
        yield from past.records()
    yield from (Source.of(one) for one in read_all(settings, EVENTS, partition, past.end if past else 0))


def _past(settings: Settings, name: str, partition: int) -> "Past | None":
    if settings.archive is None:
        return None
    from streams.archive.past import Past  # Parquet takes long to load

    return Past.of(settings, name, partition)
