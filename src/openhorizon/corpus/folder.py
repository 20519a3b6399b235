"""A folder of Markdown or HTML pages: each file is a page, links between the files are its links.

Links are resolved as a browser or a static site would: relative to the page or to the folder ("/a"), fragments and
queries cut, the ending optional, a folder standing for its index or README. A link may name its relation: in Markdown
by the title `"relation: mayor"`, in HTML by the attribute `data-relation`.
"""

import os
import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from openhorizon.corpus.paragraphs import Paragraphs, mostly_links, unmarked
from openhorizon.corpus.skipped import Skipped
from openhorizon.errors import CorpusError
from openhorizon.records import Document

MARKDOWN, HTML = (".md", ".markdown"), (".html", ".htm")
LARGEST = 20_000_000  # bytes of one page; what is larger is not a page
INDEX = ("index", "README", "readme")
RELATION = "relation:"


def read_folder(folder: Path, corpus: str, skipped: Skipped) -> Iterator[Document]:
    """The folder's pages in order of their paths; CorpusError at once where there is none."""
    paths = sorted(_page_paths(folder))
    if not paths:
        raise CorpusError(
            f"corpus {folder}: no .md or .html page in this folder; give the folder that holds the pages"
        )
    return _documents(folder, corpus, paths, skipped)


def _documents(folder: Path, corpus: str, paths: list[str], skipped: Skipped) -> Iterator[Document]:
    ids: dict[str, str] = {}
    taken: set[str] = set()
    for path in paths:  # a.md and a.html side by side: the second keeps its ending
        stem = f"{corpus}/{path.rsplit('.', 1)[0]}"
        ids[path] = stem if stem not in taken else f"{corpus}/{path}"
        taken.add(stem)
    for path in paths:
        try:
            source = _text(folder / path)
            page = (
                _markdown(path, ids, source) if path.lower().endswith(MARKDOWN) else _html(path, ids, source)
            )
        except (OSError, ValueError, RecursionError) as error:
            skipped.add(
                path, "not UTF-8" if isinstance(error, UnicodeDecodeError) else f"unreadable: {error}"
            )
            continue
        title, paragraphs = page
        if not paragraphs.texts:
            skipped.add(path, "empty")
            continue
        yield Document(
            id=ids[path], title=title or Path(path).stem, text=paragraphs.text, source=str(folder / path),
            links=tuple(paragraphs.links),
        )  # fmt: skip


def _page_paths(folder: Path) -> Iterator[str]:
    """Paths of pages below the folder, with "/", hidden files and folders left out."""

    def stop(error: OSError) -> None:
        raise CorpusError(f"corpus {folder}: cannot be listed ({error}); check its permissions") from error

    for place, folders, files in os.walk(folder, onerror=stop):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f != "node_modules")
        for file in files:
            if file.lower().endswith(MARKDOWN + HTML) and not file.startswith("."):
                yield Path(place, file).relative_to(folder).as_posix()


def _text(path: Path) -> str:
    if path.stat().st_size > LARGEST:
        raise ValueError(f"larger than {LARGEST // 1_000_000} MB")
    text = path.read_bytes().decode("utf-8-sig")
    if "\x00" in text:
        raise ValueError("binary")
    return unmarked(text)


def _target(href: str, path: str, ids: dict[str, str]) -> str:
    """The id of the page that a link on `path` leads to, "" if it leads out of the corpus."""
    try:
        parts = urlsplit(href)
    except ValueError:
        return ""
    if parts.scheme or parts.netloc or not parts.path:
        return ""
    place = unquote(parts.path)
    here = "" if place.startswith("/") else posixpath.dirname(path)
    whole = posixpath.normpath(posixpath.join(here, place.lstrip("/")))
    endings = MARKDOWN + HTML
    stem, ending = posixpath.splitext(whole)
    bases = [whole, *((stem,) if ending in HTML else ()), *(posixpath.join(whole, name) for name in INDEX)]
    candidates = [
        whole,
        *(base + e for base in bases for e in endings),
    ]  # a link to .html may mean the .md it is made of
    return next((ids[c] for c in (posixpath.normpath(c) for c in candidates) if c in ids), "")


def _markdown(path: str, ids: dict[str, str], source: str) -> tuple[str, Paragraphs]:
    """Title (front matter, else first heading of level 1) and paragraphs of a Markdown page."""
    from markdown_it import MarkdownIt

    title, source = _front_matter(source)
    paragraphs, lists, heading = Paragraphs(), 0, ""
    for token in MarkdownIt("commonmark").enable("table").parse(source):
        if token.type in ("list_item_open", "list_item_close"):
            lists += token.nesting
        heading = (
            token.tag if token.type == "heading_open" else "" if token.type == "heading_close" else heading
        )
        if token.type in ("fence", "code_block"):
            paragraphs.add(token.content, keep_lines=True)
        elif token.type == "html_block":
            _html_blocks(path, ids, token.content, paragraphs)
        elif token.type == "inline":
            marked = _inline(path, ids, token.children or [], paragraphs)
            if heading == "h1" and not title:
                title = token.content.strip()
            elif not (heading == "h1" and token.content.strip() == title):
                paragraphs.add(marked, keep_links=not heading and not (lists and mostly_links(marked)))
    return title, paragraphs


def markdown_page(source: str) -> tuple[str, list[str]]:
    """Title ("" if none) and paragraphs of a Markdown page that stands alone."""
    title, paragraphs = _markdown("", {}, source)
    return title, paragraphs.texts


def html_page(source: str) -> tuple[str, list[str]]:
    """Title ("" if none) and paragraphs of an HTML page that stands alone."""
    title, paragraphs = _html("", {}, source)
    return title, paragraphs.texts


def _front_matter(source: str) -> tuple[str, str]:
    """The title a YAML head gives ("" if none) and the source without that head."""
    if not source.startswith("---\n") or "\n---" not in source[3:]:
        return "", source
    head, _, rest = source[4:].partition("\n---")
    titles = [
        line.partition(":")[2].strip().strip("\"'") for line in head.splitlines() if line.startswith("title:")
    ]
    return (titles[0] if titles else ""), rest.partition("\n")[2]


def _inline(path: str, ids: dict[str, str], tokens: list[Any], paragraphs: Paragraphs) -> str:
    """The inline tokens as text, links into the corpus marked."""
    whole: list[str] = []
    anchor: list[str] = []
    href, note, inside = "", "", False
    for token in tokens:
        if token.type == "link_open":
            href, note, inside, anchor = token.attrGet("href") or "", token.attrGet("title") or "", True, []
        elif token.type == "link_close":
            target, text = _target(str(href), path, ids), "".join(anchor)
            relation = str(note)[len(RELATION) :].strip() if str(note).startswith(RELATION) else ""
            whole.append(paragraphs.mark(text, target, relation) if target else text)
            inside = False
        else:
            text = (
                " "
                if token.type in ("softbreak", "hardbreak")
                else token.content
                if token.type != "html_inline"
                else ""
            )
            (anchor if inside else whole).append("" if token.type == "image" else text)
    return "".join(whole)


BLOCKS = frozenset(
    [
        "address",
        "article",
        "blockquote",
        "body",
        "caption",
        "center",
        "dd",
        "details",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "html",
        "li",
        "main",
        "ol",
        "p",
        "pre",
        "section",
        "summary",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "ul",
    ]
)
LEFT_OUT = (
    "script",
    "style",
    "nav",
    "header",
    "footer",
    "aside",
    "form",
    "noscript",
    "template",
    "iframe",
    "svg",
    "button",
)


def _html(path: str, ids: dict[str, str], source: str) -> tuple[str, Paragraphs]:
    """Title (first h1, else title) and paragraphs of an HTML page."""
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(source, "lxml")
    first = soup.find("h1") or soup.find("title")
    title = " ".join(first.get_text().split()) if first else ""
    paragraphs = Paragraphs()
    _blocks(path, ids, soup.find("main") or soup.find("article") or soup.body or soup, title, paragraphs)
    return title, paragraphs


def _html_blocks(path: str, ids: dict[str, str], source: str, paragraphs: Paragraphs) -> None:
    from bs4 import BeautifulSoup

    _blocks(path, ids, BeautifulSoup(source, "lxml"), "", paragraphs)


def _blocks(path: str, ids: dict[str, str], root: Any, title: str, paragraphs: Paragraphs) -> None:
    """Add the paragraphs below `root`: a block element ends one, inline text is gathered."""
    from bs4.element import NavigableString, PreformattedString, Tag

    gathered: list[str] = []

    def flush(name: str, in_list: bool) -> None:
        marked = "".join(gathered)
        gathered.clear()
        if not (name == "h1" and " ".join(marked.split()) == title):
            keep = not (name[0] == "h" and name[1:].isdigit()) and not (in_list and mostly_links(marked))
            paragraphs.add(marked, keep_links=keep, keep_lines=name == "pre")

    def walk(element: Any, block: str, in_list: bool) -> None:
        for child in element.children:
            if isinstance(child, NavigableString):
                if not isinstance(child, PreformattedString):  # comments, doctypes
                    gathered.append(str(child))
            elif isinstance(child, Tag) and child.name not in LEFT_OUT:
                if child.name in BLOCKS:
                    flush(block, in_list)
                    walk(child, child.name, in_list or child.name == "li")
                    flush(child.name, in_list or child.name == "li")
                elif child.name == "br":
                    gathered.append("\n")
                elif child.name == "a":
                    target = _target(str(child.get("href") or ""), path, ids)
                    text = " ".join(child.get_text().split())
                    relation = str(child.get("data-relation") or "")
                    gathered.append(paragraphs.mark(text, target, relation) if target else child.get_text())
                else:
                    walk(child, block, in_list)

    walk(root, "body", False)
    flush("body", False)
