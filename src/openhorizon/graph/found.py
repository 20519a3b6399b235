"""What `queries.py` found, as rich renderables for people."""

from collections.abc import Iterable, Sequence
from typing import Any

from openhorizon.graph.queries import Consulted, Failed, Grounding, Side
from openhorizon.graph.summary import line
from openhorizon.records import Node

MOST = 50  # rows that a person is shown; programs get all
WIDTH = 80  # characters of a cell or a branch


def sides(attempts: Sequence[Side]) -> Any:
    """Attempts at one task, a row each."""
    rows = [
        (
            a.attempt.rpartition("@")[2], a.status, _mark(a.outcome), "" if a.score is None else f"{a.score:.2f}",
            str(a.turns), str(a.steps), ", ".join(f"{tool} {n}" for tool, n in a.tools.items()), str(a.consulted),
            line(a.answer, 40), line(a.why, WIDTH),
        )
        for a in attempts
    ]  # fmt: skip
    head = ("attempt", "ended", "outcome", "score", "turns", "steps", "tools", "consulted", "answer", "why")
    return _table(head, rows, right=("score", "turns", "steps", "consulted"))


def consultations(steps: Sequence[Consulted]) -> Any:
    """Steps that consulted one node."""
    rows = [
        (
            s.attempt, line(s.action.text or s.action.title, 60), line(s.observation.text, 60),
            "" if s.verdict is None else _mark(s.verdict.title.removeprefix("step ")),
        )
        for s in steps
    ]  # fmt: skip
    return _table(("attempt", "action", "saw", "verdict"), rows)


def failures(actions: Sequence[Failed]) -> Any:
    """Actions that failed verification, and why."""
    rows = [
        (
            a.action.id,
            a.verdict.title.partition(" ")[0],
            line(a.action.text or a.action.title, 60),
            line(a.verdict.text, WIDTH),
        )
        for a in actions
    ]
    return _table(("action", "verdict of", "did", "why"), rows)


def ground(found: Grounding) -> Any:
    """From the answer down to the passages."""
    from rich.text import Text
    from rich.tree import Tree

    accepted = "not asked" if found.acceptance is None else found.acceptance.title
    root = Tree(Text(f"{found.task.id}: {line(found.task.text, WIDTH)}"))
    answer = root.add(Text(f"answer {line(found.answer, WIDTH)} ({accepted})"))
    if found.attempt is None or found.said is None:
        answer.add(Text("no attempt passed", "red"))
        return root
    said = "" if found.verdict is None else f", {found.verdict.title}"
    attempt = answer.add(Text(f"attempt {found.attempt.id}{said}; it said: {line(found.said.text, WIDTH)}"))
    for one in found.grounds:
        node = attempt.add(
            Text(f"needs {one.evidence.id}: {line(one.evidence.text or one.evidence.title, WIDTH)}")
        )
        verdict = "" if one.verdict is None else f", {one.verdict.title}"
        did = line(one.action.text or one.action.title, WIDTH)
        if one.observation is None:
            node.add(Text(f"given in the task itself, which {one.action.id} began with"))
        else:
            node.add(
                Text(f"{one.observation.id} saw {one.consulted.id}: {line(one.observation.text, WIDTH)}")
            )
            node.add(Text(f"{one.action.id} asked for it{verdict}: {did}"))
        if source := one.evidence.source or one.consulted.source:
            node.add(Text(f"source {source}"))
    for gone in found.missing:
        attempt.add(Text(f"needs {gone}: no step read it", "red"))
    root.add(Text("closed", "green") if found.closed else Text("not closed", "red"))
    return root


def pieces(nodes: Sequence[Node]) -> Any:
    """The evidence of a task."""
    rows = [(n.id, n.kind.value, line(n.text or n.title, WIDTH), n.source) for n in nodes]
    return _table(("evidence", "kind", "text", "source"), rows)


def _mark(outcome: str) -> str:
    return {"passed": "✓ passed", "failed": "✗ failed"}.get(outcome, outcome)


def _table(head: Iterable[str], rows: Sequence[Sequence[str]], right: Iterable[str] = ()) -> Any:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="dim", padding=(0, 1))
    for column in head:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows[:MOST]:
        table.add_row(*map(Text, row))
    more = len(rows) - MOST
    if not rows:
        return "none"
    return Group(table, f"and {more:,} more: --json gives all of them") if more > 0 else table
