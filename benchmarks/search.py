"""Search on 200,000 paragraphs: latency through the domain's `search` tool, against SQLite's FTS5 and bm25s on the same work.

Paragraphs come from a corpus (`--corpus`, anything that openhorizon reads) or, without one, from a seed. A corpus that
has fewer is filled up: each further paragraph takes two to five sentences at random from the corpus's own, so its words
keep their frequencies and no word is new; common words then stand in more places than in a real corpus of that size,
which makes the work harder, not easier. Queries are made from the paragraphs, a fifth each: a question around some of a
paragraph's words, two to four words of one, rare words, the commonest words alone, and a whole paragraph.

    OMP_NUM_THREADS=1 python benchmarks/search.py --corpus ltgwiki-pages-articles.xml.bz2
"""

import argparse
import os
import random
import re
import resource
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from openhorizon.corpus import passages, read
from openhorizon.domains.domain import Resources
from openhorizon.domains.plain import NoSandbox
from openhorizon.domains.search import DOMAIN
from openhorizon.domains.search.tools import HITS, NAME, Desk
from openhorizon.graph.graph import Graph
from openhorizon.records import Edge, EdgeKind, Node, NodeKind, ToolCall
from openhorizon.retrieval import shelf
from openhorizon.retrieval.index import Index

KINDS = ("question", "keywords", "rare", "common", "long")
PER_PAGE = 20  # paragraphs of a made page
WORD = re.compile(r"\w+")


def written(seed: int) -> Iterator[str]:
    """Paragraphs without a corpus: 30,000 made-up words drawn by Zipf's law into sentences."""
    rng = random.Random(seed)
    syllables = [c + v for c in "bdfgklmnprstvz" for v in ("a", "e", "i", "o", "u", "ai", "or")]
    words = list(dict.fromkeys("".join(rng.choices(syllables, k=rng.randint(1, 4))) for _ in range(40_000)))[
        :30_000
    ]
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    for _ in range(6_000):
        drawn = rng.choices(words, weights, k=rng.randint(20, 90))
        cuts = range(0, len(drawn), 12)
        yield " ".join(f"{' '.join(drawn[c : c + 12]).capitalize()}." for c in cuts)


def paragraphs(corpus: str, count: int, seed: int) -> tuple[list[str], int]:
    """`count` paragraphs, and how many of them are the corpus's own."""
    own = list(written(seed))
    if corpus:
        own = [p.text for d in read(corpus) for p in passages(d) if len(p.text) >= 40]
    own = own[:count]
    rng = random.Random(seed)
    sentences = [s for text in own for s in re.split(r"(?<=[.!?])\s+", text) if len(s) > 15]
    more = [" ".join(rng.choices(sentences, k=rng.randint(2, 5))) for _ in range(count - len(own))]
    return own + more, len(own)


def nodes(texts: list[str], first: int = 0) -> Iterator[Node]:
    """Pages of PER_PAGE paragraphs with titles of two words of their own, and their passages."""
    for number, start in enumerate(range(0, len(texts), PER_PAGE), first):
        some = texts[start : start + PER_PAGE]
        title = f"{' '.join(WORD.findall(some[0])[:2])} {number}"
        page = f"bench/{number}"
        yield Node(id=page, kind=NodeKind.ENTITY, domain=NAME, title=title, text="\n\n".join(some))
        for n, text in enumerate(some):
            yield Node(id=f"{page}#{n}", kind=NodeKind.EVIDENCE, domain=NAME, title=title, text=text)


def queries(texts: list[str], count: int, seed: int) -> list[tuple[str, str]]:
    """(kind, query), the kinds in turn."""
    rng = random.Random(seed)
    counted = Counter(
        word for text in rng.sample(texts, min(20_000, len(texts))) for word in WORD.findall(text.lower())
    )
    common = [word for word, _ in counted.most_common(30)]
    rare = sorted(word for word, n in counted.items() if n <= 3 and len(word) > 3)
    made = []
    for number in range(count):
        kind, words = KINDS[number % len(KINDS)], WORD.findall(rng.choice(texts))
        if kind == "question":
            start = rng.randrange(max(1, len(words) - 9))
            query = f"What is known about {' '.join(words[start : start + 9])}?"
        elif kind == "keywords":
            query = " ".join(rng.sample(words, min(len(words), rng.randint(2, 4))))
        elif kind == "rare":
            query = " ".join(rng.sample(rare, min(len(rare), 2)))
        elif kind == "common":
            query = " ".join(rng.sample(common, 6))
        else:
            query = " ".join(words)
        made.append((kind, query))
    return made


class Fts5:
    """SQLite's own full-text index, bm25 with the same weight of titles, all words optional."""

    def __init__(self, made: list[Node], path: Path):
        from openhorizon.graph.store import driver

        self.db = driver().connect(path)
        self.db.execute(
            "CREATE VIRTUAL TABLE t USING fts5(id UNINDEXED, title, text, tokenize='unicode61 remove_diacritics 0')"
        )
        self.insert(made)
        self.version = f"SQLite {driver().sqlite_version} FTS5"

    def insert(self, made: list[Node]) -> None:
        self.db.executemany("INSERT INTO t VALUES (?, ?, ?)", ((n.id, n.title, n.text) for n in made))
        self.db.commit()

    def search(self, query: str) -> list[str]:
        words = dict.fromkeys(WORD.findall(query.lower()))
        match = " OR ".join(f'"{w}"' for w in words)
        order = "SELECT id FROM t WHERE t MATCH ? ORDER BY bm25(t, 0, 2.0, 1.0) LIMIT ?"
        return [row[0] for row in self.db.execute(order, (match, HITS))]


class Bm25s:
    """bm25s: scores of every paragraph from a sparse matrix, numpy."""

    def __init__(self, made: list[Node]):
        import bm25s  # pyright: ignore[reportMissingImports]

        self.ids, self.bm25s = [n.id for n in made], bm25s
        cut = [WORD.findall(f"{n.title} {n.text}".lower()) for n in made]
        self.index = bm25s.BM25()
        self.index.index(cut, show_progress=False)
        self.version = f"bm25s {bm25s.__version__}"

    def search(self, query: str) -> list[str]:
        words = [w for w in dict.fromkeys(WORD.findall(query.lower())) if w in self.index.vocab_dict]
        if not words:
            return []
        found, _ = self.index.retrieve([words], k=HITS, show_progress=False)
        return [self.ids[n] for n in found[0]]


Took = dict[str, list[tuple[float, float]]]  # kind of query -> milliseconds of (clock, CPU) of each


def latencies(search: Callable[[str], object], asked: list[tuple[str, str]]) -> Took:
    """What every query took, by kind and of "all". On a busy machine the CPU's time is the one to read."""
    took: Took = {kind: [] for kind in ("all", *KINDS)}
    for kind, query in asked:
        began, worked = time.perf_counter(), time.process_time()
        search(query)
        ms = 1000 * (time.perf_counter() - began), 1000 * (time.process_time() - worked)
        took[kind].append(ms)
        took["all"].append(ms)
    return took


def percentile(values: list[tuple[float, float]], share: float, of: int) -> float:
    return sorted(v[of] for v in values)[min(len(values) - 1, int(share * len(values)))]


def shown(name: str, took: Took, against: Took | None = None) -> None:
    for kind, values in took.items():
        text = f"{name:23} {kind:9}"
        for of, what in enumerate(("clock", "CPU")):
            text += (
                f" {what}: p50 {percentile(values, 0.5, of):7.2f} p99 {percentile(values, 0.99, of):7.2f} ms"
            )
            if against:
                text += "".join(
                    f" {percentile(values, p, of) / percentile(against[kind], p, of):6.1f} x"
                    for p in (0.5, 0.99)
                )
        print(text, flush=True)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    done = work()
    return time.perf_counter() - began, done


def agreement(
    ours: Callable[[str], list[str]], theirs: Callable[[str], list[str]], asked: list[tuple[str, str]]
) -> float:
    """How often our first hit is among the peer's first ten."""
    pairs = [(ours(q), theirs(q)) for _, q in asked]
    return statistics.mean(float(not a or a[0] in b) for a, b in pairs)


def kept_of_all_words(index: Index, asked: list[tuple[str, str]]) -> float:
    """Share of the first ten that are the same when every word of a query is searched for, however common."""
    ours = [{h.id for h in index.passages(q, HITS, NAME)} for _, q in asked]
    bound, shelf.POSTINGS = shelf.POSTINGS, 1 << 60
    every = [{h.id for h in index.passages(q, HITS, NAME)} for _, q in asked]
    shown("ours, all words", latencies(lambda q: index.passages(q, HITS, NAME), asked))
    shelf.POSTINGS = bound
    return statistics.mean(len(a & b) / max(1, len(b)) for a, b in zip(ours, every))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--corpus", default="", help="what openhorizon reads; without it, made from the seed")
    parser.add_argument("--count", type=int, default=200_000, help="paragraphs")
    parser.add_argument("--queries", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--slow", type=int, default=100, help="queries that the slow peers get")
    told = parser.parse_args()
    texts, own = paragraphs(told.corpus, told.count, told.seed)
    made = list(nodes(texts))
    print(f"{len(texts):,} paragraphs, {own:,} of them the corpus's own, {sum(map(len, texts)) / 1e6:.0f} M characters, "
          f"{len(made) - len(texts):,} pages; load {os.getloadavg()[0]:.1f}")  # fmt: skip
    asked = queries(texts, told.queries, told.seed + 1)
    edges = [
        Edge(source=n.id, target=n.id.partition("#")[0], kind=EdgeKind.SUPPORTS) for n in made if "#" in n.id
    ]
    graph = Graph(made, edges)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "index"
        desk = Desk(Resources(graph, Index.of_graph(graph, place), NoSandbox()), brief=False)
        tool = lambda query: DOMAIN.call(desk, ToolCall(name="search", arguments={"query": query}))  # noqa: E731
        seconds, _ = timed(lambda: tool("first"))
        print(
            f"passages built on disk in {seconds:.1f} s, {sum(f.stat().st_size for f in place.rglob('*') if f.is_file()) / 1e6:.0f} MB"
        )
        index = Index.of_graph(graph, place)
        desk.resources.index = index
        seconds, _ = timed(lambda: tool("first"))
        print(f"opened again and searched in {seconds:.2f} s")
        latencies(tool, asked[:50])  # a warm page cache
        ours = latencies(tool, asked)
        shown("ours, through the tool", ours)
        index.search("first")
        shown("ours, whole pages", latencies(lambda q: index.search(q, HITS, NAME), asked))
        slow = asked[: told.slow]
        print(f"of the first ten, {kept_of_all_words(index, slow):.0%} are those of a search for all words")
        base = latencies(tool, slow)
        peers(made, slow, base, Path(folder), lambda q: [h.id for h in index.passages(q, HITS, NAME)])
        added(index, texts, place)
    print(
        f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB; load {os.getloadavg()[0]:.1f}"
    )


def peers(
    made: list[Node], asked: list[tuple[str, str]], base: Took, folder: Path,
    ours: Callable[[str], list[str]],
) -> None:  # fmt: skip
    """Each peer's latencies on the same queries, with ratios to ours on these queries."""
    only = [n for n in made if n.kind is NodeKind.EVIDENCE]
    for build in (lambda: Fts5(only, folder / "fts5.db"), lambda: Bm25s(only)):
        try:
            seconds, peer = timed(build)
        except ImportError as error:
            print(f"left out: {error}")
            continue
        print(
            f"{peer.version}: built in {seconds:.1f} s; our first hit is among its ten in {agreement(ours, peer.search, asked):.0%}"
        )
        shown(peer.version, latencies(peer.search, asked), base)


def added(index: Index, texts: list[str], place: Path) -> None:
    """1,000 documents of one paragraph more, five times over; each time the next search must see them."""
    took = []
    for again in range(5):
        fresh = []
        for number in range(1_000):
            id = f"new/{again}-{number}"
            text = f"{texts[(again * 1_000 + number) % len(texts)]} seen{again}x{number}"
            fresh.append(
                Node(id=id, kind=NodeKind.ENTITY, domain=NAME, title=f"New {again} {number}", text=text)
            )
            fresh.append(
                Node(
                    id=f"{id}#0",
                    kind=NodeKind.EVIDENCE,
                    domain=NAME,
                    title=f"New {again} {number}",
                    text=text,
                )
            )
        seconds, _ = timed(lambda fresh=fresh: index.update(fresh))
        (hit, *_) = index.passages(f"seen{again}x999", 1)
        assert hit.id == f"new/{again}-999#0"
        took.append(seconds)
    print(
        f"1,000 documents added in {statistics.median(took):.2f} s, least {min(took):.2f} s, most {max(took):.2f} s"
    )


if __name__ == "__main__":
    main()
