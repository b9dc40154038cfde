"""Plug-in models for tests: a manifest, a model from scikit-learn in ONNX, and a key that signs them."""

import json
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from skl2onnx import to_onnx
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from features import vector
from models import signing
from models.artefact import MANIFEST, put_signature
from models.shelf import Shelf

INPUTS = [("lactate_last", "mmol/L"), ("heart_rate_last", "/min"), ("age_years", "a")]


@cache
def classifier() -> Any:
    """A pipeline of scikit-learn that fills what is missing; the higher its inputs, the more probable."""
    random = np.random.default_rng(7)
    rows = random.normal((2.0, 90.0, 60.0), (1.0, 20.0, 15.0), (400, 3)).astype(np.float32)
    risk = (rows[:, 0] - 2.0) + (rows[:, 1] - 90.0) / 20.0
    rows[random.random(rows.shape) < 0.1] = np.nan
    return make_pipeline(SimpleImputer(), LogisticRegression()).fit(rows, risk + random.normal(0, 0.5, 400) > 1)


@cache
def onnx() -> bytes:
    """The same as ONNX."""
    given = np.zeros((1, len(INPUTS)), np.float32)
    return bytes(to_onnx(classifier(), given, options={"zipmap": False}).SerializeToString())


def manifest(model: bytes | None = None, **changes: Any) -> dict[str, Any]:
    """A manifest that is right for the model (by default ``onnx``), but for these changes."""
    data = onnx() if model is None else model
    return {
        "form": "vagt-plugin/1",
        "name": "crisis",
        "version": "1.0.0",
        "kind": "crisis-risk",
        "owner": "another region",
        "licence": "EUPL-1.2",
        "switched_on": True,
        "title": {"en": "Risk of crisis", "da": "Risiko for krise"},
        "event": "a crisis",
        "horizon": "PT6H",
        "intended_use": "To try how a model is brought along.",
        "population": {"description": "adults", "unit_types": ["ward", "icu"], "minimum_age_years": 18},
        "inputs": {
            "type": "features",
            "version": vector.VERSION,
            "features": [{"name": name, "unit": unit} for name, unit in INPUTS],
        },
        "output": {"unit": "1", "low": 0, "high": 1},
        "bands": {"raised": 0.3, "high": 0.6, "clear_below": 0.3},
        "severity": "warning",
        "abstention": {"minimum_inputs": 1, "most_outside": 0, "ranges": {"lactate": {"low": 0, "high": 30}}},
        "runtime": {
            "type": "onnx",
            "file": "model.onnx",
            "sha256": sha256(data).hexdigest(),
            "output": "probabilities",
            "column": 1,
        },
        **changes,
    }


def put(folder: Path, described: Any, model: bytes | None = None, key: Path | None = None) -> Path:
    """A plug-in in a folder, signed where there is a key."""
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(described, dict) and "file" in described.get("runtime", {}):
        folder.joinpath(described["runtime"]["file"]).write_bytes(onnx() if model is None else model)
    folder.joinpath(MANIFEST).write_bytes(json.dumps(described).encode())
    if key is not None:
        put_signature(folder, key)
    return folder


def new_shelf(folder: Path) -> tuple[Shelf, Path]:
    """A place for plug-ins, and the private key that it trusts."""
    key = folder / "private" / "own.key"
    public = signing.new_key(key)
    shelf = Shelf(folder / "models", folder / "keys")
    folder.joinpath("models").mkdir()
    folder.joinpath("keys").mkdir()
    public.rename(folder / "keys" / "own.pub")
    return shelf, key
