"""The knowledge-action graph on disk: the system of record that corpus, proposers and attempts write into.

Two tables, nodes and edges, in one schema that SQLite (one machine, many processes, WAL) and PostgreSQL (many
machines) both take. A row keeps the place it got when it was first written (`seq`), so everything read back comes
in insertion order; writing the same thing again changes nothing. Steps, verdicts, tasks and attempts are nodes
like any other (`writeback.py` says which). `Graph` snapshots are for walks; questions about one task are asked here.
"""

import fcntl
import importlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.dialects import postgresql, sqlite

from openhorizon.errors import InfrastructureError, RunError
from openhorizon.graph.graph import Graph
from openhorizon.graph.tables import EDGES, META, NODES, SCHEMA, edge_of, edge_row, node_of, node_row
from openhorizon.records import Edge, EdgeKind, Node, NodeKind, Record

FORMAT = "openhorizon graph 1"  # a file that says something else is another program's or another version's
BATCH = 5_000  # rows of one executemany
AT_ONCE = 500  # ids of one IN (...): below every database's limit on parameters
WAL_SAFE = (
    3,
    51,
    3,
)  # the first SQLite without the WAL-reset bug: what several writing processes should have


class Step(Record, kw_only=True):
    """One linked step record (s_t, a_t, o_t, v_t) as it was written back."""

    action: Node
    observation: Node | None = None  # None: nothing came back (a final answer, a spent budget)
    verdict: Node | None = None  # v_t; None is ⊥
    consulted: tuple[Node, ...] = ()  # graph nodes the observation was made from


class Attempt(Record, kw_only=True):
    """One attempt with its steps in order."""

    attempt: Node
    verdict: Node | None = None  # the outcome's; None: aborted, never scored
    steps: tuple[Step, ...] = ()


class Provenance(Record, kw_only=True):
    """From the answer of a task down to the passages it rests on."""

    task: Node
    answer: str
    acceptance: Node | None = None  # what self-play said of the task; None: it was not asked
    evidence: tuple[Node, ...] = ()  # E_q, as far as the graph holds it
    attempts: tuple[Attempt, ...] = ()


def driver() -> ModuleType:
    """The DB-API module for SQLite: pysqlite3, which carries a newer SQLite, or else the standard library's."""
    try:
        return importlib.import_module("pysqlite3.dbapi2")
    except ImportError:
        return importlib.import_module("sqlite3")


class GraphStore:
    """The graph in the SQLite file `path` (made if missing), or at a `postgresql...://` address.

    Opening raises RunError for a file that is damaged, of another version or not ours. Use it as a context
    manager, or close it.
    """

    def __init__(self, path: str | Path):
        self.path = str(path)
        self._engine = _engine(self.path)
        with self._trouble(), self._alone():
            self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; what was added is on disk since `add` returned."""
        with self._alone():
            self._engine.dispose()

    @property
    def version(self) -> str:
        """Driver and library that hold the data, e.g. "pysqlite3 3.51.1"."""
        if self._engine.dialect.name != "sqlite":
            return self._engine.dialect.name
        module = driver()
        return f"{module.__name__.partition('.')[0]} {module.sqlite_version}"

    @property
    def many_writers(self) -> bool:
        """False: this SQLite may lose data where several processes write at once (the WAL-reset bug); a lock file
        beside the database then lets one in at a time."""
        return self._engine.dialect.name != "sqlite" or driver().sqlite_version_info >= WAL_SAFE

    def add(self, nodes: Iterable[Node] = (), edges: Iterable[Edge] = ()) -> None:
        """Write all of it or nothing. A node id or edge (source, target, kind, label) that is there is brought up
        to date in its old place. RunError: the disk is full, the file locked or damaged."""
        with self._trouble(), self._alone(), self._engine.begin() as db:
            for rows in _batches(map(node_row, nodes)):
                db.execute(self._upsert(NODES, ("id",)), rows)
            for rows in _batches(map(edge_row, edges)):
                db.execute(self._upsert(EDGES, ("source", "target", "kind", "label")), rows)
            moved = str(
                int(db.execute(sa.select(META.c.value).where(META.c.key == "revision")).scalar() or 0) + 1
            )
            db.execute(self._upsert(META, ("key",)), [{"key": "revision", "value": moved}])

    def revision(self) -> int:
        """A number that grows with every committed change: a snapshot of an older one is out of date."""
        return int(
            next((row[0] for row in self._rows(sa.select(META.c.value).where(META.c.key == "revision"))), 0)
        )

    def stream_nodes(self, domain: str | None = None, texts: bool = True) -> Iterator[Node]:
        """All nodes in insertion order, in bounded memory; `texts=False` leaves their texts out."""
        query = sa.select(NODES).where(*_where(domain, None)).order_by(NODES.c.seq)
        for row in self._streamed(query):
            node = node_of(row)
            yield (
                node
                if texts
                else Node(**{f: getattr(node, f) for f in node.__struct_fields__} | {"text": ""})
            )

    def stream_edges(self, domain: str | None = None) -> Iterator[Edge]:
        """All edges in insertion order, in bounded memory; of a domain: those whose source is of it."""
        query = sa.select(EDGES).order_by(EDGES.c.seq)
        if domain is not None:
            query = query.join(NODES, NODES.c.id == EDGES.c.source).where(NODES.c.domain == domain)
        yield from map(edge_of, self._streamed(query))

    def _streamed(self, query: sa.Select) -> Iterator[Any]:
        with self._trouble(), self._engine.connect() as db:
            yield from db.execution_options(yield_per=BATCH).execute(query)

    def snapshot(self, domain: str | None = None, kinds: tuple[NodeKind, ...] | None = None) -> Graph:
        """The graph in memory, of one domain (an edge belongs where its source does) or of all; `kinds` leaves only
        these nodes and the edges between them."""
        nodes = self._nodes(*_where(domain, kinds))
        wanted = sa.select(EDGES).order_by(EDGES.c.seq)
        if domain is not None:
            wanted = wanted.join(NODES, NODES.c.id == EDGES.c.source).where(NODES.c.domain == domain)
        edges: Iterable[Edge] = map(edge_of, self._rows(wanted))
        if kinds is not None:
            there = {n.id for n in nodes}
            edges = [e for e in edges if e.source in there and e.target in there]
        return Graph(nodes, edges)

    def node(self, node_id: str) -> Node | None:
        """The node with this id, None if there is none."""
        return next(iter(self._nodes(NODES.c.id == node_id)), None)

    def nodes(self, domain: str | None = None, kind: NodeKind | None = None) -> tuple[Node, ...]:
        """All nodes of a domain and kind, in insertion order."""
        return self._nodes(*_where(domain, None if kind is None else (kind,)))

    def out(self, *ids: str, kind: EdgeKind | None = None) -> tuple[Edge, ...]:
        """Edges that leave any of the nodes, in insertion order."""
        return self._edges(EDGES.c.source, ids, kind)

    def into(self, *ids: str, kind: EdgeKind | None = None) -> tuple[Edge, ...]:
        """Edges that enter any of the nodes, in insertion order."""
        return self._edges(EDGES.c.target, ids, kind)

    def neighbours(self, node_id: str, kind: EdgeKind | None = None) -> tuple[Node, ...]:
        """The nodes one edge away, either direction, each once: first those it points to."""
        ends = [e.target for e in self.out(node_id, kind=kind)] + [
            e.source for e in self.into(node_id, kind=kind)
        ]
        return tuple(self._by_id(ends).values())

    def counts(self) -> dict[tuple[str, str], int]:
        """How many nodes of each (domain, kind), sorted."""
        return self._count(NODES.c.domain, NODES.c.kind)

    def edge_counts(self) -> dict[str, int]:
        """How many edges of each kind, sorted."""
        return {kind: n for (kind,), n in self._count(EDGES.c.kind).items()}

    def titles(self, kind: NodeKind) -> dict[tuple[str, str], int]:
        """How many nodes of the kind have each (domain, title), sorted: what verdicts said, which tools were used."""
        return self._count(NODES.c.domain, NODES.c.title, where=NODES.c.kind == kind)

    def attempts(self, task_id: str) -> tuple[Node, ...]:
        """The attempts at the task, in the order they were written."""
        found = [e.source for e in self.into(task_id, kind=EdgeKind.DEPENDS_ON) if e.label == "attempts"]
        return tuple(self._by_id(found).values())

    def provenance(self, task_id: str) -> Provenance:
        """Answer, verdicts, actions, observations and the evidence they rest on; RunError if the task is unknown."""
        task = self.node(task_id)
        if task is None or task.kind is not NodeKind.ARTIFACT:
            raise RunError(
                f"{self.path} holds no task {task_id!r}; `openhorizon graph` prints ids that it holds"
            )
        needs = [e.target for e in self.out(task_id, kind=EdgeKind.DEPENDS_ON) if e.label == "evidence"]
        said = self._by_id(e.source for e in self.into(task_id, kind=EdgeKind.VERIFIES))
        return Provenance(
            task=task,
            answer=str(task.data.get("answer", "")),
            acceptance=next(iter(said.values()), None),
            evidence=tuple(self._by_id(needs).values()),
            attempts=tuple(self._attempt(a) for a in self.attempts(task_id)),
        )

    def _attempt(self, attempt: Node) -> Attempt:
        produced = self.out(attempt.id, kind=EdgeKind.PRODUCES)
        actions = self._by_id(e.target for e in produced)
        back = self.out(*actions, kind=EdgeKind.PRODUCES)
        seen = self._by_id(e.target for e in back)
        read = [e for e in self.out(*seen, kind=EdgeKind.DEPENDS_ON) if e.label == "consulted"]
        passages = self._by_id(e.target for e in read)
        judged = self.into(attempt.id, *actions, kind=EdgeKind.VERIFIES)
        verdicts = self._by_id(e.source for e in judged)
        observed = {e.source: seen[e.target] for e in back if e.target in seen}
        verdict_of = {e.target: verdicts[e.source] for e in judged if e.source in verdicts}
        consulted: dict[str, list[Node]] = {}
        for edge in read:
            if edge.target in passages:
                consulted.setdefault(edge.source, []).append(passages[edge.target])
        steps = tuple(
            Step(
                action=action,
                observation=observed.get(action.id),
                verdict=verdict_of.get(action.id),
                consulted=tuple(consulted.get(observed[action.id].id, ())) if action.id in observed else (),
            )
            for action in actions.values()
        )
        return Attempt(attempt=attempt, verdict=verdict_of.get(attempt.id), steps=steps)

    def _open(self) -> None:
        """Make what is missing and check that the file is ours."""
        there = set(sa.inspect(self._engine).get_table_names())
        if there and "meta" not in there:
            raise RunError(
                f"{self.path} is a database, but not a knowledge-action graph; give another path or move it away"
            )
        with self._engine.begin() as db:
            for table in SCHEMA.sorted_tables:
                db.execute(sa.schema.CreateTable(table, if_not_exists=True))
                for index in table.indexes:
                    db.execute(sa.schema.CreateIndex(index, if_not_exists=True))
            if not there:
                db.execute(self._upsert(META, ("key",)), [{"key": "format", "value": FORMAT}])
            found = db.execute(sa.select(META.c.value).where(META.c.key == "format")).scalar()
        if found != FORMAT:
            raise RunError(
                f"{self.path} was written in the format {found!r}, this version reads {FORMAT!r}; "
                "use the version that wrote it, or start a new run"
            )

    def _upsert(self, table: sa.Table, key: tuple[str, ...]) -> Any:
        made = (postgresql.insert if self._engine.dialect.name == "postgresql" else sqlite.insert)(table)
        rest = [c.name for c in table.columns if c.name not in key and c.name != "seq"]
        return made.on_conflict_do_update(
            index_elements=list(key), set_={name: made.excluded[name] for name in rest}
        )

    def _rows(self, query: sa.Select) -> list[Any]:
        with self._trouble(), self._engine.connect() as db:
            return list(db.execute(query))

    def _nodes(self, *where: sa.ColumnElement[bool]) -> tuple[Node, ...]:
        return tuple(map(node_of, self._rows(sa.select(NODES).where(*where).order_by(NODES.c.seq))))

    def _edges(self, end: sa.Column, ids: Iterable[str], kind: EdgeKind | None) -> tuple[Edge, ...]:
        rows: list[Any] = []
        for some in _batches(ids, AT_ONCE):
            query = sa.select(EDGES).where(end.in_(some))
            rows += self._rows(query if kind is None else query.where(EDGES.c.kind == kind))
        return tuple(edge_of(row) for row in sorted(rows, key=lambda row: row.seq))

    def _by_id(self, ids: Iterable[str]) -> dict[str, Node]:
        """The nodes that are there, in the order of the ids."""
        ids = list(dict.fromkeys(ids))
        found = {n.id: n for some in _batches(ids, AT_ONCE) for n in self._nodes(NODES.c.id.in_(some))}
        return {i: found[i] for i in ids if i in found}

    def _count(self, *columns: sa.Column, where: Any = None) -> dict[Any, int]:
        query = sa.select(*columns, sa.func.count()).group_by(*columns).order_by(*columns)
        return {
            tuple(row[:-1]): row[-1] for row in self._rows(query if where is None else query.where(where))
        }

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other writers and checkpoints out while this SQLite has the WAL-reset bug."""
        if self.many_writers or self.path == ":memory:":
            yield
            return
        try:
            handle = open(f"{self.path}.lock", "w")  # noqa: SIM115 - closed below; the file stays, as lock files do
        except OSError:
            yield  # opening the database tells what is wrong with the place
            return
        with handle:
            fcntl.flock(handle, fcntl.LOCK_EX)  # let go when the file is closed, by a kill as well
            yield

    @contextmanager
    def _trouble(self) -> Iterator[None]:
        """Turn what the database says into what happened, where, and the mend."""
        try:
            yield
        except exc.DBAPIError as error:
            raise _explained(self.path, str(error.orig)) from error


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
    return InfrastructureError(f"{path}: {said}")


def _engine(path: str) -> sa.Engine:
    if path.startswith("postgresql"):
        return sa.create_engine(path)
    url = sa.URL.create("sqlite", database=path)
    engine = sa.create_engine(url, module=driver(), connect_args={"timeout": 60})

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _: object) -> None:
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "cache_size=-65536"):
            connection.execute(f"PRAGMA {pragma}").fetchall()

    return engine


def _where(domain: str | None, kinds: tuple[NodeKind, ...] | None) -> list[Any]:
    of_domain = [] if domain is None else [NODES.c.domain == domain]
    return of_domain + ([] if kinds is None else [NODES.c.kind.in_(kinds)])


def _batches(rows: Iterable[Any], size: int = BATCH) -> Iterator[list[Any]]:
    rows = iter(rows)
    while some := list(islice(rows, size)):
        yield some
