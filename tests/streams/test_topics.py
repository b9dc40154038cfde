"""What the topics are, before any Kafka has them."""

import pytest
from pydantic import ValidationError

from streams.settings import Settings
from streams.topics import topics


def test_every_topic_keyed_by_patient_has_the_same_number_of_partitions():
    specs = topics(partitions=12)
    assert {topic.partitions for topic in specs if topic.keyed_by_patient} == {12}
    assert {
        "events",
        "risk.scores",
        "alerts",
        "alerts.fhir",
        "patients.now",
        "audit",
        "audit.identity",
        "vagt-patients-changelog",
    } == {t.name for t in specs if t.keyed_by_patient}


def test_the_prefix_goes_before_every_name():
    assert all(topic.name.startswith("ouh.") for topic in topics(prefix="ouh.", doors=["lab", "vitals"]))


@pytest.mark.req("VAGT-PRI-05")
def test_the_state_is_never_deleted_by_age():
    (changelog,) = [topic for topic in topics() if topic.name == "vagt-patients-changelog"]
    assert changelog.settings["cleanup.policy"] == "compact"
    assert "retention.ms" not in changelog.settings


@pytest.mark.parametrize("name", ["events", "fhir", "lab", "deadletter"])
def test_what_comes_in_may_be_32_mib_large(name):
    (topic,) = [topic for topic in topics(doors=["lab"]) if topic.name == name]
    assert int(topic.settings["max.message.bytes"]) > 32 * 1024 * 1024


@pytest.mark.req("VAGT-PRI-05")
def test_how_long_a_topic_keeps_what_is_in_it_is_a_setting():
    day = 24 * 60 * 60 * 1000
    default, shorter = (
        {topic.name: int(topic.settings["retention.ms"]) // day for topic in made if "retention.ms" in topic.settings}
        for made in (topics(), topics(retention=Settings(retention_deadletter_days=3).retention))
    )
    days = {"events": 14, "fhir": 7, "hl7": 7, "risk.scores": 30, "alerts": 90, "alerts.fhir": 90, "deadletter": 30}
    assert default == {**days, "audit": 400, "audit.access": 400, "model.watch": 400}
    assert shorter == {**default, "deadletter": 3}


@pytest.mark.parametrize("days", [0, -1])
def test_a_topic_that_keeps_nothing_is_refused(days):
    with pytest.raises(ValidationError):
        Settings(retention_events_days=days)
