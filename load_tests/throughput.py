"""`python -m load_tests.throughput`: how much one worker carries, beside a bare echo, on one broker, in one run.

Each finds its whole input waiting, so that it is never idle, and nothing competes with it but the broker. The time runs
from the first output to the last, by Kafka's own timestamps, so that no start counts. With ``--quix`` a smaller job in
Quix Streams takes its turn too, on the same records.
"""

import asyncio
import signal
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Annotated, Final

import orjson
import typer
from aiokafka import AIOKafkaConsumer, TopicPartition
from rich.console import Console

from load_tests import machine, service
from load_tests.channels import Channels, patient
from load_tests.child import SPAWN, Child, ChildError
from load_tests.echo import echo
from load_tests.kafka import Bootstrap, Out, ends, one_node
from load_tests.patients import Measure, observation, watched
from load_tests.plan import Load
from load_tests.quix import engine
from load_tests.quix.environment import QuixError, interpreter
from load_tests.service import ServiceError
from models.registry import shipped
from streams import kafka
from streams.commands.plain import FAILED, fail, plain_failures
from streams.settings import Settings

_PATIENCE_S: Final = 900.0
_READY_S: Final = 60.0
_LOOK_S: Final = 0.5
_SHUT_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class Carried:
    """Records a second of the echo, and records and observations a second of one worker, on the same records.

    ``quix``: records a second of the job in Quix Streams; ``None`` where it was not wanted.
    """

    panel: int
    records: int
    echo: float
    service: float
    observations: float
    quix: float | None = None


def throughput(
    records: Annotated[int, typer.Option(min=100, help="Records of events, for the echo and for the service.")] = 10000,
    panels: Annotated[str, typer.Option(help="Observations in a record, one measurement for each.")] = "1,12",
    patients: Annotated[int, typer.Option(min=1, help="Patients, admitted anew for each measurement.")] = 500,
    runs: Annotated[int, typer.Option(min=1, help="So many times; the median counts.")] = 1,
    quix: Annotated[bool, typer.Option("--quix", help="Measure the job in Quix Streams too.")] = False,
    bootstrap: Bootstrap = None,
    out: Out = None,
) -> None:
    """Measure how many observations a second one worker carries, beside a bare echo."""
    try:
        wanted = [int(one) for one in panels.split(",")]
    except ValueError:
        raise typer.BadParameter(f"{panels!r} is not a list of whole numbers with commas between") from None
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console()
    busy = machine.disturbed()
    found: list[Carried] = []
    try:
        python = interpreter(console.print) if quix else None
        with (
            plain_failures(),
            tempfile.TemporaryDirectory(prefix="vagt-load-") as folder,
            one_node(bootstrap, Path(folder), console) as address,
        ):
            for number in range(runs):
                for panel in wanted:
                    prefix = f"load-{uuid.uuid4().hex[:8]}."
                    place = Path(folder) / prefix
                    place.mkdir()
                    settings = Settings(
                        kafka_bootstrap=address, topic_prefix=prefix, data_dir=place, doors="", live=True
                    )
                    about = {**machine.describe(settings), "disturbed": busy}
                    load = Load(rate=1, patients=patients, seed=number + 1)
                    found.append(_measure(settings, load, records, panel, python))
                    console.print(_line(found[-1]))
                    if out is not None:
                        out.parent.mkdir(parents=True, exist_ok=True)
                        out.write_bytes(orjson.dumps({"machine": about, "runs": [asdict(one) for one in found]}))
    except (ServiceError, ChildError, QuixError) as error:
        fail(error)
    for panel in wanted:
        console.print("median: " + _line(_median([one for one in found if one.panel == panel])))
    if any(one.service == 0 for one in found):
        raise typer.Exit(FAILED)


def _measure(settings: Settings, load: Load, records: int, panel: int, python: Path | None) -> Carried:
    channels = Channels.of(settings)
    with service.channels(settings):
        with service.worker(settings) as first:
            service.admit(settings, settings.topic_prefix, load.patients, load.seed)
            service.settle(settings, first)
        before = asyncio.run(ends(settings, channels.scores))
        fill(settings, records, load.patients, panel, load.seed)
        ready, stop = SPAWN.Event(), SPAWN.Event()
        with Child(echo, settings, ready, stop) as echoing:
            _wait(settings, channels.echoed, records, lambda: echoing.done() and echoing.result(0))
            stop.set()
            echoing.result(_SHUT_S)
        with service.worker(settings) as second:
            service.settle(settings, second, _PATIENCE_S)
        echoed = asyncio.run(_span(settings, channels.echoed, {}))
        scored = asyncio.run(_span(settings, channels.scores, before))
        other = records / _quix(settings, python, records) if python else None
    return Carried(panel, records, records / echoed, records / scored, records * panel / scored, other)


def _quix(settings: Settings, python: Path, records: int) -> float:
    """Seconds from the first output of the job in Quix Streams to its last."""
    with engine.output(settings) as into:
        with engine.running(settings, python, into) as check:
            _wait(settings, into, records, check)
        return asyncio.run(_span(settings, into, {}))


def fill(settings: Settings, records: int, patients: int, panel: int = 1, seed: int = 1) -> None:
    """Write the same records for the echo and the service, and return when the broker has them."""
    asyncio.run(_fill(settings, records, patients, panel, Random(seed)))


async def _fill(settings: Settings, records: int, patients: int, panel: int, chance: Random) -> None:
    measures, start = watched(shipped()), time.time_ns() // 1_000_000
    producer = kafka.producer(settings, linger_ms=5)
    await producer.start()
    try:
        for number in range(records):
            name = patient(settings.topic_prefix, chance.randrange(patients))
            value = orjson.dumps(list(_panel(name, number, measures, panel, chance, start)))
            for topic in Channels.of(settings).inputs.values():
                await producer.send(topic, value, name.encode())
        await producer.flush()
    finally:
        await producer.stop()


def _panel(
    name: str, number: int, measures: tuple[Measure, ...], panel: int, chance: Random, start: int
) -> Iterator[object]:
    for one in chance.sample(measures, panel):
        yield observation(name, f"{number}-{one.code}", one.code, one.unit, one.draw(chance), start + number)


def _wait(settings: Settings, topic: str, records: int, check: Callable[[], object]) -> None:
    """Until a topic holds so many records. ``check`` raises when nobody writes them any more.

    Raises:
        ChildError: it takes too long.
    """
    until = time.monotonic() + _PATIENCE_S
    while sum(asyncio.run(ends(settings, topic)).values()) < records:
        check()
        if time.monotonic() > until:
            raise ChildError(f"not all of {records} records came back within {_PATIENCE_S:.0f} s")
        time.sleep(_LOOK_S)


async def _span(settings: Settings, topic: str, since: Mapping[TopicPartition, int]) -> float:
    """Seconds from a topic's first record to its last, those before ``since`` left out."""
    until = await ends(settings, topic)
    consumer: AIOKafkaConsumer
    async with kafka.consumer(settings) as consumer:
        consumer.assign(list(until))
        instants: list[int] = []
        for part, end in until.items():
            first, last = since.get(part, 0), end - 1
            for offset in (first, last) if first <= last else ():
                consumer.seek(part, offset)
                instants.append((await consumer.getone(part)).timestamp)
    return (max(instants) - min(instants)) / 1000


def _median(found: list[Carried]) -> Carried:
    return Carried(
        found[0].panel,
        found[0].records,
        statistics.median(one.echo for one in found),
        statistics.median(one.service for one in found),
        statistics.median(one.observations for one in found),
        statistics.median(one.quix for one in found if one.quix) if found[0].quix else None,
    )


def _line(one: Carried) -> str:
    other = f"; Quix Streams {one.quix:,.0f} records a second" if one.quix else ""
    return (
        f"{one.panel} observations a record: echo {one.echo:,.0f} records a second; one worker "
        f"{one.service:,.0f} records, {one.observations:,.0f} observations a second "
        f"({one.observations / one.echo:.2f} times the echo's records){other}"
    )


if __name__ == "__main__":
    typer.run(throughput)
