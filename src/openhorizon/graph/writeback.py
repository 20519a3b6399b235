"""Attempts become part of the graph: linked step records (s_t, a_t, o_t, v_t) of the right and the wrong ones.

They lie as rows (`tables.py`), one a step, and are read back as nodes and edges:

    task        ARTIFACT  --depends_on "evidence"--> corpus nodes (E_q)
    attempt     ARTIFACT  --depends_on "attempts"--> task;  --produces--> each action
    a_t         ACTION    one per tool call, one per message without a call; --next--> a_t+1;
                          --depends_on "state"--> what was seen just before (s_t): the task, then observations
    o_t         OBSERVATION  <--produces-- a_t;  --depends_on "consulted"--> corpus nodes (ToolResult.sources), or
                          what came from outside (ToolResult.nodes), which is written with it
    v_t         VERDICT   --verifies--> the turn's actions; the outcome's: the attempt; the acceptance: the task

Ids are readable and follow from the attempt alone ("<attempt>/2.0" is call 0 of turn 2, "<attempt>/2.0/seen" what it
returned), so writing the same attempt twice changes nothing.
"""

import json
import re
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec

from openhorizon.graph.tables import Contents, as_bytes, packed, sound, unpacked
from openhorizon.records import (
    Edge,
    EdgeKind,
    Judged,
    Message,
    Node,
    NodeKind,
    Record,
    Task,
    ToolCall,
    ToolResult,
    Trajectory,
    Turn,
    Verdict,
)

PLAYED_KINDS = (NodeKind.ARTIFACT, NodeKind.ACTION, NodeKind.OBSERVATION, NodeKind.VERDICT)
_BELOW = (re.compile(r"/(\d+\.\d+(/seen)?|verdict|acceptance)$"), re.compile(r"/\d+/verdict$"))


class Acceptance(Record, kw_only=True):
    """What the acceptance checks said of a proposed task."""

    accepted: bool
    check: str = ""  # name of the first check that failed, "" if accepted
    why: str = ""  # one line a person can read, "" if accepted


class Played(NamedTuple):
    """A task, attempts at it and what acceptance said: what `GraphStore.record` writes."""

    task: Task
    attempts: tuple[Judged | Trajectory, ...] = ()  # a bare trajectory was never scored
    acceptance: Acceptance | None = None  # None: it was not asked


class StepRow(NamedTuple):
    """A row of `steps` with its texts. Columns as there; `consulted` are node ids."""

    number: int
    turn: int
    place: int
    state: int
    title: str
    action: Any  # text; its hash on the way in
    thought: Any
    seen: str | None
    observation: Any
    passed: int | None
    verdict: str | None
    consulted: tuple[str, ...] = ()


class AttemptRow(NamedTuple):
    """A row of `attempts` with its answer's text, and its steps."""

    id: str
    task: str  # task id
    domain: str
    status: str
    answer: Any  # text; its hash on the way in
    data: str
    passed: int | None
    verdict: str | None
    steps: tuple[StepRow, ...] = ()
    content: bytes = b""


class TaskRow(NamedTuple):
    """A row of `tasks` with its record, and the ids of its evidence."""

    id: str
    domain: str
    record: Any  # the Task; its hash on the way in
    accepted: int | None
    failed: str
    why: str
    evidence: tuple[str, ...] = ()


def task_row(one: Played, texts: Contents) -> TaskRow:
    """The task on its way into the store."""
    task, said = one.task, one.acceptance
    evidence = tuple(dict.fromkeys(sound(e.node) for e in task.evidence))
    failed, why = (sound(said.check), sound(said.why)) if said else ("", "")
    accepted = int(said.accepted) if said else None
    return TaskRow(sound(task.id), task.domain, texts.packed(as_bytes(task)), accepted, failed, why, evidence)


def attempt_row(one: Judged | Trajectory, texts: Contents) -> AttemptRow:
    """The attempt on its way into the store, one row a step."""
    run = one.trajectory if isinstance(one, Judged) else one
    passed, verdict = _said(one.verdict if isinstance(one, Judged) else None)
    steps: list[StepRow] = []
    state = -1
    for number, turn in enumerate(run.turns):
        judged = _said(turn.verdict)
        seen = False
        for place, (title, text, result) in enumerate(_steps(turn)):
            thought = "" if place else turn.message.thought
            what = (
                None
                if result is None
                else "user"
                if result.call is None and result.ok
                else "seen"
                if result.ok
                else "error"
            )
            seen = seen or result is not None
            steps.append(
                StepRow(
                    len(steps), number, place, state, sound(title), texts.hashed(text), texts.hashed(thought), what,
                    texts.hashed(result.text) if result else None, *judged,
                    tuple(dict.fromkeys(map(sound, result.sources))) if result else (),
                )
            )  # fmt: skip
        state = number if seen else state
    data = packed({"policy": run.policy, "seed": run.seed, "reason": run.reason, "turns": len(run.turns)})
    row = AttemptRow(
        sound(run.id), sound(run.task), run.domain, run.status.value, texts.hashed(run.answer), data, passed, verdict,
        tuple(steps),
    )  # fmt: skip
    return row._replace(content=blake2b(msgspec.msgpack.encode(row), digest_size=16).digest())


def _said(verdict: Verdict | None) -> tuple[int | None, str | None]:
    """Passed or not, and the whole verdict as JSON."""
    return (None, None) if verdict is None else (int(verdict.passed), as_bytes(verdict).decode())


def owners(ids: Iterable[str]) -> set[str]:
    """The ids, and those of the tasks and attempts that nodes of these ids would belong to."""
    found = set(ids)
    return found | {below.sub("", i) for below in _BELOW for i in found}


def task_nodes(row: TaskRow) -> Iterator[Node]:
    """The task, and its acceptance."""
    task = row.record
    data = {
        "answer": task.answer, "split": task.split.value, "level": task.level,
        "verifiers": [v.name for v in task.verifiers], "entities": list(task.entities),
    }  # fmt: skip
    yield Node(
        id=row.id, kind=NodeKind.ARTIFACT, domain=row.domain, title="task", text=task.instruction, data=data
    )
    if row.accepted is not None:
        title = "task accepted" if row.accepted else f"task rejected: {row.failed}"
        data = {"accepted": bool(row.accepted), "check": row.failed}
        yield Node(
            id=f"{row.id}/acceptance", kind=NodeKind.VERDICT, domain=row.domain, title=title, text=row.why, data=data
        )  # fmt: skip


def task_edges(row: TaskRow) -> Iterator[Edge]:
    for node_id in row.evidence:
        yield Edge(source=row.id, target=node_id, kind=EdgeKind.DEPENDS_ON, label="evidence")
    if row.accepted is not None:
        yield Edge(source=f"{row.id}/acceptance", target=row.id, kind=EdgeKind.VERIFIES)


def attempt_nodes(row: AttemptRow) -> Iterator[Node]:
    """The attempt, its verdict, and the nodes of its steps in order."""
    yield Node(
        id=row.id, kind=NodeKind.ARTIFACT, domain=row.domain, title=f"attempt {row.status}", text=row.answer,
        data=unpacked(row.data),
    )  # fmt: skip
    if row.verdict is not None:
        yield _verdict_node(f"{row.id}/verdict", row.domain, "attempt", row.verdict)
    for step in row.steps:
        yield action_node(row, step)
        if (observation := observation_node(row, step)) is not None:
            yield observation
        if not step.place and (verdict := verdict_node(row, step)) is not None:
            yield verdict


def action_node(row: AttemptRow, step: StepRow) -> Node:
    data: dict[str, Any] = {"turn": step.turn} | ({"thought": step.thought} if step.thought else {})
    return Node(
        id=f"{row.id}/{step.turn}.{step.place}", kind=NodeKind.ACTION, domain=row.domain, title=step.title,
        text=step.action, data=data,
    )  # fmt: skip


def observation_node(row: AttemptRow, step: StepRow) -> Node | None:
    """What came back; None: nothing."""
    if step.seen is None:
        return None
    return Node(
        id=_seen(row, step),
        kind=NodeKind.OBSERVATION,
        domain=row.domain,
        title=step.seen,
        text=step.observation,
    )


def verdict_node(row: AttemptRow, step: StepRow) -> Node | None:
    """The verdict of the step's turn; None is ⊥."""
    if step.verdict is None:
        return None
    return _verdict_node(f"{row.id}/{step.turn}/verdict", row.domain, "step", step.verdict)


def outcome_node(row: AttemptRow) -> Node | None:
    """The outcome's verdict; None: aborted, never scored."""
    return (
        None
        if row.verdict is None
        else _verdict_node(f"{row.id}/verdict", row.domain, "attempt", row.verdict)
    )


def attempt_edges(row: AttemptRow) -> Iterator[Edge]:
    yield Edge(source=row.id, target=row.task, kind=EdgeKind.DEPENDS_ON, label="attempts")
    if row.verdict is not None:
        yield Edge(source=f"{row.id}/verdict", target=row.id, kind=EdgeKind.VERIFIES)
    seen: dict[int, list[str]] = {-1: [row.task]}
    last = ""
    for step in row.steps:
        action = f"{row.id}/{step.turn}.{step.place}"
        yield Edge(source=row.id, target=action, kind=EdgeKind.PRODUCES)
        for state in seen[step.state]:
            yield Edge(source=action, target=state, kind=EdgeKind.DEPENDS_ON, label="state")
        if last:
            yield Edge(source=last, target=action, kind=EdgeKind.NEXT)
        last = action
        if step.seen is not None:
            seen.setdefault(step.turn, []).append(_seen(row, step))
            yield Edge(source=action, target=_seen(row, step), kind=EdgeKind.PRODUCES)
        for node_id in step.consulted:
            yield Edge(source=_seen(row, step), target=node_id, kind=EdgeKind.DEPENDS_ON, label="consulted")
        if step.verdict is not None:
            yield Edge(source=f"{row.id}/{step.turn}/verdict", target=action, kind=EdgeKind.VERIFIES)


def _seen(row: AttemptRow, step: StepRow) -> str:
    return f"{row.id}/{step.turn}.{step.place}/seen"


def _verdict_node(node_id: str, domain: str, of: str, verdict: str) -> Node:
    said = {"score": None, "passed": False, "parts": {}, "why": ""} | msgspec.json.decode(verdict)
    return Node(
        id=node_id, kind=NodeKind.VERDICT, domain=domain, title=f"{of} {'passed' if said['passed'] else 'failed'}",
        text=said["why"], data={"score": said["score"], "parts": said["parts"]},
    )  # fmt: skip


def _steps(turn: Turn) -> list[tuple[str, str, ToolResult | None]]:
    """Title, text and result of each action of the turn: its calls, or else what it said."""
    message = turn.message
    answered = [r for r in turn.results if r.call is not None]
    steps: list[tuple[str, str, ToolResult | None]] = []
    for place, call in enumerate(message.calls):
        result = answered[place] if place < len(answered) else None
        steps.append((call.name, _spoken(message, call, first=not place), result))
    if message.malformed:
        steps.append(
            ("malformed call", turn.completion.text, next((r for r in turn.results if r.call is None), None))
        )
    if not steps:
        reply = ToolResult(call=None, text=turn.reply) if turn.reply else None
        title = "cut off" if turn.completion.finish == "length" else "message" if turn.reply else "answer"
        steps.append((title, message.content, reply))
    return steps


def _spoken(message: Message, call: ToolCall, first: bool) -> str:
    """What was said before the calls, and the call as the model spelled its arguments."""
    try:
        spelled = json.dumps(call.arguments, ensure_ascii=False, sort_keys=True)
    except (ValueError, RecursionError):
        spelled = "{...}"
    said = f"{message.content}\n" if first and message.content else ""
    return f"{said}{call.name} {spelled}"


def from_outside(games: Iterable[Played]) -> tuple[list[Node], list[Edge]]:
    """What tools brought from outside the graph (`ToolResult.nodes`): pages, and the texts on them."""
    nodes: dict[str, Node] = {}
    for one in (a for game in games for a in game.attempts):
        run = one.trajectory if isinstance(one, Judged) else one
        nodes |= {n.id: n for turn in run.turns for result in turn.results for n in result.nodes}
    edges = [
        Edge(source=i, target=page, kind=EdgeKind.SUPPORTS)
        for i in nodes
        if (page := i.partition("#")[0]) != i
    ]
    return list(nodes.values()), edges
