"""Relation chains by controlled random walks over the pages of one split.

A walk never visits a page twice, nor one whose title is nearly that of a visited page; pages that are too short, that
share their title with another, or that everything links to are left out. A dead end is rescued by a short auxiliary
walk: one step back, and on along another branch.
"""

import random
from collections import Counter, defaultdict

from openhorizon.domains.names import split_of
from openhorizon.domains.search.clues import near_duplicates
from openhorizon.graph.graph import Graph
from openhorizon.records import Edge, EdgeKind, Node, NodeKind, Split

RESCUES = 3  # steps back in one walk
SHORTEST, LONGEST = 20, 50_000  # characters of a page worth reading on the way
HUB = 0.02  # a bare link to a page that more than this share of all pages links to says nothing about it
HUB_LEAST = 8


class Region:
    """The pages of a domain that tasks of one split may use, with the links between them."""

    def __init__(self, graph: Graph, domain: str, split: Split):
        pages = [n for n in graph.nodes(domain, NodeKind.ENTITY) if n.text and n.title]
        titles = Counter(" ".join(n.title.split()).casefold() for n in pages)
        crowd = max(HUB_LEAST, HUB * len(pages))
        self.pages: dict[str, Node] = {
            n.id: n
            for n in pages
            if split_of(n.title) is split
            and titles[" ".join(n.title.split()).casefold()] == 1
            and SHORTEST <= len(n.text) <= LONGEST
        }
        self.typed: dict[str, list[Edge]] = defaultdict(list)
        self.bare: dict[str, list[Edge]] = defaultdict(list)
        for page in self.pages:
            for edge in graph.out(page, EdgeKind.LINKS_TO):
                if edge.target not in self.pages:
                    continue
                if edge.data.get("relation"):
                    self.typed[page].append(edge)
                elif self.pages[edge.target].data.get("indegree", 0) <= crowd:
                    self.bare[page].append(edge)
        self.typed_starts = tuple(self.typed)
        self.bare_starts = tuple(p for p in self.bare if p not in self.typed)

    def walk(self, start: str, hops: int, rng: random.Random) -> tuple[Edge, ...]:
        """A chain of `hops` links from `start`, all typed or all bare; () where the walk found none."""
        links = self.typed if start in self.typed else self.bare
        path: list[Edge] = []
        visited, dead, rescues = [start], set(), RESCUES
        while len(path) < hops:
            choices = [
                e for e in links.get(visited[-1], ()) if e.target not in dead and self._new(e.target, visited)
            ]
            if choices:
                path.append(rng.choice(choices))
                visited.append(path[-1].target)
            elif path and rescues:
                rescues -= 1
                dead.add(visited.pop())
                path.pop()
            else:
                return ()
        return tuple(path)

    def _new(self, page: str, visited: list[str]) -> bool:
        title = self.pages[page].title
        return page not in visited and not any(near_duplicates(title, self.pages[v].title) for v in visited)
