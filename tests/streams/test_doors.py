import asyncio
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from aiokafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError
from hypothesis import given
from hypothesis import strategies as st

from features.catalogue import Refused
from streams import kafka
from streams.deadletter import Source, bounded
from streams.doors import Doors, fhir, native, records
from streams.partitioner import partition_of
from streams.pseudonym import Pseudonyms
from streams.settings import Settings

TAKEN = "2026-03-01T09:42:00+01:00"
KAFKA_HAD_IT = 1772355600000


def observation(patient: str = "p-1", ident: str = "o-1", **changes: Any) -> dict[str, Any]:
    return {
        "type": "observation",
        "id": ident,
        "status": "final",
        "patient": patient,
        "code": {"system": "http://loinc.org", "code": "8867-4"},
        "value": 88,
        "unit": "/min",
        "effective": TAKEN,
        "issued": TAKEN,
    } | changes


def source(document: Any, topic: str = "vitals") -> Source:
    value = document if isinstance(document, bytes | None) else orjson.dumps(document)
    return Source(topic, 3, 1771, KAFKA_HAD_IT, b"a key", value, (("trace", b"t-1"),))


@dataclass
class Sent:
    topic: str
    value: bytes | None
    key: bytes | None
    partition: int | None
    timestamp_ms: int | None
    headers: dict[str, bytes]

    @property
    def items(self) -> Any:
        return orjson.loads(self.value or b"")


@dataclass
class Broker:
    """A producer that keeps what it is given, and acknowledges it at once unless told otherwise."""

    sent: list[Sent] = field(default_factory=list)
    waiting: list["asyncio.Future[Any]"] = field(default_factory=list)
    holds: bool = False
    refuses: KafkaError | None = None
    state: str = "new"

    async def start(self) -> None:
        self.state = "started"

    async def stop(self) -> None:
        self.state = "stopped"

    async def send(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
        headers: Any = (),
    ) -> "asyncio.Future[Any]":
        assert self.state == "started"
        if self.refuses is not None:
            raise self.refuses
        self.sent.append(Sent(topic, value, key, partition, timestamp_ms, dict(headers)))
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self.holds:
            self.waiting.append(future)
        else:
            future.set_result(None)
        return future

    def to(self, topic: str) -> list[Sent]:
        return [one for one in self.sent if one.topic == topic]

    @property
    def reasons(self) -> list[tuple[bytes, bytes]]:
        return [(one.headers["item"], one.headers["reason"]) for one in self.to("deadletter")]


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    made = Broker()
    monkeypatch.setattr(kafka, "producer", lambda settings: made)
    return made


@pytest.fixture
def doors(broker: Broker) -> Doors:
    return Doors(Settings(max_event_bytes=4096))


# ---------------------------------------------------------------------- native door


def test_native_objects_are_taken_as_they_are():
    items = [observation("p-1"), observation("p-2")]
    assert native.translate(items) == native.Translation((("p-1", items[0]), ("p-2", items[1])), ())
    assert native.translate(items[0]).items == (("p-1", items[0]),)


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        (None, "schema"),
        ([], "schema"),
        (observation(""), "missing-subject"),
        (observation(7), "wrong-subject"),  # type: ignore[arg-type]
        ({"type": "tick", "at": TAKEN}, "missing-subject"),
        (observation(value="88"), "schema"),
        (observation(type="note"), "schema"),
        (observation(code={"system": "http://loinc.org", "code": "1-8"}), "unknown-code"),
        (observation(status="cancelled", code={"system": "x", "code": "1-8"}), "unknown-code"),
        (observation(unit=None), "unknown-unit"),
        (observation(value=1e308), "implausible"),
        (observation(value=None, text="88"), "schema"),
    ],
)
def test_a_bad_native_object_is_refused_and_its_siblings_are_used(part: Any, reason: str):
    translation = native.translate([observation(), part, observation()])
    assert len(translation.items) == 2
    assert [(index, refusal.reason) for index, refusal in translation.refusals] == [(1, reason)]


def test_a_withdrawn_native_observation_needs_no_value():
    assert len(native.translate(observation(status="cancelled", value=None, unit=None)).items) == 1


def test_an_empty_array_is_refused():
    assert [refusal.reason for _, refusal in native.translate([]).refusals] == ["schema"]


@given(
    document=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just(observation()),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(["type", "patient", "id", "code", "value"]), inner)
        ),
    )
)
def test_every_part_of_any_document_is_used_or_refused(document: Any):
    translation = native.translate(document)
    parts = len(document) if isinstance(document, list) else 1
    assert len(translation.items) + len(translation.refusals) == max(parts, 1)


# ---------------------------------------------------------------------- records written


def test_a_patient_s_objects_become_one_record_in_their_order():
    first, other, second = observation("å", "a"), observation("p-2", "b"), observation("å", "c")
    (key, value), (other_key, other_value) = records([("å", first), ("p-2", other), ("å", second)])
    assert (key.decode(), other_key.decode()) == ("å", "p-2")
    assert orjson.loads(value) == [{**first, "origin": "vagt"}, {**second, "origin": "vagt"}]
    assert orjson.loads(other_value) == {**other, "origin": "vagt"}


async def test_each_patient_s_record_goes_to_the_partition_of_its_key(doors: Doors, broker: Broker):
    await doors.handle(source([observation(f"p-{number}") for number in range(9)]), "native")
    assert [one.key for one in broker.sent] == [f"p-{number}".encode() for number in range(9)]
    for one in broker.to("events"):
        assert one.key is not None
        assert one.partition == partition_of(one.key, 4)
        assert one.timestamp_ms == KAFKA_HAD_IT


async def test_fhir_enters_through_its_door(doors: Doors, broker: Broker):
    await doors.handle(source({"resourceType": "Patient", "id": "p-1", "gender": "female"}), "fhir")
    (sent,) = broker.to("events")
    assert (sent.items["action"], sent.items["sex"], sent.items["origin"]) == ("update", "female", "vagt")
    assert sent.items["at"] == "2026-03-01T09:00:00.000Z"


async def test_names_of_topics_have_the_deployment_s_prefix(broker: Broker):
    doors = Doors(Settings(topic_prefix="test."))
    await doors.handle(source([observation(), 7]), "native")
    assert [one.topic for one in broker.sent] == ["test.events", "test.deadletter"]


@pytest.mark.parametrize("form", ["native", "fhir"])
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, b"empty"),
        (b"", b"bad-json"),
        (b"{", b"bad-json"),
        (b"\xff\xfe", b"bad-json"),
        (b"NaN", b"bad-json"),
        (b"[" * 4000, b"bad-json"),
        (b"[]", b"schema"),
        (b"7", b"schema"),
        (b" " * 4097, b"too-large"),
    ],
)
async def test_an_unusable_record_becomes_a_dead_letter_with_its_own_bytes(
    doors: Doors, broker: Broker, form: str, value: bytes | None, reason: bytes
):
    await doors.handle(source(value), form)
    (letter,) = broker.sent
    assert (letter.topic, letter.value, letter.key) == ("deadletter", value, b"a key")
    headers = letter.headers
    assert (headers["reason"], headers["item"], headers["trace"]) == (reason, b"0", b"t-1")
    assert (headers["topic"], headers["partition"], headers["offset"]) == (b"vitals", b"3", b"1771")


async def test_siblings_of_a_dead_letter_are_used(doors: Doors, broker: Broker):
    await doors.handle(source([observation(), observation(value="x"), observation("p-2"), 7]), "native")
    assert len(broker.to("events")) == 2
    assert broker.reasons == [(b"1", b"schema"), (b"3", b"schema")]


async def test_a_patient_s_part_that_grows_too_large_is_a_dead_letter(doors: Doors, broker: Broker):
    coding = {"system": "http://loinc.org", "code": "8480-6"}
    component = {"code": {"coding": [coding]}, "valueQuantity": {"value": 120, "unit": "mmHg"}}
    panel = {
        "resourceType": "Observation",
        "id": "o" * 150,
        "status": "final",
        "subject": {"reference": "Patient/p-1"},
        "effectiveDateTime": TAKEN,
        "component": [component] * 20,
    }
    await doors.handle(source(panel), "fhir")
    assert broker.to("events") == []
    assert broker.reasons == [(b"0", b"too-large")]


async def test_a_fault_of_the_door_itself_sets_the_record_aside(
    doors: Doors, broker: Broker, monkeypatch: pytest.MonkeyPatch
):
    def fault(document: Any, received: int) -> Any:
        raise KeyError("p-1")

    monkeypatch.setattr(fhir, "translate", fault)
    await doors.handle(source({}), "fhir")
    assert broker.reasons == [(b"0", b"internal-error")]
    assert b"p-1" not in broker.sent[0].headers["detail"]


# ---------------------------------------------------------------------- bounds of dead letters


def test_few_refusals_all_have_their_own_dead_letter():
    refusals = [(index, Refused("schema", "…")) for index in range(64)]
    assert bounded(refusals, 1024 * 1024) == refusals
    assert bounded([], 0) == []


def test_refusals_beyond_the_bound_share_one_dead_letter_that_counts_them():
    refusals = [(index, Refused("schema" if index % 2 else "unsupported", "…")) for index in range(70)]
    kept = bounded(refusals, 1024 * 1024)
    assert list(kept[:-1]) == refusals[:63]
    index, last = kept[-1]
    assert (index, last.reason) == (63, "too-many")
    assert last.detail == "this object and others of the record: schema 4, unsupported 3"


def test_even_the_largest_record_has_a_dead_letter():
    assert len(bounded([(0, Refused("schema", "…"))] * 3, 10**9)) == 1


# ---------------------------------------------------------------------- what the broker has


async def test_settle_waits_until_the_broker_has_everything(doors: Doors, broker: Broker):
    broker.holds = True
    await doors.handle(source([observation(), 7]), "native")
    settled = [asyncio.create_task(doors.settle()) for _ in range(2)]
    first, second = broker.waiting
    first.set_result(None)
    await asyncio.sleep(0.01)
    assert not any(one.done() for one in settled)
    second.set_result(None)
    await asyncio.gather(*settled)
    await doors.settle()


async def test_a_send_that_failed_is_never_settled(doors: Doors, broker: Broker):
    broker.holds = True
    await doors.handle(source(observation()), "native")
    broker.waiting[0].set_exception(KafkaTimeoutError())
    for _ in range(2):
        with pytest.raises(KafkaTimeoutError):
            await doors.settle()
    with pytest.raises(KafkaTimeoutError):
        await doors.handle(source(observation()), "native")
    assert len(broker.sent) == 1


async def test_a_send_that_was_cut_off_counts_as_failed(doors: Doors, broker: Broker):
    broker.holds = True
    await doors.handle(source(observation()), "native")
    broker.waiting[0].cancel()
    with pytest.raises(KafkaError):
        await doors.settle()


async def test_a_broker_that_takes_nothing_stops_the_door(doors: Doors, broker: Broker):
    broker.refuses = KafkaConnectionError()
    with pytest.raises(KafkaConnectionError):
        await doors.handle(source(observation()), "native")
    with pytest.raises(KafkaConnectionError):
        await doors.settle()


async def test_the_producer_starts_with_the_first_record_and_stops_at_the_end(doors: Doors, broker: Broker):
    await doors.settle()
    await doors.close()
    assert broker.state == "new"
    await asyncio.gather(*(doors.handle(source(observation()), "native") for _ in range(3)))
    assert broker.state == "started"
    await doors.close()
    assert broker.state == "stopped"


async def test_with_a_key_only_the_pseudonym_goes_on(broker: Broker):
    patient = "010157-5011"
    own = Settings(pseudonym_key=bytes(32).hex())
    names = Pseudonyms(own.pseudonym_keys)
    doors = Doors(own)
    await doors.handle(source([observation(patient), observation(patient, "o-2", unit=patient)]), "native")
    (taken,), (refused,) = broker.to("events"), broker.to("deadletter")
    name = names.name(patient)
    assert taken.key == name.encode()
    assert taken.partition == partition_of(name.encode(), own.partitions)
    assert patient not in (taken.value or b"").decode()
    assert names.unseal(taken.items["sealed"], name) == patient
    assert not any(patient.encode() in text for text in refused.headers.values())


async def test_a_record_that_is_read_twice_gives_the_same_bytes(broker: Broker):
    doors = Doors(Settings(pseudonym_key=bytes(32).hex()))
    for _ in range(2):
        await doors.handle(source(observation("010157-5011")), "native")
    once, again = broker.to("events")
    assert (once.key, once.value) == (again.key, again.value)


def test_no_door_takes_a_handover():
    item = {"type": "handover", "id": "h", "version": 1, "patient": "p", "path": ["q"], "at": TAKEN, "origin": "vagt"}
    assert [refused.reason for _, refused in native.translate(item).refusals] == ["unsupported"]
