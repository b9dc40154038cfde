"""What is shown of the house: lines in a language, who the patients are, and how far all of it can be trusted."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from statistics import median
from typing import Any, Final

from features.instants import MINUTE, parse
from streams.board.feed import SILENT_S, Health
from streams.board.house import House
from streams.board.phrases import LANGUAGES, Language, Phrases
from streams.board.row import Person, row
from streams.now import Now
from streams.pseudonym import PseudonymError, Pseudonyms
from streams.settings import Settings
from streams.terms import shelf

_MAIN: Final = "infection-risk"
#: A service that is so far behind is said to be.
_LAGS_S: Final = 30.0
#: What is usual is that of so many patients at least.
_USUAL_OF: Final = 5


class View:
    """The house as people see it."""

    def __init__(self, settings: Settings, house: House, health: Health) -> None:
        self._house = house
        self._health = health
        self._pseudonyms = Pseudonyms.of(settings)
        self._partitions = settings.partitions
        kinds = shelf(settings).titles()
        self._phrases = {one: Phrases.of(one, settings.timezone, kinds) for one in LANGUAGES}

    def phrases(self, language: Language) -> Phrases:
        """The sentences of a language."""
        return self._phrases[language]

    def line(self, patient: str, language: Language) -> dict[str, Any] | None:
        """A patient's row without the handle; ``None`` for who is not shown."""
        now = self._house.patients.get(patient)
        if now is None:
            return None
        found = row(now, self.person(now), self._house.trace(patient, _MAIN), self.clock(now), self._phrases[language])
        return {**found, "now": None if self.is_live() else parse(now.at)}

    def known(self, names: Iterable[str]) -> str | None:
        """The first patient here whom one of these identifiers names."""
        for name in names:
            for one in [name] if self._pseudonyms is None else self._pseudonyms.names(name):
                if one in self._house.patients:
                    return one
        return None

    def person(self, now: Now) -> Person:
        """Who a patient is; where that is sealed under a key that this board has not, the pseudonym alone."""
        if self._pseudonyms is None or now.sealed is None:
            return Person(now.patient, now.name, now.bed)
        try:
            identifier = self._pseudonyms.unseal(now.sealed, now.patient)
            name = now.name and self._pseudonyms.uncover("name", now.name, identifier)
            return Person(identifier, name, now.bed and self._pseudonyms.uncover("bed", now.bed, identifier))
        except PseudonymError:
            return Person(now.patient, None, None)

    def clock(self, now: Now) -> int:
        """From when a patient's ages count (ms): the board's clock, and in a replay the patient's own."""
        return time.time_ns() // 1_000_000 if self.is_live() else parse(now.at)

    def wards(self) -> list[str]:
        """The wards that somebody is on."""
        return sorted({one.ward for one in self._house.patients.values() if one.ward})

    def kinds(self) -> list[str]:
        """The kinds of alert that somebody has."""
        return sorted({alert.kind for one in self._house.patients.values() for alert in one.alerts})

    def rank(self, patient: str) -> tuple[bool, float]:
        """Where a patient stands by the risk of infection: the highest first, who cannot be judged last."""
        main = next((one for one in self._house.patients[patient].scores if one.kind == _MAIN), None)
        return (main is None or main.abstained, 0.0 if main is None else -main.score)

    def usual(self, ward: str | None, kind: str) -> float | None:
        """The middle one of the newest scores of a ward's patients; ``None`` where they are too few to say."""
        told = [one for now in self._house.patients.values() if now.ward == ward for one in now.scores]
        scores = [one.score for one in told if one.kind == kind and not one.abstained]
        return median(scores) if len(scores) >= _USUAL_OF else None

    def parts(self) -> list[dict[str, Any]]:
        """Each partition of the service, and how long ago it was heard."""
        found = []
        for number in range(self._partitions):
            beat = self._house.beats.get(number)
            silent = None if beat is None else int(time.monotonic() - beat.heard)
            state = "lost" if silent is None else "late" if silent > SILENT_S else "ok"
            lag = int(self._health.lag.seconds(number, time.monotonic()))
            live = beat is None or beat.live
            found.append({"part": number, "state": state, "seconds": silent, "live": live, "lag": lag})
        return found

    def models(self, language: Language) -> list[dict[str, Any]]:
        """Each model and rule: its version, of how many patients it spoke, and of how many it cannot tell."""
        say = self._phrases[language]
        found: dict[tuple[str, str, str], list[bool]] = defaultdict(list)
        for now in self._house.patients.values():
            for score in now.scores:
                found[say.word("kinds", score.kind), *score.model].append(score.abstained)
        return [
            {"kind": kind, "model": model, "version": version, "patients": len(told), "unsure": sum(told)}
            for (kind, model, version), told in sorted(found.items())
        ]

    def sources(self, language: Language) -> list[dict[str, Any]]:
        """Each group of measurements: when the newest became known, how long ago, and how many patients have any."""
        say, clock = self._phrases[language], time.time_ns() // 1_000_000
        known: dict[str, list[int]] = defaultdict(list)
        for now in self._house.patients.values():
            for group, (_, issued) in now.newest.items():
                known[group].append(parse(issued))
        return [
            {
                "group": say.word("groups", group),
                "newest": say.clock(max(when), clock),
                "minutes": max(0, clock - max(when)) // MINUTE if self.is_live() else None,
                "patients": len(when),
            }
            for group, when in sorted(known.items())
        ]

    def lying(self) -> Counter[str]:
        """How many patients lie in each ward."""
        return Counter(one.ward for one in self._house.patients.values() if one.ward and one.discharged is None)

    def pulse(self, language: Language) -> dict[str, Any]:
        """A sign of life, and what it is worth."""
        return {"at": time.time_ns() // 1_000_000, "trust": self.trust(language)}

    def trust(self, language: Language) -> dict[str, str]:
        """One line on whether the board can be trusted now: ``state`` and ``text``. What is stopped is named in it."""
        found, stopped = self._service(language), self._stopped(language)
        if not stopped:
            return found
        if found["state"] == "ok":
            return {"state": "late", "text": stopped}
        return {**found, "text": f"{found['text']} · {stopped}"}

    def _stopped(self, language: Language) -> str:
        """What nobody watches now, where, since when and why; empty for nothing."""
        say, clock = self._phrases[language], time.time_ns() // 1_000_000
        told = []
        for one in self._house.stops:
            kind = say.say("everything") if one.kind is None else say.word("kinds", one.kind)
            what = kind if one.ward is None else say.say("on_ward", kind=kind, ward=one.ward)
            told.append(say.say("since_why", what=what, at=say.clock(one.at, clock), why=one.why))
        return say.say("not_watched", what="; ".join(told)) if told else ""

    def _service(self, language: Language) -> dict[str, str]:
        """The same of the service by itself."""
        say, clock = self._phrases[language], time.time_ns() // 1_000_000
        if self._health.lost is not None:
            at = say.clock(int(self._health.lost * 1000), clock)
            return {"state": "lost", "text": say.say("lost", at=at)}
        if not self._health.ready:
            return {"state": "loading", "text": say.say("loading", percent=int(self._health.part * 100))}
        beats = self._house.beats
        if not beats:
            state = "lost" if time.time() - self._health.started > SILENT_S else "loading"
            return {"state": state, "text": say.say("nobody_decides" if state == "lost" else "loading", percent=99)}
        silent = [one for one in beats.values() if time.monotonic() - one.heard > SILENT_S]
        if silent or (len(beats) < self._partitions and time.time() - self._health.started > SILENT_S):
            since = say.clock(parse(min(one.at for one in silent or beats.values())), clock)
            parts = len(silent) + self._partitions - len(beats)
            return {"state": "late", "text": say.say("late", at=since, parts=parts, all=self._partitions)}
        lag = self._health.lag.longest(time.monotonic())
        if self.is_live() and lag > _LAGS_S:
            return {"state": "late", "text": say.say("lags", seconds=int(lag))}
        newest = max((one.at for one in self._house.patients.values()), default=None)
        if newest is None:
            return {"state": "ok", "text": say.say("ok_empty")}
        return {
            "state": "ok",
            "text": say.say("ok" if self.is_live() else "replay", at=say.clock(parse(newest), clock)),
        }

    def is_live(self) -> bool:
        """Whether the service decides what happens now, and replays no past."""
        return all(one.live for one in self._house.beats.values())
