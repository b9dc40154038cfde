"""The settings of a deployment: environment variables ``VAGT_*``."""

import re
from base64 import b64decode
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from streams.secret import SecurityError, secret

_KEY_BYTES = 32
_LOOPBACK = {("http", "127.0.0.1"), ("http", "localhost")}

#: Who may look at the board, the least rights first: what each may do is in ``streams.board.roles``.
ROLES = ("platform", "quality", "reader", "nurse", "physician")

#: Before the form of a door whose records a schema registry's serialisers wrote.
FRAMED = "registry:"

Days = Annotated[int, Field(ge=1, le=36_500)]


class Settings(BaseSettings):
    """All settings, with the defaults that serve a single machine."""

    # What was given may be a secret: an error names the variable and not its value.
    model_config = SettingsConfigDict(env_prefix="VAGT_", frozen=True, hide_input_in_errors=True)

    kafka_bootstrap: str = "localhost:9092"
    kafka_security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "OAUTHBEARER", "PLAIN"] = "SCRAM-SHA-512"
    #: The user and the password; with OAUTHBEARER the client's id and secret at the token endpoint.
    kafka_username: str | None = None
    kafka_password: SecretStr | None = None
    kafka_password_file: Path | None = None
    #: Who signed the brokers' certificates; without it the machine's own authorities are trusted. All three are PEM.
    kafka_ca: Path | None = None
    #: This client's own certificate and key, for mutual TLS.
    kafka_certificate: Path | None = None
    kafka_key: Path | None = None
    #: Where OAUTHBEARER gets its tokens (OAuth 2 client credentials), and the scope it asks for.
    kafka_token_endpoint: str | None = None
    kafka_token_scope: str | None = None
    topic_prefix: str = ""
    replication: Annotated[int, Field(ge=1, le=9)] = 1
    partitions: Annotated[int, Field(ge=1, le=1000)] = 4
    data_dir: Path = Path.home() / ".local" / "share" / "vagt"
    #: A platform's own topics and their form, for instance ``lab=native,vitals=fhir,adt=hl7``.
    doors: str = ""
    #: The schema registry of doors whose records its serialisers wrote: ``lab=registry:native`` (docs/registry.md).
    schema_registry: str | None = None
    schema_registry_ca: Path | None = None
    schema_registry_username: str | None = None
    schema_registry_password: SecretStr | None = None
    schema_registry_password_file: Path | None = None
    max_event_bytes: Annotated[int, Field(ge=1024, le=32 * 1024 * 1024)] = 1024 * 1024
    #: How far ``issued`` may lie ahead of the record's own Kafka timestamp, when live. Seconds or ISO 8601 (PT10M).
    max_skew: timedelta = timedelta(minutes=10)
    #: False for replays of the past: nothing is refused for its time, and no ticks are written.
    live: bool = True
    #: Alerts per 100 patient-days that a ward is meant to be given at most: `vagt burden` reports against it.
    ward_budget: Annotated[float, Field(gt=0)] = 25.0
    #: The list of critical results: the name of one that ships, or the path of a region's own.
    critical_results: str = "region_sjaelland"
    timezone: str = "Europe/Copenhagen"
    #: A folder of this deployment's own models, each in a folder of its own (docs/models.md).
    models: Path | None = None
    #: The identifier system of ``patient``, for FHIR: without it, that is the id of the ``Patient`` resource.
    patient_system: str | None = None
    #: A folder of this deployment's own public keys (*.pub), for models that it signs itself.
    model_keys: Path | None = None
    #: Which notices of the watch stop which model: ``infection=unit,infection=calibration`` (docs/monitor.md).
    watch_stops: str = ""
    #: 32 bytes in base64 or hex. With it, patients' identifiers come no further than the doors (docs/privacy.md).
    pseudonym_key: SecretStr | None = None
    pseudonym_key_file: Path | None = None
    #: The keys before it, the newest first, with commas between or each on a line of the file.
    pseudonym_old_keys: SecretStr | None = None
    pseudonym_old_keys_file: Path | None = None
    #: Where `vagt board` listens. Without a login that is this machine alone.
    board_host: str = "127.0.0.1"
    board_port: Annotated[int, Field(ge=1, le=65_535)] = 8080
    #: The address under which browsers reach the board, for instance https://vagt.example.org behind a proxy.
    board_url: str | None = None
    #: Addresses and networks of the proxies before the boards, with commas between: they say who asks.
    board_proxies: str = ""
    #: What the boards' sessions are signed with: the same for all behind one balancer. Without it each has its own, and
    #: pages that were open before it started again have to be loaded again.
    board_secret: SecretStr | None = None
    board_secret_file: Path | None = None
    #: Who people are: an OpenID Connect provider, this board's client there, and the claim that names their roles.
    oidc_issuer: str | None = None
    oidc_client_id: str | None = None
    oidc_client_secret: SecretStr | None = None
    oidc_client_secret_file: Path | None = None
    oidc_roles_claim: str = "roles"
    #: What the provider calls the roles, where it has names of its own: ``OUH-nurses=nurse,IT-platform=platform``.
    oidc_roles: str = ""
    #: The EHRs that open a patient's page, and this board's client at each (docs/board.md).
    smart_ehrs: Path | None = None
    #: The EHRs that may call the CDS Hooks services, and the keys of their tokens (docs/cds-hooks.md).
    cds_clients: Path | None = None
    #: Where each process says how it is: /metrics, /livez, /readyz. Each on a machine needs a port of its own.
    metrics_port: Annotated[int, Field(ge=1, le=65_535)] | None = None
    metrics_host: str = "127.0.0.1"
    #: The OTLP collector, for instance http://127.0.0.1:4318, that is told of traced records (docs/traces.md).
    otel_endpoint: Annotated[str, Field(pattern=r"^https?://[^@\s]+$")] | None = None
    #: Whose identifiers name patients in HL7 v2 (PID-3): assigning authorities, by name or OID, commas between.
    hl7_authority: str = ""
    #: Where `vagt mllp` listens; on another address than this machine's own only with TLS.
    mllp_host: str = "127.0.0.1"
    mllp_port: Annotated[int, Field(ge=1, le=65_535)] = 2575
    #: The listener's certificate and key, and who signed those of the senders. All three are PEM.
    mllp_certificate: Path | None = None
    mllp_key: Path | None = None
    mllp_ca: Path | None = None
    #: Where `vagt archive` writes: a folder, or s3://bucket/path with what the usual AWS_* variables say.
    archive: str | None = None
    #: For how long the topics keep what is in them.
    retention_events_days: Days = 14
    retention_scores_days: Days = 30
    retention_alerts_days: Days = 90
    retention_deadletter_days: Days = 30
    retention_audit_days: Days = 400

    @field_validator("timezone")
    @classmethod
    def _is_a_time_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, OSError, ValueError):
            raise ValueError(f"VAGT_TIMEZONE={name} is no time zone; try Europe/Copenhagen") from None
        return name

    @field_validator("kafka_token_endpoint", "oidc_issuer", "board_url", "schema_registry")
    @classmethod
    def _keeps_the_secret(cls, url: str | None) -> str | None:
        if url is not None and not keeps_the_secret(url):
            raise ValueError("it is no https:// address; what is secret is sent there")
        return url

    @field_validator("archive")
    @classmethod
    def _is_a_place(cls, where: str | None) -> str | None:
        if "://" in (where or ""):
            parts = urlsplit(where or "")
            if parts.scheme != "s3" or not parts.netloc:
                raise ValueError("it is neither a folder nor s3://bucket/path")
            if "@" in parts.netloc or parts.query:
                raise ValueError("credentials and options belong in AWS_* variables, not in the address")
        return where or None

    @model_validator(mode="after")
    def _can_be_secured(self) -> Self:
        if (self.kafka_certificate is None) != (self.kafka_key is None):
            raise ValueError("VAGT_KAFKA_CERTIFICATE and VAGT_KAFKA_KEY belong together")
        if not self.kafka_security.startswith("SASL"):
            return self
        if self.kafka_username is None:
            raise ValueError(f"VAGT_KAFKA_SECURITY={self.kafka_security} needs VAGT_KAFKA_USERNAME")
        if (self.kafka_password is None) == (self.kafka_password_file is None):
            raise ValueError(
                f"VAGT_KAFKA_SECURITY={self.kafka_security} needs VAGT_KAFKA_PASSWORD_FILE or VAGT_KAFKA_PASSWORD"
            )
        if self.kafka_sasl_mechanism == "OAUTHBEARER" and self.kafka_token_endpoint is None:
            raise ValueError("VAGT_KAFKA_SASL_MECHANISM=OAUTHBEARER needs VAGT_KAFKA_TOKEN_ENDPOINT")
        return self

    @field_validator("oidc_roles")
    @classmethod
    def _names_roles(cls, text: str) -> str:
        for name, role in _pairs(text):
            if not name or role not in ROLES:
                raise ValueError(f"{name}={role} is not name=role; the roles are {', '.join(ROLES)}")
        return text

    @model_validator(mode="after")
    def _lets_nobody_in_unknown(self) -> Self:
        if self.oidc_issuer is None:
            if not _is_this_machine(self.board_host):
                raise ValueError(
                    f"VAGT_BOARD_HOST={self.board_host} needs a login (VAGT_OIDC_ISSUER): "
                    "without one the board serves 127.0.0.1 alone"
                )
            if self.smart_ehrs is not None:
                raise ValueError("VAGT_SMART_EHRS needs VAGT_OIDC_ISSUER: without a login everybody is let in")
            return self
        for name in ("oidc_client_id", "board_url"):
            if getattr(self, name) is None:
                raise ValueError(f"VAGT_OIDC_ISSUER needs VAGT_{name.upper()}")
        if self.oidc_client_secret is not None and self.oidc_client_secret_file is not None:
            raise ValueError("VAGT_OIDC_CLIENT_SECRET and VAGT_OIDC_CLIENT_SECRET_FILE: one of them is enough")
        return self

    @model_validator(mode="after")
    def _knows_its_address(self) -> Self:
        if self.cds_clients is not None and self.board_url is None:
            raise ValueError("VAGT_CDS_CLIENTS needs VAGT_BOARD_URL: a token says for which address it is")
        return self

    @model_validator(mode="after")
    def _knows_its_senders(self) -> Self:
        if len({one is None for one in (self.mllp_certificate, self.mllp_key, self.mllp_ca)}) > 1:
            raise ValueError("VAGT_MLLP_CERTIFICATE, VAGT_MLLP_KEY and VAGT_MLLP_CA belong together")
        if self.mllp_ca is None and not _is_this_machine(self.mllp_host):
            raise ValueError(
                f"VAGT_MLLP_HOST={self.mllp_host} needs TLS (VAGT_MLLP_CERTIFICATE, VAGT_MLLP_KEY and VAGT_MLLP_CA): "
                "others could send what they like"
            )
        return self

    @model_validator(mode="after")
    def _has_usable_keys(self) -> Self:
        for name in ("pseudonym_key", "pseudonym_old_keys"):
            if getattr(self, name) is not None and getattr(self, f"{name}_file") is not None:
                raise ValueError(f"VAGT_{name.upper()} and VAGT_{name.upper()}_FILE: one of them is enough")
        if not self.pseudonymous and (self.pseudonym_old_keys or self.pseudonym_old_keys_file):
            raise ValueError("VAGT_PSEUDONYM_OLD_KEYS needs a VAGT_PSEUDONYM_KEY")
        _ = self.pseudonym_keys
        return self

    @property
    def pseudonymous(self) -> bool:
        """Whether ``events`` holds pseudonyms only."""
        return self.pseudonym_key is not None or self.pseudonym_key_file is not None

    @property
    def pseudonym_keys(self) -> tuple[bytes, ...]:
        """The keys of the pseudonyms, the current one first, then the newest; empty without one.

        Raises:
            ValueError: a key is none, comes twice, or its file cannot be read.
        """
        if not self.pseudonymous:
            return ()
        current = _keys("VAGT_PSEUDONYM_KEY", self.pseudonym_key, self.pseudonym_key_file)
        old = _keys("VAGT_PSEUDONYM_OLD_KEYS", self.pseudonym_old_keys, self.pseudonym_old_keys_file)
        if len(current) != 1:
            raise ValueError("VAGT_PSEUDONYM_KEY is one key; those before it belong in VAGT_PSEUDONYM_OLD_KEYS")
        if len({*current, *old}) != len(current) + len(old):
            raise ValueError("VAGT_PSEUDONYM_KEY and VAGT_PSEUDONYM_OLD_KEYS: a key comes twice")
        return (*current, *old)

    @property
    def role_names(self) -> dict[str, str]:
        """The role that each of the provider's names stands for; the roles' own names where nothing is said."""
        return dict(_pairs(self.oidc_roles)) or {role: role for role in ROLES}

    @property
    def watch_stopping(self) -> list[tuple[str, str]]:
        """The models and types of notices in ``watch_stops``."""
        return _pairs(self.watch_stops)

    @property
    def retention(self) -> dict[str, int]:
        """For how many days each topic keeps what is in it, where a setting says so."""
        return {
            "events": self.retention_events_days,
            "risk.scores": self.retention_scores_days,
            "alerts": self.retention_alerts_days,
            "alerts.fhir": self.retention_alerts_days,
            "deadletter": self.retention_deadletter_days,
            "audit": self.retention_audit_days,
        }

    @property
    def group(self) -> str:
        """The consumer group, and the first part of all that belongs to this deployment."""
        return f"{self.topic_prefix}vagt"

    @property
    def max_skew_ms(self) -> int:
        """``max_skew`` in milliseconds."""
        return int(self.max_skew / timedelta(milliseconds=1))

    @property
    def hl7_authorities(self) -> frozenset[str]:
        """The names in ``hl7_authority``."""
        return frozenset(one.strip() for one in self.hl7_authority.split(",") if one.strip())

    def topic(self, name: str) -> str:
        """A topic's name in this deployment."""
        return f"{self.topic_prefix}{name}"

    @property
    def door_topics(self) -> tuple[str, ...]:
        """The platform's own topics, by the names that ``VAGT_DOORS`` gives."""
        return tuple(door.partition("=")[0].strip() for door in self.doors.split(",") if door.strip())

    @property
    def door_forms(self) -> dict[str, str]:
        """The doors' topics (in full) and the form that each speaks: ``native``, ``fhir`` or ``hl7``.

        ``FRAMED`` goes before the form of records that a schema registry's serialisers wrote.

        Raises:
            ValueError: ``VAGT_DOORS`` is not of the form ``topic=form,topic=form``.
        """
        found = {self.topic("fhir"): "fhir", self.topic("hl7"): "hl7"}
        for door in filter(None, (part.strip() for part in self.doors.split(","))):
            name, _, form = door.partition("=")
            if not name or form not in {"native", "fhir", "hl7", f"{FRAMED}native", f"{FRAMED}fhir"}:
                raise ValueError(f"VAGT_DOORS: {door!r} is not topic=native, topic=fhir or topic=hl7")
            if form.startswith(FRAMED) and self.schema_registry is None:
                raise ValueError(f"VAGT_DOORS: {door!r} needs VAGT_SCHEMA_REGISTRY")
            found[self.topic(name)] = form
        return found


def keeps_the_secret(url: str) -> bool:
    """Whether what is secret may be sent to this address: it is https://, or this machine's own."""
    parts = urlsplit(url)
    return (
        bool(parts.hostname)
        and parts.username is None
        and (parts.scheme == "https" or (parts.scheme, parts.hostname) in _LOOPBACK)
    )


def _pairs(text: str) -> list[tuple[str, str]]:
    """``a=b,c=d``; a name may have ``=`` in it, as those of directories do."""
    parts = [part.strip().rpartition("=") for part in text.split(",") if part.strip()]
    return [(name.strip(), value.strip()) for name, _, value in parts]


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _keys(name: str, given: SecretStr | None, file: Path | None) -> tuple[bytes, ...]:
    """Keys as they are written. What is wrong is told without a word of them."""
    if given is None and file is None:
        return ()
    try:
        text = secret(given, file)
    except SecurityError as error:
        raise ValueError(f"{name}_FILE: {error}".removesuffix(".")) from None
    return tuple(_key(name, one) for one in re.split(r"[,\s]+", text) if one)


def _key(name: str, text: str) -> bytes:
    plain = text.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        padded = plain + "=" * (-len(plain) % 4)
        key = bytes.fromhex(text) if len(text) == 2 * _KEY_BYTES else b64decode(padded, validate=True)
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise ValueError(f"{name}: a key is {_KEY_BYTES} bytes in base64 or hex, as `openssl rand -hex 32` prints them")
    return key
