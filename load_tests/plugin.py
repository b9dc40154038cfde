"""A plug-in that runs elsewhere and reads every feature, to see what it costs and what is made of its answers."""

import json
from pathlib import Path
from typing import Any

from features import vector
from models import signing
from models.artefact import MANIFEST, put_signature
from models.plugin import FORM, unit_of


def manifest(url: str) -> dict[str, Any]:
    """Its manifest."""
    return {
        "form": FORM,
        "name": "elsewhere",
        "version": "1",
        "kind": "elsewhere-risk",
        "owner": "load tests",
        "licence": "Apache-2.0",
        "switched_on": True,
        "title": {"en": "Elsewhere", "da": "Andetsteds"},
        "event": "nothing",
        "horizon": "PT1H",
        "intended_use": "To see what a model that runs elsewhere costs the others.",
        "population": {"description": "all", "unit_types": ["ward", "icu"], "minimum_age_years": 0},
        "inputs": {
            "type": "features",
            "version": vector.VERSION,
            "features": [{"name": one.name, "unit": unit_of(one)} for one in vector.FEATURES],
        },
        "output": {"unit": "1", "low": 0, "high": 1},
        "bands": {"raised": 0.5, "high": 0.9, "clear_below": 0.5},
        "severity": "info",
        "abstention": {"minimum_inputs": 0, "most_outside": 0, "ranges": {"lactate": {"low": 0, "high": 30}}},
        "runtime": {"type": "http", "url": url, "sha256": "0" * 64, "deadline_ms": 1_000},
    }


def put(folder: Path, described: dict[str, Any]) -> dict[str, Path]:
    """A folder with the plug-in, signed, and the one of the key, as the settings that name them."""
    model, key = folder / "models" / "elsewhere", folder / "keys" / "load.key"
    model.mkdir(parents=True)
    signing.new_key(key)
    model.joinpath(MANIFEST).write_text(json.dumps(described))
    put_signature(model, key)
    return {"models": model.parent, "model_keys": key.parent}
