"""Inputs by number: made, parsed twice, and judged, in a process of their own that may use so much memory and time."""

import multiprocessing
import resource
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from random import Random
from types import FrameType
from typing import Any, Protocol

#: What one parser may take for its inputs beyond what it had at the start.
_MEMORY_BYTES = 1024 * 1024 * 1024
#: Processor time for one input, twice.
_SECONDS = 20.0
#: Examples that are kept of each kind of failure.
_KEPT = 3


class Parser(Protocol):
    """An input parser, and how to make inputs for it."""

    @property
    def name(self) -> str:
        """What it is called on the command line."""

    @property
    def refusals(self) -> tuple[type[Exception], ...]:
        """What it may raise for an input that cannot be used."""

    def make(self, random: Random) -> Any:
        """An input, from this generator alone."""

    def parse(self, given: Any) -> object:
        """What comes of an input, to be compared with what comes of it another time."""


class PromiseError(AssertionError):
    """The parser raised nothing, yet what it gave is not as it promises."""


@dataclass(slots=True)
class Result:
    """What came of the inputs of one parser. Times are processor seconds for one parsing, memory is bytes."""

    parser: str
    seed: int
    tried: int = 0
    refused: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    slowest_number: int = -1
    largest: int = 0
    grown: int = 0
    #: By kind of failure: how many, and the numbers of the first inputs.
    failures: dict[str, tuple[int, list[int]]] = field(default_factory=dict)

    def add(self, kind: str, number: int) -> None:
        """One more failure."""
        count, numbers = self.failures.get(kind, (0, []))
        self.failures[kind] = (count + 1, [*numbers, number][:_KEPT])


def random_of(seed: int, parser: str, number: int) -> Random:
    """Where the input of this number comes from."""
    return Random(f"{seed}/{parser}/{number}")


def fuzz(make: Callable[[], Parser], name: str, seed: int, seconds: float, most: int | None = None) -> Result:
    """Try inputs for so long, or so many, in a process of its own; one that dies is a failure of its last input."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(theirs, make, name, seed, seconds, most))
    child.start()
    theirs.close()
    result = Result(name, seed)
    while True:
        try:
            told = ours.recv()
        except EOFError:
            break
        result = told
    child.join()
    if child.exitcode:
        result.add(f"the process ended with {child.exitcode}", result.tried)
    return result


def trial(parser: Parser, number: int, result: Result) -> None:
    """Try the input of this number."""
    given = parser.make(random_of(result.seed, parser.name, number))
    result.tried += 1
    result.largest = max(result.largest, _size(given))
    outcomes = []
    try:
        with _limited():
            for _ in range(2):
                before = time.process_time()
                try:
                    outcomes.append(("took", parser.parse(given)))
                except parser.refusals as error:
                    outcomes.append(("refused", (type(error).__name__, str(error))))
                took = time.process_time() - before
                if took > result.slowest:
                    result.slowest, result.slowest_number = took, number
    except Exception as error:
        result.add(_where(error), number)
        return
    result.refused += outcomes[0][0] == "refused"
    if outcomes[0] != outcomes[1]:
        result.add("the second time it was another outcome", number)


def _child(
    pipe: Connection, make: Callable[[], Parser], name: str, seed: int, seconds: float, most: int | None
) -> None:
    parser = make()
    result = Result(name, seed)
    trial(parser, 0, Result(name, seed))  # what loads on first use is no growth
    start = _resident()
    soft = _virtual() + _MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (soft, resource.getrlimit(resource.RLIMIT_AS)[1]))
    began = told = time.monotonic()
    number = 0
    while time.monotonic() - began < seconds and (most is None or number < most):
        if time.monotonic() - told > 1 or number < _KEPT:
            told = time.monotonic()
            pipe.send(result)
        trial(parser, number, result)
        number += 1
        result.seconds, result.grown = time.monotonic() - began, max(0, _resident() - start)
    pipe.send(result)


@contextmanager
def _limited() -> Iterator[None]:
    def late(_signal: int, _frame: FrameType | None) -> None:
        raise TimeoutError

    earlier = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, _SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, earlier)


def _resident() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _virtual() -> int:
    with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123 - no file, but the kernel's answer
        return int(statm.read().split()[0]) * resource.getpagesize()


def _size(given: Any) -> int:
    parts = given if isinstance(given, tuple | list) else (given,)
    return sum(len(part) for part in parts if isinstance(part, bytes | str))


def _where(error: BaseException) -> str:
    """The kind and place of a failure: alike ones are counted together."""
    trace = error.__traceback__
    places = []
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{'/'.join(code.co_filename.split('/')[-2:])}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    own = [place for place in places if place.startswith(("features/", "models/", "streams/", "doors/", "datasets/"))]
    what = f": {error}" if isinstance(error, PromiseError) else ""
    return f"{type(error).__name__}{what} at {(own or places)[-1]}"
