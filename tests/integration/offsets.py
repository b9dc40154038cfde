"""The group's offsets of ``events``, set and forgotten while no worker runs."""

import time
from collections.abc import Mapping

from kafka import KafkaAdminClient, TopicPartition
from kafka.errors import CoordinatorNotAvailableError
from kafka.structs import OffsetAndMetadata

from tests.integration.service import Service


def commit(service: Service, offsets: Mapping[int, int]) -> None:
    """Let the group have decided each partition up to there, without a word of which topic that was."""
    topic = service.settings.topic("events")
    wanted = {
        TopicPartition(topic, one): OffsetAndMetadata(offset, "", -1) for one, offset in offsets.items() if offset
    }
    if not wanted:
        return
    admin = KafkaAdminClient(bootstrap_servers=service.bootstrap)
    deadline = time.monotonic() + 60
    try:
        while True:
            try:
                admin.alter_group_offsets(service.settings.group, wanted)
            except CoordinatorNotAvailableError:
                # A cluster that never had a group makes the topic of the offsets first.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
            else:
                return
    finally:
        admin.close()


def forget(service: Service) -> None:
    """Let the group be as if it had never been."""
    admin = KafkaAdminClient(bootstrap_servers=service.bootstrap)
    try:
        admin.delete_groups([service.settings.group])
    finally:
        admin.close()
