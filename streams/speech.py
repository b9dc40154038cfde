"""What a decision says, as bytes: the same for the same decision, but for ``emitted``."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import orjson

from models.outputs import encode
from streams.judge import Judged

#: ``emitted`` is the last field of a score and of an alert, and empty in a decision.
_EMPTY: Final = b'"emitted":""}'


@dataclass(frozen=True, slots=True)
class Spoken:
    """Alerts, scores and what is sent to other patients, each as JSON without the time of emission, and their hash."""

    alerts: tuple[bytes, ...]
    scores: tuple[bytes, ...]
    digest: str


def spoken(judged: Judged) -> Spoken:
    """All that a decision says."""
    alerts = tuple(encode(one) for one in judged.alerts)
    scores = tuple(encode(one) for one in judged.scores)
    found = sha256()
    for kind, values in ((b"a", alerts), (b"s", scores), (b"h", [orjson.dumps(one.item) for one in judged.sends])):
        for value in values:
            found.update(b"%b%d:" % (kind, len(value)) + value)
    return Spoken(alerts, scores, found.hexdigest())


def at(value: bytes, emitted: bytes) -> bytes:
    """An alert or a score with the time of its emission."""
    assert value.endswith(_EMPTY)
    return value[:-2] + emitted + b'"}'
