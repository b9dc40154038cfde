"""On what a run was made: figures mean nothing without it."""

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from kafka import KafkaAdminClient

from models.registry import shipped
from streams.settings import Settings

_PACKAGES = ("vagt", "faust-streaming", "aiokafka", "lightgbm", "orjson")
#: More than this many processes that want a processor before a run: something else disturbs it.
_QUIET_LOAD = 1.0


def describe(settings: Settings) -> dict[str, Any]:
    """The machine, the broker, the versions and the models."""
    admin = KafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap)
    try:
        brokers = admin.describe_cluster()["brokers"]
        kafka = admin.get_broker_version_data(brokers[0]["broker_id"]).broker_version_str
    finally:
        admin.close()
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "kafka": kafka,
        "brokers": len(brokers),
        "replication": settings.replication,
        "partitions": settings.partitions,
        "packages": {name: version(name) for name in _PACKAGES},
        "scorers": [f"{scorer.model.name} {scorer.model.version}" for scorer in shipped()],
        "load_average": round(os.getloadavg()[0], 2),
    }


def sentence(about: dict[str, Any]) -> str:
    """What `describe` found, for a person."""
    return (
        f"Apache Kafka {about['kafka']} ({about['brokers']} node, replication {about['replication']}, "
        f"{about['partitions']} partitions, acks=all), all on this machine: {about['cores']} cores "
        f"({about['processor']}), {about['memory_gib']} GiB. Python {about['python']}. "
        f"Scorers: {', '.join(about['scorers'])}."
    )


def disturbed() -> str | None:
    """A sentence when other programs keep the machine busy."""
    load = os.getloadavg()[0]
    return f"the machine was busy before the run (load average {load:.1f})" if load > _QUIET_LOAD else None


def processor_s(pid: int) -> float:
    """Seconds of processor time that a process has had."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
