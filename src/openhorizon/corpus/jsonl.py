"""JSONL: one object a line with id, title and text; optional source and links."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import msgspec

from openhorizon.corpus.paragraphs import unmarked
from openhorizon.corpus.skipped import Skipped
from openhorizon.errors import CorpusError
from openhorizon.records import Document, Link


class Row(msgspec.Struct):
    """One line of the file. Fields it does not name are ignored."""

    id: str | int
    title: str
    text: str
    source: str = ""
    links: list[Link] = []  # targets are ids of the same file


def read_jsonl(path: Path, corpus: str, skipped: Skipped) -> Iterator[Document]:
    """The documents of the file, in its order. A line that is not such an object is skipped and counted."""
    seen: set[str] = set()
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rb") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    document = _document(path, corpus, number, line, skipped)
                    if document and document.id in seen:
                        skipped.add(f"line {number}", "second page of the same id")
                    elif document:
                        seen.add(document.id)
                        yield document
    except (OSError, EOFError) as error:
        raise CorpusError(f"corpus {path}: damaged or cut short ({error}); fetch it again") from error


def _document(path: Path, corpus: str, number: int, line: bytes, skipped: Skipped) -> Document | None:
    try:
        row = msgspec.json.decode(line, type=Row)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        skipped.add(f"line {number}", "not an object with id, title and text")
        return None
    paragraphs = [p for p in (_tidy(p) for p in unmarked(row.text).replace("\r\n", "\n").split("\n\n")) if p]
    if not paragraphs or not row.title.strip():
        skipped.add(f"line {number}", "empty")
        return None
    links = tuple(
        Link(
            anchor=link.anchor,
            target=f"{corpus}/{link.target}",
            paragraph=link.paragraph,
            relation=link.relation,
        )
        for link in row.links
        if 0 <= link.paragraph < len(paragraphs)
    )
    source = row.source or f"{path}:{number}"
    id, text = f"{corpus}/{row.id}", "\n\n".join(paragraphs)
    return Document(id=id, title=row.title.strip(), text=text, source=source, links=links)


def _tidy(paragraph: str) -> str:
    return "\n".join(line.strip() for line in paragraph.split("\n") if line.strip())
