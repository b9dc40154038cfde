"""Both languages say the same things, and neither leaves anything out."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

import streams.board
from features.catalogue import catalogue
from models.registry import shipped

_FOLDER = Path(streams.board.__file__).parent


def _file(name: str) -> dict[str, Any]:
    return tomllib.loads((_FOLDER / name).read_text(encoding="utf-8"))


def _shape(table: dict[str, Any]) -> dict[str, Any]:
    """The names, and in each text the parts that are filled in."""
    return {
        name: _shape(one)
        if isinstance(one, dict)
        else sorted(part for part in one.split("{")[1:]) and {part.partition("}")[0] for part in one.split("{")[1:]}
        for name, one in table.items()
    }


@pytest.mark.parametrize("name", ["words.toml", "phrases.toml"])
@pytest.mark.req("VAGT-BRD-09")
def test_danish_and_english_have_the_same_texts_with_the_same_parts(name):
    texts = _file(name)
    assert set(texts) == {"da", "en"}
    assert _shape(texts["da"]) == _shape(texts["en"])


@pytest.mark.parametrize("language", ["da", "en"])
@pytest.mark.req("VAGT-BRD-09")
def test_every_kind_and_every_group_has_a_name(language):
    texts = _file("phrases.toml")[language]
    assert {one.kind for one in shipped()} <= set(texts["kinds"])
    assert {one.group for one in catalogue().analytes.values()} <= set(texts["groups"])
