"""Control records: what speaks to the service itself lies on every partition of ``events``."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from streams.judge import CONTROL_KEY
from streams.settings import Settings
from streams.topics import EVENTS, check_partitions
from streams.writing import Outgoing


def everywhere(settings: Settings, items: Iterable[Mapping[str, Any]]) -> Iterator[Outgoing]:
    """Each control record once for every partition.

    Raises:
        KafkaError, SecurityError: the cluster does not answer, or does not let this client in.
        TopicError: VAGT_PARTITIONS is not what the cluster has: they would not be everywhere.
    """
    check_partitions(settings)
    for item in items:
        value = orjson.dumps(item)
        for partition in range(settings.partitions):
            yield Outgoing(settings.topic(EVENTS), CONTROL_KEY, value, partition)
