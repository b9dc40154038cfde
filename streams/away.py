"""What a worker does about a cluster that is away: it waits in the same process, says so, and starts afresh.

A worker whose outputs or transactions were not taken has decided what nobody heard, so nothing that it holds in memory
may outlive the failure. Its app ends, and the process then replaces itself by a new run of the same command
(``os.execv``): same process id, same parent, same log, and no trace of the old run, neither a thread nor a half-open
client nor a lock of RocksDB. To the state that is as good as ``kill -9``, which it is built for and tested with. A loop
around the app within one Python would have to trust that Faust, both event loops and RocksDB end without a rest; a
parent process around each worker would pass on signals and could die without its child.

The new run waits before it builds anything: until the cluster answers and every topic has its leaders. What waiting
cannot mend (credentials, ACLs, another number of partitions, damaged state, a fault in the code) ends the process with
status 1, as ever.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NoReturn, TypeVar

from aiokafka import errors

from streams.log import logger
from streams.secret import SecurityError
from streams.shard import ShardError

_LOG = logger(__name__)

_SAY_EVERY_S: Final = 10.0
_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 30.0
#: A run that lasted so long was a good one: the pause begins to grow anew.
_GOOD_RUN_S: Final = 120.0
#: How the new run learns of the falls before it, and when (monotonic) the first of them was.
_FALLS: Final = "_VAGT_FALLS"

#: Kafka's answers that are the same tomorrow, until somebody changes a setting or an ACL.
_LASTING: Final = (
    errors.AuthenticationFailedError,
    errors.AuthenticationMethodNotSupported,
    errors.SaslAuthenticationFailed,
    errors.UnsupportedSaslMechanismError,
    errors.IllegalSaslStateError,
    errors.TopicAuthorizationFailedError,
    errors.GroupAuthorizationFailedError,
    errors.ClusterAuthorizationFailedError,
    errors.TransactionalIdAuthorizationFailed,
    errors.IncompatibleBrokerVersion,
    errors.UnsupportedVersionError,
    errors.InvalidReplicationFactorError,
    errors.InvalidPartitionsError,
    errors.PolicyViolationError,
)
_PASSING: Final = (errors.KafkaError, errors.ConsumerStoppedError, ShardError, OSError, TimeoutError)

_Answer = TypeVar("_Answer")


class BrokerAwayError(RuntimeError):
    """The cluster has not answered for so long that the app is better ended."""


class TopicChangedError(RuntimeError):
    """A topic was deleted, or deleted and made again, under the running worker."""


def passes(failure: BaseException) -> bool:
    """Whether a new run can succeed where this one failed, without anybody's doing."""
    causes: list[BaseException] = []
    cause: BaseException | None = failure
    while cause is not None and cause not in causes:
        causes.append(cause)
        cause = cause.__cause__
    if any(isinstance(one, (*_LASTING, SecurityError)) for one in causes):
        return False
    return isinstance(failure, (*_PASSING, BrokerAwayError, TopicChangedError))


class Away:
    """Says that the cluster is away, at once and then every ten seconds, and when it is back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, since: float | None = None) -> None:
        self._clock = clock
        self._since = since
        self._said: float | None = None

    @property
    def since(self) -> float | None:
        """The instant (of the clock) at which the cluster was missed first; ``None`` while it answers."""
        return self._since

    def missed(self, error: str) -> None:
        """The cluster did not answer."""
        now = self._clock()
        if self._since is None:
            self._since = now
        if self._said is None or now - self._said >= _SAY_EVERY_S:
            self._said = now
            _LOG.warning("broker.away", error=error, seconds=round(now - self._since, 1))

    def answered(self) -> None:
        """It answers."""
        if self._since is not None:
            _LOG.warning("broker.back", seconds=round(self._clock() - self._since, 1))
        self._since = self._said = None


@dataclass(frozen=True, slots=True)
class Falls:
    """How often the worker began afresh in a row, and since when the cluster has been away, if it is."""

    number: int = 0
    since: float | None = None

    @classmethod
    def before(cls) -> "Falls":
        """Those that led to this run."""
        number, _, since = os.environ.pop(_FALLS, "").partition(" ")
        return cls(int(number or 0), float(since) if since else None)

    def next(self, lasted_s: float, since: float | None) -> "Falls":
        """After one more, of a run that lasted so long."""
        return Falls(1 if lasted_s > _GOOD_RUN_S else self.number + 1, since)

    @property
    def pause_s(self) -> float:
        """How long to wait before the next run: longer with each fall."""
        return min(_PAUSE_S * 2 ** max(0, self.number - 1), _LONGEST_PAUSE_S) if self.number else 0.0


def afresh(falls: Falls, failure: BaseException) -> NoReturn:
    """Replace this process by a new run of the same command."""
    _LOG.warning("worker.afresh", error=kind(failure), falls=falls.number, pause=falls.pause_s)
    since = "" if falls.since is None else str(falls.since)
    os.environ[_FALLS] = f"{falls.number} {since}".strip()
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def wait(ask: Callable[[], _Answer], transient: Callable[[Exception], str | None], falls: Falls) -> _Answer:
    """Ask until there is an answer; while there is none, say so. SIGTERM and SIGINT end the process with status 0.

    ``transient`` gives the kind of a failure that waiting may mend, ``None`` for others, which are raised.
    """
    away = Away(since=falls.since)
    before = {number: signal.signal(number, _leave) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        if falls.since is not None:
            away.missed("Fallen")
        time.sleep(falls.pause_s)
        while True:
            try:
                answer = ask()
            except Exception as error:
                missed = transient(error)
                if missed is None:
                    raise
                away.missed(missed)
                time.sleep(_PAUSE_S)
            else:
                away.answered()
                return answer
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def kind(failure: BaseException) -> str:
    """A failure's name: its message may quote anything."""
    return type(failure).__name__


def _leave(*_: object) -> NoReturn:
    raise SystemExit(0)
