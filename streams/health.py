"""How a worker is: asked of what turns and moves, and not of what was last said."""

import asyncio
from typing import Final

from streams.app import VagtApp
from streams.lookout import Lookout
from streams.metrics.probes import stuck

#: A partition in which records wait and nothing was committed for so long; after 90 s the watchdog ends the process.
STANDS_S: Final = 60.0


class WorkerHealth:
    """A worker's health, from before its app is there: it waits for its cluster first."""

    def __init__(self) -> None:
        self._running: tuple[VagtApp, asyncio.AbstractEventLoop, Lookout] | None = None

    def runs(self, app: VagtApp, loop: asyncio.AbstractEventLoop, lookout: Lookout) -> None:
        """The app is built, and about to run in this loop."""
        self._running = app, loop, lookout

    def dead(self) -> str | None:
        """Why the process had better be started again. A cluster that is away is no reason: that would mend nothing."""
        if self._running is None:
            return None
        app, loop, _ = self._running
        if app.lag.stands_s > STANDS_S:
            return f"Records wait, and nothing was made durable for {app.lag.stands_s:.0f} s."
        return stuck(loop)

    def unready(self) -> str | None:
        """Why no records are decided now."""
        if self._running is None:
            return "It waits for its cluster."
        app, _, lookout = self._running
        if lookout.away.since is not None:
            return "The cluster is away."
        return None if app.flowing else "It takes partitions over."
