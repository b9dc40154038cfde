"""What of the settings a decision depends on; the audit records it with each."""

from dataclasses import dataclass
from typing import Self

from features.catalogue import catalogue
from models.registry import shipped
from models.shelf import NO_SHELF, Shelf
from models.step import Decider
from streams.settings import Settings


def shelf(settings: Settings) -> Shelf:
    """A deployment's own models, and whose signature on them counts."""
    return Shelf(settings.models, settings.model_keys)


@dataclass(frozen=True, slots=True)
class Terms:
    """The settings of these names; ``pseudonymous`` says that ``events`` holds pseudonyms only."""

    partitions: int
    live: bool
    max_event_bytes: int
    max_skew_ms: int
    critical_results: str
    pseudonymous: bool

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Those of a deployment."""
        return cls(
            partitions=settings.partitions,
            live=settings.live,
            max_event_bytes=settings.max_event_bytes,
            max_skew_ms=settings.max_skew_ms,
            critical_results=settings.critical_results,
            pseudonymous=settings.pseudonymous,
        )

    def decider(self, shelf: Shelf = NO_SHELF) -> Decider:
        """What decides under these terms: the catalogue, models and rules of this release, and the deployment's own.

        Raises:
            ArtefactError: a model must not be loaded.
        """
        return Decider(catalogue(), shelf.beside(shipped(self.critical_results, shelf.keys)), self.max_skew_ms)
