"""A MediaWiki XML dump, streamed: articles of the main namespace with their prose, sections and links.

Two passes over the file: the first notes redirects and templates, the second yields the articles with links led
through redirects. What is noted lies in a private SQLite file that grows on disk, so memory stays that of one page
however long the dump is.
"""

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from openhorizon.config import WikiPlan
from openhorizon.corpus.dump import RawPage, SiteInfo, parsed, raw_pages, title_of
from openhorizon.corpus.skipped import Skipped
from openhorizon.corpus.templates import Templates, may_show_words
from openhorizon.corpus.titles import MAIN, TEMPLATE, Titles
from openhorizon.corpus.wikis import disambiguations, tails
from openhorizon.corpus.wikitext import Rules, article
from openhorizon.records import Document

_NOTED = (b"<redirect", b"<ns>10</ns>")  # pages that the first pass has to look into
_REDIRECT = re.compile(rb"<text[^>]*>\s*#redirect", re.I)  # of dumps older than the element
CHAIN = 50  # redirects that may follow each other
_FIRST_LINK = re.compile(r"#redirect\s*:?\s*\[\[([^\]|]+)", re.I)


def read_dump(path: Path, corpus: str, skipped: Skipped, wiki: WikiPlan) -> Iterator[Document]:
    """The articles of the dump in its order, ids "<corpus>/<title>".

    Pages that cannot be read, and redirects that lead in a circle, are noted in `skipped`, and so is damage of the
    file: what can be read before and behind it is read. CorpusError: no MediaWiki dump.
    """
    notes = _Notes()
    try:
        site = _first_pass(path, notes, skipped)
        titles = Titles(site)
        language = wiki.language or site.language
        templates = Templates(titles, notes.template, wiki.templates)
        disambiguating = disambiguations(language, wiki) | notes.disambiguations()
        rules = Rules(corpus, titles, templates, tails(language, wiki), disambiguating, notes.led)
        address = site.base.rpartition("/")[0] + "/" if site.base else f"{corpus}:"
        for raw in raw_pages(path, skipped):
            if isinstance(raw, SiteInfo):
                continue
            page = parsed(raw)
            if isinstance(page, str):
                skipped.add(title_of(raw), page)
            elif (page.namespace or titles.namespace(page.title)) == MAIN and not _redirect(page):
                found = _document(page, address, rules)
                if isinstance(found, str):
                    skipped.add(page.title, found)
                elif notes.seen(page.title):
                    skipped.add(page.title, "second page of the same title")
                else:
                    yield found
    finally:
        notes.close()


def _first_pass(path: Path, notes: "_Notes", skipped: Skipped) -> SiteInfo:
    """Redirects and templates of the dump go into `notes`; only redirects in a circle into `skipped`."""
    pages = raw_pages(path, Skipped())  # the second pass says what is wrong
    site = next(pages)
    assert isinstance(site, SiteInfo)
    titles = Titles(site)
    for raw in pages:
        if isinstance(raw, SiteInfo) or not (any(sign in raw for sign in _NOTED) or _REDIRECT.search(raw)):
            continue
        page = parsed(raw)
        if isinstance(page, str):
            continue
        namespace = page.namespace or titles.namespace(page.title)
        target = _redirect(page)
        if namespace == TEMPLATE:
            name = titles.template(page.title.partition(":")[2] or page.title)
            if target:
                notes.redirect("{" + name, "{" + titles.template(target))
            else:
                notes.note_template(name, page.text)
        elif namespace == MAIN and target:
            notes.redirect(page.title, titles.canonical(target))
    for title in notes.settle():
        skipped.add(title, "redirect in a circle")
    return site


def _redirect(page: RawPage) -> str:
    """The title that the page leads to, "" if it is one of its own."""
    if page.redirect:
        return page.redirect
    start = page.text[:300].lstrip()
    found = _FIRST_LINK.match(start) if start[:1] == "#" else None
    return found[1].strip() if found else ""


def _document(page: RawPage, address: str, rules: Rules) -> Document | str:
    """The article, or why it is left out."""
    if page.model not in ("", "wikitext"):
        return "not wikitext"
    try:
        paragraphs = article(page.title, page.text, rules)
    except Exception as error:  # whatever the parser stumbles over, it is this page's
        return f"unreadable wikitext: {type(error).__name__}"
    if isinstance(paragraphs, str):
        return paragraphs
    return Document(
        id=f"{rules.corpus}/{page.title}", title=page.title, text=paragraphs.text,
        source=address + quote(page.title.replace(" ", "_"), safe="/()"), links=tuple(paragraphs.links),
    )  # fmt: skip


class _Notes:
    """What is remembered of a dump beyond one page, in a file of SQLite's own that goes when it is closed."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._db.executescript(
            "PRAGMA cache_size = -8000; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
            "CREATE TABLE redirects (source TEXT PRIMARY KEY, target TEXT) WITHOUT ROWID;"
            "CREATE TABLE templates (name TEXT PRIMARY KEY, text TEXT) WITHOUT ROWID;"
            "CREATE TABLE disambiguations (name TEXT PRIMARY KEY) WITHOUT ROWID;"
            "CREATE TABLE seen (title TEXT PRIMARY KEY) WITHOUT ROWID; BEGIN"
        )

    def close(self) -> None:
        self._db.close()

    def redirect(self, source: str, target: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO redirects VALUES (?, ?)", (source, target))

    def note_template(self, name: str, text: str) -> None:
        if "__DISAMBIG__" in text:
            self._db.execute("INSERT OR IGNORE INTO disambiguations VALUES (?)", (name,))
        elif may_show_words(text):
            self._db.execute("INSERT OR REPLACE INTO templates VALUES (?, ?)", (name, text))

    def settle(self) -> Iterator[str]:
        """Let every redirect lead to where its chain ends; those in a circle are taken out and named."""
        double = self._db.execute(
            "SELECT a.source FROM redirects a JOIN redirects b ON a.target = b.source"
        ).fetchall()
        ends = [(source, self._end(source)) for (source,) in double]
        for source, end in ends:
            if end is None:
                self._db.execute("DELETE FROM redirects WHERE source = ?", (source,))
                yield source.lstrip("{")
            else:
                self.redirect(source, end)

    def _end(self, source: str) -> str | None:
        """Where the chain of redirects that begins at `source` ends, None if it does not within `CHAIN` steps."""
        passed, title = {source}, self.led(source)
        while title not in passed and len(passed) <= CHAIN:
            passed.add(title)
            further = self.led(title)
            if further == title:
                return title
            title = further
        return None

    def led(self, title: str) -> str:
        """The title that a redirect of this title leads to; the title itself if it is none."""
        row = self._db.execute("SELECT target FROM redirects WHERE source = ?", (title,)).fetchone()
        return row[0] if row else title

    def template(self, name: str) -> str | None:
        name = self.led("{" + name)[1:]
        row = self._db.execute("SELECT text FROM templates WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def disambiguations(self) -> frozenset[str]:
        """Names of templates, folded, that the dump itself marks as those of disambiguation pages."""
        rows = self._db.execute(
            "SELECT name FROM disambiguations UNION SELECT substr(source, 2) FROM redirects"
            " WHERE substr(target, 2) IN (SELECT name FROM disambiguations) AND substr(target, 1, 1) = '{'"
        )
        return frozenset(name.casefold() for (name,) in rows)

    def seen(self, title: str) -> bool:
        """True from the second time on that this title is asked for."""
        return not self._db.execute("INSERT OR IGNORE INTO seen VALUES (?)", (title,)).rowcount
