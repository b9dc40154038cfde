"""What can be expected to fail, told to the person at the terminal in a sentence and not as a traceback."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn, TypeVar

import typer

if TYPE_CHECKING:
    from streams.settings import Settings

_Item = TypeVar("_Item")

FAILED = 1
WRONG_USAGE = 2


def fail(message: object, status: int = FAILED) -> NoReturn:
    """Say on standard error what went wrong, and end the command."""
    typer.echo(str(message), err=True)
    raise typer.Exit(status)


def settings() -> "Settings":
    """The settings that the environment gives; a variable that is wrong ends the command.

    Where no cluster is named, it is the embedded one, on whatever port that runs.
    """
    from pydantic import ValidationError

    from streams.settings import Settings

    try:
        found = Settings()
        _ = found.door_forms  # checked only when read
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        message = first["msg"].removeprefix("Value error, ")
        if not first["loc"]:  # it is about several variables, and names them
            fail(f"{message}.", WRONG_USAGE)
        name = "VAGT_" + "_".join(map(str, first["loc"])).upper()
        fail(f"{name} is not usable: {message}.", WRONG_USAGE)
    except ValueError as error:
        fail(f"{error}.", WRONG_USAGE)
    if "kafka_bootstrap" in found.model_fields_set:
        return found
    from streams.broker import Broker

    embedded = Broker(found.data_dir).status()
    return found.model_copy(update={"kafka_bootstrap": embedded.bootstrap}) if embedded.running else found


def patients_to_erase(sure: bool) -> set[str]:
    """The identifiers on standard input, one a line; the command ends where there is none, or nobody is ``sure``."""
    patients = {line.strip() for line in typer.get_text_stream("stdin") if line.strip()}
    if not patients:
        fail("Standard input named no patient; write one identifier a line.", WRONG_USAGE)
    if not sure:
        fail(f"{len(patients)} identifiers were read. What is erased does not come back: say --yes.", WRONG_USAGE)
    return patients


@contextmanager
def plain_failures() -> Iterator[None]:
    """End the command with a sentence when the broker, a topic or a file is what fails."""
    try:
        yield
    except typer.Exit:
        raise
    except Exception as error:
        if (sentence := _sentence(error)) is not None:
            fail(sentence)
        raise


def _sentence(error: Exception) -> object:
    """What to say of a failure that can be expected; ``None`` of any other."""
    # Only now: these modules are half of the product, and a command starts sooner without what it does not use.
    from aiokafka.errors import KafkaError as WorkerKafkaError
    from kafka.errors import KafkaError

    from models.artefact import ArtefactError
    from models.datasets import DataError
    from models.signing import KeyFileError
    from streams.archive.segments import ArchiveError
    from streams.broker import BrokerError
    from streams.secret import SecurityError
    from streams.supervise import UpError
    from streams.topics import TopicError
    from streams.worker import WorkerError

    if isinstance(error, (ArchiveError, BrokerError, SecurityError, TopicError, WorkerError, UpError)):
        return error
    if isinstance(error, (ArtefactError, DataError, KeyFileError)):
        return f"{str(error)[:1].upper()}{str(error)[1:]}."
    if isinstance(error, (KafkaError, WorkerKafkaError)):
        name = type(error).__name__
        if "Authorization" in name:  # each library has classes of its own for it
            return f"Kafka does not let this client do that ({name}): `vagt acls` says what each role needs."
        return f"Kafka failed ({name}): does it run (`vagt up` starts one), and does VAGT_KAFKA_BOOTSTRAP name it?"
    if isinstance(error, (FileExistsError, FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError)):
        return error if error.filename is None else f"{error.filename}: {error.strerror}."
    return None


def watched(items: Iterable[_Item], what: str, total: int | None = None) -> Iterator[_Item]:
    """The items, with a progress bar on standard error if that is a terminal."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    yield from track(items, description=what, total=total, console=console, disable=not console.is_terminal)
