"""What the agent may look up: pages by words, by title and by id, and their passages by words.

Ranking is BM25 over title (weighted) and text, by tantivy (`shelf.py`); the texts themselves stay in Python, so that a
page is read without touching the index. A query is cut into words by the same analyser as the pages and every word is
optional: no query syntax, so nothing that a model writes can be a wrong query.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from openhorizon.records import Node, NodeKind, Record
from openhorizon.retrieval.shelf import Page, Shelf

if TYPE_CHECKING:
    from openhorizon.graph.graph import Graph

SNIPPET = 160  # characters
LARGE = 20_000  # pages, or passages, from which an index is kept on disk


class Hit(Record, kw_only=True):
    """One search result."""

    id: str  # of the page or passage that was found
    page: str  # id of its page
    title: str
    snippet: (
        str  # at most SNIPPET characters of the text around the first word of the query that stands in it
    )
    score: float  # BM25, higher is better; comparable within one search only


class Index:
    """Pages and their passages. The order they came in breaks ties, so equal input gives equal results."""

    def __init__(
        self,
        pages: Iterable[Page] = (),
        passages: Callable[[], Iterable[Page]] = tuple,
        folder: Path | None = None,
    ):
        """`passages` is called at the first search for passages. `folder`: where an index that is LARGE lies on disk,
        memory-mapped and opened again by whoever has the same pages; None: always in memory."""
        self._given_passages, self._folder = passages, folder
        self._pages = self._shelf("pages", pages)

    @classmethod
    def build(cls, pages: Iterable[tuple[str, str, str]]) -> "Index":
        """The index over (id, title, text)."""
        return cls(Page(id=id, title=title, text=text) for id, title, text in pages)

    @classmethod
    def of_graph(cls, graph: "Graph", folder: Path | None = None) -> "Index":
        """The index over the graph's pages (entities that have a text) and passages (evidence), of every domain."""
        return cls(
            _shelved(graph.nodes(kind=NodeKind.ENTITY)),
            lambda: _shelved(graph.nodes(kind=NodeKind.EVIDENCE)),
            folder,
        )

    def __len__(self) -> int:
        return len(self._pages)

    def __iter__(self) -> Iterator[Page]:
        return iter(self._pages)

    def page(self, title_or_id: str, domain: str | None = None) -> Page | None:
        """The page with this id or, case and spaces aside, this title; the first of several; None if there is none."""
        ids = [title_or_id, *self._by_title.get(_folded(title_or_id), ())]
        found = (page for id in ids if (page := self._pages.get(id)) is not None)
        return next((p for p in found if domain is None or p.domain == domain), None)

    def search(self, query: str, k: int = 5, domain: str | None = None) -> tuple[Hit, ...]:
        """The k best pages, best first, page order on ties; () where no word of the query stands anywhere.

        Never raises for a query. `domain` leaves only that domain's pages.
        """
        return self._hits(self._pages, query, k, domain)

    def passages(self, query: str, k: int = 5, domain: str | None = None) -> tuple[Hit, ...]:
        """The k best passages, as `search`; the k best pages of an index that has none."""
        return self._hits(self._passages if len(self._passages) else self._pages, query, k, domain)

    def frequency(self, word: str) -> int:
        """On how many pages the word stands in the text, in this very form, case aside."""
        return self._pages.frequency(word)

    def update(self, nodes: Iterable[Node], removed: Iterable[str] = ()) -> None:
        """Bring pages and passages (nodes of a graph, of any kind) up to date; `removed` are ids of pages.

        A page that is replaced or removed takes its old passages with it. The next search sees it all.
        """
        nodes, removed = tuple(nodes), tuple(removed)
        pages = list(_shelved(n for n in nodes if n.kind is NodeKind.ENTITY))
        passages = list(_shelved(n for n in nodes if n.kind is NodeKind.EVIDENCE))
        touched = {page.id for page in pages if self._pages.get(page.id) is not None} | {*removed}
        kept = {passage.id for passage in passages}
        if touched:
            ids = (passage.id for passage in self._passages)
            old = [id for id in ids if _page_of(id) in touched and id not in kept]
        else:
            old = []
        self._passages.update(passages, old)
        self._pages.update(pages, removed)
        self.__dict__.pop("_by_title", None)

    @cached_property
    def _passages(self) -> Shelf:
        return self._shelf("passages", self._given_passages())

    @cached_property
    def _by_title(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for page in self._pages:
            found.setdefault(_folded(page.title), []).append(page.id)
        return found

    def _shelf(self, name: str, pages: Iterable[Page]) -> Shelf:
        pages = list(pages)
        return Shelf(pages, self._folder / name if self._folder and len(pages) >= LARGE else None)

    def _hits(self, shelf: Shelf, query: str, k: int, domain: str | None) -> tuple[Hit, ...]:
        words = shelf.words(query)
        return tuple(
            Hit(
                id=page.id,
                page=_page_of(page.id) if shelf is not self._pages else page.id,
                title=page.title,
                snippet=_snippet(page.text, words),
                score=score,
            )
            for page, score in shelf.search(query, k, domain)
        )


def _shelved(nodes: Iterable[Node]) -> Iterator[Page]:
    """The nodes that have a text."""
    return (Page(id=n.id, title=n.title, text=n.text, domain=n.domain) for n in nodes if n.text)


def _page_of(passage: str) -> str:
    """The id of the page that a passage is of: "<page>#<number>"."""
    return passage.rpartition("#")[0]


def _folded(title: str) -> str:
    """A title as it is compared: case, underscores and runs of spaces do not count."""
    return " ".join(title.replace("_", " ").split()).casefold()


def _snippet(text: str, words: list[str]) -> str:
    """A window of the text that starts a little before the first word of the query in it."""
    low = text[:20_000].lower()
    at = min((i for i in (low.find(word) for word in words) if i >= 0), default=0)
    start = max(0, at - SNIPPET // 4)
    if start:
        start = text.find(" ", start) + 1  # never cuts a word at the front
    return " ".join(text[start : start + SNIPPET].split())
