"""`openhorizon graph`: build a run's knowledge-action graph, and ask it."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from openhorizon.cli.options import RUNS, RunName, Runs, Settings
from openhorizon.cli.runs import found, up_to
from openhorizon.errors import UserError

if TYPE_CHECKING:
    from openhorizon.graph.graph import Graph
    from openhorizon.graph.store import GraphStore


def graph(
    ctx: typer.Context,
    run: RunName,
    task: Annotated[
        str | None, typer.Option("--task", metavar="TASK", help="Tell the story of one task: evidence and all attempts.")
    ] = None,
    attempts: Annotated[
        str | None, typer.Option("--attempts", metavar="TASK", help="All attempts at a task side by side.")
    ] = None,
    provenance: Annotated[
        str | None,
        typer.Option("--provenance", metavar="TASK", help="From a task's accepted answer back to the passages."),
    ] = None,
    evidence: Annotated[
        str | None, typer.Option("--evidence", metavar="TASK", help="What a task's evidence is.")
    ] = None,
    passage: Annotated[
        str | None, typer.Option("--passage", metavar="ID", help="The steps that consulted a passage, page or other node.")
    ] = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="The actions that failed verification, and why.")
    ] = False,
    update: Annotated[
        bool,
        typer.Option(
            "--update",
            help="Read the corpus again: what changed is replaced, the graph remembers what it was; tasks whose evidence "
            "changed are named.",
        ),
    ] = False,
    domain: Annotated[
        str | None, typer.Option("--domain", help="Only this domain: alone, with --failed or with --export.")
    ] = None,
    view: Annotated[
        str | None,
        typer.Option(
            "--view",
            help="A sub-graph by name: coding, agentic-reasoning, instruction-following, mle, science, knowledge or "
            "experience; alone or with --export.",
        ),
    ] = None,
    export: Annotated[
        Path | None, typer.Option("--export", metavar="FILE", help="Write the graph to a .graphml or .parquet file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: all of it, as JSON.")] = False,
    settings: Settings = None,
    runs: Runs = RUNS,
) -> None:  # fmt: skip
    """Build a run's knowledge-action graph if it is not there yet; print what it holds, or answer one question."""
    asked = {
        "--task": task, "--attempts": attempts, "--provenance": provenance, "--evidence": evidence,
        "--passage": passage, "--failed": failed or None, "--export": export, "--update": update or None,
    }  # fmt: skip
    questions = [name for name, value in asked.items() if value is not None]
    _sensible(questions, domain, view, as_json)
    from openhorizon.graph.store import GraphStore
    from openhorizon.store import Run

    folder = found(run, runs)
    if folder is None or settings or not Run.load(folder).stage("graph").done:
        folder = up_to(ctx, "graph", run, settings, runs)
    if update:
        _print(*_updated(folder), as_json)
        return
    with GraphStore(Run.load(folder).graph) as store:
        if task is not None and not as_json:
            _story(store, task)
        elif export is not None:
            _export(_part(store, folder, domain, view), export)
        elif questions:
            answer, shown = _asked(store, questions[0], str(asked[questions[0]]), domain)
            _print(answer, shown, as_json)
        else:
            from openhorizon.graph.summary import render, summarise

            whole = domain is None and view is None
            _print(summarise(store if whole else _part(store, folder, domain, view)), render, as_json)


def _updated(folder: Path) -> tuple[dict[str, Any], Callable[[Any], str]]:
    """What reading the corpus again changed, and how people see it."""
    from openhorizon.graph.store import GraphStore
    from openhorizon.pipeline import update_corpus
    from openhorizon.store import Run

    with Run.open(folder.parent, folder.name, Run.load(folder).recipe) as run:
        changed, said = update_corpus(run)
        with GraphStore(run.graph) as store:
            outdated = store.outdated_tasks()
    return {"domains": changed, **said, "outdated_tasks": outdated}, _told_of_update


def _told_of_update(found: dict[str, Any]) -> str:
    lines = [str(found["pages"])] if "pages" in found else []
    for domain, c in found["domains"].items():
        lines.append(
            f"{domain}: nothing changed"
            if c.nothing
            else f"{domain}: nodes {c.added:,} added, {c.changed:,} changed, {c.removed:,} removed; links {c.edges_added:,} added, "
            f"{c.edges_changed:,} changed, {c.edges_removed:,} removed"
        )
    tasks = found["outdated_tasks"]
    lines.append(f"{len(tasks):,} tasks rest on evidence that says something else by now" + ":" * bool(tasks))
    lines += [f"  {task}: {', '.join(nodes)}" for task, nodes in list(tasks.items())[:20]]
    return "\n".join(
        [*lines, *([f"  and {len(tasks) - 20:,} more; --json has all"] if len(tasks) > 20 else [])]
    )


def _sensible(questions: list[str], domain: str | None, view: str | None, as_json: bool) -> None:
    """UserError: options that do not go together."""
    if len(questions) > 1:
        raise UserError(f"{' and '.join(questions)} are different questions; ask one at a time")
    first = questions[0] if questions else ""
    if view is not None and first not in ("", "--export"):
        raise UserError(f"--view goes alone or with --export, not with {first}")
    if domain is not None and first not in ("", "--failed", "--export"):
        raise UserError(f"--domain goes alone, with --failed or with --export, not with {first}")
    if as_json and first == "--export":
        raise UserError("--json prints an answer, --export writes a file; give one of the two")
    if view is not None:
        from openhorizon.graph.views import view_named

        view_named(view)


def _part(store: "GraphStore", folder: Path, domain: str | None, view: str | None) -> "Graph":
    """The graph, or what --domain and --view leave of it."""
    from openhorizon.graph.graph import open_or_rebuild
    from openhorizon.graph.views import seen_through, view_named

    held = open_or_rebuild(store, folder / "graph.snapshot")
    if domain is not None:
        held = held.part(held.where((_there(store, domain),)))
    return held if view is None else seen_through(held, view_named(view))


def _there(store: "GraphStore", domain: str) -> str:
    """The domain. UserError: the graph has none of that name."""
    there = dict.fromkeys(name for name, _ in store.counts())
    if domain not in there:
        raise UserError(f"{store.path} holds no domain {domain}; it holds {', '.join(there) or 'nothing'}")
    return domain


def _asked(
    store: "GraphStore", question: str, of: str, domain: str | None
) -> tuple[Any, Callable[[Any], Any]]:
    """The answer, and how people see it."""
    from openhorizon.graph import found as shown
    from openhorizon.graph import queries

    if question == "--failed":
        return queries.failed(store, None if domain is None else _there(store, domain)), shown.failures
    ask, show = {
        "--task": (lambda store, task: (queries.task_node(store, task), store.provenance(task))[1], str),
        "--attempts": (queries.side_by_side, shown.sides),
        "--provenance": (queries.grounding, shown.ground),
        "--evidence": (queries.evidence, shown.pieces),
        "--passage": (queries.consulting, shown.consultations),
    }[question]
    return ask(store, of), show


def _story(store: "GraphStore", task: str) -> None:
    from openhorizon.graph.queries import task_node
    from openhorizon.graph.summary import task_story
    from openhorizon.terminal import console, say

    task_node(store, task)
    out = console()
    for line in task_story(store, task):
        say(out, line)


def _export(part: "Graph", file: Path) -> None:
    from openhorizon.graph.export import export
    from openhorizon.terminal import console, say

    made = export(part, file)
    say(console(), f"{len(part):,} nodes and their edges, written to {' and '.join(map(str, made))}")


def _print(answer: Any, show: Callable[[Any], Any], as_json: bool) -> None:
    if as_json:
        from openhorizon.records import as_json as encode

        typer.echo(encode(answer).decode())
        return
    from openhorizon.terminal import console

    console().print(show(answer))
