"""Claim: walks over a graph of a million nodes run at millions of steps a second, and a node's neighbourhood is read in
microseconds, from a file that is mapped, not loaded.

A graph of 1M nodes and 5M edges, half of whose targets crowd on few nodes, is written as a snapshot and opened. Walks of ten
steps from random nodes: ours in batches (plain; along one kind of edge; never to a node twice) against a step at a time on a
dictionary of lists, networkx, an adjacency table in SQLite (a file, indexed, in the page cache), rows of scipy's CSR matrix,
and igraph's `random_walk` in C. Neighbourhood: the ids one edge away, both directions, of random nodes; ours makes the
`Edge` records as well, with labels and data, which no peer holds. Everybody walks the same edges; slow ones walk fewer, the
rate counts. Targets: 5M steps a second in batches, 0.1 ms (p50) for a neighbourhood.

    pip install "openhorizon[benchmarks]"
    python benchmarks/graph_walks.py [--quick] [--only NAME] [--json PATH]

`--quick` takes a tenth of the graph. Contestants come one after the other, each alone in memory; numbers are medians of
repeats. All run on one thread; rates and building are per second of the processor, so that other work on the machine does not
count, a neighbourhood's milliseconds are the wall's. igraph, scipy and we walk by number, the rest by the id that they were given; igraph prepares
each walk in time that grows with the graph, so it also walks until it comes to an end, 10,000 steps at most.
"""

import argparse
import gc
import json
import os
import platform
import random
import resource
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from openhorizon.graph.graph import Graph
from openhorizon.graph.snapshot import write_snapshot
from openhorizon.records import Edge, EdgeKind, Node, NodeKind

NODES, EDGES, STEPS = 1_000_000, 5_000_000, 10
WALKS, ASKED, REPEATS = (
    200_000,
    20_000,
    5,
)  # of ours, per repeat; of nodes whose neighbourhood is asked for; of everything
STEPS_A_SECOND, NEIGHBOURS_MS = 5e6, 0.1
TEXT = (
    "A page of the corpus, of about the length that a paragraph of an encyclopedia has, to be stored with its node. "
    * 2
)

Walk = Callable[[np.ndarray], int]  # starts -> steps made
Near = Callable[[int], Any]


class Peer(NamedTuple):
    """One that walks and answers; `make` gets the sources and targets and gives both, `walks` bounds what it is asked."""

    name: str
    make: Callable[[np.ndarray, np.ndarray], tuple[Walk, Near]]
    walks: int


def name(node: int) -> str:
    return f"wiki/Page {node}"


def drawn(nodes: int, edges: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    skewed = (nodes * rng.random(edges) ** 3).astype(np.int64)
    return rng.integers(0, nodes, edges), np.where(
        rng.random(edges) < 0.5, skewed, rng.integers(0, nodes, edges)
    )


def records(source: np.ndarray, target: np.ndarray, nodes: int) -> tuple[Iterator[Node], Iterator[Edge]]:
    kinds = (EdgeKind.LINKS_TO,) * 3 + (EdgeKind.DEPENDS_ON,)
    return (
        (Node(id=name(i), kind=NodeKind.ENTITY, domain="search", title=f"Page {i}", text=TEXT) for i in range(nodes)),
        (
            Edge(source=name(a), target=name(b), kind=kinds[n % 4], label="anchor" if n % 2 else "")
            for n, (a, b) in enumerate(zip(source.tolist(), target.tolist()))
        ),
    )  # fmt: skip


def by_dictionary(source: np.ndarray, target: np.ndarray) -> tuple[Walk, Near]:
    out: dict[str, list[str]] = {}
    into: dict[str, list[str]] = {}
    names = list(map(name, range(int(max(source.max(), target.max())) + 1)))
    for a, b in zip(source.tolist(), target.tolist()):
        out.setdefault(names[a], []).append(names[b])
        into.setdefault(names[b], []).append(names[a])
    return stepping(lambda i: out.get(i, ()), names), lambda n: (out.get(name(n), ()), into.get(name(n), ()))


def stepping(ways: Callable[[Any], Any], names: list[str] | None = None) -> Walk:
    """A step at a time, as one writes it: draw one of the ways on."""
    draw = random.Random(0).choice

    def walk(starts: np.ndarray) -> int:
        made = 0
        for start in starts.tolist():
            here = start if names is None else names[start]
            for _ in range(STEPS):
                on = ways(here)
                if not len(on):
                    break
                here = draw(on)
                made += 1
        return made

    return walk


def by_networkx(source: np.ndarray, target: np.ndarray) -> tuple[Walk, Near]:
    import networkx

    graph = networkx.MultiDiGraph()
    names = list(map(name, range(int(max(source.max(), target.max())) + 1)))
    graph.add_nodes_from(names)
    graph.add_edges_from((names[a], names[b]) for a, b in zip(source.tolist(), target.tolist()))
    succ = graph.succ  # distinct neighbours: parallel edges count once, which spares it work
    return stepping(lambda i: list(succ[i]), names), lambda n: (
        list(succ[name(n)]),
        list(graph.pred[name(n)]),
    )


def by_sqlite(source: np.ndarray, target: np.ndarray) -> tuple[Walk, Near]:
    db = sqlite3.connect(Path(tempfile.mkdtemp(prefix="walks-")) / "edges.db")
    db.executescript(
        "pragma journal_mode=off; pragma synchronous=off; pragma cache_size=-1000000; pragma mmap_size=4000000000"
    )
    db.execute("create table edges (source text, target text)")
    db.executemany(
        "insert into edges values (?, ?)",
        ((name(a), name(b)) for a, b in zip(source.tolist(), target.tolist())),
    )
    db.executescript(
        "create index o on edges (source, target); create index i on edges (target, source); analyze;"
    )
    out, into = "select target from edges where source = ?", "select source from edges where target = ?"
    names = list(map(name, range(int(max(source.max(), target.max())) + 1)))
    return (
        stepping(lambda i: [r[0] for r in db.execute(out, (i,))], names),
        lambda n: (db.execute(out, (name(n),)).fetchall(), db.execute(into, (name(n),)).fetchall()),
    )


def by_scipy(source: np.ndarray, target: np.ndarray) -> tuple[Walk, Near]:
    from scipy.sparse import coo_array

    size = int(max(source.max(), target.max())) + 1
    whole = coo_array((np.ones(len(source), np.int8), (source, target)), (size, size))
    out, into = whole.tocsr(), whole.T.tocsr()

    def ways(matrix: Any, here: int) -> np.ndarray:
        return matrix.indices[matrix.indptr[here] : matrix.indptr[here + 1]]

    return stepping(lambda i: ways(out, i)), lambda n: (ways(out, n).tolist(), ways(into, n).tolist())


def by_igraph(source: np.ndarray, target: np.ndarray, steps: int = STEPS) -> tuple[Walk, Near]:
    import igraph

    size = int(max(source.max(), target.max())) + 1
    graph = igraph.Graph(size, np.stack((source, target), 1), directed=True)

    def walk(starts: np.ndarray) -> int:
        return sum(len(graph.random_walk(s, steps, mode="out", stuck="return")) - 1 for s in starts.tolist())

    return walk, lambda n: (graph.successors(n), graph.predecessors(n))


PEERS = (
    Peer("igraph random_walk (C)", by_igraph, 20_000),
    Peer("igraph, up to 10,000 steps", partial(by_igraph, steps=10_000), 2_000),
    Peer("dictionary of lists", by_dictionary, 20_000),
    Peer("scipy CSR, a row at a time", by_scipy, 10_000),
    Peer("networkx", by_networkx, 20_000),
    Peer("SQLite, indexed both ways", by_sqlite, 5_000),
)


def rate(walk: Walk, starts: np.ndarray) -> float:
    """Steps a second of the processor, the median."""
    found = []
    for _ in range(REPEATS):
        began = time.process_time()
        made = walk(starts)
        found.append(made / (time.process_time() - began))
    return statistics.median(found)


def milliseconds(near: Near, asked: np.ndarray) -> tuple[float, float]:
    """p50 and p99 of asking for one node's neighbourhood."""
    took = []
    for node in asked.tolist():
        began = time.perf_counter()
        near(node)
        took.append(time.perf_counter() - began)
    return float(np.percentile(took, 50)) * 1e3, float(np.percentile(took, 99)) * 1e3


def our_rows(graph: Graph, starts: np.ndarray, asked: np.ndarray) -> dict[str, dict[str, float]]:
    def ours(**how: Any) -> Walk:
        return lambda starts: int((graph.walks(starts, STEPS, 1, **how)[:, 1:] >= 0).sum())

    p50, p99 = milliseconds(lambda n: (graph.out(name(n)), graph.into(name(n))), asked)
    return {
        "ours": {"steps_a_second": rate(ours(), starts), "p50_ms": p50, "p99_ms": p99},
        "ours, one kind of edge": {"steps_a_second": rate(ours(kinds=(EdgeKind.LINKS_TO,)), starts)},
        "ours, no node twice": {"steps_a_second": rate(ours(fresh=True), starts)},
    }


def resident() -> float:
    """Megabytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the graph")
    parser.add_argument("--only", default="", help="peers whose names hold this")
    parser.add_argument("--json", type=Path, help="where to write the numbers")
    options = parser.parse_args()
    shrunk = 10 if options.quick else 1
    nodes, edges = NODES // shrunk, EDGES // shrunk
    source, target = drawn(nodes, edges)
    rng = np.random.default_rng(1)
    starts, asked = rng.integers(0, nodes, WALKS), rng.integers(0, nodes, ASKED)
    began = time.process_time()
    for stream in records(source, target, nodes):
        for _ in stream:
            pass
    making = time.process_time() - began
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.snapshot"
        began, on = time.process_time(), time.perf_counter()
        write_snapshot(path, *records(source, target, nodes))
        building, wall = time.process_time() - began, time.perf_counter() - on
        gc.collect()
        before, began = resident(), time.perf_counter()
        graph = Graph.open(path)
        opening, opened = time.perf_counter() - began, resident() - before
        rows = our_rows(graph, starts, asked)
        size = path.stat().st_size / 1e6
        del graph
    for peer in (p for p in PEERS if options.only in p.name):
        gc.collect()
        try:
            began = time.process_time()
            walk, near = peer.make(source, target)
        except ImportError as error:
            print(f"left out: {peer.name} ({error})", file=sys.stderr)
            continue
        built = time.process_time() - began
        p50, p99 = milliseconds(near, asked)
        steps = rate(walk, starts[: peer.walks])
        rows[peer.name] = {"steps_a_second": steps, "p50_ms": p50, "p99_ms": p99, "build_s": built}
        del walk, near
    print(
        f"{nodes:,} nodes, {edges:,} edges, walks of {STEPS} steps; medians of {REPEATS}; load {os.getloadavg()[0]:.1f}"
    )
    print(f"snapshot of {size:,.0f} MB written in {building:.1f} s ({wall:.1f} by the wall), {making:.1f} s of it making the records; "
          f"opened in {1e3 * opening:.1f} ms and {opened:.1f} MB")  # fmt: skip
    mine = rows["ours"]
    print(f"{'':28} {'steps/s':>12} {'ours, x':>8} {'p50 ms':>9} {'p99 ms':>9} {'ours, x':>8} {'build s':>8}")
    for who, row in rows.items():
        times = mine["steps_a_second"] / row["steps_a_second"]
        near = (
            f"{row['p50_ms']:9.4f} {row['p99_ms']:9.4f} {row['p50_ms'] / mine['p50_ms']:8.2f}"
            if "p50_ms" in row
            else ""
        )
        print(
            f"{who:28} {row['steps_a_second']:12,.0f} {times:8.1f} {near} {row.get('build_s', building):8.1f}"
        )
    met = mine["steps_a_second"] >= STEPS_A_SECOND, mine["p50_ms"] <= NEIGHBOURS_MS
    print(
        f"targets: {STEPS_A_SECOND:,.0f} steps/s {'met' if met[0] else 'MISSED'}, {NEIGHBOURS_MS} ms {'met' if met[1] else 'MISSED'}"
    )
    if options.json:
        about = {
            "nodes": nodes,
            "edges": edges,
            "machine": platform.machine(),
            "cores": os.cpu_count(),
            "load": os.getloadavg(),
        }
        numbers = {
            "build_s": building,
            "records_s": making,
            "open_s": opening,
            "open_mb": opened,
            "snapshot_mb": size,
        }
        options.json.write_text(json.dumps(about | numbers | {"contestants": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
