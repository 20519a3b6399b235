"""The knowledge-action graph on disk: the system of record that corpus, proposers and attempts write into.

One schema (`tables.py`) that SQLite (one machine, many processes) and PostgreSQL (many machines) both take. What is
read back comes in the order it was first written, knowledge before what was played; writing the same thing again
changes nothing. Tasks, attempts, steps and verdicts are read as nodes and edges like any other (`writeback.py` says
which). `Graph` snapshots are for walks; questions about one task are asked here.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa

from openhorizon.errors import RunError
from openhorizon.graph import knowledge, played
from openhorizon.graph.counting import counted_edges, counted_nodes, counted_titles
from openhorizon.graph.database import AT_ONCE, BATCH, WAL_SAFE, Database, batches, driver
from openhorizon.graph.graph import Graph
from openhorizon.graph.knowledge import Changed
from openhorizon.graph.played import attempts_where, tasks_where
from openhorizon.graph.reading import (
    SOURCE,
    TARGET,
    Attempt,
    Former,
    Provenance,
    Step,
    attempt_of,
    edges_of_readers,
    evidence_of,
    former,
    of_domain,
    outdated,
    select_edges,
    select_nodes,
    without_text,
)
from openhorizon.graph.tables import ATTEMPTS, EDGES, META, NODES, SCHEMA, TASKS, edge_of, node_of
from openhorizon.graph.writeback import (
    PLAYED_KINDS,
    Played,
    attempt_edges,
    attempt_nodes,
    from_outside,
    owners,
    task_edges,
    task_nodes,
)
from openhorizon.records import Edge, EdgeKind, Node, NodeKind, Task

__all__ = ["WAL_SAFE", "Attempt", "Changed", "Former", "GraphStore", "Provenance", "Step", "driver"]
FORMAT = "openhorizon graph 2"  # a file that says something else is another program's or another version's


class GraphStore:
    """The graph in the SQLite file `path` (made if missing), or at a `postgresql://` address.

    Opening raises RunError for a file that is damaged, of another version or not ours. Use it as a context
    manager, or close it.
    """

    def __init__(self, path: str | Path):
        self._data = Database(str(path))
        self.path = self._data.name
        with self._data.trouble():
            self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; what was added is on disk since the call that added it returned."""
        with self._data.turn():
            self._data.engine.dispose()

    @property
    def version(self) -> str:
        """Driver and library that hold the data, e.g. "pysqlite3 3.53.4"."""
        return self._data.version

    def add(self, nodes: Iterable[Node] = (), edges: Iterable[Edge] = ()) -> Changed:
        """Write all of it or nothing. A node id or edge (source, target, kind, label) that is there is brought up
        to date in its old place. RunError: the disk is full, the file locked or damaged."""
        return knowledge.write(self._data, nodes, edges)

    def update_corpus(self, nodes: Iterable[Node], edges: Iterable[Edge], domain: str) -> Changed:
        """Make the domain's corpus what is given, all or nothing: what is equal stays untouched, what differs is
        replaced, what is not given is removed; `history` tells what was. Edges are those that leave corpus nodes
        of the domain. RunError: a node of another domain or not of the corpus; and as for `add`."""
        return knowledge.write(self._data, nodes, edges, domain)

    def record(self, games: Iterable[Played]) -> None:
        """Write tasks, attempts and their steps, all or nothing, durably. A task or attempt that is there is brought
        up to date. RunError as for `add`."""
        games = tuple(games)
        nodes, edges = from_outside(games)
        if nodes:
            self.add(nodes, edges)  # first: then no step rests on what is not there
        played.record(self._data, games)

    def revision(self) -> int:
        """A number that grows with every committed change: a snapshot of an older one is out of date."""
        with self._data.reading() as db:
            return knowledge.revision_of(db)

    def snapshot(self, domain: str | None = None, kinds: tuple[NodeKind, ...] | None = None) -> Graph:
        """The graph in memory, of one domain (an edge belongs where its source does) or of all; `kinds` leaves only
        these nodes and the edges between them."""
        nodes = self._nodes(domain, kinds)
        only_corpus = kinds is not None and not set(kinds) & set(PLAYED_KINDS)
        edges = self.stream_edges(domain, played=not only_corpus)
        if kinds is not None:
            there = {n.id for n in nodes}
            edges = (e for e in edges if e.source in there and e.target in there)
        return Graph(nodes, edges)

    def node(self, node_id: str) -> Node | None:
        """The node with this id, None if there is none."""
        return self._by_id([node_id]).get(node_id)

    def nodes(self, domain: str | None = None, kind: NodeKind | None = None) -> tuple[Node, ...]:
        """All nodes of a domain and kind, in insertion order."""
        return self._nodes(domain, None if kind is None else (kind,))

    def stream_nodes(
        self, domain: str | None = None, texts: bool = True, played: bool = True
    ) -> Iterator[Node]:
        """All nodes in insertion order, in bounded memory; `texts=False` leaves their texts out, `played=False` what
        was played."""
        with self._data.reading() as db:
            yield from map(
                node_of,
                db.execution_options(yield_per=BATCH).execute(select_nodes(texts, *of_domain(domain, None))),
            )
            if played:
                yield from self._played_nodes(db, domain, texts)

    def stream_edges(self, domain: str | None = None, played: bool = True) -> Iterator[Edge]:
        """All edges in insertion order, in bounded memory; of a domain: those whose source is of it."""
        with self._data.reading() as db:
            query = select_edges(*([] if domain is None else [SOURCE.c.domain == domain]))
            yield from map(edge_of, db.execution_options(yield_per=BATCH).execute(query))
            if played:
                for task in tasks_where(db, *([] if domain is None else [TASKS.c.domain == domain])):
                    yield from task_edges(task)
                own = [] if domain is None else [ATTEMPTS.c.domain == domain]
                for attempt in attempts_where(db, *own, texts=False):
                    yield from attempt_edges(attempt)

    def out(self, *ids: str, kind: EdgeKind | None = None) -> tuple[Edge, ...]:
        """Edges that leave any of the nodes, in insertion order."""
        wanted = set(ids)
        with self._data.reading() as db:
            found = self._stored_edges(db, SOURCE.c.id, wanted)
            found += [e for e in self._owned_edges(db, wanted) if e.source in wanted]
        return tuple(e for e in found if kind is None or e.kind == kind)

    def into(self, *ids: str, kind: EdgeKind | None = None) -> tuple[Edge, ...]:
        """Edges that enter any of the nodes, in insertion order."""
        wanted = set(ids)
        with self._data.reading() as db:
            found = self._stored_edges(db, TARGET.c.id, wanted)
            found += edges_of_readers(db, wanted)
            found += [e for e in self._owned_edges(db, wanted, of_tasks=True) if e.target in wanted]
        once = {(e.source, e.target, e.kind, e.label): e for e in found}
        return tuple(e for e in once.values() if kind is None or e.kind == kind)

    def neighbours(self, node_id: str, kind: EdgeKind | None = None) -> tuple[Node, ...]:
        """The nodes one edge away, either direction, each once: first those it points to."""
        ends = [e.target for e in self.out(node_id, kind=kind)] + [
            e.source for e in self.into(node_id, kind=kind)
        ]
        return tuple(self._by_id(ends).values())

    def counts(self) -> dict[tuple[str, str], int]:
        """How many nodes of each (domain, kind), sorted."""
        with self._data.reading() as db:
            return counted_nodes(db)

    def edge_counts(self) -> dict[str, int]:
        """How many edges of each kind, sorted."""
        with self._data.reading() as db:
            return counted_edges(db)

    def titles(self, kind: NodeKind) -> dict[tuple[str, str], int]:
        """How many nodes of the kind bear each (domain, title), sorted."""
        with self._data.reading() as db:
            return counted_titles(db, kind)

    def task(self, task_id: str) -> Task | None:
        """The whole record of a task that was played, its hidden parts included; None if there is none."""
        with self._data.reading() as db:
            return next((row.record for row in tasks_where(db, TASKS.c.id == task_id)), None)

    def attempts(self, task_id: str) -> tuple[Node, ...]:
        """The attempts at the task, in the order they were written."""
        with self._data.reading() as db:
            return tuple(next(attempt_nodes(a)) for a in attempts_where(db, TASKS.c.id == task_id))

    def provenance(self, task_id: str) -> Provenance:
        """Answer, verdicts, actions, observations and the evidence they rest on; RunError if the task is unknown."""
        with self._data.reading() as db:
            row = next(tasks_where(db, TASKS.c.id == task_id), None)
            if row is None:
                raise RunError(
                    f"{self.path} holds no task {task_id!r}; `openhorizon graph` prints ids that it holds"
                )
            task, *said = task_nodes(row)
            attempts = list(attempts_where(db, TASKS.c.id == task_id))
            evidence, outdated = evidence_of(db, task_id)
        read = self._by_id(n for a in attempts for s in a.steps for n in s.consulted)
        return Provenance(
            task=task,
            answer=row.record.answer,
            acceptance=next(iter(said), None),
            evidence=evidence,
            outdated=outdated,
            attempts=tuple(attempt_of(a, read) for a in attempts),
        )

    def outdated_tasks(self) -> dict[str, tuple[str, ...]]:
        """Tasks whose evidence says something else by now or is gone, with the ids of that evidence."""
        with self._data.reading() as db:
            return outdated(db)

    def history(self, node_id: str) -> tuple[Former, ...]:
        """What the node said before it was replaced or removed, oldest first."""
        with self._data.reading() as db:
            return former(db, NODES.c.id == node_id)

    def _open(self) -> None:
        """Make what is missing and check that the file is ours."""
        with self._data.turn():
            there = set(sa.inspect(self._data.engine).get_table_names())
        if there and "meta" not in there:
            raise RunError(
                f"{self.path} is a database, but not a knowledge-action graph; give another path or move it away"
            )
        if not there:
            with self._data.writing() as db:
                for table in SCHEMA.sorted_tables:
                    db.execute(sa.schema.CreateTable(table, if_not_exists=True))
                    for index in table.indexes:
                        db.execute(sa.schema.CreateIndex(index, if_not_exists=True))
                meta = [("format", FORMAT), ("revision", "0")]
                self._data.put(db, META, ("key", "value"), meta, unless="key")
        with self._data.reading() as db:
            found = db.execute(sa.select(META.c.value).where(META.c.key == "format")).scalar()
        if found != FORMAT:
            raise RunError(
                f"{self.path} was written in the format {found!r}, this version reads {FORMAT!r}; "
                "use the version that wrote it, or start a new run"
            )

    def _nodes(self, domain: str | None, kinds: tuple[NodeKind, ...] | None) -> tuple[Node, ...]:
        with self._data.reading() as db:
            found = [node_of(row) for row in db.execute(select_nodes(True, *of_domain(domain, kinds)))]
            if kinds is None or set(kinds) & set(PLAYED_KINDS):
                found += [n for n in self._played_nodes(db, domain) if kinds is None or n.kind in kinds]
        return tuple(found)

    def _played_nodes(self, db: sa.Connection, domain: str | None, texts: bool = True) -> Iterator[Node]:
        of_tasks, of_attempts = ([] if domain is None else [t.c.domain == domain] for t in (TASKS, ATTEMPTS))
        tasks = chain.from_iterable(map(task_nodes, tasks_where(db, *of_tasks)))
        yield from tasks if texts else map(without_text, tasks)
        for attempt in attempts_where(db, *of_attempts, texts=texts):
            yield from attempt_nodes(attempt)

    def _by_id(self, ids: Iterable[str]) -> dict[str, Node]:
        """The nodes that are there, in the order of the ids."""
        ids = list(dict.fromkeys(ids))
        found: dict[str, Node] = {}
        with self._data.reading() as db:
            for some in batches(ids, AT_ONCE):
                found |= {n.id: n for n in map(node_of, db.execute(select_nodes(True, NODES.c.id.in_(some))))}
            if lacking := [i for i in ids if i not in found]:
                for some in batches(owners(lacking), AT_ONCE):
                    for task in tasks_where(db, TASKS.c.id.in_(some)):
                        found |= {n.id: n for n in task_nodes(task)}
                    for attempt in attempts_where(db, ATTEMPTS.c.id.in_(some)):
                        found |= {n.id: n for n in attempt_nodes(attempt)}
        return {i: found[i] for i in ids if i in found}

    def _stored_edges(self, db: sa.Connection, end: Any, ids: Iterable[str]) -> list[Edge]:
        rows: list[Any] = []
        for some in batches(ids, AT_ONCE):
            rows += db.execute(select_edges(end.in_(some)).add_columns(EDGES.c.seq))
        return [edge_of(row[:-1]) for row in sorted(rows, key=lambda row: row[-1])]

    def _owned_edges(self, db: sa.Connection, ids: Iterable[str], of_tasks: bool = False) -> Iterator[Edge]:
        """Edges of the tasks and attempts that the ids belong to; `of_tasks`: of all attempts at these tasks, too."""
        for some in batches(owners(ids), AT_ONCE):
            for task in tasks_where(db, TASKS.c.id.in_(some)):
                yield from task_edges(task)
            mine = ATTEMPTS.c.id.in_(some)
            for attempt in attempts_where(
                db, sa.or_(mine, TASKS.c.id.in_(some)) if of_tasks else mine, texts=False
            ):
                yield from attempt_edges(attempt)
