"""`vagt models`: the models of this release, who signed them, and signing one."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.commands.plain import fail, plain_failures, settings

if TYPE_CHECKING:
    from models.artefact import Trust

models = typer.Typer(help="The models, and who signed them.", no_args_is_help=True)

Folders = Annotated[
    list[Path] | None, typer.Argument(help="Folders of models. [default: this release's, and those in VAGT_MODELS]")
]


@models.command("list")
def list_models() -> None:
    """Name each model with its version, whether it speaks, and whose key signed it."""
    with plain_failures():
        for folder in _all():
            typer.echo(_line(folder, _trust()))


@models.command()
def verify(folders: Folders = None) -> None:
    """Load each model as a worker would; exit with 1 when one must not be loaded."""
    from models.artefact import ArtefactError

    refused = 0
    with plain_failures():
        wanted = folders or _all()
        for folder in wanted:
            try:
                typer.echo(_line(folder, _trust()))
            except ArtefactError as error:
                refused += 1
                typer.echo(f"Refused: {error}.", err=True)
    if refused:
        fail(f"{refused} of {len(wanted)} models must not be loaded.")


@models.command()
def validate(
    folder: Annotated[
        Path, typer.Argument(exists=True, file_okay=False, help="The folder of a plug-in.", metavar="PATH")
    ],
    data: Annotated[
        Path | None, typer.Option(exists=True, help="A data set. [default: the patients of the running deployment]")
    ] = None,
) -> None:
    """Say whether a plug-in would run, on what share of patients its inputs exist, and how fast it is.

    Exits with 1 when a worker would refuse it, be it only that nobody signed it yet.
    """
    from models.artefact import UNSIGNED, ArtefactError, signed_by
    from models.shelf import free, plugin
    from streams import trial
    from streams.terms import Terms, shelf

    own = settings()
    with plain_failures():
        found = plugin(folder, UNSIGNED)
        typer.echo(f"{found.model.name} {found.model.version} ({found.kind}) can be loaded")
        records = list(trial.of_deployment(own) if data is None else trial.of_data(data))
        for line in trial.told(found, records):
            typer.echo(line)
        others = [one for one in Terms.of(own).decider(shelf(own)).scorers if one.model != found.model]
        try:
            free(found, others)
            typer.echo(f"Signed by {signed_by(folder, _trust())}")
        except ArtefactError as error:
            fail(f"A worker would refuse it: {error}.")


@models.command()
def sign(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="The folder of a model.")],
    key: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="The private key.")],
) -> None:
    """Sign a model, once it has been judged: workers that trust the key's owner load it then."""
    from models.artefact import UNSIGNED, put_signature
    from models.shelf import opened

    with plain_failures():
        signed = opened(folder, UNSIGNED).model
        put_signature(folder, key)
        typer.echo(f"Signed {signed.name} {signed.version} in {folder}")


@models.command()
def key(
    file: Annotated[Path, typer.Argument(dir_okay=False, help="Where the private key goes.", metavar="NEW_FILE")],
) -> None:
    """Make a new key: the private one is for its owner alone, the public one goes into VAGT_MODEL_KEYS."""
    from models import signing

    with plain_failures():
        typer.echo(f"Wrote {file} (keep it secret, and out of any repository) and {signing.new_key(file)}")


def _all() -> list[Path]:
    """The folders of the models of this release, then of the deployment's own."""
    from models.registry import FOLDERS
    from streams.terms import shelf

    return [*FOLDERS, *shelf(settings()).folders()]


def _trust() -> "Trust":
    from models.artefact import Trust

    return Trust(settings().model_keys)


def _line(folder: Path, trust: "Trust") -> str:
    from models.artefact import signed_by
    from models.shelf import opened
    from models.surprise import Surprise

    one = opened(folder, trust)
    silent = not isinstance(one, Surprise) and not one.manifest.switched_on
    return (
        f"{one.model.name} {one.model.version}: {'in shadow' if silent else 'speaks'}, signed by "
        f"{signed_by(folder, trust)}, sha256 {one.model.sha256}"
    )
