"""How this service shows a Kafka cluster who it is, and sees that the cluster is the right one.

TLS, SASL with SCRAM or PLAIN, OAUTHBEARER and mutual TLS, as ``VAGT_KAFKA_*`` says, for each of the three client
libraries.
"""

import asyncio
import ssl
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, NoReturn

import faust
from aiokafka import abc as aiokafka
from aiokafka.conn import AIOKafkaConnection, collect_hosts
from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest
from kafka.net.sasl.oauth import AbstractTokenProvider

from streams import tls
from streams.secret import Hidden, refuse, secret
from streams.settings import Settings
from streams.tokens import Tokens

_TIMEOUT_MS = 10_000
_CLOSE_S = 1.0


class _Awaited(aiokafka.AbstractTokenProvider):  # type: ignore[misc]
    """Tokens as aiokafka and Faust ask for them."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    async def token(self) -> str:
        return await asyncio.get_running_loop().run_in_executor(None, self._tokens.token)


class _Called(AbstractTokenProvider):  # type: ignore[misc]
    """Tokens as kafka-python asks for them."""

    def __init__(self, tokens: Tokens) -> None:
        super().__init__()
        self._tokens = tokens

    def token(self) -> str:
        return self._tokens.token()


def for_aiokafka(settings: Settings) -> dict[str, Any]:
    """The address and the credentials, as aiokafka's clients take them.

    Raises:
        SecurityError: a file of a secret or a certificate is not usable.
    """
    return _options(settings, _Awaited)


def for_kafka_python(settings: Settings) -> dict[str, Any]:
    """The address and the credentials, as kafka-python's clients take them.

    Raises:
        SecurityError: a file of a secret or a certificate is not usable.
    """
    return _options(settings, _Called)


def for_faust(settings: Settings) -> Any:
    """The credentials as Faust takes them; ``None`` where nobody needs any.

    Raises:
        SecurityError: a file of a secret or a certificate is not usable.
    """
    own = _context(settings)
    if not settings.kafka_security.startswith("SASL"):
        return None if own is None else faust.SSLCredentials(context=own)
    if settings.kafka_sasl_mechanism == "OAUTHBEARER":
        return faust.OAuthCredentials(oauth_cb=_Awaited(_tokens(settings)), ssl_context=own)
    return faust.SASLCredentials(
        username=settings.kafka_username,
        password=_password(settings),
        mechanism=settings.kafka_sasl_mechanism,
        ssl_context=own,
    )


def _options(settings: Settings, provider: type[_Awaited] | type[_Called]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap,
        "security_protocol": settings.kafka_security,
        "ssl_context": _context(settings),
    }
    if not settings.kafka_security.startswith("SASL"):
        return found
    found["sasl_mechanism"] = settings.kafka_sasl_mechanism
    if settings.kafka_sasl_mechanism == "OAUTHBEARER":
        found["sasl_oauth_token_provider"] = provider(_tokens(settings))
    else:
        found["sasl_plain_username"] = settings.kafka_username
        found["sasl_plain_password"] = _password(settings)
    return found


def _context(settings: Settings) -> ssl.SSLContext | None:
    if settings.kafka_security not in {"SSL", "SASL_SSL"}:
        return None
    return tls.context(settings.kafka_ca, settings.kafka_certificate, settings.kafka_key)


def _password(settings: Settings) -> Hidden:
    return secret(settings.kafka_password, settings.kafka_password_file)


@cache
def _tokens(settings: Settings) -> Tokens:
    """All clients of a process share their tokens."""
    endpoint, client = settings.kafka_token_endpoint or "", settings.kafka_username or ""
    return Tokens(endpoint, client, lambda: _password(settings), settings.kafka_token_scope)


def check(settings: Settings) -> None:
    """See that both sides trust each other, since the clients would try again for long and not say why they cannot.

    A broker that does not answer at all is no matter of trust, and left to them.

    Raises:
        SecurityError: a certificate or the credentials are refused, or no token is given.
    """
    own = _context(settings)
    if own is not None:
        for address in settings.kafka_bootstrap.split(","):
            tls.greet(address.strip(), own)
    if settings.kafka_security.startswith("SASL"):
        if settings.kafka_sasl_mechanism == "OAUTHBEARER":
            _tokens(settings).token()
        with ThreadPoolExecutor(1) as apart:  # whoever calls may have a loop of its own
            apart.submit(asyncio.run, _log_in(settings)).result()


async def _log_in(settings: Settings) -> None:
    options = for_aiokafka(settings)
    host, port, _ = collect_hosts(options.pop("bootstrap_servers"))[0]
    connection = AIOKafkaConnection(host, port, request_timeout_ms=_TIMEOUT_MS, **options)
    known, connected = True, False
    try:
        await connection.connect()
        connected = True
        # aiokafka does not look at the answer to a token; but a broker that refused it names no brokers.
        known = bool((await connection.send(MetadataRequest([]))).brokers)
    except (SaslAuthenticationFailed, UnsupportedSaslMechanismError, IllegalSaslStateError):
        known = False
    except (OSError, TimeoutError, KafkaError):
        known = not connected
    finally:
        if (closed := connection.close()) is not None:
            await asyncio.wait([closed], timeout=_CLOSE_S)
    if not known:
        _refused(settings)


def _refused(settings: Settings) -> NoReturn:
    user = settings.kafka_username
    if settings.kafka_sasl_mechanism == "OAUTHBEARER":
        refuse(
            f"Kafka at {settings.kafka_bootstrap} refuses the token of the client {user}: "
            "it may have expired, or be meant for another audience"
        )
    refuse(
        f"Kafka at {settings.kafka_bootstrap} refuses the user {user} ({settings.kafka_sasl_mechanism}): "
        "see VAGT_KAFKA_USERNAME and VAGT_KAFKA_PASSWORD_FILE"
    )
