"""`vagt repartition`: more partitions, so that more workers can share the patients."""

from typing import Annotated

import typer

from streams.commands.plain import WRONG_USAGE, fail, plain_failures, settings, watched


def repartition(
    partitions: Annotated[int, typer.Argument(metavar="PARTITIONS", min=1, max=1000, help="How many there shall be.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask once more.")] = False,
) -> None:
    """Give the patients' topics more partitions, and move what is stored of each patient; no worker may run."""
    own = settings()
    if not yes:
        fail(
            f"There is no way back from {partitions} partitions to fewer, and no worker starts until all is moved: "
            "say --yes.",
            WRONG_USAGE,
        )
    with plain_failures():
        import logging

        from streams.repartition import RepartitionError
        from streams.repartition import repartition as move

        for library in ("aiokafka", "kafka"):  # they log attempts that they make again
            logging.getLogger(library).setLevel(logging.CRITICAL)
        try:
            outcome = move(own, partitions, lambda moved, total: watched(moved, "Moving records", total))
        except RepartitionError as error:
            fail(error)
        typer.echo(f"{outcome.moved} records moved; the patients' topics have {partitions} partitions.")
        if outcome.waiting:
            typer.echo(
                f"{outcome.waiting} records of events are not decided yet: the workers do that, and move each to its "
                "patient's partition. Start them before anything else writes to it.",
                err=True,
            )
        typer.echo(f"Set VAGT_PARTITIONS={partitions} for all that belongs to this deployment, then start the workers.")
