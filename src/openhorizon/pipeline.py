"""The whole recipe on one page: documents to graph to tasks to demonstrations to SFT to teachers to one student to
evidence. Each stage is a short function over the run folder; the work itself is in `jobs/`, in worker processes.
"""

import time
from collections.abc import Callable
from typing import Any

from openhorizon import jobs
from openhorizon.config import GrpoStage
from openhorizon.corpus import Skipped, material_graph, read
from openhorizon.domains import DOMAINS, domain_of
from openhorizon.errors import InfrastructureError
from openhorizon.evaluation.statistics import evaluate_scores
from openhorizon.graph.store import Changed, GraphStore
from openhorizon.graph.summary import summarise
from openhorizon.jobs import Pair
from openhorizon.metrics import Metrics
from openhorizon.records import Document, Edge, Node, Score, Split
from openhorizon.sandboxes import lacking
from openhorizon.selfplay.game import disjoint
from openhorizon.store import Run
from openhorizon.workers import Tick, Workers

Summary = dict[str, Any]  # what a stage says of itself: numbers and short texts


def build_graph(run: Run, workers: Workers, tick: Tick) -> Summary:
    """Documents, and each domain's own material, become the corpus part of the knowledge-action graph."""
    # a half-built graph is built again
    for part in ("graph.db", "graph.db-wal", "graph.db-shm", "graph.snapshot", jobs.CORPUS_FILE):
        (run.dir / part).unlink(missing_ok=True)
    documents, pages = 0, {}
    with GraphStore(run.graph) as store:
        for name in run.recipe.domains:
            items, read_of = corpus_of(run, name)
            pages |= read_of
            store.update_corpus(*material_graph(items, name), name)
            documents += sum(isinstance(i, Document) for i in items)
            tick(1)
        jobs.map_corpus(run, store)
        counts = store.counts(), store.edge_counts()
    made = {"documents": documents, "nodes": sum(counts[0].values()), "edges": sum(counts[1].values())}
    return made | pages


def corpus_of(run: Run, name: str) -> tuple[list[Document | Node | Edge], Summary]:
    """What the graph holds of a domain before any task, and what a reader said of the user's pages."""
    recipe = run.recipe
    items = list(
        domain_of(name, recipe.size, horizon=recipe.domains[name].horizon).material(recipe.seed, recipe.size)
    )
    if name != "search" or not recipe.corpus:
        return items, {}
    skipped = Skipped()  # the user's pages in place of the generated ones
    own = list(read(recipe.corpus, skipped=skipped, wiki=recipe.wiki))
    said = {"pages": f"{len(own):,} read of {recipe.corpus}; {skipped}"}
    return [*own, *(i for i in items if not isinstance(i, Document))], said


def update_corpus(run: Run) -> tuple[dict[str, Changed], Summary]:
    """Read every domain's corpus again into a graph that is there: what changed is replaced and remembered. Returns what
    changed by domain, and what the reader said."""
    changed: dict[str, Changed] = {}
    pages: Summary = {}
    with GraphStore(run.graph) as store:
        for name in run.recipe.domains:
            items, said = corpus_of(run, name)
            pages |= said
            changed[name] = store.update_corpus(*material_graph(items, name), name)
        if not all(c.nothing for c in changed.values()):
            jobs.map_corpus(run, store)
    return changed, pages


def propose(run: Run, workers: Workers, tick: Tick) -> Summary:
    """Tasks from regions of the graph, solved by scripted experts, accepted by the five checks, written back."""
    stage = run.stage("tasks")
    games = [(name, split) for name in run.recipe.domains for split in (Split.TRAIN, Split.HELDOUT)]
    todo = [(name, split) for name, split in games if not stage.has(f"{name}/{split}.report.json")]
    jobs.play_games(run, todo, workers, tick)
    for name in run.recipe.domains:
        shared = disjoint(jobs.tasks_of(run, name, Split.TRAIN), jobs.tasks_of(run, name, Split.HELDOUT))
        if shared:
            raise InfrastructureError(
                f"{name}: training and held-out tasks share {', '.join(shared[:3])}; please report this"
            )
    reports = {
        name: [stage.read_json(f"{name}/{split}.report.json") for split in Split]
        for name in run.recipe.domains
    }
    table = {name: _added(parts) for name, parts in reports.items()}
    run.write_json("selfplay/report.json", table)
    with GraphStore(run.graph) as store:
        counts = summarise(store)
    run.write_json("graph/summary.json", counts)
    return {
        "accepted": sum(t["accepted"] for t in table.values()),
        "rejected": sum(sum(t["rejected"].values()) for t in table.values()),
        "graph_nodes": sum(sum(kinds.values()) for kinds in counts.nodes.values()),
    }


def demonstrate(run: Run, workers: Workers, tick: Tick) -> Summary:
    """The experts' attempts at training tasks, curated; what each filter removed stands in selfplay/curation.json."""
    from openhorizon.selfplay import curate as curation

    kept = removed = 0
    said: dict[str, Summary] = {}
    for name in run.recipe.domains:
        solved = run.stage("tasks").read_jsonl(f"{name}/{Split.TRAIN}.solved.jsonl", Pair)
        pairs = [(p.task, p.judged) for p in solved]
        domain = DOMAINS[name].sized(run.recipe.size)
        resources = jobs.scene(str(run.dir)).resources if domain.tidy else None
        chosen, dropped = curation.curate(domain, pairs, leaks=run.recipe.size == "full", resources=resources)
        said[name] = curation.report(dropped)
        run.stage("demonstrations").write_jsonl(f"{name}.jsonl", [Pair(task=t, judged=j) for t, j in chosen])
        kept, removed = kept + len(chosen), removed + sum(map(len, dropped.values()))
        tick(1)
    run.write_json("selfplay/curation.json", said)
    return {"demonstrations": kept, "removed": removed}


def base(run: Run, workers: Workers, tick: Tick) -> Summary:
    """The model everything starts from."""
    return workers.run(jobs.make_base, [(str(run.dir),)])[0]


def sft(run: Run, workers: Workers, tick: Tick) -> Summary:
    """Full-domain supervised training."""
    _clear_meeting(run, "sft")
    steps, too_long = workers.run_ranks(jobs.train_sft, (str(run.dir),), tick)[0]
    curve = Metrics(run.dir / "metrics").curve("sft", "loss")
    said = {"demonstrations_left_out_as_too_long": too_long} if too_long else {}
    return {"steps": steps, "loss": round(_last(curve), 3), **said}


def teach(run: Run, workers: Workers, tick: Tick) -> Summary:
    """One teacher per domain, each from the SFT model."""
    names = [n for n in run.recipe.teachers if not run.stage(f"teachers/{n}").done]

    def one_done(name: str, steps: int) -> None:
        run.stage(f"teachers/{name}").finish({"steps": steps})

    longest_first = sorted(names, key=lambda n: -_cost(run, n))
    steps = workers.run(jobs.train_teacher, [(str(run.dir), n) for n in longest_first], tick)
    for name, count in zip(longest_first, steps):
        one_done(name, count)
    return {"teachers": len(run.recipe.teachers)}


def distill(run: Run, workers: Workers, tick: Tick) -> Summary:
    """All teachers into one student, on its own attempts, each prompt scored by its own domain's teacher."""
    _clear_meeting(run, "student")
    steps = workers.run_ranks(jobs.train_student, (str(run.dir),), tick)[0]
    metrics = Metrics(run.dir / "metrics")
    rho = [_last(metrics.curve("student", f"coverage/{n}")) for n in run.recipe.domains]
    said: Summary = {
        "steps": steps, "sva": round(_last(metrics.curve("student", "loss")), 4),
        "coverage": round(sum(rho) / len(rho), 3),
    }  # fmt: skip
    alarms = [n for n in run.recipe.domains if metrics.curve("student", f"coverage_alarm/{n}")]
    return said | {"coverage alarms": " ".join(alarms)} if alarms else said


def evaluate(run: Run, workers: Workers, tick: Tick) -> Summary:
    """Held-out tasks for base, SFT, every teacher in its own domain, the student, and served models: same tasks, same seeds."""
    rows = jobs.rows(run)
    jobs.evaluate_rows(run, rows, workers, tick)
    stage = run.stage("evaluation")
    files = [jobs.file_of(m, n) for m, n in rows]
    scores = [s for f in files for s in stage.read_jsonl(f, Score)]
    stage.write_jsonl("scores.jsonl", scores)
    stage.write_jsonl("samples.jsonl", [p for f in files for p in stage.read_jsonl(f"samples/{f}", Pair)])
    table = evaluate_scores(scores, run.recipe.seed)
    stage.write_json("summary.json", table)
    said = {
        f"{m} is served": stage.read_json(f"served/{m}.json")["said"] for m in run.recipe.evaluation.served
    }
    return {s.model: round(s.mean, 3) for s in table.summaries if s.domain == "mean"} | said


def report(run: Run, workers: Workers, tick: Tick) -> Summary:
    """One self-contained page."""
    from openhorizon.report import build, collect

    points = Metrics(run.dir / "metrics").read_all()
    run.write_jsonl("metrics.jsonl", points)
    run.write_bytes("report.html", build(collect(run.dir)).encode())
    return {"report": str(run.dir / "report.html")}


def ticks(run: Run, stage: str) -> int:
    """How many units the stage's progress bar counts."""
    recipe = run.recipe
    tasks = sum(p.train + p.heldout for p in recipe.domains.values())
    return {
        "graph": len(recipe.domains), "tasks": tasks, "demonstrations": len(recipe.domains), "sft": recipe.sft.steps,
        "teachers": sum(_work(run, n) for n in recipe.teachers), "student": recipe.distill.steps,
        "evaluation": len(jobs.rows(run)) * recipe.evaluation.tasks,
    }.get(stage, 1)  # fmt: skip


# stage folder -> the verb that runs up to it, and its function, in order
STAGES: dict[str, tuple[str, Callable[[Run, Workers, Tick], Summary]]] = {
    "graph": ("graph", build_graph),
    "tasks": ("propose", propose),
    "demonstrations": ("demonstrate", demonstrate),
    "base": ("base", base),
    "sft": ("sft", sft),
    "teachers": ("teach", teach),
    "student": ("distill", distill),
    "evaluation": ("evaluate", evaluate),
    "report": ("report", report),
}

TRAINED = ("demonstrations", "base", "sft", "teachers", "student")  # stages that served models do without


def advance(run: Run, until: str, shown: "Shown") -> None:
    """Run every stage that is not done, in order, up to the one whose verb is `until`."""
    last = next(i for i, (verb, _) in enumerate(STAGES.values()) if verb == until)
    stages = [n for n in list(STAGES)[: last + 1] if run.recipe.evaluation.own or n not in TRAINED]
    evaluated = run.stage("evaluation")
    if evaluated.done and not all(evaluated.has(jobs.file_of(*row)) for row in jobs.rows(run)):
        for name in ("report", "evaluation"):  # a served model was added
            run.stage(name).reopen()
    todo = [name for name in stages if not run.stage(name).done]
    if run.recipe.search.backend != "corpus":
        from openhorizon.retrieval.web import Web

        Web.open(run.recipe.search, run.dir / "web")  # a missing key is told before hours of work
    if (
        jobs.harmless(run.recipe)
        and set(todo) - {"graph", "report"}
        and (said := lacking(run.recipe.sandbox.kind))
    ):
        shown.notice(said)
    if (faults := run.recipe.faults).rate:
        shown.notice(
            f"faults.rate={faults.rate}: engines and sandboxes break on purpose, to test that the run lives with it"
        )
    with Workers(run.recipe.workers) as workers:
        for name in stages:
            verb, work = STAGES[name]
            stage, began = run.stage(name), time.monotonic()
            skipped = stage.done
            if not skipped:
                with shown(verb, ticks(run, name)) as tick:
                    stage.finish(work(run, workers, tick))
            shown.result(verb, stage.summary(), skipped, time.monotonic() - began)


class Shown:
    """What a person sees while stages run; this one shows nothing."""

    def __call__(self, verb: str, total: int) -> Any:
        from contextlib import nullcontext

        return nullcontext(lambda n: None)

    def notice(self, text: str) -> None:
        """Something to know before the stages run."""

    def result(self, verb: str, summary: Summary, skipped: bool, seconds: float) -> None:
        """A stage is done; `skipped`: it was already, `seconds`: what it took now."""


def _added(parts: list[dict[str, Any]]) -> dict[str, Any]:
    rejected: dict[str, int] = {}
    for part in parts:
        for reason, n in part["rejected"].items():
            rejected[reason] = rejected.get(reason, 0) + n
    return {k: sum(p[k] for p in parts) for k in ("proposed", "accepted")} | {"rejected": rejected}


def _cost(run: Run, name: str) -> int:
    """About how long the teacher takes, in supervised steps: a reinforcement step rolls out first."""
    return sum(
        stage.steps * (6 if isinstance(stage, GrpoStage) else 1) for stage in run.recipe.teachers[name].stages
    )


def _work(run: Run, name: str) -> int:
    return sum(stage.steps for stage in run.recipe.teachers[name].stages)


def _last(curve: list[tuple[int, float]], over: int = 10) -> float:
    values = [v for _, v in curve[-over:]]
    return sum(values) / len(values) if values else float("nan")


def _clear_meeting(run: Run, stage: str) -> None:
    """The file at which ranks meet must not be there from a killed run."""
    (run.dir / stage).mkdir(parents=True, exist_ok=True)
    (run.dir / stage / ".meeting").unlink(missing_ok=True)
