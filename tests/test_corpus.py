"""Documents in: every reader gives the same kind of document, and says what it left out."""

import bz2
import gzip
import json
import os
from pathlib import Path

import pytest

from openhorizon.config import WikiPlan
from openhorizon.corpus import Skipped, passages, read, to_graph
from openhorizon.errors import CorpusError, UserError
from openhorizon.records import Document, EdgeKind, Link, NodeKind

DUMP = Path(os.environ.get("OPENHORIZON_DUMP", "../shared/data/ltgwiki-pages-articles.xml.bz2"))


def folder_of(place: Path, **pages: str) -> Path:
    for name, text in pages.items():
        path = place / name.replace("__", "/").replace("_md", ".md").replace("_html", ".html")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return place


def by_id(path: Path, skipped: Skipped | None = None) -> dict[str, Document]:
    return {d.id: d for d in read(path, corpus="c", skipped=skipped)}


def targets(document: Document) -> list[tuple[str, str, int]]:
    return [(link.anchor, link.target, link.paragraph) for link in document.links]


def test_markdown_links_are_resolved_as_a_browser_would(tmp_path):
    folder_of(
        tmp_path,
        home_md="# Home\n\nSee [A](sub/a.md#part?) and [A again](sub/a) today.\n\nNot [out](https://x.y/sub/a.md).",
        sub__a_md="Up to [home](../home.html), [root](/home.md), [self](#here), [gone](nowhere.md), [up](../../etc/x.md).",
        sub__README_md="---\ntitle: 'The sub'\n---\nIt holds [a](./a.md).",
        far_md="Go to [the folder](sub/) now, or [b c](<sub/b%20c.md>).",
        **{"sub__b c_md": "# B c\n\nText."},
    )
    pages = by_id(tmp_path)
    assert targets(pages["c/home"]) == [("A", "c/sub/a", 0), ("A again", "c/sub/a", 0)]
    assert pages["c/home"].title == "Home"
    assert pages["c/home"].text == "See A and A again today.\n\nNot out."
    assert targets(pages["c/sub/a"]) == [("home", "c/home", 0), ("root", "c/home", 0)]
    assert pages["c/sub/README"].title == "The sub"
    assert [t for _, t, _ in targets(pages["c/far"])] == ["c/sub/README", "c/sub/b c"]


def test_html_pages_give_prose_without_the_furniture(tmp_path):
    html = """<html><head><title>Tab</title><style>p{}</style></head><body><nav><a href="b.md">Menu</a></nav>
    <h1>The   Page</h1><p>One <b>bold</b> word<!-- not this --> and <a data-relation="boss" href="b.md">Bee</a>.</p>
    <ul><li><a href="b.md">b</a></li><li>it lies north of <a href='b'>Bee</a></li></ul><script>x()</script></body>"""
    folder_of(tmp_path, a_html=html, b_md="Bee text.")
    page = by_id(tmp_path)["c/a"]
    assert page.title == "The Page"
    assert page.text.split("\n\n") == ["One bold word and Bee.", "b", "it lies north of Bee"]
    assert [(li.target, li.paragraph, li.relation) for li in page.links] == [
        ("c/b", 0, "boss"),
        ("c/b", 2, ""),
    ]


def test_markdown_relations_stand_in_the_title_of_a_link(tmp_path):
    folder_of(
        tmp_path, a_md='The head is [B](b.md "relation: head"), seen [there](b.md "a tooltip").', b_md="B."
    )
    assert [li.relation for li in by_id(tmp_path)["c/a"].links] == ["head", ""]


def test_broken_pages_are_skipped_and_counted_and_the_rest_is_read(tmp_path):
    folder_of(tmp_path, good_md="Text.", empty_md="", only_title_md="# Title")
    (tmp_path / "latin.md").write_bytes(b"caf\xe9")
    (tmp_path / "binary.md").write_bytes(b"a\x00b")
    skipped = Skipped()
    assert list(by_id(tmp_path, skipped)) == ["c/good"]
    assert skipped.counts == {"empty": 2, "not UTF-8": 1, "unreadable: binary": 1}
    assert "latin.md" in str(skipped)


def test_deeply_nested_html_does_not_stop_the_reader(tmp_path):
    folder_of(tmp_path, deep_html="<div>" * 5000 + "x" + "</div>" * 5000, good_md="Text.")
    assert "c/good" in by_id(tmp_path)


def test_two_files_of_one_stem_keep_apart(tmp_path):
    folder_of(tmp_path, a_md="Mark.", a_html="<p>Hyper.</p>", b_md="[x](a.md) and [y](a.html).")
    pages = by_id(tmp_path)
    assert {pages["c/a"].text, pages["c/a.md"].text} == {"Mark.", "Hyper."}
    assert [pages[t].text for _, t, _ in targets(pages["c/b"])] == ["Mark.", "Hyper."]


def test_jsonl_rows_become_documents_and_wrong_lines_are_counted(tmp_path):
    rows = [
        {"id": 1, "title": "One", "text": "First.\n\n\n\nSecond.\r\n\r\nThird.", "more": 0},
        {
            "id": "2",
            "title": "Two",
            "text": "Of One.",
            "links": [{"anchor": "One", "target": "1", "paragraph": 0}],
        },
        {"id": "2", "title": "Again", "text": "x"},
        {"id": 3, "title": "No text"},
        {"id": 4, "title": "Blank", "text": " \n "},
    ]
    text = "\n".join(json.dumps(row) for row in rows) + "\nnot json\n"
    skipped = Skipped()
    (tmp_path / "c.jsonl").write_text(text)
    pages = list(read(tmp_path / "c.jsonl", skipped=skipped))
    assert [p.id for p in pages] == ["c/1", "c/2"]
    assert pages[0].text == "First.\n\nSecond.\n\nThird."
    assert targets(pages[1]) == [("One", "c/1", 0)]
    assert skipped.total == 4
    with gzip.open(tmp_path / "c.jsonl.gz", "wt") as file:
        file.write(text)
    assert [p.text for p in read(tmp_path / "c.jsonl.gz")] == [p.text for p in pages]


WIKI = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.10/"><siteinfo><base>https://w.org/wiki/Main</base>
</siteinfo>{}</mediawiki>"""


def wiki_page(title: str, text: str, ns: int = 0, redirect: str = "") -> str:
    to = f'<redirect title="{redirect}" />' if redirect else ""
    return f"<page><title>{title}</title><ns>{ns}</ns>{to}<revision><text>{text}</text></revision></page>"


def dump(path: Path, *pages: str) -> Path:
    path.write_bytes(bz2.compress(WIKI.format("".join(pages)).encode()))
    return path


def test_a_dump_gives_prose_with_links_led_through_redirects(tmp_path):
    text = """{{Box|a=[[Nope]]}}'''Town''' ({{lang|x}}; ) is a [[Place|place]] in [[old land]]s[[File:x.png|thumb|of [[Nope]]]].
It has&amp;nbsp;one&lt;ref&gt;See [[Nope]]&lt;/ref&gt; [https://x.y site].

* list of [[Nope]]
* and more

== History ==
=== Early ===
Built by [[:Place#Part|people]].

== Empty ==

== Nūruodis ==
Not this [[Nope]].
=== nor ===
this

== After ==
Again [[fr:Nope]] [[Category:Nope]] &lt;!-- [[Nope]] --&gt; text."""
    path = dump(
        tmp_path / "w.xml.bz2",
        wiki_page("Old land", "", redirect="Older land"),
        wiki_page("Town", text),
        wiki_page("Talk", "talk", ns=1),
        wiki_page("Older land", "", redirect="Land"),
        wiki_page("Names", "{{Disambiguation}} [[Town]]"),
        wiki_page("Void", "{{x}}"),
    )
    skipped = Skipped()
    (page,) = read(path, skipped=skipped)
    assert page.text.split("\n\n") == [
        "Town is a place in old lands. It has one site.",
        "list of Nope\nand more",
        "== History ==",
        "=== Early ===",
        "Built by people.",
        "== After ==",
        "Again text.",
    ]
    assert targets(page) == [("place", "w/Place", 0), ("old land", "w/Land", 0), ("people", "w/Place", 4)]
    assert page.source == "https://w.org/wiki/Town"
    assert skipped.counts == {"disambiguation": 1, "empty": 1}


def test_the_names_of_tail_sections_can_be_given(tmp_path):
    path = dump(tmp_path / "w.xml.bz2", wiki_page("Town", "Text.\n== Fin ==\nNot this."))
    (page,) = read(path, wiki=WikiPlan(tails=("fin",)))
    assert page.text == "Text."


def test_entities_of_a_hostile_dump_do_not_blow_up(tmp_path):
    bomb = '<!DOCTYPE m [<!ENTITY a "aaaaaaaaaa">' + "".join(
        f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9)
    )
    path = tmp_path / "b.xml"
    path.write_text(f"{bomb}]><mediawiki>{wiki_page('T', '&j;')}</mediawiki>")
    with pytest.raises(CorpusError):
        list(read(path))


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("missing", None, "no such file or folder"),
        ("a.pdf", b"%PDF", "cannot read files that end in .pdf"),
        ("a.jsonl", b"", "empty"),
        ("a.jsonl", b"{}\n", "not one page"),
        ("a.xml", b"<html></html>", "not a MediaWiki XML dump"),
        ("a.xml", b"plain", "not a MediaWiki XML dump"),
        ("a.xml.bz2", b"BZh9garbage", "damaged before its first page"),
        ("a.jsonl.gz", b"no gzip", "DAMAGED"),
    ],
)
def test_a_corpus_that_cannot_be_read_is_one_clear_error(tmp_path, name, content, says):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CorpusError, match=says) as error:
        list(read(path))
    assert str(path) in str(error.value)
    assert isinstance(error.value, UserError)


def test_an_empty_folder_and_a_missing_path_are_errors_before_anything_is_read(tmp_path):
    for path in (tmp_path, tmp_path / "gone"):
        with pytest.raises(CorpusError):
            read(path)


def test_of_a_dump_cut_short_the_pages_before_are_kept_and_the_place_is_named(tmp_path):
    path = dump(tmp_path / "w.xml.bz2", *(wiki_page(f"T{n}", f"Text {n} " * 500) for n in range(500)))
    path.write_bytes(path.read_bytes()[:-200])
    skipped = Skipped()
    pages = list(read(path, skipped=skipped))
    assert len(pages) > 100
    assert [page.title for page in pages] == [f"T{n}" for n in range(len(pages))]
    assert (
        f"DAMAGED, what stood there is lost: w.xml.bz2 near byte {path.stat().st_size:,} (cut short)"
        in str(skipped)
    )


def test_passages_lie_where_they_say(tmp_path):
    page = Document(id="c/p", title="P", text="One.\n\nTwo\nlines.\n \n\nThree.", source="")
    parts = passages(page)
    assert [p.text for p in parts] == ["One.", "Two\nlines.", "Three."]
    assert all(page.text[p.start : p.end] == p.text for p in parts)
    assert [p.id for p in parts] == ["c/p#0", "c/p#1", "c/p#2"]


def test_the_graph_links_pages_with_the_passage_that_says_why():
    def link(target: str, paragraph: int, relation: str = "") -> Link:
        return Link(anchor="x", target=target, paragraph=paragraph, relation=relation)

    links = (link("b", 1, "mayor"), link("b", 0), link("b", 0), link("gone", 0), link("a", 0), link("b", 9))
    pages = [
        Document(id="a", title="A", text="One.\n\nTwo.", source="a.md", links=links),
        Document(id="b", title="B", text="Bee.", source="b.md"),
        Document(id="a", title="second of the id", text="no", source=""),
    ]
    nodes, edges = to_graph(pages, "search")
    assert [(n.id, n.kind) for n in nodes] == [
        ("a", NodeKind.ENTITY), ("a#0", NodeKind.EVIDENCE), ("a#1", NodeKind.EVIDENCE),
        ("b", NodeKind.ENTITY), ("b#0", NodeKind.EVIDENCE),
    ]  # fmt: skip
    hops = [(e.source, e.target, e.label, e.data["passage"]) for e in edges if e.kind is EdgeKind.LINKS_TO]
    assert hops == [("a", "b", "mayor", "a#1"), ("a", "b", "x", "a#0")]
    supports = [(e.source, e.target) for e in edges if e.kind is EdgeKind.SUPPORTS]
    assert supports == [("a#0", "a"), ("a#1", "a"), ("b#0", "b")]
    assert nodes[0].data == {"length": 10, "degree": 1, "indegree": 0}
    assert nodes[3].data["indegree"] == 1


@pytest.mark.skipif(not DUMP.exists(), reason=f"the Latgalian dump is not at {DUMP}")
def test_a_real_dump_is_read_whole():
    skipped = Skipped()
    pages = list(read(DUMP, skipped=skipped))
    assert len(pages) + skipped.total == 903
    assert len(pages) > 850
    assert not any(mark in page.text for page in pages for mark in ("[[", "]]", "{{", "<ref", "\ue000"))
    assert not any("== Nūruodis ==" in page.text for page in pages)
    known = {page.id for page in pages}
    assert sum(link.target in known for page in pages for link in page.links) > 1_000
    for page in pages:
        parts = passages(page)
        for link in page.links:
            assert link.anchor in parts[link.paragraph].text
