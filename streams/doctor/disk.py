"""The disk of this machine, and the patients' records that workers keep on it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import rocksdict

from streams.doctor.finding import Finding, fault, ok, warning
from streams.settings import Settings

_DISK, _STATE = "disk", "state"
_GIB: Final = 1024**3


def check(settings: Settings) -> Iterator[Finding]:
    """Room, the right to write, and whether each partition's records can be read."""
    folder = settings.data_dir
    place = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    usage = shutil.disk_usage(place)
    told = f"{usage.free / _GIB:.1f} of {usage.total / _GIB:.0f} GiB are free at {folder}."
    if not os.access(place, os.W_OK):
        yield fault(_DISK, f"{folder} cannot be written to.", "No worker starts here.", "Give its user the right to.")
    elif usage.free < _GIB / 4 or usage.free < 0.02 * usage.total:
        yield fault(
            _DISK, told, "A worker whose disk is full ends, and does not come back here.", "Make room, or move it."
        )
    elif usage.free < _GIB or usage.free < 0.1 * usage.total:
        yield warning(
            _DISK, told, "Records, and the embedded Kafka's log, grow.", "Make room (`du -sh` says what is large)."
        )
    else:
        yield ok(_DISK, told)
    stores = sorted(folder.glob("workers/*/v1/tables/*.db"))
    broken = [one for one in stores if not _is_readable(one)]
    for store in broken:
        yield warning(
            _STATE,
            f"The records in {store} cannot be read.",
            "The worker ends when it takes this partition over. Kafka has them all.",
            f"Stop the worker, remove {store}, and start it: it restores them from the changelog.",
        )
    if stores and not broken:
        yield ok(_STATE, f"The records of {len(stores)} partitions on this disk can be read.")


def _is_readable(store: Path) -> bool:
    """Whether a partition's records can be read, also beside a worker that has them open."""
    try:
        opened = rocksdict.Rdict(
            str(store), rocksdict.Options(raw_mode=True), access_type=rocksdict.AccessType.read_only(False)
        )
        next(iter(opened.keys()), None)
        opened.close()
    except Exception:  # RocksDB's own kind
        return False
    return True
