"""`vagt doctor`: asks the cluster, this machine and the deployment whether patients are watched as they should be."""

from collections.abc import Callable, Iterator
from typing import Final

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from streams import kafka
from streams.doctor import certificates, deployment, disk, group, records, rights, roster, topics
from streams.doctor.finding import Finding, fault, ok, warning
from streams.secret import SecurityError
from streams.settings import Settings

_ANSWER_S: Final = 15.0
#: The oldest Kafka that the service is tested with.
_TESTED: Final = (4, 0)

_HERE: Final[tuple[Callable[[Settings], Iterator[Finding]], ...]] = (
    deployment.settings,
    deployment.models,
    certificates.check,
    disk.check,
)
#: What the cluster is asked, by the name of the check.
THERE: Final[dict[str, Callable[[Settings, KafkaAdminClient], Iterator[Finding]]]] = {
    "topics": topics.check,
    "rights": rights.check,
    "workers": group.workers,
    "roster": roster.check,
    "lag": group.lag,
    "clocks": records.clocks,
    "senders": records.senders,
    "dead letters": records.refused,
    "watch": records.watched,
}


def examine(settings: Settings) -> Iterator[Finding]:
    """All findings, one after the other; nothing on the cluster or the disk is changed."""
    for look in _HERE:
        yield from look(settings)
    try:
        admin = kafka.admin(settings, _ANSWER_S)
    except (KafkaError, SecurityError) as error:
        yield fault(
            "broker",
            str(error) if isinstance(error, SecurityError) else f"No Kafka answers at {settings.kafka_bootstrap}.",
            "Nothing is decided and nothing is shown anew.",
            "Start it, mend the network or the credentials, or name it in VAGT_KAFKA_BOOTSTRAP.",
        )
        return
    try:
        yield from _broker(settings, admin)
        for name, ask in THERE.items():
            try:
                yield from ask(settings, admin)
            except KafkaError as error:
                yield warning(
                    name,
                    f"Kafka did not say ({type(error).__name__}).",
                    "This was not looked at: a topic is missing, or this client may not see it.",
                    "Mend what is missing first; or ask again as a user who may see it (`vagt acls`).",
                )
    finally:
        admin.close()


def _broker(settings: Settings, admin: KafkaAdminClient) -> Iterator[Finding]:
    brokers = admin.describe_cluster()["brokers"]
    oldest = min(admin.get_broker_version_data(one["broker_id"]).broker_version for one in brokers)
    told = f"Kafka {'.'.join(map(str, oldest))} answers at {settings.kafka_bootstrap}, with {len(brokers)} brokers."
    if oldest < _TESTED:
        yield warning("broker", told, "The service is tested with Kafka 4.", "Update Kafka.")
    elif len(brokers) < settings.replication:
        yield fault(
            "broker",
            told,
            f"VAGT_REPLICATION is {settings.replication}: no topic can be made.",
            "Start the brokers that are missing, or set it to what there is.",
        )
    else:
        yield ok("broker", told)
