"""Three brokers, and what is done to them while the workers run."""

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import closing
from random import Random
from typing import Final

from kafka import KafkaAdminClient, TopicPartition
from kafka.errors import KafkaError

from streams.broker import Broker, BrokerError

_ENDS_S: Final = 60.0
_IN_SYNC_S: Final = 300.0
_PREFERRED: Final = 0
_TRIES: Final = 5


def end(broker: Broker, node: int, how: signal.Signals) -> None:
    """End one node with a signal, and wait until it is gone.

    Raises:
        BrokerError: it does not end.
    """
    pid = _pid(broker, node)
    if pid is None:
        return
    os.kill(pid, how)
    deadline = time.monotonic() + _ENDS_S
    while _pid(broker, node) is not None:
        if time.monotonic() > deadline:
            raise BrokerError(f"Kafka's node {node} did not end in {_ENDS_S:.0f} s")
        time.sleep(0.05)


def revive(broker: Broker, tell: Callable[[str], None] = lambda _: None) -> None:
    """Start the nodes that do not run.

    Raises:
        BrokerError: one of them does not come up, however often.
    """
    for left in reversed(range(_TRIES)):
        try:
            broker.start(tell)
        except BrokerError:
            if not left:
                raise
        else:
            return


def move_leaders(broker: Broker, topics: list[str], chance: Random) -> None:
    """Give every partition of these topics another leader, as far as its replicas are in sync.

    Raises:
        KafkaError: the cluster does not do it.
    """
    with closing(KafkaAdminClient(bootstrap_servers=broker.bootstrap)) as admin:
        partitions = {
            TopicPartition(topic["name"], one["partition_index"]): one["replica_nodes"]
            for topic in admin.describe_topics(topics)
            for one in topic["partitions"]
        }
        turns = {tp: 1 + chance.randrange(len(nodes) - 1) for tp, nodes in partitions.items() if len(nodes) > 1}
        admin.alter_partition_reassignments({tp: _turned(partitions[tp], by) for tp, by in turns.items()})
        names = {topic: [tp.partition for tp in turns if tp.topic == topic] for topic in topics}
        admin.elect_leaders(_PREFERRED, names, raise_errors=False)


def wait_in_sync(broker: Broker, topics: list[str], over: threading.Event) -> None:
    """Wait until every replica of these topics is in sync: two brokers down at once are beyond what three bear.

    It returns at once when it is ``over``.

    Raises:
        BrokerError: they are not after five minutes.
    """
    deadline = time.monotonic() + _IN_SYNC_S
    while not _in_sync(broker, topics):
        if time.monotonic() > deadline:
            raise BrokerError(f"Kafka's replicas are not in sync after {_IN_SYNC_S:.0f} s")
        if over.wait(0.5):
            return


def _in_sync(broker: Broker, topics: list[str]) -> bool:
    try:
        with closing(KafkaAdminClient(bootstrap_servers=broker.bootstrap)) as admin:
            return all(
                len(one["isr_nodes"]) == len(one["replica_nodes"])
                for topic in admin.describe_topics(topics)
                for one in topic["partitions"]
            )
    except KafkaError:
        return False


def _turned(nodes: list[int], by: int) -> list[int]:
    return [*nodes[by:], *nodes[:by]]


def _pid(broker: Broker, node: int) -> int | None:
    return next((one.pid for one in broker.status().nodes if one.node == node), None)
