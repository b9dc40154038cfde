"""Who may do what on the cluster, as far as this client may see it."""

from collections.abc import Iterator

from kafka import KafkaAdminClient
from kafka.errors import SecurityDisabledError

from streams import acls
from streams.acls import Rule
from streams.doctor.deployment import is_far
from streams.doctor.finding import Finding, fault, ok, warning
from streams.settings import Settings
from streams.topics import CHANGELOG, EVENTS, topics

_CHECK = "rights"


def check(settings: Settings, admin: KafkaAdminClient) -> Iterator[Finding]:
    """That workers may do all that they need, and not everybody may write ``events``."""
    try:
        have = acls.allowed(admin)
    except SecurityDisabledError:
        if is_far(settings):
            yield warning(
                _CHECK,
                "Kafka has no authorizer.",
                "Everybody who reaches it may read every patient, and speak for every nurse.",
                "Use an authorizer, and `vagt acls` (docs/security.md).",
            )
        else:
            yield ok(_CHECK, "Kafka has no authorizer, and is on this machine alone.")
        return
    found = [*_everybody(settings, have), *_workers(settings, have)]
    yield from found
    if not found:
        yield ok(_CHECK, "Whoever writes the patients' records may do all that a worker needs.")


def _everybody(settings: Settings, have: set[Rule]) -> Iterator[Finding]:
    ours = [topic.name for topic in topics(prefix=settings.topic_prefix, doors=settings.door_topics)]
    for one in sorted(have):
        own = one.name in (*ours, "*") or (one.prefixed and any(name.startswith(one.name) for name in ours))
        if own and (one.principal, one.kind) == ("User:*", "topic") and one.operation in {"Read", "Write", "All"}:
            yield fault(
                _CHECK,
                f"Everybody may {one.operation} topic {one.name}.",
                f"It is about patients; who writes {settings.topic(EVENTS)} may speak for a nurse.",
                "Remove this ACL, and give each client its own role (`vagt acls`).",
            )


def _workers(settings: Settings, have: set[Rule]) -> Iterator[Finding]:
    changelog = settings.topic(CHANGELOG)
    who = {one.principal for one in have if (one.kind, one.name, one.operation) == ("topic", changelog, "Write")}
    for principal in sorted(who):
        missing = [one for one in acls.rules(settings, "worker", principal) if one not in have]
        if missing:
            named = ", ".join(f"{one.operation} {one.kind} {one.name}" for one in missing[:5])
            yield warning(
                _CHECK,
                f"{principal} writes the patients' records, and no ACL of its own lets it {named}"
                + (f" and {len(missing) - 5} more." if len(missing) > 5 else "."),
                "Unless another ACL does, a worker of that name ends with a sentence.",
                f"`vagt acls worker={principal} --apply`",
            )
