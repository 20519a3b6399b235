"""The graph's store as several programs use it: corpora that change, writers that are killed, PostgreSQL."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import ExitStack

import msgspec
import pytest
import sqlalchemy as sa
import writers
from towns import TOWNS, graph_of, resources_of
from writers import attempt, task

from openhorizon.config import DomainPlan, Recipe, problems
from openhorizon.corpus.graph import to_graph
from openhorizon.domains.domain import Order
from openhorizon.errors import RunError
from openhorizon.graph.store import Changed, GraphStore
from openhorizon.graph.tables import EDGES, TEXTS
from openhorizon.graph.writeback import Played
from openhorizon.records import (
    Document,
    Edge,
    EdgeKind,
    Link,
    Node,
    NodeKind,
    Split,
    as_json,
)
from openhorizon.selfplay.game import play
from openhorizon.store import Run


def page(name: str, *paragraphs: str, links: tuple[str, ...] = ()) -> Document:
    found = tuple(Link(anchor=target, target=target, paragraph=0) for target in links)
    return Document(id=name, title=name, text="\n\n".join(paragraphs), source=f"{name}.md", links=found)


PAGES = (
    page("a", "A is old.", "A has b.", links=("b",)),
    page("b", "B is small.", links=("a",)),
    page("c", "C."),
)


def update(store: GraphStore, *pages: Document, domain: str = "d") -> Changed:
    return store.update_corpus(*to_graph(pages, domain), domain)


def everything(store: GraphStore) -> list[bytes]:
    return [as_json(r) for r in (*store.stream_nodes(), *store.stream_edges())]


def test_the_same_corpus_again_changes_nothing_not_even_the_revision(store):
    first = update(store, *PAGES)
    assert (first.added, first.edges_added, first.unchanged) == (7, 6, 0)
    before, revision = everything(store), store.revision()
    again = update(store, *PAGES)
    assert again.nothing
    assert (again.unchanged, again.edges_unchanged) == (7, 6)
    assert (everything(store), store.revision()) == (before, revision)
    store.add(*to_graph(PAGES, "d"))
    assert (everything(store), store.revision()) == (before, revision)
    with store._data.reading() as db:
        assert list(db.execute(sa.select(EDGES.c.seq).order_by(EDGES.c.seq)).scalars()) == [1, 2, 3, 4, 5, 6]


def test_a_changed_page_replaces_its_passages_and_links_and_a_lost_one_goes(store):
    store.add([Node(id="elsewhere", kind=NodeKind.FACT, domain="other")], [])
    update(store, *PAGES)
    revision = store.revision()
    changed = update(store, page("a", "A is new.", links=("c",)), page("c", "C."))
    assert [n.id for n in store.nodes("d")] == ["a", "a#0", "c", "c#0"]
    assert store.node("a#0").text == "A is new."
    assert {(e.source, e.target) for e in store.stream_edges()} == {("a#0", "a"), ("a", "c"), ("c#0", "c")}
    assert (changed.added, changed.changed, changed.removed, changed.unchanged) == (0, 3, 3, 1)
    assert store.revision() == revision + 1
    (was,) = store.history("a#0")
    assert (was.node.text, was.revision, was.until[:2]) == ("A is old.", revision + 1, "20")
    assert [f.node.text for f in store.history("b#0")] == ["B is small."]
    assert store.node("b#0") is None
    assert store.node("elsewhere")
    fresh = GraphStore(":memory:")
    update(fresh, page("a", "A is new.", links=("c",)), page("c", "C."))
    assert {as_json(r) for r in store.snapshot("d").nodes()} == {as_json(n) for n in fresh.nodes()}
    assert update(store, *PAGES).added == 3  # what went may come again
    assert [n.id for n in store.nodes("d")] == ["a", "a#0", "a#1", "b", "b#0", "c", "c#0"]


def test_tasks_whose_evidence_changed_or_went_are_named_and_still_show_what_they_rest_on(store):
    update(store, *PAGES)
    store.record(
        [Played(task("t/1", "a#0", "a")), Played(task("t/2", "b#0")), Played(task("t/3", "c#0", "web"))]
    )
    assert store.outdated_tasks() == {}
    update(store, page("a", "A is new.", "A has b."), page("c", "C."))
    assert store.outdated_tasks() == {"t/1": ("a#0", "a"), "t/2": ("b#0",)}
    story = store.provenance("t/1")
    assert [n.text for n in story.evidence] == ["A is old.", "A is old.\n\nA has b."]
    assert story.outdated == ("a#0", "a")
    assert [(n.id, n.kind, n.text) for n in store.provenance("t/2").evidence] == [
        ("b#0", NodeKind.EVIDENCE, "B is small.")
    ]
    assert [e.source for e in store.into("b#0")] == ["t/2"]
    store.record([Played(task("t/1", "a#0", "a"))])  # written again, it is still the task of then
    assert store.outdated_tasks()["t/1"] == ("a#0", "a")
    update(store, *PAGES)
    assert store.outdated_tasks() == {}


def test_a_corpus_of_another_domain_is_refused_whole(store):
    update(store, *PAGES)
    before = everything(store)
    nodes = [Node(id="x", kind=NodeKind.FACT, domain="d"), Node(id="y", kind=NodeKind.FACT, domain="other")]
    with pytest.raises(RunError, match="y is no corpus node of d"):
        store.update_corpus(nodes, [], "d")
    assert everything(store) == before


def test_what_is_given_twice_far_apart_lies_once_in_its_first_place(store, monkeypatch):
    monkeypatch.setattr("openhorizon.graph.knowledge.BATCH", 2)
    nodes = [Node(id=i, kind=NodeKind.FACT, domain="d", text=i + t) for t in "12" for i in "pqr"]
    edges = [
        Edge(source=s, target="p", kind=EdgeKind.LINKS_TO, label="l", data={"turn": t}) for t in (1, 2) for s in "pqr"
    ]  # fmt: skip
    for _ in range(2):  # filled first, then compared
        store.add(nodes, edges)
        assert [n.text for n in store.nodes()] == ["p2", "q2", "r2"]
        assert [(e.source, e.data["turn"]) for e in store.stream_edges()] == [("p", 2), ("q", 2), ("r", 2)]


def test_equal_texts_lie_once_and_short(store):
    text = "The same long paragraph. " * 40
    store.add([Node(id=f"n{i}", kind=NodeKind.FACT, domain="d", text=text) for i in range(50)])
    with store._data.reading() as db:
        bodies = list(db.execute(sa.select(TEXTS.c.body)).scalars())
    assert len(bodies) == 1
    assert len(bodies[0]) < len(text) / 5
    assert {n.text for n in store.nodes()} == {text}
    assert {n.text for n in store.stream_nodes(texts=False)} == {""}


def test_an_attempt_written_anew_replaces_its_steps(store):
    store.record([Played(task("t", "a"), (attempt("t", 0, 3), attempt("t", 1)))])
    revision = store.revision()
    store.record([Played(task("t", "a"), (attempt("t", 0, 3), attempt("t", 1)))])
    assert store.revision() == revision
    store.record([Played(task("t", "a"), (attempt("t", 0, 1, "other"),))])
    assert store.revision() == revision + 1
    first, second = store.provenance("t").attempts
    assert [len(first.steps), len(second.steps)] == [1, 2]
    assert first.steps[0].observation.text.startswith("other")
    assert store.node("t@m/0/2.0") is None
    assert store.task("t") == task("t", "a")


def test_the_graph_reads_the_same_by_node_by_edge_and_in_counts(store):
    """What is rendered from step rows agrees with itself, whichever way it is asked for."""
    graph = graph_of()
    store.add(graph.nodes(), [e for n in graph.nodes() for e in graph.out(n.id)])
    store.record(play(TOWNS, graph, Order(split=Split.TRAIN, seed=0), resources_of(graph), 4).written())
    store.record([Played(task("t", "a"), (attempt("t", 0, 3),))])
    nodes, edges = list(store.stream_nodes()), list(store.stream_edges())
    assert len({n.id for n in nodes}) == len(nodes)
    assert all(store.node(n.id) == n for n in nodes)
    assert [n for kind in NodeKind for n in store.nodes(kind=kind)] == sorted(
        nodes, key=lambda n: list(NodeKind).index(n.kind)
    )
    assert sum(store.counts().values()) == len(nodes)
    assert sum(sum(store.titles(kind).values()) for kind in NodeKind) == len(nodes)
    assert {k: sum(e.kind == k for e in edges) for k in store.edge_counts()} == store.edge_counts()
    key = msgspec.structs.astuple
    for end, asked in (("source", store.out), ("target", store.into)):
        for name in {getattr(e, end) for e in edges}:
            there = [e for e in edges if getattr(e, end) == name]
            assert sorted(map(str, map(key, asked(name)))) == sorted(map(str, map(key, there))), (end, name)


def test_a_stream_may_be_read_while_others_write(store, address):
    store.add([Node(id=f"n{i}", kind=NodeKind.FACT, domain="d") for i in range(12_000)])
    stream = store.stream_nodes()
    first = next(stream)
    with GraphStore(address) as other:
        other.add([Node(id="late", kind=NodeKind.FACT, domain="d")])
    assert [first.id, *(n.id for n in stream)] == [f"n{i}" for i in range(12_000)]
    assert store.node("late")


def writer(address: str, name: str) -> subprocess.Popen:
    command = [sys.executable, writers.__file__, address, name]
    path = os.pathsep.join(p for p in sys.path if p)
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": path})


def kill_and_check(address: str, count: int, kills: int, seconds: tuple[float, float]) -> int:
    """Kill one writer after another at random moments, start another in its place; how many writes were acknowledged."""
    rng, told, names = random.Random(0), {}, iter(range(10**6))
    GraphStore(address).close()

    def gone(name: str, process: subprocess.Popen, how: int) -> None:
        process.send_signal(how)
        told[name] = [int(line) for line in process.communicate()[0].split()]

    with ExitStack() as held:
        alive = []
        for _ in range(count):
            alive.append((name := str(next(names)), held.enter_context(writer(address, name))))
            assert alive[-1][1].stdout.readline() == "0\n"
        for _ in range(kills):
            time.sleep(rng.uniform(*seconds))
            gone(*alive.pop(0), signal.SIGKILL)
            alive.append((name := str(next(names)), held.enter_context(writer(address, name))))
        for name, process in alive:
            gone(name, process, signal.SIGKILL)
    acknowledged = 0
    with GraphStore(address) as store:
        steps = {n.id: n for n in store.nodes(kind=NodeKind.ACTION)}
        facts = {n.id: n for n in store.nodes(kind=NodeKind.FACT)}
        tasks = {n.id for n in store.nodes(kind=NodeKind.ARTIFACT)}
        for name, numbers in told.items():
            for n in numbers:
                acknowledged += 1
                if n % 4:
                    assert f"{name}/{n}" in tasks
                    assert all(f"{name}/{n}@m/0/{i}.0" in steps for i in range(5)), (name, n)
                else:
                    assert all(facts[f"{name}/{n}/{i}"].text == f"{n} {i} " * 20 for i in range(20)), (
                        name,
                        n,
                    )
        assert len(facts) % 20 == 0  # and nothing is there by half
        assert len(steps) % 5 == 0
        if not store._data.is_postgres:
            with store._data.reading() as db:
                assert db.execute(sa.text("pragma integrity_check")).scalar() == "ok"
    assert acknowledged > kills
    return acknowledged


def test_writers_that_are_killed_lose_nothing_that_was_acknowledged(address):
    kill_and_check(address, count=3, kills=3, seconds=(0.05, 0.3))


@pytest.mark.slow
def test_many_writers_that_are_killed_lose_nothing_that_was_acknowledged(address):
    assert kill_and_check(address, count=4, kills=25, seconds=(0.05, 1.5)) > 200


OPENED = """
import sys
from openhorizon.graph.store import GraphStore
print("ready", flush=True)
sys.stdin.readline()
GraphStore(sys.argv[1]).close()
"""


def test_a_graph_may_be_opened_by_many_at_once_the_first_time(address):
    command = [sys.executable, "-c", OPENED, address]
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    for process in started:
        assert process.stdout.readline() == "ready\n"
    for process in started:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in started:
        process.communicate()
    assert [p.returncode for p in started] == [0] * 4
    with GraphStore(address) as store:
        assert store.revision() == 0


def test_a_server_that_does_not_answer_is_told_without_the_password():
    with pytest.raises(RunError, match="does not answer") as caught:
        GraphStore("postgresql://me:secret@127.0.0.1:1/graph")
    assert "secret" not in str(caught.value)
    assert "me:***@127.0.0.1" in str(caught.value)


def test_a_run_keeps_its_graph_where_its_recipe_says(address, tmp_path):
    from openhorizon.pipeline import build_graph

    server = address if address.startswith("postgresql") else None
    recipe = Recipe(name="r", domains={"instructions": DomainPlan()}, graph=server)
    with Run.open(tmp_path, "r", recipe) as run:
        built = build_graph(run, None, lambda n: None)  # type: ignore[arg-type]
        assert run.has("graph.db") is (server is None)
        with GraphStore(run.graph) as store:
            before, revision = everything(store), store.revision()
        assert len(before) == built["nodes"] + built["edges"] > 0
        assert build_graph(run, None, lambda n: None) == built  # type: ignore[arg-type]
        with GraphStore(run.graph) as store:
            assert everything(store) == before
            assert store.revision() == revision


@pytest.mark.parametrize(
    ("graph", "said"),
    [
        ("mysql://server/graph", "no address of PostgreSQL"),
        ("postgresql://me:secret@server/graph", "holds a password"),
        ("postgresql://server/graph?password=secret", "holds a password"),
    ],
)
def test_a_recipe_names_no_password_and_no_other_database(graph, said):
    recipe = Recipe(name="r", domains={"instructions": DomainPlan()}, graph=graph)
    (problem,) = [p for p in problems(recipe) if p.startswith("graph")]
    assert said in problem
    assert "secret" not in problem
