"""`vagt archive`: closed segments of the topics as Parquet, and what can be done with them."""

from collections.abc import Callable
from typing import Annotated

import typer

from streams.commands.plain import FAILED, patients_to_erase, plain_failures, settings

archive = typer.Typer(help="Keep what Kafka forgets: Parquet files in VAGT_ARCHIVE, and SQL over them.")


@archive.callback(invoke_without_command=True)
def write(
    context: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="Up to where the topics end now, then stop.")] = False,
    deadletter: Annotated[
        bool, typer.Option("--deadletter", help="Dead letters too: those of a door may hold identifiers in clear.")
    ] = False,
    every: Annotated[int, typer.Option(min=1, help="Close a segment after so many minutes at the latest.")] = 360,
) -> None:
    """Keep what Kafka forgets: Parquet files in VAGT_ARCHIVE, until Ctrl-C. Exit status 1 after a gap."""
    if context.invoked_subcommand is not None:
        return
    own = settings()
    with plain_failures():
        from dataclasses import replace

        from streams.archive.archiver import Limits, archive
        from streams.archive.place import Place

        limits = replace(Limits(), age_s=60.0 * every)
        place = Place.of(own, new=True)
        with place.alone():
            outcome = archive(
                own, place, _warn, deadletter, limits, None if once else _stopped(), lambda one: _warn(one.path)
            )
    typer.echo(f"{outcome.files} files written, {outcome.records} records")
    raise typer.Exit(FAILED if outcome.gaps else 0)


@archive.command()
def query(
    sql: Annotated[str, typer.Argument(metavar="SELECT", help="The statement, or - to read it from standard input.")],
) -> None:
    """Answer a SELECT over events, scores, alerts, deadletter, audit and identity, as CSV."""
    own = settings()
    if sql == "-":  # arguments show in process lists, and a statement may name a patient
        sql = typer.get_text_stream("stdin").read()
    with plain_failures():
        import csv
        import sys

        from streams.archive.place import Place
        from streams.archive.query import asked

        with asked(own, Place.of(own), sql) as (names, rows):
            writer = csv.writer(sys.stdout)
            writer.writerow(names)
            writer.writerows(
                [one.decode(errors="replace") if isinstance(one, bytes) else one for one in row] for row in rows
            )


@archive.command()
def erase(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask once more.")] = False,
) -> None:
    """Erase patients from the archive, one identifier a line on standard input, after `vagt erase`."""
    own = settings()
    patients = patients_to_erase(yes)
    with plain_failures():
        from streams.archive.archiver import archive
        from streams.archive.erasure import erase as rewrite
        from streams.archive.place import Place
        from streams.topics import DEADLETTER

        place = Place.of(own)
        with place.alone():
            # What Kafka still has of them would be archived later.
            archive(own, place, _warn, bool(place.segments(own.topic(DEADLETTER))))
            done = rewrite(own, place, patients)
        typer.echo(f"{done.rows} rows erased, {done.files} files written again")


@archive.command()
def verify() -> None:
    """Check that every file can be read, that none is missing, and the audit's chain. Exit status 1 if not."""
    own = settings()
    with plain_failures():
        from streams.archive.check import faults
        from streams.archive.place import Place

        count = 0
        for fault in faults(own, Place.of(own)):
            typer.echo(fault)
            count += 1
    typer.echo(f"{count} faults")
    raise typer.Exit(FAILED if count else 0)


def _stopped() -> Callable[[], bool]:
    """Whether the process was asked to end, by Ctrl-C or SIGTERM; what is open is written then."""
    import signal
    from threading import Event

    asked = Event()
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, lambda *_: asked.set())
    return asked.is_set


def _warn(text: str) -> None:
    typer.echo(text, err=True)
