"""What the topics are, before any Kafka has them."""

import pytest

from streams.topics import topics


def test_every_topic_keyed_by_patient_has_the_same_number_of_partitions():
    specs = topics(partitions=12)
    assert {topic.partitions for topic in specs if topic.keyed_by_patient} == {12}
    assert {"events", "risk.scores", "alerts", "vagt-patients-changelog"} == {
        t.name for t in specs if t.keyed_by_patient
    }


def test_the_prefix_goes_before_every_name():
    assert all(topic.name.startswith("ouh.") for topic in topics(prefix="ouh.", doors=["lab", "vitals"]))


def test_the_state_is_never_deleted_by_age():
    (changelog,) = [topic for topic in topics() if topic.name == "vagt-patients-changelog"]
    assert changelog.settings["cleanup.policy"] == "compact"
    assert "retention.ms" not in changelog.settings


@pytest.mark.parametrize("name", ["events", "fhir", "lab", "deadletter"])
def test_what_comes_in_may_be_32_mib_large(name):
    (topic,) = [topic for topic in topics(doors=["lab"]) if topic.name == name]
    assert int(topic.settings["max.message.bytes"]) > 32 * 1024 * 1024
