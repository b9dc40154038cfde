"""A double of a FHIR R4 store, as strict as the stores that hospitals run, for transactions of updates.

What it does is what https://hl7.org/fhir/R4/http.html#transaction asks for, with referential integrity as HAPI's JPA
server has it by default:

- the transaction is applied whole or not at all;
- an entry updates, or creates under the id that its client chose (``PUT Type/id``); no two are of the same resource;
- the resource has that type and that id;
- within it, references to the ``fullUrl`` of an entry become references to the resource;
- every other literal reference must lead to a resource that the store has, and to no version of it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Json = dict[str, Any]

_URL = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})")


class StoreError(ValueError):
    """A transaction that the store does not take."""


class Store:
    """The store's resources by ``Type/id``; ``patients`` are there from the start."""

    def __init__(self, patients: Iterable[str] = ()) -> None:
        self.resources: dict[str, Json] = {f"Patient/{one}": {"resourceType": "Patient", "id": one} for one in patients}

    def apply(self, bundle: Json) -> None:
        """Apply a transaction.

        Raises:
            StoreError: it cannot be applied; the store is as it was.
        """
        if bundle.get("resourceType") != "Bundle" or bundle.get("type") != "transaction":
            raise StoreError("no transaction")
        named: dict[str, str] = {}
        written: dict[str, Json] = {}
        for entry in bundle["entry"]:
            url, resource = entry["request"]["url"], entry["resource"]
            match = _URL.fullmatch(url)
            if entry["request"]["method"] != "PUT" or match is None:
                raise StoreError(f"no update by id: {url}")
            if (resource["resourceType"], resource["id"]) != match.groups():
                raise StoreError(f"another resource than {url}")
            if url in written or entry["fullUrl"] in named:
                raise StoreError(f"{url} twice")
            named[entry["fullUrl"]], written[url] = url, resource
        written = {url: _resolved(resource, named) for url, resource in written.items()}
        known = self.resources.keys() | written.keys()
        for reference in _references(list(written.values())):
            if reference not in known:
                raise StoreError(f"{reference} is not in the store")
        self.resources |= written


def active(resources: Mapping[str, Json]) -> set[str]:
    """What calls for attention: active flags and requests."""
    return {url for url, one in resources.items() if one.get("status") == "active"}


def _resolved(node: Any, named: dict[str, str]) -> Any:
    if isinstance(node, list):
        return [_resolved(one, named) for one in node]
    if not isinstance(node, dict):
        return node
    return {
        name: named.get(part, part) if name == "reference" else _resolved(part, named) for name, part in node.items()
    }


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for one in node:
            yield from _references(one)
    elif isinstance(node, dict):
        for name, part in node.items():
            if name == "reference":
                yield part
            else:
                yield from _references(part)
