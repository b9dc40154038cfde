"""What a resource alone does not say: what its Bundle's references name, what a report says of its results, and when
Kafka had the record.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Self

from features.catalogue import Refused
from features.events import WITHDRAWN
from streams.doors.fhir.shape import Json, object_, objects, string

#: What a report says for those of its results that do not say it themselves.
_SHARED: Final = ("subject", "encounter", "issued", "meta")


@dataclass(frozen=True, slots=True)
class Entry:
    """A resource of a Bundle with its ``fullUrl``, or a lone one."""

    resource: Json
    url: str | None = None

    @property
    def kind(self) -> str | None:
        """The type of the resource."""
        kind = self.resource.get("resourceType")
        return kind if isinstance(kind, str) else None

    @property
    def ident(self) -> str | None:
        """The resource's id; one that a transaction is to create has that of its ``fullUrl``."""
        ident = self.resource.get("id")
        if ident is None and self.url is not None and self.url.startswith("urn:uuid:"):
            ident = self.url.removeprefix("urn:uuid:")
        return ident if isinstance(ident, str) and ident else None


@dataclass(frozen=True, slots=True)
class Context:
    """What is known beside a resource.

    Args:
        received: the record's Kafka timestamp (ms).
        system: the identifier system of patients; ``None`` where they go by the id of their ``Patient``.
        names: what each ``fullUrl`` names: the kind of resource, and its id.
        people: by the id of each ``Patient`` of the Bundle, its identifier of that system.
        reports: by the id of each observation that a report of the Bundle refers to, that report.
        observations: the ids of the Bundle's observations.
    """

    received: int
    system: str | None = None
    names: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    people: Mapping[str, str] = field(default_factory=dict)
    reports: Mapping[str, Json] = field(default_factory=dict)
    observations: frozenset[str] = frozenset()

    @classmethod
    def of(cls, entries: Sequence[Entry], received: int, system: str | None) -> Self:
        """What the entries of a Bundle say of each other. What is wrong with one is told where it is translated."""
        found = [(one, one.kind, one.ident) for one in entries]
        names = {one.url: (kind, ident) for one, kind, ident in found if one.url and kind and ident}
        people: dict[str, str] = {}
        reports: dict[str, Json] = {}
        observations = frozenset(ident for _, kind, ident in found if kind == "Observation" and ident)
        context = cls(received, system, names, people, reports, observations)
        for one, kind, ident in found:
            with suppress(Refused):
                if kind == "Patient" and ident and system and (number := identifier(one.resource, system)):
                    people[ident] = number
                elif kind == "DiagnosticReport":
                    reports |= _reported(one.resource, reports, context)
        return context

    def referred(self, node: Json, kind: str) -> str | None:
        """The id of a resource of this kind that a Reference names, or else its identifier."""
        reference = string(node, "reference")
        if reference is None:
            return string(object_(node, "identifier"), "value")
        if reference in self.names:
            found, ident = self.names[reference]
            return ident if found == kind else None
        parts = reference.split("/")
        if parts[-2:-1] == ["_history"]:
            del parts[-2:]
        if parts[-2:-1] != [kind] or set(parts[-1]) & set("?#"):
            return None
        return parts[-1] or None

    def patient(self, resource: Json) -> str:
        """The patient whom a resource is about."""
        subject = object_(resource, "subject")
        if self.system is not None:
            return self._by_identifier(subject, self.system)
        found = self.referred(subject, "Patient")
        if found is None:
            raise Refused("missing-subject", "subject refers to no Patient, by reference or by identifier")
        return found

    def _by_identifier(self, subject: Json, system: str) -> str:
        named = object_(subject, "identifier")
        value = string(named, "value") if string(named, "system") == system else None
        ident = self.referred(subject, "Patient") if string(subject, "reference") else None
        found = {one for one in (value, self.people.get(ident or "")) if one is not None}
        if len(found) != 1:
            raise Refused(
                "missing-subject",
                "subject leads to no one identifier of VAGT_PATIENT_SYSTEM, its own or that of a Patient in the Bundle",
            )
        return found.pop()


def identifier(patient: Json, system: str) -> str | None:
    """A patient's identifier of a system, where just one is in use."""
    own = [one for one in objects(patient, "identifier") if string(one, "system") == system]
    values = {string(one, "value") for one in own if string(one, "use") != "old"} - {None}
    return values.pop() if len(values) == 1 else None


def _reported(report: Json, others: Mapping[str, Json], context: Context) -> dict[str, Json]:
    """The results of a report with the report, unless it is withdrawn and another report has them."""
    withdrawn = string(report, "status") in WITHDRAWN
    found = (context.referred(one, "Observation") for one in objects(report, "result"))
    return {one: report for one in found if one is not None and not (withdrawn and one in others)}


def completed(result: Json, report: Json) -> dict[str, Any]:
    """A result with what its report says for it; of a report that is withdrawn, it is too."""
    shared = {name: report[name] for name in _SHARED if name in report}
    if not any(name.startswith("effective") for name in result):
        shared |= {name: part for name, part in report.items() if name.startswith("effective")}
    withdrawn = {"status": report["status"]} if string(report, "status") in WITHDRAWN else {}
    return {**shared, **result, **withdrawn}
