"""The topics: that they are there, cut and kept as they shall be, and whole."""

from collections.abc import Iterator

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource

from streams import topics
from streams.doctor.finding import Finding, fault, ok, warning
from streams.settings import Settings
from streams.topics import CHANGELOG, EVENTS, Difference, Topic

_CHECK = "topics"
#: What a decision needs of a patient's past: events that are kept for less cannot make a lost state again.
_HISTORY_MS = 72 * 60 * 60 * 1000


def check(settings: Settings, admin: KafkaAdminClient) -> Iterator[Finding]:
    """Every topic of the deployment."""
    wanted = topics.topics(settings.partitions, settings.topic_prefix, settings.door_topics, settings.retention)
    existing = set(admin.list_topics())
    there = [topic for topic in wanted if topic.name in existing]
    for topic in wanted:
        if topic.name not in existing:
            yield _missing(topic.name, settings.topic(CHANGELOG))
    if not there:
        return
    wrong = [
        *(_difference(one, settings) for one in topics.differences(admin, there, settings.replication)),
        *_copies(admin, there),
    ]
    yield from wrong
    if len(there) == len(wanted) and not wrong:
        yield ok(_CHECK, f"All {len(wanted)} topics are there, with {settings.partitions} partitions, and whole.")


def _missing(name: str, changelog: str) -> Finding:
    if name == changelog:
        return fault(
            _CHECK,
            f"The topic {name} is missing.",
            "It holds the patients' records. Where there was one, all that was known of the patients is gone.",
            "On a new cluster start a worker, which makes it. Otherwise: docs/operations.md, The changelog is gone.",
        )
    return fault(
        _CHECK,
        f"The topic {name} is missing.",
        "What belongs there cannot be written or read.",
        "Say `vagt topics`, or start a worker that may create topics; find out who deleted it.",
    )


def _difference(one: Difference, settings: Settings) -> Finding:
    seen = f"{one.topic}: {one.setting} is {one.have}, and shall be {one.want}."
    if one.setting == "partitions":
        return fault(
            _CHECK,
            seen,
            "Workers do not start: patients would lose their history.",
            "Set VAGT_PARTITIONS to what the topics have; after an interrupted `vagt repartition`, say it again.",
        )
    if one.setting == "cleanup.policy":
        return fault(
            _CHECK,
            seen,
            "Records are removed that are still needed, or kept for ever.",
            f"kafka-configs.sh --alter --topic {one.topic} --add-config cleanup.policy={one.want}",
        )
    if one.setting == "retention.ms" and one.topic == settings.topic(EVENTS) and 0 <= int(one.have) < _HISTORY_MS:
        return fault(
            _CHECK,
            seen,
            "Events are kept for less than the 72 hours that a patient's record holds: it cannot be made again from "
            "them, and what waits over a weekend is lost.",
            f"kafka-configs.sh --alter --topic {one.topic} --add-config retention.ms={one.want}",
        )
    return warning(
        _CHECK,
        seen,
        "Somebody changed it, or a setting of this deployment.",
        "Decide which is right, and change the other (kafka-configs.sh, or the VAGT_ setting).",
    )


def _copies(admin: KafkaAdminClient, there: list[Topic]) -> Iterator[Finding]:
    names = [topic.name for topic in there]
    settings = admin.describe_configs([ConfigResource("TOPIC", name) for name in names], config_filter="all")["topic"]
    for topic in sorted(admin.describe_topics(names), key=lambda one: str(one["name"])):
        name, partitions = topic["name"], topic["partitions"]
        if not partitions:  # it is being made, or taken away
            continue
        own = settings[name]
        copies, least = min(len(one["replica_nodes"]) for one in partitions), int(own["min.insync.replicas"]["value"])
        if any(one["leader_id"] < 0 for one in partitions):
            yield fault(
                _CHECK,
                f"{name}: a partition has no leader.",
                "Nothing of it is written or read: its patients are not watched.",
                "Start the brokers that have its replicas.",
            )
        elif any(len(one["isr_nodes"]) < len(one["replica_nodes"]) for one in partitions):
            yield warning(
                _CHECK,
                f"{name}: not all replicas are in sync.",
                "A broker is away or behind; one more, and writing stops.",
                "Look at the brokers' logs and disks.",
            )
        if least > copies:
            yield fault(
                _CHECK,
                f"{name}: min.insync.replicas is {least}, with {copies} replicas.",
                "Nothing can be written to it.",
                f"kafka-configs.sh --alter --topic {name} --add-config min.insync.replicas={max(1, copies - 1)}",
            )
        elif copies > 2 and least < 2:
            yield warning(
                _CHECK,
                f"{name}: min.insync.replicas is {least}, with {copies} replicas.",
                "What one broker alone has acknowledged is lost with its disk.",
                f"kafka-configs.sh --alter --topic {name} --add-config min.insync.replicas=2",
            )
        if own["retention.bytes"]["value"] != "-1" and own["cleanup.policy"]["value"] == "delete":
            yield warning(
                _CHECK,
                f"{name}: retention.bytes is {own['retention.bytes']['value']}.",
                "When much comes, records are removed before their time, also those that nobody has read.",
                f"kafka-configs.sh --alter --topic {name} --delete-config retention.bytes",
            )
