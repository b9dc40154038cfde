"""What a decision depends on besides the events: code, features, models, rules, settings and arithmetic."""

import platform
from collections.abc import Iterator
from dataclasses import asdict
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable

import orjson

from features import record, vector
from models.plugged import Plugged
from models.plugin import Onnx
from models.step import Decider
from streams.terms import Terms

#: The packages whose files decide, and the libraries whose arithmetic does.
_DECIDING = ("features", "models")
_LIBRARIES = ("lightgbm", "numpy")
_IGNORED = frozenset({"__pycache__"})


def describe(terms: Terms, decider: Decider) -> bytes:
    """The description as one JSON object, the same bytes for the same release and settings."""
    onnx = any(isinstance(one, Plugged) and isinstance(one.manifest.runtime, Onnx) for one in decider.loaded)
    models = [
        {"kind": one.kind, "name": one.model.name, "version": one.model.version, "sha256": one.model.sha256}
        for one in decider.loaded
    ]
    return orjson.dumps(
        {
            "vagt": version("vagt"),
            "code": code(),
            "features": vector.VERSION,
            "record": record.FORMAT,
            "models": models,
            "settings": asdict(terms),
            "python": platform.python_version(),
            "machine": platform.machine(),
            "libraries": {name: version(name) for name in (*_LIBRARIES, *(("onnxruntime",) if onnx else ()))},
        }
    )


def digest(description: bytes) -> str:
    """A short name of a description: 32 hexadecimal digits."""
    return sha256(description).hexdigest()[:32]


@cache
def code() -> str:
    """The SHA-256 of all files of the deciding packages, models and tables too."""
    contents = [line for package in _DECIDING for line in _contents(package, files(package))]
    return sha256("".join(contents).encode()).hexdigest()


def _contents(name: str, place: Traversable) -> Iterator[str]:
    """A line for each file below a place: its name and hash."""
    if place.is_file():
        yield f"{name} {sha256(place.read_bytes()).hexdigest()}\n"
        return
    for one in sorted(place.iterdir(), key=lambda child: child.name):
        if one.name not in _IGNORED:
            yield from _contents(f"{name}/{one.name}", one)
