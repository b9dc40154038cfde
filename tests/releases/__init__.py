"""What each release left behind, kept as it was: its state, its log, its settings, and what it said next.

A folder for each release, written once, by that release itself (``python -m tests.releases.make``), and never again:

- ``events.ndjson``: the log, each line a record's partition, key and value, in the order of the offsets;
- ``changelog.ndjson``: the stored records when the log was decided as far as ``committed`` says, the values in base64;
- ``settings.env``: a deployment's settings; ``meant.json``: what they meant, and the defaults of those not given;
- ``said.json``: ``committed``, and what was said from there on: of each model and rule how many scores, of each kind
  how many alerts, and the SHA-256 of them all, without what may differ between two runs. Where a later release leaves a
  field out on purpose (the reasons of a model's score beside which no alert says anything), that release's hash was
  taken again, by its own code, without that field.
"""

from base64 import b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

FOLDER = Path(__file__).parent
#: What says where and when something was said, and differs between two runs.
_ELSEWHERE = {"emitted", "partition", "offset", "topic"}


@dataclass(frozen=True)
class Release:
    """What a release left behind."""

    folder: Path

    @property
    def name(self) -> str:
        """Its version."""
        return self.folder.name

    @cached_property
    def log(self) -> list[dict[str, Any]]:
        """The records of ``events``: ``partition``, ``key`` and ``value``."""
        return _lines(self.folder / "events.ndjson")

    @cached_property
    def changelog(self) -> list[tuple[int, bytes, bytes]]:
        """The stored records: partition, key and value."""
        found = _lines(self.folder / "changelog.ndjson")
        return [(one["partition"], one["key"].encode(), b64decode(one["value"])) for one in found]

    @cached_property
    def said(self) -> dict[str, Any]:
        """Where it stood, and what it said from there on."""
        return _document(self.folder / "said.json")

    @cached_property
    def meant(self) -> dict[str, Any]:
        """What its settings meant, ``given``, and what those meant that were not given, ``defaults``."""
        return _document(self.folder / "meant.json")

    @cached_property
    def environment(self) -> dict[str, str]:
        """Its settings as environment variables."""
        lines = self.folder.joinpath("settings.env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))

    @property
    def committed(self) -> list[int]:
        """For each partition the offset up to which its state had come."""
        found: list[int] = self.said["committed"]
        return found

    def parted(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """The log: what its state holds, and what came after."""
        offsets = [0] * len(self.committed)
        parts: tuple[list[dict[str, Any]], list[dict[str, Any]]] = ([], [])
        for one in self.log:
            at = one["partition"]
            parts[offsets[at] >= self.committed[at]].append(one)
            offsets[at] += 1
        return parts


def releases() -> list[Release]:
    """Every release that left something, the oldest first."""
    folders = [path.parent for path in FOLDER.glob("*/said.json")]
    return [Release(folder) for folder in sorted(folders, key=lambda one: [int(n) for n in one.name.split(".")])]


def scores_by_model(scores: Mapping[str, Iterable[list[dict[str, Any]]]]) -> dict[str, list[dict[str, Any]]]:
    """The scores of each model and rule, by patient and in order; the name says version and hash too."""
    found: dict[str, list[dict[str, Any]]] = {}
    for patient in sorted(scores):
        for record in scores[patient]:
            for one in record:
                model = one["model"]
                name = f"{one['kind']} {model['name']} {model['version']} {model['sha256']}"
                found.setdefault(name, []).append(one)
    return found


def alerts_by_kind(alerts: Mapping[str, Iterable[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """The alerts of each kind, by patient and in order."""
    found: dict[str, list[dict[str, Any]]] = {}
    for patient in sorted(alerts):
        for one in alerts[patient]:
            found.setdefault(one["kind"], []).append(one)
    return found


def plain(said: Any) -> Any:
    """A score or an alert without what may differ between two runs."""
    if isinstance(said, list):
        return [plain(one) for one in said]
    if not isinstance(said, dict):
        return said
    return {name: plain(value) for name, value in said.items() if name not in _ELSEWHERE}


def summary(said: Iterable[Mapping[str, Any]], fields: Iterable[str] | None = None) -> dict[str, Any]:
    """How many these are, their fields, and the hash of them all; of ``fields`` alone where they are given."""
    every = list(said)
    names = sorted({name for one in every for name in one} if fields is None else fields)
    kept = [{name: one[name] for name in names if name in one} for one in every]
    text = orjson.dumps(kept, option=orjson.OPT_SORT_KEYS)
    return {"number": len(kept), "fields": names, "sha256": sha256(text).hexdigest()}


def _lines(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def _document(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(path.read_bytes())
    return found
