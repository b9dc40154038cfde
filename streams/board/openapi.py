"""The OpenAPI 3.1 document of the board, made from its routes: what each takes, and how each may answer."""

from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from inspect import getdoc
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.routing import BaseRoute, Mount, Route

from streams.board.answers import ACTIONS, SNOOZES
from streams.board.cards import REASONS, SERVICES, Call, Feedback
from streams.board.roles import RIGHTS

_TEXT: Final = {"type": "string"}
_SENTENCE: Final = {
    "text/html": {"schema": _TEXT},
    "application/json": {
        "schema": {
            "type": "object",
            "properties": {"error": {"type": "string", "minLength": 1}},
            "required": ["error"],
            "additionalProperties": False,
        }
    },
    "text/plain": {"schema": _TEXT},
}
_PAGE: Final = {"text/html": {"schema": _TEXT}}
_PLAIN: Final = {"text/plain": {"schema": _TEXT}}
_JSON: Final = {"application/json": {"schema": {"type": "object"}}}
_STATUS: Final[Mapping[int, str]] = {
    303: "Elsewhere on this board, or to the login",
    400: "It cannot be used",
    401: "Nobody is logged in",
    403: "The role may not do this, or it did not come from the board's own pages",
    404: "It is not there",
    408: "The request did not come whole in time",
    409: "The alert is over",
    413: "The request is too large",
    429: "Too fast: wait as many seconds as Retry-After says",
    503: "What is needed for it does not answer",
}
#: Any request may be answered so.
_ALWAYS: Final = (400, 408, 413, 429)
#: A form of the board's own pages.
_FORM: Final = {"token": _TEXT, "back": _TEXT}


def _query(**names: str) -> dict[str, Any]:
    return {
        "parameters": [
            {"name": name, "in": "query", "description": about, "schema": _TEXT} for name, about in names.items()
        ]
    }


def _form(
    required: tuple[str, ...], needs: Mapping[str, str] | None = None, **fields: Mapping[str, Any]
) -> dict[str, Any]:
    """``needs`` says which action needs which field."""
    schema: dict[str, Any] = {"type": "object", "properties": fields | _FORM, "required": list(required)}
    if needs:
        schema["allOf"] = [
            {"if": {"properties": {"action": {"const": action}}}, "then": {"required": [field]}}
            for action, field in needs.items()
        ]
    kinds = ("application/x-www-form-urlencoded", "multipart/form-data")
    return {"requestBody": {"required": bool(required), "content": {kind: {"schema": schema} for kind in kinds}}}


def _json(model: type[BaseModel], **fixed: str) -> dict[str, Any]:
    schema: dict[str, Any] = {"$ref": f"#/components/schemas/{model.__name__}"}
    if fixed:
        schema["properties"] = {name: {"const": value} for name, value in fixed.items()}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


_LIST: Final = _query(ward="That ward alone", kind="Patients with such an alert alone")
_ANSWER: Final = _form(
    ("handle", "alert", "action"),
    {"dismiss": "reason", "snooze": "until"},
    handle=_TEXT,
    alert=_TEXT,
    action={"enum": sorted(ACTIONS)},
    reason={"enum": list(REASONS), "description": "Of a dismissal"},
    until={"enum": list(SNOOZES), "description": "Of a snooze"},
    note=_TEXT,
    answer={"type": "string", "description": "A UUID: an answer that comes twice counts once"},
)
_HANDLE: Final = {"name": "handle", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
#: By path: what a request has, what a good answer is, and how else it may end beyond what always may be.
_KNOWN: Final[Mapping[str, tuple[Mapping[str, Any], Mapping[int, Mapping[str, Any] | None], tuple[int, ...]]]] = {
    "/": ({}, {303: None}, ()),
    "/ward": (_LIST, {200: _PAGE}, ()),
    "/handover": (_LIST, {200: _PAGE}, ()),
    "/second-opinion": (_LIST, {200: _PAGE}, ()),
    "/wall": (_query(ward="That ward alone", kind="As for the ward", names="Given: with names"), {200: _PAGE}, ()),
    "/service": ({}, {200: _PAGE}, ()),
    "/burden": ({}, {200: _PAGE}, ()),
    "/patient/{handle}": ({"parameters": [_HANDLE]}, {200: _PAGE}, (404,)),
    "/stream": (_query(ward="That ward alone"), {200: {"text/event-stream": {"schema": _TEXT}}}, ()),
    "/answer": (_ANSWER, {200: _JSON, 303: None}, (404, 409, 503)),
    "/language": (_form(("language",), language={"enum": ["da", "en"]}), {303: None}, (403,)),
    "/login": (_query(back="Where somebody wanted to go"), {302: None, 303: None}, (503,)),
    "/login/callback": (_query(code="The provider's", state="The board's own"), {303: None}, (403, 503)),
    "/smart/launch": (_query(iss="The EHR's FHIR address", launch="The EHR's"), {302: None}, (403, 503)),
    "/smart/callback": (_query(code="The EHR's", state="The board's own"), {303: None}, (403, 404, 503)),
    "/logout": (_form(()), {303: None}, (403,)),
    "/goodbye": ({}, {200: _PAGE}, ()),
    "/healthz": ({}, {200: _PLAIN}, ()),
    "/readyz": ({}, {200: _PLAIN}, (503,)),
    "/openapi.json": ({}, {200: _JSON}, ()),
    "/cds-services/": ({}, {200: _JSON}, ()),
    **{f"/cds-services/{service}": (_json(Call, hook=hook), {200: _JSON}, ()) for service, hook in SERVICES.items()},
    **{f"/cds-services/{service}/feedback": (_json(Feedback), {200: None}, (404, 503)) for service in SERVICES},
}


def document(routes: Iterable[BaseRoute], login: bool) -> dict[str, Any]:
    """What is served under these routes, where people log in or do not.

    Raises:
        KeyError: nobody said what a route takes.
    """
    paths: dict[str, dict[str, Any]] = {}
    for path, route in _every(routes):
        for method in sorted((route.methods or set()) - {"HEAD"}):
            paths.setdefault(path, {})[method.lower()] = _operation(path, route, login)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Vagt: the board",
            "version": version("vagt"),
            "summary": "What a nurse sees, and what an EHR asks for",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "responses": {str(status): _refusal(status) for status in _STATUS},
            "schemas": _schemas(),
            "securitySchemes": {"session": {"type": "apiKey", "in": "cookie", "name": "vagt"}},
        },
    }


def _schemas() -> dict[str, Any]:
    _, found = models_json_schema(
        [(Call, "validation"), (Feedback, "validation")], ref_template="#/components/schemas/{model}"
    )
    schemas: dict[str, Any] = found["$defs"]
    return schemas


def _refusal(status: int) -> dict[str, Any]:
    found: dict[str, Any] = {"description": _STATUS[status]}
    if status != 303:
        found["content"] = _SENTENCE
    if status == 429:
        found["headers"] = {"Retry-After": {"required": True, "schema": {"type": "integer", "minimum": 1}}}
    return found


def _every(routes: Iterable[BaseRoute], below: str = "") -> Iterator[tuple[str, Route]]:
    for route in routes:
        if isinstance(route, Route):
            yield from ((path, route) for path in _named(below + route.path))
        elif isinstance(route, Mount):
            yield from _every(route.routes, below + route.path)


def _named(path: str) -> list[str]:
    """The path of each service of CDS Hooks, which differ in what they take."""
    return [path.replace("{service}", one) for one in SERVICES] if "{service}" in path else [path]


def _operation(path: str, route: Route, login: bool) -> dict[str, Any]:
    takes, good, bad = _KNOWN[path]
    guarded = route.name in frozenset[str]().union(*RIGHTS.values())
    others = {*_ALWAYS, *bad, *((303, 401, 403) if guarded else ())} - set(good)
    answers: dict[int, dict[str, Any]] = {
        status: {"description": "As asked"} | ({} if content is None else {"content": content})
        for status, content in good.items()
    }
    answers |= {status: {"$ref": f"#/components/responses/{status}"} for status in others}
    found: dict[str, Any] = {
        "summary": (getdoc(route.endpoint) or "").partition("\n")[0],
        "operationId": path.strip("/") or "home",
        **takes,
        "responses": {str(status): answer for status, answer in sorted(answers.items())},
    }
    if guarded and login:
        roles = [role for role, rights in RIGHTS.items() if route.name in rights]
        found |= {"security": [{"session": []}], "description": f"For the roles {', '.join(roles)}."}
    return found
