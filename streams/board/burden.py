"""The page of alert burden: each ward's figures as texts, beside the ranges that others published. Pure."""

from typing import Any, Final

from features.instants import DAY
from streams.board.journal import KEPT, Figures, Journal
from streams.board.phrases import Phrases

#: Alerts per 100 patient-days in 683,617 admissions: doi 10.1177/20552076251404509.
REFERENCES: Final = (("NEWS2", 1.9, 5.5), ("Q-ADDS, MEWS", 1.0, 3.8), ("BTF", 4.1, 18.0))
#: The scale goes so far at least.
_SCALE: Final = 20.0


def page(journal: Journal, clock: int, say: Phrases) -> dict[str, Any]:
    """What the page shows at an instant (ms). Places on the scale are in per cent of its width."""
    figures = journal.figures(clock)
    most = max((one.per_100_days or 0.0 for one in figures), default=0.0)
    top = _SCALE * max(1, -(-most // _SCALE))
    return {
        "since": None if journal.since is None else say.clock(journal.since, clock),
        "kept": KEPT // DAY,
        "top": say.number(top, 0),
        "references": [
            {"name": name, "text": f"{say.number(low, 1)}–{say.number(high, 1)}", "from": low / top, "to": high / top}
            for name, low, high in REFERENCES
        ],
        "figures": [_texts(one, top, say) for one in figures],
    }


def _texts(one: Figures, top: float, say: Phrases) -> dict[str, Any]:
    return {
        "ward": one.ward,
        "alerts": one.alerts,
        "days": say.number(one.days, 1),
        "rate": "" if one.per_100_days is None else say.number(one.per_100_days, 1),
        "at": None if one.per_100_days is None else one.per_100_days / top,
        "minutes": "" if one.minutes is None else say.number(one.minutes, 0),
        **{
            name: "" if share is None else f"{100 * share:.0f} %"
            for name, share in (("answered", one.answered), ("taken", one.taken), ("true", one.true))
        },
    }
