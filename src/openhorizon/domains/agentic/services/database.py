"""One attempt's database: SQLite in memory, foreign keys kept, every change written down by triggers."""

import sqlite3
import zlib
from collections.abc import Iterable, Mapping
from typing import Any
from zlib import crc32

import msgspec

from openhorizon.errors import RunError
from openhorizon.records import Record

Row = dict[str, Any]
LOG = "_changes"


class Change(Record, kw_only=True):
    """One change of one value, or of a whole row where `column` is empty."""

    table: str
    kind: str  # "insert", "update" or "delete"
    key: str  # primary key of the row
    column: str = ""
    new: Any = None  # after an update


def created(schema: Iterable[str], rows: Mapping[str, Iterable[tuple[Any, ...]]]) -> bytes:
    """A database of these tables and rows, as bytes that `Database` opens."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    for statement in schema:
        db.execute(statement)
    for table, filled in rows.items():
        filled = list(filled)
        if filled:
            marks = ", ".join("?" * len(filled[0]))
            db.executemany(f"INSERT INTO {table} VALUES ({marks})", filled)
    tables = [n for (n,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    db.execute(f"CREATE TABLE {LOG} (at INTEGER PRIMARY KEY, tbl TEXT, kind TEXT, id TEXT, col TEXT, new)")
    for table in tables:
        columns = [(r[1], r[5]) for r in db.execute(f"PRAGMA table_info({table})")]
        key = next(name for name, primary in columns if primary)
        into = f"INSERT INTO {LOG} (tbl, kind, id, col, new) VALUES ('{table}',"
        for kind, row in (("insert", "NEW"), ("delete", "OLD")):
            db.execute(
                f"CREATE TRIGGER {table}_{kind} AFTER {kind} ON {table} BEGIN {into} '{kind}', {row}.{key}, '', NULL); END"
            )
        for name, _ in columns:
            db.execute(
                f"CREATE TRIGGER {table}_{name} AFTER UPDATE OF {name} ON {table} WHEN OLD.{name} IS NOT NEW.{name} "
                f"BEGIN {into} 'update', NEW.{key}, '{name}', NEW.{name}); END"
            )
    data = db.serialize()
    db.close()
    return data


PAGE = 4096  # bytes that are compared at once


class Changed(Record, kw_only=True):
    """What of a database is not as it was opened."""

    opening: int  # checksum of what it was opened from
    size: int  # bytes
    pages: dict[int, bytes]  # by number


class Database:
    """Rows as dictionaries. Opens from bytes; what it was opened from and what changed since are its state."""

    def __init__(self, data: bytes) -> None:
        self.db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self._opening = data
        self.load(data)

    def load(self, data: bytes) -> None:
        """Take up the state that `save` gave."""
        self.db.deserialize(data)
        self.db.execute("PRAGMA foreign_keys = ON")

    def save(self) -> bytes:
        return self.db.serialize()

    def changes(self) -> bytes:
        """The pages that are not as they were opened: a few of a hundred, where an attempt wrote a few rows."""
        now, first = self.db.serialize(), self._opening
        starts = [n for n in range(0, len(now), PAGE) if now[n : n + PAGE] != first[n : n + PAGE]]
        kept = Changed(
            opening=crc32(first), size=len(now), pages={n // PAGE: now[n : n + PAGE] for n in starts}
        )
        return zlib.compress(msgspec.msgpack.encode(kept), 1)

    def change(self, saved: bytes) -> None:
        """Take up what `changes` gave. RunError: it was opened from something else."""
        kept = msgspec.msgpack.decode(zlib.decompress(saved), type=Changed)
        if kept.opening != crc32(self._opening):
            raise RunError(
                "a saved attempt began in another database than this version makes; delete the run's journals folder to play it anew"
            )
        data = bytearray(self._opening[: kept.size].ljust(kept.size, b"\0"))
        for number, page in kept.pages.items():
            data[number * PAGE : number * PAGE + len(page)] = page
        self.load(bytes(data))

    def all(self, statement: str, *values: Any) -> list[Row]:
        cursor = self.db.execute(statement, values)
        names = [c[0] for c in cursor.description]
        return [dict(zip(names, row)) for row in cursor]

    def one(self, statement: str, *values: Any) -> Row | None:
        found = self.all(statement, *values)
        return found[0] if found else None

    def write(self, statement: str, *values: Any) -> None:
        self.db.execute(statement, values)

    def mark(self) -> int:
        """Where the log of changes stands."""
        return self.db.execute(f"SELECT coalesce(max(at), 0) FROM {LOG}").fetchone()[0]

    def since(self, mark: int = 0) -> tuple[Change, ...]:
        """The changes after that mark, in their order; reverted ones too."""
        rows = self.db.execute(f"SELECT tbl, kind, id, col, new FROM {LOG} WHERE at > ? ORDER BY at", (mark,))
        return tuple(Change(table=t, kind=k, key=str(i), column=c, new=n) for t, k, i, c, n in rows)

    def tables(self) -> tuple[str, ...]:
        found = self.db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        return tuple(n for (n,) in found if n != LOG)

    def state(self, tables: Iterable[str] | None = None) -> dict[str, tuple[tuple[Any, ...], ...]]:
        """All rows of these tables, or of all, in the order of their keys."""
        names = self.tables() if tables is None else sorted(tables)
        return {t: tuple(self.db.execute(f"SELECT * FROM {t} ORDER BY 1")) for t in names}

    def touched(self) -> set[str]:
        """The tables that were ever written to; the others stand as they began."""
        return {t for (t,) in self.db.execute(f"SELECT DISTINCT tbl FROM {LOG}")}

    def close(self) -> None:
        self.db.close()
