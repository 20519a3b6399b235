"""Writing nodes and edges: a first fill as fast as the database takes it, afterwards by comparing with what is there."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from openhorizon.errors import RunError
from openhorizon.graph.database import BATCH, Database, batches
from openhorizon.graph.tables import (
    CORPUS_KINDS,
    EDGE_COLUMNS,
    EDGES,
    HISTORY,
    META,
    NODE_COLUMNS,
    NODES,
    TEXTS,
    Contents,
    node_row,
    packed,
    sound,
)
from openhorizon.records import Edge, Node, Record

REMEMBERED = 1_000_000  # keys that a writer keeps in memory
LATER = (NODES, "nodes_by_id"), (NODES, "nodes_by_kind"), (EDGES, "edges_once"), (EDGES, "edges_by_target")
SEEN = {
    name: sa.Table(f"seen_{name}", sa.MetaData(), sa.Column("key", sa.BigInteger, primary_key=True, autoincrement=False), prefixes=["TEMPORARY"])
    for name in ("nodes", "edges")
}  # fmt: skip


class Changed(Record, kw_only=True):
    """What a write changed in the graph, in numbers."""

    added: int = 0  # nodes
    changed: int = 0
    removed: int = 0
    unchanged: int = 0
    edges_added: int = 0
    edges_changed: int = 0
    edges_removed: int = 0
    edges_unchanged: int = 0

    @property
    def nothing(self) -> bool:
        """Whether the graph is as it was."""
        return not (
            self.added
            or self.changed
            or self.removed
            or self.edges_added
            or self.edges_changed
            or self.edges_removed
        )


def write(
    data: Database, nodes: Iterable[Node], edges: Iterable[Edge], replacing: str | None = None
) -> Changed:
    """Write all of it or nothing. Of the domain `replacing`, what is not given is removed from the corpus."""
    with data.writing() as db:
        bare = db.execute(sa.select(NODES.c.key).limit(1)).first() is None
        writer = _Fill(data, db) if bare else _Merge(data, db, replacing)
        writer.write_nodes(_of_domain(nodes, replacing))
        writer.write_edges(edges)
        writer.finish()
        changed = Changed(**writer.count)
        if not changed.nothing:
            moved_on(db)
        return changed


def moved_on(db: sa.Connection) -> None:
    """The graph has a new revision. Call it last: in PostgreSQL, others wait for this row."""
    db.exec_driver_sql(
        "UPDATE meta SET value = CAST(CAST(value AS BIGINT) + 1 AS TEXT) WHERE key = 'revision'"
    )


def revision_of(db: sa.Connection) -> int:
    return int(db.execute(sa.select(META.c.value).where(META.c.key == "revision")).scalar() or 0)


def keys_of(data: Database, db: sa.Connection, ids: Iterable[str]) -> dict[str, int]:
    """The integer keys of node ids; a name is made for what is not there."""
    wanted = sorted(set(ids))
    found = known_keys(data, db, wanted)
    if missing := [i for i in wanted if i not in found]:
        data.put(db, NODES, ("id",), [(i,) for i in missing], unless="id")
        found |= known_keys(data, db, missing)
    return found


def known_keys(data: Database, db: sa.Connection, ids: Iterable[str]) -> dict[str, int]:
    """The integer keys of the node ids that are there. A key never changes."""
    return dict(tuple(row) for row in data.look_up(db, NODES.c.id, ids, "id, key"))


def _of_domain(nodes: Iterable[Node], domain: str | None) -> Iterator[Node]:
    for node in nodes:
        if domain is not None and (node.domain != domain or node.kind not in CORPUS_KINDS):
            raise RunError(f"{node.id} is no corpus node of {domain}: {node.kind} of {node.domain!r}")
        yield node


def _by_source(edges: Iterable[Edge], size: int) -> Iterator[list[Edge]]:
    """Lists of at least `size` that never part edges of one source that follow each other: repeats mostly meet."""
    rest, held = iter(edges), []
    while some := [*held, *islice(rest, size)]:
        source, held = some[-1].source, []
        for edge in rest:
            if edge.source != source:
                held = [edge]
                break
            some.append(edge)
        yield some


class _Fill:
    """Into an empty graph: rows as they come, indexes at the end. Holds all ids in memory, about 150 bytes each."""

    def __init__(self, data: Database, db: sa.Connection):
        self.data, self.db = data, db
        self.keys: dict[str, int] = {}
        self.repeated: dict[str, Node] = {}  # a node given twice: the last counts, in the first's place
        self.count: dict[str, int] = {}
        self.columns = ("key", *NODE_COLUMNS)
        for table, name in LATER:
            next(i for i in table.indexes if i.name == name).drop(db)

    def write_nodes(self, nodes: Iterable[Node]) -> None:
        for some in batches(nodes, BATCH):
            texts, rows = Contents(), []
            for node in some:
                row = node_row(node, texts)
                if row[0] in self.keys:
                    self.repeated[row[0]] = node
                else:
                    self.keys[row[0]] = len(self.keys) + 1
                    rows.append((len(self.keys), *row))
            self.data.put(self.db, TEXTS, ("hash", "body"), texts.items(), unless="hash")
            self.data.put(self.db, NODES, self.columns, rows)
        self.count["added"] = len(self.keys)

    def write_edges(self, edges: Iterable[Edge]) -> None:
        keys, total = self.keys, 0
        for some in _by_source(edges, BATCH):
            rows: dict[tuple[Any, ...], str] = {}
            names: list[tuple[int, str]] = []
            for edge in some:
                try:
                    source, target = keys[edge.source], keys[edge.target]
                except KeyError:
                    source, target = self._key(edge.source, names), self._key(edge.target, names)
                label, data = edge.label, edge.data
                label = label if label.isprintable() else sound(label)
                rows[source, target, edge.kind._value_, label] = packed(data) if data else "{}"
            self.data.put(self.db, NODES, ("key", "id"), names)
            self.data.put(self.db, EDGES, EDGE_COLUMNS, [(*key, data) for key, data in rows.items()])
            total += len(rows)
        self.count["edges_added"] = total

    def _key(self, node_id: str, names: list[tuple[int, str]]) -> int:
        """The node's key; a new one where the edge points at what is not there."""
        node_id = sound(node_id)
        if node_id not in self.keys:
            self.keys[node_id] = len(self.keys) + 1
            names.append((self.keys[node_id], node_id))
        return self.keys[node_id]

    def finish(self) -> None:
        for table, name in LATER:
            index = next(i for i in table.indexes if i.name == name)
            try:
                with self.db.begin_nested():
                    index.create(self.db)
            except exc.IntegrityError:
                self._once()
                index.create(self.db)
        if self.data.is_postgres:
            self.db.execute(
                sa.text("SELECT setval(pg_get_serial_sequence('nodes', 'key'), :last)"),
                {"last": max(1, len(self.keys))},
            )
        if self.repeated:
            _Merge(self.data, self.db, None).write_nodes(self.repeated.values())

    def _once(self) -> None:
        """Edges that were given twice, far apart: the last counts, in the first's place."""
        e = EDGES.c
        same = (e.source, e.target, e.kind, e.label)
        ranked = sa.select(
            e.seq,
            e.data,
            sa.func.min(e.seq).over(partition_by=same).label("first"),
            sa.func.count().over(partition_by=same).label("n"),
            sa.func.row_number().over(partition_by=same, order_by=e.seq.desc()).label("back"),
        ).subquery()
        last = sa.and_(ranked.c.back == 1, ranked.c.n > 1, ranked.c.first == e.seq)
        self.db.execute(EDGES.update().values(data=ranked.c.data).where(last))
        spare = sa.select(ranked.c.seq).where(ranked.c.seq != ranked.c.first)
        self.count["edges_added"] -= self.db.execute(EDGES.delete().where(e.seq.in_(spare))).rowcount


class _Merge:
    """Into a graph that is there: what is equal stays untouched, what differs is replaced and remembered in `history`."""

    def __init__(self, data: Database, db: sa.Connection, replacing: str | None):
        self.data, self.db, self.domain = data, db, replacing
        self.count = dict.fromkeys(Changed.__struct_fields__, 0)
        self.keys: dict[str, int] = {}
        self.at = datetime.now(UTC).isoformat(timespec="seconds")
        self.revision = revision_of(db) + 1
        if replacing is not None:
            for table in SEEN.values():
                table.create(db)

    def write_nodes(self, nodes: Iterable[Node]) -> None:
        for some in batches(nodes):
            texts = Contents()
            rows = {row[0]: row for row in (node_row(node, texts) for node in some)}
            there = {row.id: row for row in self.data.look_up(self.db, NODES.c.id, rows)}
            self.data.put(self.db, TEXTS, ("hash", "body"), sorted(texts.items()), unless="hash")
            fresh = [row for node_id, row in rows.items() if node_id not in there]
            named = [row for node_id, row in rows.items() if node_id in there and there[node_id].kind is None]
            other = [r for i, r in rows.items() if i in there and there[i].kind and r != tuple(there[i][1:])]
            self.data.put(self.db, NODES, NODE_COLUMNS, fresh)
            self._remember([there[row[0]] for row in other])
            self._update([*named, *other], {i: row.key for i, row in there.items()})
            self.count["added"] += len(fresh) + len(named)
            self.count["changed"] += len(other)
            self.count["unchanged"] += len(rows) - len(fresh) - len(named) - len(other)
            if self.domain is not None:
                self._saw("nodes", keys_of(self.data, self.db, rows).values())

    def write_edges(self, edges: Iterable[Edge]) -> None:
        e = EDGES.c
        for some in _by_source(edges, BATCH):
            ends = {sound(i) for edge in some for i in (edge.source, edge.target)}
            if len(self.keys) > REMEMBERED:
                self.keys.clear()
            self.keys |= keys_of(self.data, self.db, ends.difference(self.keys))
            rows = {
                (self.keys[sound(x.source)], self.keys[sound(x.target)], x.kind._value_, sound(x.label)): packed(x.data)
                for x in some
            }  # fmt: skip
            there: dict[Any, tuple[int, str]] = {}
            for row in self.data.look_up(self.db, e.source, {key[0] for key in rows}):
                there[tuple(row[1:5])] = row.seq, row.data
            fresh = [(*key, data) for key, data in rows.items() if key not in there]
            other = [
                (data, there[key][0]) for key, data in rows.items() if key in there and there[key][1] != data
            ]
            self.data.put(self.db, EDGES, EDGE_COLUMNS, fresh)
            if other:
                change = EDGES.update().where(e.seq == sa.bindparam("at")).values(data=sa.bindparam("new"))
                self.db.execute(change, [{"new": data, "at": seq} for data, seq in other])
            self.count["edges_added"] += len(fresh)
            self.count["edges_changed"] += len(other)
            self.count["edges_unchanged"] += len(rows) - len(fresh) - len(other)
            if self.domain is not None:
                self._saw("edges", [there[key][0] for key in rows if key in there])
                self._saw_new_edges(rows, there)

    def _saw_new_edges(self, rows: dict[Any, str], there: dict[Any, Any]) -> None:
        fresh = {key for key in rows if key not in there}
        found = self.data.look_up(self.db, EDGES.c.source, {key[0] for key in fresh})
        self._saw("edges", [row.seq for row in found if tuple(row[1:5]) in fresh])

    def finish(self) -> None:
        """Remove what the domain's corpus no longer holds."""
        if self.domain is None:
            return
        corpus = sa.and_(NODES.c.domain == self.domain, NODES.c.kind.in_(CORPUS_KINDS))
        seen_nodes, seen_edges = (sa.select(SEEN[name].c.key) for name in ("nodes", "edges"))
        sources = sa.select(NODES.c.key).where(corpus)
        gone = EDGES.delete().where(EDGES.c.source.in_(sources), EDGES.c.seq.not_in(seen_edges))
        self.count["edges_removed"] = self.db.execute(gone).rowcount
        query = sa.select(NODES).where(corpus, NODES.c.key.not_in(seen_nodes)).order_by(NODES.c.key)
        while rows := self.db.execute(query.limit(BATCH)).all():
            self._remember(rows)
            self._update([(row.id, *[None] * 6) for row in rows], {row.id: row.key for row in rows})
            self.count["removed"] += len(rows)
        for table in SEEN.values():
            table.drop(self.db)

    def _saw(self, name: str, keys: Iterable[int]) -> None:
        self.data.put(self.db, SEEN[name], ("key",), [(k,) for k in sorted(set(keys))], unless="key")

    def _update(self, rows: list[tuple[Any, ...]], keys: dict[str, int]) -> None:
        values = {name: sa.bindparam(f"new_{name}") for name in NODE_COLUMNS[1:]}
        if rows:
            new = [{f"new_{n}": v for n, v in zip(NODE_COLUMNS, r)} | {"at": keys[r[0]]} for r in rows]
            self.db.execute(NODES.update().where(NODES.c.key == sa.bindparam("at")).values(values), new)

    def _remember(self, rows: Iterable[Any]) -> None:
        columns = ("node", "revision", "at", "kind", "domain", "title", "text", "source", "data")
        known = [
            (r.key, self.revision, self.at, r.kind, r.domain, r.title, r.text, r.source, r.data) for r in rows
        ]
        self.data.put(self.db, HISTORY, columns, known)
