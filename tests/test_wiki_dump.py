"""A MediaWiki dump: what becomes of titles, links, templates and sections, and of everything that can be broken."""

import bz2
import gzip
import os
import random
import subprocess
import sys
import textwrap
import time
from html import escape
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openhorizon.config import DomainPlan, Recipe, WikiPlan
from openhorizon.corpus import Skipped, dump, read
from openhorizon.corpus.titles import Titles
from openhorizon.corpus.wikitext import WORK, tangle
from openhorizon.errors import CorpusError
from openhorizon.graph.store import GraphStore
from openhorizon.pipeline import build_graph
from openhorizon.records import Document, NodeKind
from openhorizon.settings import override
from openhorizon.store import Run
from openhorizon.terminal import words

REAL = Path(os.environ.get("OPENHORIZON_DUMP", "../shared/data/ltgwiki-pages-articles.xml.bz2"))
HEAD = """<?xml version="1.0" encoding="utf-8"?><mediawiki xml:lang="{language}"><siteinfo>
<base>https://w.org/wiki/Main_Page</base><case>{case}</case><namespaces><namespace key="0" case="{case}" />
<namespace key="6">Datei</namespace><namespace key="10">Vorlage</namespace><namespace key="14">Kategorie</namespace>
</namespaces></siteinfo>
"""


def page(title: str, text: str = "", *, ns: int = 0, redirect: str = "", model: str = "wikitext") -> str:
    to = f'<redirect title="{escape(redirect)}" />' if redirect else ""
    return (
        f"<page><title>{escape(title)}</title><ns>{ns}</ns>{to}<revision><model>{model}</model>"
        f'<text xml:space="preserve">{escape(text)}</text></revision></page>\n'
    )


def wiki(*pages: str, language: str = "de", case: str = "first-letter") -> bytes:
    return (HEAD.format(language=language, case=case) + "".join(pages) + "</mediawiki>").encode()


def read_all(
    place: Path, data: bytes, name: str = "w.xml", plan: WikiPlan | None = None
) -> tuple[dict[str, Document], Skipped]:
    path, skipped = place / name, Skipped()
    path.write_bytes(data)
    return {d.title: d for d in read(path, skipped=skipped, wiki=plan)}, skipped


def links(document: Document) -> list[tuple[str, str]]:
    return [(link.anchor, link.target) for link in document.links]


def test_a_link_leads_to_the_title_its_page_bears(tmp_path):
    text = (
        "[[new_York  City#History|a]] [[New%20York City|b]] [[New York&nbsp;City|c]] [[:New York City|d]]"
        " [[Alien: Covenant|e]] [[étude|f]] [[New York City#x|g]]"
    )
    pages, _ = read_all(tmp_path, wiki(page("A", text), page("New York City", "Text.")))
    assert [t for _, t in links(pages["A"])] == ["w/New York City"] * 4 + ["w/Alien: Covenant", "w/Étude"] + [
        "w/New York City"
    ]


def test_the_first_letter_counts_where_the_dump_says_so(tmp_path):
    pages, _ = read_all(tmp_path, wiki(page("a", "To [[b]] and [[B]]."), case="case-sensitive"))
    assert [t for _, t in links(pages["a"])] == ["w/b", "w/B"]


def test_links_out_of_the_articles_are_words_or_nothing(tmp_path):
    text = (
        "One [[Datei:x.png|thumb|a [[B]] b]]two [[Kategorie:K]]three [[:Kategorie:K|four]] [[fr:B]]five"
        " [[:fr:B|six]] [[w:B|seven]] [[Vorlage:T|eight]] [[Image:y.jpg]]nine [[#part|ten]] [[Datei:q|r]]."
    )
    (document,) = read_all(tmp_path, wiki(page("A", text)))[0].values()
    assert document.text == "One two three four five six seven eight nine ten."
    assert document.links == ()


def test_redirects_are_led_to_their_end_and_circles_are_named(tmp_path):
    pages, skipped = read_all(
        tmp_path,
        wiki(
            page("A", "[[One]] [[Two#part|two]] [[Ring 1]] [[Old]]"),
            page("One", redirect="Two"), page("Two", redirect="End#section"), page("End", "Here."),
            page("Ring 1", redirect="Ring 2"), page("Ring 2", redirect="Ring 1"), page("Self", redirect="Self"),
            page("Into", redirect="Ring 1"), page("Old", "#REDIRECT [[End]]"),
        ),
    )  # fmt: skip
    assert links(pages["A"])[:2] == [("One", "w/End"), ("two", "w/End")]
    assert ("Old", "w/End") in links(pages["A"])
    assert set(pages) == {"A", "End"}
    assert skipped.counts == {"redirect in a circle": 4}
    assert sorted(skipped.examples["redirect in a circle"]) == ["Into", "Ring 1", "Ring 2", "Self"]


def test_templates_of_the_dump_that_are_a_line_around_their_words_are_filled_in(tmp_path):
    pages, _ = read_all(
        tmp_path,
        wiki(
            page("Vorlage:La", "{{Tongue|Latin|''{{{1}}}''}}<noinclude>\n[[Kategorie:T]]</noinclude>", ns=10),
            page("Vorlage:Tongue", "[[{{{1}}} language|{{{1}}}]]: <span>{{{2|?}}}</span>", ns=10),
            page("Vorlage:Lat", redirect="Vorlage:La", ns=10),
            page("Vorlage:Box", "{|\n| {{{1}}}\n|}", ns=10),
            page("Vorlage:Loop", "{{Loop|{{{1}}}}} {{Loop|{{{1}}}}}", ns=10),
            page("A", "Water ({{la|aqua}}; {{lat|''[[Aqua]]''}}){{Box|no}}{{Unknown|no}}{{loop|no}} is {{convert|3|to|5|km|mi}}."),
        ),
    )  # fmt: skip
    assert pages["A"].text == "Water (Latin: aqua; Latin: Aqua) is 3 to 5 km."
    assert links(pages["A"]) == [("Aqua", "w/Aqua")]  # not the link that the template puts on every page


def test_a_user_can_name_templates_that_stand_for_words(tmp_path):
    data = wiki(page("A", "It is {{Farbe|x|red}}."))
    assert read_all(tmp_path, data)[0]["A"].text == "It is."
    assert read_all(tmp_path, data, plan=WikiPlan(templates={"farbe": 2}))[0]["A"].text == "It is red."


def test_tail_sections_are_those_of_the_language_of_the_dump(tmp_path):
    text = "Text.\n== Einzelnachweise ==\nno\n=== deeper ===\nno\n== Galerie ==\nno\n== Notes ==\nno\n== Nūruodis ==\nyes"
    assert read_all(tmp_path, wiki(page("A", text)))[0]["A"].text == "Text.\n\n== Nūruodis ==\n\nyes"
    more = WikiPlan(tails=("nūruodis:",))
    assert read_all(tmp_path, wiki(page("A", text)), plan=more)[0]["A"].text == "Text."
    other = WikiPlan(language="ltg")
    assert "Einzelnachweise" in read_all(tmp_path, wiki(page("A", text)), plan=other)[0]["A"].text


def test_a_dump_tells_which_of_its_templates_mark_disambiguation_pages(tmp_path):
    pages, skipped = read_all(
        tmp_path,
        wiki(
            page("Vorlage:Names", "A box. __DISAMBIG__", ns=10), page("Vorlage:N", redirect="Vorlage:Names", ns=10),
            page("A", "{{N}}\n* [[B]]"), page("B", "{{Begriffsklärung}} x"), page("C", "x __DISAMBIG__"),
            page("D", "{{Ours}} x"), page("E", "Text."),
        ),
        plan=WikiPlan(disambiguations=("ours",)),
    )  # fmt: skip
    assert list(pages) == ["E"]
    assert skipped.counts == {"disambiguation": 4}


def test_text_survives_odd_markup(tmp_path):
    text = textwrap.dedent("""\
        A '''bold''' word<br/>and <math>x_{{1}}</math>, <nowiki>[[raw]] &gt;</nowiki> &lt;tag&gt;</small>.

        # one [[B]]
        # two
        ;term: what it means

        At https://x.org/y or [https://x.org/z z].

          first line
          second line

        {| class="broken"
        | cell || [[B]]
        Stray ]] marks }} here.

        <blockquote>Said [[B]].</blockquote>
        Last [[B|bees]]{{broken | [[C]].""")
    document = read_all(tmp_path, wiki(page("A", text)))[0]["A"]
    assert document.text.split("\n\n") == [
        "A bold word and x_{{1}}, [[raw]] > <tag>.",
        "one B\ntwo\nterm: what it means",
        "At https://x.org/y or z.",
        "first line\nsecond line",
        "Stray marks here.",
        "Said B.",
    ]
    assert [(link.target, link.paragraph) for link in document.links] == [("w/B", 5)]


def test_bad_pages_cost_only_themselves(tmp_path):
    good = page("Good", "Good text.")
    pages, skipped = read_all(
        tmp_path,
        wiki(
            good, page("Broken", "x").replace("</revision>", "</wrong>"), page("Null", "x\x00y"),
            page("Cut", "x").replace("</page>", ""), page("Entity", "x").replace("x</text>", "&bomb;</text>"),
            "<page><ns>0</ns><revision><text>no title</text></revision></page>", "<page><title>Bare</title><ns>0</ns></page>",
            page("Code", "x", model="javascript"), good, page("Last", "Last text."),
        ).replace(b"Null", b"N\xff\xfel"),
    )  # fmt: skip
    assert {t: d.text for t, d in pages.items()} == {"Good": "Good text.", "Last": "Last text."}
    assert skipped.counts == {
        "malformed XML": 2, "not UTF-8": 1, "cut off": 1, "without a title": 1, "empty": 1, "not wikitext": 1,
        "second page of the same title": 1,
    }  # fmt: skip
    assert skipped.examples["cut off"] == ["Cut"]


def test_a_page_that_is_too_large_is_dropped_while_it_is_read(tmp_path, monkeypatch):
    held = 0
    real = dump.chunks

    def counted(path: Path, skipped: Skipped):
        nonlocal held
        for piece in real(path, skipped):
            held += len(piece)
            yield piece

    monkeypatch.setattr(dump, "chunks", counted)
    large = page("Large", "word " * 200_000)
    path = tmp_path / "w.xml"
    path.write_bytes(wiki(page("A", "a"), large, large.replace("</page>", ""), page("B", "b")))
    skipped = Skipped()
    frames = list(dump.raw_pages(path, skipped, largest=100_000))
    assert [dump.title_of(f) for f in frames if isinstance(f, bytes)] == ["A", "B"]
    assert skipped.counts == {"larger than 100,000 bytes": 2}
    assert held > 2_000_000  # all of it came by


@pytest.mark.parametrize(
    "text",
    ["{{" * 30_000, "{{a|" * 20_000 + "}}" * 20_000, "[[" * 30_000, "<ref>" * 20_000, "<div>" * 20_000, "<i " * 20_000,
     "''" * 30_000, "[http://a " * 10_000, "{|\n|" * 10_000, "*" * 60_000, "<!--" * 20_000, '<ref name="' * 9_000,
     "''{{a|[[b|<i>" * 4_000, "x" * 2_200_000, "<b>" * 3_000 + "x" + "</b>" * 3_000],
    ids=lambda text: repr(text[:12]),
)  # fmt: skip
def test_no_page_holds_the_reader_up(tmp_path, text):
    start = time.process_time()
    pages, _ = read_all(tmp_path, wiki(page("Bad", text), page("Good", "Good text.")))
    assert "Good" in pages
    assert time.process_time() - start < 8


def test_what_the_tangle_of_a_sound_article_is():
    article = (
        "{{Box|a=[[B]]}} Text with '''bold''' [[links|l]] and <ref name=x/> refs<ref>[http://a b]</ref>.\n"
        * 5_000
    )
    assert tangle(article) == 0
    assert tangle("[[" * 20_000) > WORK


@pytest.mark.parametrize(
    ("packed", "ending"), [(lambda data: bz2.compress(data, 1), ".bz2"), (gzip.compress, ".gz"), (bytes, "")]
)
@pytest.mark.parametrize("kept", [0.5, 0.9])
def test_what_stands_before_the_cut_is_kept(tmp_path, packed, ending, kept):
    titles = [f"T{n}" for n in range(600)]
    noise = ["".join(random.Random(n).choices("abcdefghijklmnop ", k=800)) for n in range(600)]
    data = packed(wiki(*(page(t, f"{x}.") for t, x in zip(titles, noise))))
    pages, skipped = read_all(tmp_path, data[: int(len(data) * kept)], f"w.xml{ending}")
    assert list(pages) == titles[: len(pages)]
    assert len(pages) > 600 * kept - 150  # a block of bzip2 is 100 kB here
    if ending:
        assert "cut short" in str(skipped)
    else:
        assert skipped.counts["cut off"] == 1


def test_behind_damage_a_dump_of_many_streams_goes_on_at_the_next(tmp_path):
    head, *rest = [wiki(page("T0", "Zero.")).removesuffix(b"</mediawiki>")] + [
        "".join(page(f"T{10 * s + n}", f"Text {s} {n}.") for n in range(10)).encode() for s in range(1, 6)
    ]
    streams = [bytearray(bz2.compress(part)) for part in (head, *rest, b"</mediawiki>")]
    streams[2][len(streams[2]) // 2] ^= 0xFF
    pages, skipped = read_all(tmp_path, b"".join(streams), "w.xml.bz2")
    lost = {f"T{20 + n}" for n in range(10)}
    assert set(pages) == ({"T0"} | {f"T{10 * s + n}" for s in range(1, 6) for n in range(10)}) - lost
    assert skipped.damages == 1


def test_damage_never_joins_two_halves_of_pages(tmp_path):
    """Streams that begin anywhere, as parallel packers make them."""
    data = wiki(*(page(f"T{n}", f"Text {n} of {n}.") for n in range(100)))
    parts = [data[i : i + 777] for i in range(0, len(data), 777)]
    streams = [bytearray(bz2.compress(part)) for part in parts]
    for n in (3, 7, 8):
        streams[n][len(streams[n]) // 2] ^= 0xFF
    pages, skipped = read_all(tmp_path, b"".join(streams), "w.xml.bz2")
    assert 60 < len(pages) < 100
    assert all(d.text == f"Text {t[1:]} of {t[1:]}." for t, d in pages.items())
    assert skipped.damages == 3
    assert skipped.counts["in a damaged part of the file"] >= 2


def test_a_dump_in_another_encoding_says_so(tmp_path):
    data = wiki(page("A", "x")).replace(b'"utf-8"', b'"utf-16"')
    with pytest.raises(CorpusError, match=r"is in utf-16; MediaWiki exports are UTF-8"):
        read_all(tmp_path, data)


def test_titles_are_capitalised_as_mediawiki_does():
    titles = Titles(dump.SiteInfo())
    assert [titles.canonical(t) for t in ("ßa", "éa", "აბ", " _a__b_ ", "a\u200eb", "%zz", "%ff")] == [
        "ßa", "Éa", "აბ", "A b", "Ab", "%zz", "%ff",
    ]  # fmt: skip


SMALL = wiki(
    page("Vorlage:La", "''{{{1}}}''", ns=10),
    *(
        page(
            f"Page {n}",
            f"{{{{Box|a=[[Page {n}]]}}}} '''Page {n}''' ({{{{la|x}}}}) is [[Page {n + 1}|next]].<ref>no</ref>\n\n"
            f"== More ==\n* [[Page 1]]\n* two\n\n{{|\n| cell\n|}}\n\nLast &amp; [[Old {n}]] words.\n== Weblinks ==\nno",
        )
        + page(f"Old {n}", redirect=f"Page {n + 2}")
        for n in range(12)
    ),
)
WHOLE = {}


@st.composite
def mutations(draw: st.DrawFn) -> tuple[bytes, str]:
    """The small dump, broken in up to four places, packed, and perhaps broken again."""
    data = bytearray(SMALL)
    soup = [b"<page>", b"</page>", b"<text>", b"&amp;", b"\x00", b"\xff", b"{{", b"}}", b"[[", b"]]", b"<", b">", b"{|",
            b"<ref>", b"<!--", b"]]>", b"<![CDATA[", b"&x;", b"#REDIRECT [[", b"<redirect title='Page 1' />", b"</mediawiki>"]  # fmt: skip
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        kind = draw(st.sampled_from(["insert", "cut", "flip", "double"]))
        if kind == "insert":
            data[at:at] = draw(st.sampled_from(soup)) * draw(st.integers(1, 40))
        elif kind == "cut":
            del data[at : at + draw(st.integers(1, 600))]
        elif kind == "flip" and at < len(data):
            data[at] ^= draw(st.integers(1, 255))
        else:
            data[at:at] = data[at : at + draw(st.integers(1, 600))]
    ending = draw(st.sampled_from(["", ".gz", ".bz2"]))
    packed = bytearray({"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress}[ending](bytes(data)))
    if ending and packed and draw(st.booleans()):
        packed[draw(st.integers(0, len(packed) - 1))] ^= draw(st.integers(1, 255))
    return bytes(packed), ending


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(broken=mutations())
def test_a_broken_dump_is_read_as_far_as_it_can_be_or_refused(tmp_path, broken):
    data, ending = broken
    try:
        pages, skipped = read_all(tmp_path, data, f"w.xml{ending}")
    except CorpusError:
        return
    assert str(skipped)
    for document in pages.values():
        parts = document.text.split("\n\n")
        assert all(link.anchor in parts[link.paragraph] for link in document.links)
        assert not any(mark in document.text for mark in "\ue000\ue001\ue002\ue003\ue004\ue005")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 11), junk=st.binary(max_size=300))
def test_a_broken_page_leaves_its_neighbours_as_they_were(tmp_path, at, junk):
    if not WHOLE:
        WHOLE.update(read_all(tmp_path, SMALL)[0])
    junk = junk.replace(b"<", b"").replace(b"&", b"")
    mark = f"(Page {at})".encode()
    begin = SMALL.index(f"<title>Page {at}</title>".encode())
    begin = SMALL.index(b"preserve", begin)
    pages, _ = read_all(tmp_path, SMALL[:begin] + junk + mark + SMALL[begin:])
    assert {t: d for t, d in pages.items() if t != f"Page {at}"} == {
        t: d for t, d in WHOLE.items() if t != f"Page {at}"
    }


STATUS = Path("/proc/self/status")
MEMORY = """
import sys
from openhorizon.corpus import Skipped, read
skipped = Skipped()
for _ in read(sys.argv[1], skipped=skipped): pass
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:"))
print(int(peak) // 1024, skipped.total)
"""


@pytest.mark.skipif(not STATUS.exists(), reason="the peak of memory is read from /proc")
def test_a_page_of_fifty_megabytes_is_skipped_without_being_held(tmp_path):
    def peak(name: str, *pages: str) -> tuple[int, int]:
        path = tmp_path / name
        path.write_bytes(gzip.compress(wiki(*pages), 1))
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, path], capture_output=True, text=True, check=True
        )
        megabytes, skipped = done.stdout.split()
        return int(megabytes), int(skipped)

    small, none = peak("small.xml.gz", page("A", "Text."), page("B", "Text."))
    large, one = peak(
        "large.xml.gz", page("A", "Text."), page("Huge", "word " * 10_000_000), page("B", "Text.")
    )
    assert (none, one) == (0, 1)
    assert large - small < 40  # megabytes; a page may have 20


@pytest.mark.skipif(
    not REAL.exists(), reason=f"the Latgalian dump is not at {REAL}; OPENHORIZON_DUMP names one"
)
def test_a_real_dump_cut_and_damaged_keeps_what_came_through(tmp_path):
    whole = {d.id: d for d in read(REAL, corpus="w")}
    data = bytearray(REAL.read_bytes())
    (tmp_path / "w.xml.bz2").write_bytes(data[: len(data) // 2])
    skipped = Skipped()
    cut = list(read(tmp_path / "w.xml.bz2", corpus="w", skipped=skipped))
    assert 200 < len(cut) < len(whole)
    assert all(whole[d.id].title == d.title for d in cut)
    assert "cut short" in str(skipped)


def test_a_run_reads_a_dump_as_its_recipe_says_and_tells_what_it_left_out(tmp_path):
    path = tmp_path / "w.xml"
    path.write_bytes(wiki(page("A", "To [[B]].\n== Fin ==\nno"), page("B", "Text."), page("C", "{{x}}")))
    recipe = Recipe(name="r", domains={"search": DomainPlan()})
    recipe = override(recipe, [f"corpus={path}", "wiki.tails=Fin,Ende", "wiki.templates.lang=2"])
    with Run.open(tmp_path, "r", recipe) as run:
        summary = build_graph(run, None, lambda n: None)  # type: ignore[arg-type]
    with GraphStore(run.dir / "graph.db") as store:
        texts = [n.text for n in store.nodes("search", NodeKind.ENTITY)]
    assert "To B." in texts
    assert f"pages 2 read of {path}; 1 page skipped: 1 empty (C)" in words(summary)
