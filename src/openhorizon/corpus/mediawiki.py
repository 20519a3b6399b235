"""A MediaWiki XML dump, streamed: articles of the main namespace with their prose, sections and links.

Two passes over the file: the first collects redirects (the only thing kept in memory), the second yields pages with
links led through them. Templates, tables, references, files and categories go; sections at the tail (references, see
also) go; links in lists go, because a list says that pages belong together, not how.
"""

import bz2
import gzip
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote
from xml.etree.ElementTree import ParseError, iterparse

from openhorizon.corpus.paragraphs import Paragraphs, unmarked
from openhorizon.corpus.skipped import Skipped
from openhorizon.errors import CorpusError
from openhorizon.records import Document

TAILS = (
    "References", "Notes", "Footnotes", "See also", "External links", "Further reading", "Bibliography", "Sources",
    "Citations", "Gallery", "Works cited",
    "Nūruodis", "Nūruodis i olūti", "Uorejuos nūruodis", "Uorejuo nūruode", "Olūti", "Verīs taipoš", "Teiklavītys",
    "Sataiseišonys parāds", "Atsaucis", "Galereja", "Bibliografeja", "Resursi", "Literatura",
)  # fmt: skip
DISAMBIGUATIONS = (
    "disambiguation",
    "disambig",
    "dab",
    "hndis",
    "geodis",
    "zeimeibu škiršona",
    "cytys zeimeibys",
)
PROSE_TAGS = frozenset(
    [
        "b",
        "i",
        "em",
        "strong",
        "small",
        "big",
        "sub",
        "sup",
        "span",
        "u",
        "s",
        "p",
        "div",
        "center",
        "font",
        "br",
        "nowiki",
        "abbr",
        "cite",
        "q",
        "li",
        "dd",
        "dt",
        "dl",
    ]
)
HIDDEN = re.compile(r"__[A-Z]+__|-\{|\}-")
_EMPTY_BRACKETS = re.compile(r"\s*\((?:[\s;,:—–-]|\bor\b)*\)")
_MARKUP = re.compile(r"\[\[|\]\]|\{\{|\}\}|\{\||\|\}|</?[a-z]+[^<>]*>", re.I)
_HEADING, _ITEM = "\ue003", "\ue004"  # mark a line's kind until paragraphs are cut


@dataclass(frozen=True)
class Wiki:
    """What differs from wiki to wiki. Names are compared without case."""

    tails: tuple[str, ...] = TAILS  # sections that end an article
    disambiguations: tuple[str, ...] = DISAMBIGUATIONS  # templates of pages that only tell names apart


class RawPage(NamedTuple):
    """A page of namespace 0 as the dump has it."""

    title: str
    redirect: str  # title it leads to, "" for an article
    text: str


def read_dump(path: Path, corpus: str, skipped: Skipped, wiki: Wiki) -> Iterator[Document]:
    """The articles of the dump in its order, ids "<corpus>/<title>". CorpusError: damaged or no MediaWiki dump."""
    address = _address(path) or f"{corpus}:"
    redirects = {page.title: page.redirect for page in _pages(path) if page.redirect}
    seen: set[str] = set()
    for page in _pages(path):
        if page.redirect:
            continue
        try:
            document = _document(page, corpus, address, redirects, wiki)
        except (ValueError, RecursionError, KeyError, IndexError) as error:
            document = f"unreadable wikitext: {type(error).__name__}"
        if isinstance(document, Document) and document.id in seen:
            document = "second page of the same title"
        if isinstance(document, str):
            skipped.add(page.title, document)
        else:
            seen.add(document.id)
            yield document


def _pages(path: Path) -> Iterator[RawPage]:
    opened = {".bz2": bz2.open, ".gz": gzip.open}.get(path.suffix, open)
    count = 0
    try:
        with opened(path, "rb") as file:
            root: Any = None
            for event, element in iterparse(file, events=("start", "end")):
                if event == "start":
                    root = element if root is None else root
                elif element.tag.endswith("page") and (page := _page(element)) is not None:
                    count += 1
                    yield page
                if event == "end" and element.tag.rpartition("}")[2] in ("page", "siteinfo"):
                    root.clear()  # else the whole dump piles up under the root
    except (OSError, EOFError, ParseError, ValueError) as error:
        what = f"damaged or cut short after {count} articles" if count else "not a MediaWiki XML dump"
        raise CorpusError(f"corpus {path}: {what} ({error}); fetch the pages-articles dump again") from error


def _address(path: Path) -> str:
    """What the addresses of the wiki's pages start with, "" if the dump does not say."""
    opened = {".bz2": bz2.open, ".gz": gzip.open}.get(path.suffix, open)
    try:
        with opened(path, "rb") as file:
            for _, element in iterparse(file):
                name = element.tag.rpartition("}")[2]
                if name in ("base", "page"):
                    return (element.text or "").rpartition("/")[0] + "/" if name == "base" else ""
    except (OSError, EOFError, ParseError, ValueError):
        pass  # the reading proper says what is wrong
    return ""


def _page(element: Any) -> RawPage | None:
    """The page, None if it is not in the main namespace."""
    title, namespace, redirect, text = "", "", "", ""
    for child in element.iter():
        name = child.tag.rpartition("}")[2]
        if name == "title":
            title = (child.text or "").strip()
        elif name == "ns":
            namespace = (child.text or "").strip()
        elif name == "redirect":
            redirect = child.get("title", "").partition("#")[0].strip()
        elif name == "text":
            text = child.text or ""
    return RawPage(title, redirect, text) if title and namespace == "0" else None


def _document(
    page: RawPage, corpus: str, address: str, redirects: dict[str, str], wiki: Wiki
) -> Document | str:
    """The article, or why it is left out."""
    import mwparserfromhell

    code = mwparserfromhell.parse(unmarked(page.text).replace(_HEADING, "").replace(_ITEM, ""))
    names = {str(t.name).strip().casefold() for t in code.filter_templates(recursive=False)}
    if names & set(wiki.disambiguations):
        return "disambiguation"
    paragraphs = Paragraphs()
    _cut(_prose(code, corpus, redirects, wiki, paragraphs), paragraphs)
    if not any(not text.startswith("==") for text in paragraphs.texts):
        return "empty"
    source = address + quote(page.title.replace(" ", "_"), safe="/()")
    return Document(
        id=f"{corpus}/{page.title}",
        title=page.title,
        text=paragraphs.text,
        source=source,
        links=tuple(paragraphs.links),
    )


def _prose(code: Any, corpus: str, redirects: dict[str, str], wiki: Wiki, paragraphs: Paragraphs) -> str:
    """The wikitext as text with marked links, headings and list items; tail sections left out."""
    tails = {name.casefold() for name in wiki.tails}
    parts: list[str] = []
    dropping = 0  # level of the tail heading whose section is being dropped, 0: none
    for node in code.nodes:
        kind = type(node).__name__
        if kind == "Heading":
            title = _plain(node.title)
            if dropping and node.level > dropping:
                continue
            dropping = node.level if title.casefold().strip(" :") in tails else 0
            if not dropping:
                marks = "=" * node.level
                parts.append(f"\n\n{_HEADING}{marks} {title} {marks}\n\n" if title else "\n\n")
        elif not dropping:
            parts.append(_text(node, kind, corpus, redirects, paragraphs))
    return HIDDEN.sub("", "".join(parts))


def _text(node: Any, kind: str, corpus: str, redirects: dict[str, str], paragraphs: Paragraphs) -> str:
    """One node's text."""

    def inner(code: Any) -> str:
        return (
            "".join(_text(n, type(n).__name__, corpus, redirects, paragraphs) for n in code.nodes)
            if code
            else ""
        )

    if kind == "Text":
        return str(node.value)
    if kind == "HTMLEntity":
        return node.normalize() or ""
    if kind == "Wikilink":
        return _link(node, corpus, redirects, paragraphs)
    if kind == "ExternalLink":
        return _plain(node.title) if node.title else ""
    if kind == "Tag":
        name = str(node.tag).strip().lower()
        if name in ("li", "dd", "dt") and node.wiki_markup:
            return _ITEM
        if name == "br":
            return "\n"
        return inner(node.contents) if name in PROSE_TAGS else ""
    return ""  # templates, their arguments, comments


def _link(node: Any, corpus: str, redirects: dict[str, str], paragraphs: Paragraphs) -> str:
    """The anchor of a link into the main namespace, marked; "" for files, categories; the anchor alone for other wikis."""
    target = str(node.title).strip()
    anchor = _plain(node.text) if node.text is not None else target.lstrip(":").replace("_", " ")
    head, colon, _ = target.lstrip(":").partition(":")
    if colon and " " not in head.strip() and not target.startswith(":"):
        return ""
    title = target.lstrip(":").partition("#")[0].replace("_", " ").strip()
    if not title:
        return anchor
    title = title[0].upper() + title[1:]  # wikis capitalise the first letter
    for _ in range(5):  # a redirect may lead to another; five are enough, and a ring ends
        title = redirects.get(title, title)
    return paragraphs.mark(anchor, f"{corpus}/{title}")


def _plain(code: Any) -> str:
    """The text alone, formatting and templates gone."""
    return " ".join(code.strip_code(normalize=True, collapse=True).split()) if code is not None else ""


def _cut(marked: str, paragraphs: Paragraphs) -> None:
    """Split into paragraphs: blank lines part them; neighbouring list items make one, without links.

    A heading enters with the first paragraph below it: sections left empty by dropped tables leave no trace. Nor do
    paragraphs that still hold markup, because it was broken.
    """
    headings: list[str] = []
    for block in re.split(r"\n\s*\n", marked):
        for kind, lines in itertools.groupby(block.split("\n"), key=_line_kind):
            text = _tidy("\n".join(lines).replace(_ITEM, "").replace(_HEADING, ""))
            if kind == _HEADING:
                level = text.partition(" ")[0]
                headings = [h for h in headings if len(h.partition(" ")[0]) < len(level)] + [text]
            elif text and not _MARKUP.search(text):
                for heading in headings:
                    paragraphs.add(heading)
                headings = []
                paragraphs.add(text, keep_links=kind == "text", keep_lines=kind == _ITEM)


def _line_kind(line: str) -> str:
    return line[0] if line[:1] in (_HEADING, _ITEM) else "text"


def _tidy(text: str) -> str:
    """What dropped templates leave behind: empty brackets, lonely punctuation."""
    text = _EMPTY_BRACKETS.sub("", text)
    text = re.sub(r"\(\s*[;,:]\s*", "(", re.sub(r"[;,:]\s*\)", ")", text))
    return re.sub(r"[ \xa0]+([,.;:])(?=\s|$)", r"\1", text).strip()
