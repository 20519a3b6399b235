"""Resources that lack one passage: what the solver is given to see whether the task needs it."""

from dataclasses import replace
from typing import Any, cast

from openhorizon.domains.domain import Resources
from openhorizon.graph.graph import Graph
from openhorizon.records import Edge, EdgeKind, Node
from openhorizon.retrieval.index import Hit, Index


def without(resources: Resources, passage: str) -> Resources:
    """The same graph and index with the passage gone: its text from its page, its links from the graph."""
    graph = cast(Graph, _GraphWithout(resources.graph, passage))
    return replace(
        resources, graph=graph, index=cast(Index, _IndexWithout(resources.index, resources.graph, passage))
    )


class _GraphWithout:
    """See `Graph`."""

    def __init__(self, graph: Graph, passage: str) -> None:
        self._graph, self._passage = graph, passage
        self._page = passage.rpartition("#")[0]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._graph, name)

    def node(self, node_id: str) -> Node:
        node = self._graph.node(node_id)
        return _cut(node, self._graph.node(self._passage)) if node_id == self._page else node

    def out(self, node_id: str, kind: EdgeKind | None = None) -> tuple[Edge, ...]:
        return tuple(e for e in self._graph.out(node_id, kind) if e.data.get("passage") != self._passage)

    def into(self, node_id: str, kind: EdgeKind | None = None) -> tuple[Edge, ...]:
        edges = self._graph.into(node_id, kind)
        return tuple(e for e in edges if self._passage not in (e.source, e.data.get("passage")))


class _IndexWithout:
    """See `Index`. Ranks are those of the whole page; what is shown of it lacks the passage."""

    def __init__(self, index: Index, graph: Graph, passage: str) -> None:
        self._index, self._passage = index, graph.node(passage)
        self._page = passage.rpartition("#")[0]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._index, name)

    def page(self, title_or_id: str, domain: str | None = None) -> Any:
        page = self._index.page(title_or_id, domain)
        return _cut(page, self._passage) if page is not None and page.id == self._page else page

    def search(self, query: str, *more: Any, **named: Any) -> tuple[Hit, ...]:
        hits = self._index.search(query, *more, **named)
        return tuple(_silent(h) if h.id == self._page else h for h in hits)

    def passages(self, query: str, k: int = 5, domain: str | None = None) -> tuple[Hit, ...]:
        hits = self._index.passages(query, k + 1, domain)
        left = (h for h in hits if h.id != self._passage.id)
        return tuple(_silent(h) if h.id == self._page else h for h in left)[:k]


def _cut(page: Any, passage: Node) -> Any:
    from msgspec.structs import replace as changed

    start, end = passage.data.get("start", 0), passage.data.get("end", 0)
    return changed(page, text=page.text[:start] + page.text[end:])


def _silent(hit: Hit) -> Hit:
    from msgspec.structs import replace as changed

    return changed(hit, snippet="")
