"""`python -m load_tests.overload`: the worker's memory and its manners under input that is too much.

Beside a real broker, each with a worker and topics of its own:

- ``patient``: a million observations of one patient, a second apart and five signs at a time;
- ``patients``: 200,000 patients with an admission and a few rounds of signs each;
- ``hot``: one key with half the traffic, and what the others' scores wait for it;
- ``large``: records of 1 MiB that are of no use, each a dead letter with all its bytes.

The first two and the last are sent as quickly as the broker takes them, so the worker is behind from the start.
"""

import json
import os
import signal
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from random import Random
from typing import Annotated, Any

import numpy as np
import orjson
import typer
from kafka import KafkaProducer
from rich.console import Console
from rich.table import Table

from features.instants import HOUR, parse, render
from load_tests import machine, service
from load_tests.kafka import Out
from load_tests.patients import observation
from load_tests.service import ServiceError
from streams.broker import Broker, free_port
from streams.commands.plain import fail, plain_failures
from streams.partitioner import partition_of
from streams.reading import read_all
from streams.settings import Settings
from streams.topics import CHANGELOG, EVENTS, SCORES

MIB = 1024 * 1024
SECOND = 1000
_LOOK_S = 1.0
_SETTLE_S = 4 * 3600.0
_SIGNS = (
    ("8867-4", "/min", 80),
    ("59408-5", "%", 96),
    ("9279-1", "/min", 16),
    ("8480-6", "mm[Hg]", 125),
    ("8310-5", "Cel", 37),
)
_HOT = "hot"

Sent = Iterator[tuple[str, bytes]]


@dataclass(slots=True)
class Figures:
    """What a run showed. Memory is the worker's resident set, in MiB; ``over_time`` has it by the second."""

    scenario: str
    records: int = 0
    observations: int = 0
    seconds: float = 0.0
    start_mib: float = 0.0
    peak_mib: float = 0.0
    end_mib: float = 0.0
    rocksdb_mib: float = 0.0
    changelog_mib: float = 0.0
    events_mib: float = 0.0
    others_ms: dict[str, list[float]] = field(default_factory=dict)
    over_time: list[tuple[float, float]] = field(default_factory=list)

    @property
    def records_per_second(self) -> float:
        """How many records were decided a second, from the first sent to the last durable."""
        return self.records / self.seconds if self.seconds else 0.0


class Memory(threading.Thread):
    """Looks at a process's resident set once a second."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.samples: list[tuple[float, float]] = []
        self._pid = pid
        self._over = threading.Event()

    def run(self) -> None:
        """Until ``stop``."""
        began = time.monotonic()
        while not self._over.wait(_LOOK_S):
            self.samples.append((round(time.monotonic() - began, 1), resident_mib(self._pid)))

    def stop(self) -> None:
        """Look no more."""
        self._over.set()
        self.join()


def resident_mib(pid: int, name: str = "VmRSS") -> float:
    """A process's resident set, or its peak (``VmHWM``), in MiB; 0 when there is no such process."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(name)), 0.0)


def one_patient(observations: int, batch: int) -> Sent:
    """Observations of one patient, a second between the rounds of five signs, so many in a record."""
    chance = Random(1)
    start = _now() - (observations // len(_SIGNS)) * SECOND - HOUR
    rounds = (signs("flood", number, start + number * SECOND, chance) for number in range(observations // len(_SIGNS)))
    while taken := list(islice(rounds, max(1, batch // len(_SIGNS)))):
        yield "flood", orjson.dumps([one for part in taken for one in part])


def many_patients(patients: int, rounds: int) -> Sent:
    """An admission and some rounds of signs for each patient, round by round."""
    chance = Random(2)
    start = _now() - (rounds + 2) * HOUR
    for number in range(patients):
        yield f"m-{number}", orjson.dumps(admission(f"m-{number}", start))
    for one in range(rounds):
        for number in range(patients):
            yield f"m-{number}", orjson.dumps(signs(f"m-{number}", one, start + (one + 1) * HOUR, chance))


def large_records(records: int) -> Sent:
    """Records of 1 MiB that hold no JSON."""
    for number in range(records):
        yield f"l-{number}", b"{" + b"x" * (MIB - 1)


def signs(patient: str, number: int, at: int, chance: Random) -> list[dict[str, Any]]:
    """A round of vital signs."""
    return [
        observation(patient, f"{patient}/{number}/{code}", code, unit, round(middle + chance.uniform(-2, 2), 1), at)
        for code, unit, middle in _SIGNS
    ]


def admission(patient: str, at: int) -> dict[str, Any]:
    """An admission to a ward."""
    instant = render(at)
    return {
        "type": "encounter",
        "id": f"{patient}/admit",
        "action": "admit",
        "patient": patient,
        "at": instant,
        "issued": instant,
        "ward": "W1",
        "unitType": "ward",
        "birthDate": "1950-01-01",
        "sex": "female",
    }


def flood(settings: Settings, figures: Figures, worker: "subprocess.Popen[bytes]", sent: Sent, each: int) -> None:
    """Send all as quickly as the broker takes it; ``each`` observations are in a record, of those that are JSON."""
    producer = _producer(settings)
    for key, value in sent:
        producer.send(settings.topic(EVENTS), value, key.encode())
        figures.records += 1
    producer.flush()
    producer.close()
    figures.observations = figures.records * each
    service.settle(settings, worker, _SETTLE_S)


def hot_key(settings: Settings, figures: Figures, worker: "subprocess.Popen[bytes]", rate: float, seconds: int) -> None:
    """Others at ``rate`` records a second, alone and then beside a key with as many: what their scores wait."""
    chance = Random(3)
    hot_partition = partition_of(_HOT.encode(), settings.partitions)
    for phase, hot in (("alone", False), ("beside", True)):
        producer = _producer(settings)
        start = time.monotonic()
        for number in range(int(rate * seconds)):
            time.sleep(max(0.0, start + number / rate - time.monotonic()))
            names = [f"{phase}-{number % 200}", *([_HOT] if hot else [])]
            for name in names:
                value = orjson.dumps(signs(name, number, _now(), chance))
                producer.send(settings.topic(EVENTS), value, name.encode())
                figures.records += 1
        producer.flush()
        producer.close()
        service.settle(settings, worker, _SETTLE_S)
    figures.observations = figures.records * len(_SIGNS)
    waits: dict[str, list[float]] = {}
    for record in read_all(settings, SCORES):
        name = (record.key or b"").decode()
        if name == _HOT:
            where = "hot"
        else:
            same = "same partition" if record.partition == hot_partition else "other partitions"
            where = f"{name.partition('-')[0]}, {same}"
        document = orjson.loads(record.value or b"[]")
        waits.setdefault(where, []).append(record.timestamp - parse(document[0]["at"]))
    figures.others_ms = {
        where: [round(float(one), 1) for one in np.percentile(found, [50, 99, 100])] for where, found in waits.items()
    }


def run(settings: Settings, scenario: str, work: Callable[..., None], *arguments: Any) -> Figures:
    """One scenario with a worker of its own, its memory looked at from before the first record to after the last."""
    figures = Figures(scenario)
    with service.channels(settings), service.worker(settings) as worker:
        _ready(settings, worker)
        figures.start_mib = resident_mib(worker.pid)
        memory = Memory(worker.pid)
        memory.start()
        began = time.monotonic()
        work(settings, figures, worker, *arguments)
        figures.seconds = time.monotonic() - began
        memory.stop()
        figures.end_mib, figures.peak_mib = resident_mib(worker.pid), resident_mib(worker.pid, "VmHWM")
        figures.over_time = memory.samples
        figures.rocksdb_mib = _size_mib(settings.data_dir / "workers")
        logs = settings.data_dir / "kafka" / "node-1" / "data"
        figures.changelog_mib = sum(_size_mib(one) for one in logs.glob(f"{settings.topic(CHANGELOG)}-*"))
        figures.events_mib = sum(_size_mib(one) for one in logs.glob(f"{settings.topic(EVENTS)}-*"))
    return figures


def table(all_figures: list[Figures]) -> Table:
    """The figures for a person."""
    shown = Table(title="Overload: the worker's memory in MiB")
    for column in ("", "records", "observations", "s", "records/s", "start", "peak", "end", "RocksDB", "changelog"):
        shown.add_column(column, justify="right" if column else "left")
    for one in all_figures:
        mib = (one.start_mib, one.peak_mib, one.end_mib, one.rocksdb_mib, one.changelog_mib)
        shown.add_row(
            one.scenario,
            f"{one.records:,}",
            f"{one.observations:,}",
            f"{one.seconds:,.0f}",
            f"{one.records_per_second:,.0f}",
            *(f"{value:,.0f}" for value in mib),
        )
    return shown


def overload(
    scenarios: Annotated[str, typer.Option(help="Which, with commas between.")] = "patient,patients,hot,large",
    observations: Annotated[int, typer.Option(min=5, help="Of the one patient.")] = 1_000_000,
    batch: Annotated[int, typer.Option(min=5, help="Observations in one record of the one patient.")] = 5,
    patients: Annotated[int, typer.Option(min=1, help="How many patients.")] = 200_000,
    rounds: Annotated[int, typer.Option(min=0, help="Rounds of signs of each of them.")] = 2,
    rate: Annotated[float, typer.Option(min=1, help="Records a second beside the hot key's as many.")] = 40.0,
    seconds: Annotated[int, typer.Option(min=1, help="How long the hot key is hot.")] = 60,
    large: Annotated[int, typer.Option(min=1, help="Records of 1 MiB.")] = 2_000,
    out: Out = None,
) -> None:
    """Measure the worker's memory, its speed and the others' waiting under overload."""
    work: dict[str, tuple[Any, ...]] = {
        "patient": (flood, one_patient(observations, batch), batch),
        "patients": (flood, many_patients(patients, rounds), 0),
        "hot": (hot_key, rate, seconds),
        "large": (flood, large_records(large), 0),
    }
    wanted = scenarios.split(",")
    if unknown := set(wanted) - set(work):
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: there are {', '.join(work)}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console()
    found: list[Figures] = []
    try:
        with plain_failures(), tempfile.TemporaryDirectory(prefix="vagt-overload-") as folder:
            broker = Broker(Path(folder), free_port())
            try:
                broker.start(console.print)
                for scenario in wanted:
                    prefix = f"over-{uuid.uuid4().hex[:8]}."
                    settings = Settings(kafka_bootstrap=broker.bootstrap, topic_prefix=prefix, data_dir=Path(folder))
                    about = machine.describe(settings)
                    console.print(f"{scenario}: begun")
                    found.append(run(settings, scenario, *work[scenario]))
                    console.print(table(found[-1:]))
                    for where, (median, late, worst) in sorted(found[-1].others_ms.items()):
                        console.print(f"{where}: median {median}, 99th percentile {late}, worst {worst} ms")
                    if out is not None:
                        named = [{**asdict(one), "records_per_second": one.records_per_second} for one in found]
                        out.write_text(json.dumps({"about": about, "runs": named}, indent=1))
            finally:
                broker.stop()
    except ServiceError as error:
        fail(error)


def _ready(settings: Settings, worker: "subprocess.Popen[bytes]") -> None:
    """Wait until the worker has its partitions.

    Raises:
        ServiceError: it ended.
    """
    log = settings.data_dir / "worker.log"
    while "partitions.taken" not in log.read_text(errors="replace"):
        if worker.poll() is not None:
            raise ServiceError(f"The worker ended with status {worker.returncode}; {log} says why.")
        time.sleep(_LOOK_S)


def _producer(settings: Settings) -> KafkaProducer:
    return KafkaProducer(bootstrap_servers=settings.kafka_bootstrap, acks="all", linger_ms=2, max_request_size=2 * MIB)


def _size_mib(folder: Path) -> float:
    done = subprocess.run(["du", "-sk", str(folder)], capture_output=True, text=True, check=False)
    return int(done.stdout.split()[0]) / 1024 if done.stdout else 0.0


def _now() -> int:
    return time.time_ns() // 1_000_000


if __name__ == "__main__":
    os.nice(5)
    typer.run(overload)
