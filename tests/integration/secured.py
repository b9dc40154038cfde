"""An embedded broker that lets nobody in who does not show who it is: TLS, SCRAM, OAUTHBEARER, mutual TLS and ACLs."""

import base64
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, unquote_plus

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from kafka import KafkaAdminClient
from kafka.admin import UserScramCredentialUpsertion

from streams.broker import HOST, Broker, free_port
from streams.settings import Settings

#: Each user's secret; in mutual TLS the certificate stands for it.
SECRETS = {
    name: f"the secret of {name}: ø/+&" for name in ("worker", "lab", "ehr", "board", "auditor", "admin", "tools")
}
_AUDIENCE = "kafka"


@dataclass(frozen=True)
class Authority:
    """A certificate authority; what it signs lies as PEM files in its folder."""

    folder: Path
    name: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def certificate(self) -> Path:
        """Its own certificate, made at the first call."""
        path = self.folder / f"{self.name}.pem"
        if not path.exists():
            made = self._signed(self.name, self.key, x509.BasicConstraints(ca=True, path_length=0))
            path.write_bytes(made.public_bytes(Encoding.PEM))
        return path

    def issue(self, name: str, days: float = 1.0) -> tuple[Path, Path]:
        """A certificate for a client or a server at 127.0.0.1, good for so long from now, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate, secret = self.folder / f"{self.name}-{name}.crt", self.folder / f"{self.name}-{name}.key"
        made = self._signed(name, key, x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), days)
        certificate.write_bytes(made.public_bytes(Encoding.PEM))
        secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return certificate, secret

    def _signed(
        self, name: str, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType, days: float = 1.0
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(_named(name))
            .issuer_name(_named(self.name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(extension, critical=False)
            .sign(self.key, hashes.SHA256())
        )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


class Issuer:
    """A token endpoint on this machine (client credentials), whose tokens are good for ``life`` seconds."""

    def __init__(self) -> None:
        self.life = 3600.0
        self.given = 0
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                pair = base64.b64decode(self.headers["Authorization"].removeprefix("Basic ")).decode()
                client, secret = map(unquote_plus, pair.split(":"))
                good = SECRETS.get(client) == secret and form["grant_type"] == ["client_credentials"]
                answer = {"access_token": issuer.token(client), "expires_in": 3600} if good else {"error": "no"}
                body = json.dumps(answer).encode()
                self.send_response(200 if good else 401)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    @property
    def endpoint(self) -> str:
        """Where the tokens are."""
        return f"http://{HOST}:{self._server.server_port}/token"

    def token(self, client: str) -> str:
        """A token for a client, signed; it has expired already when ``life`` is negative."""
        self.given += 1
        now = time.time()
        issued = min(now, now + self.life - 1)
        claims = {"sub": client, "aud": _AUDIENCE, "iss": "test", "iat": int(issued), "exp": int(now + self.life)}
        parts = [_encoded(json.dumps(part).encode()) for part in ({"alg": "RS256", "kid": "1"}, claims)]
        signature = self._key.sign(".".join(parts).encode(), padding.PKCS1v15(), hashes.SHA256())
        return ".".join([*parts, _encoded(signature)])

    def jwks(self) -> str:
        """Its public key, as the broker reads it."""
        numbers = self._key.public_key().public_numbers()
        n, e = (_encoded(one.to_bytes((one.bit_length() + 7) // 8)) for one in (numbers.n, numbers.e))
        return json.dumps({"keys": [{"kty": "RSA", "kid": "1", "use": "sig", "alg": "RS256", "n": n, "e": e}]})

    def close(self) -> None:
        """End the endpoint."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def settings(environment: dict[str, str], **more: Any) -> Settings:
    """The settings that an environment gives, without changing this process's own."""
    own = {name.removeprefix("VAGT_").lower(): value for name, value in environment.items()}
    return Settings.model_validate({**own, **more})


@dataclass(frozen=True)
class Secured:
    """The broker that runs, and how each user comes in. ``open`` is for the tests alone: who comes there may all."""

    open: str
    sasl: str
    mutual: str
    authority: Authority
    issuer: Issuer
    log: Path

    def scram(self, user: str) -> dict[str, str]:
        """The environment of a user who has a password, in a file."""
        file = self.authority.folder / f"{user}.password"
        file.write_text(SECRETS[user] + "\n", encoding="utf-8")
        return {
            "VAGT_KAFKA_BOOTSTRAP": self.sasl,
            "VAGT_KAFKA_SECURITY": "SASL_SSL",
            "VAGT_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
            "VAGT_KAFKA_USERNAME": user,
            "VAGT_KAFKA_PASSWORD_FILE": str(file),
            "VAGT_KAFKA_CA": str(self.authority.certificate),
        }

    def oauth(self, user: str) -> dict[str, str]:
        """The environment of a user who gets tokens."""
        return self.scram(user) | {
            "VAGT_KAFKA_SASL_MECHANISM": "OAUTHBEARER",
            "VAGT_KAFKA_TOKEN_ENDPOINT": self.issuer.endpoint,
        }

    def mtls(self, user: str, authority: Authority | None = None) -> dict[str, str]:
        """The environment of a user who has a certificate."""
        certificate, key = (authority or self.authority).issue(user)
        return {
            "VAGT_KAFKA_BOOTSTRAP": self.mutual,
            "VAGT_KAFKA_SECURITY": "SSL",
            "VAGT_KAFKA_CA": str(self.authority.certificate),
            "VAGT_KAFKA_CERTIFICATE": str(certificate),
            "VAGT_KAFKA_KEY": str(key),
        }


@contextmanager
def secured(folder: Path) -> Iterator[Secured]:
    """The broker, started with its users and without any ACL; stopped afterwards."""
    authority, issuer = Authority(folder, "authority"), Issuer()
    first = free_port(2)
    port, sasl, mutual = first, first + 2, first + 3
    keystore, jwks = folder / "server.pem", folder / "jwks.json"
    keystore.write_bytes(b"".join(file.read_bytes() for file in reversed(authority.issue("broker"))))
    jwks.write_text(issuer.jwks())
    broker = Broker(
        folder,
        port,
        properties=_properties(port, sasl, mutual, keystore, authority.certificate, jwks),
        jvm=[
            f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={jwks.as_uri()}",
            f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.files={jwks}",
        ],
    )
    try:
        broker.start()
        _add_users(broker.bootstrap)
        log = broker.status().nodes[0].log
        yield Secured(broker.bootstrap, f"{HOST}:{sasl}", f"{HOST}:{mutual}", authority, issuer, log)
    finally:
        broker.stop()
        issuer.close()


def _properties(port: int, sasl: int, mutual: int, keystore: Path, ca: Path, jwks: Path) -> dict[str, str]:
    own = f"PLAINTEXT://{HOST}:{port},SASL://{HOST}:{sasl},MUTUAL://{HOST}:{mutual}"
    scram, oauth = "listener.name.sasl.scram-sha-512", "listener.name.sasl.oauthbearer"
    return {
        "listeners": f"{own},CONTROLLER://{HOST}:{port + 1}",
        "advertised.listeners": own,
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_SSL,MUTUAL:SSL",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        # Whoever comes through the open port: the broker itself, and the tests' own hands.
        "super.users": "User:ANONYMOUS",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(keystore),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(ca),
        "listener.name.mutual.ssl.client.auth": "required",
        "listener.name.mutual.ssl.principal.mapping.rules": "RULE:^CN=([^,]+)$/$1/",
        "listener.name.sasl.sasl.enabled.mechanisms": "SCRAM-SHA-512,OAUTHBEARER",
        f"{scram}.sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required;",
        f"{oauth}.sasl.jaas.config": "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;",
        f"{oauth}.sasl.server.callback.handler.class": (
            "org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallbackHandler"
        ),
        f"{oauth}.sasl.oauthbearer.jwks.endpoint.url": jwks.as_uri(),
        f"{oauth}.sasl.oauthbearer.expected.audience": _AUDIENCE,
        f"{oauth}.sasl.oauthbearer.clock.skew.seconds": "0",
    }


def _add_users(bootstrap: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    users = [UserScramCredentialUpsertion(name, "SCRAM-SHA-512", secret) for name, secret in SECRETS.items()]
    assert not any(admin.alter_user_scram_credentials(users).values())
    admin.close()
