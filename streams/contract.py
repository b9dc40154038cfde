"""The published contract, generated from the code: an AsyncAPI 3 document with a JSON Schema for each message, and the
board's OpenAPI 3.1 document.

``python -m streams.contract`` writes them to ``docs/contract/``; a test fails when they are not current.
"""

from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import msgspec
import orjson
from pydantic import TypeAdapter

from features.events import (
    Control,
    Encounter,
    Feedback,
    Handover,
    ModelControl,
    Note,
    Observation,
    RemoteScore,
    Tick,
    Treatment,
)
from models.monitor.notices import Notice
from models.outputs import Alert, Score
from streams.board import openapi
from streams.board.web import Board
from streams.deadletter import OWN_HEADERS
from streams.now import Now
from streams.settings import Settings

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "contract"
_SCHEMA = "https://json-schema.org/draft/2020-12/schema"
_MESSAGES: dict[str, tuple[type, str]] = {
    "Observation": (Observation, "A laboratory result or a vital sign"),
    "Encounter": (Encounter, "An admission, a move, a discharge, or news of them"),
    "Treatment": (Treatment, "A treatment that was started or stopped"),
    "Note": (Note, "A note of the patient's record, for models that read notes"),
    "Feedback": (Feedback, "What somebody did about an alert"),
    "Tick": (Tick, "Time has come so far for a patient"),
    "Handover": (
        Handover,
        "What the service tells a patient's partition of another patient, merged into that one",
    ),
    "RemoteScore": (RemoteScore, "What a model that runs elsewhere answered about a patient"),
    "Control": (Control, "What speaks to the service itself, with the key `_control`, on every partition"),
    "ModelControl": (ModelControl, "What changes which models speak, with the key `_control`, on every partition"),
    "Score": (Score, "What a model or a rule says of a patient"),
    "Alert": (Alert, "A change of an alert's state"),
    "Notice": (Notice, "What is amiss with a model or with what comes in"),
    "Now": (Now, "What is shown of a patient now; no value for who is not shown any more"),
}
_OUT = (Score, Alert, Notice, Now)
_IN = tuple(name for name, (of, _) in _MESSAGES.items() if of not in _OUT)
_PARTITION = {"type": "string", "description": "The partition of `events`; the audit's partition is the same"}
_SUBJECT = {"type": "string", "description": "The random name under which the audit speaks of a patient"}
_SENDER = {"type": "string", "description": "Who sent it (MSH-3|MSH-4), so that a sender's messages keep their order"}
_PATIENT = {"type": "string", "description": "The patient, in UTF-8; the partition is murmur2 of it"}
_TRACED: dict[str, Any] = {
    "type": "object",
    "properties": {"traceparent": {"type": "string", "description": "W3C Trace Context, where somebody traces"}},
}


def schemas() -> dict[str, dict[str, Any]]:
    """A JSON Schema for each message, by name."""
    return {name: {"$schema": _SCHEMA, **_schema(of)} for name, (of, _) in _MESSAGES.items()}


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI document: topics, their keys, and the messages on each."""
    heartbeat = {
        "type": "object",
        "properties": {
            "heartbeat": {"const": True},
            "live": {"type": "boolean"},
            "partition": {"type": "integer"},
            "at": {"type": "string", "format": "date-time"},
            "roster": {"type": "object", "description": "What control records made of which models speak, if any came"},
        },
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Vagt",
            "version": version("vagt"),
            "description": "Streaming decision support: results and vital signs in, scores and alerts out.",
        },
        "defaultContentType": "application/json",
        "channels": {
            "events": _channel("The ordered log of each patient", {"Event": "Event"}, _PATIENT),
            "fhir": _channel("A door: FHIR R4 resources", {"Fhir": "Fhir"}, {"type": "string"}),
            "hl7": _channel("A door: HL7 v2 messages, as `vagt mllp` takes them", {"Hl7": "Hl7"}, _SENDER),
            "risk.scores": _channel("Every score, an array for each record", {"Scores": "Scores"}, _PATIENT),
            "alerts": _channel(
                "Changes of alerts, and heartbeats (key _heartbeat)",
                {"Alert": "Alert", "Heartbeat": "Heartbeat"},
                _PATIENT,
            ),
            "alerts.fhir": _channel("The same for a record system: see docs/fhir.md", {"Bundle": "Bundle"}, _PATIENT),
            "patients.now": _channel("What is shown of each patient now; compacted", {"Now": "Now"}, _PATIENT),
            "deadletter": _channel("What could not be used", {"DeadLetter": "DeadLetter"}, {"type": "string"}),
            "model.watch": _channel(
                "Drift, silence, calibration: see docs/monitor.md",
                {"Notice": "Notice"},
                {"type": "string", "description": "The model, or _inputs for what comes in"},
            ),
            "audit": _channel("An entry for each record of events, chained by hash", {"Audit": "Audit"}, _PARTITION),
            "audit.identity": _channel("Whom the audit speaks of", {"Identity": "Identity"}, _SUBJECT),
        },
        "operations": {
            name: {"action": action, "channel": {"$ref": f"#/channels/{topic}"}}
            for name, action, topic in (
                ("takeEvents", "receive", "events"),
                ("takeFhir", "receive", "fhir"),
                ("takeHl7", "receive", "hl7"),
                ("sayScores", "send", "risk.scores"),
                ("sayAlerts", "send", "alerts"),
                ("tellRecordSystem", "send", "alerts.fhir"),
                ("showNow", "send", "patients.now"),
                ("setAside", "send", "deadletter"),
                ("giveNotice", "send", "model.watch"),
                ("audit", "send", "audit"),
                ("identify", "send", "audit.identity"),
            )
        },
        "components": {
            "messages": {
                "Event": {
                    "summary": "One event, or an array of one patient's",
                    "headers": _TRACED,
                    "payload": _one_or_many(_IN),
                },
                "Fhir": {"summary": "A FHIR R4 resource or Bundle", "headers": _TRACED, "payload": {"type": "object"}},
                "Hl7": {
                    "summary": "An ORU^R01 or ADT message in ER7",
                    "contentType": "application/hl7-v2",
                    "headers": _TRACED,
                    "payload": {},
                },
                "Scores": {"headers": _TRACED, "payload": {"type": "array", "items": _ref("Score")}},
                "Alert": {"summary": _MESSAGES["Alert"][1], "headers": _TRACED, "payload": _ref("Alert")},
                "Heartbeat": {"summary": "The partition is awake, every 10 s", "payload": heartbeat},
                "Bundle": {
                    "summary": "A change of an alert as a FHIR R4 transaction",
                    "contentType": "application/fhir+json",
                    "headers": {
                        "type": "object",
                        "properties": {
                            **_TRACED["properties"],
                            "alert": {"type": "string", "description": "The alert's id"},
                            "sequence": {"type": "string", "description": "Which of its changes this is"},
                        },
                    },
                    "payload": {"type": "object", "properties": {"resourceType": {"const": "Bundle"}}},
                },
                "Now": {"summary": _MESSAGES["Now"][1], "payload": _ref("Now")},
                "Notice": {"summary": _MESSAGES["Notice"][1], "payload": _ref("Notice")},
                "DeadLetter": {
                    "summary": "The original bytes",
                    "contentType": "application/octet-stream",
                    "headers": {
                        "type": "object",
                        "properties": {name: {"type": "string"} for name in OWN_HEADERS},
                    },
                    "payload": {},
                },
                "Audit": {
                    "summary": "Lines of JSON: a head, then entries, each with the hash of the one before in its own",
                    "contentType": "application/x-ndjson",
                    "payload": {"type": "string"},
                },
                "Identity": {
                    "summary": "The patient of a subject; no value once the patient is erased",
                    "contentType": "text/plain",
                    "payload": {"type": "string"},
                },
            },
            "schemas": _components(),
        },
    }


def files() -> dict[str, bytes]:
    """The documents by file name, as they are published."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    documents = {f"{name.lower()}.json": one for name, one in schemas().items()}
    documents |= {"asyncapi.json": asyncapi(), "board.json": openapi.document(Board(Settings()).app.routes, login=True)}
    return {name: orjson.dumps(document, option=options) for name, document in documents.items()}


def _schema(of: type) -> dict[str, Any]:
    return msgspec.json.schema(of) if issubclass(of, msgspec.Struct) else TypeAdapter(of).json_schema(by_alias=True)


def _components() -> dict[str, Any]:
    inputs: list[tuple[str, Literal["validation"], TypeAdapter[Any]]] = [
        (name, "validation", TypeAdapter(of)) for name, (of, _) in _MESSAGES.items() if of not in _OUT
    ]
    _, found = TypeAdapter.json_schemas(
        inputs,
        by_alias=True,
        ref_template="#/components/schemas/{model}",
    )
    _, said = msgspec.json.schema_components(_OUT, ref_template="#/components/schemas/{name}")
    components: dict[str, Any] = found["$defs"] | said
    return components


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _one_or_many(names: tuple[str, ...]) -> dict[str, Any]:
    one = {"oneOf": [_ref(name) for name in names]}
    return {"oneOf": [*one["oneOf"], {"type": "array", "items": one, "minItems": 1}]}


def _channel(summary: str, messages: dict[str, str], key: dict[str, str]) -> dict[str, Any]:
    return {
        "summary": summary,
        "messages": {name: {"$ref": f"#/components/messages/{to}"} for name, to in messages.items()},
        "bindings": {"kafka": {"bindingVersion": "0.5.0", "x-key": key}},
    }


def main() -> None:
    """Write the documents."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, document in files().items():
        FOLDER.joinpath(name).write_bytes(document)


if __name__ == "__main__":
    main()
