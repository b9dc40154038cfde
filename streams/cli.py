"""The command line, `vagt`: each command imports what it needs when it runs, so that `--help` is quick."""

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from streams.commands.acls import acls
from streams.commands.archive import archive
from streams.commands.audit import audit
from streams.commands.board import board
from streams.commands.burden import burden
from streams.commands.deadletter import deadletter
from streams.commands.doctor import doctor
from streams.commands.erase import erase
from streams.commands.evaluate import evaluate
from streams.commands.mllp import mllp
from streams.commands.models import models
from streams.commands.monitor import monitor
from streams.commands.pseudonym import pseudonym
from streams.commands.repartition import repartition
from streams.commands.replay import replay
from streams.commands.topics import topics
from streams.commands.train import train
from streams.commands.up import up
from streams.commands.worker import worker


class _Broker(TyperGroup):
    """`vagt broker`, imported when it is asked for: Kafka's client takes long to load."""

    def make_context(self, *args: Any, **extra: Any) -> Any:
        commands = import_module("streams.commands.broker").broker
        return typer.main.get_command(commands).make_context(*args, **extra)


app = typer.Typer(
    name="vagt",
    help="Watches over patients: early warnings from vital signs and blood tests, as they arrive on Kafka.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(up)
app.command()(worker)
app.command()(board)
app.command()(mllp)
app.command()(monitor)
app.add_typer(typer.Typer(cls=_Broker), name="broker", help="The embedded Apache Kafka, on this machine alone.")
app.command()(replay)
app.command()(burden)
app.command()(erase)
app.command()(topics)
app.command()(repartition)
app.command()(doctor)
app.command()(acls)
app.add_typer(train, name="train")
app.add_typer(evaluate, name="evaluate")
app.add_typer(models, name="models")
app.add_typer(deadletter, name="deadletter")
app.add_typer(pseudonym, name="pseudonym")
app.add_typer(audit, name="audit")
app.add_typer(archive, name="archive")

if __name__ == "__main__":
    app()
