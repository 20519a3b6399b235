"""Questions about what was tried, each answered by one call over a store: a task's evidence, who consulted a passage, what
failed and why, attempts side by side, and what an accepted answer rests on.

They ask through the store's public methods alone, so they hold for every database and layout of rows. Counts, parts and
exports are asked of a `Graph` (`views.py`, `export.py`).
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable
from difflib import get_close_matches

from openhorizon.errors import RunError
from openhorizon.graph.store import Attempt, GraphStore, Step
from openhorizon.records import Edge, EdgeKind, Node, NodeKind, Record

NEAR = 200  # ids before and after an unknown one that are compared with it


class Consulted(Record, kw_only=True):
    """One step that was made from a node."""

    task: str
    attempt: str
    action: Node
    observation: Node
    verdict: Node | None = None  # of the step; None is ⊥


class Failed(Record, kw_only=True):
    """One action that a verifier did not pass."""

    task: str
    attempt: str
    action: Node  # the step's; where the attempt as a whole failed, its last one, which gave the answer
    verdict: Node  # its text says why


class Side(Record, kw_only=True):
    """One attempt as a row of a table."""

    attempt: str
    policy: str
    seed: int
    status: str  # finished, truncated or aborted
    outcome: str  # passed, failed or not judged
    score: float | None  # in [0, 1]; None: not judged
    turns: int
    steps: int
    tools: dict[str, int]  # how often each was called, in the order of their first calls
    consulted: int  # graph nodes that observations were made from, each once
    why: str  # of the verdict, or why the attempt ended early
    answer: str


class Ground(Record, kw_only=True):
    """How one piece of evidence came into an attempt."""

    evidence: Node
    consulted: Node  # what the observation was made from: the evidence itself, its page, or a passage of it
    action: Node
    observation: Node | None  # None: no tool was called, the task's own text held the evidence
    verdict: Node | None = None  # of the step; None is ⊥


class Grounding(Record, kw_only=True):
    """From an answer back to the passages: acceptance, the attempt that passed, and for each piece of evidence the step
    that read it."""

    closed: bool  # whether an accepted answer is followed down to all of its evidence
    task: Node
    answer: str
    acceptance: Node | None  # what self-play said of the task; None: it was not asked
    attempt: Node | None  # None: none passed
    verdict: Node | None  # of the attempt
    said: Node | None  # the action that gave the answer
    grounds: tuple[Ground, ...] = ()
    missing: tuple[str, ...] = ()  # ids of evidence that no step read or that the graph does not hold


def task_node(store: GraphStore, task_id: str) -> Node:
    """The task. RunError: there is none of that id, with the nearest ids."""
    return _known(store, task_id, "task", lambda n: n.kind is NodeKind.ARTIFACT and n.title == "task")


def evidence(store: GraphStore, task_id: str) -> tuple[Node, ...]:
    """E_q: the nodes that the task requires, in its order. RunError: no such task."""
    task_node(store, task_id)
    return tuple(_by_id(store, _needed(store, task_id)).values())


def consulting(store: GraphStore, node_id: str) -> tuple[Consulted, ...]:
    """The steps whose observation was made from the node, in the order they were written. RunError: no such node."""
    _known(store, node_id, "node", lambda n: True)
    seen = [e.source for e in _labelled(store.into(node_id, kind=EdgeKind.DEPENDS_ON), "consulted")]
    action_of = {e.target: e.source for e in store.into(*seen, kind=EdgeKind.PRODUCES)}
    actions = list(dict.fromkeys(action_of.values()))
    attempt_of, task_of = _origins(store, actions)
    verdict_of = {e.target: e.source for e in store.into(*actions, kind=EdgeKind.VERIFIES)}
    nodes = _by_id(store, [*seen, *actions, *verdict_of.values()])
    return tuple(
        Consulted(
            task=task_of.get(attempt_of[action], ""), attempt=attempt_of[action], action=nodes[action],
            observation=nodes[observation], verdict=nodes.get(verdict_of.get(action, "")),
        )
        for observation in seen if (action := action_of.get(observation, "")) in attempt_of
    )  # fmt: skip


def failed(store: GraphStore, domain: str | None = None) -> tuple[Failed, ...]:
    """The actions that a step-level verifier did not pass, and the answers of attempts that failed, of a domain or all."""
    said = [v for v in store.nodes(domain, NodeKind.VERDICT) if v.title in ("step failed", "attempt failed")]
    judged = store.out(*(v.id for v in said), kind=EdgeKind.VERIFIES)
    targets: dict[str, list[str]] = {}
    for edge in judged:
        targets.setdefault(edge.source, []).append(edge.target)
    whole = [t for v in said if v.title == "attempt failed" for t in targets.get(v.id, ())]
    last = {e.source: e.target for e in store.out(*whole, kind=EdgeKind.PRODUCES)}
    guilty = [
        (v, last.get(t, "") if v.title == "attempt failed" else t)
        for v in said
        for t in targets.get(v.id, ())
    ]
    attempt_of, task_of = _origins(store, [action for _, action in guilty])
    nodes = _by_id(store, [action for _, action in guilty])
    return tuple(
        Failed(
            task=task_of.get(attempt_of[action], ""), attempt=attempt_of[action], action=nodes[action], verdict=verdict
        )
        for verdict, action in guilty if action in attempt_of
    )  # fmt: skip


def side_by_side(store: GraphStore, task_id: str) -> tuple[Side, ...]:
    """All attempts at the task, in the order they were written. RunError: no such task."""
    task_node(store, task_id)
    return tuple(map(_side, store.provenance(task_id).attempts))


def grounding(store: GraphStore, task_id: str) -> Grounding:
    """What the task's answer rests on, by the attempt that passed and read most of the evidence; RunError: no such task.

    A page that was read covers its passages, a passage its page. Where an attempt called no tool, its first action
    rests on the task itself (s_t), whose text holds the evidence.
    """
    task_node(store, task_id)
    story = store.provenance(task_id)
    needed = _needed(store, task_id)
    held = _by_id(store, needed)
    passed = [a for a in story.attempts if a.verdict is not None and a.verdict.title == "attempt passed"]
    found = [(attempt, _grounds(attempt, held)) for attempt in passed]
    attempt, grounds = max(found, key=lambda pair: len(pair[1]), default=(None, {}))
    said = attempt.steps[-1].action if attempt is not None and attempt.steps else None
    missing = tuple(i for i in needed if i not in grounds)
    accepted = story.acceptance is not None and bool(story.acceptance.data.get("accepted"))
    return Grounding(
        closed=accepted and said is not None and bool(grounds) and not missing,
        task=story.task, answer=story.answer, acceptance=story.acceptance,
        attempt=attempt and attempt.attempt, verdict=attempt and attempt.verdict, said=said,
        grounds=tuple(grounds.values()), missing=missing,
    )  # fmt: skip


def _grounds(attempt: Attempt, held: dict[str, Node]) -> dict[str, Ground]:
    """By evidence id: the first step that was made from it."""
    tools = [s for s in attempt.steps if s.observation is not None and s.observation.title != "user"]
    found: dict[str, Ground] = {}
    for node in held.values():
        if not tools and attempt.steps:
            found[node.id] = _ground(node, node, attempt.steps[0])
        for step in tools:
            read = next((c for c in step.consulted if covers(c.id, node.id)), None)
            if read is not None:
                found[node.id] = _ground(node, read, step)
                break
    return found


def _ground(node: Node, read: Node, step: Step) -> Ground:
    return Ground(
        evidence=node, consulted=read, action=step.action, observation=step.observation, verdict=step.verdict
    )


def covers(read: str, needed: str) -> bool:
    """Whether having read one node is having read the other: the same, its page, or a passage of it.

    >>> covers("wiki/Kelp", "wiki/Kelp#2"), covers("wiki/Kelp#1", "wiki/Kelp#2")
    (True, False)
    """
    return needed in (read, read.partition("#")[0]) or needed.partition("#")[0] == read


def _side(one: Attempt) -> Side:
    data, verdict = one.attempt.data, one.verdict
    said = "not judged" if verdict is None else verdict.title.removeprefix("attempt ")
    called = [
        s.action.title for s in one.steps if s.observation is not None and s.observation.title != "user"
    ]
    return Side(
        attempt=one.attempt.id, policy=str(data.get("policy", "")), seed=int(data.get("seed", 0)),
        status=one.attempt.title.removeprefix("attempt "), outcome=said,
        score=None if verdict is None else float(verdict.data.get("score", 0.0)),
        turns=int(data.get("turns", 0)), steps=len(one.steps), tools=dict(Counter(called)),
        consulted=len({node.id for step in one.steps for node in step.consulted}),
        why=(verdict.text if verdict else "") or str(data.get("reason", "")), answer=one.attempt.text,
    )  # fmt: skip


def _needed(store: GraphStore, task_id: str) -> list[str]:
    return [e.target for e in _labelled(store.out(task_id, kind=EdgeKind.DEPENDS_ON), "evidence")]


def _labelled(edges: Iterable[Edge], label: str) -> list[Edge]:
    return [e for e in edges if e.label == label]


def _origins(store: GraphStore, actions: Iterable[str]) -> tuple[dict[str, str], dict[str, str]]:
    """The attempt of each action, and the task of each attempt."""
    attempt_of = {e.target: e.source for e in store.into(*dict.fromkeys(actions), kind=EdgeKind.PRODUCES)}
    of = store.out(*dict.fromkeys(attempt_of.values()), kind=EdgeKind.DEPENDS_ON)
    return attempt_of, {e.source: e.target for e in _labelled(of, "attempts")}


def _by_id(store: GraphStore, ids: Iterable[str]) -> dict[str, Node]:
    """The nodes that are there, in the order of the ids."""
    return {i: node for i in dict.fromkeys(ids) if (node := store.node(i)) is not None}


def _known(store: GraphStore, node_id: str, what: str, fits: Callable[[Node], bool]) -> Node:
    node = store.node(node_id)
    if node is not None and fits(node):
        return node
    is_ = f"; {node_id} is {'an' if node.kind.value[0] in 'aeo' else 'a'} {node.kind.value}" if node else ""
    near = nearest(
        node_id, (n.id for n in store.nodes(kind=NodeKind.ARTIFACT if what == "task" else None) if fits(n))
    )
    mend = f"did you mean {' or '.join(near)}?" if near else f"it holds no {what} at all"
    raise RunError(f"{store.path} holds no {what} {node_id!r}{is_}; {mend}")


def nearest(wanted: str, ids: Iterable[str], count: int = 3) -> list[str]:
    """The ids that are most likely meant: those that hold what was asked for, else those spelled most alike."""
    there = sorted(ids)
    holding = [i for i in there if wanted and wanted.casefold() in i.casefold()]
    if holding:
        return holding[:count]
    at = bisect_left(there, wanted)
    around = there[max(0, at - NEAR) : at + NEAR]
    return get_close_matches(wanted, around, count, 0.3) or there[:1]
