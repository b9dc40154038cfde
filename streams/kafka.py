"""Every Kafka client of the product is made here, but Faust's own: each shows who it is as the settings say."""

from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer

from streams import security
from streams.settings import Settings

#: What one request may hold: the largest record that the topics take, and its frame.
MAX_REQUEST = 33 * 1024 * 1024
_TIMEOUT_MS = 30_000
#: How long somebody at a terminal waits to learn that no cluster answers.
_FIRST_ANSWER_MS = 10_000


def producer(settings: Settings, transactional_id: str | None = None, **more: Any) -> AIOKafkaProducer:
    """An idempotent producer with ``acks=all``; with an id, a transactional one that fences its predecessors."""
    options: dict[str, Any] = {
        "client_id": settings.group,
        "acks": "all",
        "enable_idempotence": True,
        "linger_ms": 0,
        "max_request_size": MAX_REQUEST,
        "request_timeout_ms": _TIMEOUT_MS,
        "transactional_id": transactional_id,
        "transaction_timeout_ms": _TIMEOUT_MS,
    }
    return AIOKafkaProducer(**security.for_aiokafka(settings), **(options | more))


def consumer(settings: Settings, **more: Any) -> AIOKafkaConsumer:
    """A consumer outside any group."""
    options: dict[str, Any] = {
        "client_id": settings.group,
        "group_id": None,
        "enable_auto_commit": False,
        "fetch_max_wait_ms": 100,
    }
    return AIOKafkaConsumer(**security.for_aiokafka(settings), **(options | more))


def changelog_reader(settings: Settings) -> AIOKafkaConsumer:
    """A consumer outside any group that sees committed transactions only."""
    return consumer(
        settings,
        isolation_level="read_committed",
        auto_offset_reset="earliest",  # were it the end, a beginning that moves while it is read would lose records
        max_partition_fetch_bytes=8 * 1024 * 1024,
        fetch_max_bytes=64 * 1024 * 1024,
    )


def admin(settings: Settings, timeout_s: float = 30.0) -> KafkaAdminClient:
    """A client that asks and changes the cluster, in a thread of its own; close it.

    Raises:
        SecurityError: the cluster and this client do not trust each other.
        KafkaError: it does not answer.
    """
    patience_ms = int(timeout_s * 1000)
    return _opened(KafkaAdminClient, settings, bootstrap_timeout_ms=patience_ms, request_timeout_ms=patience_ms)


def reader(settings: Settings, **more: Any) -> KafkaConsumer:
    """A consumer, for programs without a loop; outside any group by default. Raises what ``admin`` raises."""
    return _opened(KafkaConsumer, settings, **({"group_id": None, "bootstrap_timeout_ms": _FIRST_ANSWER_MS} | more))


def sender(settings: Settings) -> KafkaProducer:
    """A producer with ``acks=all``, for programs without a loop. Raises what ``admin`` raises."""
    return _opened(KafkaProducer, settings, acks="all", max_request_size=MAX_REQUEST)


def _opened(client: type[Any], settings: Settings, **more: Any) -> Any:
    security.check(settings)
    return client(**security.for_kafka_python(settings), **more)
