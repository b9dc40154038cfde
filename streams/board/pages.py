"""The pages, from their templates and texts."""

import tomllib
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from streams.board.phrases import Language

_HERE = Path(__file__).parent


class Pages:
    """Renders them; all that is filled in is escaped. ``zone`` is the IANA name of the ward's time zone."""

    def __init__(self, zone: str) -> None:
        self._zone = zone
        self._words = tomllib.loads((_HERE / "words.toml").read_text(encoding="utf-8"))
        self._environment = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def render(self, name: str, language: Language, status: int, **parts: Any) -> HTMLResponse:
        """A page."""
        template = self._environment.get_template(f"{name}.html")
        text = template.render(lang=language, w=self._words[language], zone=self._zone, page=name, **parts)
        return HTMLResponse(text, status)
