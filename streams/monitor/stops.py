"""Which notices take a model out of service, by the owner's rule: a stop on every partition, once for each notice."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, get_args

from models.monitor.notices import Notice, Type
from models.scorer import Scorer
from streams import rosters

#: On whose word: the rule is the owner's, and the watch carries it out.
BY: Final = "vagt-monitor"
_LONGEST: Final = 1000

#: The types of notices that stop a kind, and the names of its models.
Rules = Mapping[str, tuple[frozenset[str], frozenset[str]]]


class RuleError(ValueError):
    """The setting names no model or no type of notice; the message is one sentence for a person."""


def rules(pairs: Iterable[tuple[str, str]], scorers: tuple[Scorer, ...]) -> Rules:
    """What ``VAGT_WATCH_STOPS`` says, as pairs of a model and a type of notice.

    Raises:
        RuleError: no such model is loaded, or there is no such type.
    """
    types: dict[str, frozenset[str]] = {}
    for name, type_ in pairs:
        if type_ not in get_args(Type):
            raise RuleError(f"VAGT_WATCH_STOPS: {type_!r} is none of {', '.join(get_args(Type))}.")
        try:
            kind = rosters.kind_of(name, scorers)
        except rosters.UnknownModelError as error:
            raise RuleError(f"VAGT_WATCH_STOPS: {error}") from None
        types[kind] = types.get(kind, frozenset()) | {type_}
    return {
        kind: (found, frozenset(one.model.name for one in scorers if one.kind == kind))
        for kind, found in sorted(types.items())
    }


def stops(own: Rules, notice: Notice) -> Iterator[dict[str, Any]]:
    """The stops that follow from a notice that was raised: of each kind it is about, on its ward if it names one."""
    if notice.state != "raised":
        return
    for kind, (types, names) in own.items():
        if notice.type in types and not names.isdisjoint({notice.model, *notice.models}):
            why = f"Notice {notice.id} of the watch: {notice.text.en}"[:_LONGEST]
            yield rosters.of_stop("stop", kind, notice.ward, BY, why, notice.at)
