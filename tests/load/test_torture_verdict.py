"""The verdict finds each thing that can be lost, doubled, changed or turned back, and nothing in what is sound."""

from dataclasses import replace

import orjson
import pytest
from msgspec.structs import replace as replace_fields

from features.record import Record, encode
from load_tests.torture.oracle import MOVED, Expected, digest, state
from load_tests.torture.verdict import FIGURES, Found, Verdict, judge, judge_audit
from streams import audit, now, release
from streams.audit import Link
from streams.deadletter import Source
from streams.judge import judge as decided
from streams.settings import Settings
from streams.speech import spoken
from streams.terms import Terms

PATIENT = "p-1"
STATES = [Record(now=instant) for instant in (1, 2, 3)]
SHOWN = now.Now(patient=PATIENT, at="2026-01-01T00:00:00.000Z", ward="W")


def source(topic, offset, value, key=PATIENT, headers=()):
    raw = value if value is None or isinstance(value, bytes) else orjson.dumps(value)
    return Source(topic, 0, offset, 0, key.encode(), raw, headers)


def alert(sequence, event, **fields):
    return {
        "id": "a",
        "sequence": sequence,
        "kind": "news2",
        "patient": PATIENT,
        "trigger": {"offset": event},
        "emitted": "2026-01-01T00:00:00.000Z",
        "score": {"emitted": "then"},
        **fields,
    }


def score(event, **fields):
    return {"id": f"s{event}", "trigger": {"offset": event}, "emitted": "then", **fields}


def letter(event, item=0, reason="schema", value=b"what came"):
    headers = {"reason": reason, "partition": "0", "offset": str(event), "item": str(item)}
    return source("deadletter", event, value, headers=tuple((name, text.encode()) for name, text in headers.items()))


def shown(offset, patient=PATIENT, **fields):
    one = replace_fields(SHOWN, patient=patient, record=now.Place(0, offset), **fields)
    return source("patients.now", offset, now.encode(one), patient)


def gone(offset, patient="p-gone"):
    return source("patients.now", offset, None, patient)


def transaction(sequence, value=None):
    headers = (("alert", b"a"), ("sequence", b"%d" % sequence))
    return source("alerts.fhir", sequence, value or b"bundle %d" % sequence, headers=headers)


def silenced(output):
    return {name: value for name, value in output.items() if name != "emitted"}


def expected():
    return Expected(
        alerts={
            (PATIENT, "a", sequence): {**silenced(alert(sequence, event)), "score": {}}
            for sequence, event in ((1, 0), (2, 2))
        },
        scores={(0, event, f"s{event}"): silenced(score(event)) for event in (0, 2)},
        letters={(0, 1, 0): "schema"},
        states={PATIENT: [state(one) for one in STATES]},
        written={("p-2", "handover-1"), ("p-3", digest(b"misplaced").hex())},
        shown={PATIENT: SHOWN, "p-gone": None},
        told={(PATIENT, "a", sequence): digest(b"bundle %d" % sequence) for sequence in (1, 2)},
    )


def found(**topics):
    sound = Found(
        events=[
            source("events", 0, {"id": "x"}),
            source("events", 1, b"what came"),
            source("events", 2, {"id": "handover-1"}, "p-2"),
            source("events", 3, b"misplaced", "p-3", ((MOVED, b"1"),)),
        ],
        alerts=[source("alerts", 0, alert(1, 0)), source("alerts", 1, alert(2, 2))],
        scores=[source("scores", 0, [score(0)]), source("scores", 1, [score(2)])],
        letters=[letter(1)],
        changelog=[source("changelog", at, encode(one)) for at, one in enumerate(STATES)],
        shown=[shown(0, "p-gone"), shown(0, ward="before"), shown(1), gone(2)],
        told=[transaction(1), transaction(2)],
        audited=[],
    )
    return replace(sound, **topics)


def figures(**topics):
    return {name: count for name, count in judge(expected(), found(**topics)).figures.items() if count}


def test_what_the_step_says_is_sound():
    verdict = judge(expected(), found())
    assert verdict.sound
    assert list(verdict.figures) == list(FIGURES)
    assert verdict.compared == {
        "alerts": 2,
        "scores": 2,
        "dead letters": 1,
        "handovers": 2,
        "states": 1,
        "patients shown": 1,
        "transactions": 2,
    }


def test_repeats_alike_but_for_emitted_and_heartbeats_are_no_fault():
    again = alert(1, 0, emitted="2026-01-01T00:00:09.000Z", score={"emitted": "later"})
    beat = source("alerts", 3, {"heartbeat": True}, "_heartbeat")
    topics = found()
    verdict = judge(
        expected(),
        found(
            alerts=[*topics.alerts, source("alerts", 2, again), beat],
            scores=[*topics.scores, topics.scores[0]],
            letters=[*topics.letters, *topics.letters],
        ),
    )
    assert verdict.sound
    assert verdict.repeated == {"alerts": 1, "scores": 1, "dead letters": 1}


@pytest.mark.parametrize(
    "wrong",
    [[], [shown(0, ward="another")], [shown(1), gone(2, PATIENT)], [shown(1), shown(2, "p-gone")]],
    ids=["nothing", "another", "gone", "not gone"],
)
def test_a_patient_who_is_not_shown_as_decided_is_found(wrong):
    assert figures(shown=wrong) == {"shown otherwise": 1}


@pytest.mark.req("VAGT-REL-13")
def test_a_lost_alert_is_found_and_so_is_the_gap_that_it_leaves():
    assert figures(alerts=found().alerts[:1]) == {"lost alerts": 1}
    assert figures(alerts=found().alerts[1:]) == {"lost alerts": 1, "sequence gaps": 1}


def test_what_the_record_system_is_not_told_or_told_in_other_words_is_seen():
    again = [*found().told, transaction(1)]
    assert figures(told=again) == {}
    assert figures(told=found().told[1:]) == {"lost transactions": 1}
    assert figures(told=[*again, transaction(2, b"other")]) == {"differing transactions": 1}
    assert figures(told=[*again, transaction(3)]) == {"differing transactions": 1}


@pytest.mark.req("VAGT-REL-13")
def test_an_alert_that_nothing_called_for_is_found():
    assert figures(alerts=[*found().alerts, source("alerts", 2, alert(3, 2))]) == {"extra alerts": 1}


@pytest.mark.parametrize("fields", [{"kind": "aki"}, {"trigger": {"offset": 0}}, {"score": {"score": 1.0}}])
@pytest.mark.req("VAGT-REL-13")
def test_an_alert_with_another_content_is_found(fields):
    assert figures(alerts=[found().alerts[0], source("alerts", 1, alert(2, 2, **fields))]) == {"differing alerts": 1}


def test_a_repeat_that_differs_is_found():
    assert figures(alerts=[*found().alerts, source("alerts", 2, alert(2, 2, kind="aki"))]) == {"differing alerts": 1}


def test_changes_in_the_wrong_order_are_found():
    assert figures(alerts=found().alerts[::-1]) == {"out of order": 1}


def test_lost_extra_and_differing_scores_are_found():
    first, second = found().scores
    assert figures(scores=[first]) == {"lost scores": 1}
    assert figures(scores=[first, second, source("scores", 2, [score(3)])]) == {"extra scores": 1}
    assert figures(scores=[first, source("scores", 1, [score(2, score=0.5)])]) == {"differing scores": 1}


@pytest.mark.parametrize(
    "wrong",
    [letter(0), letter(1, item=1), letter(1, reason="internal-error"), letter(1, value=b"not what came")],
)
def test_a_dead_letter_that_nothing_explains_is_found(wrong):
    assert figures(letters=[letter(1), wrong]) == {"unexplained dead letters": 1}


def test_a_lost_dead_letter_is_found():
    assert figures(letters=[]) == {"lost dead letters": 1}


@pytest.mark.parametrize("missing", [2, 3])
def test_a_lost_handover_or_moved_record_is_found(missing):
    assert figures(events=[one for one in found().events if one.offset != missing]) == {"lost handovers": 1}


def test_checkpoints_may_leave_states_out():
    assert figures(changelog=found().changelog[2:]) == {}


@pytest.mark.req("VAGT-REL-02")
def test_an_older_state_after_a_newer_one_is_found_though_the_newest_comes_last():
    one, two, three = found().changelog
    assert figures(changelog=[one, three, two, three]) == {"states gone back": 1}


def test_a_changelog_that_ends_with_an_old_state_is_found():
    assert figures(changelog=found().changelog[:2]) == {"final states differing": 1}
    assert figures(changelog=[]) == {"final states differing": 1}


def test_a_state_that_the_step_never_gave_is_found():
    foreign = source("changelog", 0, encode(Record(now=9)))
    assert figures(changelog=[foreign, *found().changelog]) == {"unknown states": 1}


def test_the_audits_own_entries_in_the_changelog_are_left_alone():
    assert figures(changelog=[*found().changelog, source("changelog", 9, b"anything", "\0audit")]) == {}


TERMS = Terms.of(Settings(partitions=1))
#: Three ticks of a patient.
TICKS = [
    source("events", at, {"type": "tick", "patient": PATIENT, "at": f"2026-01-01T0{at}:00:00Z"}) for at in range(3)
]


def audited(lines=slice(None), again=()):
    """The audit of these ticks, the lines in one record; ``again`` numbers those that are decided once more."""
    decider = TERMS.decider()
    description = release.describe(TERMS, decider)
    link, record, written = Link.first(0), Record(), []
    for one in [*TICKS, *(TICKS[at] for at in again)]:
        done = decided(TERMS, decider, one, dict.fromkeys([PATIENT], record).__getitem__, lambda: "somebody")
        assert done.record is not None
        record = done.record
        body = audit.body(link.number + 1, one, done, release.digest(description), spoken(done).digest)
        link, line = link.then(body)
        written.append(line)
    packed = audit.pack(0, description, Link.first(0), written[lines])
    return [source("audit", at, value) for at, value in enumerate(packed)]


def audit_faults(**topics):
    verdict = Verdict()
    judge_audit(verdict, TERMS, found(events=TICKS, **topics))
    return verdict.figures["audited otherwise"], verdict.compared["audit entries"]


def test_an_audit_that_has_every_decision_once_is_sound():
    assert audit_faults(audited=audited()) == (0, 3)


def test_a_record_that_the_audit_leaves_out_is_found():
    assert audit_faults(audited=[]) == (3, 0)
    assert audit_faults(audited=audited(lines=slice(2))) == (1, 2)


def test_an_entry_that_is_missing_between_others_is_found():
    faults, _ = audit_faults(audited=audited(lines=slice(None, None, 2)))
    assert faults


def test_an_altered_entry_is_found():
    (one,) = audited()
    assert one.value is not None
    faults, _ = audit_faults(audited=[replace(one, value=one.value.replace(b'"moved":null', b'"moved":1', 1))])
    assert faults


def test_a_record_that_was_decided_twice_is_found():
    assert audit_faults(audited=audited(again=[2])) == (1, 3)
