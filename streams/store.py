"""Patients' records on disk: Faust's RocksDB store, read and written by partition, without an event at hand."""

import gc
import shutil
from collections.abc import Iterable

import rocksdict
from faust.stores import rocksdb
from faust.tables.table import Table
from faust.types import StoreT

from streams.topics import OWN_KEY

#: On this disk alone: the cluster's id of the changelog that the disk follows.
_CHANGELOG_KEY = b"\0changelog"


class PatientStore(rocksdb.Store):  # type: ignore[misc]
    """One RocksDB for each partition; the changelog's offset is written with the records that it names."""

    def read(self, partition: int, key: bytes) -> bytes | None:
        """The stored bytes of a key."""
        found: bytes | None = self._db_for_partition(partition).get(key)
        return found

    def patients(self, partition: int) -> list[str]:
        """Everybody of whom this disk has a record."""
        keys = self._db_for_partition(partition).keys()
        return [key.decode() for key in keys if key != self.offset_key and not key.startswith(OWN_KEY)]

    def write(self, partition: int, items: Iterable[tuple[bytes, bytes | None]], offset: int) -> None:
        """Put (or, for ``None``, delete) keys, and remember the changelog's offset, in one atomic batch."""
        batch = rocksdict.WriteBatch(raw_mode=True)
        for key, value in items:
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        batch.put(self.offset_key, str(offset).encode())
        self._db_for_partition(partition).write(batch)

    def reached(self, partition: int) -> int | None:
        """The changelog's offset up to which this disk has the partition; ``None`` for nothing."""
        found = self._db_for_partition(partition).get(self.offset_key)
        return None if found is None else int(found)

    def follows(self, partition: int) -> str | None:
        """The id of the changelog that this disk follows; ``None`` where nobody said."""
        found = self._db_for_partition(partition).get(_CHANGELOG_KEY)
        return None if found is None else bytes(found).decode()

    def follow(self, partition: int, changelog: str) -> None:
        """From now on this disk follows the changelog with this id."""
        self._db_for_partition(partition).put(_CHANGELOG_KEY, changelog.encode())

    def forget(self, partition: int) -> None:
        """Remove a partition from this disk."""
        self._dbs.pop(partition, None)
        gc.collect()
        shutil.rmtree(self.partition_path(partition), ignore_errors=True)


class PatientTable(Table):  # type: ignore[misc]
    """The Faust table of patients' records: its partitions are assigned and its changelog is named by Faust."""

    def _new_store(self) -> StoreT:
        return PatientStore(
            "rocksdb://",
            self.app,
            self,
            driver="rocksdict",
            table_name=self.name,
            key_type=self.key_type,
            key_serializer=self.key_serializer,
            value_serializer=self.value_serializer,
            value_type=self.value_type,
            loop=self.loop,
            options={"block_cache_size": 16 * 1024 * 1024, "write_buffer_size": 16 * 1024 * 1024},
        )
