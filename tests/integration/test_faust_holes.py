"""Each known hole of plain Faust, provoked on the real broker, and that this service's mends close it.

A test runs the app of ``plain_faust`` twice at once, plain and mended, under the same provocation. That the plain one
fails is asserted too: once it does not, upstream has closed the hole, and the mend in ``streams.mends`` can go.
"""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import faust
import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

from streams import mends
from streams.restore import restore
from streams.settings import Settings
from streams.store import PatientStore
from streams.topics import Topic, ensure
from tests.integration.plain_faust import NUMBERS, WATCHED_S

_PATIENCE_S = 240.0

pytestmark = pytest.mark.slow


class Lab:
    """One trial: its topics, its processes, and what came out."""

    def __init__(self, bootstrap: str, prefix: str, folder: Path, scenario: str, **trial: Any) -> None:
        folder.mkdir(exist_ok=True)
        self.settings = Settings(kafka_bootstrap=bootstrap, topic_prefix=prefix)
        self._trial = {"bootstrap": bootstrap, "prefix": prefix, "scenario": scenario, **trial}
        self._folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        self.changelog = f"{prefix}vagt-{prefix}seen-changelog"
        names = [f"{prefix}numbers", f"{prefix}out", self.changelog, f"{prefix}vagt-{prefix}other-changelog"]
        # Records can be deleted only from topics that are cleaned by deleting.
        policies = {name: "compact,delete" if "changelog" in name else "delete" for name in names}
        ensure(self.settings, [Topic(name, 1, settings={"cleanup.policy": policies[name]}) for name in names])

    def start(self, **changed: Any) -> subprocess.Popen[bytes]:
        """Start the app."""
        trial = json.dumps(self._trial | changed)
        number = len(self.processes)
        with (self._folder / f"{number}.out").open("wb") as out, (self._folder / f"{number}.log").open("wb") as log:
            command = [sys.executable, "-m", "tests.integration.plain_faust", trial]
            self.processes.append(subprocess.Popen(command, stdout=out, stderr=log))
        return self.processes[-1]

    def stop(self) -> None:
        """End the app as a person would, and wait for it."""
        self.processes[-1].send_signal(signal.SIGTERM)
        self.processes[-1].wait(_PATIENCE_S)

    def close(self) -> None:
        """End whatever still runs."""
        for process in self.processes:
            process.kill()
            process.wait()

    def send(self, *values: Any, topic: str = "numbers", key: bytes | None = None) -> None:
        """Send values, as JSON but for bytes."""
        with KafkaProducer(bootstrap_servers=self.settings.kafka_bootstrap) as producer:
            for value in values:
                raw = value if isinstance(value, bytes) else json.dumps(value).encode()
                producer.send(topic if "changelog" in topic else self._name(topic), raw, key)
            producer.flush()

    def out(self) -> list[int]:
        """The numbers that came out so far."""
        with KafkaConsumer(bootstrap_servers=self.settings.kafka_bootstrap, group_id=None) as reader:
            tp = TopicPartition(self._name("out"), 0)
            reader.assign([tp])
            reader.seek_to_beginning(tp)
            found: list[int] = []
            while reader.position(tp) < reader.end_offsets([tp])[tp]:
                found += [json.loads(one.value) for one in reader.poll(500).get(tp, [])]
            return found

    def committed(self) -> int:
        """The group's next number."""
        settings = self.settings
        with KafkaConsumer(bootstrap_servers=settings.kafka_bootstrap, group_id=settings.group) as reader:
            return reader.committed(TopicPartition(self._name("numbers"), 0)) or 0

    def truncate_changelog(self, before: int) -> None:
        """Take the changelog's first records away, as retention does."""
        admin = KafkaAdminClient(bootstrap_servers=self.settings.kafka_bootstrap)
        admin.delete_records({TopicPartition(self.changelog, 0): before})
        admin.close()

    def told(self) -> str:
        """What the processes told."""
        return "".join(file.read_text() for file in sorted(self._folder.glob("*.out")))

    def log(self) -> str:
        """What the processes logged."""
        return "".join(file.read_text() for file in sorted(self._folder.glob("*.log")))

    def until(self, happened: Callable[[], bool]) -> None:
        """Wait until something has happened."""
        deadline = time.monotonic() + _PATIENCE_S
        while not happened():
            failed = time.monotonic() > deadline or self.processes[-1].poll() is not None
            assert not failed, f"{self._trial}\n{self.told()}\n{self.log()[-4000:]}"
            time.sleep(0.1)

    def until_told(self, what: str) -> None:
        """Wait until a process told this."""
        self.until(lambda: what in self.told())

    def _name(self, topic: str) -> str:
        return f"{self.settings.topic_prefix}{topic}"


@pytest.fixture
def make(broker: str, topic_prefix: str, tmp_path: Path) -> Iterator[Callable[..., Lab]]:
    """Makes trials: the scenario, and what else ``plain_faust.Trial`` has."""
    made: list[Lab] = []

    def one(scenario: str, **trial: Any) -> Lab:
        number = len(made)
        made.append(Lab(broker, f"{topic_prefix}{number}.", tmp_path / str(number), scenario, **trial))
        return made[-1]

    yield one
    for lab in made:
        lab.close()


@pytest.fixture
def both(make: Callable[..., Lab]) -> Callable[..., tuple[Lab, Lab]]:
    """Makes a plain and a mended trial of a scenario."""
    return lambda scenario, **trial: (make(scenario, **trial), make(scenario, mended=True, **trial))


def _finish(lab: Lab) -> tuple[set[int], int]:
    """Send a last number, wait for it, and end the app: the numbers that never came out, and what is committed."""
    lab.send(NUMBERS)
    lab.until(lambda: NUMBERS in lab.out())
    lab.stop()
    return set(range(NUMBERS)) - set(lab.out()), lab.committed()


@pytest.mark.req("VAGT-REL-04")
def test_the_mends_are_for_the_installed_faust() -> None:
    assert version("faust-streaming") == mends.MENDS


@pytest.mark.req("VAGT-REL-04")
def test_recovery_seeks_before_it_resumes(both: Callable[..., tuple[Lab, Lab]]) -> None:
    """Issue 596. Provoked: the seek to the committed offsets takes two seconds, while records wait.

    Plain Faust has resumed the partitions by then: it throws away what it read during the seek.
    """
    labs = both("slow-seek")
    for lab in labs:
        lab.send(1, topic=lab.changelog, key=b'"earlier"')  # so that there is something to recover
        lab.send(*range(NUMBERS))
        lab.start()
    for lab in labs:
        lab.until_told("flows")
    (lost_plain, _), (lost, committed) = (_finish(lab) for lab in labs)
    assert len(lost_plain) > 0
    assert lost == set()
    assert committed == NUMBERS + 1


@pytest.mark.req("VAGT-REL-04")
def test_no_commit_passes_over_a_record_in_hand(both: Callable[..., tuple[Lab, Lab]]) -> None:
    """Issue 606. Provoked: of two actors, the one with the first record never finishes it.

    Plain Faust commits what the other one did, and with it the first record. A mended app has one actor.
    """
    plain, mended = both("concurrency")
    for lab in (plain, mended):
        lab.send(*range(NUMBERS))
        lab.start()
        lab.until_told("held")
    plain.until(lambda: plain.committed() > 0)
    assert 0 not in plain.out()
    assert mended.committed() == 0


def test_a_mended_app_has_one_actor_for_each_agent() -> None:
    app = mends.MendedApp("unstarted")
    with pytest.raises(ValueError, match="loses records"):
        app.agent(app.topic("numbers"), concurrency=2)
    assert isinstance(app, faust.App)


@pytest.mark.req("VAGT-REL-04")
def test_a_failed_commit_is_tried_again(both: Callable[..., tuple[Lab, Lab]]) -> None:
    """Issue 316. Provoked: the last commit fails, as it does when the group has rebalanced.

    Plain Faust takes it for done, and never commits these records, not even when it is ended in order.
    """
    plain, mended = both("failed-commit")
    for lab in (plain, mended):
        lab.send(*range(NUMBERS))
        lab.start()
    for lab in (plain, mended):
        lab.until_told("commit-failed")
    mended.until(lambda: mended.committed() == NUMBERS)
    plain.stop()
    assert len(set(plain.out())) == NUMBERS
    assert plain.committed() < NUMBERS


def test_recovery_does_not_wait_for_changes_that_are_gone(both: Callable[..., tuple[Lab, Lab]]) -> None:
    """Issues 176 and 651. Provoked: the changelog's first records are deleted; the app reads new topics from their end.

    Plain Faust seeks to the offset before the first one, is reset to the end, and waits there for ever.
    """
    plain, mended = both("nothing", reset="latest")
    for lab in (plain, mended):
        lab.send(*range(20), topic=lab.changelog, key=b'"earlier"')
        lab.truncate_changelog(10)
        lab.start()
    mended.until_told("ready")
    plain.until(lambda: "Restoring state" in plain.log())
    time.sleep(5)
    assert "ready" not in plain.told()


class _Disk:
    """What ``restore`` asks of a store."""

    def __init__(self, followed: str | None = None, reached: int | None = None) -> None:
        self.records: list[bytes | None] = []
        self.followed = followed
        self._reached = reached

    def reached(self, partition: int) -> int | None:
        return self._reached

    def follows(self, partition: int) -> str | None:
        return self.followed

    def follow(self, partition: int, changelog: str) -> None:
        self.followed = changelog

    def forget(self, partition: int) -> None:
        self._reached = self.followed = None

    def write(self, partition: int, items: Iterable[tuple[bytes, bytes | None]], offset: int) -> None:
        self.records += [value for _, value in items]


async def test_a_restore_begins_where_the_changelog_does(make: Callable[..., Lab]) -> None:
    """Issues 176 and 651, for the restore that replaces Faust's."""
    lab, disk = make("nothing"), _Disk()
    lab.send(*range(20), topic=lab.changelog, key=b"earlier")
    lab.truncate_changelog(10)
    await restore(lab.settings, cast(PatientStore, disk), lab.changelog, "this", [0])
    assert disk.records == [b"%d" % number for number in range(10, 20)]


@pytest.mark.parametrize(
    ("followed", "reached", "first"),
    [(None, 4, 5), ("this", 4, 5), ("this", 20, 0), ("another", 4, 0), ("another", None, 0)],
)
async def test_a_disk_goes_on_in_the_changelog_that_it_followed_and_in_no_other(
    make: Callable[..., Lab], followed: str | None, reached: int | None, first: int
) -> None:
    """A changelog that was put back from a backup has other offsets than the one before."""
    lab, disk = make("nothing"), _Disk(followed, reached)
    lab.send(*range(20), topic=lab.changelog, key=b"earlier")
    await restore(lab.settings, cast(PatientStore, disk), lab.changelog, "this", [0])
    assert disk.records == [b"%d" % number for number in range(first, 20)]
    assert disk.followed == "this"


def test_a_stray_change_changes_no_table(both: Callable[..., tuple[Lab, Lab]]) -> None:
    """Provoked: after a change of one table, the queue holds one of another table's partition, given back meanwhile.

    Plain Faust logs that it is unknown, and applies it to the first table.
    """
    plain, mended = both("stray-change")
    for lab in (plain, mended):
        lab.start()
    for lab in (plain, mended):
        lab.until_told("seen")
    assert "stray" in plain.told()
    assert "stray" not in mended.told()


@pytest.mark.long
def test_a_recovery_that_hangs_ends_the_worker(both: Callable[..., tuple[Lab, Lab]]) -> None:
    """Provoked: the broker does not say what is committed.

    Plain Faust gives up after its timeout, silently: the worker keeps its partitions and reads nothing any more.
    """
    plain, mended = both("endless-seek")
    for lab in (plain, mended):
        lab.send(*range(NUMBERS))
        lab.start()
    for lab in (plain, mended):
        lab.until_told("seek-abandoned")
    assert mended.processes[0].wait(_PATIENCE_S) == 1
    time.sleep(3)
    assert plain.processes[0].poll() is None
    assert plain.out() == []


@pytest.mark.long
@pytest.mark.parametrize(
    ("scenario", "says"),
    [
        ("hang", "worker.stalled"),
        ("block-worker", "worker.stuck"),
        ("keep-interpreter", "Timeout"),
    ],
)
@pytest.mark.req("VAGT-REL-06")
def test_a_worker_that_falls_silent_is_ended(make: Callable[..., Lab], scenario: str, says: str) -> None:
    """Issues 175, 640, 523, 532, 549, 306. Provoked: an agent, the loop or the interpreter hangs."""
    lab = make(scenario, mended=True, watched=True)
    lab.send(*range(NUMBERS))
    lab.start()
    assert lab.processes[0].wait(_PATIENCE_S) == 1
    assert says in lab.told() + lab.log()
    lab.start(scenario="nothing")
    lab.until(lambda: set(lab.out()) >= set(range(NUMBERS)))


@pytest.mark.long
def test_plain_faust_stays_silent(make: Callable[..., Lab]) -> None:
    """What the watchdog is for: an agent hangs, and nothing ends."""
    lab = make("hang")
    lab.send(*range(NUMBERS))
    lab.start()
    lab.until_told("held")
    time.sleep(2 * WATCHED_S)
    assert lab.processes[0].poll() is None
    assert lab.out() == []


@pytest.mark.long
@pytest.mark.req("VAGT-REL-04")
def test_a_fault_in_an_agent_loses_no_record(both: Callable[..., tuple[Lab, Lab]]) -> None:
    """Provoked: the agent raises once, at number 5.

    Plain Faust starts the agent again behind the record, and commits it. A mended app ends, and reads it again.
    """
    plain, mended = both("raise")
    for lab in (plain, mended):
        lab.send(*range(NUMBERS))
        lab.start()
    plain.until(lambda: plain.committed() == NUMBERS)
    assert set(range(NUMBERS)) - set(plain.out()) == {5}
    assert mended.processes[0].wait(_PATIENCE_S) == 1
    assert mended.committed() <= 5
    mended.start(scenario="nothing")
    mended.until(lambda: set(mended.out()) == set(range(NUMBERS)))


def test_a_partition_that_cannot_be_claimed_ends_the_worker(make: Callable[..., Lab]) -> None:
    lab = make("claim-fails", mended=True)
    lab.start()
    assert lab.processes[0].wait(_PATIENCE_S) == 1


@pytest.mark.long
def test_a_rebalance_ends_a_claim_that_hangs(make: Callable[..., Lab]) -> None:
    """Provoked: a takeover never ends; then a second worker comes. The first lets go before the second takes over."""
    lab = make("slow-claim", mended=True)
    lab.send(*range(NUMBERS))
    lab.start()
    lab.until_told("claiming")
    lab.start(scenario="nothing")
    lab.until_told("claim-abandoned")
    lab.until(lambda: set(lab.out()) == set(range(NUMBERS)))
    assert [process.poll() for process in lab.processes] == [None, None]
