"""All in one: the broker, the topics, the workers, the board, and if wanted a ward or a data set with its alerts.

What this starts, it stops: the workers first, since they still have something to write, then the broker.
A broker that already ran is used and left running.
"""

import asyncio
import fcntl
import logging
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from kafka.errors import KafkaError
from rich.console import Console
from rich.text import Text

from models.datasets import open_source
from streams import kafka, topics, ward
from streams.broker import Broker
from streams.detect import detect
from streams.progress import say, shown
from streams.pulse import Pulse, feel
from streams.settings import Settings
from streams.supervise import Supervised, UpError
from streams.watch import language, line, listening

Work = Coroutine[None, None, None]

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LOOK_EVERY_S = 2.0
_ASK_AGAIN_S = 0.5
_PATIENCE_S = 15.0
_STYLES = {"critical": "bold red", "warning": "yellow", "info": "cyan"}


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run. ``port``: of an embedded broker, None for a Kafka elsewhere; ``board``: of the nurses' page.

    ``alerts`` says whether the alerts are shown and, when there is no set at ``data`` to replay, the ward is
    played. ``speed`` and ``limit`` are those of ``streams.replay``.
    """

    workers: int = 1
    port: int | None = None
    board: int = 8080
    alerts: bool = False
    data: Path | None = None
    speed: float | None = None
    limit: int | None = None


def up(settings: Settings, plan: Plan, console: Console) -> None:
    """Run until SIGINT, SIGTERM or SIGHUP. ``settings.live`` is the workers' mode.

    Raises:
        UpError, BrokerError, TopicError, KafkaError, FileNotFoundError, ValueError: why it cannot go on.
    """
    play = _player(settings, plan, console)
    for number in _SIGNALS:  # SIGINT too: a shell's `&` makes a process deaf to it
        signal.signal(number, signal.default_int_handler)
    started: Broker | None = None
    try:
        with _alone(settings.data_dir):
            _check_free(plan.board)
            logging.basicConfig(filename=settings.data_dir / "logs" / "up.log", level=logging.WARNING)
            if plan.port is not None and not _answers(settings):
                if settings.kafka_security != "PLAINTEXT":
                    raise UpError(
                        "The embedded broker has neither users nor certificates: name your own Kafka in "
                        "VAGT_KAFKA_BOOTSTRAP, or leave VAGT_KAFKA_SECURITY out."
                    )
                started = Broker(settings.data_dir, plan.port)
                started.start(lambda text: say(console, text))
            say(console, f"Kafka answers at {settings.kafka_bootstrap}")
            _prepare(settings, console, new=started is not None)
            asyncio.run(_run(settings, plan, console, started, play))
    except (KeyboardInterrupt, asyncio.CancelledError):
        pass
    finally:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # impatience must not leave the broker behind
        if started is not None and any(node.pid for node in started.status().nodes):
            say(console, "Stopping Apache Kafka")
            started.stop()


def _player(settings: Settings, plan: Plan, console: Console) -> Callable[[], Work] | None:
    if plan.data is not None:
        source = open_source(detect(plan.data), plan.data)
        return lambda: shown(settings, source, console, plan.speed, plan.limit)
    return (lambda: ward.play(settings)) if plan.alerts else None


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    with (folder / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UpError(f"`vagt up` already runs with its data in {folder}: VAGT_DATA_DIR names another.") from None
        yield


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise UpError(f"Port {port} is taken: name another for the board, as in `--board {port + 1}`.") from None


def _answers(settings: Settings) -> bool:
    """Whether a Kafka is there already, whoever started it."""
    host, _, port = settings.kafka_bootstrap.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1.0).close()
        kafka.admin(settings, timeout_s=5.0).close()
    except (OSError, KafkaError):
        return False
    return True


def _prepare(settings: Settings, console: Console, new: bool) -> None:
    """Create the topics, and see that no worker of the other mode shares them."""
    wanted = topics.topics(settings.partitions, settings.topic_prefix, settings.door_topics, settings.retention)
    for differs in topics.ensure(settings, wanted, settings.replication, _PATIENCE_S):
        say(
            console,
            f"The topic {differs.topic} has {differs.setting} {differs.have}; {differs.want} is needed",
        )
    if not new and feel(settings, patience_s=0) is (Pulse.REPLAYING if settings.live else Pulse.LIVE):
        there, wanted_mode = ("for replays", "live") if settings.live else ("live", "for replays")
        raise UpError(f"Workers already run {there} on this Kafka: stop them before you start some {wanted_mode}.")


async def _run(
    settings: Settings,
    plan: Plan,
    console: Console,
    broker: Broker | None,
    play: Callable[[], Work] | None,
) -> None:
    names = {number: f"worker-{number}" for number in range(1, plan.workers + 1)}
    workers = [Supervised(settings, name, "worker", "--name", name, number=number) for number, name in names.items()]
    board = Supervised(settings, "board", "board", "--port", str(plan.board))
    watch = Supervised(settings, "monitor", "monitor", number=plan.workers + 1, needed=False)
    run = asyncio.current_task()
    stopping = False

    def stop() -> None:
        nonlocal stopping
        if stopping:  # a second Ctrl-C
            for one in (*workers, board, watch):
                one.kill()
        elif run is not None:
            stopping = True
            say(console, "Stopping the workers")
            run.cancel()

    for number in _SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, stop)
    say(console, f"The workers' logs are {settings.data_dir / 'logs'}/worker-*.log; Ctrl-C stops everything")
    ready = asyncio.Event()
    parts: list[Work] = [
        *(one.run(lambda text: say(console, text)) for one in (*workers, board, watch)),
        _listen(settings, plan, console, ready),
        _announce(plan.board, console),
        _look_after(broker, workers),
    ]
    if play is not None:
        parts.append(_play(play, ready))
    await _together(parts)


async def _listen(settings: Settings, plan: Plan, console: Console, ready: asyncio.Event) -> None:
    """Show the alerts; all partitions' first heartbeats say that the workers are ready."""
    tongue, zone = language(), ZoneInfo(settings.timezone)
    silent = set(range(settings.partitions))
    async with listening(settings) as messages:
        async for partition, message in messages:
            if "heartbeat" in message:
                silent.discard(partition)
                if not silent and not ready.is_set():
                    say(console, f"The workers are ready and have all {settings.partitions} partitions")
                    ready.set()
            elif plan.alerts:
                text = Text(line(message, tongue, zone), _STYLES[message["severity"]])
                console.print(text, soft_wrap=True)


async def _announce(port: int, console: Console) -> None:
    """Say where the board is, once it answers."""
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(_ASK_AGAIN_S)
        else:
            writer.close()
            break
    say(console, f"The board: http://127.0.0.1:{port}/")


async def _play(play: Callable[[], Work], ready: asyncio.Event) -> None:
    await ready.wait()
    await play()


async def _look_after(broker: Broker | None, workers: Sequence[Supervised]) -> None:
    while broker is not None:
        await asyncio.sleep(_LOOK_EVERY_S)
        for node in broker.status().nodes:
            if node.pid is None:
                for worker in workers:
                    worker.kill()  # without a broker they can write nothing, and would try for long
                raise UpError(f"Apache Kafka ended by itself: {node.log} may say why.")


async def _together(parts: list[Work]) -> None:
    """Run all; when one fails or this is cancelled, end all of them in good order first."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            if not task.cancelling():  # once only: a second time would cut their good order short
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
