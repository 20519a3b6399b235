"""The index: finds pages by words, never trips over a query, always answers the same."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openhorizon.errors import InfrastructureError
from openhorizon.graph.graph import Graph
from openhorizon.records import Node, NodeKind
from openhorizon.retrieval.index import SNIPPET, Index
from openhorizon.retrieval.shelf import Shelf

PAGES = [
    ("p/1", "Amber Bay", "Amber Bay is a town. The mayor is Umber Gate."),
    ("p/2", "Umber Gate", "Umber Gate is a person. The birthplace is Amber Bay."),
    ("p/3", "Flint Ford", "Flint Ford is a river. Žemaitejis upe, 東京 too."),
]


def test_the_page_with_the_words_in_its_title_comes_first():
    hits = Index.build(PAGES).search("amber BAY", 3)
    assert [hit.title for hit in hits] == ["Amber Bay", "Umber Gate"]
    assert hits[0].score > hits[1].score > 0
    assert "Amber Bay" in hits[1].snippet


@pytest.mark.parametrize(
    "query",
    ["", "   ", '"', "title:(", "a AND", "NOT", "[1 TO", "^~*?\\/", "\x00", "\ud800", "-amber", "AMBER" * 500, "x " * 5000, "()" * 99],
)  # fmt: skip
def test_no_query_raises(query):
    assert isinstance(Index.build(PAGES).search(query, 5), tuple)
    assert Index(()).search(query, 5) == ()


def test_marks_in_a_query_do_not_hide_its_words():
    index = Index.build(PAGES)
    for query in ('"Amber Bay" AND (mayor:', "+amber -bay", "title:amber^9 bay~2"):
        assert index.search(query, 1)[0].id == "p/1"
    assert index.search("žemaitejis", 1)[0].id == "p/3"


def test_ties_keep_the_order_of_the_pages():
    index = Index.build([(str(n), f"T{n}", "same words here") for n in range(200)])
    for k in (1, 3, 10):
        assert [h.id for h in index.search("same words", k)] == [str(n) for n in range(k)]


def test_pages_are_read_by_id_or_title_case_and_spaces_aside():
    index = Index.build(PAGES)
    for name in ("p/1", "Amber Bay", " amber  bay ", "Amber_Bay"):
        page = index.page(name)
        assert page is not None
        assert page.id == "p/1"
    assert index.page("Amber") is None
    assert index.page("") is None


def test_a_domain_sees_its_own_pages_only():
    nodes = [
        Node(id="s/1", kind=NodeKind.ENTITY, domain="search", title="Amber Bay", text="A bay of amber."),
        Node(
            id="h/1", kind=NodeKind.ENTITY, domain="science", title="Amber Bay", text="The density of amber."
        ),
        Node(id="h/2", kind=NodeKind.ENTITY, domain="science", title="No text"),
        Node(id="s/1#0", kind=NodeKind.EVIDENCE, domain="search", title="Amber Bay", text="A bay of amber."),
    ]
    index = Index.of_graph(Graph(nodes))
    assert len(index) == 2
    assert [h.id for h in index.search("amber", 5, domain="science")] == ["h/1"]
    assert {h.id for h in index.search("amber", 5)} == {"s/1", "h/1"}
    page = index.page("amber bay", domain="science")
    assert page is not None
    assert page.id == "h/1"
    assert index.page("s/1", domain="science") is None
    assert index.search("amber", 5, domain="none") == ()


def test_snippets_are_short_and_show_the_word():
    index = Index.build([("a", "A", "filler words " * 200 + "the needle lies here " + "and more " * 200)])
    (hit,) = index.search("needle", 1)
    assert "needle" in hit.snippet
    assert len(hit.snippet) <= SNIPPET


def test_frequency_counts_pages():
    index = Index.build(PAGES)
    assert index.frequency("Amber") == 2
    assert index.frequency("nothing") == index.frequency("") == 0


def test_lone_surrogates_in_pages_are_indexed_all_the_same():
    assert Index.build([("a", "A \ud800", "text \udfff here")]).search("here", 1)[0].id == "a"


def test_five_hundred_pages_open_in_a_moment():
    pages = [(str(n), f"Page {n}", f"The page {n} speaks of {n * 7} things. " * 5) for n in range(500)]
    Index.build(pages[:2]).search("warm", 1)
    best = min(_opening(pages) for _ in range(3))
    assert best < 0.3  # 0.02 s measured; room for a busy machine


def _opening(pages: list[tuple[str, str, str]]) -> float:
    start = time.perf_counter()
    Index.build(pages).search("things", 1)
    return time.perf_counter() - start


def nodes(pages: dict[str, list[str]], domain: str = "search") -> list[Node]:
    """Pages with their paragraphs, as corpora give them."""
    made = []
    for title, texts in pages.items():
        id = f"c/{title}"
        made.append(
            Node(id=id, kind=NodeKind.ENTITY, domain=domain, title=title, text="\n\n".join(texts) or "empty")
        )
        made += [
            Node(id=f"{id}#{n}", kind=NodeKind.EVIDENCE, domain=domain, title=title, text=text)
            for n, text in enumerate(texts)
        ]
    return made


def numbered(first: int, last: int, words: str = "about") -> dict[str, list[str]]:
    return {
        f"T{n}": [f"The first of {n} is {words}.", f"Number {n} lies by river{n % 7} and {words}."]
        for n in range(first, last)
    }


QUERIES = ("number 3 river3", "the first", "river5 about", "T17", "lies by", "nothing here", "new words 12")


def answers(index: Index) -> list[tuple]:
    return [part(query, 10) for query in QUERIES for part in (index.search, index.passages)]


def test_a_passage_is_found_and_names_its_page():
    index = Index.of_graph(
        Graph(nodes({"Amber Bay": ["A bay.", "Its mayor is Umber Gate."], "Umber Gate": ["A person."]}))
    )
    assert {h.id for h in index.passages("mayor Umber", 3)} == {"c/Amber Bay#1", "c/Umber Gate#0"}
    assert index.passages("mayor", 1)[0].title == "Amber Bay"
    assert {h.page for h in index.passages("mayor Umber", 3)} == {"c/Amber Bay", "c/Umber Gate"}
    assert {h.page for h in index.search("mayor Umber", 3)} == {"c/Amber Bay", "c/Umber Gate"}
    assert Index.build(PAGES).passages("mayor", 1) == Index.build(PAGES).search("mayor", 1)
    assert index.passages("", 3) == index.passages("nowhere", 3) == ()


@pytest.fixture
def large(monkeypatch) -> None:
    """Every index counts as large, and lies on disk."""
    monkeypatch.setattr("openhorizon.retrieval.index.LARGE", 1)


@pytest.mark.usefixtures("large")
def test_an_index_on_disk_answers_as_one_in_memory_and_is_opened_again_without_building(
    tmp_path, monkeypatch
):
    graph = Graph(nodes(numbered(0, 60)))
    expected = answers(Index.of_graph(graph))
    assert answers(Index.of_graph(graph, tmp_path)) == expected
    assert {p.name for p in tmp_path.iterdir()} == {"pages", "passages"}
    monkeypatch.setattr(Shelf, "_write", None)  # building again would call it
    assert answers(Index.of_graph(graph, tmp_path)) == expected


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (numbered(0, 40), numbered(0, 60)),  # more at the end: the old files are used
        (numbered(0, 60), numbered(0, 40)),
        (numbered(0, 60), numbered(0, 60, "new words")),
        (numbered(0, 60), dict(reversed(numbered(0, 60).items()))),
    ],
)
def test_an_index_on_disk_moves_on_with_the_graph(tmp_path, before, after):
    answers(Index.of_graph(Graph(nodes(before)), tmp_path))
    now = Graph(nodes(after))
    assert answers(Index.of_graph(now, tmp_path)) == answers(Index.of_graph(now))
    assert len([*(tmp_path / "pages").glob("index-*")]) == 1


@pytest.mark.usefixtures("large")
def test_more_pages_at_the_end_cost_only_themselves(tmp_path, monkeypatch):
    answers(Index.of_graph(Graph(nodes(numbered(0, 40))), tmp_path))
    written = []
    real = Shelf._write
    monkeypatch.setattr(
        Shelf, "_write", lambda s, i, fresh, gone: (written.append(len(fresh)), real(s, i, fresh, gone))
    )
    answers(Index.of_graph(Graph(nodes(numbered(0, 45))), tmp_path))
    assert written == [5, 10]


@pytest.mark.usefixtures("large")
def test_what_a_killed_build_leaves_is_not_taken_for_an_index(tmp_path):
    graph = Graph(nodes(numbered(0, 30)))
    answers(Index.of_graph(graph, tmp_path))
    (built,) = (tmp_path / "pages").glob("index-*")
    part = built.with_name(f".{built.name}.999.part")
    built.rename(part)
    (part / "meta.json").write_text("{")
    assert answers(Index.of_graph(graph, tmp_path)) == answers(Index.of_graph(graph))


@pytest.mark.usefixtures("large")
def test_a_damaged_index_is_built_again(tmp_path):
    graph = Graph(nodes(numbered(0, 30)))
    expected = answers(Index.of_graph(graph, tmp_path))
    for part in ("pages", "passages"):
        (built,) = (tmp_path / part).glob("index-*")
        (built / "meta.json").write_text("{")
    assert answers(Index.of_graph(graph, tmp_path)) == expected


@pytest.mark.usefixtures("large")
def test_an_index_that_cannot_be_written_is_not_the_models_fault(tmp_path):
    (tmp_path / "pages").write_text("a file stands where the folder should")
    with pytest.raises(InfrastructureError, match="could not be built"):
        Index.of_graph(Graph(nodes(numbered(0, 3))), tmp_path).search("first")


@pytest.mark.usefixtures("large")
def test_processes_that_open_the_same_index_at_once_all_get_it(tmp_path):
    graph = Graph(nodes(numbered(0, 50)))
    with ThreadPoolExecutor(4) as pool:
        found = [*pool.map(lambda _: answers(Index.of_graph(graph, tmp_path)), range(4))]
    assert found == [answers(Index.of_graph(graph))] * 4


@pytest.mark.parametrize("on_disk", [False, True])
def test_pages_are_added_replaced_and_removed_and_the_next_search_sees_it(tmp_path, monkeypatch, on_disk):
    if on_disk:
        monkeypatch.setattr("openhorizon.retrieval.index.LARGE", 1)
    index = Index.of_graph(Graph(nodes(numbered(0, 30))), tmp_path if on_disk else None)
    answers(index)
    index.update(nodes({"New": ["A newcomer with feathers."]}))
    assert [h.id for h in index.passages("feathers", 5)] == ["c/New#0"]
    assert [h.id for h in index.search("feathers", 5)] == ["c/New"]
    assert index.page("new") is not None
    index.update(nodes({"T3": ["Only one paragraph now, of scales."]}))
    assert [h.id for h in index.passages("scales", 5)] == ["c/T3#0"]
    assert not any(h.id.startswith("c/T3#") for h in index.passages("Number 3 lies by river3", 30))
    index.update([], removed=["c/New", "c/T4", "c/never"])
    assert index.search("feathers", 5) == index.passages("feathers", 5) == ()
    assert index.page("New") is index.page("c/T4") is None
    assert len(index) == 29
    index.update(nodes({"New": ["Back again with feathers."]}))
    assert index.passages("feathers", 5)[0].snippet == "Back again with feathers."


@given(st.lists(st.tuples(st.sampled_from(["add", "remove"]), st.integers(0, 6), st.sampled_from(["ant", "bee", "cat"])), max_size=12))  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_after_any_updates_a_search_finds_exactly_the_pages_that_hold_the_word(steps):
    index, there = Index.of_graph(Graph()), {}
    for step, number, word in steps:
        if step == "add":
            there[f"P{number}"] = [f"One {word} here.", "Filler."]
            index.update(nodes({f"P{number}": there[f"P{number}"]}))
        else:
            there.pop(f"P{number}", None)
            index.update([], removed=[f"c/P{number}"])
        for wanted in ("ant", "bee", "cat"):
            holds = {f"c/{title}" for title, texts in there.items() if wanted in texts[0]}
            assert {h.id for h in index.search(wanted, 50)} == holds
            assert {h.id.partition("#")[0] for h in index.passages(wanted, 50)} == holds
        assert len(index) == len(there)


def test_added_pages_rank_as_if_they_had_been_there_from_the_start():
    index = Index.of_graph(Graph(nodes(numbered(0, 30))))
    answers(index)
    index.update(nodes(numbered(30, 60)))
    assert answers(index) == answers(Index.of_graph(Graph(nodes(numbered(0, 60)))))


def test_of_a_query_that_is_too_much_work_the_rarest_words_are_searched(monkeypatch):
    monkeypatch.setattr("openhorizon.retrieval.shelf.POSTINGS", 60)
    index = Index.of_graph(Graph(nodes(numbered(0, 60))))
    assert index.passages("the first of number river3 T17", 1)[0].title == "T17"
    assert index.passages("the of is", 3)  # one word always fits
    assert [h.title for h in index.passages("river5", 60)] == [f"T{n}" for n in range(60) if n % 7 == 5]


def test_many_equal_pages_come_in_their_order_however_they_were_added():
    index = Index.of_graph(Graph(nodes({f"E{n:03}": ["the very same words"] for n in range(100)})))
    for some in range(100, 400, 100):
        index.passages("words", 1)
        index.update(nodes({f"E{n:03}": ["the very same words"] for n in range(some, some + 100)}))
    assert [h.id for h in index.passages("the very same", 20)] == [f"c/E{n:03}#0" for n in range(20)]
