"""Where the graph's tables lie: a SQLite file that processes share, or PostgreSQL. Connections, transactions, drivers.

A write is on disk when its transaction returns: SQLite syncs its log at every commit (`synchronous=FULL`), PostgreSQL
does by default. Writers of one SQLite file take turns at a lock file beside it: the one that waits is woken at once,
where SQLite's own waiting polls; and an old SQLite (`WAL_SAFE`) is safe that way, too.
"""

import fcntl
import importlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from types import ModuleType
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.dialects import postgresql, sqlite

from openhorizon.errors import InfrastructureError, RunError

BATCH = 5_000  # rows of one executemany
AT_ONCE = 500  # ids of one IN (...): below every database's limit on parameters
WAL_SAFE = (3, 51, 3)  # the first SQLite without the WAL-reset bug
OURS = 0x0A11  # the advisory lock of this program's writers in PostgreSQL


def driver() -> ModuleType:
    """The DB-API module for SQLite: pysqlite3, which carries a newer SQLite, or else the standard library's."""
    try:
        return importlib.import_module("pysqlite3.dbapi2")
    except ImportError:
        return importlib.import_module("sqlite3")


class Database:
    """Transactions on a SQLite file or a `postgresql://` address, with errors a person can act on."""

    def __init__(self, path: str):
        self.is_postgres = path.startswith("postgresql")
        self.engine = _postgres(path) if self.is_postgres else _sqlite(path)
        self.name = self.engine.url.render_as_string(hide_password=True) if self.is_postgres else path
        self._statements: dict[Any, str] = {}
        self._mark = "%s" if self.is_postgres else "?"

    @property
    def version(self) -> str:
        """Driver and library that hold the data, e.g. "pysqlite3 3.53.4"."""
        if self.is_postgres:
            return "postgresql"
        return f"{driver().__name__.partition('.')[0]} {driver().sqlite_version}"

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """One consistent view, while others write."""
        with self.trouble(), self.engine.connect() as db:
            yield db

    @contextmanager
    def writing(self, alone: bool = True) -> Iterator[sa.Connection]:
        """A transaction: all of it or nothing. In PostgreSQL those that need not be `alone` write side by side."""
        with self.trouble(), self.turn(), self.engine.connect() as db:
            db = db.execution_options(writes=True)
            with db.begin():
                if self.is_postgres:
                    lock = sa.func.pg_advisory_xact_lock if alone else sa.func.pg_advisory_xact_lock_shared
                    db.execute(sa.select(lock(OURS)))
                yield db

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for this process's turn to write a SQLite file."""
        if self.is_postgres or self.name == ":memory:":
            yield
            return
        try:
            handle = open(f"{self.name}.lock", "w")  # noqa: SIM115 - closed below; the file stays, as lock files do
        except OSError:
            yield  # opening the database tells what is wrong with the place
            return
        with handle:
            fcntl.flock(handle, fcntl.LOCK_EX)  # let go when the file is closed, by a kill as well
            yield

    def put(
        self,
        db: sa.Connection,
        table: sa.Table,
        columns: Sequence[str],
        rows: Iterable[Sequence[Any]],
        unless: str = "",
    ) -> None:
        """Insert the rows; those whose column `unless` is there already are left out."""
        if (table.name, *columns, unless) not in self._statements:
            made = (postgresql.insert if self.is_postgres else sqlite.insert)(table)
            made = made.on_conflict_do_nothing(index_elements=[unless]) if unless else made
            text = str(made.compile(dialect=self.engine.dialect, column_keys=list(columns)))
            self._statements[(table.name, *columns, unless)] = text
        statement = self._statements[(table.name, *columns, unless)]
        for some in batches(rows):
            if self.is_postgres and not unless and len(some) >= AT_ONCE:
                _copy(db, table, columns, some)
            else:
                db.exec_driver_sql(statement, some)

    def look_up(
        self, db: sa.Connection, column: sa.Column, values: Iterable[Any], what: str = "*"
    ) -> Iterator[Any]:
        """Rows whose `column` is one of the values, in no order. (Plain SQL: a writer holds others up meanwhile.)"""
        for some in batches(values, AT_ONCE):
            marks = ", ".join([self._mark] * len(some))
            yield from db.exec_driver_sql(
                f"SELECT {what} FROM {column.table.name} WHERE {column.name} IN ({marks})", tuple(some)
            )

    @contextmanager
    def trouble(self) -> Iterator[None]:
        """Turn what the database says into what happened, where, and the mend."""
        try:
            yield
        except exc.DBAPIError as error:
            raise _explained(self.name, str(error.orig)) from error


def batches(rows: Iterable[Any], size: int = BATCH) -> Iterator[list[Any]]:
    """The rows in lists of `size`."""
    rows = iter(rows)
    while some := list(islice(rows, size)):
        yield some


def _copy(db: sa.Connection, table: sa.Table, columns: Sequence[str], rows: list[Any]) -> None:
    cursor = db.connection.cursor()
    with cursor.copy(f"COPY {table.name} ({', '.join(columns)}) FROM STDIN") as copy:  # type: ignore[attr-defined]
        for row in rows:
            copy.write_row(row)


def _sqlite(path: str) -> sa.Engine:
    url = sa.URL.create("sqlite", database=path)
    engine = sa.create_engine(url, module=driver(), connect_args={"timeout": 60})

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _: object) -> None:
        connection.isolation_level = None  # the driver begins nothing by itself: `_on_begin` does
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "cache_size=-65536"):
            connection.execute(f"PRAGMA {pragma}").fetchall()

    @event.listens_for(engine, "begin")
    def _on_begin(db: sa.Connection) -> None:
        db.exec_driver_sql("BEGIN IMMEDIATE" if db.get_execution_options().get("writes") else "BEGIN")

    return engine


def _postgres(address: str) -> sa.Engine:
    try:
        url = sa.make_url(address).set(drivername="postgresql+psycopg")
        return sa.create_engine(url, paramstyle="format")
    except exc.ArgumentError as error:
        raise RunError(
            f"{address.partition('@')[2] or address} is no address of a database: {error}"
        ) from None
    except ImportError:
        raise RunError('PostgreSQL needs its driver: pip install "openhorizon[postgres]"') from None


def _explained(path: str, said: str) -> Exception:
    """The error a person can act on. What was committed before it stays as it is in every case."""
    low = said.lower()
    if "is full" in low or "disk i/o" in low or "no space" in low:
        return RunError(
            f"{path}: no room to write ({said}); free some space and run again, what is done is kept"
        )
    if "not a database" in low or "malformed" in low or "corrupt" in low:
        return RunError(
            f"{path} is damaged or no graph of ours ({said}); move it away, and the stages that fill it run again"
        )
    if "locked" in low:
        return RunError(
            f"{path} is locked: another process has been writing for a minute; let it end, or stop it, and run again"
        )
    if "unable to open" in low or "readonly" in low or "read-only" in low:
        return RunError(
            f"{path} cannot be opened for writing ({said}); check that its folder exists and is yours"
        )
    if "connection" in low and ("refused" in low or "failed" in low or "closed" in low):
        return RunError(
            f"{path} does not answer ({said.splitlines()[0]}); check the address, that the server runs, and the "
            "password in PGPASSWORD or ~/.pgpass"
        )
    return InfrastructureError(f"{path}: {said}")
