"""`vagt replay`: a real data set as events, from the command line."""

import asyncio
import math
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from streams.commands.plain import fail, plain_failures, settings


class SourceName(StrEnum):
    """The data sets that can be read; `models.datasets.READERS` has the readers."""

    CINC2019 = "cinc2019"
    CINC2012 = "cinc2012"
    MIMIC_DEMO = "mimic-demo"
    FHIR = "fhir"
    NDJSON = "ndjson"


def speed_of(text: str) -> float | None:
    """A speed as it is written on the command line; None for as fast as possible (`max` or 0)."""
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = math.nan
    if not 0 <= speed < math.inf:
        raise typer.BadParameter(f"{text!r} is neither a number of 0 or more nor 'max'")
    return speed or None


#: How long to look for Kafka.
_PATIENCE_S = 15.0

Speed = Annotated[
    str,
    typer.Option(
        help="How many times faster than it happened, all stays side by side: 3600 is an hour a second. "
        "'max' or 0: one stay after the other, as fast as possible.",
        metavar="N|max",
    ),
]
Limit = Annotated[int | None, typer.Option(min=1, help="Only the first so many stays.")]


def replay(
    source: Annotated[SourceName, typer.Argument(help="Which data set lies at PATH.")],
    path: Annotated[Path, typer.Argument(exists=True, help="The set's file or folder.")],
    speed: Speed = "max",
    limit: Limit = None,
) -> None:
    """Send a data set to the workers as events. They must not be live: start them with `vagt up --replay`."""
    pace = speed_of(speed)
    own = settings()
    with plain_failures():
        from rich.console import Console

        from models.datasets import open_source
        from streams import topics
        from streams.progress import shown
        from streams.pulse import Pulse, feel

        if source in (SourceName.CINC2019, SourceName.CINC2012, SourceName.MIMIC_DEMO):
            _see_that_it_is(source, path)
        wanted = topics.topics(own.partitions, own.topic_prefix, own.door_topics, own.retention)
        for difference in topics.ensure(own, wanted, own.replication, _PATIENCE_S):
            if difference.setting == "partitions":
                fail(
                    f"The topic {difference.topic} has {difference.have} partitions and VAGT_PARTITIONS says "
                    f"{difference.want}: they must be the same."
                )
        pulse = feel(own)
        if pulse is Pulse.LIVE:
            fail(
                "The workers are live, and a replay of the past is not for them: "
                "stop them and start `vagt up --replay`."
            )
        if pulse is Pulse.SILENT:
            fail("Workers run and do not say whether they are live: try again when they have started.")
        if pulse is Pulse.NONE:
            typer.echo(
                "No worker runs yet: the records wait in Kafka until `vagt up --replay` starts some.",
                err=True,
            )
        asyncio.run(shown(own, open_source(source.value, path), Console(), pace, limit))


def _see_that_it_is(source: SourceName, path: Path) -> None:
    from streams.detect import detect

    try:
        found = detect(path)
    except ValueError as error:
        fail(error)
    if found != source:
        fail(f"The data set at {path} is {found}, not {source}.")
