"""How much of what the graph holds: nodes, edges and titles, what was played counted where its rows lie."""

from collections import Counter
from typing import Any

import sqlalchemy as sa

from openhorizon.graph.tables import ATTEMPTS, CONSULTED, EDGES, EVIDENCE, NODES, STEPS, TASKS
from openhorizon.records import EdgeKind, NodeKind

_OF_STEPS = STEPS.join(ATTEMPTS, ATTEMPTS.c.key == STEPS.c.attempt)
_JUDGED = sa.and_(
    STEPS.c.passed.is_not(None), STEPS.c.place == 0
)  # a turn's verdict stands on all of its steps


def counted_titles(db: sa.Connection, kind: NodeKind) -> dict[tuple[str, str], int]:
    """How many nodes of the kind bear each (domain, title), sorted."""
    n = NODES.c
    found = Counter(_grouped(db, NODES, n.domain, n.title, where=n.kind == kind))
    if kind is NodeKind.ARTIFACT:
        found.update(_grouped(db, TASKS, TASKS.c.domain, sa.literal("task")))
        found.update(_grouped(db, ATTEMPTS, ATTEMPTS.c.domain, sa.literal("attempt ") + ATTEMPTS.c.status))
    if kind is NodeKind.ACTION:
        found.update(_grouped(db, _OF_STEPS, ATTEMPTS.c.domain, STEPS.c.title))
    if kind is NodeKind.OBSERVATION:
        found.update(
            _grouped(db, _OF_STEPS, ATTEMPTS.c.domain, STEPS.c.seen, where=STEPS.c.seen.is_not(None))
        )
    if kind is NodeKind.VERDICT:
        t, a, s = TASKS.c, ATTEMPTS.c, STEPS.c
        said = sa.case((t.accepted == 1, "task accepted"), else_="task rejected: " + t.failed)
        found.update(_grouped(db, TASKS, t.domain, said, where=t.accepted.is_not(None)))
        said = sa.case((a.passed == 1, "attempt passed"), else_="attempt failed")
        found.update(_grouped(db, ATTEMPTS, a.domain, said, where=a.passed.is_not(None)))
        said = sa.case((s.passed == 1, "step passed"), else_="step failed")
        found.update(_grouped(db, _OF_STEPS, a.domain, said, where=_JUDGED))
    return dict(sorted(found.items()))


def counted_nodes(db: sa.Connection) -> dict[tuple[str, str], int]:
    """How many nodes of each (domain, kind), sorted."""
    found = Counter(_grouped(db, NODES, NODES.c.domain, NODES.c.kind, where=NODES.c.kind.is_not(None)))
    for kind in (NodeKind.ARTIFACT, NodeKind.VERDICT, NodeKind.ACTION, NodeKind.OBSERVATION):
        stored = Counter(_grouped(db, NODES, NODES.c.domain, NODES.c.title, where=NODES.c.kind == kind))
        for (domain, title), n in counted_titles(db, kind).items():
            found[domain, str(kind)] += n - stored[domain, title]
    return dict(sorted((key, n) for key, n in found.items() if n))


def counted_edges(db: sa.Connection) -> dict[str, int]:
    """How many edges of each kind, sorted."""
    found = Counter({kind: n for (kind,), n in _grouped(db, EDGES, EDGES.c.kind).items()})
    s = STEPS.c
    seen = sa.select(s.attempt, s.turn, sa.func.count().label("n")).where(s.seen.is_not(None))
    seen = seen.group_by(s.attempt, s.turn).subquery()
    states = STEPS.join(seen, sa.and_(seen.c.attempt == s.attempt, seen.c.turn == s.state))
    resting = _number(db, sa.select(sa.func.coalesce(sa.func.sum(seen.c.n), 0)).select_from(states))
    resting += _many(db, STEPS, s.state < 0)
    found[EdgeKind.DEPENDS_ON] += resting + _many(db, EVIDENCE) + _many(db, ATTEMPTS) + _many(db, CONSULTED)
    found[EdgeKind.PRODUCES] += _many(db, STEPS) + _many(db, STEPS, s.seen.is_not(None))
    found[EdgeKind.VERIFIES] += _many(db, TASKS, TASKS.c.accepted.is_not(None))
    found[EdgeKind.VERIFIES] += _many(db, ATTEMPTS, ATTEMPTS.c.passed.is_not(None))
    found[EdgeKind.VERIFIES] += _many(db, STEPS, s.passed.is_not(None))
    found[EdgeKind.NEXT] += _many(db, STEPS, s.number > 0)
    return {str(kind): n for kind, n in sorted(found.items()) if n}


def _grouped(db: sa.Connection, table: Any, *columns: Any, where: Any = None) -> dict[tuple[Any, ...], int]:
    named = [c.label(f"c{i}") for i, c in enumerate(columns)]
    inner = sa.select(*named).select_from(table)
    rows = (inner if where is None else inner.where(where)).subquery()
    query = sa.select(*rows.c, sa.func.count()).group_by(*rows.c)
    return {tuple(row[:-1]): row[-1] for row in db.execute(query)}


def _many(db: sa.Connection, table: sa.Table, *where: Any) -> int:
    return _number(db, sa.select(sa.func.count()).select_from(table).where(*where))


def _number(db: sa.Connection, query: sa.Select) -> int:
    return int(db.execute(query).scalar() or 0)
