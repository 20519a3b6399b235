"""Relation chains by controlled random walks over the pages of a domain.

A walk never visits a page twice, nor one whose title is nearly that of a visited page; pages that are too short, that
share their title with another, that only tell names apart, or that everything links to are left out. A dead end is
rescued by a short auxiliary walk: one step back, and on along another branch. Which link is taken next is drawn from
the seed, towards other topics where `Hops.shift` says so, or chosen by a model (`Hops.select`).

Start and answer belong to the split. What lies between may be of either on a corpus that nobody made for splitting;
the domain's own encyclopedia never links across.
"""

import math
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from openhorizon.domains.domain import Ask
from openhorizon.domains.names import split_of
from openhorizon.domains.search.clues import (
    Words,
    clues_for,
    facts_in,
    names_in,
    near_duplicates,
    title_words,
)
from openhorizon.graph.graph import Graph
from openhorizon.records import Edge, EdgeKind, Node, NodeKind, Split

RESCUES = 3  # steps back in one walk
SHORTEST, LONGEST = 20, 50_000  # characters of a page worth reading on the way
HUB = 0.02  # a page that more than this share of all pages links to is no answer: it can be guessed
WAY = 0.06  # nor, beyond this share, a step on the way: every chain would run through it
HUB_LEAST = 8  # pages; no hub below this
KNOWN, KNOWN_LEAST = (
    0.003,
    3,
)  # share of all pages, and pages: what a page says that more link to may be known unread
NAMES = 1  # so many links fewer may lead to a page that is asked for a name, which is remembered sooner than a figure
FIGURES = 5  # digits of a figure that nobody remembers, however well-known the page
OFFERED, SHOWN = 8, 200  # candidates a selector chooses from; characters of each page it is shown
CLUES, FACTS = 80, 30  # most clues of a link, and facts of a page, that are kept


@dataclass(frozen=True)
class Hops:
    """How a walk chooses where to go next."""

    links: tuple[int, int] = (
        1,
        1_000,
    )  # fewest and most links of a page on the way that lead to pages of the region
    length: tuple[int, int] = (SHORTEST, LONGEST)  # characters of a page
    shift: float = (
        0.0  # 0: any link alike; above: links to pages of other words come first, e^-shift for the same words
    )
    select: Ask | None = (
        None  # who chooses among numbered candidates; None, or no number in the reply: the seed does
    )


ANY = Hops()  # any link alike


class Fact(NamedTuple):
    """A name or figure in a passage."""

    passage: str  # node id
    text: str
    clues: tuple[str, ...]  # that point at it, the fullest first


class Region:
    """The pages of a domain that chains may visit, with the links between them."""

    def __init__(self, graph: Graph, domain: str, split: Split, hops: Hops = ANY):
        self.split, self.hops = split, hops
        pages = [n for n in graph.nodes(domain, NodeKind.ENTITY) if n.text and n.title]
        titles = Counter(" ".join(n.title.split()).casefold() for n in pages)
        self._crowd = max(HUB_LEAST, HUB * len(pages))
        self._known = max(KNOWN_LEAST, KNOWN * len(pages))
        way = max(HUB_LEAST, WAY * len(pages))
        self.pages: dict[str, Node] = {
            n.id: n
            for n in pages
            if titles[" ".join(n.title.split()).casefold()] == 1
            and hops.length[0] <= len(n.text) <= hops.length[1]
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
        for page in [p for p, links in self.bare.items() if self._tells_apart(p, links)]:
            del self.pages[page], self.bare[page]
        for page, links in self.bare.items():
            self.bare[page] = [e for e in links if e.target in self.pages]
        few, many = hops.links
        self.bare = {
            p: links for p, links in self.bare.items() if few <= len({e.target for e in links}) <= many
        }
        self.typed_starts = tuple(p for p in self.typed if self.is_ours(p))
        self.bare_starts = tuple(p for p in self.bare if p not in self.typed and self.is_ours(p))
        self._graph = graph
        self.words = Words(n.text for n in pages) if self.bare_starts else Words(())
        self._facts: dict[str, tuple[Fact, ...]] = {}
        self._topics: dict[str, frozenset[str]] = {}
        self._clues: dict[tuple[str, str], tuple[str, ...]] = {}

    def is_ours(self, page: str) -> bool:
        """True where the page's title belongs to the split."""
        return split_of(self.pages[page].title) is self.split

    def clues(self, edge: Edge) -> tuple[str, ...]:
        """The clues for a bare link, the fullest first; () where its words lead to several pages."""
        passage, anchor = str(edge.data["passage"]), str(edge.data["anchor"])
        if (passage, edge.target) not in self._clues:
            links = self._graph.out(edge.source, EdgeKind.LINKS_TO)
            alone = all(e.target == edge.target for e in links if e.data.get("anchor") == anchor)
            here = self.pages[edge.source]
            secret = {w for p in (here, self.pages[edge.target]) for w in self.words.telling(p.title)}
            found = clues_for(anchor, self._graph.node(passage).text, here.text, self.words, sorted(secret))
            self._clues[passage, edge.target] = tuple(islice(found, CLUES)) if alone else ()
        return self._clues[passage, edge.target]

    def facts(self, page: str) -> tuple[Fact, ...]:
        """What a question may ask for on a page: names and figures of the split that a clue points at."""
        if page not in self._facts:
            self._facts[page] = tuple(islice(self._facts_of(self.pages[page]), FACTS))
        return self._facts[page]

    def _facts_of(self, page: Node) -> Iterator[Fact]:
        obscure, named = self._is_obscure(page), self._is_obscure(page, NAMES)
        own = self.words.telling(page.title)
        anchors = {str(e.data["anchor"]) for e in self._graph.out(page.id, EdgeKind.LINKS_TO)}
        for edge in self._graph.into(page.id, EdgeKind.SUPPORTS):
            passage = self._graph.node(edge.source)
            for text in facts_in(passage.text, self.words):
                linked = any(text in anchor or anchor in text for anchor in anchors)
                known = sum(c.isdigit() for c in text) < (0 if obscure else FIGURES) or (
                    text[0].isalpha() and not named
                )
                if split_of(text) is not self.split or linked or known or names_in(text, own):
                    continue
                secret = sorted({*own, *title_words(text)})
                found = clues_for(text, passage.text, page.text, self.words, secret)
                if clues := tuple(islice(found, CLUES)):
                    yield Fact(passage.id, text, clues)

    def walk(self, start: str, hops: int, rng: random.Random, *, ends: bool = True) -> tuple[Edge, ...]:
        """A chain of `hops` links from `start`, all typed or all bare; () where the walk found none. With `ends` its
        last page can be an answer."""
        links = self.typed if start in self.typed else self.bare
        path: list[Edge] = []
        visited, dead, rescues = [start], set(), RESCUES
        while len(path) < hops:
            choices = self._on(links.get(visited[-1], ()), visited, last=ends and len(path) == hops - 1)
            choices = [e for e in choices if e.target not in dead]
            if choices:
                path.append(self._choice(choices, visited, rng))
                visited.append(path[-1].target)
            elif path and rescues:
                rescues -= 1
                dead.add(visited.pop())
                path.pop()
            else:
                return ()
        return tuple(path)

    def ends(self, page: str, visited: list[str]) -> list[Edge]:
        """The bare links that may end a walk which has come to this page."""
        return self._on(self.bare.get(page, ()), visited, last=True)

    def _on(self, links: Iterable[Edge], visited: list[str], *, last: bool) -> list[Edge]:
        """The links that a walk may follow."""
        choices = [e for e in links if self._can_be_answer(e)] if last else links
        return [
            e for e in choices if self._new(e.target, visited) and (e.data.get("relation") or self.clues(e))
        ]

    def _choice(self, choices: list[Edge], visited: list[str], rng: random.Random) -> Edge:
        """The link to follow: the selector's, else one drawn, towards other topics if that is wanted."""
        if self.hops.select is not None:
            offered = choices if len(choices) <= OFFERED else rng.sample(choices, OFFERED)
            number = re.search(r"\d+", self.hops.select(self._asked(offered, visited)))
            if number and 1 <= int(number[0]) <= len(offered):
                return offered[int(number[0]) - 1]
        if not self.hops.shift:
            return rng.choice(choices)
        here = self._topic(visited[-1])
        alike = [_share(here, self._topic(e.target)) for e in choices]
        return rng.choices(choices, [math.exp(-self.hops.shift * share) for share in alike])[0]

    def _asked(self, offered: list[Edge], visited: list[str]) -> str:
        """What a selector is asked."""
        lines = [
            f"{n}. {self.pages[e.target].title}: {' '.join(self.pages[e.target].text.split())[:SHOWN]}"
            for n, e in enumerate(offered, start=1)
        ]
        path = " -> ".join(self.pages[v].title for v in visited)
        return (
            f"A chain of linked pages is to become a question: {path} -> ?\nChoose the page that goes on coherently and"
            " is not obvious from those before it.\n" + "\n".join(lines) + "\nReply with its number alone."
        )

    def _topic(self, page: str) -> frozenset[str]:
        """The rarer words of a page and the pages it links to."""
        if page not in self._topics:
            found = (w.casefold() for w in re.findall(r"[^\W\d_]{4,}", self.pages[page].text[:5_000]))
            words = {w for w in found if self.words.counts[w] <= 0.1 * self.words.pages}
            links = {e.target for e in (*self.bare.get(page, ()), *self.typed.get(page, ()))}
            self._topics[page] = frozenset(words | links)
        return self._topics[page]

    def _tells_apart(self, page: str, links: list[Edge]) -> bool:
        """A disambiguation page: at least two links, and most lead to titles that only add to its own."""
        words = title_words(self.pages[page].title.partition(" (")[0])
        ends = {e.target for e in links}
        alike = [t for t in ends if set(words) <= set(title_words(self.pages[t].title))]
        return len(ends) > 1 and 2 * len(alike) > len(ends)

    def _new(self, page: str, visited: list[str]) -> bool:
        title = self.pages[page].title
        return page not in visited and not any(near_duplicates(title, self.pages[v].title) for v in visited)

    def _is_obscure(self, page: Node, fewer: int = 0) -> bool:
        """True for a page that few link to: what it says is hardly known from elsewhere."""
        return page.data.get("indegree", 0) <= self._known - fewer

    def _can_be_answer(self, edge: Edge) -> bool:
        """True where the walk may end with this link. A bare one leads to a name that is not everywhere, from an obscure
        page."""
        page = self.pages[edge.target]
        if not edge.data.get("relation"):
            anchor, crowd = str(edge.data["anchor"]), page.data.get("indegree", 0)
            if (
                crowd > self._crowd
                or not anchor[:1].isupper()
                or not self._is_obscure(self.pages[edge.source], NAMES)
            ):
                return False
        return not page.title.isdigit() and self.is_ours(edge.target)


def _share(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / min(len(one), len(other)) if one and other else 0.0


@lru_cache(maxsize=4)
def region_of(graph: Graph, domain: str, split: Split, hops: Hops = ANY) -> Region:
    """The region, cut once for a graph: who repairs a task asks again and again."""
    return Region(graph, domain, split, hops)
