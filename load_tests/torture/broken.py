"""Workers that are broken on purpose: the torture run must find each of them out.

`python -m load_tests.torture.broken BUILD worker ...` is `vagt worker ...` with the shell changed before it starts.
"""

import asyncio
import sys
import uuid
from collections.abc import Callable
from typing import Any, Final

from features import apply
from features.record import find
from streams import desk, kafka, shard
from streams.topics import OWN_KEY


def _state_first() -> None:
    """Records and offset are committed before the outputs are sent, which go out with the next checkpoint."""
    start, checkpoint = desk.Desk.start, desk.Desk.checkpoint

    async def start_held(self: Any) -> None:
        await start(self)
        self._outputs = _Held(self._outputs)

    async def checkpoint_first(self: Any) -> None:
        held = self._outputs.take()
        await checkpoint(self)
        await self._outputs.flush(held)

    desk.Desk.start = start_held  # type: ignore[method-assign]
    desk.Desk.checkpoint = checkpoint_first  # type: ignore[method-assign]


class _Held:
    """A producer that keeps what it is given until it is told to send."""

    def __init__(self, producer: Any) -> None:
        self._producer = producer
        self._held: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    async def send(self, *args: Any, **extra: Any) -> Any:
        self._held.append((args, extra))
        done = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    def take(self) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        held, self._held = self._held, []
        return held

    async def flush(self, held: list[tuple[tuple[Any, ...], dict[str, Any]]]) -> None:
        for args, extra in held:
            await self._producer.send(*args, **extra)

    async def stop(self) -> None:
        await self.flush(self.take())
        await self._producer.stop()


def _offset_apart() -> None:
    """Outputs and offset go out, and the patients' records that they rest on are written with the next checkpoint."""
    commit: Any = shard.Shard._commit

    async def commit_apart(self: Any, encoded: Any, _shown: Any, *rest: Any) -> Any:
        earlier, self.late = getattr(self, "late", ()), [one for one in encoded if not _is_own(one[0])]
        return await commit(self, [*earlier, *(one for one in encoded if _is_own(one[0]))], (), *rest)

    shard.Shard._commit = commit_apart  # type: ignore[assignment,method-assign]


def _is_own(key: bytes) -> bool:
    """Whether the changelog's key is none of a patient's."""
    return key.startswith(OWN_KEY)


def _no_id_check() -> None:
    """A result that comes again is taken for a new one."""
    observe: Any = apply._observe

    def observe_again(before: Any, event: Any, *rest: Any) -> Any:
        while find(before, event.id) is not None:
            event = event.model_copy(update={"id": f"{event.id}#"})
        return observe(before, event, *rest)

    apply._observe = observe_again  # type: ignore[assignment]


def _no_fence() -> None:
    """Each owner of a partition has a transactional id of its own, so nobody ends the former one's right to write."""
    producer: Any = kafka.producer

    def unfenced(settings: Any, transactional_id: str | None = None, **more: Any) -> Any:
        own = None if transactional_id is None else f"{transactional_id}-{uuid.uuid4().hex}"
        return producer(settings, own, **more)

    kafka.producer = unfenced


BUILDS: Final[dict[str, Callable[[], None]]] = {
    "state-first": _state_first,
    "offset-apart": _offset_apart,
    "no-id-check": _no_id_check,
    "no-fence": _no_fence,
}


if __name__ == "__main__":
    BUILDS[sys.argv.pop(1)]()
    from streams.cli import app

    app()
