"""Records of a platform with a schema registry: written by its own serialisers, read by a door."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson
import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from features.catalogue import Refused
from features.instants import parse as instant
from streams.deadletter import Source
from streams.doors import Doors, native
from streams.doors import registry as door
from streams.doors.registry import Registry
from streams.settings import Settings
from tests.builders import PATIENT, moment, observation_item

AVRO, JSON, PROTOBUF = 1, 2, 3
SCHEMAS: dict[int, dict[str, Any]] = {
    AVRO: {
        "schemaType": "AVRO",
        "schema": orjson.dumps(
            {
                "type": "record",
                "name": "Observation",
                "fields": [
                    *({"name": name, "type": "string"} for name in ("type", "id", "status", "patient", "unit")),
                    {
                        "name": "code",
                        "type": {
                            "type": "record",
                            "name": "Code",
                            "fields": [{"name": name, "type": "string"} for name in ("system", "code")],
                        },
                    },
                    {"name": "comparator", "type": ["null", "string"], "default": None},
                    {
                        "name": "value",
                        "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
                    },
                    *(
                        {"name": name, "type": {"type": "long", "logicalType": "timestamp-millis"}}
                        for name in ("effective", "issued")
                    ),
                ],
            }
        ).decode(),
    },
    JSON: {
        "schemaType": "JSON",
        "schema": '{"type": "object", "required": ["patient"], "properties": {"value": {"type": "number"}}}',
    },
    PROTOBUF: {"schemaType": "PROTOBUF", "schema": "message M {}"},
}


class Double(ThreadingHTTPServer):
    """What of a schema registry the clients ask for: schemas by id; ``ill`` requests are answered 503 first."""

    ill = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Answers(BaseHTTPRequestHandler):
    server: Double

    def do_GET(self) -> None:
        number = int(self.path.partition("?")[0].rpartition("/")[2])
        self.server.ill -= 1
        if self.server.ill >= 0:
            self._answer(503, {"error_code": 50301, "message": "not now"})
        elif number in SCHEMAS:
            self._answer(200, SCHEMAS[number])
        else:
            self._answer(404, {"error_code": 40403, "message": "Schema not found"})

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        schema = orjson.loads(self.rfile.read(length))["schema"]
        number = JSON if "required" in schema else AVRO
        self._answer(200, {"id": number, "version": 1, "subject": "lab-value", **SCHEMAS[number]})

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        raw = orjson.dumps(body)
        self.send_response(status)
        self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: Any) -> None:
        """Nothing is logged."""


@pytest.fixture(scope="module")
def double() -> Iterator[Double]:
    with Double(("127.0.0.1", 0), _Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def registry(double: Double) -> Registry:
    return Registry(Settings(schema_registry=double.address))


def framed(number: int, body: bytes) -> bytes:
    return b"\0" + number.to_bytes(4, "big") + body


def read(registry: Registry, value: bytes) -> Any:
    return orjson.loads(asyncio.run(registry.read(value)))


def written(double: Double, serializer: Any, schema: int, document: dict[str, Any]) -> bytes:
    client = SchemaRegistryClient({"url": double.address})
    options = {"auto.register.schemas": True, "subject.name.strategy": lambda *_: "lab-value"}
    arguments = (client, SCHEMAS[schema]["schema"]) if schema == AVRO else (SCHEMAS[schema]["schema"], client)
    value: bytes = serializer(*arguments, conf=options)(document, SerializationContext("lab", MessageField.VALUE))
    return value


def avro(double: Double) -> bytes:
    known = {name: datetime.fromtimestamp(moment(1) / 1000, UTC) for name in ("effective", "issued")}
    item = {**observation_item("potassium"), "value": Decimal("3.10"), "comparator": None, **known}
    return written(double, AvroSerializer, AVRO, item)


@pytest.mark.req("VAGT-IN-16")
def test_an_avro_record_reads_as_the_native_form_that_it_holds(double, registry):
    found = read(registry, avro(double))
    assert found["patient"] == PATIENT
    assert found["value"] == 3.1
    assert found["comparator"] is None
    assert instant(found["effective"]) == moment(1)
    translated = native.translate(found)
    assert translated.refusals == ()
    assert [patient for patient, _ in translated.items] == [PATIENT]


def test_a_json_schema_record_reads_as_it_was_written(double, registry):
    item = observation_item("potassium", 3.1)
    assert read(registry, written(double, JSONSerializer, JSON, item)) == item


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "bad-frame"),
        (b"\0\0\0\0\1", "bad-frame"),
        (b'{"type": "observation"}', "bad-frame"),
        (framed(99, b"x"), "unknown-schema"),
        (framed(PROTOBUF, b"x"), "unknown-schema"),
        (framed(AVRO, b"\x02"), "schema"),
        (framed(AVRO, b"\xff" * 40), "schema"),
        (framed(JSON, b"{"), "schema"),
        (framed(JSON, b'{"value": "high"}'), "schema"),
        (framed(JSON, b"[" * 5000 + b"]" * 5000), "schema"),
    ],
)
@pytest.mark.req("VAGT-IN-16")
def test_a_record_that_is_not_as_its_schema_has_it_is_refused(registry, value, reason):
    with pytest.raises(Refused) as error:
        read(registry, value)
    assert error.value.reason == reason


def test_a_record_waits_for_a_registry_that_does_not_answer(double, monkeypatch):
    monkeypatch.setattr(door, "_FIRST_PAUSE_S", 0.01)
    fresh = Registry(Settings(schema_registry=double.address))
    double.ill = 3
    with capture_logs() as logs:
        assert read(fresh, avro(double))["patient"] == PATIENT
    assert {one["event"] for one in logs} == {"registry.away"}


@given(st.binary(max_size=200), st.sampled_from([AVRO, JSON, 77]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@pytest.mark.req("VAGT-IN-16")
def test_whatever_bytes_come_are_read_or_refused(registry, body, schema):
    with suppress(Refused):
        assert isinstance(read(registry, framed(schema, body)), dict | list | str | int | float | None)


@pytest.mark.parametrize("doors", ["lab=registry:native", "lab=registry:hl7", "lab=registry:"])
def test_a_door_of_a_registry_needs_to_know_which(doors):
    with pytest.raises(ValueError, match="VAGT_DOORS"):
        _ = Settings(doors=doors).door_forms


def test_a_dead_letter_of_such_a_door_has_the_bytes_that_came(double):
    class Sent(Doors):
        def __init__(self, settings: Settings) -> None:
            super().__init__(settings)
            self.sent: list[tuple[str, bytes | None]] = []

        async def _send(self, topic: str, value: bytes | None, key: bytes | None, **_: Any) -> None:
            self.sent.append((topic, value))

    own = Sent(Settings(schema_registry=double.address, doors="lab=registry:native"))
    bad = written(double, JSONSerializer, JSON, observation_item("potassium", 3.1, unit="bananas"))
    for value in (avro(double), bad):
        asyncio.run(own.handle(Source("lab", 0, 0, 0, b"k", value, ()), "registry:native"))
    (first, event), (second, letter) = own.sent
    assert (first, orjson.loads(event or b"")["value"]) == ("events", 3.1)
    assert (second, letter) == ("deadletter", bad)
