"""Run one listener until SIGINT or SIGTERM."""

import asyncio
import signal
import ssl

import uvloop

from streams import metrics, security, topics
from streams.hl7.keeper import Keeper
from streams.hl7.listener import Limits, Listener
from streams.log import logger
from streams.metrics.endpoint import serving
from streams.metrics.probes import stuck
from streams.secret import refuse
from streams.settings import Settings
from streams.supervise import UpError

_LOG = logger(__name__)

_HANDSHAKE_S = 10.0
_ANSWER_S = 10.0


def serve(settings: Settings, port: int) -> None:
    """Listen until a signal; then answer what was begun.

    Raises:
        SecurityError: the certificates cannot be read, or the cluster and this service do not trust each other.
        TopicError, KafkaError: the cluster does not answer or refuses the topic.
        UpError: nobody can listen there.
    """
    context = _context(settings)
    security.check(settings)
    every = topics.topics(settings.partitions, settings.topic_prefix)
    own = [topic for topic in every if topic.name == settings.topic(topics.HL7)]
    topics.ensure(settings, own, settings.replication, _ANSWER_S)
    health = ListenerHealth()
    with serving(settings, "mllp", health):
        uvloop.run(_run(settings, port, context, health))


class ListenerHealth:
    """How the listener is. Whether Kafka takes its messages is told to their senders, who try again."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def listens(self) -> None:
        """It listens from now on."""
        self._loop = asyncio.get_running_loop()

    def dead(self) -> str | None:
        """Why the process had better be started again."""
        return None if self._loop is None else stuck(self._loop)

    def unready(self) -> str | None:
        """Why it takes no messages."""
        return "It does not listen yet." if self._loop is None else None


async def _run(settings: Settings, port: int, context: ssl.SSLContext | None, health: ListenerHealth) -> None:
    ends = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ends.set)
    keeper = Keeper(settings)
    try:
        await keeper.start()
        listener = Listener(keeper, Limits())
        try:
            server = await asyncio.start_server(
                listener.serve,
                settings.mllp_host,
                port,
                limit=settings.max_event_bytes,
                ssl=context,
                ssl_handshake_timeout=None if context is None else _HANDSHAKE_S,
            )
        except OSError as error:
            raise UpError(f"Nobody can listen on port {port} of {settings.mllp_host}: {error.strerror}.") from None
        health.listens()
        metrics.BROKER.follow(lambda: {(): float(listener.kept)})
        _LOG.info("mllp.listens", host=settings.mllp_host, port=port, tls=context is not None)
        await ends.wait()
        server.close()
        await listener.close()
    finally:
        await keeper.close()
    _LOG.info("mllp.ended")


class _Greeting(ssl.SSLObject):
    """A handshake that says why it fails: asyncio's own keeps it to itself."""

    def do_handshake(self) -> None:
        """As the base class."""
        try:
            super().do_handshake()
        except ssl.SSLWantReadError:
            raise
        except ssl.SSLError as error:
            _LOG.warning("mllp.not-trusted", reason=(error.reason or "no reason given").lower().replace("_", " "))
            raise


def _context(settings: Settings) -> ssl.SSLContext | None:
    ca, certificate, key = settings.mllp_ca, settings.mllp_certificate, settings.mllp_key
    if ca is None or certificate is None or key is None:
        return None
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.verify_mode = ssl.CERT_REQUIRED
    made.sslobject_class = _Greeting
    try:
        made.load_verify_locations(ca)
        # An empty password fails for an encrypted key, where none would ask at the terminal.
        made.load_cert_chain(certificate, key, password="")
    except (OSError, ValueError):
        refuse(
            f"VAGT_MLLP_CA, VAGT_MLLP_CERTIFICATE and VAGT_MLLP_KEY: {ca}, {certificate} and {key} are no readable PEM"
        )
    return made
