"""Topics on a real Kafka."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from aiokafka import AIOKafkaProducer
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource

from streams.topics import MAX_RECORD, MIB, Difference, TopicError, ensure, topics


@pytest.mark.req("VAGT-OPS-02")
def test_missing_topics_are_created_as_specified(broker, topic_prefix):
    wanted = topics(partitions=3, prefix=topic_prefix, doors=["lab"])

    assert ensure(broker, wanted) == []

    admin = KafkaAdminClient(bootstrap_servers=broker)
    try:
        found = {t["name"]: len(t["partitions"]) for t in admin.describe_topics([t.name for t in wanted])}
        resource = ConfigResource("TOPIC", topic_prefix + "vagt-patients-changelog")
        changelog = admin.describe_configs([resource])["topic"][resource.name]
    finally:
        admin.close()
    assert found == {t.name: t.partitions for t in wanted}
    assert found[topic_prefix + "events"] == 3
    assert changelog["cleanup.policy"]["value"] == "compact"


def test_topics_that_exist_are_left_alone(broker, topic_prefix):
    wanted = topics(prefix=topic_prefix)
    assert ensure(broker, wanted) == []
    assert ensure(broker, wanted) == []


def test_two_workers_may_create_the_topics_at_once(broker, topic_prefix):
    wanted = topics(prefix=topic_prefix)
    with ThreadPoolExecutor() as pool:
        results = list(pool.map(lambda _: ensure(broker, wanted), range(2)))
    assert results == [[], []]


@pytest.mark.req("VAGT-OPS-02")
def test_a_difference_is_reported_and_not_changed(broker, topic_prefix):
    events = topic_prefix + "events"
    admin = KafkaAdminClient(bootstrap_servers=broker)
    try:
        admin.create_topics(
            {events: {"num_partitions": 2, "replication_factor": 1, "configs": {"retention.ms": "1000"}}},
            wait_for_metadata=True,
        )
    finally:
        admin.close()

    wanted = [topic for topic in topics(partitions=4, prefix=topic_prefix) if topic.name == events]
    for _ in range(2):
        differences = ensure(broker, wanted)
        assert Difference(events, "partitions", "2", "4") in differences
        assert Difference(events, "retention.ms", "1000", "1209600000") in differences
        assert {difference.setting for difference in differences} == {
            "partitions",
            "retention.ms",
            "max.message.bytes",
        }


def test_a_platform_may_cut_its_own_topic_as_it_likes(broker, topic_prefix):
    lab = topic_prefix + "lab"
    admin = KafkaAdminClient(bootstrap_servers=broker)
    try:
        admin.create_topics({lab: {"num_partitions": 7, "replication_factor": 1}}, wait_for_metadata=True)
    finally:
        admin.close()
    differences = ensure(broker, topics(prefix=topic_prefix, doors=["lab"]))
    assert {(difference.topic, difference.setting) for difference in differences} == {(lab, "max.message.bytes")}


def test_too_few_nodes_for_the_replicas_are_a_clear_refusal(broker, topic_prefix):
    with pytest.raises(TopicError, match=r"refused the topic .*replication factor"):
        ensure(broker, topics(prefix=topic_prefix), replication=50)


def test_a_kafka_that_does_not_answer_is_named(unused_tcp_port):
    with pytest.raises(TopicError, match=f"No Kafka answers at 127.0.0.1:{unused_tcp_port}"):
        ensure(f"127.0.0.1:{unused_tcp_port}", topics(), timeout_s=0.5)


async def test_events_take_a_record_of_32_mib_and_dead_letters_its_headers_too(broker, topic_prefix):
    ensure(broker, topics(prefix=topic_prefix))
    async with AIOKafkaProducer(bootstrap_servers=broker, max_request_size=40 * MIB) as producer:
        value = bytes(MAX_RECORD)
        await producer.send_and_wait(topic_prefix + "events", key=b"p-1", value=value)
        headers = [("detail", bytes(512 * 1024))]
        await producer.send_and_wait(topic_prefix + "deadletter", key=b"p-1", value=value, headers=headers)
