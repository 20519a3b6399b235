"""The graph to walk over: in memory and mapped from a file it is the same graph; walks, parts, rebuilding, exports."""

import pickle
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openhorizon.errors import RunError, UserError
from openhorizon.graph.export import export
from openhorizon.graph.graph import Graph, open_or_rebuild
from openhorizon.graph.snapshot import read_snapshot, revision_of, write_snapshot
from openhorizon.graph.store import GraphStore
from openhorizon.graph.views import VIEWS, seen_through, view_named
from openhorizon.records import Edge, EdgeKind, Node, NodeKind

Made = tuple[list[Node], list[Edge]]
NAMES = ("a", "b", "é/ü#0", "", "x" * 70)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@st.composite
def made(draw) -> Made:
    """Nodes of few names, and edges between them and to ids that no node has, many of them parallel."""
    ids = draw(st.lists(st.sampled_from(NAMES), unique=True))
    nodes = [
        Node(
            id=i, kind=draw(st.sampled_from(NodeKind)), domain=draw(st.sampled_from("de")), title=draw(texts),
            text=draw(texts), data=draw(st.sampled_from([{}, {"deep": [1, None, "ü"]}])),
        )
        for i in ids
    ]  # fmt: skip
    ends = st.sampled_from((*NAMES, "nowhere"))
    edges = draw(
        st.lists(
            st.builds(
                Edge, source=ends, target=ends, kind=st.sampled_from(EdgeKind), label=st.sampled_from(("", "l")),
                data=st.sampled_from([{}, {"anchor": "ü"}]),
            ),
            max_size=12,
        )
    )  # fmt: skip
    return nodes, edges


def mapped(folder: Path, nodes, edges, revision: int = 0) -> Graph:
    write_snapshot(folder / "graph.snapshot", nodes, edges, revision)
    return Graph.open(folder / "graph.snapshot")


def said(graph: Graph) -> tuple:
    """Everything a graph answers, but for walks."""
    ids = [*NAMES, "nowhere", "never"]
    kinds = [None, *EdgeKind]
    return (
        len(graph), graph.edge_count, graph.nodes(), tuple(graph.edges()), [i in graph for i in ids],
        [graph.out(i, k) for i in ids for k in kinds], [graph.into(i, k) for i in ids for k in kinds],
        [graph.nodes(d, k) for d in (None, "d", "e", "f") for k in (None, *NodeKind)],
        [graph.node(n.id) for n in graph.nodes()], graph.counts(), graph.edge_counts(),
        [graph.titles(kind) for kind in NodeKind],
    )  # fmt: skip


@given(made())
@settings(max_examples=60, deadline=None)
def test_a_graph_answers_what_its_records_say_and_its_file_answers_the_same(tmp_path_factory, made):
    nodes, edges = made
    held = Graph(nodes, edges)
    assert held.nodes() == tuple(nodes)
    assert list(held.edges()) == edges
    for i in (*NAMES, "nowhere"):
        for kind in (None, *EdgeKind):
            fits = [e for e in edges if kind is None or e.kind is kind]
            assert held.out(i, kind) == tuple(e for e in fits if e.source == i)
            assert held.into(i, kind) == tuple(e for e in fits if e.target == i)
    assert held.nodes("d", NodeKind.FACT) == tuple(
        n for n in nodes if (n.domain, n.kind) == ("d", NodeKind.FACT)
    )
    assert said(mapped(tmp_path_factory.mktemp("g"), iter(nodes), iter(edges))) == said(held)


@given(made(), st.integers(0, 9), st.booleans(), st.sets(st.sampled_from(EdgeKind)))
@settings(max_examples=80, deadline=None)
def test_walks_follow_edges_of_their_kinds_and_end_only_where_there_is_no_way_on(made, seed, fresh, kinds):
    nodes, edges = made
    graph, kinds = Graph(nodes, edges), tuple(sorted(kinds))
    walks = graph.walks(np.arange(len(graph)), 4, seed, kinds, fresh)
    assert walks.shape == (len(graph), 5)
    assert (walks == graph.walks(np.arange(len(graph)), 4, seed, kinds, fresh)).all()
    for start, walk in enumerate(walks.tolist()):
        assert walk[0] == start
        for step, (here, there) in enumerate(pairwise(walk)):
            if here < 0:
                assert there < 0
                continue
            (name,) = graph.ids([here])
            ways = {e.target for e in graph.out(name) if e.target in graph and (not kinds or e.kind in kinds)}
            ways -= set(graph.ids(walk[: step + 1])) if fresh else set()
            assert graph.ids([there]) == () if not ways else graph.ids([there])[0] in ways


def test_a_graph_goes_to_another_process_whole(tmp_path):
    nodes, edges = [node("a"), node("b")], [edge("a", "b"), edge("b", "gone")]
    for graph in (Graph(nodes, edges), mapped(tmp_path, nodes, edges)):
        assert graph.out("a") == (edges[0],)
        assert said(pickle.loads(pickle.dumps(graph))) == said(graph)


def star(leaves: int) -> Graph:
    """A hub with an edge to each leaf, and one back."""
    kind = EdgeKind.LINKS_TO
    nodes = [Node(id=f"n{i}", kind=NodeKind.ENTITY, domain="d") for i in range(leaves + 1)]
    there = [Edge(source="n0", target=f"n{i}", kind=kind) for i in range(1, leaves + 1)]
    return Graph(nodes, there + [Edge(source=e.target, target="n0", kind=kind) for e in there])


def test_every_way_on_is_taken_as_often():
    walks = star(5).walks(np.zeros(200_000, int), 1, seed=1)
    shares = np.bincount(walks[:, 1])[1:] / len(walks)
    assert abs(shares - 0.2).max() < 0.005  # more than five standard errors


def test_a_fresh_walk_finds_the_last_way_that_is_left_and_each_as_often():
    nodes = [Node(id=f"n{i}", kind=NodeKind.ENTITY, domain="d") for i in range(8)]
    edges = [
        Edge(source=a.id, target=b.id, kind=EdgeKind.NEXT, label=str(i))
        for i in range(3)
        for a in nodes
        for b in nodes
    ]
    walks = Graph(nodes, edges).walks(np.zeros(40_000, int), 8, seed=2, fresh=True)
    assert (np.sort(walks[:, :8]) == np.arange(8)).all()
    assert (walks[:, 8] == -1).all()
    for step in range(1, 8):
        shares = np.bincount(walks[:, step], minlength=8)[1:] / len(walks)
        assert abs(shares - 1 / 7).max() < 0.01


def test_a_walk_in_a_batch_is_checked_and_named():
    graph = star(3)
    assert graph.ids(graph.walks(graph.places(["n1"]), 1)[0]) == ("n1", "n0")
    assert graph.walks(np.array([], int), 3).shape == (0, 4)
    for wrong in ([4], [-1], [0.5]):
        with pytest.raises(ValueError, match="positions 0 to 3"):
            graph.walks(np.array(wrong), 1)
    with pytest.raises(KeyError, match="n9"):
        graph.places(["n9"])


@given(made(), st.sets(st.sampled_from("de")), st.sets(st.sampled_from(NodeKind)))
@settings(max_examples=40, deadline=None)
def test_a_part_is_the_graph_of_its_nodes_and_the_edges_between_them(tmp_path_factory, made, domains, kinds):
    nodes, edges = made
    inside = [n for n in nodes if (not domains or n.domain in domains) and (not kinds or n.kind in kinds)]
    ids = {n.id for n in inside}
    wanted = Graph(inside, [e for e in edges if {e.source, e.target} <= ids])
    whole = mapped(tmp_path_factory.mktemp("g"), nodes, edges)
    part = whole.part(whole.where(tuple(domains), tuple(kinds)))
    assert said(part) == said(wanted)
    assert said(part.part(part.where())) == said(wanted)
    starts = np.arange(len(part))
    assert (part.walks(starts, 3, 5) == wanted.walks(starts, 3, 5)).all()


def node(name: str, **more) -> Node:
    return Node(**({"id": name, "kind": NodeKind.ENTITY, "domain": "d", "title": name} | more))


def edge(source: str, target: str, kind: EdgeKind = EdgeKind.LINKS_TO, label: str = "") -> Edge:
    return Edge(source=source, target=target, kind=kind, label=label)


def test_the_snapshot_is_written_again_when_the_store_moved_on_and_only_then(tmp_path):
    path = tmp_path / "graph.snapshot"
    with GraphStore(tmp_path / "graph.db") as store:
        store.add([node("a"), node("b")], [edge("a", "b")])
        before = open_or_rebuild(store, path)
        assert before.nodes() == store.snapshot().nodes()
        made = path.stat().st_mtime_ns
        assert open_or_rebuild(store, path).edge_count == 1
        assert path.stat().st_mtime_ns == made
        store.add([node("c")], [edge("b", "c")])
        after = open_or_rebuild(store, path)
        assert revision_of(path) == store.revision()
        assert [e.target for e in after.edges()] == ["b", "c"]
        assert [n.id for n in before.nodes()] == ["a", "b"]  # who reads the old one goes on reading it


def test_of_several_that_need_the_snapshot_one_writes_it(tmp_path, monkeypatch):
    written = []

    def write(path, nodes, edges, revision):
        written.append(revision)
        time.sleep(0.05)
        write_snapshot(path, nodes, edges, revision)

    monkeypatch.setattr("openhorizon.graph.graph.write_snapshot", write)
    with GraphStore(tmp_path / "graph.db") as store, ThreadPoolExecutor(4) as pool:
        store.add([node("a")])
        graphs = list(pool.map(lambda _: open_or_rebuild(store, tmp_path / "graph.snapshot"), range(4)))
        assert written == [store.revision()]
    assert [len(g) for g in graphs] == [1] * 4


@pytest.mark.parametrize("damage", [b"", b"OHGRAPH1", b"SQLite format 3\x00" * 9, b"OHGRAPH1" + b"\xff" * 90])
def test_a_damaged_snapshot_is_refused_and_made_again(tmp_path, damage):
    path = tmp_path / "graph.snapshot"
    path.write_bytes(damage)
    with pytest.raises(RunError, match="delete it, it is made again"):
        Graph.open(path)
    with pytest.raises(RunError, match="cannot be read"):
        read_snapshot(tmp_path / "none")
    with GraphStore(tmp_path / "graph.db") as store:
        store.add([node("a")])
        assert open_or_rebuild(store, path).node("a") == node("a")


def test_a_snapshot_cut_anywhere_is_refused(tmp_path):
    path = tmp_path / "graph.snapshot"
    write_snapshot(path, [node(f"n{i}") for i in range(9)], [edge("n1", "n2", label="l")])
    whole = path.read_bytes()
    for size in range(0, len(whole), 7):
        path.write_bytes(whole[:size])
        with pytest.raises(RunError):
            Graph.open(path)


def test_a_node_that_comes_twice_is_refused_and_leaves_the_old_snapshot(tmp_path):
    path = tmp_path / "graph.snapshot"
    write_snapshot(path, [node("a")], [])
    with pytest.raises(ValueError, match="'b' comes twice"):
        write_snapshot(path, [node("b"), node("b")], [])
    assert [n.id for n in Graph.open(path).nodes()] == ["a"]


KILLED = """
import sys
from pathlib import Path
from openhorizon.graph.snapshot import write_snapshot
from openhorizon.records import Node, NodeKind
for revision in range(1, 10_000):
    nodes = (Node(id=f"{i}", kind=NodeKind.FACT, domain=str(revision), text="x" * 999) for i in range(3_000))
    write_snapshot(Path(sys.argv[1]), nodes, (), revision)
    print(revision, flush=True)
"""


def test_a_snapshot_whose_writer_is_killed_is_whole_and_of_one_revision(tmp_path):
    path = tmp_path / "graph.snapshot"
    for wait in (0.0, 0.013, 0.029):
        writer = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True
        )
        writer.stdout.readline()
        time.sleep(wait)
        writer.send_signal(signal.SIGKILL)
        writer.stdout.close()
        writer.wait()
        graph = Graph.open(path)
        assert graph.counts() == {(str(revision_of(path)), "fact"): 3_000}


def steps_of(domain: str, tool: str) -> Made:
    """One attempt of one step."""
    kinds = {
        "task": "artifact",
        "try": "artifact",
        "do": "action",
        "saw": "observation",
        "says": "verdict",
        "page": "evidence",
    }
    nodes = [
        node(f"{domain}/{name}", kind=NodeKind(kind), domain=domain, title=tool if name == "do" else name)
        for name, kind in kinds.items()
    ]
    edges = [
        ("try", "task", "depends_on"),
        ("try", "do", "produces"),
        ("do", "saw", "produces"),
        ("says", "do", "verifies"),
    ]
    more = [("saw", "page", "depends_on")]
    return nodes, [edge(f"{domain}/{a}", f"{domain}/{b}", EdgeKind(kind)) for a, b, kind in edges + more]


def test_views_leave_their_domains_kinds_and_tools():
    parts = [
        steps_of(d, t)
        for d, t in (("engineering", "execute_code"), ("science", "scholar"), ("search", "search"))
    ]
    graph = Graph([n for nodes, _ in parts for n in nodes], [e for _, edges in parts for e in edges])

    def seen(name: str) -> set[str]:
        return {n.id for n in seen_through(graph, view_named(name)).nodes()}

    assert seen("coding") == {f"engineering/{x}" for x in ("try", "do", "saw", "says")}
    assert seen("mle") == {n.id for n in parts[0][0]}
    assert seen("science") == {n.id for n in parts[1][0]}
    assert seen("knowledge") == {f"{d}/page" for d in ("engineering", "science", "search")}
    assert seen("experience") == {n.id for n in graph.nodes()} - seen("knowledge")
    assert seen_through(graph, view_named("coding")).edge_counts() == {"produces": 2, "verifies": 1}
    with pytest.raises(UserError, match=r"no view cooking; there are coding"):
        view_named("cooking")


def test_every_domain_is_in_a_view():
    from openhorizon.domains import DOMAINS

    named = [d for view in VIEWS.values() for d in view.domains]
    assert set(named) == set(DOMAINS)


AWKWARD = [
    node("a&<\"'\n\t>", text="]]> \r\n &amp; \x01 ü", data={"k": ["<", 1]}), node("b", domain="", source="p.html"), node("c"),
]  # fmt: skip
AWKWARD_EDGES = [
    edge(AWKWARD[0].id, "b", label="x"),
    edge(AWKWARD[0].id, "b", label="y"),
    edge("b", "gone"),
    edge("c", "c"),
]


def test_graphml_is_read_by_networkx_as_it_was(tmp_path):
    networkx = pytest.importorskip("networkx")
    (file,) = export(Graph(AWKWARD, AWKWARD_EDGES), tmp_path / "g.graphml")
    read = networkx.read_graphml(file)
    assert list(read) == [n.id for n in AWKWARD]
    first = read.nodes[AWKWARD[0].id]
    assert (first["kind"], first["text"], first["data"]) == ("entity", "]]> \r\n &amp; � ü", '{"k":["<",1]}')
    assert read.nodes["b"]["source"] == "p.html"
    assert sorted((a, b, d.get("label")) for a, b, d in read.edges(data=True)) == [
        (AWKWARD[0].id, "b", "x"), (AWKWARD[0].id, "b", "y"), ("c", "c", None),
    ]  # fmt: skip


def test_parquet_holds_every_field(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    files = export(Graph(AWKWARD, AWKWARD_EDGES), tmp_path / "g.parquet")
    assert [f.name for f in files] == ["g-nodes.parquet", "g-edges.parquet"]
    nodes, edges = (parquet.read_table(f).to_pylist() for f in files)
    assert [(n["id"], n["domain"], n["text"]) for n in nodes] == [(n.id, n.domain, n.text) for n in AWKWARD]
    assert nodes[0]["data"] == '{"k":["<",1]}'
    assert [(e["source"], e["label"]) for e in edges] == [
        (AWKWARD[0].id, "x"),
        (AWKWARD[0].id, "y"),
        ("c", ""),
    ]
    assert export(Graph(), tmp_path / "none.parquet")[0].exists()
    with pytest.raises(UserError, match=r"ends in \.parquet or \.graphml"):
        export(Graph(), tmp_path / "g.csv")


def test_walks_in_batches_are_fast():
    rng = np.random.default_rng(0)
    nodes = [node(f"n{i}") for i in range(2_000)]
    edges = [edge(f"n{a}", f"n{b}") for a, b in rng.integers(0, 2_000, (20_000, 2)).tolist()]
    graph = Graph(nodes, edges)
    start = time.process_time()
    steps = sum(
        (graph.walks(rng.integers(0, 2_000, 60_000), 10, seed)[:, 1:] >= 0).sum() for seed in range(3)
    )
    assert steps / (time.process_time() - start) > 2_000_000
