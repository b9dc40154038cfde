"""A trace is carried on from a record to all that follows from it, names no patient, and no header does harm."""

import asyncio
import sys
from asyncio import Future
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from streams import kafka, worker
from streams.deadletter import Source
from streams.doors import Doors
from streams.judge import Judged
from streams.settings import Settings
from streams.traces import Trace, Traces
from streams.worker import WorkerError

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{SPAN}-01".encode(), f"00-{TRACE}-{SPAN}-00".encode()


class Producer:
    """A producer whose records the broker has at once, or never."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.sent: list[tuple[str, dict[str, bytes]]] = []
        self._failure = failure

    async def start(self) -> None:
        pass

    async def send(self, topic: str, *_: Any, headers: Any = (), **__: Any) -> "Future[Any]":
        self.sent.append((topic, dict(headers)))
        done = asyncio.get_running_loop().create_future()
        done.set_result(None) if self._failure is None else done.set_exception(self._failure)
        return done


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def traces(exporter: InMemorySpanExporter) -> Traces:
    return Traces(SimpleSpanProcessor(exporter))


def record(traceparent: bytes | None, offset: int = 7, value: bytes = b"{}") -> Source:
    headers = () if traceparent is None else (("traceparent", traceparent),)
    return Source("events", 2, offset, 0, b"p-1007", value, headers)


def taken(traces: Traces, traceparent: bytes, offset: int = 7) -> Trace:
    trace = traces.taken(record(traceparent, offset))
    assert trace is not None
    return trace


@pytest.mark.req("VAGT-OPS-09")
async def test_a_sampled_record_is_told_of_in_its_senders_trace_from_its_coming_to_the_alert(traces, exporter):
    producer, trace = Producer(), taken(traces, SAMPLED)
    trace.decided(0.002, Judged())
    await trace.through(producer).send("alerts", b"{}", b"p-1007", headers=[("alert", b"a")], partition=2)
    await asyncio.sleep(0)
    trace.end()
    decide, send, process = exporter.get_finished_spans()
    assert [one.name for one in (process, decide, send)] == ["process events", "decide", "send alerts"]
    assert {f"{one.context.trace_id:032x}" for one in (process, decide, send)} == {TRACE}
    assert f"{process.parent.span_id:016x}" == SPAN
    assert decide.parent.span_id == send.parent.span_id == process.context.span_id
    assert decide.end_time - decide.start_time == 2_000_000
    assert producer.sent == [
        ("alerts", {"alert": b"a", "traceparent": f"00-{TRACE}-{send.context.span_id:016x}-01".encode()})
    ]


@pytest.mark.req("VAGT-OPS-09")
async def test_no_span_names_a_patient(traces, exporter):
    trace = taken(traces, SAMPLED)
    trace.decided(0.0, Judged(patient="p-1007"))
    await trace.through(Producer()).send("alerts", b'{"patient": "p-1007"}', b"p-1007")
    await asyncio.sleep(0)
    trace.end()
    traces.committed([trace], 2, 0.1)
    assert len(exporter.get_finished_spans()) == 4
    assert not [one.to_json() for one in exporter.get_finished_spans() if "1007" in one.to_json()]


async def test_a_record_that_is_not_sampled_passes_that_on_and_leaves_no_span(traces, exporter):
    producer, trace = Producer(), taken(traces, UNSAMPLED)
    trace.decided(0.0, Judged())
    await trace.through(producer).send("alerts")
    trace.end()
    traces.committed([trace], 2, 0.1)
    ((_, headers),) = producer.sent
    version, trace_id, _, flags = headers["traceparent"].decode().split("-")
    assert (version, trace_id, flags) == ("00", TRACE, "00")
    assert exporter.get_finished_spans() == ()


def test_a_record_without_the_header_is_in_no_trace(traces):
    assert traces.taken(record(None)) is None


def test_a_checkpoint_is_linked_to_every_record_that_it_made_durable_however_many(traces, exporter):
    several = [taken(traces, SAMPLED, offset) for offset in range(300)]
    for one in several:
        one.end()
    exporter.clear()
    traces.committed([*several, taken(traces, UNSAMPLED)], 2, 0.25)
    (commit,) = exporter.get_finished_spans()
    assert [link.context for link in commit.links] == [one.context for one in several]
    assert commit.parent is None
    assert commit.context.trace_id != several[0].context.trace_id


async def test_an_output_that_the_broker_did_not_take_is_an_error(traces, exporter):
    trace = taken(traces, SAMPLED)
    sent = await trace.through(Producer(OSError("away"))).send("alerts")
    with pytest.raises(OSError, match="away"):
        await sent
    await asyncio.sleep(0)
    (send,) = exporter.get_finished_spans()
    assert send.status.status_code is StatusCode.ERROR


@pytest.mark.req("VAGT-OPS-09")
@given(st.one_of(st.binary(), st.text("0123456789abcdef- \tfF", max_size=70).map(str.encode), st.none()))
def test_a_header_that_is_garbage_does_no_harm(garbage):
    source = Source("events", 0, 0, 0, b"p", b"{}", (("traceparent", garbage),))
    trace = Traces(SimpleSpanProcessor(InMemorySpanExporter())).taken(source)
    if trace is not None:
        trace.end()


@pytest.mark.parametrize(
    "header",
    [
        b"",
        SAMPLED[:-1],
        SAMPLED + b"0",
        SAMPLED + b"-more",
        SAMPLED.upper(),
        b"ff" + SAMPLED[2:],
        SAMPLED.replace(TRACE.encode(), b"0" * 32),
        SAMPLED.replace(SPAN.encode(), b"0" * 16),
        b"\xff" + SAMPLED[1:],
    ],
)
def test_a_header_that_is_not_what_the_recommendation_says_is_none(traces, header):
    assert traces.taken(record(header)) is None


def test_of_what_a_sender_says_beside_it_nothing_is_taken(traces, exporter):
    headers = (("tracestate", b"lab=p-1007"), ("traceparent", SAMPLED), ("baggage", b"patient=p-1007"))
    trace = traces.taken(Source("events", 2, 7, 0, b"p", b"{}", headers))
    trace.end()
    assert "1007" not in exporter.get_finished_spans()[0].to_json()


@pytest.fixture
def through_a_door(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What a native door sends for a record with two patients and an object that is none."""

    async def handled(own: Traces | None, traceparent: bytes | None) -> list[tuple[str, dict[str, bytes]]]:
        producer = Producer()
        monkeypatch.setattr(kafka, "producer", lambda settings: producer)
        doors = Doors(Settings(), own)
        ticks = [{"type": "tick", "patient": one, "at": "2026-03-01T08:00:00Z"} for one in ("p-1", "p-2")]
        await doors.handle(record(traceparent, value=orjson.dumps([*ticks, 17])), "native")
        await doors.settle()
        return producer.sent

    return handled


async def test_a_door_passes_the_trace_on_to_each_patients_record(traces, exporter, through_a_door):
    (_, first), (_, second), (dead, letter) = await through_a_door(traces, SAMPLED)
    sends = [one for one in exporter.get_finished_spans() if one.name == "send events"]
    assert [one["traceparent"] for one in (first, second)] == [
        f"00-{TRACE}-{one.context.span_id:016x}-01".encode() for one in sends
    ]
    # A dead letter has the sender's own headers: a replay is in the same trace.
    assert (dead, letter["traceparent"]) == ("deadletter", SAMPLED)


async def test_without_traces_a_door_says_what_it_always_said(through_a_door):
    (_, first), (_, second), _ = await through_a_door(None, SAMPLED)
    assert first == second == {}
    assert await through_a_door(None, SAMPLED) == await through_a_door(None, SAMPLED)


@pytest.mark.parametrize("endpoint", ["collector:4318", "ftp://collector", "http://user:secret@collector:4318", ""])
def test_a_collector_has_an_address_without_a_secret_in_it(endpoint):
    with pytest.raises(ValueError, match="otel_endpoint"):
        Settings(otel_endpoint=endpoint)


def test_traces_that_nobody_wants_load_nothing_and_those_that_cannot_be_made_are_told_of(monkeypatch):
    monkeypatch.setitem(sys.modules, "streams.traces", None)
    assert worker._traces(Settings()) is None
    with pytest.raises(WorkerError, match=r"pip install 'vagt\[otel\]'"):
        worker._traces(Settings(otel_endpoint="http://127.0.0.1:4318"))
