"""Records of a platform with a schema registry: Confluent's wire format, Avro or JSON Schema, as JSON documents.

The registry's own client library reads them (``pip install vagt[registry]``); it keeps the schemas it has seen. What
Avro has and JSON has not becomes what the native form wants: instants in RFC 3339, decimals as numbers.
"""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import orjson

from features.catalogue import Refused
from streams.log import logger
from streams.secret import SecurityError, secret
from streams.settings import Settings

_LOG = logger(__name__)

_TIMEOUT_S: Final = 10.0
#: Between two attempts to reach the registry.
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 30.0
_MAGIC: Final = 0
_HEAD: Final = 5
_NOT_FOUND: Final = 404


class RegistryAwayError(ConnectionError):
    """The registry does not answer now; a record that needs it has to wait."""


class Registry:
    """The schemas of a registry.

    Raises:
        SecurityError: its password's file cannot be read, or the client library is not installed.
    """

    def __init__(self, settings: Settings) -> None:
        self._read = _reader(settings)

    async def read(self, value: bytes) -> bytes:
        """A record's value as JSON; waits for the registry as long as it takes.

        Raises:
            Refused: ``bad-frame``, ``unknown-schema`` or ``schema``.
        """
        number = _schema_of(value)
        pause = _FIRST_PAUSE_S
        while True:
            try:
                document = await asyncio.to_thread(self._read, number, value)
                return orjson.dumps(document, _plain, orjson.OPT_NAIVE_UTC)
            except orjson.JSONEncodeError as error:
                raise Refused("schema", f"what schema {number} has is not for JSON ({error})") from None
            except RegistryAwayError as error:
                _LOG.warning("registry.away", error=str(error), again_s=pause)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)


def _schema_of(value: bytes) -> int:
    """The id of the schema that a record names: a zero byte, then four bytes, the most significant first."""
    if len(value) <= _HEAD or value[0] != _MAGIC:
        raise Refused("bad-frame", "the record does not begin as a schema registry's serialisers begin it")
    return int.from_bytes(value[1:_HEAD], "big")


def _plain(value: Any) -> float:
    """What JSON has for a decimal."""
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(type(value).__name__)


def _reader(settings: Settings) -> Callable[[int, bytes], Any]:
    """What reads a record of a schema, by the schema's id; it raises Refused or RegistryAwayError."""
    try:
        from confluent_kafka.schema_registry import SchemaRegistryClient
        from confluent_kafka.schema_registry.avro import AvroDeserializer
        from confluent_kafka.schema_registry.error import SchemaRegistryError
        from confluent_kafka.schema_registry.json_schema import JSONDeserializer
        from httpx2 import HTTPError
    except ImportError:
        raise SecurityError("A door of a schema registry needs its client: pip install 'vagt[registry]'.") from None
    options: dict[str, Any] = {"url": settings.schema_registry, "timeout": _TIMEOUT_S, "max.retries": 0}
    if settings.schema_registry_username is not None:
        password = secret(settings.schema_registry_password, settings.schema_registry_password_file)
        options["basic.auth.user.info"] = f"{settings.schema_registry_username}:{password}"
    if settings.schema_registry_ca is not None:
        options["ssl.ca.location"] = str(settings.schema_registry_ca)
    client = SchemaRegistryClient(options)
    # A record names its schema; which subject that belongs to is asked of nobody.
    nameless = {"subject.name.strategy": lambda *_: None}
    by_kind: dict[str, Callable[[bytes], Any]] = {
        "AVRO": AvroDeserializer(client, conf=nameless),
        "JSON": JSONDeserializer(None, schema_registry_client=client, conf=nameless),
    }

    def read(number: int, value: bytes) -> Any:
        try:
            kind = client.get_schema(number).schema_type
            if kind not in by_kind:
                raise Refused("unknown-schema", f"schema {number} is of a kind that no door reads: {kind}")
            return by_kind[kind](value)
        except Refused:
            raise
        except SchemaRegistryError as error:
            if error.http_status_code == _NOT_FOUND:
                raise Refused(
                    "unknown-schema", f"the registry has no schema {number}, or none that it rests on"
                ) from None
            raise RegistryAwayError(f"HTTP {error.http_status_code}") from None
        except (HTTPError, OSError) as error:
            raise RegistryAwayError(type(error).__name__) from None
        except Exception as error:
            raise Refused("schema", f"the record is not as schema {number} has it ({type(error).__name__})") from None

    return read
