"""Claim: the graph's store takes a million nodes and five million edges in at most 60 s on two cores, and at least 8,000
durable step rows a second from four writing processes.

    python benchmarks/graph_store.py [--quick] [--json PATH] [--postgres ADDRESS]

Load: the records of a wiki (a page and its four passages of about 300 characters; per page four `supports` and 21 links
with anchor, label and justifying passage) go from a generator into an empty graph, one transaction, all of it on disk at
the end. Making the records is timed alone and is part of the load's time, as it is for the peers: `networkx`, which holds
the graph in memory and pickles it to disk, and plain SQLite, with text ids and its unique indexes from the start.

Steps: four processes write attempts of 40 steps, each step a call, an observation of about 1 KB and two nodes that it
consulted; each attempt is one durable write (log synced at every commit). The peers do the same with a table of JSON
rows in SQLite (`synchronous=FULL`), and with one JSONL file per writer, synced after every attempt: no graph, no index, no
look-up, the least that durable writing costs. After ours the rows are counted. `--quick` is a tenth of both; the peers of
the load run at a tenth in any case (networkx would want many gigabytes), with ours beside them.
"""

import argparse
import json
import multiprocessing
import os
import pickle
import platform
import random
import resource
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import networkx as nx
import numpy as np

from openhorizon.graph.store import GraphStore
from openhorizon.graph.writeback import Played
from openhorizon.records import (
    Completion,
    Edge,
    EdgeKind,
    Message,
    Node,
    NodeKind,
    Split,
    Status,
    Task,
    ToolCall,
    ToolResult,
    Trajectory,
    Turn,
    as_json,
)

NODES, LINKS, PASSAGES, WRITERS, STEPS, ATTEMPTS = 1_000_000, 21, 4, 4, 40, 500
RNG = random.Random(0)
WORDS = ["".join(RNG.choices("abcdefghijklmnoprstuv", k=RNG.randint(2, 10))) for _ in range(5000)]
TEXT = " ".join(RNG.choices(WORDS, k=400_000))


def nodes(pages: int) -> Iterator[Node]:
    for p in range(pages):
        page, source = f"wiki/Page {p}", f"https://wiki.example/Page_{p}"
        data = {"length": 1200, "degree": LINKS, "indegree": LINKS}
        yield Node(
            id=page, kind=NodeKind.ENTITY, domain="search", title=f"Page {p}", source=source, data=data
        )
        for k in range(PASSAGES):
            at = (p * 7919 + k * 101) % (len(TEXT) - 300)
            yield Node(
                id=f"{page}#{k}", kind=NodeKind.EVIDENCE, domain="search", title=f"Page {p}", text=TEXT[at : at + 300],
                source=source, data={"start": k * 302, "end": k * 302 + 300},
            )  # fmt: skip


def edges(pages: int) -> Iterator[Edge]:
    rng, targets = np.random.default_rng(1), []
    for p in range(pages):
        page = f"wiki/Page {p}"
        for k in range(PASSAGES):
            yield Edge(source=f"{page}#{k}", target=page, kind=EdgeKind.SUPPORTS)
        targets = targets if len(targets) >= LINKS else rng.integers(0, pages, 100_000).tolist()
        for k in range(LINKS):
            anchor = WORDS[(p * 31 + k) % len(WORDS)]
            data = {"passage": f"{page}#{k % PASSAGES}", "anchor": anchor, "relation": ""}
            yield Edge(
                source=page,
                target=f"wiki/Page {targets.pop()}",
                kind=EdgeKind.LINKS_TO,
                label=anchor,
                data=data,
            )


def making(pages: int, place: Path) -> None:
    for _ in nodes(pages):
        pass
    for _ in edges(pages):
        pass


def ours(pages: int, place: Path) -> None:
    with GraphStore(place / "graph.db") as store:
        store.add(nodes(pages), edges(pages))


def networkx(pages: int, place: Path) -> None:
    graph = nx.MultiDiGraph()
    for n in nodes(pages):
        graph.add_node(
            n.id, kind=n.kind, domain=n.domain, title=n.title, text=n.text, source=n.source, data=n.data
        )
    for e in edges(pages):
        graph.add_edge(e.source, e.target, (e.kind, e.label), data=e.data)
    with open(place / "graph.pickle", "wb") as file:
        pickle.dump(graph, file, protocol=5)
        file.flush()
        os.fsync(file.fileno())


def plain_sqlite(pages: int, place: Path) -> None:
    db = sqlite3.connect(place / "plain.db")
    db.execute("pragma journal_mode=wal")
    db.execute("pragma cache_size=-65536")
    db.execute(
        "create table nodes (id text primary key, kind text, domain text, title text, text text, source text, data text)"
    )
    db.execute(
        "create table edges (source text, target text, kind text, label text, data text, unique (source, target, kind, label))"
    )
    db.execute("create index by_target on edges (target, kind)")
    rows = (
        (n.id, n.kind.value, n.domain, n.title, n.text, n.source, json.dumps(n.data)) for n in nodes(pages)
    )
    db.executemany("insert into nodes values (?, ?, ?, ?, ?, ?, ?) on conflict do nothing", rows)
    rows = ((e.source, e.target, e.kind.value, e.label, json.dumps(e.data)) for e in edges(pages))
    db.executemany(
        "insert into edges values (?, ?, ?, ?, ?) on conflict do update set data = excluded.data", rows
    )
    db.commit()
    db.close()


def attempt(writer: int, n: int) -> Played:
    turns = []
    for i in range(STEPS):
        at = (writer * 7919 + n * 611 + i * 1013) % (len(TEXT) - 1000)
        call = ToolCall(
            name="read_page", arguments={"page": f"Page {n * STEPS + i}", "goal": TEXT[at : at + 40]}
        )
        read = (f"wiki/Page {i}", f"wiki/Page {i}#{n % PASSAGES}")
        turns.append(
            Turn(
                completion=Completion(text=""), message=Message(role="assistant", calls=(call,), thought=TEXT[at : at + 120]),
                results=(ToolResult(call=call, text=TEXT[at : at + 1000], sources=read),),
            )
        )  # fmt: skip
    name = f"search/train/{writer}/{n}"
    task = Task(id=name, domain="search", split=Split.TRAIN, instruction=name, answer="y")
    run = Trajectory(
        id=f"{name}@m/0", task=name, domain="search", prompt=(), turns=tuple(turns), status=Status.FINISHED
    )
    return Played(task, (run,))


def to_store(address: str, writer: int, games: list[Played]) -> Iterator[None]:
    with GraphStore(address) as store:
        yield
        for game in games:
            store.record([game])


def to_plain_sqlite(address: str, writer: int, games: list[Played]) -> Iterator[None]:
    db = sqlite3.connect(address, timeout=60, isolation_level=None)
    db.execute("pragma journal_mode=wal")
    db.execute("pragma synchronous=full")
    db.execute(
        "create table if not exists steps (attempt text, number integer, step text, primary key (attempt, number))"
    )
    yield
    for game in games:
        run = game.attempts[0]
        rows = [(run.id, i, as_json(turn).decode()) for i, turn in enumerate(run.turns)]
        db.execute("begin immediate")
        db.executemany("insert into steps values (?, ?, ?)", rows)
        db.execute("commit")
    db.close()


def to_jsonl(address: str, writer: int, games: list[Played]) -> Iterator[None]:
    with open(f"{address}.{writer}", "wb") as file:
        yield
        for game in games:
            file.writelines(as_json(turn) + b"\n" for turn in game.attempts[0].turns)
            file.flush()
            os.fsync(file.fileno())


def _one(write: Callable[..., Iterator[None]], address: str, writer: int, count: int, meet, times) -> None:
    games = [attempt(writer, n) for n in range(count)]  # making them is not timed
    work = write(address, writer, games)
    next(work)
    meet.wait()
    began, cpu = time.perf_counter(), time.process_time()
    for _ in work:
        pass
    times.put((began, time.perf_counter(), time.process_time() - cpu))


def four(write: Callable[..., Iterator[None]], address: str, count: int) -> dict[str, float]:
    """Step rows a second of four processes, from the first's start to the last's end; CPU time of a step, microseconds."""
    context = multiprocessing.get_context("fork")
    meet, times = context.Barrier(WRITERS), context.Queue()
    writers = [
        context.Process(target=_one, args=(write, address, w, count, meet, times)) for w in range(WRITERS)
    ]
    for w in writers:
        w.start()
    spans = [times.get() for _ in writers]
    for w in writers:
        w.join()
    steps, seconds = WRITERS * count * STEPS, max(s[1] for s in spans) - min(s[0] for s in spans)
    return {"per_s": steps / seconds, "cpu_us": sum(s[2] for s in spans) / steps * 1e6}


def timed_load(name: str, work: Callable[[int, Path], None], pages: int) -> dict[str, float]:
    """Seconds by the wall and by the processor, in a process of its own; its peak of memory; bytes left on disk."""
    context = multiprocessing.get_context("fork")
    told = context.Queue()
    with tempfile.TemporaryDirectory() as place:

        def child() -> None:
            began, cpu = time.perf_counter(), time.process_time()
            work(pages, Path(place))
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            told.put(
                {"wall_s": time.perf_counter() - began, "cpu_s": time.process_time() - cpu, "peak_mb": peak}
            )

        process = context.Process(target=child)
        process.start()
        found = told.get()
        process.join()
        found["disk_mb"] = sum(f.stat().st_size for f in Path(place).iterdir()) / 2**20
    print(f"{name:34} {found['wall_s']:8.1f} s wall {found['cpu_s']:8.1f} s CPU {found['peak_mb']:7.0f} MB peak {found['disk_mb']:7.0f} MB on disk   load {os.getloadavg()[0]:.1f}")  # fmt: skip
    return found


def steps_of(postgres: str, count: int) -> dict[str, dict[str, float]]:
    found = {}
    with tempfile.TemporaryDirectory() as place:
        rows: Iterable[tuple[str, Callable[..., Iterator[None]], str]] = [
            ("ours, SQLite", to_store, f"{place}/graph.db"),
            ("JSON rows in SQLite", to_plain_sqlite, f"{place}/plain.db"),
            ("JSONL, a file a writer", to_jsonl, f"{place}/steps.jsonl"),
        ]
        for name, write, address in [
            *rows,
            *([("ours, PostgreSQL", to_store, postgres)] if postgres else []),
        ]:
            if write is to_store:
                with GraphStore(address) as store:
                    store.add(nodes(1000), edges(1000))
                    if ("search", "action") in store.counts():
                        raise SystemExit(f"{store.path} holds steps already; name an empty database")
            found[name] = four(write, address, count)
            if write is to_store:
                with GraphStore(address) as store:
                    assert store.counts()["search", "action"] == WRITERS * count * STEPS, "steps were lost"
            print(
                f"{name:34} {found[name]['per_s']:10,.0f} durable step rows/s {found[name]['cpu_us']:6.0f} us CPU each   load {os.getloadavg()[0]:.1f}",
                flush=True,
            )
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a tenth of the work")
    parser.add_argument("--only", choices=("load", "steps"))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--postgres", default="", help="an empty database to write steps into as well")
    args = parser.parse_args()
    scale = 10 if args.quick else 1
    pages = NODES // (1 + PASSAGES) // scale
    with GraphStore(":memory:") as store:
        version = store.version
    said: dict = {
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "driver": version,
        "load": os.getloadavg(),
    }
    if args.only != "steps":
        print(f"load: {pages * 5:,} nodes, {pages * (PASSAGES + LINKS):,} edges; {version}")
        contestants = {
            "making the records": making,
            "ours": ours,
            "networkx, pickled": networkx,
            "plain SQLite": plain_sqlite,
        }
        said["load_s"] = {name: timed_load(name, work, pages) for name, work in contestants.items()}
        for name in ("networkx, pickled", "plain SQLite"):
            ratio = {t: said["load_s"][name][t] / said["load_s"]["ours"][t] for t in ("wall_s", "cpu_s")}
            print(
                f"  ours is {ratio['wall_s']:.2f} (wall), {ratio['cpu_s']:.2f} (CPU) times as fast as {name}"
            )
    if args.only != "load":
        print(f"steps: {WRITERS} processes, {ATTEMPTS // scale} attempts of {STEPS} steps each")
        said["steps"] = steps_of(args.postgres, ATTEMPTS // scale)
        for name, other in list(said["steps"].items())[1:]:
            print(
                f"  ours in SQLite is {said['steps']['ours, SQLite']['per_s'] / other['per_s']:.2f} times as fast as {name}"
            )
    if args.json:
        args.json.write_text(json.dumps(said, indent=1))


if __name__ == "__main__":
    main()
