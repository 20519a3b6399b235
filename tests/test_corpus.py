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


def test_html_is_read_in_the_encoding_it_declares(tmp_path):
    body = "<p>Größe über alles</p>"
    (tmp_path / "latin.html").write_bytes(f'<meta charset="iso-8859-1">{body}'.encode("latin-1"))
    (tmp_path / "russian.html").write_bytes(
        '<meta http-equiv="Content-Type" content="text/html; charset=koi8-r"><p>Слово</p>'.encode("koi8-r")
    )
    (tmp_path / "wide.html").write_bytes(body.encode("utf-16"))
    (tmp_path / "marked.md").write_bytes(b"\xef\xbb\xbfWords.")
    (tmp_path / "wrong.html").write_bytes(b'<meta charset="utf-8"><p>caf\xe9</p>')
    skipped = Skipped()
    pages = by_id(tmp_path, skipped)
    assert {id: p.text for id, p in pages.items()} == {
        "c/latin": "Größe über alles", "c/russian": "Слово", "c/wide": "Größe über alles", "c/marked": "Words.",
    }  # fmt: skip
    assert skipped.counts == {"not UTF-8": 1}


def test_the_base_of_a_page_moves_its_links(tmp_path):
    def html(base: str) -> str:
        return f'<base href="{base}"><p>See the page <a href="b.html#x">Bee</a>.</p>'

    folder_of(
        tmp_path, up_html=html("sub/"), b_html="<p>Not this.</p>", sub__b_html="<p>This.</p>",
        deep__down_html=html("/sub/index.html"), deep__hosted_html=html("https://x.org/sub/"),
    )  # fmt: skip
    pages = by_id(tmp_path)
    for name in ("c/up", "c/deep/down", "c/deep/hosted"):
        assert [t for _, t, _ in targets(pages[name])] == ["c/sub/b"]


def test_page_links_of_note_taking_programs(tmp_path):
    text = """See [[Deep note]], [[deep note#Part|it]], [[notes/Deep note.md|that]], [[Nowhere|nothing]], ![[Deep note]]
and [[nodiscard]], [[Deep note]](other.md), `[[Deep note]]`."""
    folder_of(tmp_path, a_md=text, other_md="Other.", **{"notes__Deep note_md": "Deep."})
    page = by_id(tmp_path)["c/a"]
    assert page.text == ("See Deep note, it, that, nothing, and [[nodiscard]], [Deep note], [[Deep note]].")
    assert [(a, t) for a, t, _ in targets(page)] == [
        ("Deep note", "c/notes/Deep note"), ("it", "c/notes/Deep note"), ("that", "c/notes/Deep note"),
        ("[Deep note]", "c/other"),
    ]  # fmt: skip


def test_reference_links_html_links_and_heads_of_markdown(tmp_path):
    folder_of(
        tmp_path,
        a_md='---\ntitle: "A: the first" # yes\ntags: [x]\n---\nSee [bee][1], [b], <a href="b.md">the <b>bee</b></a> ~~no~~.\n\n[1]: b.md "relation: kin"\n[b]: ./b.md',
        b_md='+++\ntitle = "The bee"\n+++\nText.\r\n\r\nMore.',
        broken_md="---\ntitle: [\n---\n# Head\n\nText.",
    )
    pages = by_id(tmp_path)
    assert [p.title for p in pages.values()] == ["A: the first", "The bee", "Head"]
    assert pages["c/b"].text == "Text.\n\nMore."
    assert [(li.anchor, li.target, li.relation) for li in pages["c/a"].links] == [
        ("bee", "c/b", "kin"), ("b", "c/b", ""), ("the bee", "c/b", ""),
    ]  # fmt: skip


def test_a_row_of_a_table_is_a_paragraph(tmp_path):
    folder_of(
        tmp_path,
        a_md="| Town | Mayor |\n| --- | --- |\n| [Bee](b.html) | Ann |",
        b_html="<table><tr><th>Town<td>Mayor</tr><tr><td><a href=a>A</a><td>Bob <p>of</p> x</tr></table>",
    )
    pages = by_id(tmp_path)
    assert pages["c/a"].text == "Town | Mayor\n\nBee | Ann"
    assert targets(pages["c/a"]) == [("Bee", "c/b", 1)]
    assert pages["c/b"].text.split("\n\n")[:2] == ["Town | Mayor", "A | Bob"]


def test_the_title_of_an_html_page_is_its_own_not_the_sites(tmp_path):
    folder_of(
        tmp_path,
        site_html="<title>Report | Site</title><body><header><h1>Site</h1></header><main><h2>Report<a href='#r'>#</a></h2><p>x",
        own_html="<title>Tab</title><h1>Site</h1><main><header><h1>Own ¶</h1></header><p>x</main>",
        rust_html="<main><h1>Struct <b>A</b><button>Copy</button></h1><h1>Struct A</h1><p>x</main>",
        moved_html='<meta http-equiv="Refresh" content="0;URL=own.html"><p>Moved to <a href="own.html">here</a>.',
        bare_html="<title>Tab</title><div role=navigation><p>Menu</div><p>x",
    )
    pages = by_id(tmp_path)
    assert {i: (p.title, p.text) for i, p in pages.items()} == {
        "c/site": ("Report", "x"), "c/own": ("Own", "x"), "c/bare": ("Tab", "x"), "c/rust": ("Struct A", "x"),
    }  # fmt: skip


def test_what_is_no_page_neither_stops_nor_loops_the_reader(tmp_path):
    folder_of(tmp_path, good_md="Text.", sub__other_md="Other.")
    (tmp_path / "sub" / "loop").symlink_to(tmp_path)
    (tmp_path / "self.md").symlink_to("self.md")
    (tmp_path / "gone.md").symlink_to("nowhere.md")
    (tmp_path / "folder.md").mkdir()
    os.mkfifo(tmp_path / "pipe.md")
    (tmp_path / "large.html").write_bytes(b"x" * 20_000_001)
    skipped = Skipped()
    assert list(by_id(tmp_path, skipped)) == ["c/good", "c/sub/other"]
    assert sorted(skipped.counts) == [
        "larger than 20 MB", "not a file", "unreadable: No such file or directory",
        "unreadable: Too many levels of symbolic links",
    ]  # fmt: skip


def test_names_with_percents_and_queries(tmp_path):
    folder_of(
        tmp_path,
        **{
            "100%25_md": "Odd.",
            "é_md": "Accent.",
            "a_md": "[x](100%2525.md?v=1#y) [z](%C3%A9.md) [q](100%25)",
        },
    )
    assert [t for _, t, _ in targets(by_id(tmp_path)["c/a"])] == ["c/100%25", "c/é", "c/100%25"]


def test_links_of_jsonl_rows_find_their_paragraph_and_damage_is_named(tmp_path):
    row = {"id": "a", "title": "A", "text": "One.\n\nOf Bee.", "links": [{"anchor": "Bee", "target": "b"}]}
    text = "".join(
        json.dumps(row | {"id": f"a{n}", "noise": os.urandom(300).hex()}) + "\n" for n in range(2_000)
    )
    (tmp_path / "c.jsonl.bz2").write_bytes(bz2.compress(text.encode(), 1)[:-1_000])
    skipped = Skipped()
    pages = list(read(tmp_path / "c.jsonl.bz2", skipped=skipped))
    assert 1_000 < len(pages) < 2_000
    assert all(targets(p) == [("Bee", "c/b", 1)] for p in pages)
    assert skipped.total == 1
    assert "cut short" in str(skipped)


def test_a_line_too_long_is_skipped_and_not_held(tmp_path, monkeypatch):
    monkeypatch.setattr("openhorizon.corpus.jsonl.LARGEST", 10_000)
    rows = [{"id": n, "title": "T", "text": "word " * (100_000 if n == 1 else 1)} for n in range(3)]
    (tmp_path / "c.jsonl").write_text("\n".join(map(json.dumps, rows)))
    skipped = Skipped()
    assert [p.id for p in read(tmp_path / "c.jsonl", skipped=skipped)] == ["c/0", "c/2"]
    assert skipped.examples == {"cut off by damage or longer than 10,000 bytes": ["line 2"]}


def test_no_page_can_forge_a_link(tmp_path):
    forged = "a &#xE000;0&#xE001;forged&#xE002; b"
    folder_of(
        tmp_path,
        a_md=f"[x](c.md) {forged}\n\n{forged}",
        b_html=f"<p><a href=c.md>x</a> {forged}<p>{forged}",
        c_md="C.",
    )
    text = f"[[C]] {forged}\n\n<nowiki>{forged}</nowiki>"
    wiki = dump(
        tmp_path / "w.xml.bz2",
        wiki_page("A", text.replace("&", "&amp;").replace("<", "&lt;")),
        wiki_page("C", "C."),
    )
    for page in (*by_id(tmp_path).values(), *read(wiki)):
        assert len(page.links) == (0 if page.title in ("c", "C") else 1)
        assert "\ue000" not in page.text
