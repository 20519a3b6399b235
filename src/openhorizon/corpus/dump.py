"""The pages of a MediaWiki XML export, one at a time, each parsed on its own.

In an export the text of a page is escaped, so `<page>` and `</page>` stand nowhere but around pages. Cutting there
first means that a page of broken XML costs that page alone, that the reading goes on behind damage, that one page is
the most that is ever held, and that no document type, hence no entity of its own, reaches the XML parser.
"""

import html
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from xml.parsers import expat

from openhorizon.corpus.chunks import chunks
from openhorizon.corpus.skipped import Skipped
from openhorizon.errors import CorpusError

LARGEST = 20_000_000  # bytes of one page's XML; MediaWiki itself stops an article at 2 MB
HEAD = 1_000_000  # bytes before the first page that are looked at
_OPEN, _CLOSE = b"<page>", b"</page>"
_TITLE = re.compile(rb"<title>([^<]*)</title>")
_ENCODING = re.compile(rb"""^<\?xml[^>]*?encoding=["']([\w-]+)["']""")


class RawPage(NamedTuple):
    """A page as the dump has it."""

    title: str
    namespace: str  # number, "" if the dump does not say
    redirect: str  # title it leads to, "" for a page of its own
    model: str  # wikitext, css …; "" if the dump does not say
    text: str  # of the last revision


@dataclass
class SiteInfo:
    """What the head of a dump says of its wiki; all of it may be missing."""

    language: str = ""
    base: str = ""  # address of the main page
    case: str = "first-letter"  # or "case-sensitive"
    namespaces: dict[str, str] = field(default_factory=dict)  # local name -> number
    sensitive: set[str] = field(
        default_factory=set
    )  # numbers of namespaces whose first letter is left as it is


def raw_pages(path: Path, skipped: Skipped, largest: int = LARGEST) -> Iterator[SiteInfo | bytes]:
    """First the head, then the XML of every page.

    Pages that are cut off or larger than `largest` bytes are noted in `skipped`; memory stays below `largest` and a
    little. CorpusError, at once: no MediaWiki dump.
    """
    frames = _frames(chunks(path, skipped), largest, skipped.add)
    head = next(frames)
    first = next(frames, None)
    if b"<mediawiki" not in head and first is None:
        if skipped.damages:
            raise CorpusError(
                f"corpus {path}: damaged before its first page ({skipped}); fetch the dump again"
            )
        raise CorpusError(
            f"corpus {path}: not a MediaWiki XML dump; give one that Special:Export or dumps.wikimedia.org makes"
        )
    encoding = _ENCODING.search(head.removeprefix(b"\xef\xbb\xbf"))
    if encoding and encoding[1].lower() not in (b"utf-8", b"us-ascii"):
        raise CorpusError(
            f"corpus {path}: is in {encoding[1].decode()}; MediaWiki exports are UTF-8, convert it"
        )
    yield _siteinfo(head)
    if first is not None:
        yield first
        yield from frames


def parsed(raw: bytes) -> RawPage | str:
    """The page, or why it cannot be had."""
    found = {"title": "", "ns": "", "text": "", "model": "", "redirect": ""}
    parts: list[str] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        parts.clear()
        if tag == "redirect":
            found["redirect"] = attributes.get("title", "").strip()

    def end(tag: str) -> None:
        if tag in found and tag != "redirect":
            found[tag] = "".join(parts)
        parts.clear()

    try:
        _parser(start, end, parts.append).Parse(raw, True)
    except expat.ExpatError:
        return "not UTF-8" if _not_utf8(raw) else "malformed XML"
    if not found["title"].strip():
        return "without a title"
    title, namespace, model = (found[name].strip() for name in ("title", "ns", "model"))
    return RawPage(title, namespace, found["redirect"], model, found["text"])


def title_of(raw: bytes | bytearray) -> str:
    """The title in a page's XML, read without parsing it."""
    found = _TITLE.search(raw, 0, 4096)
    return html.unescape(found[1].decode("utf-8", "replace")).strip() if found else "page without a title"


def _parser(
    start: Callable[..., None], end: Callable[..., None], text: Callable[..., Any]
) -> expat.XMLParserType:
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text
    return parser


def _frames(pieces: Iterator[bytes], largest: int, skip: Callable[[str, str], None]) -> Iterator[bytes]:
    """What stands before the first page, then each page from its opening to its closing tag."""
    held = bytearray()
    first = True
    inside = False  # of a page
    dropped = ""  # title of the page inside which we are, once it is too large
    seen = 0  # bytes of `held` known not to end the page

    def leave(reason: str) -> None:
        skip(dropped or title_of(held), f"larger than {largest:,} bytes" if dropped else reason)

    for piece in pieces:
        if not piece:
            if inside:
                leave("in a damaged part of the file")
            held, inside, dropped = bytearray(), False, ""
        held += piece
        while True:
            if not inside:
                at = held.find(_OPEN)
                if at < 0:
                    del held[HEAD if first else 0 : -len(_OPEN)]
                    break
                if first:
                    yield bytes(held[: min(at, HEAD)])
                    first = False
                del held[:at]
                inside, seen = True, len(_OPEN)
            close = held.find(_CLOSE, seen)
            again = held.find(_OPEN, seen, close if close >= 0 else len(held))
            if again >= 0:  # the page before was never closed
                leave("cut off")
                del held[:again]
                dropped, seen = "", len(_OPEN)
            elif close >= 0:
                end = close + len(_CLOSE)
                if dropped or end > largest:
                    dropped = dropped or title_of(held)
                    leave("")
                else:
                    yield bytes(held[:end])
                del held[:end]
                inside, dropped = False, ""
            else:
                if len(held) > largest:
                    dropped = dropped or title_of(held)
                    del held[: -len(_CLOSE)]
                seen = max(0 if dropped else len(_OPEN), len(held) - len(_CLOSE))
                break
    if first:
        yield bytes(held[:HEAD])
    elif inside:
        leave("cut off")


def _siteinfo(head: bytes) -> SiteInfo:
    info = SiteInfo()
    names: list[str] = []  # of namespaces
    parts: list[str] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        parts.clear()
        if tag == "mediawiki":
            info.language = attributes.get("xml:lang", "").strip().lower()
        elif tag == "namespace":
            names.append(attributes.get("key", "").strip())
            if attributes.get("case") == "case-sensitive":
                info.sensitive.add(names[-1])

    def end(tag: str) -> None:
        text = "".join(parts).strip()
        if tag == "base":
            info.base = text
        elif tag == "case" and text:
            info.case = text
        elif tag == "namespace" and text and names:
            info.namespaces[text] = names[-1]
        elif tag == "lang" and text:
            info.language = text.lower()
        parts.clear()

    root = max(head.find(b"<mediawiki"), 0)  # what comes before it, a document type perhaps, is not for us
    with suppress(expat.ExpatError):  # the head is a help, not a need
        _parser(start, end, parts.append).Parse(head[root:], False)
    return info


def _not_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return True
    return False
