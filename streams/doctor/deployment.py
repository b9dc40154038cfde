"""What this deployment is made of: its models and rules, and settings that contradict each other."""

from collections.abc import Iterator
from typing import Final

from models.artefact import ArtefactError, Trust, signed_by
from models.registry import FOLDERS
from models.shelf import opened
from streams.doctor.finding import Finding, fault, ok, warning
from streams.settings import Settings
from streams.terms import Terms, shelf
from streams.topics import topics

_MODELS, _SETTINGS = "models", "settings"
_HERE: Final = ("localhost", "127.", "[::1]")
#: What a patient's record holds of everything.
_HISTORY_DAYS: Final = 3


def models(settings: Settings) -> Iterator[Finding]:
    """Each model as a worker would load it, then all that decides together."""
    trust, refused = Trust(settings.model_keys), False
    for folder in (*FOLDERS, *shelf(settings).folders()):
        try:
            one = opened(folder, trust)
        except ArtefactError as error:
            refused = True
            yield _unloadable(str(error))
            continue
        yield ok(
            _MODELS,
            f"{one.model.name} {one.model.version}, signed by {signed_by(folder, trust)}"
            + ("." if one.switched_on else ": switched off, it scores and tells nobody."),
        )
    if not refused:
        try:
            Terms.of(settings).decider(shelf(settings))
        except (OSError, ValueError) as error:
            yield _unloadable(str(error))


def _unloadable(why: str) -> Finding:
    return fault(
        _MODELS,
        f"{why[:1].upper()}{why[1:]}.",
        "No worker starts with it, nor without it.",
        "Put back the files as they were signed (`vagt models verify`), or add the key of who signed to "
        "VAGT_MODEL_KEYS.",
    )


def settings(own: Settings) -> Iterator[Finding]:
    """Settings that are possible one by one, and not together."""
    found = list(_contradictions(own))
    yield from found
    if not found:
        yield ok(_SETTINGS, "No setting contradicts another.")


def is_far(own: Settings) -> bool:
    """Whether Kafka is on another machine."""
    return not all(one.strip().startswith(_HERE) for one in own.kafka_bootstrap.split(","))


def _contradictions(own: Settings) -> Iterator[Finding]:
    if own.retention_events_days < _HISTORY_DAYS:
        yield fault(
            _SETTINGS,
            f"VAGT_RETENTION_EVENTS_DAYS is {own.retention_events_days}.",
            "Events are kept for less than the 72 hours that a patient's record holds.",
            f"Set it to {_HISTORY_DAYS} at least.",
        )
    taken = {topic.name for topic in topics(prefix=own.topic_prefix)}
    for door in (one for one in own.door_topics if own.topic(one) in taken):
        yield fault(
            _SETTINGS,
            f"VAGT_DOORS names {door}, which is a topic of the service's own.",
            "What the service writes there would come in again, or be taken for another form.",
            "Give the platform's topic a name of its own.",
        )
    if is_far(own) and own.kafka_security in {"PLAINTEXT", "SASL_PLAINTEXT"}:
        yield warning(
            _SETTINGS,
            f"VAGT_KAFKA_SECURITY is {own.kafka_security}, and Kafka is on another machine.",
            "Patients' data, and passwords if there are any, cross the network for all to read.",
            "Use SASL_SSL or SSL (docs/security.md).",
        )
    if is_far(own) and own.replication == 1:
        yield warning(
            _SETTINGS,
            "VAGT_REPLICATION is 1, and Kafka is a cluster of its own.",
            "Topics that the service makes are lost with one disk.",
            "Set it to 3.",
        )
    if own.metrics_port is not None and own.metrics_port == own.board_port:
        yield fault(
            _SETTINGS,
            f"VAGT_METRICS_PORT and VAGT_BOARD_PORT are both {own.board_port}.",
            "One of the two cannot listen.",
            "Give each a port of its own.",
        )
