"""Where the archive lies: a local folder, or a bucket of an S3-compatible store. Both are written and read alike."""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pyarrow import fs

from streams.archive.segments import ArchiveError, Segment
from streams.settings import Settings

_LOCK = ".lock"
#: The end of the name of a file that is being written.
_UNFINISHED = ".part"


class Place:
    """The archive's files, by their paths inside it."""

    def __init__(self, store: Any, root: str) -> None:
        self.store = store
        self._root = root.rstrip("/")
        self.local = isinstance(store, fs.LocalFileSystem)

    @classmethod
    def of(cls, settings: Settings, new: bool = False) -> "Place":
        """That of ``VAGT_ARCHIVE``; ``new`` if it need not be there yet.

        Raises:
            ArchiveError: there is none, or it cannot be reached.
        """
        if settings.archive is None:
            raise ArchiveError("VAGT_ARCHIVE names no archive: give it a folder, or s3://bucket/path.")
        place = cls.at(settings.archive)
        with _said():
            # Of a store the bucket is looked for: there are no folders below it.
            root = place.path("").rstrip("/") if place.local else place.path("").partition("/")[0]
            if not (new and place.local) and place.store.get_file_info(root).type == fs.FileType.NotFound:
                raise ArchiveError(
                    f"There is no archive at {settings.archive} (VAGT_ARCHIVE): `vagt archive` writes it."
                )
        return place

    @classmethod
    def at(cls, where: str, environment: Mapping[str, str] = os.environ) -> "Place":
        """That of a folder, or of ``s3://bucket/path``, whose store the usual ``AWS_*`` variables describe."""
        parts = urlsplit(where)
        if parts.scheme != "s3":
            return cls(fs.LocalFileSystem(), str(Path(where).expanduser().resolve()))
        endpoint = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL")
        region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
        with _said():
            store = fs.S3FileSystem(endpoint_override=endpoint, region=region or ("us-east-1" if endpoint else None))
        return cls(store, f"{parts.netloc}{parts.path}")

    def path(self, path: str) -> str:
        """The path for the store."""
        return f"{self._root}/{path}"

    def segments(self, topic: str, partition: int | None = None) -> list[Segment]:
        """The segments of a topic, or of one of its partitions, in order."""
        below = topic if partition is None else f"{topic}/partition={partition}"
        found = (Segment.named(path) for path in self._files(below))
        return sorted(one for one in found if one is not None)

    def read(self, path: str) -> Any:
        """A file, open for reading; close it."""
        with _said():
            return self.store.open_input_file(self.path(path))

    def has(self, path: str) -> bool:
        """Whether there is such a file."""
        with _said():
            return bool(self.store.get_file_info(self.path(path)).type == fs.FileType.File)

    def put(self, path: str, content: Any) -> None:
        """Write a file (from a buffer), so that nobody ever sees a part of it under its name."""
        with _said():
            if self.local:
                _put(Path(self.path(path)), content)
                return
            stream = self.store.open_output_stream(self.path(path))
            stream.write(content)
            stream.close()
            if self.store.get_file_info(self.path(path)).size != content.size:
                raise ArchiveError(f"The store does not have all of {path} that was written.")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While nobody else writes to a local archive. A store of objects has no such lock.

        Raises:
            ArchiveError: somebody else writes to it.
        """
        if not self.local:
            yield
            return
        with _said():
            root = Path(self._root)
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(root / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ArchiveError("Another `vagt archive` writes to this archive: stop it first.") from None
            for left in root.glob(f"*/*/*{_UNFINISHED}"):
                left.unlink()
            yield
        finally:
            os.close(lock)

    def _files(self, below: str) -> list[str]:
        with _said():
            infos = self.store.get_file_info(fs.FileSelector(self.path(below), recursive=True, allow_not_found=True))
        return [info.path[len(self._root) + 1 :] for info in infos if info.type == fs.FileType.File]


def _put(path: Path, content: Any) -> None:
    """Write under another name, and to the disk, before the file gets its own: Kafka may forget what it holds."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_name(path.name + _UNFINISHED)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def _said() -> Iterator[None]:
    """What a store or a disk refuses, in a sentence."""
    try:
        yield
    except OSError as error:
        raise ArchiveError(
            f"The archive cannot be used: {error.strerror or str(error).partition(chr(10))[0]}."
        ) from error
