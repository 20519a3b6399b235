"""What a graph holds, in numbers and as the story of one task: what `openhorizon graph RUN` prints."""

from typing import Any

from openhorizon.graph.graph import Graph
from openhorizon.graph.store import Attempt, GraphStore, Step
from openhorizon.records import Node, NodeKind, Record


class GraphSummary(Record, kw_only=True):
    """Counts of a graph; the inner keys are sorted, so equal graphs give equal summaries."""

    nodes: dict[str, dict[str, int]]  # domain -> node kind -> how many
    edges: dict[str, int]  # edge kind -> how many
    attempts: dict[str, dict[str, int]]  # domain -> passed / failed / aborted -> how many
    tasks: dict[str, dict[str, int]]  # domain -> accepted / rejected -> how many
    rejected: dict[str, dict[str, int]]  # domain -> acceptance check that failed -> how many


def summarise(store: GraphStore | Graph) -> GraphSummary:
    """The counts of everything in the store, or in a part of the graph."""
    nodes: dict[str, dict[str, int]] = {}
    for (domain, kind), n in store.counts().items():
        nodes.setdefault(domain, {})[kind] = n
    attempts: dict[str, dict[str, int]] = {}
    tasks: dict[str, dict[str, int]] = {}
    rejected: dict[str, dict[str, int]] = {}
    for (domain, title), n in store.titles(NodeKind.VERDICT).items():
        of, _, said = title.partition(" ")
        if of == "attempt":
            attempts.setdefault(domain, {})[said] = n
        elif title.startswith("task rejected: "):
            rejected.setdefault(domain, {})[title.removeprefix("task rejected: ")] = n
        elif of == "task":
            tasks.setdefault(domain, {})[said] = n
    for domain, reasons in rejected.items():
        tasks.setdefault(domain, {})["rejected"] = sum(reasons.values())
    for (domain, title), n in store.titles(NodeKind.ARTIFACT).items():
        if title == "attempt aborted":
            attempts.setdefault(domain, {})["aborted"] = n
    return GraphSummary(
        nodes=nodes, edges=store.edge_counts(), attempts=attempts, tasks=tasks, rejected=rejected
    )


def render(summary: GraphSummary) -> Any:
    """The summary as a rich renderable: one table of nodes, one of edges, one of self-play."""
    from rich.console import Group
    from rich.table import Table

    kinds = [k.value for k in NodeKind if any(k.value in row for row in summary.nodes.values())]
    held = Table("domain", *kinds, "all", title="nodes")
    for domain, row in summary.nodes.items():
        held.add_row(domain or "-", *(str(row.get(k, "")) for k in kinds), str(sum(row.values())))
    total = [sum(row.get(k, 0) for row in summary.nodes.values()) for k in kinds]
    held.add_section()
    held.add_row("all", *map(str, total), str(sum(total)))
    edges = Table("edges", "", title="edges")
    for kind, n in summary.edges.items():
        edges.add_row(kind, str(n))
    played = Table(
        "domain",
        "tasks accepted",
        "rejected",
        "why",
        "attempts passed",
        "failed",
        "aborted",
        title="self-play",
    )
    for domain in sorted({*summary.tasks, *summary.attempts}):
        tasks, tries = summary.tasks.get(domain, {}), summary.attempts.get(domain, {})
        why = ", ".join(f"{check} {n}" for check, n in _by_size(summary.rejected.get(domain, {})))
        counts = [str(tries.get(said, 0)) for said in ("passed", "failed", "aborted")]
        played.add_row(domain, str(tasks.get("accepted", 0)), str(tasks.get("rejected", 0)), why, *counts)
    for table in (held, edges, played):
        for column in table.columns[1:]:
            column.justify = "left" if column.header == "why" else "right"
    return Group(*(table for table in (held, edges, played) if table.row_count))


def task_story(store: GraphStore, task_id: str) -> tuple[str, ...]:
    """Lines that follow one task from its question to the passages its attempts consulted; RunError if unknown."""
    story = store.provenance(task_id)
    lines = [f"task {task_id}", f"  asks: {line(story.task.text)}", f"  answer: {line(story.answer)}"]
    if story.acceptance is not None:
        lines.append(f"  {story.acceptance.title}" + _because(story.acceptance.text))
    lines += [f"  needs {node.id}: {line(node.text or node.title)}" for node in story.evidence]
    for attempt in story.attempts:
        lines += _attempt_lines(attempt, task_id)
    return tuple(lines)


def _attempt_lines(one: Attempt, task_id: str) -> list[str]:
    name = one.attempt.id.removeprefix(f"{task_id}@")
    said = "not judged" if one.verdict is None else one.verdict.title.removeprefix("attempt ")
    why = "" if one.verdict is None else one.verdict.text
    reason = str(one.attempt.data.get("reason", ""))
    lines = [
        f"  attempt {name}: {one.attempt.title.removeprefix('attempt ')}{_because(reason)}, {said}{_because(why)}"
    ]
    for step in one.steps:
        lines += _step_lines(step)
    return lines


def _step_lines(step: Step) -> list[str]:
    title, text = step.action.title, line(step.action.text)
    lines = [
        f"    {text}" if f"{title} {{" in text else f"    {title}: {text}"
    ]  # a call names its tool itself
    if step.observation is not None:
        lines.append(f"      {step.observation.title}: {line(step.observation.text)}")
    lines += [f"      from {_where(node)}" for node in step.consulted]
    if step.verdict is not None:
        lines.append(f"      {step.verdict.title}{_because(step.verdict.text)}")
    return lines


def _where(node: Node) -> str:
    return f"{node.id} ({node.source})" if node.source else node.id


def _because(why: str) -> str:
    return f" ({line(why)})" if why else ""


def line(text: str, width: int = 160) -> str:
    """The text on one line, cut."""
    text = " ".join(text.split())
    return text if len(text) <= width else text[: width - 1] + "…"


def _by_size(counts: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
