"""Relation chains by controlled random walks over the pages of a domain.

A walk never visits a page twice, nor one whose title is nearly that of a visited page; pages that are too short, that
share their title with another, or that everything links to are left out. A dead end is rescued by a short auxiliary
walk: one step back, and on along another branch.

Start and answer belong to the split. What lies between may be of either on a corpus that nobody made for splitting;
the domain's own encyclopedia never links across.
"""

import random
from collections import Counter, defaultdict

from openhorizon.domains.names import split_of
from openhorizon.domains.search.clues import Words, clues_for, near_duplicates
from openhorizon.graph.graph import Graph
from openhorizon.records import Edge, EdgeKind, Node, NodeKind, Split

RESCUES = 3  # steps back in one walk
SHORTEST, LONGEST = 20, 50_000  # characters of a page worth reading on the way
HUB = 0.02  # a page that more than this share of all pages links to is no answer: it can be guessed
WAY = 0.06  # nor, beyond this share, a step on the way: every chain would run through it
HUB_LEAST = 8  # pages; no hub below this


class Region:
    """The pages of a domain that chains may visit, with the links between them."""

    def __init__(self, graph: Graph, domain: str, split: Split):
        self.split = split
        pages = [n for n in graph.nodes(domain, NodeKind.ENTITY) if n.text and n.title]
        titles = Counter(" ".join(n.title.split()).casefold() for n in pages)
        self._crowd = max(HUB_LEAST, HUB * len(pages))
        way = max(HUB_LEAST, WAY * len(pages))
        self.pages: dict[str, Node] = {
            n.id: n
            for n in pages
            if titles[" ".join(n.title.split()).casefold()] == 1 and SHORTEST <= len(n.text) <= LONGEST
        }
        self.typed: dict[str, list[Edge]] = defaultdict(list)
        self.bare: dict[str, list[Edge]] = defaultdict(list)
        for page in self.pages:
            for edge in graph.out(page, EdgeKind.LINKS_TO):
                if edge.target not in self.pages:
                    continue
                if edge.data.get("relation"):
                    self.typed[page].append(edge)
                elif self.pages[edge.target].data.get("indegree", 0) <= way:
                    self.bare[page].append(edge)
        self.typed_starts = tuple(p for p in self.typed if self.is_ours(p))
        self.bare_starts = tuple(p for p in self.bare if p not in self.typed and self.is_ours(p))
        self._graph = graph
        self.words = Words(n.text for n in pages) if self.bare_starts else Words(())
        self._clues: dict[tuple[str, str], tuple[str, ...]] = {}

    def is_ours(self, page: str) -> bool:
        """True where the page's title belongs to the split."""
        return split_of(self.pages[page].title) is self.split

    def clues(self, edge: Edge) -> tuple[str, ...]:
        """The clues for a bare link, the least telling first; () where its words lead to several pages."""
        passage, anchor = str(edge.data["passage"]), str(edge.data["anchor"])
        if (passage, edge.target) not in self._clues:
            links = self._graph.out(edge.source, EdgeKind.LINKS_TO)
            alone = all(e.target == edge.target for e in links if e.data.get("anchor") == anchor)
            found = clues_for(
                anchor, self._graph.node(passage).text, self.pages[edge.source].text, self.words
            )
            self._clues[passage, edge.target] = tuple(found) if alone else ()
        return self._clues[passage, edge.target]

    def walk(self, start: str, hops: int, rng: random.Random) -> tuple[Edge, ...]:
        """A chain of `hops` links from `start`, all typed or all bare; () where the walk found none."""
        links = self.typed if start in self.typed else self.bare
        path: list[Edge] = []
        visited, dead, rescues = [start], set(), RESCUES
        while len(path) < hops:
            choices = [e for e in links.get(visited[-1], ()) if e.target not in dead]
            if len(path) == hops - 1:
                choices = [e for e in choices if self._can_be_answer(e)]
            choices = [
                e
                for e in choices
                if self._new(e.target, visited) and (e.data.get("relation") or self.clues(e))
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

    def _can_be_answer(self, edge: Edge) -> bool:
        page = self.pages[edge.target]
        known = edge.data.get("relation") or page.data.get("indegree", 0) <= self._crowd
        return bool(known) and not page.title.isdigit() and self.is_ours(edge.target)
