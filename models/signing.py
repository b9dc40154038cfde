"""Who vouches for a model: Ed25519 signatures (RFC 8032) over an artefact's manifest, and the keys that are trusted.

Keys are PEM files as OpenSSL writes them; a signature is its 64 bytes.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

#: The public keys of the releases.
SHIPPED: Final = Path(__file__).with_name("trusted")
_OWNER_ALONE: Final = 0o600


class KeyFileError(ValueError):
    """A file does not hold the key that it should; the message names it."""


def signer(data: bytes, signature: bytes, own: Path | None = None) -> str | None:
    """The name of the trusted key that signed ``data``; ``None`` when none did.

    Args:
        data: what was signed.
        signature: 64 bytes.
        own: a folder of a deployment's own public keys (``*.pub``), trusted beside those that ship.

    Raises:
        KeyFileError: a file among the trusted keys is none, or the deployment's folder is not there.
    """
    for name, key in list(_trusted(own)):
        try:
            key.verify(signature, data)
        except InvalidSignature:
            continue
        return name
    return None


def sign(data: bytes, key: Path) -> bytes:
    """The signature of ``data`` by the private key in a file.

    Raises:
        KeyFileError: the file holds no such key, or others may read it.
        OSError: it cannot be read.
    """
    if key.stat().st_mode & 0o077:
        raise KeyFileError(f"{key} may be read by others: chmod 600 it, and take a new key if others had access")
    try:
        private = load_pem_private_key(key.read_bytes(), password=None)
    except (ValueError, TypeError):
        raise KeyFileError(f"{key} holds no private key in PEM without a password") from None
    if not isinstance(private, Ed25519PrivateKey):
        raise KeyFileError(f"{key} holds a key of another kind; it must be Ed25519")
    return private.sign(data)


def new_key(file: Path) -> Path:
    """Write a new private key, for its owner alone, and its public key beside it (``.pub``), whose path is returned.

    Raises:
        FileExistsError: one of the two is there already.
        OSError: they cannot be written.
    """
    key = Ed25519PrivateKey.generate()
    public = file.with_suffix(".pub")
    if public.exists() or public == file:
        raise FileExistsError(17, "there is a key of that name already", str(public))
    file.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ALONE), "wb") as written:
        written.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return public


def _trusted(own: Path | None) -> Iterator[tuple[str, Ed25519PublicKey]]:
    if own is not None and not own.is_dir():
        raise KeyFileError(f"{own} is no folder of public keys")
    for file in (*sorted(SHIPPED.glob("*.pub")), *(sorted(own.glob("*.pub")) if own else ())):
        try:
            key = load_pem_public_key(file.read_bytes())
        except ValueError:
            raise KeyFileError(f"{file} holds no public key in PEM") from None
        if not isinstance(key, Ed25519PublicKey):
            raise KeyFileError(f"{file} holds a key of another kind; it must be Ed25519")
        yield file.stem, key
