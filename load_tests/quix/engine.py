"""The Quix Streams job as a process, and the topics that are its own."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from load_tests.channels import Channels
from load_tests.plan import Target
from load_tests.quix.environment import QuixError
from streams import kafka, topics
from streams.settings import Settings
from streams.topics import Topic

_JOB: Final = Path(__file__).with_name("job.py")
_STOP_S: Final = 20.0


@contextmanager
def output(settings: Settings) -> Iterator[str]:
    """The full name of the topic that the job writes; it and the job's changelog are gone afterwards."""
    name = settings.topic("quix.out")
    topics.ensure(settings.kafka_bootstrap, [Topic(name, settings.partitions)], settings.replication)
    try:
        yield name
    finally:
        admin = kafka.admin(settings)
        own = [one for one in admin.list_topics() if one == name or one.startswith(f"changelog__{_group(settings)}-")]
        admin.delete_topics(own)
        admin.close()


@contextmanager
def running(settings: Settings, python: Path, into: str) -> Iterator[Callable[[], None]]:
    """The job on the echo's input, as long as the block. What it yields raises when the job has ended.

    Raises:
        QuixError: by calling what is yielded.
    """
    folder = settings.data_dir / "quix"
    folder.mkdir()
    source = Channels.of(settings).inputs[Target.ECHO]
    log = folder / "log"
    command = [str(python), str(_JOB), settings.kafka_bootstrap, _group(settings), source, into, str(folder / "state")]
    with log.open("wb") as said:
        # It reads its input until that ends: so it ends with this process, however that ends.
        job = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=said, stderr=said, start_new_session=True)

    def check() -> None:
        if job.poll() is not None:
            tail = log.read_text(errors="replace")[-2000:]
            raise QuixError(f"The Quix Streams job ended with status {job.returncode}.\n{tail}")

    try:
        yield check
    finally:
        assert job.stdin is not None
        job.stdin.close()
        try:
            job.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            job.kill()
            job.wait()


def _group(settings: Settings) -> str:
    return f"{settings.group}-quix"
