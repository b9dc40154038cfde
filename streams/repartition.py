"""More partitions: whatever is kept of a patient moves to the partition where the patient's key belongs from now on.

Kafka adds partitions to a topic, and then a key belongs to another one than before. So nobody may decide meanwhile:

1. The command is the group's only member, by a protocol that no worker speaks, and takes over the transactional ids of
   the partitions: a worker that was paused and wakes can write nothing to the state any more.
2. All of ``events`` is decided: what waits there for a patient who moves would come after what is written to the
   patient's new partition.
3. All topics that are keyed by patient grow, but ``events``.
4. Each record that lies elsewhere than it shall is written to its new partition, and a tombstone to its old one, in one
   transaction.
5. ``events`` grows. That is the switch: before it the topics have different numbers of partitions, so that no worker
   starts, whatever VAGT_PARTITIONS it has.

However it is interrupted, a patient's record is in exactly one place; the same command again does what is left.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError as WorkerKafkaError
from kafka import TopicPartition
from kafka.admin import OffsetSpec
from kafka.errors import InconsistentGroupProtocolError

from models.roster import NEW, Roster
from streams import kafka
from streams.judge import CONTROL_KEY
from streams.lookout import identities
from streams.partitioner import partition_of
from streams.pulse import Pulse, feel
from streams.reading import read_all
from streams.rosters import stored
from streams.settings import Settings
from streams.topics import AUDIT_IDENTITY, CHANGELOG, EVENTS, NOW, NOW_KEY, OWN_KEY, ROSTER_KEY, topics
from streams.writing import Outgoing, write_all

#: Records, and their bytes, that move in one transaction.
_MOST: Final = 500
_MOST_BYTES: Final = 16 * 1024 * 1024
#: How long the cluster may need to let a member into the group, or to show partitions that it made.
_PATIENCE_S: Final = 60.0
_ASK_AGAIN_S: Final = 0.2
#: A command that is killed stays in the group for so long.
_SESSION_MS: Final = 10_000
_DAY_MS: Final = 24 * 60 * 60 * 1000

#: The topics that keep one newest value of a key: who a record is about, by its key and value.
_WHOSE: Final[Mapping[str, Callable[[bytes, bytes], bytes]]] = {
    CHANGELOG: lambda key, _: key.removeprefix(NOW_KEY),
    AUDIT_IDENTITY: lambda _, patient: patient,
    NOW: lambda patient, _: patient,
}


class RepartitionError(RuntimeError):
    """Nothing, or nothing more, can be moved; the message is one sentence for a person."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """``moved`` records went to another partition; ``waiting`` ones of ``events`` are decided when the workers run."""

    moved: int
    waiting: int


@dataclass(frozen=True, slots=True)
class _Move:
    topic: str
    key: bytes
    value: bytes
    source: int
    to: int


@dataclass(frozen=True, slots=True)
class _Undecided:
    """Of ``events``: how many records each partition has that nobody decided, and the control records among them."""

    records: Mapping[int, int]
    controls: frozenset[tuple[int, bytes]]
    #: Partitions of which nothing was ever decided.
    new: frozenset[int]


def repartition(
    settings: Settings, partitions: int, shown: Callable[[Iterable[None], int], Iterable[None]] = lambda moved, _: moved
) -> Outcome:
    """Give all topics that are keyed by patient so many partitions, and move what they keep of patients.

    ``shown`` is given what moves, one by one, and how many that will be, and passes it on.

    Raises:
        RepartitionError: a worker runs, ``events`` is not decided, or the topics cannot be cut so.
        KafkaError, SecurityError: the cluster does not answer, or does not let this client in.
    """
    have = _counts(settings)
    _check(settings, have, partitions)
    if feel(settings, 0) is not Pulse.NONE:
        raise _not_alone()
    with _alone(settings):
        asyncio.run(_fence(settings, max(have.values())))
        # Once topics differ no worker starts, so what came to `events` since must wait for them.
        began = len(set(have.values())) > 1
        waiting = sum(_undecided(settings).records.values())
        if waiting and not began and partitions > have[EVENTS]:
            raise RepartitionError(
                f"{waiting} records of {settings.topic(EVENTS)} are not decided: stop what writes to it, let the "
                f"workers run until they have decided all, stop them, and say it again."
            )
        roster = _roster(settings, have[EVENTS])
        plan = _planned(settings, partitions)
        _grow(settings, [name for name in have if name != EVENTS], partitions)
        moved = sum(1 for _ in shown(_moved(settings, sorted(plan), partitions), plan.total()))
        asyncio.run(_seat(settings, roster, range(have[EVENTS], partitions)))
        _grow(settings, [EVENTS], partitions)
        left = _undecided(settings)
        _spread(settings, left)
    return Outcome(moved, sum(left.records.values()))


def _check(settings: Settings, have: Mapping[str, int], partitions: int) -> None:
    if EVENTS not in have:
        raise RepartitionError(
            f"There is no topic {settings.topic(EVENTS)}: nothing is to be moved, set VAGT_PARTITIONS as you like."
        )
    most = max(have, key=lambda name: have[name])
    if partitions < have[most]:
        raise RepartitionError(
            f"The topic {settings.topic(most)} has {have[most]} partitions, and Kafka takes none away: "
            f"{partitions} would be fewer."
        )


def _not_alone() -> RepartitionError:
    return RepartitionError(
        "Workers run: stop what writes to events, let the workers decide what waits there, stop them all (a killed "
        "one counts for some seconds more), and say it again."
    )


# --------------------------------------------------------------------------------- nobody else


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Be the only member of the workers' group; whoever joins with their protocol is refused by Kafka.

    Raises:
        RepartitionError: a worker is in it.
    """
    member = kafka.reader(
        settings,
        group_id=settings.group,
        enable_auto_commit=False,
        session_timeout_ms=_SESSION_MS,
        heartbeat_interval_ms=_SESSION_MS // 4,
        max_poll_interval_ms=_DAY_MS,
    )
    try:
        member.partitions_for_topic(settings.topic(EVENTS))  # else its first assignment is empty
        member.subscribe([settings.topic(EVENTS)])
        deadline = time.monotonic() + _PATIENCE_S
        while not member.assignment():
            if time.monotonic() > deadline:
                raise _not_alone()
            member.poll(timeout_ms=int(_ASK_AGAIN_S * 1000), max_records=1)
        member.pause(*member.assignment())
        yield
    except InconsistentGroupProtocolError:
        raise _not_alone() from None
    finally:
        member.close(autocommit=False)


async def _fence(settings: Settings, partitions: int) -> None:
    """End the right of all former owners to write, and what they left open."""
    for partition in range(partitions):
        await (await _started(settings, partition)).stop()


async def _started(settings: Settings, partition: int) -> AIOKafkaProducer:
    """A producer by the id of a partition's owner."""
    producer = kafka.producer(settings, f"{settings.group}-{partition}")
    await producer.start()
    return producer


# -------------------------------------------------------------------------------------- topics


def _counts(settings: Settings) -> dict[str, int]:
    """How many partitions each existing topic has that is keyed by patient, by its name without the prefix."""
    admin = kafka.admin(settings)
    try:
        names = [one.name for one in topics() if one.keyed_by_patient]
        there = set(admin.list_topics())
        wanted = {settings.topic(name): name for name in names if settings.topic(name) in there}
        found = admin.describe_topics(list(wanted)) if wanted else []
        return {wanted[one["name"]]: len(one["partitions"]) for one in found}
    finally:
        admin.close()


def _grow(settings: Settings, names: Iterable[str], partitions: int) -> None:
    """Add the partitions that are missing, and wait until each has a leader."""
    have = _counts(settings)
    wanted = {settings.topic(name): partitions for name in names if have[name] < partitions}
    if not wanted:
        return
    admin = kafka.admin(settings)
    try:
        admin.create_partitions(wanted)
        deadline = time.monotonic() + _PATIENCE_S
        while not all(_led(one, partitions) for one in admin.describe_topics(list(wanted))):
            if time.monotonic() > deadline:
                raise RepartitionError("Kafka did not finish the new partitions: say it again when it has.")
            time.sleep(_ASK_AGAIN_S)
    finally:
        admin.close()


def _led(topic: Mapping[str, Any], partitions: int) -> bool:
    return len(topic["partitions"]) == partitions and all(one["leader_id"] >= 0 for one in topic["partitions"])


# -------------------------------------------------------------------------------------- events


def _undecided(settings: Settings) -> _Undecided:
    """What of ``events`` no checkpoint has passed; ticks of the service's own aside, which are worth nothing later."""
    reached, ends = _reached(settings)
    counts, controls = Counter[int](), set()
    for partition in (one for one, end in ends.items() if end > reached.get(one, 0)):
        for record in read_all(settings, EVENTS, partition, reached.get(partition, 0)):
            if record.key == CONTROL_KEY:
                controls.add((partition, record.value))
            counts[partition] += not _is_own_tick(record.value)
    return _Undecided(counts, frozenset(controls), frozenset(ends.keys() - reached.keys()))


def _reached(settings: Settings) -> tuple[dict[int, int], dict[int, int]]:
    """The group's offsets in ``events``, and where its partitions end; an offset in a topic that is gone is none."""
    topic = settings.topic(EVENTS)
    identity = identities(settings, [topic], _PATIENCE_S)[topic]
    there = [TopicPartition(topic, partition) for partition in range(_counts(settings)[EVENTS])]
    admin = kafka.admin(settings)
    try:
        ends = admin.list_partition_offsets(dict.fromkeys(there, OffsetSpec.LATEST))
        found = admin.list_group_offsets(settings.group)[settings.group]
    finally:
        admin.close()
    reached = {
        tp.partition: one.offset
        for tp, one in found.items()
        if tp.topic == topic and one.offset >= 0 and (one.metadata or identity) == identity
    }
    return reached, {tp.partition: one.offset for tp, one in ends.items()}


def _is_own_tick(value: bytes | None) -> bool:
    try:
        item = orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        return False
    return isinstance(item, dict) and item.get("type") == "tick" and item.get("origin") == "vagt"


def _spread(settings: Settings, undecided: _Undecided) -> None:
    """Write control records that wait to the new partitions too: whom they are about may have moved there."""
    values = sorted({value for _, value in undecided.controls})
    write_all(
        settings,
        (
            Outgoing(settings.topic(EVENTS), CONTROL_KEY, value, partition)
            for partition in sorted(undecided.new)
            for value in values
            if (partition, value) not in undecided.controls
        ),
    )


# --------------------------------------------------------------------------------------- state


def _moves_along(key: bytes) -> bool:
    """Whether what has this key is about a patient, and not about the partition that it lies on."""
    return key.startswith(NOW_KEY) or not key.startswith(OWN_KEY)


def _planned(settings: Settings, partitions: int) -> Counter[tuple[str, int]]:
    """How many records are to leave each partition of the topics that keep something of patients.

    Raises:
        RepartitionError: a patient has two, and nobody can say which is right.
    """
    plan, there = Counter[tuple[str, int]](), _counts(settings)
    for name in _WHOSE.keys() & there.keys():
        places: dict[tuple[bytes, int], int] = {}
        for one in read_all(settings, name):
            if one.value is None:
                places.pop((one.key, one.partition), None)
            elif _moves_along(one.key):
                places[one.key, one.partition] = partition_of(_WHOSE[name](one.key, one.value), partitions)
        plan.update((name, source) for (_, source), to in places.items() if to != source)
        homes = {(key.removeprefix(NOW_KEY), partition) for key, partition in places}
        if name == CHANGELOG and (twice := len(homes) - len({key for key, _ in homes})):
            raise RepartitionError(
                f"{twice} patients have records on two partitions of {settings.topic(name)}, as after workers ran "
                "with other partitions than it was written with: put it back from a backup first."
            )
    return plan


def _moves(settings: Settings, name: str, source: int, partitions: int) -> list[_Move]:
    """What of one partition belongs to another among so many."""
    newest = {one.key: one.value for one in read_all(settings, name, source)}
    kept = {key: value for key, value in newest.items() if value is not None and _moves_along(key)}
    places = {key: partition_of(_WHOSE[name](key, value), partitions) for key, value in kept.items()}
    return [_Move(settings.topic(name), key, kept[key], source, to) for key, to in places.items() if to != source]


def _moved(settings: Settings, places: Iterable[tuple[str, int]], partitions: int) -> Iterator[None]:
    """Move, one partition after the other; one item for each record, once it is there."""
    with asyncio.Runner() as runner:
        for name, source in places:
            # By the owner's id, so that a worker that owned the partition again would be seen.
            producer = runner.run(_started(settings, source))
            try:
                for batch in _batches(_moves(settings, name, source, partitions)):
                    runner.run(_write(producer, batch))
                    yield from (None for _ in batch)
            except WorkerKafkaError as error:
                raise RepartitionError(
                    f"Kafka did not take what moves ({type(error).__name__}): see that it is well and that no worker "
                    "starts, and say it again."
                ) from error
            finally:
                runner.run(producer.stop())


def _batches(moves: Iterable[_Move]) -> Iterator[list[_Move]]:
    """Not too many, and not too large, for one transaction."""
    batch: list[_Move] = []
    size = 0
    for one in moves:
        if batch and (len(batch) == _MOST or size + len(one.value) > _MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += len(one.value)
    if batch:
        yield batch


def _roster(settings: Settings, partitions: int) -> Roster:
    """The roster of so many partitions.

    Raises:
        RepartitionError: they have not one and the same.
    """
    first, *others = stored(settings, partitions)
    if any(one != first for one in others):
        raise RepartitionError(
            "The partitions do not agree which models speak: start the workers, say again what was said last of each "
            "model (`vagt models roster` tells where they differ), stop them, and repartition then."
        )
    return first


async def _seat(settings: Settings, roster: Roster, new: Iterable[int]) -> None:
    """Give new partitions the roster of the others; one that nobody changed is kept nowhere."""
    for partition in new if roster != NEW else ():
        producer = await _started(settings, partition)
        try:
            async with producer.transaction():
                await producer.send_and_wait(settings.topic(CHANGELOG), roster.store(), ROSTER_KEY, partition=partition)
        finally:
            await producer.stop()


async def _write(producer: AIOKafkaProducer, moves: Iterable[_Move]) -> None:
    """Write records where they belong, and tombstones where they lay, in one transaction."""
    async with producer.transaction():
        sent = []
        for one in moves:
            sent.append(await producer.send(one.topic, one.value, one.key, partition=one.to))
            sent.append(await producer.send(one.topic, None, one.key, partition=one.source))
        await asyncio.gather(*sent)
