"""Questions to the graph's tables, and the records that answer them."""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from openhorizon.graph.database import AT_ONCE, batches
from openhorizon.graph.tables import (
    ATTEMPTS,
    CONSULTED,
    EDGES,
    EMPTY,
    EVIDENCE,
    HISTORY,
    NODES,
    STEPS,
    TASKS,
    body_of,
    node_of,
)
from openhorizon.graph.writeback import (
    AttemptRow,
    action_node,
    attempt_nodes,
    observation_node,
    outcome_node,
    verdict_node,
)
from openhorizon.records import Edge, EdgeKind, Node, NodeKind, Record

SOURCE, TARGET = NODES.alias("source_node"), NODES.alias("target_node")
_EVIDENCE = EVIDENCE.join(TASKS, TASKS.c.key == EVIDENCE.c.task).join(NODES, NODES.c.key == EVIDENCE.c.node)
_OUTDATED = (
    EVIDENCE.c.text.is_not(None),
    sa.or_(NODES.c.kind.is_(None), sa.func.coalesce(NODES.c.text, EMPTY) != EVIDENCE.c.text),
)


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
    evidence: tuple[Node, ...] = ()  # E_q as far as the graph holds it, with the texts the task was built on
    outdated: tuple[str, ...] = ()  # ids of those that say something else by now, or are gone
    attempts: tuple[Attempt, ...] = ()


class Former(Record, kw_only=True):
    """What a node was before it was replaced or removed."""

    node: Node
    until: str  # when, ISO 8601, UTC
    revision: int  # of the graph, by the change that replaced it


def of_domain(domain: str | None, kinds: tuple[NodeKind, ...] | None) -> list[Any]:
    own = [] if domain is None else [NODES.c.domain == domain]
    return own + ([] if kinds is None else [NODES.c.kind.in_(kinds)])


def select_nodes(texts: bool, *where: Any) -> sa.Select:
    n = NODES.c
    body = body_of(n.text) if texts else sa.null()
    query = sa.select(n.id, n.kind, n.domain, n.title, body, n.source, n.data)
    return query.where(n.kind.is_not(None), *where).order_by(n.key)


def select_edges(*where: Any) -> sa.Select:
    e = EDGES.c
    ends = EDGES.join(SOURCE, SOURCE.c.key == e.source).join(TARGET, TARGET.c.key == e.target)
    query = sa.select(SOURCE.c.id, TARGET.c.id, e.kind, e.label, e.data).select_from(ends)
    return query.where(*where).order_by(e.seq)


def edges_of_readers(db: sa.Connection, ids: Iterable[str]) -> list[Edge]:
    """Edges of tasks that need the nodes as evidence, and of observations that were made from them."""
    c, s = CONSULTED.c, STEPS.c
    found: list[Edge] = []
    for some in batches(ids, AT_ONCE):
        needs = sa.select(TASKS.c.id, NODES.c.id).select_from(_EVIDENCE).where(NODES.c.id.in_(some))
        for task, node_id in db.execute(needs.order_by(EVIDENCE.c.task, EVIDENCE.c.place)):
            found.append(Edge(source=task, target=node_id, kind=EdgeKind.DEPENDS_ON, label="evidence"))
        steps = CONSULTED.join(NODES, NODES.c.key == c.node).join(ATTEMPTS, ATTEMPTS.c.key == c.attempt)
        steps = steps.join(STEPS, sa.and_(s.attempt == c.attempt, s.number == c.number))
        read = (
            sa.select(ATTEMPTS.c.id, s.turn, s.place, NODES.c.id)
            .select_from(steps)
            .where(NODES.c.id.in_(some))
        )
        for attempt, turn, place, node_id in db.execute(read.order_by(c.attempt, c.number, c.place)):
            seen = f"{attempt}/{turn}.{place}/seen"
            found.append(Edge(source=seen, target=node_id, kind=EdgeKind.DEPENDS_ON, label="consulted"))
    return found


def evidence_of(db: sa.Connection, task_id: str) -> tuple[tuple[Node, ...], tuple[str, ...]]:
    """The task's evidence as it was when the task was written, and the ids of what has changed since."""
    n = NODES.c
    query = sa.select(
        n.id,
        n.kind,
        n.domain,
        n.title,
        body_of(EVIDENCE.c.text),
        n.source,
        n.data,
        sa.and_(*_OUTDATED),
        EVIDENCE.c.text,
    )
    nodes, outdated = [], []
    for *row, changed, said in db.execute(
        query.select_from(_EVIDENCE).where(TASKS.c.id == task_id).order_by(EVIDENCE.c.place)
    ).all():
        if changed:
            outdated.append(row[0])
        if row[1] is None:
            last = former(db, n.id == row[0])[-1:]
            row = [(f.id, f.kind, f.domain, f.title, row[4], f.source, "{}") for f in (x.node for x in last)]
            nodes += [node_of(r) for r in row]
        elif said is None:
            nodes += [node_of(r) for r in db.execute(select_nodes(True, n.id == row[0]))]
        else:
            nodes.append(node_of(row))
    return tuple(nodes), tuple(outdated)


def former(db: sa.Connection, *where: Any) -> tuple[Former, ...]:
    h = HISTORY.c
    there = HISTORY.join(NODES, NODES.c.key == h.node)
    columns = (NODES.c.id, h.kind, h.domain, h.title, body_of(h.text), h.source, h.data, h.at, h.revision)
    query = sa.select(*columns).select_from(there).where(*where).order_by(h.seq)
    return tuple(
        Former(node=node_of(row), until=at, revision=revision) for *row, at, revision in db.execute(query)
    )


def attempt_of(row: AttemptRow, read: dict[str, Node]) -> Attempt:
    steps = tuple(
        Step(
            action=action_node(row, step),
            observation=observation_node(row, step),
            verdict=verdict_node(row, step),
            consulted=tuple(read[n] for n in step.consulted if n in read),
        )
        for step in row.steps
    )
    return Attempt(attempt=next(attempt_nodes(row)), verdict=outcome_node(row), steps=steps)


def without_text(node: Node) -> Node:
    return Node(
        id=node.id, kind=node.kind, domain=node.domain, title=node.title, source=node.source, data=node.data
    )


def outdated(db: sa.Connection) -> dict[str, tuple[str, ...]]:
    """Tasks whose evidence says something else by now or is gone, with the ids of that evidence."""
    found: dict[str, tuple[str, ...]] = {}
    query = sa.select(TASKS.c.id, NODES.c.id).select_from(_EVIDENCE).where(*_OUTDATED)
    for task, node_id in db.execute(query.order_by(EVIDENCE.c.task, EVIDENCE.c.place)):
        found[task] = (*found.get(task, ()), node_id)
    return found
