"""`vagt monitor`: the watch over models and sources from the command line."""

from streams.commands.parent import Parent, end_with
from streams.commands.plain import plain_failures, settings


def monitor(parent: Parent = None) -> None:
    """Watch over models and sources until Ctrl-C, and write what is amiss to model.watch: drift, silence, outcomes."""
    own = settings()
    with plain_failures():
        from streams import log
        from streams.monitor.serve import serve

        log.configure()
        end_with(parent)
        serve(own)
