"""The models that a deployment adds to the release: a folder, in which each sub-folder is a model."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from models import registry
from models.artefact import ArtefactError, Trust
from models.boosted import Boosted
from models.outputs import Text
from models.plugged import Plugged
from models.plugin import Http, Words, is_plugin, load
from models.reader import Reader
from models.remote import Remote
from models.scorer import Scorer
from models.surprise import Surprise


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where a deployment's own models lie, and the public keys that it trusts beside the release's."""

    models: Path | None = None
    keys: Path | None = None

    def folders(self) -> list[Path]:
        """The folder of each plug-in, in the order of their names.

        Raises:
            ArtefactError: the folder of models is not there.
        """
        if self.models is None:
            return []
        if not self.models.is_dir():
            raise ArtefactError(f"VAGT_MODELS={self.models} is no folder")
        return sorted(one for one in self.models.iterdir() if one.is_dir() and not one.name.startswith("."))

    def beside(self, shipped: Sequence[Scorer]) -> tuple[Scorer, ...]:
        """The release's scorers, then the deployment's own by name and version.

        Of each kind the first is live until another is promoted: so the release's is, or the oldest version.

        Raises:
            ArtefactError: one must not be loaded, or cannot be told from another.
        """
        found = list(shipped)
        for one in sorted(self.own(), key=lambda one: (one.model.name, _age(one.model.version))):
            free(one, found)
            found.append(one)
        return tuple(found)

    def own(self) -> list[Plugged | Reader | Remote | Boosted | Surprise]:
        """The deployment's own models.

        Raises:
            ArtefactError: one must not be loaded.
        """
        return [opened(folder, Trust(self.keys)) for folder in self.folders()]

    def titles(self) -> dict[str, Text]:
        """What each plug-in's kind is called.

        Raises:
            ArtefactError: one must not be loaded.
        """
        manifests = (load(folder, Trust(self.keys))[0] for folder in self.folders() if is_plugin(folder))
        return {one.kind: Text(one.title.en, one.title.da) for one in manifests}


def free(one: Scorer, others: Iterable[Scorer]) -> None:
    """See that a model can be told from all others: by its version from those of its name, which are of its kind.

    Raises:
        ArtefactError: it cannot. What a record keeps of a model that runs elsewhere goes by its name alone.
    """
    for other in others:
        same = one.kind == other.kind and one.model.version != other.model.version
        if one.model.name == other.model.name and (not same or isinstance(one, Remote)):
            raise ArtefactError(
                f"the model {one.model.name} {one.model.version} of kind {one.kind} cannot be told from "
                f"{other.model.name} {other.model.version} of kind {other.kind}"
            )


def _age(version: str) -> list[tuple[int, str]]:
    """By which versions stand in their order: 1.9.0 before 1.10.0."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"[.+-]", version)]


def opened(folder: Path, trust: Trust) -> Plugged | Reader | Remote | Boosted | Surprise:
    """The model in a folder, by its manifest a plug-in or one as the release has them.

    Raises:
        ArtefactError: it must not be loaded.
    """
    return (plugin if is_plugin(folder) else registry.opened)(folder, trust)


@cache
def plugin(folder: Path, trust: Trust) -> Plugged | Reader | Remote:
    """The plug-in in a folder.

    Raises:
        ArtefactError: it must not be loaded.
    """
    runtime = load(folder, trust)[0].runtime
    return (Remote if isinstance(runtime, Http) else Reader if isinstance(runtime, Words) else Plugged)(folder, trust)


NO_SHELF: Final = Shelf()
