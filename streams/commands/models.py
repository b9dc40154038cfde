"""`vagt train` and `vagt evaluate`: make a model from stays, and judge it on those that it did not see."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

train = typer.Typer(help="Train a model on a data set.")
evaluate = typer.Typer(help="Judge a model on the stays that it did not see.")

Data = Annotated[Path, typer.Option(exists=True, help="The challenge's set of 2019: a file or a folder.")]


@train.command("infection")
def train_infection(
    data: Data,
    out: Annotated[Path, typer.Option(help="Where the artefact goes.")] = Path("models/infection"),
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
) -> None:
    """Train the infection model on cinc2019 and write model, manifest and card."""
    from models.artefact import DataSource, save
    from models.card import card
    from models.datasets import open_source
    from models.matrix import build
    from models.train import train as fit

    source = DataSource(
        name="PhysioNet/CinC Challenge 2019",
        licence="CC BY 4.0",
        source="Reyna et al., Crit Care Med 2020;48:210-217; PhysioNet challenge-2019 1.0.0",
        stays={},
    )
    matrix = build(_watched(open_source("cinc2019", data), "stays read"), jobs)
    typer.echo(f"{len(matrix.x)} hours of {len(matrix.patients)} stays; fitting")
    trained = fit(matrix, "infection", source)
    save(out, trained.manifest, trained.model, card(trained.manifest))
    typer.echo(f"Wrote {out}; threshold {trained.manifest.bands.high:.4f}")


@evaluate.command("infection")
def evaluate_infection(
    data: Data,
    stays: Annotated[int | None, typer.Option(min=1, help="Only the first so many test stays.")] = None,
    topics: Annotated[
        bool, typer.Option(help="Judge what is on `risk.scores` as well, and compare to the bit.")
    ] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
) -> None:
    """Judge the infection model on the test stays of cinc2019, hour by hour."""
    from itertools import islice

    from models import evaluate as judge
    from models.datasets import open_source
    from models.registry import infection
    from models.split import part

    chosen = list(islice((one for one in open_source("cinc2019", data) if part(one.patient) == "test"), stays))
    threshold = infection().manifest.bands.high
    computed = list(_watched(judge.batch(chosen, jobs), "stays judged", len(chosen)))
    typer.echo(judge.as_json(judge.figures(computed, threshold)).decode())
    if topics:
        from dataclasses import replace

        held = _scores_on_topic()
        missing = [one.patient for one in chosen if one.patient not in held]
        if missing:
            typer.echo(f"{len(missing)} of {len(chosen)} stays are not on risk.scores: replay them first", err=True)
            raise typer.Exit(1)
        sent = [
            replace(one, scores=judge.from_topic(stay, held[stay.patient]))
            for one, stay in zip(computed, chosen, strict=True)
        ]
        different = sum(repr(one.scores) != repr(other.scores) for one, other in zip(computed, sent, strict=True))
        typer.echo(judge.as_json(judge.figures(sent, threshold)).decode())
        typer.echo(json.dumps({"stays": len(chosen), "stays_that_differ_from_the_topics": different}))
        raise typer.Exit(1 if different else 0)


def _watched(items: Any, what: str, total: int | None = None) -> Any:
    """The items, with a progress bar on a terminal."""
    from rich.progress import track

    return track(items, description=what, total=total, disable=not typer.get_text_stream("stderr").isatty())


def _scores_on_topic() -> dict[str, list[dict[str, Any]]]:
    """Every score on ``risk.scores`` by patient, in order, exact repeats left out."""
    import orjson
    from kafka import KafkaConsumer, TopicPartition

    from streams.settings import Settings

    settings = Settings()
    topic = settings.topic("risk.scores")
    reader = KafkaConsumer(bootstrap_servers=settings.kafka_bootstrap, enable_auto_commit=False)
    found: dict[str, list[dict[str, Any]]] = {}
    seen: set[str] = set()
    try:
        parts = [TopicPartition(topic, number) for number in sorted(reader.partitions_for_topic(topic) or ())]
        for part, end in reader.end_offsets(parts).items():
            reader.assign([part])
            reader.seek_to_beginning(part)
            while reader.position(part) < end:
                for records in reader.poll(timeout_ms=500).values():
                    for score in (one for record in records for one in orjson.loads(record.value)):
                        if score["id"] not in seen:
                            seen.add(score["id"])
                            found.setdefault(score["patient"], []).append(score)
    finally:
        reader.close()
    return found
