"""`vagt broker`: the embedded Apache Kafka from the command line."""

import signal
import time
from pathlib import Path
from typing import Annotated

import typer

from streams.broker import DEFAULT_PORT, Broker, BrokerError

broker = typer.Typer(help="The embedded Apache Kafka, on this machine alone.")

Nodes = Annotated[int, typer.Option(min=1, help="Nodes of the cluster; with 3, topics may have three replicas.")]
Port = Annotated[
    int,
    typer.Option(min=1024, max=65_000, help="The first node's port; each node takes two, one after the other."),
]
DataDir = Annotated[Path, typer.Option(envvar="VAGT_DATA_DIR", help="Where the broker keeps its data.")]
DEFAULT_DATA_DIR = Path("~/.local/share/vagt")


@broker.callback(invoke_without_command=True)
def run(
    context: typer.Context, nodes: Nodes = 1, port: Port = DEFAULT_PORT, data_dir: DataDir = DEFAULT_DATA_DIR
) -> None:
    """Run the embedded Apache Kafka until Ctrl-C; `start` leaves it running instead."""
    if context.invoked_subcommand is not None:
        return
    kafka = Broker(data_dir, port, nodes)
    for end in (signal.SIGINT, signal.SIGTERM):  # a shell starts what runs in its background with SIGINT ignored
        signal.signal(end, signal.default_int_handler)
    try:
        _start(kafka)
        while kafka.status().running:
            time.sleep(1.0)
        typer.echo("Apache Kafka ended by itself: " + _logs(kafka), err=True)
        raise typer.Exit(1)
    except KeyboardInterrupt:
        typer.echo("Stopping Apache Kafka")
    finally:
        kafka.stop()


@broker.command()
def start(nodes: Nodes = 1, port: Port = DEFAULT_PORT, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Start the broker, wait until it answers, and leave it running."""
    _start(Broker(data_dir, port, nodes))


@broker.command()
def stop(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Stop the broker; its data stay."""
    try:
        Broker(data_dir).stop()
    except BrokerError as error:
        _fail(error)
    typer.echo("Apache Kafka is stopped")


@broker.command()
def status(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Say what runs; exit status 1 when not every node does."""
    now = Broker(data_dir).status()
    for node in now.nodes:
        runs = f"process {node.pid}, {'answers' if node.answers else 'does not answer'}" if node.pid else "stopped"
        typer.echo(f"node {node.node}  port {node.port}  {runs}  log {node.log}")
    typer.echo(f"Apache Kafka answers at {now.bootstrap}" if now.running else "Apache Kafka does not run")
    raise typer.Exit(0 if now.running else 1)


def _start(kafka: Broker) -> None:
    try:
        kafka.start(typer.echo)
    except BrokerError as error:
        _fail(error)
    typer.echo(f"Apache Kafka answers at {kafka.bootstrap}")


def _fail(error: BrokerError) -> None:
    typer.echo(str(error), err=True)
    raise typer.Exit(1)


def _logs(kafka: Broker) -> str:
    return ", ".join(str(node.log) for node in kafka.status().nodes) + " may say why."
