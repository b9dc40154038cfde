"""What is said when a patient's record is erased: every open alert expires, so that nobody waits for its end."""

from features.events import Control
from features.record import Record, at
from models.lifecycle import is_open
from models.outputs import Alert, Item, Trigger
from models.step import Decider, Place
from models.telling import Occasion, Result, tell


def farewell(decider: Decider, record: Record, control: Control, place: Place) -> tuple[Alert, ...]:
    """The last change of each open alert of the patient whom ``control`` erases."""
    record = at(record, max(record.now, control.at))
    occasion = Occasion(
        patient=control.of,
        items=((control.type, control.id, control.version),),
        replaced=frozenset(),
        adopted={},
        answers=(),
        trigger=Trigger(place.topic, place.partition, place.offset, (Item(control.id, control.version),)),
    )
    said: list[Alert] = []
    for scorer in decider.scorers:
        if is_open(record.alerts.get(scorer.kind)):
            manners = decider.quiet.of(scorer.kind)
            policy = manners.policy(scorer.policy, record.stay)
            record, changes = tell(Result(scorer, manners, policy, None), record, occasion)
            said += changes
    return tuple(said)
