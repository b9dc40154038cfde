"""Kafka's ACLs, role by role: what each may do, and nothing more.

Kafka refuses what no ACL allows. ``events`` takes the feedback that answers alerts, so whoever may write it may speak
for a nurse: on a live cluster the workers and the boards alone.
"""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from kafka import KafkaAdminClient
from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
)
from kafka.errors import SecurityDisabledError

from streams import kafka
from streams.settings import Settings
from streams.topics import (
    ACCESS,
    ALERTS,
    AUDIT,
    AUDIT_IDENTITY,
    CHANGELOG,
    DEADLETTER,
    EVENTS,
    FHIR,
    FHIR_ALERTS,
    HL7,
    NOW,
    SCORES,
    WATCH,
    WATCH_STATE,
)

#: In a role's topics: the platform's own, by ``VAGT_DOORS``.
DOORS: Final = "VAGT_DOORS"

#: A filter that takes every ACL that allows something.
EVERY: Final = ACLFilter(
    None,
    None,
    ACLOperation.ANY,
    ACLPermissionType.ALLOW,
    ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY),
)

_OUTPUTS: Final = (SCORES, ALERTS, FHIR_ALERTS, NOW, DEADLETTER, AUDIT, AUDIT_IDENTITY)


class AclError(RuntimeError):
    """The ACLs cannot be made; the message is one sentence for a person."""


@dataclass(frozen=True, slots=True)
class Role:
    """What a kind of client does, by topics without the prefix.

    ``groups`` say what comes after the deployment's group: the workers' own is ``""``. ``manages`` are the topics that
    are created, ``checks`` those whose settings are read.
    """

    purpose: str
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    manages: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    watches_workers: bool = False
    transactional: bool = False


_ALL: Final = (EVENTS, FHIR, HL7, DOORS, *_OUTPUTS, CHANGELOG, ACCESS, WATCH, WATCH_STATE)
_CREATED: Final = (
    EVENTS,
    FHIR,
    HL7,
    DOORS,
    SCORES,
    ALERTS,
    FHIR_ALERTS,
    NOW,
    DEADLETTER,
    AUDIT,
    AUDIT_IDENTITY,
    CHANGELOG,
    ACCESS,
    WATCH,
    WATCH_STATE,
)

ROLES: Final = {
    "worker": Role(
        "`vagt worker`",
        reads=(EVENTS, FHIR, HL7, DOORS, CHANGELOG),
        writes=(EVENTS, *_OUTPUTS, CHANGELOG),
        checks=_CREATED,
        groups=("",),
        transactional=True,
    ),
    "door": Role("a sender of one platform, for instance a laboratory: `door:lab`"),
    "mllp": Role(
        "`vagt mllp`: hands on what senders send, and knows what it handed on before",
        reads=(HL7,),
        writes=(HL7,),
        checks=(HL7,),
    ),
    "monitor": Role(
        "`vagt monitor`: hears events, scores and alerts, and says what is amiss with models and sources",
        reads=(EVENTS, SCORES, ALERTS, WATCH_STATE),
        writes=(WATCH, WATCH_STATE),
        checks=(EVENTS, SCORES, ALERTS, WATCH, WATCH_STATE),
        transactional=True,
    ),
    "monitor-stops": Role(
        "`vagt monitor` with `VAGT_WATCH_STOPS`: besides, stops models by rule",
        reads=(EVENTS, SCORES, ALERTS, WATCH_STATE),
        writes=(EVENTS, WATCH, WATCH_STATE),
        checks=(EVENTS, SCORES, ALERTS, WATCH, WATCH_STATE),
        transactional=True,
    ),
    "ehr": Role("a reader of the alerts", reads=(ALERTS, FHIR_ALERTS), groups=("-ehr",)),
    "board": Role(
        "`vagt board`: shows alerts, takes feedback",
        reads=(SCORES, ALERTS, NOW, CHANGELOG),
        writes=(EVENTS, ACCESS),
        watches_workers=True,
    ),
    "auditor": Role(
        "`vagt audit`, `vagt archive`, `vagt burden`: reads decisions and what they came from, changes nothing",
        reads=(EVENTS, SCORES, ALERTS, DEADLETTER, AUDIT, AUDIT_IDENTITY, ACCESS),
        groups=("-auditor",),
    ),
    "tools": Role(
        "`vagt replay`, `vagt deadletter`: may forge feedback, so on a live cluster only while it is needed",
        reads=(ALERTS, DEADLETTER),
        writes=(EVENTS, FHIR, HL7, DOORS),
        checks=_CREATED,
        watches_workers=True,
    ),
    "privacy": Role(
        "`vagt erase`, `vagt pseudonym rotate`: only while it is needed",
        reads=(CHANGELOG, AUDIT_IDENTITY),
        writes=(EVENTS, AUDIT_IDENTITY),
    ),
    "models": Role(
        "`vagt models`: changes which models speak, so for whoever may stop one, by night too",
        reads=(SCORES, AUDIT, CHANGELOG),
        writes=(EVENTS,),
    ),
    "admin": Role("`vagt topics`: creates the topics, and reads and writes none", manages=_CREATED),
}


@dataclass(frozen=True, slots=True, order=True)
class Rule:
    """A principal may do an operation on a resource; ``kind`` is ``topic``, ``group`` or ``transactional-id``."""

    principal: str
    kind: str
    name: str
    prefixed: bool
    operation: str


def rules(settings: Settings, role: str, principal: str) -> list[Rule]:
    """What a principal (``User:name``) needs for a role; of doors, ``door:TOPIC``.

    Raises:
        AclError: there is no such role or door, or that is no principal.
    """
    kind, _, name = principal.partition(":")
    if kind != "User" or not name or name == "*":
        raise AclError(f"{principal} is no principal: write User:name, with a name of its own for each role.")
    head, _, door = role.partition(":")
    if head not in ROLES or bool(door) != (head == "door"):
        known = ", ".join("door:TOPIC" if one == "door" else one for one in ROLES)
        raise AclError(f"There is no role {role}: it is one of {known}.")
    if head == "door" and door not in (FHIR, HL7, *settings.door_topics):
        raise AclError(f"There is no door {door}: VAGT_DOORS names those beside {FHIR} and {HL7}.")
    return sorted({Rule(principal, *one) for one in _allowed(settings, ROLES[head], door)})


def _allowed(settings: Settings, role: Role, door: str) -> Iterable[tuple[str, str, bool, str]]:
    writes = (door,) if door else role.writes
    needs = ((role.reads, ("Read",)), (writes, ("Write",)), (role.checks, ("DescribeConfigs", "Describe")))
    for names, operations in (*needs, (role.manages, ("Create", "Describe", "DescribeConfigs"))):
        for name in names:
            for topic in settings.door_topics if name == DOORS else (name,):
                yield from (("topic", settings.topic(topic), False, operation) for operation in operations)
    yield from (("group", f"{settings.group}{end}", False, "Read") for end in role.groups)
    if role.watches_workers:
        yield "group", settings.group, False, "Describe"
    if role.transactional:
        yield from (("transactional-id", f"{settings.group}-", True, one) for one in ("Describe", "Write"))


def script(settings: Settings, wanted: Sequence[Rule]) -> list[str]:
    """The same as lines for a shell with Kafka's own tool."""
    cluster = shlex.quote(settings.kafka_bootstrap)
    start = f"kafka-acls.sh --bootstrap-server {cluster} --command-config admin.properties --add"
    lines = []
    for (principal, kind, name, prefixed), group in groupby(
        sorted(wanted), key=lambda one: (one.principal, one.kind, one.name, one.prefixed)
    ):
        operations = " ".join(f"--operation {one.operation}" for one in group)
        pattern = " --resource-pattern-type prefixed" if prefixed else ""
        who, what = shlex.quote(principal), shlex.quote(name)
        lines.append(f"{start} --allow-principal {who} {operations} --{kind} {what}{pattern}")
    return lines


def apply(settings: Settings, wanted: Sequence[Rule]) -> tuple[int, list[Rule]]:
    """Add the rules that the cluster does not have; how many, and who else is allowed something on the same resources.

    Raises:
        AclError: the cluster has no authorizer, or does not take a rule.
        SecurityError, KafkaError: it does not answer, or does not let this client do that.
    """
    admin = kafka.admin(settings)
    try:
        have = allowed(admin)
        missing = [one for one in wanted if one not in have]
        refused = admin.create_acls([_acl(one) for one in missing])["failed"] if missing else ()
    except SecurityDisabledError:
        raise AclError(
            f"Kafka at {settings.kafka_bootstrap} has no authorizer: everybody may do everything, whatever the ACLs."
        ) from None
    finally:
        admin.close()
    if refused:
        raise AclError(f"Kafka at {settings.kafka_bootstrap} refused {len(refused)} ACLs: {refused[0].__name__}.")
    ours = {(one.kind, one.name) for one in wanted}
    return len(missing), sorted(one for one in have - set(wanted) if (one.kind, one.name) in ours)


def allowed(admin: KafkaAdminClient) -> set[Rule]:
    """All that the cluster's ACLs allow.

    Raises:
        SecurityDisabledError: it has no authorizer.
        KafkaError: it does not answer, or does not let this client see them.
    """
    return {_rule(one) for one in admin.describe_acls(EVERY)[0]}


def _acl(rule: Rule) -> ACL:
    return ACL(
        rule.principal,
        "*",
        _operation(rule.operation),
        ACLPermissionType.ALLOW,
        ResourcePattern(
            ResourceType[rule.kind.upper().replace("-", "_")],
            rule.name,
            ACLResourcePatternType.PREFIXED if rule.prefixed else ACLResourcePatternType.LITERAL,
        ),
    )


def _rule(acl: Any) -> Rule:
    pattern = acl.resource_pattern
    return Rule(
        acl.principal,
        pattern.resource_type.name.lower().replace("_", "-"),
        pattern.resource_name,
        pattern.pattern_type is ACLResourcePatternType.PREFIXED,
        acl.operation.name.title().replace("_", ""),
    )


def _operation(name: str) -> ACLOperation:
    return ACLOperation["".join(f"_{letter}" if letter.isupper() else letter for letter in name).strip("_").upper()]


def table() -> str:
    """The roles as a table in Markdown."""
    lines = [
        "| role | for | reads | writes | also |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, role in ROLES.items():
        also = []
        if role.groups:
            also.append("group " + ", ".join(f"`vagt{end}`" for end in role.groups))
        if role.transactional:
            also.append("transactional ids that begin with `vagt-`")
        if role.watches_workers:
            also.append("sees the members of group `vagt`")
        if role.checks:
            also.append("reads the topics' settings")
        if role.manages:
            also.append("creates and sees the topics")
        writes = "its door" if name == "door" else _names(role.writes)
        shown = "door:TOPIC" if name == "door" else name
        lines.append(f"| `{shown}` | {role.purpose} | {_names(role.reads)} | {writes} | {'; '.join(also)} |")
    return "\n".join(lines)


def _names(topics: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in topics)
