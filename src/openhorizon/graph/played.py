"""What was played, written as rows of tasks, attempts and steps, and read back as nodes and edges (`writeback.py`)."""

from collections.abc import Iterable, Iterator
from typing import Any

import sqlalchemy as sa

from openhorizon.graph.database import AT_ONCE, Database, batches
from openhorizon.graph.knowledge import keys_of, known_keys, moved_on
from openhorizon.graph.tables import (
    ATTEMPTS,
    CONSULTED,
    EMPTY,
    EVIDENCE,
    NODES,
    STEPS,
    TASKS,
    TEXTS,
    Contents,
    body_of,
    raw_of,
    text_of,
)
from openhorizon.graph.writeback import AttemptRow, Played, StepRow, TaskRow, attempt_row, task_row
from openhorizon.records import Task, from_json

TRIES = 5  # in PostgreSQL two writers may meet at one row: the one that is turned away begins again
TASK_COLUMNS = ("id", "domain", "record", "accepted", "failed", "why")
ATTEMPT_COLUMNS = ("id", "task", "domain", "status", "answer", "data", "passed", "verdict", "content")
STEP_COLUMNS = ("attempt", *StepRow._fields[:-1])


def record(data: Database, games: Iterable[Played]) -> None:
    """Write tasks, attempts and steps, all or nothing; what is there and equal stays untouched."""
    texts = Contents()
    tasks: dict[str, TaskRow] = {}
    attempts: dict[str, AttemptRow] = {}
    for game in games:
        row = task_row(game, texts)
        tasks[row.id] = row
        attempts.update((a.id, a) for a in (attempt_row(one, texts) for one in game.attempts))
    steps = (step for one in attempts.values() for step in one.steps)
    named = {n for step in steps for n in step.consulted}.union(*(t.evidence for t in tasks.values()))
    with data.reading() as db:  # keys never change: most need not be looked up while others wait
        keys = known_keys(data, db, named)
    for tries in range(TRIES):
        try:
            with data.writing(alone=False) as db:
                nodes = keys | keys_of(data, db, named.difference(keys))
                _write(data, db, texts, tasks, attempts, nodes)
            return
        except Exception as error:
            if tries == TRIES - 1 or not _met(error):
                raise


def _met(error: Exception) -> bool:
    """Whether another writer of PostgreSQL was in the way: trying again mends it."""
    cause = error.__cause__ or error
    return getattr(getattr(cause, "orig", None), "sqlstate", "") in ("40P01", "40001", "23505")


def _write(
    data: Database,
    db: sa.Connection,
    texts: Contents,
    tasks: dict[str, TaskRow],
    attempts: dict[str, AttemptRow],
    nodes: dict[str, int],
) -> None:
    known = {row.id: row for row in data.look_up(db, TASKS.c.id, tasks)}
    new = [t for t in tasks.values() if t.id not in known]
    changed = [t for t in tasks.values() if t.id in known and tuple(t[1:6]) != tuple(known[t.id])[2:]]
    played = {row.id: row for row in data.look_up(db, ATTEMPTS.c.id, attempts)}
    fresh = [a for a in attempts.values() if a.id not in played]
    other = [a for a in attempts.values() if a.id in played and a.content != played[a.id].content]
    if not (new or changed or fresh or other):
        return
    data.put(db, TEXTS, ("hash", "body"), sorted(texts.items()), unless="hash")
    data.put(db, TASKS, TASK_COLUMNS, [t[:6] for t in new])
    task_keys = _keys(known.values()) | _keys(data.look_up(db, TASKS.c.id, [t.id for t in new]))
    if outside := sorted({a.task for a in attempts.values()} - set(task_keys)):
        task_keys |= _keys(data.look_up(db, TASKS.c.id, outside))
    if changed:
        _update(db, TASKS, TASK_COLUMNS, [(task_keys[t.id], t[:6]) for t in changed])
        db.execute(EVIDENCE.delete().where(EVIDENCE.c.task.in_([task_keys[t.id] for t in changed])))
    _write_evidence(data, db, [(task_keys[t.id], t) for t in (*new, *changed)], nodes)
    rows = {a.id: (a.id, task_keys[a.task], *a[2:8], a.content) for a in (*fresh, *other)}
    data.put(db, ATTEMPTS, ATTEMPT_COLUMNS, [rows[a.id] for a in fresh])
    keys = _keys(played.values()) | _keys(data.look_up(db, ATTEMPTS.c.id, [a.id for a in fresh]))
    for some in batches(other, AT_ONCE):
        _update(db, ATTEMPTS, ATTEMPT_COLUMNS, [(keys[a.id], rows[a.id]) for a in some])
        for table in (STEPS, CONSULTED):
            db.execute(table.delete().where(table.c.attempt.in_([keys[a.id] for a in some])))
    written = [(keys[a.id], s) for a in (*fresh, *other) for s in a.steps]
    data.put(db, STEPS, STEP_COLUMNS, [(key, *s[:-1]) for key, s in written])
    consulted = [(key, s.number, i, nodes[n]) for key, s in written for i, n in enumerate(s.consulted)]
    data.put(db, CONSULTED, ("attempt", "number", "place", "node"), consulted)
    moved_on(db)


def _write_evidence(
    data: Database, db: sa.Connection, tasks: list[tuple[int, TaskRow]], nodes: dict[str, int]
) -> None:
    """E_q, with the hash of what each node says now: what the task is built on."""
    says: dict[int, bytes] = {}
    for row in data.look_up(db, NODES.c.key, {nodes[n] for _, t in tasks for n in t.evidence}):
        if row.kind is not None:
            says[row.key] = row.text or EMPTY
    rows = [(key, i, nodes[n], says.get(nodes[n])) for key, t in tasks for i, n in enumerate(t.evidence)]
    data.put(db, EVIDENCE, ("task", "place", "node", "text"), rows)


def _keys(rows: Iterable[Any]) -> dict[str, int]:
    return {row.id: row.key for row in rows}


def _update(
    db: sa.Connection, table: sa.Table, columns: tuple[str, ...], rows: list[tuple[int, tuple[Any, ...]]]
) -> None:
    change = table.update().where(table.c.key == sa.bindparam("at"))
    change = change.values({name: sa.bindparam(f"new_{name}") for name in columns})
    db.execute(change, [{f"new_{n}": v for n, v in zip(columns, row)} | {"at": key} for key, row in rows])


def tasks_where(db: sa.Connection, *where: Any) -> Iterator[TaskRow]:
    """Tasks in the order they were written."""
    query = sa.select(TASKS, TEXTS.c.body).join(TEXTS, TEXTS.c.hash == TASKS.c.record).where(*where)
    for some in batches(db.execute(query.order_by(TASKS.c.key)), AT_ONCE):
        needs: dict[int, list[str]] = {}
        named = (
            sa.select(EVIDENCE.c.task, NODES.c.id)
            .join(NODES, NODES.c.key == EVIDENCE.c.node)
            .where(EVIDENCE.c.task.in_([row.key for row in some]))
            .order_by(EVIDENCE.c.task, EVIDENCE.c.place)
        )
        for task, node_id in db.execute(named):
            needs.setdefault(task, []).append(node_id)
        for row in some:
            record = from_json(raw_of(row.body), Task)
            evidence = tuple(needs.get(row.key, ()))
            yield TaskRow(row.id, row.domain, record, row.accepted, row.failed, row.why, evidence)


def attempts_where(
    db: sa.Connection, *where: Any, texts: bool = True, size: int = 100
) -> Iterator[AttemptRow]:
    """Attempts in the order they were written, with their steps; `texts=False` leaves texts and thoughts out."""
    last = 0
    while True:
        query = sa.select(
            ATTEMPTS.c.key, ATTEMPTS.c.id, TASKS.c.id, ATTEMPTS.c.domain, ATTEMPTS.c.status, *_body(texts, ATTEMPTS.c.answer),
            ATTEMPTS.c.data, ATTEMPTS.c.passed, ATTEMPTS.c.verdict,
        ).join(TASKS, TASKS.c.key == ATTEMPTS.c.task)  # fmt: skip
        query = query.where(*where, ATTEMPTS.c.key > last).order_by(ATTEMPTS.c.key).limit(size)
        rows = db.execute(query).all()
        steps = _steps(db, [row[0] for row in rows], texts)
        for key, *row in rows:
            row[4] = text_of(row[4])
            yield AttemptRow(*row, steps=tuple(steps.get(key, ())))
        if len(rows) < size:
            return
        last = rows[-1][0]


def _steps(db: sa.Connection, attempts: list[int], texts: bool) -> dict[int, list[StepRow]]:
    read: dict[tuple[int, int], list[str]] = {}
    named = (
        sa.select(CONSULTED.c.attempt, CONSULTED.c.number, NODES.c.id)
        .join(NODES, NODES.c.key == CONSULTED.c.node)
        .where(CONSULTED.c.attempt.in_(attempts))
        .order_by(CONSULTED.c.attempt, CONSULTED.c.number, CONSULTED.c.place)
    )
    for attempt, number, node_id in db.execute(named):
        read.setdefault((attempt, number), []).append(node_id)
    s = STEPS.c
    query = sa.select(
        s.attempt, s.number, s.turn, s.place, s.state, s.title, *_body(texts, s.action), *_body(texts, s.thought),
        s.seen, *_body(texts, s.observation), s.passed, s.verdict,
    ).where(s.attempt.in_(attempts)).order_by(s.attempt, s.number)  # fmt: skip
    steps: dict[int, list[StepRow]] = {}
    for attempt, *row in db.execute(query):
        for column in (5, 6, 8):
            row[column] = text_of(row[column])
        steps.setdefault(attempt, []).append(StepRow(*row, consulted=tuple(read.get((attempt, row[0]), ()))))
    return steps


def _body(texts: bool, column: sa.Column) -> list[Any]:
    if not texts:
        return [sa.null()]
    return [body_of(column)]
