"""What is on the topics: whether clocks agree, who writes to the wrong partition, and how much is refused."""

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import orjson
from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import OffsetSpec

from features.instants import render
from models.monitor.notices import Notice
from streams import kafka
from streams.doctor.finding import Finding, fault, ok, warning
from streams.judge import CONTROL_KEY
from streams.partitioner import partition_of
from streams.reading import read_all
from streams.settings import Settings
from streams.topics import ALERTS, DEADLETTER, EVENTS, WATCH, WATCH_STATE

_CLOCKS, _SENDERS, _REFUSED = "clocks", "senders", "dead letters"
_WATCH: Final = "watch"
#: Of each partition of ``events`` so many of the newest records are looked at.
_LOOKED_AT: Final = 500
_TOLERATED_MS: Final = 2_000
_HOUR_MS: Final = 3_600_000
#: The watch writes when an hour of three patients closes; so long is what VagtWatchBehind waits too.
_UNHEARD_MS: Final = 2 * _HOUR_MS
#: The major version of the contract that this release speaks.
_CONTRACT: Final = b"1"

_notice: Final = msgspec.json.Decoder(Notice).decode


def clocks(settings: Settings, admin: KafkaAdminClient) -> Iterator[Finding]:
    """Whether any record was written by a clock that is ahead of this machine's."""
    newest = {name: _newest_ms(settings, admin, name) for name in (EVENTS, ALERTS)}
    now = time.time_ns() // 1_000_000
    ahead = {name: at - now for name, at in newest.items() if at - now > _TOLERATED_MS}
    for name, ms in ahead.items():
        whose = "a sender's" if name == EVENTS else "a worker's"
        refused = name == EVENTS and ms > settings.max_skew_ms
        yield (fault if refused else warning)(
            _CLOCKS,
            f"The newest record of {settings.topic(name)} is {ms / 1000:.0f} s ahead of this machine's clock.",
            f"Either {whose} clock is wrong, or this machine's: ages and delays are told wrongly"
            + (", and what comes with a right clock may be refused (VAGT_MAX_SKEW)." if refused else "."),
            "Compare both with a time server (`chronyc tracking`, `timedatectl`), and mend the one that is wrong.",
        )
    if not ahead:
        yield ok(_CLOCKS, "No record is ahead of this machine's clock.")


def senders(settings: Settings, admin: KafkaAdminClient) -> Iterator[Finding]:
    """Whether the newest records of ``events`` lie on their keys' partitions, and which contract they name."""
    misplaced: dict[str, list[int]] = {}
    others: Counter[str] = Counter()
    looked = 0
    for record in _newest(settings, admin):
        looked += 1
        headers = dict(record.headers)
        contract = headers.get("vagt-contract")
        if contract is not None and contract.partition(b".")[0] != _CONTRACT:
            others[contract.decode(errors="replace")[:20]] += 1
        if (
            record.key
            and record.key != CONTROL_KEY
            and partition_of(record.key, settings.partitions) != record.partition
        ):
            misplaced.setdefault(_sender(record), []).append(record.timestamp)
    for sender, times in sorted(misplaced.items()):
        yield warning(
            _SENDERS,
            f"{sender} wrote {len(times)} of the newest {looked} records to another partition than their key's, the "
            f"last at {render(max(times))}.",
            "Each is moved once, and may change places with the patient's next one.",
            "Its partitioner must be murmur2 (librdkafka: partitioner=murmur2_random); after `vagt repartition`, "
            "restart it.",
        )
    for contract, count in sorted(others.items()):
        yield warning(
            _SENDERS,
            f"{count} of the newest {looked} records name the contract {contract}; this release speaks 1.",
            "A field may mean another thing to their sender.",
            "Compare docs/contract with the sender's, and update the one that is older.",
        )
    if not misplaced and not others:
        yield ok(_SENDERS, f"The newest {looked} records of {settings.topic(EVENTS)} lie where their keys belong.")


def refused(settings: Settings, admin: KafkaAdminClient) -> Iterator[Finding]:
    """How many dead letters the last hour brought, beside the records of ``events``."""
    letters, events = (_of_last_hour(settings, admin, name) for name in (DEADLETTER, EVENTS))
    told = f"{letters} dead letters in the last hour, and {events} records on {settings.topic(EVENTS)}."
    if letters > 0.01 * events:
        yield warning(
            _REFUSED,
            told,
            "What some sender says is not used: its results are missing.",
            "`vagt deadletter list` says why; docs/runbooks/VagtDeadLetters.md.",
        )
    else:
        yield ok(_REFUSED, told)


def watched(settings: Settings, admin: KafkaAdminClient) -> Iterator[Finding]:
    """Whether anybody watches over models and sources, and what was told and not yet told to be over."""
    told = {one.id: one for one in map(_notice, (record.value for record in read_all(settings, WATCH)))}
    still = [one for one in told.values() if one.state != "resolved"]
    for one in still:
        yield warning(
            _WATCH, one.text.en, f"Since {one.since}; read by {', '.join(one.models) or 'no model'}.", one.advice.en
        )
    silent = _unheard_ms(settings, admin)
    if silent > _UNHEARD_MS:
        yield warning(
            _WATCH,
            f"The watch has noted nothing of the last {silent / _HOUR_MS:.0f} h of {settings.topic(EVENTS)}.",
            "Nobody watches over models and sources. Alerts come all the same.",
            "Start `vagt monitor`, or see what its log says; docs/runbooks/VagtWatchBehind.md.",
        )
    elif not still:
        yield ok(_WATCH, f"No notice of {settings.topic(WATCH)} is open.")


def _unheard_ms(settings: Settings, admin: KafkaAdminClient) -> int:
    """How much longer ``events`` goes on than the watch has written; the whole of it where there never was a watch."""
    first = admin.list_partition_offsets(dict.fromkeys(_parts(settings, admin, EVENTS), 0))
    oldest = min((one.timestamp for one in first.values() if one.timestamp >= 0), default=-1)
    return _newest_ms(settings, admin, EVENTS) - max(oldest, _newest_ms(settings, admin, WATCH_STATE))


def _newest_ms(settings: Settings, admin: KafkaAdminClient, name: str) -> int:
    found = admin.list_partition_offsets(dict.fromkeys(_parts(settings, admin, name), OffsetSpec.MAX_TIMESTAMP))
    return max((one.timestamp for one in found.values()), default=-1)


def _of_last_hour(settings: Settings, admin: KafkaAdminClient, name: str) -> int:
    tps = _parts(settings, admin, name)
    since = admin.list_partition_offsets(dict.fromkeys(tps, time.time_ns() // 1_000_000 - _HOUR_MS))
    ends = admin.list_partition_offsets(dict.fromkeys(tps, OffsetSpec.LATEST))
    return sum(ends[tp].offset - since[tp].offset for tp in tps if since[tp].offset >= 0)


def _newest(settings: Settings, admin: KafkaAdminClient) -> Iterator[Any]:
    reader = kafka.reader(settings)
    try:
        tps = _parts(settings, admin, EVENTS)
        reader.assign(tps)
        first, ends = reader.beginning_offsets(tps), reader.end_offsets(tps)
        for tp in tps:
            reader.seek(tp, max(first[tp], ends[tp] - _LOOKED_AT))
        while any(reader.position(tp) < ends[tp] for tp in tps):
            for records in reader.poll(timeout_ms=500).values():
                yield from records
    finally:
        reader.close()


def _sender(record: Any) -> str:
    """Who sent a record, as far as that shows: the performer of its first object; never who the patient is."""
    try:
        document = orjson.loads(record.value or b"")
        first = document[0] if isinstance(document, list) else document
        performer = first.get("performer")
    except (orjson.JSONDecodeError, IndexError, AttributeError):
        performer = None
    return str(performer)[:64] if performer else "A sender who names no performer"


def _parts(settings: Settings, admin: KafkaAdminClient, name: str) -> list[TopicPartition]:
    (topic,) = admin.describe_topics([settings.topic(name)])
    return [TopicPartition(topic["name"], one["partition_index"]) for one in topic["partitions"]]
