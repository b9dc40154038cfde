"""A real Apache Kafka for the tests that need one."""

import os
import uuid
from collections.abc import Iterator

import pytest

from streams.broker import Broker, free_port


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The bootstrap address of a Kafka: that of VAGT_KAFKA_BOOTSTRAP, or one of its own for the whole run."""
    if address := os.environ.get("VAGT_KAFKA_BOOTSTRAP"):
        yield address
        return
    own = Broker(tmp_path_factory.mktemp("broker"), free_port())
    own.start()
    try:
        yield own.bootstrap
    finally:
        own.stop()


@pytest.fixture
def topic_prefix() -> str:
    """A prefix that no other test's topics have, since they share one Kafka."""
    return f"test-{uuid.uuid4().hex[:8]}."
