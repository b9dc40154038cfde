from base64 import b64encode
from itertools import permutations

import pytest

from features.apply import apply
from features.catalogue import Refused, catalogue
from features.events import Event, Handover, parse
from features.instants import DAY
from features.merge import news, packed
from features.record import ENCOUNTER, TREATMENT, Applied, Record, decode, encode
from features.series import Extremes
from tests.builders import START, after, at, encounter, moment, observation, tick, treatment

HEART, KIDNEY = "heart_rate", "creatinine"
OTHER = "p-2000"


def handed(record: Record, number: int = 1, path: tuple[str, ...] = ("p-1007",), **fields) -> Handover:
    """What a patient hands over to another, in one piece."""
    [state] = packed(record)
    return handover(number, path, state=state, at=fields.pop("at", max(record.now, START)), **fields)


def handover(number: int = 1, path: tuple[str, ...] = ("p-1007",), **fields) -> Handover:
    instant = (fields.pop("at", START) - START) / 3_600_000
    item = {"type": "handover", "id": f"h-{number}", "version": number, "patient": OTHER, "path": path}
    event = parse({**item, "at": at(instant), "origin": "vagt", **fields}, OTHER)
    assert isinstance(event, Handover)
    return event


def applied(record: Record, event: Event) -> Applied:
    return apply(record, event, catalogue())


def values(record: Record, analyte: str = HEART) -> list[float]:
    return [*record.series[analyte].values] if analyte in record.series else []


def theirs(*events: Event) -> Record:
    return after(*events)


def test_two_histories_join_in_the_order_of_their_times():
    own = after(observation(value=70, hour=1), observation(value=90, hour=3))
    change = applied(own, handed(theirs(observation(value=80, hour=2), observation(KIDNEY, 100, 4))))
    assert values(change.record) == [70, 80, 90]
    assert values(change.record, KIDNEY) == [100]
    assert change.changed == {HEART, KIDNEY}
    assert change.record.now == moment(4)


def test_of_an_observation_in_both_the_higher_version_stands():
    low, high = observation(value=60, id="x"), observation(value=99, id="x", version=2)
    taken = applied(after(low), handed(theirs(high)))
    assert values(taken.record) == [99]
    assert taken.replaced == {"x"}
    kept = applied(after(high), handed(theirs(low)))
    assert (values(kept.record), kept.changed) == ([99], frozenset())


def test_a_withdrawal_that_is_handed_over_takes_the_value_away():
    gone = observation(value=None, id="x", version=2, status="entered-in-error")
    assert values(after(observation(id="x"), handed(theirs(gone)))) == []


def test_what_is_older_than_is_kept_comes_as_the_extremes_of_its_day():
    change = after(tick(100), handed(theirs(observation(value=60), observation(value=90, hour=1))))
    assert values(change) == []
    assert change.series[HEART].extremes == (Extremes(START // DAY, 60, 90),)


def test_the_extremes_of_both_are_those_of_the_day_and_each_patients_can_be_taken_back():
    own = after(observation(value=60, id="own"), tick(100))
    old = after(observation(value=50), observation(value=90, hour=1), tick(100))
    joined = after(handed(old), record=own)
    assert joined.series[HEART].extremes == (Extremes(START // DAY, 50, 90),)
    back = after(handover(2, takenBack=["p-1007"]), record=joined)
    assert back.series[HEART].extremes == own.series[HEART].extremes


def test_what_expires_after_it_was_handed_over_is_taken_back_too():
    joined = after(observation(value=60, id="own"), handed(theirs(observation(value=90))), tick(100))
    assert joined.series[HEART].extremes == (Extremes(START // DAY, 60, 90),)
    assert after(handover(2, takenBack=["p-1007"]), record=joined).series[HEART].extremes == (
        Extremes(START // DAY, 60, 60),
    )
    at_once = handover(2, at=moment(100), takenBack=["p-1007"])
    early = after(observation(value=60, id="own"), handed(theirs(observation(value=90))))
    assert after(at_once, record=early).series[HEART].extremes == (Extremes(START // DAY, 60, 60),)


def test_an_unmerge_takes_back_all_that_came_and_nothing_else():
    own = after(
        observation(value=70, id="own"), encounter("admit", 0, ward="A", sex="male"), treatment("J01", "start", 0)
    )
    other = theirs(observation(value=80, hour=2), encounter("transfer", 2, ward="B"), treatment("B01AB01", "start", 2))
    joined = applied(own, handed(other))
    assert joined.changed == {HEART, ENCOUNTER, TREATMENT}
    assert (joined.record.stay.ward, len(joined.record.treatments)) == ("B", 2)
    assert joined.record.absorbed == ("p-1007",)
    back = applied(joined.record, handover(2, at=moment(3), takenBack=["p-1007"]))
    assert back.replaced == {"heart_rate-2"}
    assert (values(back.record), back.record.stay, back.record.treatments) == (values(own), own.stay, own.treatments)
    assert back.record.absorbed == ()


def test_what_both_were_sent_stays_after_an_unmerge_whichever_came_first():
    both: Event = observation(value=70, id="both")
    for order in permutations([both, handed(theirs(both))]):
        record = after(*order, handover(2, takenBack=["p-1007"]))
        assert values(record) == [70]


def test_an_encounter_record_that_both_were_sent_is_no_conflict():
    both: Event = encounter("admit", 0, ward="A")
    for order in permutations([both, handed(theirs(both))]):
        assert after(*order, handover(2, takenBack=["p-1007"])).stay.ward == "A"


def test_where_the_same_version_says_two_things_the_own_stays():
    own = after(observation(value=70, id="x"), encounter("admit", 0, ward="A"))
    joined = applied(own, handed(theirs(observation(value=99, id="x"), encounter("admit", 0, ward="B"))))
    assert (values(joined.record), joined.record.stay.ward, joined.changed) == ([70], "A", frozenset())


def test_a_repeated_handover_changes_nothing_though_others_came_between():
    first, second = handed(theirs(observation(value=80, hour=2))), handover(2, at=moment(3), takenBack=["p-1007"])
    record = after(first, second)
    for repeated in (first, second):
        again = applied(record, repeated)
        assert (again.record, again.changed, again.adopted) == (record, frozenset(), {})


def test_the_handovers_of_two_patients_are_counted_apart():
    one = handed(theirs(observation(value=80, hour=2)), 5)
    other = handed(theirs(observation(value=90, hour=3)), 1, path=("p-3",))
    assert values(after(one, other)) == [80, 90]


def test_the_person_is_who_they_were_and_the_place_is_the_newest():
    own = after(encounter("admit", 0, birthDate="1951-05-02", sex="male", name="N", ward="A"))
    other = theirs(encounter("admit", 5, birthDate="1900-01-01", sex="unknown", ward="B", flags=["pregnant"]))
    stay = after(handed(other), record=own).stay
    assert (stay.birth_date, stay.sex, stay.name) == ("1951-05-02", "male", "N")
    assert (stay.ward, stay.flags, stay.admitted) == ("B", ("pregnant",), moment(5))
    assert after(handed(other)).stay.sex == "unknown"


def test_whom_a_patient_was_merged_into_stays_with_the_patient():
    other = theirs(encounter("merge", 1, into=OTHER), encounter("admit", 0))
    assert [one.action for one in news(Record(), other).events] == ["admit"]


def test_news_is_what_the_other_does_not_have_yet():
    before = theirs(observation(value=70, hour=1), observation(KIDNEY, 100, 1))
    new = after(observation(value=80, hour=2), encounter("admit", 0), record=before)
    part = news(before, new)
    assert (values(part), values(part, KIDNEY), len(part.events)) == ([80], [], 1)
    assert news(new, new).series == {}
    corrected = after(observation(value=75, hour=1, version=2), record=new)
    assert values(news(new, corrected)) == [75]


def test_a_long_history_goes_in_pieces_that_add_up_to_it():
    whole = theirs(
        *(observation(value=60 + n % 50, hour=n / 60, id=f"{n}") for n in range(1_201)),
        observation(KIDNEY, 100, 1),
        encounter("admit", 0, ward="A"),
    )
    states = list(packed(whole))
    assert len(states) == 3
    pieces = [handover(n, state=state, at=whole.now) for n, state in enumerate(states, 1)]
    joined = after(*pieces)
    assert values(joined) == values(whole)
    assert values(joined, KIDNEY) == [100]
    assert joined.stay.ward == "A"
    assert list(packed(Record())) != []


def test_a_piece_is_small_enough_for_the_topic_with_the_longest_of_ids():
    whole = theirs(*(observation(value=60.5, hour=n / 60, id=f"{n:æ>200}") for n in range(600)))
    assert max(map(len, packed(whole))) < 1 << 20


@pytest.mark.parametrize("state", ["", "not base64!", "AAAA", b64encode(encode(Record())[:-1]).decode()])
def test_a_state_that_cannot_be_read_is_refused_and_leaves_the_record_as_it_was(state):
    record = after(observation())
    before = encode(record)
    with pytest.raises(Refused) as refused:
        applied(record, handover(state=state))
    assert refused.value.reason == "schema"
    assert encode(record) == before


def test_a_merge_back_into_oneself_is_refused():
    joined = after(handed(theirs(observation())))
    with pytest.raises(Refused) as refused:
        applied(joined, encounter("merge", 5, patient=OTHER, into="p-1007"))
    assert refused.value.reason == "conflict"
    apart = after(handover(2, takenBack=["p-1007"]), record=joined)
    assert after(encounter("merge", 5, patient=OTHER, into="p-1007"), record=apart).stay.into == "p-1007"


def test_what_came_before_of_others_is_known_and_taken_back_by_whose_it_was():
    middle = after(handed(theirs(observation(value=80, hour=2)), 1, ("p-1",)), observation(value=90, hour=3))
    end = after(handed(middle, 1, ("p-2", "p-1")))
    assert (values(end), end.absorbed) == ([80, 90], ("p-1", "p-2"))
    assert values(after(handover(2, ("p-2",), takenBack=["p-1"]), record=end)) == [90]
    assert values(after(handover(2, ("p-2",), takenBack=["p-2", "p-1"]), record=end)) == []


def test_a_record_with_what_was_handed_over_is_stored_and_comes_back():
    record = after(
        observation(value=60, id="own"), handed(theirs(observation(value=90), encounter("admit", 0))), tick(100)
    )
    again = decode(encode(record))
    assert encode(again) == encode(record)
    assert (again.absorbed, again.heard, again.stay) == (record.absorbed, record.heard, record.stay)
