"""Tables: rows on the volume, one file a partition, with the changelog topic as the truth.

In: table definitions, the partitions a member has, records of changelogs. Out: mappings for the code of components, and the
messages that keep the changelog. Written by the consumer's thread, read by web views as well: every access holds the lock.
Invariant: a file never holds more than what Kafka has committed, so that a lost volume and a killed process end in the same rows.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any

from tests.e2e.member.codecs import decode, encode
from tests.e2e.member.scripts import function

SCHEMA = """
CREATE TABLE IF NOT EXISTS rows (key BLOB PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS progress (one INTEGER PRIMARY KEY, offset INTEGER NOT NULL);
"""
Change = tuple[bytes, bytes | None]
"""Key and value; None deletes the row."""


class Shard:
    """The rows of one partition of one table."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.database = sqlite3.connect(path, check_same_thread=False)
        self.database.executescript(SCHEMA)
        self.pending: dict[bytes, bytes | None] = {}

    @property
    def offset(self) -> int:
        """Return the offset of the changelog from which rows are missing."""
        row = self.database.execute("SELECT offset FROM progress").fetchone()
        return int(row[0]) if row else 0

    def get(self, key: bytes) -> bytes | None:
        """Return a row, changes that are not committed included."""
        if key in self.pending:
            return self.pending[key]
        row = self.database.execute("SELECT value FROM rows WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    def held(self) -> list[bytes]:
        """Return the keys of all rows."""
        stored = {row[0] for row in self.database.execute("SELECT key FROM rows")}
        stored |= {key for key, value in self.pending.items() if value is not None}
        return sorted(stored - {key for key, value in self.pending.items() if value is None})

    def write(self, changes: Iterable[Change], offset: int) -> None:
        """Store committed changes together with the offset that follows them."""
        with self.database:
            for key, value in changes:
                if value is None:
                    self.database.execute("DELETE FROM rows WHERE key = ?", (key,))
                else:
                    self.database.execute("REPLACE INTO rows VALUES (?, ?)", (key, value))
            self.database.execute("REPLACE INTO progress VALUES (1, ?)", (offset,))

    def close(self) -> None:
        """Close the file."""
        self.database.close()


class Table(MutableMapping[Any, Any]):
    """What code sees of a table: the rows of every partition this member has."""

    def __init__(self, entry: Mapping[str, Any], tables: Tables) -> None:
        self.name: str = entry["name"]
        self.entry = entry
        self.tables = tables
        self.key_serializer = "raw" if entry["key_serializer"] == "raw" else "json"
        self.value_serializer = "raw" if entry["value_serializer"] == "raw" else "json"
        selector = entry["default_selector"]
        self.default: type | None = function(selector)() if selector is not None else None

    def __getitem__(self, key: Any) -> Any:
        data = self.tables.read(self.name, self.encoded(key))
        if data is not None:
            return decode(self.value_serializer, data)
        if self.default is None:
            raise KeyError(key)
        return self.default()

    def __setitem__(self, key: Any, value: Any) -> None:
        self.tables.change(self.name, self.encoded(key), encode(self.value_serializer, value))

    def __delitem__(self, key: Any) -> None:
        self.tables.change(self.name, self.encoded(key), None)

    def __contains__(self, key: object) -> bool:
        return self.tables.read(self.name, self.encoded(key)) is not None

    def __iter__(self) -> Iterator[Any]:
        return iter([decode(self.key_serializer, key) for key in self.tables.keys(self.name)])

    def __len__(self) -> int:
        return len(self.tables.keys(self.name))

    def encoded(self, key: Any) -> bytes:
        """Return the bytes of a key."""
        return encode(self.key_serializer, key) or b""


class Tables:
    """All tables of a member.

    Args:
        folder: on the volume.
        entries: table definitions.
        changed: called with table, partition, key and value of each change that code makes.
    """

    def __init__(
        self,
        folder: Path,
        entries: Iterable[Mapping[str, Any]],
        changed: Callable[[str, int, Change], None],
    ) -> None:
        self.folder = folder
        self.changed = changed
        self.lock = threading.RLock()
        self.shards: dict[tuple[str, int], Shard] = {}
        self.partition = 0  # of the event that is processed
        self.by_name = {entry["name"]: Table(entry, self) for entry in entries}

    def open(self, held: Iterable[tuple[str, int]]) -> None:
        """Have exactly the shards of these tables and partitions."""
        wanted = set(held)
        with self.lock:
            for key in set(self.shards) - wanted:
                self.shards.pop(key).close()
            for name, partition in wanted - set(self.shards):
                self.shards[name, partition] = Shard(self.folder / f"{name}-{partition}.db")

    def read(self, name: str, key: bytes) -> bytes | None:
        """Return a row from whichever partition has it."""
        with self.lock:
            for shard in self.of(name):
                if (value := shard.get(key)) is not None:
                    return value
        return None

    def keys(self, name: str) -> list[bytes]:
        """Return the keys of all rows that are here."""
        with self.lock:
            return [key for shard in self.of(name) for key in shard.held()]

    def of(self, name: str) -> list[Shard]:
        """Return the shards of a table."""
        return [shard for (table, _), shard in self.shards.items() if table == name]

    def change(self, name: str, key: bytes, value: bytes | None) -> None:
        """Note a change in the partition of the present event.

        Raises:
            LookupError: this member does not have that partition of the table.
        """
        with self.lock:
            shard = self.shards.get((name, self.partition))
            if shard is None:
                raise LookupError(f"table {name}: partition {self.partition} is not here")
            shard.pending[key] = value
        self.changed(name, self.partition, (key, value))

    def commit(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """Store what is pending; `offsets` says where each changelog stands now."""
        with self.lock:
            for key, offset in offsets.items():
                if (shard := self.shards.get(key)) is not None:
                    shard.write(shard.pending.items(), offset)
                    shard.pending = {}

    def discard(self) -> None:
        """Forget what is pending."""
        with self.lock:
            for shard in self.shards.values():
                shard.pending = {}

    def replay(self, name: str, partition: int, changes: Iterable[Change], offset: int) -> None:
        """Take changes from the changelog."""
        with self.lock:
            if (shard := self.shards.get((name, partition))) is not None:
                shard.write(changes, offset)
