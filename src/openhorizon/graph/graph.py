"""The knowledge-action graph to walk over and to read: held in memory, or mapped from a file that many processes share.

The store (`store.py`) is the system of record; `GraphStore.snapshot` reads a graph from it, `open_or_rebuild` keeps a
file of it (`snapshot.py`) and writes it anew when the store moved on.
"""

import fcntl
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np

from openhorizon.files import unwritable
from openhorizon.graph.links import CODES, Links
from openhorizon.graph.snapshot import (
    EDGE_KINDS,
    NODE_CODES,
    NODE_KINDS,
    Items,
    Parts,
    Places,
    read_snapshot,
    revision_of,
    write_snapshot,
)
from openhorizon.records import Edge, EdgeKind, Node, NodeKind


class Graph:
    """A read-only graph; nodes and edges in the order they were given, adjacency both ways.

    An edge may name an id that has no node: it is among the edges, walks do not take it.
    """

    def __init__(self, nodes: Iterable[Node] = (), edges: Iterable[Edge] = ()):
        """In memory. A node id that comes twice keeps its first place and its last record."""
        held = list({node.id: node for node in nodes}.values())
        kept = list(edges)
        places = {node.id: place for place, node in enumerate(held)}
        for edge in kept:
            places.setdefault(edge.source, len(places))
            places.setdefault(edge.target, len(places))
        names: dict[str, int] = {}
        links = Links.of(
            np.array([places[e.source] for e in kept], np.int64), np.array([places[e.target] for e in kept], np.int64),
            np.array([CODES[e.kind] for e in kept], np.uint8), len(places),
        )  # fmt: skip
        kinds = np.array([NODE_CODES[n.kind] for n in held], np.uint8)
        domains = np.array([names.setdefault(n.domain, len(names)) for n in held], np.uint16)
        self._take(Parts(held, kept, places, kinds, domains, tuple(names), links, list(places)))

    @classmethod
    def open(cls, path: Path) -> Self:
        """The graph in a file of `write_snapshot`, mapped into memory. RunError: missing, damaged or no snapshot."""
        return cls._of(read_snapshot(path))

    @classmethod
    def _of(cls, parts: Parts) -> Self:
        made = cls.__new__(cls)
        made._take(parts)
        return made

    def _take(self, parts: Parts) -> None:
        self._parts = parts
        self._nodes, self._edges, self._links = parts.nodes, parts.edges, parts.links
        self.edge_count = len(parts.edges)

    def __reduce__(self) -> tuple[Any, ...]:
        return Graph, (self.nodes(), tuple(self.edges()))  # to another process it goes in memory

    def __len__(self) -> int:
        return len(self._nodes)

    def __contains__(self, node_id: object) -> bool:
        place = self._parts.places.get(node_id) if isinstance(node_id, str) else None
        return place is not None and place < len(self._nodes)

    def node(self, node_id: str) -> Node:
        """The node; KeyError names the id that is not there."""
        return self._nodes[self._place(node_id)]

    def nodes(self, domain: str | None = None, kind: NodeKind | None = None) -> tuple[Node, ...]:
        """All nodes of a domain and kind, in insertion order."""
        chosen = self.where(() if domain is None else (domain,), () if kind is None else (kind,))
        return tuple(self._nodes[place] for place in chosen.tolist())

    def edges(self) -> Iterator[Edge]:
        """All edges, in insertion order."""
        return (self._edges[number] for number in range(self.edge_count))

    def out(self, node_id: str, kind: EdgeKind | None = None) -> tuple[Edge, ...]:
        """Edges that leave the node."""
        place = self._parts.places.get(node_id)
        return () if place is None else tuple(self._edges[e] for e in self._links.out(place, kind))

    def into(self, node_id: str, kind: EdgeKind | None = None) -> tuple[Edge, ...]:
        """Edges that enter the node."""
        place = self._parts.places.get(node_id)
        return () if place is None else tuple(self._edges[e] for e in self._links.into(place, kind))

    def where(self, domains: Sequence[str] = (), kinds: Sequence[NodeKind] = ()) -> np.ndarray:
        """Positions of the nodes of these domains and kinds (none: all), ascending."""
        parts, chosen = self._parts, np.ones(len(self._nodes), bool)
        if domains:
            chosen &= np.isin(
                parts.domains, [code for code, name in enumerate(parts.names) if name in domains]
            )
        if kinds:
            chosen &= np.isin(parts.kinds, [NODE_CODES[kind] for kind in kinds])
        return np.flatnonzero(chosen)

    def places(self, ids: Iterable[str]) -> np.ndarray:
        """Positions of the nodes; KeyError names the id that is not there."""
        return np.array([self._place(node_id) for node_id in ids], np.int64)

    def ids(self, places: Iterable[int]) -> tuple[str, ...]:
        """Ids at these positions; those below 0 (where a walk had ended) are left out."""
        return tuple(self._parts.ids[int(place)] for place in places if place >= 0)

    def node_at(self, place: int) -> Node:
        """The node at this position."""
        return self._nodes[place]

    def beside(self, places: np.ndarray) -> np.ndarray:
        """Positions of the nodes one edge away from any of these, either direction, ascending."""
        here = np.zeros(len(self._links.out_at) - 2, bool)
        here[places] = True
        ends = self._links.target[here[self._links.source]], self._links.source[here[self._links.target]]
        found = np.unique(np.concatenate(ends))
        return found[found < len(self._nodes)]

    def counts(self) -> dict[tuple[str, str], int]:
        """How many nodes of each (domain, kind), sorted."""
        parts = self._parts
        codes, found = np.unique(
            parts.domains.astype(np.int64) * len(NODE_KINDS) + parts.kinds, return_counts=True
        )
        named = {
            (parts.names[code // len(NODE_KINDS)], NODE_KINDS[code % len(NODE_KINDS)].value): n
            for code, n in zip(codes.tolist(), found.tolist())
        }
        return dict(sorted(named.items()))

    def edge_counts(self) -> dict[str, int]:
        """How many edges of each kind, sorted."""
        found = np.bincount(self._links.kind, minlength=len(EDGE_KINDS)).tolist()
        return dict(sorted((kind.value, n) for kind, n in zip(EDGE_KINDS, found) if n))

    def titles(self, kind: NodeKind) -> dict[tuple[str, str], int]:
        """How many nodes of the kind have each (domain, title), sorted: what verdicts said, which tools were used."""
        found = Counter((n.domain, n.title) for n in map(self.node_at, self.where(kinds=(kind,)).tolist()))
        return dict(sorted(found.items()))

    def walks(
        self,
        starts: np.ndarray,
        steps: int,
        seed: int = 0,
        kinds: Sequence[EdgeKind] = (),
        fresh: bool = False,
    ) -> np.ndarray:
        """A random walk from each start: positions [starts, steps + 1], -1 from where a walk found no way on.

        Each step takes one of the edges that leave the node, all as likely; edges of these `kinds` only (none: all);
        with `fresh` none to a node that the walk has visited. Equal arguments give equal walks. ValueError: a start
        that is no node's position (`places`, `where`).
        """
        return self._links.walks(starts, steps, seed, len(self._nodes), kinds, fresh)

    def part(self, places: np.ndarray) -> "Graph":
        """The nodes at these positions and the edges between them, in the order they have here; nothing is copied."""
        parts, count = self._parts, len(self._links.out_at) - 2
        keep = np.zeros(count, bool)
        keep[places] = True
        chosen = np.flatnonzero(keep[: len(self._nodes)])
        moved = np.full(count, -1, np.int64)
        moved[chosen] = np.arange(len(chosen))
        source, target = moved[self._links.source], moved[self._links.target]
        edges = np.flatnonzero((source >= 0) & (target >= 0))
        return Graph._of(
            Parts(
                _Picked(parts.nodes, chosen), _Picked(parts.edges, edges), _Moved(parts.places, moved),
                parts.kinds[chosen], parts.domains[chosen], parts.names,
                Links.of(source[edges], target[edges], self._links.kind[edges], len(chosen)), _Picked(parts.ids, chosen),
            )
        )  # fmt: skip

    def _place(self, node_id: str) -> int:
        place = self._parts.places.get(node_id)
        if place is None or place >= len(self._nodes):
            raise KeyError(node_id)
        return place


class _Picked:
    """Some of the things, in ascending order of where they were."""

    def __init__(self, all_: Items[Any], chosen: np.ndarray):
        self._all, self._chosen = all_, chosen

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, place: int, /) -> Any:
        return self._all[int(self._chosen[place])]


class _Moved:
    """Positions in a part of a graph, by way of those in the whole."""

    def __init__(self, places: Places, moved: np.ndarray):
        self._places, self._moved = places, moved

    def get(self, node_id: str, /) -> int | None:
        place = self._places.get(node_id)
        return None if place is None or self._moved[place] < 0 else int(self._moved[place])


class Streamed(Protocol):
    """What a snapshot is made from: `GraphStore`."""

    def revision(self) -> int: ...
    def stream_nodes(self) -> Iterable[Node]: ...
    def stream_edges(self) -> Iterable[Edge]: ...


def open_or_rebuild(store: Streamed, path: Path) -> Graph:
    """The store's graph, mapped from the file `path`, which is written first if it is missing or the store moved on.

    Of several processes one writes while the others wait. What is added while the file is written may be in it or not;
    the next call then writes it again. RunError: the place cannot be written.
    """
    if revision_of(path) != store.revision():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = path.with_name(f".{path.name}.lock").open("w")
        except OSError as error:
            raise unwritable(path, error) from error
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # let go when the file is closed, by a kill as well
            if revision_of(path) != (revision := store.revision()):
                write_snapshot(path, store.stream_nodes(), store.stream_edges(), revision)
    return Graph.open(path)
