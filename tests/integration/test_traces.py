"""A trace goes from the sender's record through the door and the decision to the alert, and on to a collector."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.integration.patients import LOINC, START, admission, observation
from tests.integration.service import Service, oracle, running

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01".encode()
_CARRIED = ("events", "alerts", "alerts.fhir", "risk.scores")


class Collector(ThreadingHTTPServer):
    """What an OTLP collector is told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taking)
        self.told: list[bytes] = []

    @property
    def spans(self) -> list[Any]:
        """All spans so far."""
        requests = [ExportTraceServiceRequest.FromString(one) for one in self.told]
        return [
            span
            for request in requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


class _Taking(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        self.server.told.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def traces_of(service: Service, topic: str) -> set[tuple[str, str]]:
    """Whose records a topic has, and in which traces they are."""
    read = ((one.key.decode(), dict(one.headers)) for one in service.read(topic))
    return {(patient, headers.get("traceparent", b"").decode()[3:35]) for patient, headers in read}


@pytest.mark.req("VAGT-OPS-09")
def test_a_traced_record_gives_an_alert_in_the_same_trace_and_others_are_in_none(
    broker: str, topic_prefix: str, tmp_path: Path, collector: Collector
) -> None:
    own = {"VAGT_DOORS": "lab=native", "VAGT_OTEL_ENDPOINT": f"http://127.0.0.1:{collector.server_port}"}
    with running(Service(broker, topic_prefix, tmp_path, environment=own), "w1") as service:
        sent = []
        for patient, headers in (("traced", [("traceparent", TRACEPARENT)]), ("other", [])):
            signs = [
                observation(
                    patient,
                    f"{patient}-{code}",
                    START,
                    code={"system": LOINC, "code": code},
                    value=value,
                    unit=unit,
                )
                for code, value, unit in (("9279-1", 30.0, "/min"), ("59408-5", 85.0, "%"), ("8867-4", 135.0, "/min"))
            ]
            sent.append((patient, [admission(patient), *signs]))
            service.send(sent[-1:], topic="lab", headers=headers)
        service.settle("lab")
        service.settle()
        found = {topic: traces_of(service, topic) for topic in _CARRIED}
        service.stop("w1")  # which tells the rest
        assert (service.scores(), service.alerts()) == oracle(sent)
    assert found == {topic: {("traced", TRACE), ("other", "")} for topic in _CARRIED}
    spans = {span.span_id: span for span in collector.spans}
    names = {span.name.replace(topic_prefix, "") for span in spans.values() if span.trace_id.hex() == TRACE}
    assert names == {
        *("process lab", "send events", "process events", "decide"),
        *("send alerts", "send alerts.fhir", "send risk.scores"),
    }
    (said,) = [span for span in spans.values() if span.name == f"send {topic_prefix}alerts"]
    way = [said]
    while way[-1].parent_span_id in spans:
        way.append(spans[way[-1].parent_span_id])
    assert [span.name.replace(topic_prefix, "") for span in way] == [
        *("send alerts", "process events", "send events", "process lab")
    ]
    (commit,) = [span for span in spans.values() if span.name == "commit"]
    assert [link.trace_id.hex() for link in commit.links] == [TRACE]
    assert not [one for one in collector.told if b"traced" in one or b"other" in one]
