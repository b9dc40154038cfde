"""`python -m load_tests.scale`: what a record costs of processor time where one, two and four workers share the log.

For each number of workers a deployment of its own, with the same patients. When each worker has its partitions, records
come as quickly as the broker takes them, and the processor seconds of all workers are counted until all of it is
durable. What they use while nothing comes is told apart. Whether more workers also take less time, a machine can show
that has a core for each.
"""

import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from subprocess import Popen
from typing import Annotated, Final

import orjson
import typer
from rich.table import Table

from load_tests import machine, service, stage
from load_tests.kafka import Bootstrap, Out
from load_tests.service import ServiceError
from load_tests.throughput import fill
from streams.settings import Settings

_IDLE_S: Final = 10.0
_READY_S: Final = 120.0
_LOOK_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Share:
    """What so many workers used: processor seconds for 1,000 records, and a second at rest; partitions of each."""

    workers: int
    partitions: tuple[int, ...]
    seconds: float
    per_thousand: float
    at_rest: float


def scale(
    workers: Annotated[str, typer.Option(help="How many, one measurement for each.")] = "1,2,4",
    records: Annotated[int, typer.Option(min=100, help="Records of one observation.")] = 6000,
    patients: Annotated[int, typer.Option(min=1, help="Patients, admitted anew for each measurement.")] = 500,
    partitions: Annotated[int, typer.Option(min=1, help="Of the log.")] = 8,
    bootstrap: Bootstrap = None,
    out: Out = None,
) -> None:
    """Measure what a record costs of processor time with one worker and with more."""
    with stage.command(bootstrap) as (base, console):
        about = machine.describe(base)
        found: list[Share] = []
        for count in map(int, workers.split(",")):
            prefix = f"scale-{uuid.uuid4().hex[:8]}."
            settings = base.model_copy(update={"topic_prefix": prefix, "partitions": partitions})
            found.append(_measure(settings, count, records, patients))
            console.print(f"{count} workers: {found[-1].per_thousand:.2f} s for 1,000 records")
    console.print(_shown(found))
    if out is not None:
        out.write_bytes(orjson.dumps({"machine": about, "runs": [asdict(one) for one in found]}))


def _measure(settings: Settings, count: int, records: int, patients: int) -> Share:
    with service.channels(settings), _crew(settings, count) as crew:
        shares = _taken(crew, settings.partitions)
        (first, _), *_ = crew
        service.admit(settings, settings.topic_prefix, patients, 1)
        service.settle(settings, first)
        rested = _used(crew)
        time.sleep(_IDLE_S)
        before, began = _used(crew), time.monotonic()
        fill(settings, records, patients)
        service.settle(settings, first)
        used, seconds = _used(crew) - before, time.monotonic() - began
    return Share(count, shares, seconds, used * 1000 / records, (before - rested) / _IDLE_S)


@contextmanager
def _crew(settings: Settings, count: int) -> Iterator[list[tuple["Popen[bytes]", Settings]]]:
    """Workers with a folder each."""
    with ExitStack() as stack:
        crew = []
        for number in range(count):
            folder = settings.data_dir / f"{settings.topic_prefix}{number}"
            folder.mkdir()
            own = settings.model_copy(update={"data_dir": folder})
            crew.append((stack.enter_context(service.worker(own)), own))
        yield crew


def _taken(crew: list[tuple["Popen[bytes]", Settings]], partitions: int) -> tuple[int, ...]:
    """How many partitions each worker has, once each has its share.

    Raises:
        ServiceError: that takes too long.
    """
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline:
        shares = [_last_taken(own) for _, own in crew]
        if all(shares) and sorted(one for share in shares for one in share) == list(range(partitions)):
            return tuple(len(share) for share in shares)
        time.sleep(_LOOK_S)
    raise ServiceError(f"The workers did not share the partitions within {_READY_S:.0f} s.")


def _last_taken(settings: Settings) -> list[int]:
    lines = [line for line in service.said(settings).splitlines() if '"partitions.taken"' in line]
    return list(orjson.loads(lines[-1])["partitions"]) if lines else []


def _used(crew: list[tuple["Popen[bytes]", Settings]]) -> float:
    """Processor seconds of all so far."""
    return sum(machine.processor_s(process.pid) for process, _ in crew)


def _shown(found: list[Share]) -> Table:
    table = Table(title="Processor seconds of all workers together")
    for name in ("workers", "partitions of each", "for 1,000 records", "to the first", "a second at rest", "s in all"):
        table.add_column(name, justify="right")
    for one in found:
        table.add_row(
            str(one.workers),
            ", ".join(map(str, one.partitions)),
            f"{one.per_thousand:.2f}",
            f"{one.per_thousand / found[0].per_thousand:.2f}",
            f"{one.at_rest:.3f}",
            f"{one.seconds:.0f}",
        )
    return table


if __name__ == "__main__":
    typer.run(scale)
