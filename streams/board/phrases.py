"""The board's sentences in a language, its numbers and its clock."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from models.outputs import Text

Language = Literal["da", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("da", "en")

_FILE: Final = Path(__file__).with_name("phrases.toml")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Phrases:
    """How things are said in one language, with the clock of one time zone."""

    language: Language
    zone: ZoneInfo
    texts: Mapping[str, Any]

    @classmethod
    def of(cls, language: Language, zone: str, kinds: Mapping[str, Text] = MappingProxyType({})) -> "Phrases":
        """Those of a language; ``kinds`` are what the deployment's own models call theirs."""
        texts = _texts()[language]
        own = {kind: text.da if language == "da" else text.en for kind, text in kinds.items()}
        return cls(language, ZoneInfo(zone), {**texts, "kinds": {**texts["kinds"], **own}})

    def say(self, name: str, /, **parts: object) -> str:
        """A sentence with its parts filled in."""
        text: str = self.texts[name]
        return text.format(**parts)

    def word(self, table: str, name: str) -> str:
        """What a code is called; the code itself where nobody named it."""
        found: str = self.texts[table].get(name, name)
        return found

    def text(self, text: Text) -> str:
        """A text of the service's in this language."""
        return text.da if self.language == "da" else text.en

    def clock(self, instant: int, now: int) -> str:
        """``14:05``; with the date where it is not the day of ``now``. Instants in ms."""
        return self._dated(instant, now, f"{self._local(instant):%H:%M}")

    def at(self, instant: int, now: int) -> str:
        """The same within a sentence: ``at 14:05``, ``yesterday at 14:05``."""
        return self._dated(instant, now, self.say("at", time=f"{self._local(instant):%H:%M}"))

    def _dated(self, instant: int, now: int, time: str) -> str:
        at, today = self._local(instant), self._local(now)
        if at.date() == today.date():
            return time
        if at.date() == (today - timedelta(days=1)).date():
            return self.say("yesterday", at=time)
        return f"{at.day}.{at.month}. {time}" if self.language == "da" else f"{at.day} {at:%b} {time}"

    def stamp(self, instant: int) -> str:
        """Day and clock of an instant, in full."""
        at = self._local(instant)
        return f"{self.day(at.date().isoformat())} {at:%H:%M}"

    def day(self, text: str) -> str:
        """A calendar day (ISO 8601) as people write it: ``02.05.1951``, ``2 May 1951``."""
        day = date.fromisoformat(text)
        return f"{day:%d.%m.%Y}" if self.language == "da" else f"{day.day} {day:%b %Y}"

    def percent(self, part: float) -> str:
        """A probability, to the whole per cent; never a certainty that nobody has."""
        if part < 0.01:
            return "< 1 %"
        return "> 99 %" if part > 0.99 else f"{part * 100:.0f} %"

    def number(self, value: float, decimals: int) -> str:
        """A value as it is written in this language."""
        return self.decimal(f"{value:.{decimals}f}")

    def decimal(self, text: str) -> str:
        """A number's digits with this language's decimal sign."""
        return text.replace(".", ",") if self.language == "da" else text

    def _local(self, instant: int) -> datetime:
        return (_EPOCH + timedelta(milliseconds=instant)).astimezone(self.zone)


@cache
def _texts() -> Mapping[str, Any]:
    return tomllib.loads(_FILE.read_text(encoding="utf-8"))
