"""What the record system is told of an alert: one FHIR R4 transaction for each change, made of that change alone.

The ids of its resources follow from the alert's id, and each is written by ``PUT``: a change that is told twice leaves
a store as it was, and a later one replaces what an earlier one said. Nothing outside the transaction is referred to by
``reference`` but the patient, since a store refuses a whole transaction for one reference that leads nowhere.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from importlib.metadata import version
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

import orjson

from models.lifecycle import ENDED
from models.outputs import LOUD, Alert, Evidence, Severity, State
from models.registry import Foresight
from streams.pseudonym import is_pseudonym

Json = dict[str, Any]

_NAMESPACE: Final = uuid5(NAMESPACE_URL, "urn:vagt:alert")
_SOFTWARE: Final = version("vagt")
#: What R4 allows as the id of a resource.
_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")
#: What R4 allows in no text.
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")

#: Of ``http://terminology.hl7.org/CodeSystem/v3-ObservationValue``, which R4's own edition has without this code, so
#: that validators of R4 call it an error under that name: the system goes by its OID, its other name.
_MADE_BY_A_MODEL: Final = {
    "system": "urn:oid:2.16.840.1.113883.5.1063",
    "code": "AIAST",
    "display": "Artificial Intelligence asserted",
}
_CLINICAL: Final = {"system": "http://terminology.hl7.org/CodeSystem/flag-category", "code": "clinical"}
_PARTICIPANT: Final = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"

_SEVERITIES: Final[Mapping[Severity, str]] = {"info": "low", "warning": "moderate", "critical": "high"}
_PRIORITIES: Final[Mapping[Severity, str]] = {"info": "routine", "warning": "urgent", "critical": "stat"}
#: The states that a flag is active in, unless the alert is held back.
_FLAGGED: Final[frozenset[State]] = frozenset({"raised", "escalated", "updated", "acknowledged", "snoozed"})
#: Where an alert that calls for somebody is no active request.
_CALLS: Final[Mapping[State, str]] = {
    "acknowledged": "completed",
    "dismissed": "completed",
    "snoozed": "on-hold",
    "resolved": "revoked",
    "expired": "revoked",
    "retracted": "entered-in-error",
}


class Bundles:
    """Makes the transactions of a deployment.

    Args:
        foreseen: the kinds of alerts that models raise, each with what its score states.
        patient_system: the identifier system of patients; ``None`` where they go by the id of their ``Patient``.
    """

    def __init__(self, foreseen: Mapping[str, Foresight], patient_system: str | None = None) -> None:
        self._foreseen = foreseen
        self._patient_system = patient_system

    def of(self, alert: Alert) -> bytes:
        """The transaction of a change: the same bytes for the same change."""
        by_model = alert.kind in self._foreseen
        subject = self._patient(alert)
        finding, flag, call = (_id(alert, part) for part in ("finding", "flag", "call"))
        common: Json = {"language": "da", "identifier": [{"system": "urn:vagt:alert", "value": alert.id}]}
        if by_model:
            common["meta"] = {"security": [_MADE_BY_A_MODEL]}
        found = self._assessed(alert, subject) if by_model else _detected(alert, subject)
        resources = [{**common, "id": finding, **found}, {**common, "id": flag, **_flag(alert, subject)}]
        if alert.sequence > 1 or _calls(alert):
            about = [{"reference": _url(one)} for one in (finding, flag)]
            resources.append({**common, "id": call, **_call(alert, subject), "about": about})
        targets = [one["id"] for one in resources]
        resources.append({"id": _id(alert, f"provenance/{alert.sequence}"), **_provenance(alert, targets)})
        return orjson.dumps(
            {
                "resourceType": "Bundle",
                "id": _id(alert, f"bundle/{alert.sequence}"),
                "type": "transaction",
                "timestamp": alert.at,
                "entry": [_entry(one, alert.title.da) for one in resources],
            }
        )

    def _patient(self, alert: Alert) -> Json:
        if is_pseudonym(alert.patient):
            name: Json = {"system": "urn:vagt:pseudonym", "value": alert.patient}
            if alert.sealed is not None:
                name["extension"] = [{"url": "urn:vagt:sealed", "valueString": alert.sealed}]
            return {"type": "Patient", "identifier": name}
        if self._patient_system is None and _ID.fullmatch(alert.patient):
            return {"reference": f"Patient/{alert.patient}"}
        return _named("Patient", alert.patient, self._patient_system)

    def _assessed(self, alert: Alert, subject: Json) -> Json:
        """What a model found. One that abstains gives no probability."""
        score, foresight = alert.score, self._foreseen[alert.kind]
        found: Json = {
            "resourceType": "RiskAssessment",
            "status": _status(alert),
            "code": _kind(alert),
            "subject": subject,
            **_encounter(alert),
            "occurrenceDateTime": alert.at,
            **_listed("basis", map(_observed, alert.evidence)),
        }
        if score is not None:
            model = {"system": "urn:vagt:model", "code": score.model.name, "version": score.model.version}
            prediction: Json = {"outcome": {"text": _plain(alert.title.da)}, "qualitativeRisk": {"text": score.band}}
            if foresight.probability and not score.abstained:
                prediction["probabilityDecimal"] = score.score
            if foresight.hours is not None:
                prediction["whenRange"] = {"low": _hours(0), "high": _hours(foresight.hours)}
            found |= {"method": {"coding": [model]}, "prediction": [prediction | _optional("rationale", _why(alert))]}
        return found


def _detected(alert: Alert, subject: Json) -> Json:
    """What a rule found."""
    return {
        "resourceType": "DetectedIssue",
        "status": _status(alert),
        "code": _kind(alert),
        "severity": _SEVERITIES[alert.severity],
        "patient": subject,
        "identifiedDateTime": alert.at,
        **({"author": _scorer(alert)} if alert.score is not None else {}),
        **_listed("evidence", ({"detail": [_observed(one)]} for one in alert.evidence)),
        **_optional("detail", _why(alert)),
    }


def _status(alert: Alert) -> str:
    if alert.state == "retracted":
        return "entered-in-error"
    return "final" if alert.sequence == 1 else "amended"


def _flag(alert: Alert, subject: Json) -> Json:
    status = "active" if alert.state in _FLAGGED and alert.suppressed is None else "inactive"
    return {
        "resourceType": "Flag",
        "status": "entered-in-error" if alert.state == "retracted" else status,
        "category": [{"coding": [_CLINICAL]}],
        "code": _kind(alert),
        "subject": subject,
        **({"period": {"end": alert.at}} if alert.state in ENDED else {}),
        **_encounter(alert),
    }


def _calls(alert: Alert) -> bool:
    """Whether somebody must act, and nobody has said anything yet."""
    return alert.severity in LOUD and alert.suppressed is None and alert.state not in _CALLS


def _call(alert: Alert, subject: Json) -> Json:
    """That somebody must look; where nobody must any more, what became of it."""
    held = "on-hold" if alert.suppressed is not None else "revoked"
    return {
        "resourceType": "CommunicationRequest",
        "status": "active" if _calls(alert) else _CALLS.get(alert.state, held),
        "priority": _PRIORITIES[alert.severity],
        "subject": subject,
        **_encounter(alert),
        "payload": [{"contentString": ": ".join(filter(None, (_plain(alert.title.da), _why(alert))))}],
        "authoredOn": alert.at,
        "requester": _device("urn:vagt:software", f"vagt|{_SOFTWARE}", f"Vagt {_SOFTWARE}"),
        **_listed("recipient", _recipients(alert)),
        **_until(alert),
    }


def _until(alert: Alert) -> Json:
    """Until when that role has it. The next one may be due already: R4 has no period that ends before it starts."""
    if alert.escalates is None or alert.escalates.at < alert.at:
        return {}
    return {"occurrencePeriod": {"start": alert.at, "end": alert.escalates.at}}


def _recipients(alert: Alert) -> Iterator[Json]:
    if alert.role is not None:
        yield _named("PractitionerRole", alert.role, "urn:vagt:role")
    if alert.ward is not None:
        yield _named("Organization", alert.ward, "urn:vagt:ward")


def _provenance(alert: Alert, targets: Iterable[str]) -> Json:
    """Who said it, with what, of what: each input with its version, and the model with its hash."""
    agents = [_agent("assembler", _device("urn:vagt:software", f"vagt|{_SOFTWARE}", f"Vagt {_SOFTWARE}"))]
    entities: list[Json] = []
    if alert.score is not None:
        agents.append(_agent("author", _scorer(alert)))
        entities.append({"identifier": {"system": "urn:vagt:sha256", "value": alert.score.model.sha256}})
    if alert.answer is not None and alert.answer.by is not None:
        agents.append(_agent("performer", _named("Practitioner", alert.answer.by, "urn:vagt:user")))
    inputs = dict.fromkeys((one.id, one.version) for one in alert.evidence)
    inputs |= dict.fromkeys((one.id, one.version) for one in alert.trigger.items)
    entities += [{"identifier": _event(*one)} for one in inputs]
    return {
        "resourceType": "Provenance",
        "target": [{"reference": _url(one)} for one in targets],
        "recorded": alert.at,
        "activity": {"coding": [{"system": "urn:vagt:state", "code": alert.state}]},
        "agent": agents,
        **_listed("entity", ({"role": "source", "what": one} for one in entities)),
    }


def _entry(resource: Json, words: str) -> Json:
    kind, ident = resource["resourceType"], resource["id"]
    div = f'<div xmlns="http://www.w3.org/1999/xhtml" lang="da" xml:lang="da">{escape(_plain(words))}</div>'
    return {
        "fullUrl": _url(ident),
        "resource": {**resource, "text": {"status": "generated", "div": div}},
        "request": {"method": "PUT", "url": f"{kind}/{ident}"},
    }


def _id(alert: Alert, part: str) -> str:
    return str(uuid5(_NAMESPACE, f"{alert.id}/{part}"))


def _url(ident: str) -> str:
    return f"urn:uuid:{ident}"


def _kind(alert: Alert) -> Json:
    return {"coding": [{"system": "urn:vagt:kind", "code": alert.kind}], "text": _plain(alert.title.da)}


def _encounter(alert: Alert) -> Json:
    return {} if alert.encounter is None else {"encounter": _named("Encounter", alert.encounter)}


def _scorer(alert: Alert) -> Json:
    assert alert.score is not None
    model = alert.score.model
    return _device("urn:vagt:model", f"{model.name}|{model.version}", f"{model.name} {model.version}")


def _device(system: str, value: str, display: str) -> Json:
    return {**_named("Device", value, system), "display": display}


def _named(kind: str, value: str, system: str | None = None) -> Json:
    """A reference by identifier, which no store looks up."""
    return {"type": kind, "identifier": {**_optional("system", system), "value": _plain(value)}}


def _observed(one: Evidence) -> Json:
    shown = " ".join(str(part) for part in (one.code, one.value, one.unit) if part is not None)
    return {"type": "Observation", "identifier": _event(one.id, one.version), "display": _plain(shown)}


def _event(ident: str, number: int) -> Json:
    return {"system": "urn:vagt:event", "value": f"{_plain(ident)}/_history/{number}"}


def _agent(role: str, who: Json) -> Json:
    return {"type": {"coding": [{"system": _PARTICIPANT, "code": role}]}, "who": who}


def _hours(number: int) -> Json:
    return {"value": number, "unit": "h", "system": "http://unitsofmeasure.org", "code": "h"}


def _why(alert: Alert) -> str:
    """The reasons of the score, in Danish."""
    reasons = () if alert.score is None else alert.score.reasons
    return "; ".join(_plain(one.text.da) for one in reasons if one.text is not None)


def _plain(text: str) -> str:
    """A text as R4 allows it: without control characters, and not empty."""
    return _CONTROL.sub("\ufffd", text).strip() or "\ufffd"


def _optional(name: str, part: str | None) -> Json:
    return {name: part} if part else {}


def _listed(name: str, parts: Iterable[Json]) -> Json:
    """An array, left out where it is empty: R4 has no empty arrays."""
    found = list(parts)
    return {name: found} if found else {}
