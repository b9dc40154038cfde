"""Whether workers are awake, in which mode, and which models speak: asked of Kafka's group and of the heartbeats.

A heartbeat says whether its worker is live, and what control records made of its partition's models. It is sent every
10 s, and at once when a worker takes partitions over or a roster changes.
"""

import time
from enum import Enum
from typing import Any

import msgspec
import orjson
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.errors import CoordinatorNotAvailableError, GroupIdNotFoundError

from models.roster import Roster
from streams import kafka
from streams.desk import HEARTBEAT_KEY
from streams.settings import Settings
from streams.topics import ALERTS

#: A heartbeat older than this says nothing about now; two and a half intervals.
FRESH_MS = 25_000
_ASK_AGAIN_S = 0.5


class Pulse(Enum):
    """What the workers of a deployment do now."""

    NONE = "no worker runs"
    SILENT = "workers run and have not said whether they are live"
    LIVE = "the workers are live"
    REPLAYING = "the workers run for replays"


def feel(settings: Settings, patience_s: float = 20.0) -> Pulse:
    """Ask the workers; while they are silent, for instance because they start, ask again for so long.

    The topics must exist.

    Raises:
        KafkaError, SecurityError: the cluster does not answer, or does not let this client in.
    """
    deadline = time.monotonic() + patience_s
    admin, reader = kafka.admin(settings), kafka.reader(settings)
    try:
        while _has_members(admin, settings.group):
            beats = _newest(reader, settings)
            if beats:
                live = any(one.get("live", True) for one in beats.values())
                return Pulse.LIVE if live else Pulse.REPLAYING
            if time.monotonic() > deadline:
                return Pulse.SILENT
            time.sleep(_ASK_AGAIN_S)
        return Pulse.NONE
    finally:
        reader.close()
        admin.close()


def rosters(settings: Settings) -> dict[int, Roster]:
    """The roster of each partition that is awake.

    Raises:
        KafkaError, SecurityError: as ``feel``.
    """
    reader = kafka.reader(settings)
    try:
        return {
            partition: msgspec.convert(beat.get("roster", {}), Roster)
            for partition, beat in sorted(_newest(reader, settings).items())
        }
    finally:
        reader.close()


def _has_members(admin: KafkaAdminClient, group: str) -> bool:
    try:
        return bool(admin.describe_groups([group])[group]["members"])
    except (
        CoordinatorNotAvailableError,
        GroupIdNotFoundError,
    ):  # the first on a cluster that never had a group
        return False


def _newest(reader: KafkaConsumer, settings: Settings) -> dict[int, dict[str, Any]]:
    """Of each partition that has a fresh heartbeat, the newest."""
    alerts = settings.topic(ALERTS)
    tps = [TopicPartition(alerts, partition) for partition in sorted(reader.partitions_for_topic(alerts) or ())]
    reader.assign(tps)
    since = time.time_ns() // 1_000_000 - FRESH_MS
    starts = reader.offsets_for_times(dict.fromkeys(tps, since))
    ends = reader.end_offsets(tps)
    fresh = {tp: start.offset for tp, start in starts.items() if start is not None and start.offset < ends[tp]}
    reader.assign(fresh)
    for tp, offset in fresh.items():
        reader.seek(tp, offset)
    beats: dict[int, dict[str, Any]] = {}
    while any(reader.position(tp) < ends[tp] for tp in fresh):
        for tp, records in reader.poll(timeout_ms=500).items():
            for record in records:
                if record.key == HEARTBEAT_KEY:
                    beats[tp.partition] = orjson.loads(record.value)
    return beats
