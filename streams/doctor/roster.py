"""Which models speak, as the workers' heartbeats say it: what is stopped, and whether all partitions agree."""

from collections.abc import Iterator, Sequence
from typing import Final

from kafka import KafkaAdminClient

from models.roster import Roster
from streams.doctor.finding import Finding, fault, ok, warning
from streams.pulse import rosters
from streams.rosters import missing, stops
from streams.settings import Settings
from streams.terms import Terms, shelf

_ROSTER: Final = "roster"


def check(settings: Settings, _: KafkaAdminClient) -> Iterator[Finding]:
    """What control records made of the models; nothing where no worker says."""
    found = list(rosters(settings).values())
    told = [*_differing(found), *_missing(settings, found), *_stopped(found)]
    yield from told
    if found and not told:
        yield ok(_ROSTER, "All partitions agree which models speak, and nothing is stopped.")


def _differing(found: Sequence[Roster]) -> Iterator[Finding]:
    if any(one != found[0] for one in found):
        yield warning(
            _ROSTER,
            "The partitions do not agree which models speak.",
            "Patients of one ward are judged by different models, or only some of them where something is stopped.",
            "`vagt models roster` tells where they differ; say again what was said last of each model.",
        )


def _missing(settings: Settings, found: Sequence[Roster]) -> Iterator[Finding]:
    try:
        loaded = Terms.of(settings).decider(shelf(settings)).loaded
    except (OSError, ValueError):
        return  # said by the check of the models
    lost = {model for roster in found for model in missing(roster, loaded)}
    for one in sorted(lost, key=lambda model: (model.name, model.version)):
        yield fault(
            _ROSTER,
            f"{one.name} {one.version} (sha256 {one.sha256[:12]}) is in use and not on this machine.",
            "A worker that starts here decides nothing and ends.",
            "Put its folder into VAGT_MODELS as it was signed, or take it out of use where it is (`vagt models`).",
        )


def _stopped(found: Sequence[Roster]) -> Iterator[Finding]:
    for line in sorted({line for roster in found for line in stops(roster)}):
        yield warning(_ROSTER, f"{line}.", "Nobody watches it.", "docs/runbooks/VagtStopped.md")
