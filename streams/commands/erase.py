"""`vagt erase`: the right to be forgotten."""

from typing import Annotated

import typer

from streams.commands.plain import patients_to_erase, plain_failures, settings


def erase(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask once more.")] = False,
) -> None:
    """Erase patients, one identifier a line on standard input (not an argument: those show in process lists)."""
    own = settings()
    patients = patients_to_erase(yes)
    with plain_failures():
        from streams.erasure import erase as ask

        count = ask(own, patients)
        typer.echo(f"{count} records (merged ones too) are erased as soon as the workers come to it.")
        if own.archive is not None:
            typer.echo("Then erase them from the archive, with the same identifiers: `vagt archive erase`.")
