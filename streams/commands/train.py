"""`vagt train`: make a model from stays."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import typer

from streams.commands.plain import watched

train = typer.Typer(help="Train a model on data sets.")

#: The models that foresee a blood test's result.
DESERT: Final = ("aki-risk", "hyperkalaemia-risk", "haemoglobin-drop-risk", "thrombocytopenia-risk", "lactate-risk")

_UNSIGNED: Final = "It is not signed: no worker loads it before `vagt models sign`."

Data = Annotated[Path, typer.Option(exists=True, help="The challenge's set of 2019: a file or a folder.")]
Cinc2019 = Annotated[Path, typer.Option("--cinc2019", exists=True, help="The challenge's set of 2019.")]
Cinc2012 = Annotated[Path, typer.Option("--cinc2012", exists=True, help="The challenge's sets a and b of 2012.")]
Jobs = Annotated[int, typer.Option(min=1, help="Processes.")]


@train.command("infection")
def train_infection(
    data: Data,
    out: Annotated[Path, typer.Option(help="Where the artefact goes.")] = Path("models/infection"),
    test_apart: Annotated[
        bool, typer.Option("--test-apart", help="Leave the test stays out of everything, and judge them.")
    ] = False,
    jobs: Jobs = 2,
) -> None:
    """Train the infection model on cinc2019 and write model, manifest and card."""
    from models.artefact import save
    from models.card import card
    from models.datasets import open_source
    from models.desert.sources import CINC2019
    from models.matrix import build
    from models.train import train as fit

    matrix = build(watched(open_source("cinc2019", data), "stays read"), jobs)
    typer.echo(f"{len(matrix.x)} hours of {len(matrix.patients)} stays; fitting")
    trained = fit(matrix, "infection", CINC2019, test_apart=test_apart)
    save(out, trained.manifest, trained.model, card(trained.manifest))
    typer.echo(f"Wrote {out}; threshold {trained.manifest.bands.high:.4f}. {_UNSIGNED}")


def _desert(kind: str) -> Callable[..., None]:
    """The command that trains one of the DESERT models."""

    def command(
        cinc2019: Cinc2019,
        cinc2012: Cinc2012,
        out: Annotated[Path, typer.Option(help="The artefact becomes a folder of it.")] = Path("models"),
        jobs: Jobs = 2,
    ) -> None:
        from models.artefact import save
        from models.datasets import open_source
        from models.desert.card import card
        from models.desert.hours import build
        from models.desert.outcomes import OUTCOMES
        from models.desert.sources import CINC2012, CINC2019
        from models.desert.train import train as fit

        sets = [
            (source, build(watched(open_source(name, path), f"stays of {name}"), jobs))
            for name, path, source in (("cinc2019", cinc2019, CINC2019), ("cinc2012", cinc2012, CINC2012))
        ]
        typer.echo(f"{sum(len(hours.x) for _, hours in sets)} hours; fitting")
        trained = fit(OUTCOMES[kind], sets)
        folder = out / kind.replace("-", "_")
        save(folder, trained.manifest, trained.model, card(trained.manifest, OUTCOMES[kind], trained.faults))
        switched = f"off: {'; '.join(trained.faults)}" if trained.faults else "on"
        typer.echo(f"Wrote {folder}; switched {switched}. {_UNSIGNED}")

    command.__doc__ = f"Train {kind} on cinc2019 and cinc2012 and write model, manifest and card."
    return command


for _kind in DESERT:
    train.command(_kind)(_desert(_kind))


@train.command("result-surprise")
def train_surprise(
    cinc2019: Cinc2019,
    cinc2012: Cinc2012,
    out: Annotated[Path, typer.Option(help="Where the artefact goes.")] = Path("models/result_surprise"),
    jobs: Jobs = 2,
) -> None:
    """Train result-surprise on cinc2019 and cinc2012 and write tables, model, manifest and card."""
    from models.train_surprise import train_on

    train_on({"cinc2019": cinc2019, "cinc2012": cinc2012}, out, jobs)
    typer.echo(f"Wrote {out}. {_UNSIGNED}")
