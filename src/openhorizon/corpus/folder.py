"""A folder of Markdown or HTML pages: each file is a page, links between the files are its links.

Hidden files, `node_modules`, and folders that are symbolic links are left out, so that no page comes twice and no
loop of links is walked.
"""

import codecs
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from openhorizon.corpus.hypertext import html_page
from openhorizon.corpus.markdown import markdown_page
from openhorizon.corpus.paragraphs import unmarked
from openhorizon.corpus.places import HTML, MARKDOWN, Places
from openhorizon.corpus.skipped import Skipped
from openhorizon.errors import CorpusError
from openhorizon.records import Document

LARGEST = 20_000_000  # bytes of one page; what is larger is not a page
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_LATIN = ("iso-8859-1", "ascii")  # what browsers read as windows-1252


class Unreadable(ValueError):
    """A page that cannot be had; the text says why, in the same words for all pages of a kind."""


def read_folder(folder: Path, corpus: str, skipped: Skipped) -> Iterator[Document]:
    """The folder's pages in order of their paths; CorpusError at once where there is none."""
    paths = sorted(_page_paths(folder))
    if not paths:
        raise CorpusError(
            f"corpus {folder}: no .md or .html page in this folder; give the folder that holds the pages"
        )
    return _documents(folder, corpus, paths, skipped)


def _documents(folder: Path, corpus: str, paths: list[str], skipped: Skipped) -> Iterator[Document]:
    places = Places(paths, corpus)
    for path in paths:
        try:
            source = _text(folder / path)
            page = markdown_page if path.lower().endswith(MARKDOWN) else html_page
            title, paragraphs = page(path, places, source)
        except Unreadable as error:
            skipped.add(path, str(error))
            continue
        except OSError as error:
            skipped.add(path, f"unreadable: {error.strerror or type(error).__name__}")
            continue
        except Exception as error:  # whatever a parser stumbles over, it is this page's
            skipped.add(path, f"unreadable: {type(error).__name__}")
            continue
        if not paragraphs.texts:
            skipped.add(path, "empty")
            continue
        yield Document(
            id=places.ids[path], title=title or Path(path).stem, text=paragraphs.text, source=str(folder / path),
            links=tuple(paragraphs.links),
        )  # fmt: skip


def _page_paths(folder: Path) -> Iterator[str]:
    """Paths of pages below the folder, with "/", hidden files and folders left out."""

    def stop(error: OSError) -> None:
        raise CorpusError(f"corpus {folder}: cannot be listed ({error}); check its permissions") from error

    for place, folders, files in os.walk(folder, onerror=stop):  # does not follow links to folders
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f != "node_modules")
        for file in files:
            if file.lower().endswith(MARKDOWN + HTML) and not file.startswith("."):
                yield Path(place, file).relative_to(folder).as_posix()


def _text(path: Path) -> str:
    """The page's source: UTF-8, or what its byte order mark or, in HTML, its head declares."""
    known = path.stat()
    if not stat.S_ISREG(known.st_mode):
        raise Unreadable("not a file")
    if known.st_size > LARGEST:
        raise Unreadable(f"larger than {LARGEST // 1_000_000} MB")
    data = path.read_bytes()
    encoding, data = _encoding(data, path.name.lower().endswith(HTML))
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        raise Unreadable(f"not {encoding.upper()}") from None
    if "\x00" in text:
        raise Unreadable("unreadable: binary")
    return unmarked(text).replace("\r\n", "\n").replace("\r", "\n")


def _encoding(data: bytes, is_html: bool) -> tuple[str, bytes]:
    """The encoding, and the data without its byte order mark."""
    for mark, name in _MARKS:
        if data.startswith(mark):
            return name, data[len(mark) :]
    if not is_html:
        return "utf-8", data
    from bs4.dammit import EncodingDetector

    declared = EncodingDetector.find_declared_encoding(data, is_html=True) or "utf-8"
    try:
        name = codecs.lookup(declared).name
    except LookupError:
        name = "utf-8"
    if name.startswith(("utf-16", "utf-32")):  # it could be read up to here, so it is not that
        name = "utf-8"
    return (
        "windows-1252" if name in _LATIN and not _is_utf8(data) else "utf-8" if name in _LATIN else name
    ), data


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
