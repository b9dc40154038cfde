"""What a worker does of itself when a control record stops something: who has an open alert gets a tick at once."""

import asyncio
from typing import Any

import pytest

from features.record import Record, encode
from models.roster import Roster, Stop
from models.step import Place, step
from streams.alarm import Alarms
from streams.desk import Desk
from streams.settings import Settings
from streams.shard import Shard, Topics
from tests.builders import PATIENT, encounter, observation
from tests.world import Gauge, unhurried

DECIDER = unhurried(Gauge())
#: Of each patient an open alert, in ward A.
ILL = step(
    DECIDER,
    Record(),
    PATIENT,
    [encounter("admit", 0, ward="A"), observation("heart_rate", 80, 1)],
    Place("events", 0, 0),
).record


class Stored:
    """A disk with one patient."""

    def read(self, partition: int, key: bytes) -> bytes | None:
        return encode(ILL) if key == b"stored" else None

    def patients(self, partition: int) -> list[str]:
        return ["stored"]


class Heard:
    """Takes what is sent."""

    async def send(self, *_: Any, **__: Any) -> "asyncio.Future[None]":
        return asyncio.get_running_loop().create_future()


@pytest.mark.parametrize(("ward", "due"), [(None, {"stored", "new"}), ("A", {"stored", "new"}), ("B", set())])
@pytest.mark.req("VAGT-MOD-14")
async def test_a_stop_finds_every_open_alert_stored_or_not_and_leaves_other_wards_alone(ward, due):
    store: Any = Stored()
    outputs: Any = Heard()
    topics = Topics("events", "changelog", "audit", "audit.identity", "patients.now")
    shard = Shard(0, topics, "vagt", b"{}", store, {}, outputs)
    desk = Desk(Settings(live=True), DECIDER, store, "changelog")
    desk._outputs, desk._shards, desk._alarms = outputs, {0: shard}, {0: Alarms()}
    shard.advance(0, b"{}", "new", ILL)
    shard.advance(1, b"{}", roster=Roster(stops=(Stop("gauge", ward, 0, "doctor", "it errs"),)))
    await desk._change(shard, ends=True)
    await desk._recalling[0]
    assert {patient for patient, _ in desk._alarms[0].take(ILL.now)} == due
