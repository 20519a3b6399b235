"""JSONL: one object a line with id, title and text; optional source and links."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from openhorizon.corpus.chunks import lines
from openhorizon.corpus.paragraphs import unmarked
from openhorizon.corpus.skipped import Skipped
from openhorizon.records import Document, Link

LARGEST = 20_000_000  # bytes of one line


class RowLink(msgspec.Struct):
    """A link of a row."""

    anchor: str
    target: str  # id of a row of the same file
    paragraph: int | None = None  # 0-based, blank ones not counted; none: the first that holds the anchor
    relation: str = ""


class Row(msgspec.Struct):
    """One line of the file. Fields it does not name are ignored."""

    id: str | int
    title: str
    text: str
    source: str = ""
    links: list[RowLink] = []


def read_jsonl(path: Path, corpus: str, skipped: Skipped) -> Iterator[Document]:
    """The documents of the file (plain, .gz, .bz2), in its order.

    A line that is not such an object is skipped and counted, and so is damage of the file: what stands before it is
    read.
    """
    seen: set[str] = set()
    for number, line in enumerate(lines(path, skipped, LARGEST), start=1):
        if line is None:
            skipped.add(f"line {number}", f"cut off by damage or longer than {LARGEST:,} bytes")
        elif line.strip():
            document = _document(path, corpus, number, line, skipped)
            if document and document.id in seen:
                skipped.add(f"line {number}", "second page of the same id")
            elif document:
                seen.add(document.id)
                yield document


def _document(path: Path, corpus: str, number: int, line: bytes, skipped: Skipped) -> Document | None:
    try:
        row = msgspec.json.decode(line.removeprefix(b"\xef\xbb\xbf"), type=Row)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        skipped.add(f"line {number}", "not an object with id, title and text")
        return None
    paragraphs = [p for p in (_tidy(p) for p in unmarked(row.text).replace("\r\n", "\n").split("\n\n")) if p]
    if not paragraphs or not row.title.strip():
        skipped.add(f"line {number}", "empty")
        return None
    links: list[Link] = []
    for link in row.links:
        place = _place(link, paragraphs)
        if place is not None:
            target = f"{corpus}/{link.target}"
            links.append(Link(anchor=link.anchor, target=target, paragraph=place, relation=link.relation))
    source = row.source or f"{path}:{number}"
    id, text = f"{corpus}/{row.id}", "\n\n".join(paragraphs)
    return Document(id=id, title=row.title.strip(), text=text, source=source, links=tuple(links))


def _place(link: RowLink, paragraphs: list[str]) -> int | None:
    """The paragraph of a link, None if the page has no such paragraph."""
    if link.paragraph is None:
        return next((n for n, text in enumerate(paragraphs) if link.anchor in text), None)
    return link.paragraph if 0 <= link.paragraph < len(paragraphs) else None


def _tidy(paragraph: str) -> str:
    return "\n".join(line.strip() for line in paragraph.split("\n") if line.strip())
