"""A secret of this deployment, and the word for trust that fails."""

from pathlib import Path
from typing import NoReturn

from pydantic import SecretStr


class SecurityError(ConnectionError):
    """The cluster and this service do not trust each other; the message is one sentence for a person.

    A ``ConnectionError``, so that Kafka's clients try again when it comes to pass in a running worker.
    """


class Hidden(str):
    """A secret as the libraries want it, that does not show when their configuration is printed."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


def secret(given: SecretStr | None, file: Path | None) -> Hidden:
    """The secret that is given, or else the content of its file without the line's end.

    Raises:
        SecurityError: the file cannot be read, or is empty.
    """
    if given is not None:
        return Hidden(given.get_secret_value())
    try:
        text = file.read_text(encoding="utf-8").strip("\r\n") if file is not None else ""
    except (OSError, UnicodeDecodeError) as error:
        refuse(f"The secret's file {file} cannot be read ({type(error).__name__})")
    if not text:
        refuse(f"The secret's file {file} is empty")
    return Hidden(text)


def refuse(sentence: str) -> NoReturn:
    """Raise SecurityError with a sentence (its stop is added), and without what led to it, which may show a secret."""
    raise SecurityError(f"{sentence}.") from None
