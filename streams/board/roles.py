"""What each role may open and do on the board. Each may all that those before it may."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from streams.settings import ROLES

#: What everybody may, without a login: what signs people in and out, and what tells machines how the board is.
OPEN: Final = "open"

_SERVICE: Final = frozenset({"home", "service", "stream"})
#: Numbers of alerts, and nobody's name.
_QUALITY: Final = _SERVICE | {"burden"}
_READING: Final = _QUALITY | {"ward", "handover", "second", "patient"}
_ANSWERING: Final = _READING | {"answer"}

RIGHTS: Final[Mapping[str, frozenset[str]]] = {
    "platform": _SERVICE,
    "quality": _QUALITY,
    "reader": _READING,
    "nurse": _ANSWERING,
    "physician": _ANSWERING,
}


def role_of(claims: Mapping[str, Any], claim: str, names: Mapping[str, str]) -> str | None:
    """The role of whom the provider says this; of several the one that may most, ``None`` for nobody's.

    ``claim`` names the roles' place, ``realm_access.roles`` one below another; ``names`` are the provider's names.
    """
    found: Any = claims
    for step in [claim] if claim in claims else claim.split("."):
        found = found.get(step) if isinstance(found, Mapping) else None
    told = [found] if isinstance(found, str) else found if isinstance(found, Iterable) else []
    roles = {names[name] for name in told if isinstance(name, str) and name in names}
    return max(roles, key=ROLES.index, default=None)
