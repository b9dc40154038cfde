"""The models that a deployment adds to the release: a folder, in which each sub-folder is a plug-in."""

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
        """The release's scorers, then the plug-ins by name.

        Raises:
            ArtefactError: one must not be loaded, or has the name or the kind of another.
        """
        found = list(shipped)
        for one in sorted(self.plugins(), key=lambda one: one.model.name):
            free(one, found)
            found.append(one)
        return tuple(found)

    def plugins(self) -> list[Plugged | Reader | Remote]:
        """The plug-ins.

        Raises:
            ArtefactError: one must not be loaded.
        """
        return [plugin(folder, Trust(self.keys)) for folder in self.folders()]

    def titles(self) -> dict[str, Text]:
        """What each plug-in's kind is called.

        Raises:
            ArtefactError: one must not be loaded.
        """
        manifests = (load(folder, Trust(self.keys))[0] for folder in self.folders())
        return {one.kind: Text(one.title.en, one.title.da) for one in manifests}


def free(one: Scorer, others: Iterable[Scorer]) -> None:
    """See that no other has the name or the kind of a plug-in.

    Raises:
        ArtefactError: one has.
    """
    for other in others:
        if one.kind == other.kind or one.model.name == other.model.name:
            raise ArtefactError(
                f"the model {one.model.name} of kind {one.kind} is there already: "
                f"{other.model.name} {other.model.version} is of kind {other.kind}"
            )


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
