"""`vagt mllp`: the HL7 v2 listener from the command line."""

from typing import Annotated

import typer

from streams.commands.parent import Parent, end_with
from streams.commands.plain import plain_failures, settings


def mllp(
    port: Annotated[int | None, typer.Option(min=1, max=65_535, help="Where it listens.", show_default="2575")] = None,
    parent: Parent = None,
) -> None:
    """Take HL7 v2 messages by MLLP until Ctrl-C or SIGTERM, and hand them to the topic hl7.

    ORU^R01 and ADT (A01, A02, A03, A08, A11, A12, A13, A40). A message is acknowledged once Kafka has it.
    """
    own = settings()
    with plain_failures():
        from streams import log
        from streams.hl7.serve import serve

        log.configure()
        end_with(parent)
        serve(own, port or own.mllp_port)
