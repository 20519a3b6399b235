"""Tasks from a user's own documents: a path becomes the resources and the order that the domain proposes from."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from openhorizon.config import WikiPlan
from openhorizon.corpus import Skipped, read, to_graph
from openhorizon.domains.domain import Order
from openhorizon.domains.search import chronicles
from openhorizon.domains.search.propose import NAME, propose
from openhorizon.errors import ConfigError, CorpusError
from openhorizon.graph.graph import Graph
from openhorizon.records import Edge, EdgeKind, Node, Split, Task
from openhorizon.retrieval.index import Index

HOPS = (2, 3, 4, 5)
LENGTHS = (2, 3, 4, 5)


@dataclass(frozen=True)
class Own:
    """A user's corpus, ready to propose from."""

    graph: Graph
    index: Index
    skipped: Skipped  # pages that were left out
    nodes: tuple[Node, ...]  # of the graph, for a store
    edges: tuple[Edge, ...]


def load(path: str | Path, wiki: WikiPlan | None = None) -> Own:
    """The corpus at `path` as graph and index; `wiki` for a MediaWiki dump. CorpusError: unreadable, or its pages do not link to each other."""
    skipped = Skipped()
    nodes, edges = to_graph(read(path, skipped=skipped, wiki=wiki), NAME)
    if not any(edge.kind is EdgeKind.LINKS_TO for edge in edges):
        raise CorpusError(
            f"corpus {path}: its pages hold no links to each other, and search tasks are chains of links; give pages"
            " with links (Markdown, HTML, a MediaWiki dump, or JSONL rows with links)"
        )
    graph = Graph(nodes, edges)
    return Own(graph, Index.of_graph(graph), skipped, nodes, edges)


def generated(seed: int) -> Own:
    """The chronicles of the seed in the place of a corpus."""
    nodes, edges = to_graph(chronicles.material(seed, "full"), NAME)
    graph = Graph(nodes, edges)
    return Own(graph, Index.of_graph(graph), Skipped(), nodes, edges)


def order(seed: int, hops: tuple[int, ...] = HOPS, split: Split = Split.TRAIN) -> Order:
    """What to ask the proposer for, to get chains of these lengths. ConfigError: a length not in 2 to 5."""
    wrong = [h for h in hops if h not in LENGTHS]
    if wrong or not hops:
        raise ConfigError(f"hops {wrong or hops}: give lengths of chains from {LENGTHS[0]} to {LENGTHS[-1]}")
    return Order(split=split, seed=seed, levels=tuple(h - 1 for h in hops), size="full")


def propose_from_corpus(
    path: str | Path, count: int, seed: int = 0, hops: tuple[int, ...] = HOPS
) -> Iterator[Task]:
    """Up to `count` proposals from the corpus, not yet put to the acceptance checks; fewer where it gives no more.

    CorpusError: as `load`, or not one chain of links can be asked for.
    """
    wanted, own = order(seed, hops), load(path)
    none = True
    for _, task in zip(range(count), propose(own.graph, wanted)):
        none = False
        yield task
    if none and count:
        raise CorpusError(
            f"corpus {path}: {len(own.index)} pages, but no chain of {min(hops)} or more links that a question can"
            " point at; give more pages with links inside their sentences, or shorter chains"
        )
