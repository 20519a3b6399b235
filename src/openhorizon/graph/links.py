"""Who points where, as compressed rows of numpy arrays (in memory or mapped from a file), and random walks in batches.

Shapes: P positions (the nodes, then the ids that only edges name), E edges, both numbered as they were written. Row p of
`out_at` says where the edges that leave p begin in `out_edge`; one empty row stands behind the last, where walks that
came to an end wait.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Self

import numpy as np

from openhorizon.records import EdgeKind

CODES = {kind: code for code, kind in enumerate(EdgeKind)}  # how a kind lies in an array
AT_ONCE = 1 << 16  # walks that step together: what they touch stays in the processor's cache
TRIES = 4  # draws that may hit a visited node before the unvisited neighbours are listed


@dataclass(frozen=True)
class Links:
    """The arrays. Positions and edge numbers are int32 where they fit, else int64."""

    source: np.ndarray  # [E] position
    target: np.ndarray  # [E] position
    kind: np.ndarray  # [E] uint8, an index into EdgeKind
    out_at: np.ndarray  # [P + 2] int64
    out_edge: np.ndarray  # [E] edge number, by source
    out_target: np.ndarray  # [E] position, by source: what walks read
    into_at: np.ndarray  # [P + 2] int64
    into_edge: np.ndarray  # [E] edge number, by target
    _only: dict[tuple[int, frozenset[EdgeKind]], tuple[np.ndarray, np.ndarray]] = field(
        default_factory=dict, init=False, compare=False
    )

    @classmethod
    def of(cls, source: np.ndarray, target: np.ndarray, kind: np.ndarray, places: int) -> Self:
        """The rows of E edges between `places` positions; edges of one node stay in their order."""
        edge, place = smallest(len(source)), smallest(places + 1)
        out, into = (np.argsort(end, kind="stable").astype(edge, copy=False) for end in (source, target))
        source, target = source.astype(place, copy=False), target.astype(place, copy=False)
        return cls(
            source, target, kind.astype(np.uint8, copy=False), _starts(source, places), out, target[out],
            _starts(target, places), into,
        )  # fmt: skip

    def arrays(self) -> dict[str, np.ndarray]:
        """By name, as they lie in a file."""
        return {f.name: getattr(self, f.name) for f in fields(self) if not f.name.startswith("_")}

    def out(self, place: int, kind: EdgeKind | None = None) -> list[int]:
        """Numbers of the edges that leave the position."""
        at, edges, _, _, kinds = self._one_by_one
        return _of_kind(edges[at[place] : at[place + 1]].tolist(), kinds, kind)

    def into(self, place: int, kind: EdgeKind | None = None) -> list[int]:
        """Numbers of the edges that enter the position."""
        _, _, at, edges, kinds = self._one_by_one
        return _of_kind(edges[at[place] : at[place + 1]].tolist(), kinds, kind)

    @cached_property
    def _one_by_one(self) -> tuple[memoryview, ...]:
        """The rows for looking at single places, which numpy is slow at."""
        return self.out_at.data, self.out_edge.data, self.into_at.data, self.into_edge.data, self.kind.data

    def only(self, nodes: int, kinds: frozenset[EdgeKind]) -> tuple[np.ndarray, np.ndarray]:
        """Row starts and targets of the edges of these kinds (none: all) that end at one of the first `nodes` positions.
        Kept: a second walk over the same kinds builds nothing."""
        places = len(self.out_at) - 2
        if not kinds and nodes == places:
            return self.out_at, self.out_target
        found = self._only.get((nodes, kinds))
        if found is None:
            keep = self.out_target < nodes
            if kinds:
                keep &= np.isin(self.kind[self.out_edge], [CODES[k] for k in kinds])
            kept = np.concatenate(([0], np.cumsum(keep)))
            found = self._only[nodes, kinds] = kept[self.out_at], self.out_target[keep]
        return found

    def walks(
        self, starts: np.ndarray, steps: int, seed: int, nodes: int, kinds: Sequence[EdgeKind], fresh: bool
    ) -> np.ndarray:
        """See `Graph.walks`."""
        starts = np.asarray(starts)
        if starts.size and not (
            np.issubdtype(starts.dtype, np.integer) and starts.min() >= 0 and starts.max() < nodes
        ):
            raise ValueError(f"walks start at positions 0 to {nodes - 1}; `graph.places` gives those of ids")
        at, target = self.only(nodes, frozenset(kinds))
        rng, end = np.random.default_rng(seed), len(at) - 2
        found = np.empty((steps + 1, len(starts)), self.target.dtype)
        found[0] = starts
        for begin in range(0, len(starts), AT_ONCE):
            some = found[:, begin : begin + AT_ONCE]
            for step in range(steps):
                here = some[step]
                some[step + 1] = (
                    _unvisited(at, target, some[: step + 1], rng, end)
                    if fresh
                    else _drawn(at, target, here, rng, end)
                )
        found[found == end] = -1
        return found.T


def _of_kind(edges: list[int], kinds: memoryview, kind: EdgeKind | None) -> list[int]:
    if kind is None:
        return edges
    code = CODES[kind]
    return [edge for edge in edges if kinds[edge] == code]


def smallest(count: int) -> type:
    """The integer that numbers `count` things."""
    return np.int32 if count <= np.iinfo(np.int32).max else np.int64


def _starts(end: np.ndarray, places: int) -> np.ndarray:
    at = np.zeros(places + 2, np.int64)
    np.cumsum(np.bincount(end, minlength=places), out=at[1:-1])
    at[-1] = at[-2]
    return at


def _drawn(
    at: np.ndarray, target: np.ndarray, here: np.ndarray, rng: np.random.Generator, end: int
) -> np.ndarray:
    """One edge of each position's row, each as likely; `end` where the row is empty."""
    first = at[here]
    width = at[here + 1] - first
    pick = first + (rng.random(len(here)) * width).astype(np.int64)
    if not len(target):
        return np.full(len(here), end)
    return np.where(width > 0, target.take(pick, mode="clip"), end)


def _unvisited(
    at: np.ndarray, target: np.ndarray, path: np.ndarray, rng: np.random.Generator, end: int
) -> np.ndarray:
    """One edge to a node that is not on the path [steps, walks] so far, each as likely; `end` where there is none.

    A few draws find one almost always; for the rest the edges that may be taken are listed, and one of them is drawn.
    """
    drawn = _drawn(at, target, path[-1], rng, end)
    for _ in range(TRIES):
        again = np.flatnonzero((path == drawn).any(0) & (drawn != end))
        if not len(again):
            return drawn
        drawn[again] = _drawn(at, target, path[-1, again], rng, end)
    again = np.flatnonzero((path == drawn).any(0) & (drawn != end))
    here = path[-1, again]
    width = at[here + 1] - at[here]
    walk = np.repeat(np.arange(len(again)), width)  # of each edge that one of these walks could take
    edge = np.arange(len(walk)) - np.repeat(np.cumsum(width) - width, width) + np.repeat(at[here], width)
    open_ = ~(path[:, again[walk]] == target[edge]).any(0)
    choices = np.bincount(walk[open_], minlength=len(again))
    before = np.cumsum(choices) - choices
    some = choices > 0
    pick = before[some] + (rng.random(int(some.sum())) * choices[some]).astype(np.int64)
    drawn[again] = end
    drawn[again[some]] = target[edge[open_][pick]]
    return drawn
