"""What others made (SOUP, IEC 62304), with exact versions, and the review of each.

Python packages come from the lock, the embedded broker's jars from Maven, the parts of the board's pages from the list
that their build writes; ``soup.toml`` has the reviews.
"""

import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

from deploy import sbom
from deploy.audit import pins
from streams.broker import fetch_jars

ROOT = Path(__file__).resolve().parents[2]
REVIEWS = Path(__file__).resolve().parent / "soup.toml"
LOCK = ROOT / "requirements.lock"
DEV_LOCK = ROOT / "requirements-dev.lock"
PROJECT = ROOT / "pyproject.toml"
THIRD_PARTY = ROOT / "streams" / "board" / "static" / "THIRD_PARTY.json"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that others made; ``licence`` as it says itself."""

    kind: str
    name: str
    version: str
    licence: str

    @property
    def pinned(self) -> str:
        """Name and version, as a review names it."""
        return f"{self.name} {self.version}"


@dataclass(frozen=True, slots=True)
class Review:
    """What some packages must do here, what was looked at on a date, and which known faults touch them."""

    date: date
    packages: tuple[str, ...]
    requirement: str
    looked_at: str
    known: str


def items() -> tuple[Item, ...]:
    """All that others made of what runs here, in order."""
    return tuple(sorted((*_python(), *_jars(), *_pages()), key=lambda one: (one.kind, one.name.lower(), one.version)))


def reviews(file: Path = REVIEWS) -> tuple[Review, ...]:
    """The reviews, in the order of their file."""
    found = tomllib.loads(file.read_text(encoding="utf-8"))["review"]
    return tuple(Review(**{**one, "packages": tuple(one["packages"])}) for one in found)


def faults(found: Iterable[Item], seen: Iterable[Review]) -> list[str]:
    """What is not reviewed at its version, reviewed twice, or reviewed and not there; each in a sentence."""
    there = {one.pinned for one in found}
    reviewed = Counter(package for one in seen for package in one.packages)
    where = "in deploy/evidence/soup.toml"
    wrong = [f"{one} has no review {where}" for one in sorted(there - set(reviewed))]
    wrong += [f"{one} is reviewed {where} and is not there any more" for one in sorted(set(reviewed) - there)]
    return wrong + [f"{one} is reviewed more than once {where}" for one, times in sorted(reviewed.items()) if times > 1]


def _python() -> Iterator[Item]:
    for one in (*pins(LOCK), *_extras()):
        name, version = one.split("==")
        yield Item("Python", name, version, _licence(name))


def _extras() -> list[str]:
    """The packages that a deployment may install beside the others."""
    extras = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"].get("optional-dependencies", {})
    names = {re.split(r"[^A-Za-z0-9._-]", one)[0] for wanted in extras.values() for one in wanted}
    return [one for one in pins(DEV_LOCK) if one.split("==")[0] in names and one not in pins(LOCK)]


def _licence(name: str) -> str:
    try:
        about = metadata(name)
    except PackageNotFoundError:
        return "not installed here"
    classified = [one.split(" :: ")[-1] for one in about.get_all("Classifier", []) if one.startswith("License")]
    stated = [about.get("License-Expression"), *classified, about.get("License"), "not stated"]
    return next(filter(None, stated)).splitlines()[0]


def _jars() -> Iterator[Item]:
    for jar in sbom.jars(fetch_jars()):
        yield Item("Java", jar["name"], jar["version"], "see its review")


def _pages() -> Iterator[Item]:
    for one in json.loads(THIRD_PARTY.read_bytes()):
        yield Item("board", one["name"], one["version"], one["licence"])
