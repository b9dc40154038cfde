"""The shape of JSON: the elements that are read must have FHIR's."""

from collections.abc import Mapping
from typing import Any

from features.catalogue import Refused

Json = Mapping[str, Any]


def string(node: Json, name: str) -> str | None:
    """An element that is a text; ``None`` where there is none, or an empty one."""
    part = node.get(name)
    if part is not None and not isinstance(part, str):
        raise Refused("schema", f"{name}: must be a string")
    return part or None


def object_(node: Json, name: str) -> Json:
    """An element that is an object; where there is none, an empty one."""
    part = node.get(name)
    if part is not None and not isinstance(part, dict):
        raise Refused("schema", f"{name}: must be an object")
    return part or {}


def objects(node: Json, name: str) -> list[Json]:
    """An element that is an array of objects; where there is none, an empty one."""
    part = node.get(name)
    if part is not None and not (isinstance(part, list) and all(isinstance(one, dict) for one in part)):
        raise Refused("schema", f"{name}: must be an array of objects")
    return part or []
