"""The worker's own Kafka clients: producers of outputs and of transactions, and the reader of a changelog."""

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from streams.settings import Settings

#: What one request may hold: the largest record that the topics take, and its frame.
MAX_REQUEST = 33 * 1024 * 1024
_TIMEOUT_MS = 30_000


def producer(settings: Settings, transactional_id: str | None = None) -> AIOKafkaProducer:
    """An idempotent producer with ``acks=all``; with an id, a transactional one that fences its predecessors."""
    return AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap,
        client_id=settings.group,
        acks="all",
        enable_idempotence=True,
        linger_ms=0,
        max_request_size=MAX_REQUEST,
        request_timeout_ms=_TIMEOUT_MS,
        transactional_id=transactional_id,
        transaction_timeout_ms=_TIMEOUT_MS,
    )


def changelog_reader(settings: Settings) -> AIOKafkaConsumer:
    """A consumer outside any group that sees committed transactions only."""
    return AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap,
        client_id=settings.group,
        group_id=None,
        enable_auto_commit=False,
        isolation_level="read_committed",
        max_partition_fetch_bytes=8 * 1024 * 1024,
        fetch_max_bytes=64 * 1024 * 1024,
        fetch_max_wait_ms=100,
    )
