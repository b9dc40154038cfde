"""Traces (OpenTelemetry) of the records whose sender traces them: from the input to what was said, and until it lasts.

A record whose header ``traceparent`` (W3C Trace Context) says that it is sampled gets spans in its sender's trace, and
so does what a door makes of it::

    process events            from its being taken until all that follows was handed over
      decide                  what the decision took
      send alerts             until the broker has the output, whose own ``traceparent`` names this span
    commit                    a checkpoint, in a trace of its own, with a link to each record that it made durable

A record without the header, or with one that is none, is in no trace. One that says that it is not sampled passes that
on. No decision sees any of it, and no span names a patient: a record is named by its offset.

Only who wants traces imports this: OpenTelemetry is an extra (``pip install 'vagt[otel]'``).
"""

import time
from asyncio import Future
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any, Final, Protocol, Self

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import DEFAULT_ON
from opentelemetry.trace import Link, Span, SpanKind, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from streams.deadletter import Source
from streams.judge import Judged

_HEADER: Final = "traceparent"
_FORM: Final = TraceContextTextMapPropagator()
#: A process that ends waits no longer than this for each batch of spans that nobody takes.
_EXPORT_S: Final = 3.0


class Outputs(Protocol):
    """What takes records, as aiokafka's producer does."""

    async def send(
        self, topic: str, value: bytes | None = None, key: bytes | None = None, **more: Any
    ) -> "Future[Any]":
        """Hand a record over; the future is done once the broker has it."""


class Traces:
    """The traces of one process; ``processor`` takes the spans that ended."""

    def __init__(self, processor: SpanProcessor) -> None:
        about = Resource.create({"service.name": "vagt-worker", "service.version": version("vagt")})
        # Who sent a record says whether it is sampled; and a checkpoint may have any number of records.
        provider = TracerProvider(DEFAULT_ON, about, span_limits=SpanLimits(max_links=SpanLimits.UNSET))
        provider.add_span_processor(processor)
        self._tracer = provider.get_tracer("vagt")

    @classmethod
    def exported(cls, endpoint: str) -> Self:
        """Traces that go to a collector, by OTLP over HTTP, from a thread of their own."""
        return cls(BatchSpanProcessor(OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=_EXPORT_S)))

    def taken(self, source: Source) -> "Trace | None":
        """The trace of a record that was taken just now; ``None`` for one that is in none."""
        parent = next((value for name, value in source.headers if name == _HEADER), None)
        if not parent:
            return None
        # This header alone: a `tracestate` may hold anything, and would go where the spans go.
        context = _FORM.extract({_HEADER: parent.decode("ascii", "replace")})
        return Trace(self._tracer, context, source) if context else None

    def committed(self, traces: Sequence["Trace"], partition: int, seconds: float) -> None:
        """A checkpoint of a partition, in which these were, ended just now and took so long."""
        links = [Link(one.context) for one in traces if one.context.trace_flags.sampled]
        if links:
            _past(self._tracer, "commit", seconds, {"vagt.partition": partition}, Context(), links)


class Trace:
    """What is told of one record."""

    def __init__(self, tracer: Tracer, parent: Context, source: Source) -> None:
        self._tracer = tracer
        place = {"messaging.destination.partition.id": str(source.partition), "messaging.kafka.offset": source.offset}
        self._span = self._begun("process", source.topic, SpanKind.CONSUMER, parent, place)
        self._within = set_span_in_context(self._span)
        self.context = self._span.get_span_context()

    def decided(self, seconds: float, judged: Judged) -> None:
        """A decision ended just now and took so long."""
        said = {
            "vagt.scores": len(judged.scores),
            "vagt.alerts": len(judged.alerts),
            "vagt.refusals": len(judged.refusals),
        }
        _past(self._tracer, "decide", seconds, said, self._within)

    def through(self, producer: Outputs) -> Outputs:
        """The producer, but that what it sends is told too, and carries on the trace."""
        return _Traced(producer, self)

    def end(self) -> None:
        """All that follows was handed over."""
        self._span.end()

    def sends(self, topic: str) -> Span:
        """A span of a record for this topic."""
        return self._begun("send", topic, SpanKind.PRODUCER, self._within, {})

    def _begun(self, what: str, topic: str, kind: SpanKind, within: Context, place: Mapping[str, Any]) -> Span:
        about = {"messaging.system": "kafka", "messaging.operation.type": what, "messaging.destination.name": topic}
        return self._tracer.start_span(f"{what} {topic}", within, kind, {**about, **place})


class _Traced:
    def __init__(self, producer: Outputs, trace: Trace) -> None:
        self._producer = producer
        self._trace = trace

    async def send(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
        **more: Any,
    ) -> "Future[Any]":
        span, carried = self._trace.sends(topic), dict[str, str]()
        _FORM.inject(carried, set_span_in_context(span))
        own = [(name, text.encode()) for name, text in carried.items()]
        sent = await self._producer.send(topic, value, key, headers=[*headers, *own], **more)

        def acknowledged(sent: "Future[Any]") -> None:
            if sent.cancelled() or sent.exception() is not None:
                span.set_status(StatusCode.ERROR)
            span.end()

        sent.add_done_callback(acknowledged)
        return sent


def _past(
    tracer: Tracer,
    what: str,
    seconds: float,
    about: Mapping[str, int],
    within: Context,
    links: Sequence[Link] = (),
) -> None:
    """A span that ended just now."""
    end = time.time_ns()
    tracer.start_span(what, within, attributes=about, links=links, start_time=end - round(seconds * 1e9)).end(end)
