"""The input parsers, each with its inputs and with what it promises."""

import math
import os
from base64 import b64encode
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Final
from unittest import mock

import msgspec
import numpy as np
import orjson
from onnx import TensorProto, helper

from features import instants, record
from features.catalogue import Refused, catalogue
from features.events import parse as event_of
from features.numeral import numeral
from features.record import Record
from load_tests import plugin
from load_tests.fuzz import examples
from load_tests.fuzz.files import FileParser
from load_tests.fuzz.mutate import TEXTS, Mutator, document
from load_tests.fuzz.ports import Frames, Hooks, Launches, Tokens
from load_tests.fuzz.run import Parser, PromiseError
from models import outputs
from models.artefact import ArtefactError, parsed
from models.banded import policy
from models.onnx_row import OnnxRow
from models.plugin import Manifest as PluginManifest
from models.plugin import analytes_of
from models.registry import shipped
from models.remote import Question, Remote
from models.shelf import Shelf
from models.step import Decider, Place, step, wakes_at
from streams import doors, intake
from streams.doors import fhir, hl7, native
from streams.hl7 import er7
from streams.hl7.answer import REFUSED, answer
from streams.letters import _letter, _object
from streams.remote import understood
from streams.settings import Settings

_PLACE: Final = Place("events", 0, 7)
_MAX: Final = 1024 * 1024
_RECEIVED: Final = instants.parse("2026-03-02T00:00:00Z")
_HL7: Final = Settings(hl7_authority="CPR")
_NEIGHBOUR: Final = "p-2000"


def _events(items: Any, patient: str) -> list[Any]:
    return [event_of({**one, "patient": patient}, patient) for one in items]


class Ward:
    """A patient with a history, and a neighbour whom nothing of the patient's may touch."""

    def __init__(self) -> None:
        self.decider = Decider(catalogue(), (*shipped(), elsewhere()))
        first = _events([examples.ADMISSION], examples.PATIENT)
        self.records = [Record()]
        for batch in (first, *(_events(examples.panel(hour), examples.PATIENT) for hour in (1, 4, 8, 12))):
            decided = step(self.decider, self.records[-1], examples.PATIENT, batch, _PLACE)
            self.records.append(decided.record)
        merge = _events([one for one in examples.EVENTS if isinstance(one, dict) and one.get("action") == "merge"], "p")
        self.records.append(step(self.decider, self.records[-1], examples.PATIENT, merge, _PLACE).record)
        self.neighbour = self.records[-2]
        self.unmoved = self.say(self.neighbour, _NEIGHBOUR, _events(examples.panel(13), _NEIGHBOUR))

    def say(self, before: Record, patient: str, events: Sequence[Any]) -> bytes:
        """All that a decision writes, as the desk writes it.

        Raises:
            PromiseError: the record that it was given is another afterwards, or cannot be stored.
        """
        stored = record.encode(before)
        decided = step(self.decider, before, patient, events, _PLACE)
        if record.encode(before) != stored:
            raise PromiseError("step changed the record that it was given")
        kept = record.encode(decided.record)
        if record.encode(record.decode(kept)) != kept:
            raise PromiseError("a record is another after it was stored and read")
        written = [*decided.alerts, list(decided.scores), *(send.item for send in decided.sends)]
        said = [outputs.encode(one) for one in written]
        if any(not math.isfinite(score.score) for score in decided.scores):
            raise PromiseError("a score is no finite number")
        refusals = [(position, refused.reason, refused.detail.encode()) for position, refused in decided.refusals]
        alarm = wakes_at(self.decider, decided.record)
        if alarm is not None:
            instants.render(alarm)
        return kept + b"".join(said) + repr((refusals, alarm)).encode()


@cache
def elsewhere() -> Remote:
    """A model that runs elsewhere, so that its answers are no strangers."""
    with TemporaryDirectory(prefix="vagt-fuzz-") as folder:
        places = plugin.put(Path(folder), plugin.manifest("https://models.example/"))
        [found] = Shelf(places["models"], places["model_keys"]).own()
        assert isinstance(found, Remote)
        return found


@cache
def _ward() -> Ward:
    return Ward()


class Events:
    """A record of ``events``: read, decided, and written."""

    name = "events"
    refusals = (Refused,)

    def make(self, random: Random) -> tuple[bytes, str, int, bool]:
        """The bytes, the key, which history comes before, and whether the neighbour is looked at."""
        key = examples.PATIENT if random.random() < 0.95 else Mutator(random).text(examples.PATIENT)
        history = random.randrange(len(_ward().records))
        answer = elsewhere().item(examples.PATIENT, Question("elsewhere", random.randrange(4)), 0, random.random())
        return document(random, (*examples.EVENTS, answer)), key, history, random.random() < 0.1

    def parse(self, given: tuple[bytes, str, int, bool]) -> object:
        """What is said of the patient, and that nothing else is said of the neighbour."""
        value, key, history, look = given
        ward = _ward()
        taken = intake.read(value, key, _MAX)
        said = ward.say(ward.records[history], key, [event for _, event in taken.events])
        if look:
            later = ward.say(ward.neighbour, _NEIGHBOUR, _events(examples.panel(13), _NEIGHBOUR))
            if later != ward.unmoved:
                raise PromiseError("the neighbour's decision is another")
        return said, [(index, refused.reason, refused.detail.encode()) for index, refused in taken.refusals]


class Handover:
    """What a merged patient's record hands over: a stored record within an event."""

    name = "handover"
    refusals = (Refused,)

    def make(self, random: Random) -> bytes:
        """An event of the patient with a state that is nearly one."""
        state = b64encode(_stored(random)).decode()
        if random.random() < 0.1:
            state = Mutator(random).text(state)
        event = {
            "type": "handover",
            "id": "h-1",
            "version": random.choice((1, 2, 2**53 - 1)),
            "patient": examples.PATIENT,
            "path": random.choice((["p-3000"], ["p-3000", "p-2000"], [examples.PATIENT], ["p-1"] * 50)),
            "state": state,
            "at": examples.time(14),
            "origin": "vagt",
        }
        return document(random, [event]) if random.random() < 0.3 else orjson.dumps(event)

    def parse(self, given: bytes) -> object:
        """What is said of the patient who takes it over."""
        ward = _ward()
        taken = intake.read(given, examples.PATIENT, _MAX)
        return ward.say(ward.neighbour, examples.PATIENT, [event for _, event in taken.events])


class Door:
    """A door: what it lets in can be written to ``events`` and read there."""

    refusals = (Refused,)

    def __init__(self, name: str, given: Sequence[Any], translate: Callable[[Any], native.Translation]) -> None:
        self.name = name
        self._examples = given
        self._translate = translate

    def make(self, random: Random) -> bytes:
        """A document."""
        return document(random, self._examples)

    def parse(self, given: bytes) -> object:
        """What is written to ``events``."""
        return _let_in(self._translate(intake.load(given, _MAX)))


def _let_in(translation: native.Translation) -> object:
    """What a door writes to ``events``, and that it can be read there."""
    written = doors.records(translation.items)
    for key, value in written:
        taken = intake.read(value, key.decode(), 64 * _MAX)
        if taken.refusals:
            raise PromiseError(f"what the door let in is refused: {taken.refusals[0][1].reason}")
    return written, [(index, refused.reason, refused.detail.encode()) for index, refused in translation.refusals]


class Messages:
    """HL7 v2: what the listener answers, and what the door lets in."""

    name = "hl7"
    refusals = (Refused,)

    def make(self, random: Random) -> bytes:
        """A message with other fields, segments dropped, doubled and moved, and damaged bytes."""
        mutator = Mutator(random)
        segments = random.choice(examples.HL7).split("\r")
        for _ in range(random.randint(0, 4)):
            at = random.randrange(len(segments))
            fields = segments[at].split("|")
            where = random.randrange(len(fields))
            fields[where] = random.choice((mutator.text(fields[where]), random.choice(TEXTS), random.choice(fields)))
            changed = "|".join(fields)
            segments[at : at + random.choice((0, 1, 1, 1, 2))] = random.choice(([changed], [changed], [changed] * 2))
            segments = segments or [changed]
        if random.random() < 0.1:
            random.shuffle(segments)
        data = "\r".join(segments).encode(random.choice(("utf-8", "iso8859-1")), "replace")
        return mutator.damaged(data) if random.random() < 0.3 else data

    def parse(self, given: bytes) -> object:
        """What is written to ``events``."""
        reply = answer(given, REFUSED, Refused("schema", "PID-3: |^~\\&"))
        if not reply.startswith(b"MSH") or er7.START in reply or er7.END in reply:
            raise PromiseError("the answer cannot be framed")
        return _let_in(hl7.translate(given, _RECEIVED, _HL7))


class Manifest:
    """The manifest of a model that others made."""

    name = "manifest"
    refusals = (ArtefactError,)

    def make(self, random: Random) -> bytes:
        """A document."""
        return document(random, [plugin.manifest("https://models.example/")])

    def parse(self, given: bytes) -> object:
        """The manifest, and what is derived from it."""
        found = parsed(PluginManifest, Path("fuzz"), given)
        return found, analytes_of(found.inputs), policy(found.bands, found.severity)


@cache
def _graph() -> bytes:
    """A logistic regression of three numbers in ONNX."""
    weights = helper.make_tensor("weights", TensorProto.FLOAT, [3, 1], [0.5, 0.01, -0.02])
    table = helper.make_tensor_value_info("rows", TensorProto.FLOAT, [None, 3])
    risk = helper.make_tensor_value_info("risk", TensorProto.FLOAT, [None, 1])
    nodes = [helper.make_node("MatMul", ["rows", "weights"], ["raw"]), helper.make_node("Sigmoid", ["raw"], ["risk"])]
    graph = helper.make_graph(nodes, "risk", [table], [risk], [weights])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    return bytes(made.SerializeToString())


class Graph:
    """A file that may be a model in ONNX."""

    name = "onnx"
    refusals = (ValueError,)

    def make(self, random: Random) -> bytes:
        """A model with damaged bytes."""
        return Mutator(random).damaged(_graph())

    def parse(self, given: bytes) -> object:
        """The scores of two rows."""
        model = OnnxRow(given, 3, "risk", 0)
        return [repr(model(row)) for row in (np.zeros(3), np.array([2.0, 90.0, math.nan]))]


class Answer:
    """What a model that runs elsewhere says: of whatever it is, an event comes that the step can take."""

    name = "answer"
    refusals = ()

    def make(self, random: Random) -> bytes:
        """The body of an answer."""
        model = {"sha256": "0" * 64}
        return document(random, [{"score": 0.3, "model": model}, {"abstained": True, "model": model}])

    def parse(self, given: bytes) -> object:
        """What is said of the patient."""
        ward, model = _ward(), elsewhere()
        item = model.item(examples.PATIENT, Question("elsewhere", 1), 0, understood(model, given))
        return ward.say(ward.records[1], examples.PATIENT, _events([item], examples.PATIENT))


def _stored(random: Random) -> bytes:
    """A stored record, more or less."""
    mutator = Mutator(random, json=False)
    data = record.encode(random.choice(_ward().records))
    if random.random() < 0.6:
        try:
            data = msgspec.msgpack.encode(mutator.tree(msgspec.msgpack.decode(data)))
        except (OverflowError, TypeError):  # the mutation is none that MessagePack can say
            return mutator.damaged(data)
    return mutator.damaged(data) if random.random() < 0.5 else data


class Stored:
    """A patient's record as a changelog or a disk holds it."""

    name = "record"
    refusals = (ValueError,)

    def make(self, random: Random) -> bytes:
        """Stored bytes."""
        return _stored(random)

    def parse(self, given: bytes) -> object:
        """The record, stored again, and when it wakes."""
        found = record.decode(given)
        return record.encode(found), wakes_at(_ward().decider, found)


class Text:
    """A parser of one text."""

    def __init__(self, name: str, texts: Sequence[str], parse: Callable[[str], object], refusal: type[Exception]):
        self.name = name
        self._texts = texts
        self.parse = parse
        self.refusals = (refusal,)

    def make(self, random: Random) -> str:
        """A text like one of the examples."""
        return Mutator(random).text(random.choice(self._texts))


def _instant(text: str) -> str:
    return instants.render(instants.parse(text))


def _number(text: str) -> object:
    value, comparator = numeral(text)
    if not math.isfinite(value):
        raise PromiseError("a number is not finite")
    return value, comparator


class Units:
    """A value with a unit, brought to the canonical one."""

    name = "units"
    refusals = (Refused,)

    def make(self, random: Random) -> tuple[str, str, float, str | None]:
        """System, code, value and unit."""
        entry = random.choice([one for part in examples.EVENTS if isinstance(part, list) for one in part])
        mutator = Mutator(random)
        code, unit = entry["code"], entry.get("unit") or "mmol/L"
        value = random.choice((0.0, -0.0, 5e-324, 1.7e308, -1.7e308, random.uniform(-1e6, 1e6), 10 ** random.random()))
        return code["system"], code["code"], value, random.choice((unit, None, mutator.text(unit)))

    def parse(self, given: tuple[str, str, float, str | None]) -> object:
        """The analyte and the canonical value."""
        analyte, value = catalogue().canonical(*given)
        if not math.isfinite(value):
            raise PromiseError("a value is not finite")
        return analyte.name, value


class Letters:
    """A dead letter as it lies on the topic: reading it must not fail whatever its headers and its value hold."""

    name = "letters"
    refusals = ()

    def make(self, random: Random) -> tuple[bytes | None, bytes | None, tuple[tuple[str, bytes], ...]]:
        """Key, value and headers."""
        mutator = Mutator(random)
        own = {"reason": "schema", "detail": "x", "topic": "events", "partition": "0", "offset": "7", "item": "1"}
        headers = [(name, mutator.text(text).encode("utf-8", "surrogatepass")) for name, text in own.items()]
        headers += [(mutator.text("trace"), b"\xff"), random.choice(headers)]
        chosen = random.sample(headers, random.randint(0, len(headers)))
        value = random.choice((None, b"", document(random, examples.EVENTS)))
        return random.choice((None, b"p-1007", b"\xff")), value, tuple(chosen)

    def parse(self, given: tuple[bytes | None, bytes | None, tuple[tuple[str, bytes], ...]]) -> object:
        """Where it came from, and the object to send again."""
        letter = _letter(*given)
        return letter.place, letter.reason, letter.headers, _object(letter)


class Environment:
    """The settings of a deployment."""

    name = "settings"
    refusals = (ValueError,)

    def make(self, random: Random) -> dict[str, str]:
        """Environment variables."""
        mutator = Mutator(random)
        plain: dict[str, Sequence[str]] = {
            "VAGT_DOORS": ("lab=native,vitals=fhir",),
            "VAGT_MAX_SKEW": ("PT10M", "600", "P1D"),
            "VAGT_TIMEZONE": ("Europe/Copenhagen", "UTC", "../etc"),
        }
        for name, one in Settings.model_fields.items():
            plain.setdefault(f"VAGT_{name.upper()}", (str(one.default), "1", "true", ""))
        chosen = random.sample(sorted(plain), random.randint(1, 4))
        made = {name: mutator.text(random.choice(plain[name])) for name in chosen}
        return {name: text.replace("\0", "") for name, text in made.items()}

    def parse(self, given: dict[str, str]) -> object:
        """The settings, and what is derived from them."""
        with mock.patch.dict(os.environ, given, clear=True):
            found = Settings()
        return repr(found), found.door_topics, found.door_forms, found.group, found.max_skew_ms, found.topic("events")


def _door(form: str) -> Callable[[], Parser]:
    if form == "fhir":
        return lambda: Door("fhir", examples.FHIR, lambda document: fhir.translate(document, _RECEIVED))
    return lambda: Door("native", examples.EVENTS, native.translate)


_INSTANTS: Final = ("2026-03-01T09:42:00+01:00", "2026-03-01T09:42:00.123Z", "0001-01-01T00:00:00Z")
_NUMERALS: Final = ("7,4", "<5", "> 1000", "*132", "≤ 0.5 *")

PARSERS: Final[dict[str, Callable[[], Parser]]] = {
    "events": Events,
    "fhir": _door("fhir"),
    "native": _door("native"),
    "hl7": Messages,
    "mllp": Frames,
    "hooks": Hooks,
    "token": Tokens,
    "launch": Launches,
    "record": Stored,
    "handover": Handover,
    "letters": Letters,
    "manifest": Manifest,
    "onnx": Graph,
    "answer": Answer,
    "instants": lambda: Text("instants", _INSTANTS, _instant, ValueError),
    "numeral": lambda: Text("numeral", _NUMERALS, _number, Refused),
    "units": Units,
    "settings": Environment,
    **{f"file-{name}": partial(FileParser, name) for name in FileParser.NAMES},
}
