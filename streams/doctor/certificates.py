"""Certificates: on which day each ends that this machine shows Kafka, or is shown by it."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from cryptography import x509

from streams import tls
from streams.doctor.finding import Finding, fault, ok, warning
from streams.secret import SecurityError
from streams.settings import Settings

_CHECK: Final = "certificates"
_SOON_DAYS: Final = 30
_ANSWER_S: Final = 10.0


def check(settings: Settings) -> Iterator[Finding]:
    """The own certificate, the authorities', and those of the brokers, by the day on which they end."""
    if settings.kafka_security not in {"SSL", "SASL_SSL"}:
        return
    try:
        context = tls.context(settings.kafka_ca, settings.kafka_certificate, settings.kafka_key)
    except SecurityError as error:
        yield fault(_CHECK, str(error), "No process of this deployment reaches Kafka.", "Mend the file.")
        return
    for name, file in (("VAGT_KAFKA_CA", settings.kafka_ca), ("VAGT_KAFKA_CERTIFICATE", settings.kafka_certificate)):
        for one in x509.load_pem_x509_certificates(file.read_bytes()) if file else ():
            yield _judged(f"{name} ({one.subject.rfc4514_string()})", one)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # one that ended is looked at all the same
    for address in settings.kafka_bootstrap.split(","):
        with suppress(OSError, ValueError):
            yield _judged(f"The certificate of Kafka at {address.strip()}", _shown(address.strip(), context))


def _shown(address: str, context: ssl.SSLContext) -> x509.Certificate:
    host, _, port = address.rpartition(":")
    with (
        socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER_S) as plain,
        context.wrap_socket(plain, server_hostname=host.strip("[]")) as secured,
    ):
        return x509.load_der_x509_certificate(secured.getpeercert(binary_form=True) or b"")


def _judged(name: str, one: x509.Certificate) -> Finding:
    end = one.not_valid_after_utc
    days = (end - datetime.now(UTC)).total_seconds() / 86_400
    if days < 0:
        return fault(
            _CHECK,
            f"{name} ended on {end:%Y-%m-%d}.",
            "New connections to Kafka are refused: what is restarted does not come back.",
            "Issue a new one, and start the processes again.",
        )
    if days < _SOON_DAYS:
        return warning(
            _CHECK,
            f"{name} ends on {end:%Y-%m-%d}, in {days:.0f} days.",
            "From then on no new connection to Kafka is made.",
            "Issue a new one before that day, and start the processes again one after the other.",
        )
    return ok(_CHECK, f"{name} is good until {end:%Y-%m-%d}.")
