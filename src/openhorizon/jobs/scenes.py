"""A run as a worker process opens it: its graph, index and sandbox, and where its records lie."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from openhorizon.config import Recipe
from openhorizon.domains.domain import Resources
from openhorizon.graph.graph import Graph
from openhorizon.graph.snapshot import write_snapshot
from openhorizon.graph.store import GraphStore
from openhorizon.graph.tables import CORPUS_KINDS
from openhorizon.records import Judged, Record, Split, Task
from openhorizon.rollout.play import FAULTY_TRIES, Setting
from openhorizon.sandboxes import Patient
from openhorizon.sandboxes.faulty import FaultySandbox
from openhorizon.store import Run

if TYPE_CHECKING:
    from openhorizon.chat.chat import Chat
    from openhorizon.sandboxes.sandbox import Sandbox


class Pair(Record, kw_only=True):
    """A task and an attempt at it, as demonstrations and samples lie on disk."""

    task: Task
    judged: Judged
    model: str = ""  # who made the attempt; "" for the expert


CORPUS_FILE = "corpus.snapshot"
HELD = 200_000  # nodes of a corpus up to which every worker holds it in memory


@dataclass
class Scene:
    """A run as a worker sees it, opened once per process."""

    run: Run
    recipe: Recipe
    resources: Resources

    def setting(self, job: str, served: bool = False) -> Setting:
        """What the attempts of a job have in common; their journals lie in the run's journals/<job> until it is done.

        Mini attempts of a model in this process keep none: they last a second, and taken up half-way the others would be decoded
        in batches of another size, whose last digits differ; played again they are the same bytes."""
        kept = served or self.recipe.size == "full"
        journals = self.run.dir / "journals" / job if kept else None
        return Setting(self.resources, self.recipe.size, journals, self.recipe.faults)


@lru_cache(maxsize=1)
def scene(run_dir: str) -> Scene:
    """The run's graph, index and sandbox, ready for attempts."""
    from openhorizon.sandboxes import open_sandbox

    run = Run.load(run_dir)
    if (run.dir / CORPUS_FILE).exists():
        graph = Graph.open(run.dir / CORPUS_FILE)
    else:
        with GraphStore(run.graph) as store:
            graph = store.snapshot(kinds=CORPUS_KINDS)
    sandbox = open_sandbox(run.recipe.sandbox.kind, harmless=harmless(run.recipe))
    if (faults := run.recipe.faults).rate:
        sandbox = Patient(FaultySandbox(sandbox, faults.rate, faults.seed), FAULTY_TRIES, 0.0)
    return Scene(run, run.recipe, resources_of(run, graph, sandbox))


def resources_of(run: Run, graph: Graph, sandbox: "Sandbox") -> Resources:
    """What the run's attempts reach: the graph with its index, and web and papers as the recipe has them."""
    from openhorizon.engines.ask import Endpoint
    from openhorizon.retrieval import index, scholar, web

    plan = run.recipe.search
    summariser = Endpoint(plan.ask, plan.ask_model) if plan.ask else None
    found = web.Web.open(plan, run.dir / "web"), scholar.Scholar.open(plan, run.dir / "scholar")
    return Resources(graph, index.Index.of_graph(graph, run.dir / "index"), sandbox, summariser, *found)


def map_corpus(run: Run, store: GraphStore) -> None:
    """Write the corpus part of a large graph as a file that all workers map; of a small one each holds its own."""
    file = run.dir / CORPUS_FILE
    nodes = sum(n for (_, kind), n in store.counts().items() if kind in CORPUS_KINDS)
    if nodes > HELD:
        only = (n for n in store.stream_nodes(played=False) if n.kind in CORPUS_KINDS)
        write_snapshot(file, only, store.stream_edges(played=False), store.revision())
    else:
        file.unlink(missing_ok=True)


def harmless(recipe: Recipe) -> bool:
    """Whether nobody but scripted experts and the run's own tiny model writes programs (docs/security.md)."""
    return not recipe.model.base


def tasks_of(run: Run, name: str, split: Split) -> list[Task]:
    """The accepted tasks of a domain and split."""
    return run.stage("tasks").read_jsonl(f"{name}/{split}.jsonl", Task)


def demonstrations_of(run: Run, name: str) -> list[Pair]:
    """The curated demonstrations of a domain: experts' attempts at its training tasks."""
    return run.stage("demonstrations").read_jsonl(f"{name}.jsonl", Pair)


def base_folder(run: Run) -> str:
    """Where the model starts from."""
    return run.recipe.model.base or str(run.dir / "base" / "model")


def model_folder(run: Run, model: str) -> str:
    """The folder of "base", "sft", "student" or "teacher/<domain>"."""
    if model == "base":
        return base_folder(run)
    return str(run.dir / model.replace("teacher/", "teachers/") / "model")


def chat_of(run: Run, folder: str | Path) -> "Chat":
    """The chat of a model folder of the run."""
    from openhorizon.chat.chat import Chat

    return Chat.load(folder)
