"""Who looks at the board: a session that a login began, with a role, for so long."""

import secrets
import time
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request

from streams.board.roles import RIGHTS
from streams.log import logger

_LOG = logger(__name__)

#: A session is over then at the latest.
SESSION_S: Final = 12 * 60 * 60


@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody in a session; ``until`` is when it is over (s since the epoch)."""

    session: str
    name: str
    role: str
    until: float

    @property
    def by(self) -> str:
        """How feedback names them."""
        return f"{self.role}/{self.name}"

    @property
    def key(self) -> str:
        """Whom to count: a user in all sessions, and without a login each session."""
        return self.session if self.until == float("inf") else self.name

    def may(self, what: str) -> bool:
        """Whether the role has this right."""
        return what in RIGHTS[self.role]


def demo(request: Request) -> Viewer:
    """Without a login there is one user, on this machine alone."""
    return Viewer(session_of(request), "demo", "nurse", float("inf"))


def session_of(request: Request) -> str:
    """The name of the request's session; a new one where it has none."""
    name: str = request.session.setdefault("id", secrets.token_urlsafe(16))
    return name


class Sessions:
    """Sessions that logins begin. The cookie holds one, signed; those that were ended early are known here."""

    def __init__(self) -> None:
        self._ended: dict[str, float] = {}

    def begin(self, session: dict[str, Any], name: str, role: str, until: float) -> None:
        """Begin one for this user: nothing of what was before it counts any more, but for the language."""
        language = session.get("language")
        session.clear()
        until = min(until, time.time() + SESSION_S)
        session |= {"id": secrets.token_urlsafe(16), "name": name, "role": role, "until": until}
        if language is not None:
            session["language"] = language
        _LOG.info("board.login", user=name, role=role)

    def end(self, viewer: Viewer) -> None:
        """End one before its time: a copy of its cookie serves nobody."""
        now = time.time()
        self._ended = {name: until for name, until in self._ended.items() if until > now}
        self._ended[viewer.session] = viewer.until

    def viewer(self, request: Request) -> Viewer | None:
        """Whose session it is; ``None``: nobody's."""
        told = request.session
        if told.get("role") not in RIGHTS:
            return None
        viewer = Viewer(told["id"], told["name"], told["role"], told["until"])
        return viewer if self.lasts(viewer) else None

    def lasts(self, viewer: Viewer) -> bool:
        """Whether the session goes on."""
        return viewer.until > time.time() and viewer.session not in self._ended
