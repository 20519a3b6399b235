"""The one entry of the room: picks the reader for a path."""

from collections.abc import Iterator
from pathlib import Path

from openhorizon.config import WikiPlan
from openhorizon.corpus.folder import read_folder
from openhorizon.corpus.jsonl import read_jsonl
from openhorizon.corpus.mediawiki import read_dump
from openhorizon.corpus.skipped import Skipped
from openhorizon.errors import CorpusError
from openhorizon.records import Document

KINDS = (
    "a folder of .md or .html pages, a .jsonl file (id, title, text), or a MediaWiki dump (.xml); files may be .gz or"
    " .bz2"
)


def read(
    path: str | Path, *, corpus: str = "", skipped: Skipped | None = None, wiki: WikiPlan | None = None
) -> Iterator[Document]:
    """The documents of a corpus, streamed in a stable order; ids are "<corpus>/<path, id or title>".

    `corpus` defaults to the path's own name. Pages that cannot be read are left out and counted in `skipped`.
    What a damaged file has lost is noted there too; the rest of it is read. `wiki`: for a MediaWiki dump.
    CorpusError, at once: the path is missing, unreadable or of no known kind, the folder has no pages;
    while reading: an .xml file is no MediaWiki dump, or not one page could be read.
    """
    path = Path(path)
    skipped = skipped if skipped is not None else Skipped()
    if not path.exists():
        raise CorpusError(f"corpus {path}: no such file or folder; give {KINDS}")
    name = corpus or path.name.split(".")[0] or "corpus"
    if path.is_dir():
        return _some(path, read_folder(path, name, skipped), skipped)
    suffixes = "".join(path.suffixes).lower()
    readers = {
        (".jsonl", ".jsonl.gz", ".jsonl.bz2"): lambda: read_jsonl(path, name, skipped),
        (".xml", ".xml.bz2", ".xml.gz"): lambda: read_dump(path, name, skipped, wiki or WikiPlan()),
    }
    for endings, reader in readers.items():
        if suffixes.endswith(endings):
            _check_readable(path)
            return _some(path, reader(), skipped)
    raise CorpusError(
        f"corpus {path}: cannot read files that end in {path.suffix or 'nothing'}; give {KINDS}"
    )


def _check_readable(path: Path) -> None:
    try:
        with path.open("rb") as file:
            first = file.read(1)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise CorpusError(f"corpus {path}: cannot be opened ({why}); check its permissions") from error
    if not first:
        raise CorpusError(f"corpus {path}: the file is empty; give {KINDS}")


def _some(path: Path, documents: Iterator[Document], skipped: Skipped) -> Iterator[Document]:
    """The documents; CorpusError if there was not one."""
    none = True
    for document in documents:
        none = False
        yield document
    if none:
        raise CorpusError(f"corpus {path}: not one page with text in it ({skipped}); give {KINDS}")
