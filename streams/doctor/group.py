"""The workers as the cluster sees them: who is in the group, who has what, and what waits."""

import time
from collections.abc import Iterator
from typing import Any, Final

from kafka import KafkaAdminClient, TopicPartition
from kafka.errors import CoordinatorNotAvailableError, GroupIdNotFoundError

from streams import kafka
from streams.doctor.finding import Finding, fault, ok, warning
from streams.settings import Settings
from streams.topics import EVENTS

_WORKERS, _LAG = "workers", "lag"
#: The goal is 30 s; after ten minutes nobody would call it late any more.
_LATE_S: Final = 30.0
_LOST_S: Final = 600.0


def workers(settings: Settings, admin: KafkaAdminClient) -> Iterator[Finding]:
    """Who is in the group, and who has how much."""
    try:
        group = admin.describe_groups([settings.group])[settings.group]
    except (CoordinatorNotAvailableError, GroupIdNotFoundError):  # the first on a cluster that never had a group
        group = {"members": []}
    members, events = group["members"], settings.topic(EVENTS)
    if not members:
        yield fault(
            _WORKERS,
            f"No worker is in the group {settings.group}.",
            "No patient is watched.",
            "Start workers (`vagt worker`); one that ends by itself says why in its log.",
        )
        return
    if group["group_state"] != "Stable":
        yield warning(
            _WORKERS,
            f"The group {settings.group} is {group['group_state']}.",
            "Partitions change hands just now; nothing of them is decided meanwhile.",
            "Ask again in a minute. If it stays so, a worker comes and goes: see the workers' logs.",
        )
        return
    shares = sorted(
        sum(
            len(one["partitions"])
            for one in member["member_assignment"]["assigned_partitions"]
            if one["topic"] == events
        )
        for member in members
    )
    told = f"{len(members)} workers have {', '.join(map(str, shares))} partitions of {events}."
    if sum(shares) < settings.partitions:
        yield fault(
            _WORKERS,
            told,
            f"{settings.partitions - sum(shares)} partitions belong to nobody: their patients are not watched.",
            "Restart the worker that joined last; workers of two releases or settings may not agree.",
        )
    elif shares[-1] - shares[0] > 1:
        yield warning(
            _WORKERS,
            told,
            "One worker carries more than its share, and is late before the others are.",
            "Restart one of the workers: partitions are shared out anew.",
        )
    elif shares[0] == 0:
        yield warning(
            _WORKERS, told, "Workers beyond the number of partitions only stand by.", "See `vagt repartition`."
        )
    else:
        yield ok(_WORKERS, told)


def lag(settings: Settings, admin: KafkaAdminClient) -> Iterator[Finding]:
    """What waits in ``events`` and at the doors, by the age of the oldest record of each partition."""
    late = list(_behind(settings, admin))
    yield from late
    if not late:
        yield ok(_LAG, f"No record waits for longer than {_LATE_S:g} s.")


def _behind(settings: Settings, admin: KafkaAdminClient) -> Iterator[Finding]:
    committed = _committed(settings, admin)
    existing = set(admin.list_topics())
    reader = kafka.reader(settings, max_poll_records=1, auto_offset_reset="earliest")
    try:
        for topic in (settings.topic(EVENTS), *settings.door_forms):
            tps = [TopicPartition(topic, number) for number in sorted(reader.partitions_for_topic(topic) or ())]
            if topic not in existing or not tps:
                continue
            first, ends = reader.beginning_offsets(tps), reader.end_offsets(tps)
            for tp in tps:
                begin = max(first[tp], committed.get(tp, 0))
                age_s = _age_s(reader, tp, begin, ends[tp])
                if age_s > _LATE_S:
                    yield _late(tp, ends[tp] - begin, age_s)
    finally:
        reader.close()


def _committed(settings: Settings, admin: KafkaAdminClient) -> dict[TopicPartition, int]:
    try:
        found = admin.list_group_offsets(settings.group)[settings.group]
    except (CoordinatorNotAvailableError, GroupIdNotFoundError):
        return {}
    return {tp: one.offset for tp, one in found.items() if one.offset >= 0}


def _age_s(reader: Any, tp: TopicPartition, begin: int, end: int) -> float:
    """The age of the first record from an offset on; 0 where there is none but the marks of transactions."""
    if begin >= end:
        return 0.0
    reader.assign([tp])
    reader.seek(tp, begin)
    while reader.position(tp) < end:
        for record in reader.poll(timeout_ms=500).get(tp, ()):
            return max(0.0, time.time() - float(record.timestamp) / 1000)
    return 0.0


def _late(tp: TopicPartition, count: int, age_s: float) -> Finding:
    return (fault if age_s > _LOST_S else warning)(
        _LAG,
        f"{tp.topic}, partition {tp.partition}: {count} records wait, the oldest for {age_s:.0f} s.",
        "Alerts of its patients come late by as much.",
        "docs/runbooks/VagtBehind.md; the oldest is lost when the topic's retention comes to it.",
    )
