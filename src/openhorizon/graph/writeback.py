"""Attempts become part of the graph: linked step records (s_t, a_t, o_t, v_t) of the right and the wrong ones.

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
from collections.abc import Iterable

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

Written = tuple[tuple[Node, ...], tuple[Edge, ...]]


class Acceptance(Record, kw_only=True):
    """What the acceptance checks said of a proposed task."""

    accepted: bool
    check: str = ""  # name of the first check that failed, "" if accepted
    why: str = ""  # one line a person can read, "" if accepted


def written(
    task: Task, attempts: Iterable[Judged | Trajectory] = (), acceptance: Acceptance | None = None
) -> Written:
    """Nodes and edges of a task, of attempts at it and of what acceptance said, ready for `GraphStore.add`."""
    nodes, edges = [_task_node(task)], [_needs(task, e.node) for e in task.evidence]
    if acceptance is not None:
        nodes.append(_acceptance_node(task, acceptance))
        edges.append(Edge(source=nodes[-1].id, target=task.id, kind=EdgeKind.VERIFIES))
    for one in attempts:
        _write_attempt(one, nodes, edges)
    return tuple(nodes), tuple(edges)


def _task_node(task: Task) -> Node:
    data = {
        "answer": task.answer,
        "split": task.split.value,
        "level": task.level,
        "verifiers": [v.name for v in task.verifiers],
        "entities": list(task.entities),
    }
    return Node(
        id=task.id, kind=NodeKind.ARTIFACT, domain=task.domain, title="task", text=task.instruction, data=data
    )


def _needs(task: Task, node_id: str) -> Edge:
    return Edge(source=task.id, target=node_id, kind=EdgeKind.DEPENDS_ON, label="evidence")


def _acceptance_node(task: Task, said: Acceptance) -> Node:
    return Node(
        id=f"{task.id}/acceptance",
        kind=NodeKind.VERDICT,
        domain=task.domain,
        title="task accepted" if said.accepted else f"task rejected: {said.check}",
        text=said.why,
        data={"accepted": said.accepted, "check": said.check},
    )


def _write_attempt(one: Judged | Trajectory, nodes: list[Node], edges: list[Edge]) -> None:
    run = one.trajectory if isinstance(one, Judged) else one
    data = {"policy": run.policy, "seed": run.seed, "reason": run.reason, "turns": len(run.turns)}
    title = f"attempt {run.status.value}"
    nodes.append(
        Node(id=run.id, kind=NodeKind.ARTIFACT, domain=run.domain, title=title, text=run.answer, data=data)
    )
    edges.append(Edge(source=run.id, target=run.task, kind=EdgeKind.DEPENDS_ON, label="attempts"))
    if isinstance(one, Judged):
        _write_verdict(f"{run.id}/verdict", run.domain, "attempt", one.verdict, (run.id,), nodes, edges)
    state, last = (run.task,), ""
    for number, turn in enumerate(run.turns):
        state, last = _write_turn(run, number, turn, state, last, nodes, edges)


def _write_turn(
    run: Trajectory,
    number: int,
    turn: Turn,
    state: tuple[str, ...],
    last: str,
    nodes: list[Node],
    edges: list[Edge],
) -> tuple[tuple[str, ...], str]:
    """Append the turn's step records; returns what the next turn sees and the turn's last action."""
    seen: list[str] = []
    actions: list[str] = []
    for place, (title, text, result) in enumerate(_steps(turn)):
        action = f"{run.id}/{number}.{place}"
        data = {"turn": number} | (
            {"thought": turn.message.thought} if turn.message.thought and not place else {}
        )
        nodes.append(
            Node(id=action, kind=NodeKind.ACTION, domain=run.domain, title=title, text=text, data=data)
        )
        edges.append(Edge(source=run.id, target=action, kind=EdgeKind.PRODUCES))
        edges += [Edge(source=action, target=s, kind=EdgeKind.DEPENDS_ON, label="state") for s in state]
        if last:
            edges.append(Edge(source=last, target=action, kind=EdgeKind.NEXT))
        last = action
        actions.append(action)
        if result is not None:
            seen.append(f"{action}/seen")
            _write_observation(seen[-1], action, run.domain, result, nodes, edges)
    if turn.verdict is not None:
        _write_verdict(f"{run.id}/{number}/verdict", run.domain, "step", turn.verdict, actions, nodes, edges)
    return tuple(seen) or state, last


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


def _write_observation(
    node_id: str, action: str, domain: str, result: ToolResult, nodes: list[Node], edges: list[Edge]
) -> None:
    title = "user" if result.call is None and result.ok else "seen" if result.ok else "error"
    nodes.append(Node(id=node_id, kind=NodeKind.OBSERVATION, domain=domain, title=title, text=result.text))
    nodes += result.nodes
    edges.append(Edge(source=action, target=node_id, kind=EdgeKind.PRODUCES))
    edges += [
        Edge(source=n.id, target=n.id.partition("#")[0], kind=EdgeKind.SUPPORTS)
        for n in result.nodes
        if "#" in n.id
    ]
    edges += [
        Edge(source=node_id, target=source, kind=EdgeKind.DEPENDS_ON, label="consulted")
        for source in dict.fromkeys(result.sources)
    ]


def _write_verdict(
    node_id: str,
    domain: str,
    of: str,
    verdict: Verdict,
    targets: Iterable[str],
    nodes: list[Node],
    edges: list[Edge],
) -> None:
    title = f"{of} {'passed' if verdict.passed else 'failed'}"
    data = {"score": verdict.score, "parts": dict(verdict.parts)}
    nodes.append(
        Node(id=node_id, kind=NodeKind.VERDICT, domain=domain, title=title, text=verdict.why, data=data)
    )
    edges += [Edge(source=node_id, target=target, kind=EdgeKind.VERIFIES) for target in targets]
