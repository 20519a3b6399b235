"""What a user asks of a graph, and that every accepted answer is followed back to its passages."""

import io
import json
from functools import lru_cache
from itertools import islice

import msgspec
import pytest
from rich.console import Console
from test_cli import call, refused
from towns import TOWNS, graph_of, resources_of, task_about

from openhorizon.config import DomainPlan, Recipe
from openhorizon.corpus import material_graph
from openhorizon.domains import DOMAINS
from openhorizon.domains.domain import Order, Resources
from openhorizon.errors import RunError
from openhorizon.graph.found import ground
from openhorizon.graph.graph import Graph, open_or_rebuild
from openhorizon.graph.queries import consulting, covers, evidence, failed, grounding, nearest, side_by_side
from openhorizon.graph.store import GraphStore
from openhorizon.graph.summary import summarise
from openhorizon.graph.writeback import Acceptance, Played
from openhorizon.records import (
    EdgeKind,
    Judged,
    Node,
    NodeKind,
    Split,
    Status,
    Task,
    Trajectory,
    Verdict,
    as_json,
)
from openhorizon.retrieval.index import Index
from openhorizon.sandboxes import open_sandbox
from openhorizon.selfplay.game import play
from openhorizon.store import Run

TASKS = 4  # of each domain


def record(
    store: GraphStore,
    task: Task,
    attempts: tuple[Judged | Trajectory, ...] = (),
    acceptance: Acceptance | None = None,
) -> None:
    """Write back what was played."""
    store.record([Played(task, tuple(attempts), acceptance)])


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """A run folder whose graph holds the material of all six domains and what self-play of each left behind."""
    folder = tmp_path_factory.mktemp("runs")
    recipe = Recipe(name="tiny", domains={name: DomainPlan(train=TASKS, heldout=1) for name in DOMAINS})
    sandbox = open_sandbox()
    with Run.open(folder, "tiny", recipe) as run, GraphStore(run.dir / "graph.db") as store:
        for name, domain in DOMAINS.items():
            material = material_graph(domain.material(0, "mini"), name)
            store.add(*material)
            graph = Graph(*material)
            resources = Resources(graph=graph, index=Index.of_graph(graph), sandbox=sandbox)
            outcome = play(domain, graph, Order(split=Split.TRAIN, seed=0), resources, TASKS)
            for proposal in outcome.proposals:
                record(store, proposal.task, proposal.attempts, proposal.acceptance)
        run.stage("graph").finish()
    sandbox.close()
    return folder


@pytest.fixture(scope="module")
def store(played):
    with GraphStore(played / "tiny" / "graph.db") as store:
        yield store


def accepted(store: GraphStore) -> list[str]:
    said = [v for v in store.nodes(kind=NodeKind.VERDICT) if v.title == "task accepted"]
    return [e.target for v in said for e in store.out(v.id, kind=EdgeKind.VERIFIES)]


def test_every_accepted_answer_is_followed_back_to_its_passages(store):
    tasks = accepted(store)
    assert len(tasks) == TASKS * len(DOMAINS)
    for task in tasks:
        found = grounding(store, task)
        assert found.closed, found
        assert found.missing == ()
        assert [g.evidence for g in found.grounds] == list(evidence(store, task)) != []
        assert found.verdict.title == "attempt passed"
        # each link of the chain is an edge of the graph
        made = {e.target for e in store.out(found.attempt.id, kind=EdgeKind.PRODUCES)}
        assert found.said.id in made
        assert found.attempt.id in {e.target for e in store.out(found.verdict.id, kind=EdgeKind.VERIFIES)}
        assert task in {e.target for e in store.out(found.attempt.id, kind=EdgeKind.DEPENDS_ON)}
        assert task in {e.target for e in store.out(found.acceptance.id, kind=EdgeKind.VERIFIES)}
        for one in found.grounds:
            assert one.action.id in made
            rests_on = {e.target for e in store.out(one.action.id, kind=EdgeKind.DEPENDS_ON)}
            if one.observation is None:
                assert not DOMAINS[found.task.domain].tools
                assert task in rests_on
                continue
            assert one.observation.id in {e.target for e in store.out(one.action.id, kind=EdgeKind.PRODUCES)}
            assert one.consulted.id in {
                e.target for e in store.out(one.observation.id, kind=EdgeKind.DEPENDS_ON)
            }
            assert one.evidence.id.partition("#")[0] == one.consulted.id.partition("#")[0]


def test_who_consulted_a_passage_is_what_the_attempts_say(store):
    wanted: dict[str, list[tuple[str, str, str]]] = {}
    for task in (n.id for n in store.nodes(kind=NodeKind.ARTIFACT) if n.title == "task"):
        for attempt in store.provenance(task).attempts:
            for step in attempt.steps:
                for node in step.consulted:
                    wanted.setdefault(node.id, []).append((task, attempt.attempt.id, step.action.id))
    assert len(wanted) > TASKS
    for node, steps in wanted.items():
        assert sorted((s.task, s.attempt, s.action.id) for s in consulting(store, node)) == sorted(steps)
    assert consulting(store, accepted(store)[0]) == ()


@lru_cache
def attempts() -> tuple[Judged, ...]:
    """An attempt that passes, as self-play made it."""
    graph = graph_of()
    return play(TOWNS, graph, Order(split=Split.TRAIN, seed=0), resources_of(graph), 1).demonstrations


@pytest.fixture
def towns(tmp_path):
    """A graph with a task, and three attempts: one passed, one whose second step and answer failed, one aborted."""
    graph = graph_of()
    (good,) = attempts()
    run = good.trajectory
    wrong = Verdict(score=0.25, passed=False, why="not the sister")
    step = msgspec.structs.replace(
        run.turns[1], verdict=Verdict(score=0.0, passed=False, why="read the wrong page")
    )
    turns = (run.turns[0], step, *run.turns[2:])
    bad = msgspec.structs.replace(run, id=f"{run.task}@model/1", turns=turns, policy="model", seed=1)
    dead = msgspec.structs.replace(
        run,
        id=f"{run.task}@model/2",
        turns=(),
        status=Status.ABORTED,
        reason="the engine died",
        policy="model",
        seed=2,
    )
    page = graph.node(next(iter(graph.nodes("towns", NodeKind.ENTITY))).id)
    task = msgspec.structs.replace(task_about(page, Split.TRAIN, "What is the sister?", run.task))
    with GraphStore(tmp_path / "graph.db") as store:
        store.add(graph.nodes(), graph.edges())
        said = Acceptance(accepted=True)
        record(store, task, [Judged(trajectory=bad, verdict=wrong), dead, good], said)
        yield store, task, good


def test_attempts_stand_side_by_side(towns):
    store, task, _ = towns
    bad, dead, good = side_by_side(store, task.id)
    assert (bad.policy, bad.seed, bad.outcome, bad.score, bad.why) == (
        "model",
        1,
        "failed",
        0.25,
        "not the sister",
    )
    assert (dead.status, dead.outcome, dead.score, dead.why, dead.steps) == (
        "aborted",
        "not judged",
        None,
        "the engine died",
        0,
    )
    assert (good.outcome, good.score, good.turns, good.steps) == ("passed", 1.0, 3, 3)
    assert good.tools == {"find": 1, "read": 1}
    assert good.consulted >= 1


def test_what_failed_is_the_step_and_the_answer_each_with_its_reason(towns):
    store, task, _ = towns
    found = {f.verdict.title: f for f in failed(store)}
    assert {k: (v.action.title, v.verdict.text) for k, v in found.items()} == {
        "step failed": ("read", "read the wrong page"), "attempt failed": ("answer", "not the sister"),
    }  # fmt: skip
    assert {(f.task, f.attempt) for f in found.values()} == {(task.id, f"{task.id}@model/1")}
    assert failed(store, "towns") == failed(store)
    assert failed(store, "elsewhere") == ()


def test_an_answer_is_not_closed_unless_it_passed_was_accepted_and_all_evidence_was_read(towns):
    store, task, good = towns
    found = grounding(store, task.id)
    assert (found.closed, found.attempt.id) == (True, good.trajectory.id)
    record(store, task, (), Acceptance(accepted=False, check="unambiguous", why="two answers"))
    assert not grounding(store, task.id).closed
    record(store, task, (), Acceptance(accepted=True))
    store.add([Node(id="towns/never read", kind=NodeKind.EVIDENCE, domain="towns")])
    more = [*task.evidence, msgspec.structs.replace(task.evidence[0], node="towns/never read")]
    more.append(msgspec.structs.replace(task.evidence[0], node="towns/not even there"))
    record(store, msgspec.structs.replace(task, evidence=tuple(more)))
    found = grounding(store, task.id)
    shown = Console(width=200, file=io.StringIO())
    shown.print(ground(found))
    assert "needs towns/not even there: no step read it" in shown.file.getvalue()
    assert "not closed" in shown.file.getvalue()
    assert (found.closed, found.missing) == (False, ("towns/never read", "towns/not even there"))
    other = msgspec.structs.replace(task, id="towns/other")
    record(store, other, (), Acceptance(accepted=True))
    assert (grounding(store, other.id).closed, grounding(store, other.id).attempt) == (False, None)


def test_a_page_covers_its_passages_and_a_passage_its_page():
    assert covers("w/a", "w/a")
    assert covers("w/a", "w/a#1")
    assert covers("w/a#1", "w/a")
    assert not covers("w/a#1", "w/a#2")
    assert not covers("w/a", "w/ab")


def test_an_unknown_id_is_answered_with_the_nearest(towns):
    store, task, _ = towns
    for ask in (evidence, side_by_side, grounding):
        with pytest.raises(RunError, match=f"did you mean {task.id}"):
            ask(store, "towns/tarin/0")
    with pytest.raises(RunError, match=f"is an artifact; did you mean {task.id}"):
        evidence(store, f"{task.id}@model/1")
    with pytest.raises(RunError, match="holds no node 'towns/Nowhere'; did you mean towns/"):
        consulting(store, "towns/Nowhere")
    assert nearest("kelp", ["a/Kelp Bay", "a/Amber Bay"]) == ["a/Kelp Bay"]
    assert nearest("x", []) == []


@pytest.mark.parametrize("name", DOMAINS)
def test_proposers_make_the_same_tasks_of_the_file_as_of_memory(store, tmp_path, name):
    whole = open_or_rebuild(store, tmp_path / "graph.snapshot")
    order = Order(split=Split.TRAIN, seed=3)
    corpus = (NodeKind.EVIDENCE, NodeKind.ENTITY, NodeKind.FACT, NodeKind.CONSTRAINT, NodeKind.RESOURCE)
    made = [
        [as_json(task) for task in islice(DOMAINS[name].propose(graph, order), 8)]
        for graph in (store.snapshot(kinds=corpus), whole.part(whole.where(kinds=corpus)))
    ]
    assert made[0] == made[1]
    assert len(made[0]) == 8


def test_counts_of_a_part_are_the_stores_own(store, tmp_path):
    graph = open_or_rebuild(store, tmp_path / "graph.snapshot")
    assert summarise(graph) == summarise(store)
    part = graph.part(graph.where(("agentic",)))
    assert summarise(part).tasks == {"agentic": summarise(store).tasks["agentic"]}


def test_the_command_answers_each_question_for_people_and_for_programs(played, store):
    def ask(*arguments: object) -> str:
        result = call("graph", "tiny", *arguments, "--runs", played)
        assert result.exit_code == 0, result.output
        return result.stdout

    task = next(t for t in accepted(store) if t.startswith("search/"))
    page = evidence(store, task)[0].id
    assert page in ask("--evidence", task)
    assert "✓ passed" in ask("--attempts", task)
    assert json.loads(ask("--attempts", task, "--json"))[0]["outcome"] == "passed"
    assert ask("--provenance", task).strip().endswith("closed")
    assert json.loads(ask("--provenance", task, "--json"))["closed"] is True
    assert json.loads(ask("--task", task, "--json"))["task"]["id"] == task
    assert f"{task}@expert/0" in [s["attempt"] for s in json.loads(ask("--passage", page, "--json"))]
    assert "read_page" in ask("--passage", page)
    assert json.loads(ask("--failed", "--domain", "search", "--json")) == []
    assert ask("--failed", "--domain", "search").strip() == "none"
    assert list(json.loads(ask("--domain", "science", "--json"))["nodes"]) == ["science"]
    assert "execute_code" not in ask("--view", "mle")
    assert set(json.loads(ask("--view", "coding", "--json"))["nodes"]) == {"engineering", "science"}
    assert json.loads(ask("--json"))["nodes"]["search"] == summarise(store).nodes["search"]


def test_the_command_exports_what_a_view_leaves(played, tmp_path):
    networkx = pytest.importorskip("networkx")
    file = tmp_path / "g.graphml"
    said = call("graph", "tiny", "--export", file, "--view", "mle", "--runs", played)
    assert str(file) in said.stdout
    assert {d for _, d in networkx.read_graphml(file).nodes(data="domain")} == {"engineering"}


def test_questions_that_do_not_go_together_are_refused_with_the_mend(played):
    def no(*arguments: object) -> str:
        return refused("graph", "tiny", *arguments, "--runs", played)

    assert "different questions" in no("--task", "a", "--failed")
    assert "--view goes alone or with --export" in no("--failed", "--view", "mle")
    assert "--domain goes alone" in no("--task", "a", "--domain", "search")
    assert "there is no view cooking; there are coding" in no("--view", "cooking")
    assert "holds no domain cooking; it holds agentic" in no("--failed", "--domain", "cooking")
    assert "did you mean search/train/" in no("--provenance", "search/train/xyz")
    assert "ends in .parquet or .graphml" in no("--export", "graph.csv")
    assert "one of the two" in no("--export", "g.graphml", "--json")
