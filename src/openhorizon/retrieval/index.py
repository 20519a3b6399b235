"""A full-text index over pages, held in memory: what the agent may look up.

Ranking is BM25 over title (weighted) and text, by tantivy; the texts themselves stay in Python, so that a page is
read without touching the index. A query is cut into words by the same analyser as the pages and every word is
optional: no query syntax, so nothing that a model writes can be a wrong query.
"""

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

from openhorizon.records import NodeKind, Record

if TYPE_CHECKING:
    from openhorizon.graph.graph import Graph

TITLE_WEIGHT = 2.0
SNIPPET = 160  # characters
QUERY_WORDS = 64  # words of a query that count; a longer one is cut
MARGIN = 16  # hits fetched beyond k, so that ties at the cut are parted by page order, not by chance


class Page(Record, kw_only=True):
    """One page that can be found and read."""

    id: str
    title: str
    text: str
    domain: str = ""  # "" in an index that was not made from a graph


class Hit(Record, kw_only=True):
    """One search result."""

    id: str
    title: str
    snippet: (
        str  # at most SNIPPET characters of the text around the first word of the query that stands in it
    )
    score: float  # BM25, higher is better; comparable within one search only


class Index:
    """Pages by words, by title and by id. The order of the pages breaks ties, so equal input gives equal results."""

    def __init__(self, pages: Iterable[Page] = ()):
        self._pages = tuple(pages)
        self._by_id: dict[str, int] = {}
        self._by_title: dict[str, list[int]] = {}
        for number, page in enumerate(self._pages):
            self._by_id.setdefault(page.id, number)
            self._by_title.setdefault(_folded(page.title), []).append(number)

    @classmethod
    def build(cls, pages: Iterable[tuple[str, str, str]]) -> "Index":
        """The index over (id, title, text)."""
        return cls(Page(id=id, title=title, text=text) for id, title, text in pages)

    @classmethod
    def of_graph(cls, graph: "Graph") -> "Index":
        """The index over the graph's pages: its entities that have a text, of every domain."""
        nodes = graph.nodes(kind=NodeKind.ENTITY)
        return cls(Page(id=n.id, title=n.title, text=n.text, domain=n.domain) for n in nodes if n.text)

    def __len__(self) -> int:
        return len(self._pages)

    def __iter__(self) -> Iterator[Page]:
        return iter(self._pages)

    def page(self, title_or_id: str, domain: str | None = None) -> Page | None:
        """The page with this id or, case and spaces aside, this title; the first of several; None if there is none."""
        number = self._by_id.get(title_or_id)
        numbers = ([] if number is None else [number]) + self._by_title.get(_folded(title_or_id), [])
        found = (self._pages[n] for n in numbers)
        return next((p for p in found if domain is None or p.domain == domain), None)

    def search(self, query: str, k: int = 5, domain: str | None = None) -> tuple[Hit, ...]:
        """The k best pages, best first, page order on ties; () where no word of the query stands anywhere.

        Never raises for a query. `domain` leaves only that domain's pages.
        """
        words = list(dict.fromkeys(self._analyser.analyze(_sound(query))))[:QUERY_WORDS]
        if not words or k < 1 or not self._pages:
            return ()
        searcher = self._opened.searcher()
        found = searcher.search(self._query(words, domain), k + MARGIN, count=False).hits
        ranked = sorted((-round(score, 4), searcher.doc(address)["number"][0]) for score, address in found)
        return tuple(self._hit(number, -negative, words) for negative, number in ranked[:k])

    def frequency(self, word: str) -> int:
        """On how many pages the word stands in the text, in this very form, case aside."""
        words = self._analyser.analyze(_sound(word))
        return self._opened.searcher().doc_freq("text", words[0]) if words else 0

    def _hit(self, number: int, score: float, words: list[str]) -> Hit:
        page = self._pages[number]
        return Hit(id=page.id, title=page.title, snippet=_snippet(page.text, words), score=score)

    def _query(self, words: list[str], domain: str | None) -> Any:
        import tantivy

        query, schema, any_of, all_of = (
            tantivy.Query,
            self._opened.schema,
            tantivy.Occur.Should,
            tantivy.Occur.Must,
        )
        clauses = []
        for word in words:
            title = query.boost_query(query.term_query(schema, "title", word), TITLE_WEIGHT)
            clauses += [(any_of, title), (any_of, query.term_query(schema, "text", word))]
        wanted = query.boolean_query(clauses)
        if domain is None:
            return wanted
        only = query.const_score_query(query.term_query(schema, "domain", domain), 0.0)
        return query.boolean_query([(all_of, wanted), (all_of, only)])

    @cached_property
    def _analyser(self) -> Any:
        """The same cutting as tantivy's "default" analyser, which the fields use."""
        import tantivy

        builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
        return builder.filter(tantivy.Filter.remove_long(40)).filter(tantivy.Filter.lowercase()).build()

    @cached_property
    def _opened(self) -> Any:
        """The tantivy index, built at the first search: whoever only reads pages does not pay for it."""
        import tantivy

        schema = tantivy.SchemaBuilder()
        schema.add_integer_field("number", stored=True)
        schema.add_text_field("domain", tokenizer_name="raw", index_option="basic")
        schema.add_text_field("title", index_option="freq")
        schema.add_text_field("text", index_option="freq")
        index = tantivy.Index(schema.build())
        writer = index.writer(
            15_000_000, num_threads=1
        )  # the least that tantivy takes without many small segments
        for number, page in enumerate(self._pages):
            writer.add_document(
                tantivy.Document(
                    number=number, domain=page.domain, title=_sound(page.title), text=_sound(page.text)
                )
            )
        writer.commit()
        index.reload()
        return index


def _sound(text: str) -> str:
    """The text without lone surrogates, which JSON can carry and tantivy refuses."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


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
