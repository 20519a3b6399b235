"""Attempts as the page's scripts read them: who wrote what, what came back, what was said of it, what it rested on.

The pieces are plain texts with control characters spelled out; the script sets them as text, never as HTML.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from openhorizon.chat.wire import write
from openhorizon.evaluation.tables import title
from openhorizon.records import Trajectory, Turn, Verdict
from openhorizon.report.data import Shown
from openhorizon.report.figures import words
from openhorizon.report.text import visible
from openhorizon.rollout.folding import told

TEXT = 6_000  # characters shown of one message
WHOLE = 120_000  # characters shown of all messages of one attempt: beyond it the longest are cut further
STEPS = 400  # turns shown of one attempt; the page folds them
CALLS = 24  # actions, and pieces of required evidence, drawn in one provenance view; of a longer attempt FIRST of each
FIRST = 8
BUDGET = 1_200_000  # bytes of all attempts in the page


def attempts(samples: Sequence[Shown], budget: int = BUDGET) -> list[dict[str, Any]]:
    """The attempts that fit the budget: of each domain, model and outcome the first, then the second of each, and so on."""
    cells: dict[tuple[str, str, bool], list[Shown]] = {}
    for s in samples:
        cells.setdefault((s.task.domain, s.model, s.judged.verdict.passed), []).append(s)
    ranked = sorted(
        ((rank, cell, s) for cell, own in cells.items() for rank, s in enumerate(own)),
        key=lambda x: (x[0], x[1]),
    )
    kept: list[tuple[tuple[str, str, bool], dict[str, Any]]] = []
    for _, cell, s in ranked:
        one = attempt(s)
        budget -= len(json.dumps(one))
        if budget < 0:
            break
        kept.append((cell, one))
    order = list(cells)
    return [one for _, one in sorted(kept, key=lambda pair: order.index(pair[0]))]


def attempt(s: Shown) -> dict[str, Any]:
    """One attempt: its head, its pieces in the order they stood in the context, the final verdict."""
    t, v = s.judged.trajectory, s.judged.verdict
    limit = _limit(t, WHOLE)
    pieces = [{"kind": "context", "who": m.role, "text": visible(m.content, TEXT)} for m in t.prompt]
    for number, turn in enumerate(t.turns[:STEPS], 1):
        pieces += ({**piece, "turn": number} for piece in _pieces(turn, limit))
    if len(t.turns) > STEPS:
        pieces.append({"kind": "note", "text": f"{len(t.turns) - STEPS:,} more turns are left out here"})
    return {
        "id": visible(t.id, 200), "model": title(s.model), "domain": words(t.domain),
        "passed": v.passed, "level": s.task.level, "turns": len(t.turns), "status": t.status.value,
        "reason": visible(t.reason, 300), "written": sum(len(x.completion.token_ids) for x in t.turns),
        "read": sum(len(x.context_ids) for x in t.turns), "expected": visible(s.task.answer, 600),
        "answer": visible(t.answer, 600), "question": visible(s.task.instruction, 160), "pieces": pieces,
        "verdict": _verdict(v),
        "evidence": [{"node": visible(e.node, 120), "text": visible(e.text, 400)} for e in s.task.evidence[:8]],
        "more_evidence": max(0, len(s.task.evidence) - 8),
    }  # fmt: skip


def _limit(t: Trajectory, room: int) -> int:
    """The longest that a message of the turns may be shown, at most TEXT, so that all of them together keep to `room`."""
    lengths = [len(turn.completion.text) for turn in t.turns]
    lengths += [len(text) for turn in t.turns for text in (*(r.text for r in turn.results), turn.reply)]
    lengths = sorted(min(n, TEXT) for n in lengths if n)
    for place, length in enumerate(lengths):
        share = room // (len(lengths) - place)
        if length > share:  # this one and all longer ones
            return share
        room -= length
    return TEXT


def _pieces(turn: Turn, limit: int) -> Iterable[dict[str, Any]]:
    if turn.fresh:
        yield {"kind": "context", "who": "new token segment", "text": visible(told(turn), limit)}
    written = turn.completion.text or write(turn.message)
    yield {
        "kind": "policy", "who": "assistant", "text": visible(written, limit), "tokens": len(turn.completion.token_ids),
        "cut": turn.completion.finish == "length",
    }  # fmt: skip
    for r in turn.results:
        yield {
            "kind": "tool", "who": visible(r.call.name if r.call else "unreadable call", 60), "ok": r.ok,
            "text": visible(r.text, limit), "sources": [visible(n, 120) for n in r.sources[:12]],
        }  # fmt: skip
    if turn.reply:
        yield {"kind": "context", "who": "user", "text": visible(turn.reply, limit)}
    if turn.verdict is not None:
        yield {"kind": "step", **_verdict(turn.verdict)}


def _verdict(v: Verdict) -> dict[str, Any]:
    parts = [{"name": visible(words(k), 80), "value": round(x, 4)} for k, x in v.parts.items()]
    return {"passed": v.passed, "score": round(v.score, 4), "why": visible(v.why, 600), "parts": parts}


def provenance(accepted: Sequence[Shown], samples: Sequence[Shown]) -> list[dict[str, Any]]:
    """One accepted task per domain as a small graph, from the attempt that passed and consulted most; where self-play
    left no attempts, from the held-out ones."""
    best: dict[str, Shown] = {}
    for pool in (accepted, samples):
        told = set(best)
        for s in pool:
            domain = s.task.domain
            if s.judged.verdict.passed and domain not in told:
                known = best.get(domain)
                best[domain] = s if known is None or _weight(s) > _weight(known) else known
    return [_story(s) for s in best.values()]


def _weight(s: Shown) -> tuple[int, int]:
    """How much there is to see: evidence consulted, calls; long attempts do not count for more."""
    turns = s.judged.trajectory.turns
    consulted = {n for t in turns for r in t.results for n in r.sources}
    return min(len(consulted), 6), min(sum(len(t.results) for t in turns), 6)


def _story(s: Shown) -> dict[str, Any]:
    """Nodes in four columns (task, actions, observations, evidence) and the typed edges between them."""
    t, v = s.judged.trajectory, s.judged.verdict
    nodes = [_node("task", 0, "task", "task", s.task.instruction)]
    edges: list[tuple[str, str, str]] = []
    long = max(len(s.task.evidence), sum(len(turn.results) for turn in t.turns)) > CALLS
    drawn = FIRST if long else CALLS
    needed = s.task.evidence[:drawn]
    evidence = {e.node: f"e{i}" for i, e in enumerate(needed)}
    for e in needed:
        nodes.append(_node(evidence[e.node], 3, "evidence", e.node, e.text, required=True))
        edges.append((evidence[e.node], "task", "supports"))
    if more := len(s.task.evidence) - len(needed):
        nodes.append(
            _node("more evidence", 3, "evidence", f"{more:,} more", "pieces of required evidence, not drawn")
        )
    last, count = "task", 0
    for turn in t.turns:
        for r in turn.results:
            if count == drawn:
                break
            action, seen = f"a{count}", f"o{count}"
            call = json.dumps(r.call.arguments, ensure_ascii=False) if r.call else turn.message.malformed
            nodes.append(_node(action, 1, "action", r.call.name if r.call else "unreadable call", call))
            nodes.append(_node(seen, 2, "observation", "observation" if r.ok else "error", r.text))
            edges += [(last, action, "next" if count else "produces"), (action, seen, "produces")]
            for node in r.sources[:6]:
                if node not in evidence and long:
                    continue
                if node not in evidence:
                    evidence[node] = f"e{len(evidence)}"
                    nodes.append(_node(evidence[node], 3, "resource", node, ""))
                edges.append((seen, evidence[node], "depends_on"))
            last, count = action, count + 1
    if more := sum(len(turn.results) for turn in t.turns) - count:
        nodes.append(
            _node(
                "more calls",
                1,
                "action",
                f"{more:,} more calls",
                "between the one above and the answer, not drawn",
            )
        )
        edges.append((last, "more calls", "next"))
        last = "more calls"
    nodes.append(_node("answer", 1, "answer", "final answer", t.answer))
    nodes.append(
        _node("verdict", 2, "verdict", "passed" if v.passed else "failed", v.why or f"score {v.score:.2f}")
    )
    edges += [(last, "answer", "next"), ("verdict", "answer", "verifies")]
    return {"domain": words(s.task.domain), "task": visible(s.task.id, 200), "nodes": nodes, "edges": edges}


def _node(id: str, column: int, kind: str, title: str, text: str, required: bool = False) -> dict[str, Any]:
    return {
        "id": id, "column": column, "kind": kind, "title": visible(title, 120), "text": visible(text, 1200),
        "required": required,
    }  # fmt: skip
