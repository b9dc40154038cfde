"""What is published is what the code speaks."""

from typing import Any

import msgspec
import pytest
from pydantic import TypeAdapter

from features.events import Event
from models.outputs import Alert, Score
from streams import contract
from tests.integration.patients import admission, observation, ward
from tests.integration.service import oracle


@pytest.mark.parametrize("name", contract.files())
@pytest.mark.req("VAGT-OPS-01")
def test_the_published_document_is_current(name: str) -> None:
    published = contract.FOLDER.joinpath(name).read_bytes()
    assert published == contract.files()[name], "run `python -m streams.contract`"


def test_every_reference_in_the_document_leads_somewhere() -> None:
    document = contract.asyncapi()

    def references(part: object) -> list[str]:
        if isinstance(part, dict):
            own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
            return own + [one for value in part.values() for one in references(value)]
        return [one for value in part for one in references(value)] if isinstance(part, list) else []

    found = references(document)
    assert len(found) > 20
    for reference in found:
        place: object = document
        for step in reference.removeprefix("#/").split("/"):
            assert isinstance(place, dict)
            place = place[step]


@pytest.mark.req("VAGT-OPS-01")
def test_what_the_decision_says_is_what_the_contract_describes() -> None:
    scores, alerts = oracle(ward(patients=4, hours=24))
    schemas, checked = contract.schemas(), 0
    said: list[tuple[type, Any]] = [(Score, one) for records in scores.values() for record in records for one in record]
    said += [(Alert, one) for found in alerts.values() for one in found]
    for message, one in said:
        one["trigger"] |= {"partition": 0, "offset": 0}
        if isinstance(one["score"], dict):
            one["score"]["trigger"] |= {"partition": 0, "offset": 0}
        assert set(one) | {"emitted"} == set(schemas[message.__name__]["$defs"][message.__name__]["properties"])
        msgspec.convert(one, message)
        checked += 1
    assert checked > 100


def test_the_examples_of_the_inputs_are_events() -> None:
    adapter: TypeAdapter[Event] = TypeAdapter(Event)
    for message in (observation("p", "o", 0), admission("p")):
        assert adapter.validate_python(message).patient == "p"
