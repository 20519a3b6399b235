"""The knowledge-action graph in memory: what proposers walk over. The store (`store.py`) is the system of record."""

from collections import defaultdict
from collections.abc import Iterable

from openhorizon.records import Edge, EdgeKind, Node, NodeKind


class Graph:
    """A read-only snapshot of nodes and edges, in insertion order, with adjacency both ways."""

    def __init__(self, nodes: Iterable[Node] = (), edges: Iterable[Edge] = ()):
        self._nodes = {node.id: node for node in nodes}
        self._out: dict[str, list[Edge]] = defaultdict(list)
        self._into: dict[str, list[Edge]] = defaultdict(list)
        self.edge_count = 0
        for edge in edges:
            self._out[edge.source].append(edge)
            self._into[edge.target].append(edge)
            self.edge_count += 1

    def __len__(self) -> int:
        return len(self._nodes)

    def __contains__(self, node_id: object) -> bool:
        return node_id in self._nodes

    def node(self, node_id: str) -> Node:
        """The node; KeyError names the id that is not there."""
        return self._nodes[node_id]

    def nodes(self, domain: str | None = None, kind: NodeKind | None = None) -> tuple[Node, ...]:
        """All nodes of a domain and kind, in insertion order."""
        return tuple(
            n
            for n in self._nodes.values()
            if (domain is None or n.domain == domain) and (kind is None or n.kind == kind)
        )

    def out(self, node_id: str, kind: EdgeKind | None = None) -> tuple[Edge, ...]:
        """Edges that leave the node."""
        return tuple(e for e in self._out.get(node_id, ()) if kind is None or e.kind == kind)

    def into(self, node_id: str, kind: EdgeKind | None = None) -> tuple[Edge, ...]:
        """Edges that enter the node."""
        return tuple(e for e in self._into.get(node_id, ()) if kind is None or e.kind == kind)
