"""`vagt pseudonym`: who is who, for the holders of the key, and the way to a new key."""

import sys
from typing import TYPE_CHECKING

import typer

from streams.commands.plain import WRONG_USAGE, fail, plain_failures, settings

if TYPE_CHECKING:
    from streams.pseudonym import Pseudonyms
    from streams.settings import Settings

pseudonym = typer.Typer(
    help="Patients' pseudonyms: find one, see whose it is, move all to a new key.", no_args_is_help=True
)


@pseudonym.command("of")
def of() -> None:
    """Read identifiers from standard input, one a line; print each one's pseudonyms, that of the current key first."""
    _, names = _pseudonyms()
    for line in sys.stdin:
        if identifier := line.rstrip("\r\n"):
            typer.echo(" ".join(names.names(identifier)))


@pseudonym.command()
def reveal() -> None:
    """Read lines `PSEUDONYM SEALED` (`patient` and `sealed` of an alert) from standard input; print identifiers."""
    from streams.pseudonym import PseudonymError

    _, names = _pseudonyms()
    for number, line in enumerate(sys.stdin, 1):
        patient, _, sealed = line.strip().partition(" ")
        try:
            typer.echo(names.unseal(sealed.strip(), patient))
        except PseudonymError as error:
            fail(f"Line {number}: {error}.")


@pseudonym.command()
def rotate() -> None:
    """Give all stored patients their pseudonym under the current key; again and again, if need be."""
    own, names = _pseudonyms()
    with plain_failures():
        from streams.rotation import rotate as turned

        outcome = turned(own, names)
        typer.echo(f"{outcome.sent} patients sent to their new pseudonym, {outcome.done} had it before")
        if outcome.unknown:
            typer.echo(f"{outcome.unknown} patients cannot be told with these keys, and stay as they are", err=True)


def _pseudonyms() -> "tuple[Settings, Pseudonyms]":
    from streams.pseudonym import Pseudonyms

    own = settings()
    names = Pseudonyms.of(own)
    if names is None:
        fail("This deployment has no pseudonyms: VAGT_PSEUDONYM_KEY is not set.", WRONG_USAGE)
    return own, names
