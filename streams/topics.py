"""The topics: what each is called, how it is cut and kept, and how a cluster comes to have them."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource
from kafka.errors import KafkaError, UnknownTopicOrPartitionError, for_code

from streams import kafka
from streams.settings import Settings

EVENTS = "events"
FHIR = "fhir"
HL7 = "hl7"
SCORES = "risk.scores"
ALERTS = "alerts"
FHIR_ALERTS = "alerts.fhir"
DEADLETTER = "deadletter"
AUDIT = "audit"
AUDIT_IDENTITY = "audit.identity"
NOW = "patients.now"
ACCESS = "audit.access"
WATCH = "model.watch"
WATCH_STATE = "model.watch.state"
CHANGELOG = "vagt-patients-changelog"
#: Keys of the changelog that begin so are the service's own and no patient's.
OWN_KEY = b"\0"
#: Where the audit of the partition stands.
AUDIT_KEY = b"\0audit"
#: Which models speak on the partition.
ROSTER_KEY = b"\0roster"
#: Before a patient: what was last shown of that patient.
NOW_KEY = b"\0now\0"

MIB = 1024 * 1024
MAX_RECORD = 32 * MIB

#: For how many days a topic keeps what is in it.
_DAYS: Mapping[str, int] = {
    EVENTS: 14,
    FHIR: 7,
    HL7: 7,
    SCORES: 30,
    ALERTS: 90,
    FHIR_ALERTS: 90,
    DEADLETTER: 30,
    AUDIT: 400,
}
_DAY_MS = 24 * 60 * 60 * 1000
_BATCH_ROOM = 64 * 1024  # Kafka's limit is one of batches: a record's headers and the batch around it count too
_TOPIC_ALREADY_EXISTS = 36
_MAY_PASS = {"NotControllerError", "RequestTimedOutError"}


class TopicError(RuntimeError):
    """The cluster does not answer or refuses a topic; the message is one sentence for a person."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it shall be.

    ``settings`` are Kafka's own names and values. Only topics ``keyed_by_patient`` must have just this number
    of ``partitions``: a patient's records meet by it.
    """

    name: str
    partitions: int
    keyed_by_patient: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Difference:
    """How an existing topic differs; ``setting`` is ``partitions``, ``replication`` or Kafka's own name."""

    topic: str
    setting: str
    have: str
    want: str


def topics(
    partitions: int = 4, prefix: str = "", doors: Iterable[str] = (), retention: Mapping[str, int] | None = None
) -> tuple[Topic, ...]:
    """Return every topic of a deployment.

    ``doors`` are the names of a platform's own topics: what their owner decided is left to them, but their
    records may be as large as those of `events`. ``retention`` is in days, for topics that shall not keep theirs as
    long as by default.
    """
    days = {**_DAYS, **(retention or {})}
    large = {"max.message.bytes": str(MAX_RECORD + _BATCH_ROOM)}
    # A dead letter is a record of any topic with the headers that explain it.
    larger = {"max.message.bytes": str(MAX_RECORD + MIB)}
    # Never compact,delete: a state deleted by age is lost, and recovery waits for ever at the gap it leaves.
    # Short segments, since only closed ones are compacted, and recovery reads all that is not compacted.
    state = {
        "cleanup.policy": "compact",
        "segment.bytes": str(64 * MIB),
        "segment.ms": str(60 * 60 * 1000),
        "min.cleanable.dirty.ratio": "0.3",
        **large,
    }
    specs = (
        Topic(EVENTS, partitions, keyed_by_patient=True, settings={**_kept(days[EVENTS]), **large}),
        Topic(FHIR, partitions, settings={**_kept(days[FHIR]), **large}),
        Topic(HL7, partitions, settings={**_kept(days[HL7]), **large}),
        *(Topic(door, partitions, settings=large) for door in doors),
        Topic(SCORES, partitions, keyed_by_patient=True, settings=_kept(days[SCORES])),
        Topic(ALERTS, partitions, keyed_by_patient=True, settings=_kept(days[ALERTS])),
        Topic(FHIR_ALERTS, partitions, keyed_by_patient=True, settings=_kept(days[FHIR_ALERTS])),
        Topic(DEADLETTER, 1, settings={**_kept(days[DEADLETTER]), **larger}),
        Topic(AUDIT, partitions, keyed_by_patient=True, settings={**_kept(days[AUDIT]), **large}),
        Topic(AUDIT_IDENTITY, partitions, keyed_by_patient=True, settings=state),
        Topic(ACCESS, 1, settings=_kept(days[AUDIT])),
        Topic(WATCH, 1, settings=_kept(days[AUDIT])),
        Topic(WATCH_STATE, 1, settings=state),
        Topic(NOW, partitions, keyed_by_patient=True, settings=state),
        Topic(CHANGELOG, partitions, keyed_by_patient=True, settings=state),
    )
    return tuple(Topic(prefix + s.name, s.partitions, s.keyed_by_patient, s.settings) for s in specs)


def _kept(days: int) -> dict[str, str]:
    return {"cleanup.policy": "delete", "retention.ms": str(days * _DAY_MS)}


def ensure(
    cluster: Settings | str,
    wanted: Sequence[Topic],
    replication: int = 1,
    timeout_s: float = 60.0,
    created: Callable[[str], None] = lambda _: None,
) -> list[Difference]:
    """Create the topics that are missing and return how the others differ from what they shall be.

    ``created`` is told the name of each that is new.

    ``cluster`` is what its clients need to know; of one that is open to all, its address. What exists is never changed.
    Several workers may call this at once. On return every partition has a leader.

    Raises:
        TopicError: the cluster does not answer, or refuses a topic.
        SecurityError: the cluster and this client do not trust each other.
    """
    settings = Settings(kafka_bootstrap=cluster, kafka_security="PLAINTEXT") if isinstance(cluster, str) else cluster
    bootstrap = settings.kafka_bootstrap
    deadline = time.monotonic() + timeout_s
    try:
        admin = kafka.admin(settings, timeout_s)
    except KafkaError as error:
        raise TopicError(
            f"No Kafka answers at {bootstrap}: start the embedded one with `vagt broker start`, "
            "or name yours in VAGT_KAFKA_BOOTSTRAP."
        ) from error
    try:
        existing = set(admin.list_topics())
        missing = [topic for topic in wanted if topic.name not in existing]
        _create(admin, missing, replication, deadline)
        for topic in missing:
            created(topic.name)
        admin.wait_for_topics([topic.name for topic in wanted], timeout_ms=_left_ms(deadline))
        while True:
            try:
                return differences(admin, wanted, replication)
            except UnknownTopicOrPartitionError:  # to the broker that was asked, which hears of it in a moment
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
    except KafkaError as error:
        raise TopicError(f"Kafka at {bootstrap} did not finish its topics: {error}") from error
    finally:
        admin.close()


def _create(admin: KafkaAdminClient, missing: Sequence[Topic], replication: int, deadline: float) -> None:
    while missing:
        request = {
            topic.name: {
                "num_partitions": topic.partitions,
                "replication_factor": replication,
                "configs": dict(topic.settings),
            }
            for topic in missing
        }
        answers = {answer["name"]: answer for answer in admin.create_topics(request, raise_errors=False)["topics"]}
        refused = {
            name: answer for name, answer in answers.items() if answer["error_code"] not in (0, _TOPIC_ALREADY_EXISTS)
        }
        for name, answer in refused.items():
            error = for_code(answer["error_code"]).__name__
            if error not in _MAY_PASS or time.monotonic() > deadline:
                raise TopicError(f"Kafka refused the topic {name}: {answer.get('error_message') or error}")
        missing = [topic for topic in missing if topic.name in refused]
        if missing:
            time.sleep(0.5)


def check_partitions(settings: Settings) -> None:
    """See that ``events`` is cut as VAGT_PARTITIONS says: who writes to each partition would miss some.

    Raises:
        TopicError: the cluster has it otherwise.
        KafkaError, SecurityError: the cluster does not answer, or does not let this client in.
    """
    admin = kafka.admin(settings)
    try:
        (topic,) = admin.describe_topics([settings.topic(EVENTS)])
    finally:
        admin.close()
    have = len(topic["partitions"])
    if have != settings.partitions:
        raise TopicError(
            f"The topic {topic['name']} has {have} partitions and VAGT_PARTITIONS says {settings.partitions}: "
            "set it to what the topic has."
        )


def differences(admin: KafkaAdminClient, wanted: Sequence[Topic], replication: int) -> list[Difference]:
    """How topics that exist differ from what they shall be.

    Raises:
        KafkaError: the cluster does not answer, or one does not exist.
    """
    names = [topic.name for topic in wanted]
    partitions = {found["name"]: found["partitions"] for found in admin.describe_topics(names)}
    settings = admin.describe_configs([ConfigResource("TOPIC", name) for name in names], config_filter="all")["topic"]
    if unheard := [name for name in names if not settings[name] or not partitions[name]]:
        raise UnknownTopicOrPartitionError(", ".join(unheard))
    found = []
    for topic in wanted:
        have, want = {}, {}
        if topic.keyed_by_patient:
            have["partitions"], want["partitions"] = str(len(partitions[topic.name])), str(topic.partitions)
        copies = min(len(partition["replica_nodes"]) for partition in partitions[topic.name])
        have["replication"], want["replication"] = str(copies), str(replication)
        for setting, value in topic.settings.items():
            have[setting], want[setting] = settings[topic.name][setting]["value"], value
        found += [
            Difference(topic.name, setting, have[setting], value)
            for setting, value in want.items()
            if have[setting] != value
        ]
    return found


def _left_ms(deadline: float) -> int:
    return max(1000, int((deadline - time.monotonic()) * 1000))
