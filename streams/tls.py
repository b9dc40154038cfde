"""TLS towards Kafka: whom to trust, the own certificate, and a greeting that shows whether both sides agree."""

import socket
import ssl
from pathlib import Path

from streams.secret import refuse

_TIMEOUT_S = 10.0
# An ApiVersions request (key 18, version 0), since a server that uses TLS 1.3 refuses a client's certificate only after
# the handshake: in answer to the first bytes.
_HELLO = b"\x00\x00\x00\x0e" + b"\x00\x12\x00\x00" + b"\x00\x00\x00\x01" + b"\x00\x04vagt"


def context(ca: Path | None, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    """What TLS needs: whom to trust (the machine's own authorities by default) and, for mutual TLS, who this is.

    Raises:
        SecurityError: a file cannot be read, or is not what it should be.
    """
    try:
        made = ssl.create_default_context(cafile=ca)
    except (OSError, ValueError):
        refuse(f"VAGT_KAFKA_CA: {ca} is no readable file of certificates in PEM")
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate is not None and key is not None:
        try:
            # An empty password fails for an encrypted key, where none would ask at the terminal.
            made.load_cert_chain(certificate, key, password="")
        except (OSError, ValueError):
            refuse(
                f"VAGT_KAFKA_CERTIFICATE and VAGT_KAFKA_KEY: {certificate} and {key} "
                "are no readable certificate in PEM with its unencrypted key"
            )
    return made


def greet(address: str, tls: ssl.SSLContext) -> None:
    """Say hello at ``host:port``. Nobody there is no matter of trust, and no error here.

    Raises:
        SecurityError: one side does not trust the other, or there is no TLS.
    """
    host, _, port = address.rpartition(":")
    try:
        plain = socket.create_connection((host.strip("[]"), int(port)), timeout=_TIMEOUT_S)
    except (OSError, ValueError):
        return
    shown = False
    with plain:
        try:
            with tls.wrap_socket(plain, server_hostname=host.strip("[]")) as secured:
                shown = True
                secured.sendall(_HELLO)
                if secured.recv(1):
                    return
        except ssl.SSLCertVerificationError as error:
            refuse(f"The certificate of Kafka at {address} is not trusted ({error.verify_message}): see VAGT_KAFKA_CA")
        except ssl.SSLError as error:
            if shown or "ALERT" in (error.reason or ""):
                refuse(
                    f"Kafka at {address} refuses this client's certificate ({_plain(error)}): "
                    "see VAGT_KAFKA_CERTIFICATE and VAGT_KAFKA_KEY"
                )
            refuse(f"Kafka at {address} does not speak TLS there ({_plain(error)}): see VAGT_KAFKA_SECURITY")
        except TimeoutError:
            return
        except OSError:
            pass
    refuse(f"Kafka at {address} ends a TLS connection at once: see VAGT_KAFKA_SECURITY and VAGT_KAFKA_CERTIFICATE")


def _plain(error: ssl.SSLError) -> str:
    return (error.reason or "no reason given").lower().replace("_", " ")
