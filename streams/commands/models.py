"""`vagt models`: the models of this release, who signed them, and signing one."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.commands.plain import fail, plain_failures, settings

if TYPE_CHECKING:
    from models.artefact import Trust

models = typer.Typer(help="The models, and who signed them.", no_args_is_help=True)

Folders = Annotated[list[Path] | None, typer.Argument(help="Folders of models. [default: those of this release]")]


@models.command("list")
def list_models() -> None:
    """Name each model of this release with its version, whether it speaks, and whose key signed it."""
    from models.registry import FOLDERS

    with plain_failures():
        for folder in FOLDERS:
            typer.echo(_line(folder, _trust()))


@models.command()
def verify(folders: Folders = None) -> None:
    """Load each model as a worker would; exit with 1 when one must not be loaded."""
    from models.artefact import ArtefactError
    from models.registry import FOLDERS

    refused = 0
    with plain_failures():
        for folder in folders or FOLDERS:
            try:
                typer.echo(_line(folder, _trust()))
            except ArtefactError as error:
                refused += 1
                typer.echo(f"Refused: {error}.", err=True)
    if refused:
        fail(f"{refused} of {len(folders or FOLDERS)} models must not be loaded.")


@models.command()
def sign(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="The folder of a model.")],
    key: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="The private key.")],
) -> None:
    """Sign a model, once it has been judged: workers that trust the key's owner load it then."""
    from models import signing
    from models.artefact import MANIFEST, SIGNATURE, UNSIGNED
    from models.registry import opened

    with plain_failures():
        signed = opened(folder, UNSIGNED).model
        folder.joinpath(SIGNATURE).write_bytes(signing.sign(folder.joinpath(MANIFEST).read_bytes(), key))
        typer.echo(f"Signed {signed.name} {signed.version} in {folder}")


@models.command()
def key(
    file: Annotated[Path, typer.Argument(dir_okay=False, help="Where the private key goes.", metavar="NEW_FILE")],
) -> None:
    """Make a new key: the private one is for its owner alone, the public one goes into VAGT_MODEL_KEYS."""
    from models import signing

    with plain_failures():
        typer.echo(f"Wrote {file} (keep it secret, and out of any repository) and {signing.new_key(file)}")


def _trust() -> "Trust":
    from models.artefact import Trust

    return Trust(settings().model_keys)


def _line(folder: Path, trust: "Trust") -> str:
    from models.artefact import Manifest, signed_by
    from models.registry import opened

    one = opened(folder, trust)
    silent = isinstance(one.manifest, Manifest) and not one.manifest.switched_on
    return (
        f"{one.model.name} {one.model.version}: {'in shadow' if silent else 'speaks'}, signed by "
        f"{signed_by(folder, trust)}, sha256 {one.model.sha256}"
    )
