"""One full-text index by tantivy over things with a title and a text: in memory, or memory-mapped from a folder.

A folder never changes once it stands: its name says what it holds, so a folder of that name can be opened by any number
of processes, and an update makes a new one that shares the old one's files. Only a folder that a build from nothing
would also give is opened again: after something was replaced or removed, BM25 still counts the old words, and equal
content must give equal results.
"""

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any

from openhorizon.errors import InfrastructureError, RunError
from openhorizon.files import whole_folder, write_whole
from openhorizon.records import Record

TITLE_WEIGHT = 2.0
QUERY_WORDS = 64  # words of a query that count; a longer one is cut
POSTINGS = 500_000  # entries of the index that one query may go through: of its words, the rarest that fit
MARGIN = 16  # hits fetched beyond k, so that ties at the cut are parted by page order, not by chance
FORMAT = b"openhorizon shelf 1"  # part of a folder's name: another version's folders are not opened
DIGEST = 16  # bytes of one thing's checksum
LEAST, HEAP = (
    15_000_000,
    128_000_000,
)  # bytes a writer gathers before it makes a segment; the least tantivy takes


class Page(Record, kw_only=True):
    """One page, or one passage of it, that can be found and read."""

    id: str
    title: str
    text: str
    domain: str = ""  # "" in an index that was not made from a graph


class Shelf:
    """Pages by words and by id. Their order breaks ties, so equal input gives equal results."""

    def __init__(self, pages: Iterable[Page] = (), folder: Path | None = None):
        """`folder`: where the index lies or shall lie, memory-mapped; None: in memory. Built at the first search."""
        self._slots: list[Page | None] = list(pages)  # None: removed
        self._places: dict[str, int] = {}
        for place, page in enumerate(self._slots):
            if page is not None:
                self._places.setdefault(page.id, place)
        self._folder = folder
        self._here: Path | None = None  # the folder that is open
        self._digests: list[bytes] = []  # of the pages, in their order; [] in memory
        self._edited = False  # True: something was replaced or removed

    def __len__(self) -> int:
        return len(self._slots) - self._slots.count(None) if self._edited else len(self._slots)

    def __iter__(self) -> Iterator[Page]:
        return (page for page in self._slots if page is not None)

    def get(self, id: str) -> Page | None:
        """The page with this id."""
        place = self._places.get(id)
        return None if place is None else self._slots[place]

    def search(self, query: str, k: int, domain: str | None = None) -> list[tuple[Page, float]]:
        """The k best pages with their BM25, best first, order of the pages on ties. Never raises for a query.

        Every word is optional. Where a query's words stand in more places than POSTINGS, the rarest of them are searched
        for: what the common ones would add to a score is small, and a query's time stays bounded.
        """
        words = self.words(query)
        if not words or k < 1 or not self._slots:
            return []
        searcher = self._opened.searcher()
        wanted, limit = self._query(searcher, words, domain), k + MARGIN
        while True:
            found = searcher.search(wanted, limit, count=False).hits
            scores = [round(score, 4) for score, _ in found]
            if len(found) < limit or scores[-1] < scores[k - 1] or limit > 64 * MARGIN:
                break
            limit *= 4  # all the rest are as good as the last that is wanted
        places = searcher.fast_field_values("number", [address for _, address in found])
        best = sorted((-score, place) for score, place in zip(scores, places))[:k]
        return [(page, -score) for score, place in best if (page := self._slots[place]) is not None]

    def words(self, query: str) -> list[str]:
        """The query as it is searched for: cut and folded like the pages, each word once."""
        return list(dict.fromkeys(self._analyser.analyze(_sound(query))))[:QUERY_WORDS]

    def frequency(self, word: str) -> int:
        """On how many pages the word stands in the text, in this very form, case aside."""
        words = self._analyser.analyze(_sound(word))
        return self._opened.searcher().doc_freq("text", words[0]) if words else 0

    def update(self, pages: Iterable[Page] = (), removed: Iterable[str] = ()) -> None:
        """Add pages, replace those of the same id in their place, remove those of these ids; ids that are not there are
        passed over. The next search sees it. With a folder, a new one is made, and this process goes on with it."""
        self._opened  # noqa: B018 - the pages as they were, before they change
        gone = [place for id in dict.fromkeys(removed) if (place := self._places.pop(id, None)) is not None]
        for place in gone:
            self._slots[place] = None
        fresh: dict[int, Page] = {}
        for page in pages:
            place = self._places.get(page.id)
            if place is None:
                place = self._places[page.id] = len(self._slots)
                self._slots.append(page)
            elif place not in fresh:
                gone.append(place)
            self._slots[place] = fresh[place] = page
        if not gone and not fresh:
            return
        self._edited = self._edited or bool(gone)
        self.__dict__.pop("_domains", None)
        if self._here is None:
            self._write(self._opened, fresh, gone)
            return
        self._digests += [b""] * (len(self._slots) - len(self._digests))
        for place in {*gone, *fresh}:
            page = self._slots[place]
            self._digests[place] = bytes(DIGEST) if page is None else _digest(page)
        if not self._here.exists():  # somebody built another one since
            fresh, gone = {n: page for n, page in enumerate(self._slots) if page is not None}, []
        self._here = self._filled(fresh, gone, self._here)
        self.__dict__["_opened"] = _reader(self._here)

    def _query(self, searcher: Any, words: list[str], domain: str | None) -> Any:
        import tantivy

        query, schema = tantivy.Query, self._opened.schema
        any_of, all_of = tantivy.Occur.Should, tantivy.Occur.Must
        clauses = []
        for word in self._affordable(searcher, words):
            title = query.boost_query(query.term_query(schema, "title", word), TITLE_WEIGHT)
            clauses += [(any_of, title), (any_of, query.term_query(schema, "text", word))]
        wanted = query.boolean_query(clauses)
        if domain is None or self._domains == {domain}:
            return wanted
        only = query.const_score_query(query.term_query(schema, "domain", domain), 0.0)
        return query.boolean_query([(all_of, wanted), (all_of, only)])

    def _affordable(self, searcher: Any, words: list[str]) -> list[str]:
        """The words, without the commonest where all together stand in more than POSTINGS places; one at least."""
        places = {w: searcher.doc_freq("text", w) + searcher.doc_freq("title", w) for w in words}
        if sum(places.values()) <= POSTINGS:
            return words
        kept, room = set(), POSTINGS
        for word in sorted(words, key=lambda w: places[w]):
            if kept and places[word] > room:
                break
            if places[word]:
                kept.add(word)
            room -= places[word]
        return [word for word in words if word in kept]

    @cached_property
    def _domains(self) -> set[str]:
        return {page.domain for page in self}

    @cached_property
    def _analyser(self) -> Any:
        """The same cutting as tantivy's "default" analyser, which the fields use."""
        import tantivy

        builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
        return builder.filter(tantivy.Filter.remove_long(40)).filter(tantivy.Filter.lowercase()).build()

    @cached_property
    def _opened(self) -> Any:
        """The tantivy index, built at the first search: whoever only reads pages does not pay for it."""
        if self._folder is None:
            import tantivy

            index = tantivy.Index(_schema())
            self._write(index, dict(enumerate(self)), ())
            return index
        self._digests = [_digest(page) for page in self]
        try:
            with _alone(self._folder):
                return self._found()
        except (RunError, OSError, ValueError) as error:  # ValueError: tantivy's
            raise InfrastructureError(
                f"{self._folder}: the index could not be built ({error}); free some space, or delete the folder"
            ) from error

    def _found(self) -> Any:
        """The folder of this name; built, and the others removed, where it is missing or damaged."""
        assert self._folder is not None
        self._here = self._place()
        if self._here.exists():
            try:
                return _reader(self._here)
            except ValueError:
                shutil.rmtree(self._here)
        self._filled(*self._missing())
        for other in self._folder.glob("index-*"):  # whoever has it open keeps it; nobody opens it again
            if other != self._here:
                shutil.rmtree(other, ignore_errors=True)
        return _reader(self._here)

    def _place(self) -> Path:
        """The folder for what is here now."""
        assert self._folder is not None
        name = blake2b(b"".join(self._digests), digest_size=DIGEST, key=FORMAT).hexdigest()
        return self._folder / f"index-{name}{'-edited' if self._edited else ''}"

    def _missing(self) -> tuple[dict[int, Page], tuple[int, ...], Path | None]:
        """What a folder that is there lacks, and that folder: one that holds the first of these pages and no others."""
        assert self._folder is not None
        whole = b"".join(self._digests)
        for place in self._folder.glob("index-*"):
            digests = place / "digests"
            old = digests.read_bytes() if digests.exists() and not place.name.endswith("-edited") else b""
            if len(old) > len(whole) // 2 and whole.startswith(old):
                first = len(old) // DIGEST
                return {n: page for n, page in enumerate(self) if n >= first}, (), place
        return dict(enumerate(self)), (), None

    def _filled(self, fresh: dict[int, Page], gone: Sequence[int], old: Path | None) -> Path:
        """A new folder: the old one's files, which are never written again, and what is new."""
        import tantivy

        target = self._place()
        if target.exists():
            return target
        with whole_folder(target) as folder:
            for file in old.iterdir() if old is not None and old.exists() else ():
                if not file.name.startswith(".tantivy") and file.name != "digests":
                    _linked(file, folder / file.name)
            index = tantivy.Index(_schema(), path=str(folder))
            self._write(index, fresh, gone)
            write_whole(folder / "digests", self._digests)
            for lock in folder.glob(".tantivy*lock"):
                lock.unlink()
        return target

    def _write(self, index: Any, fresh: dict[int, Page], gone: Sequence[int]) -> None:
        import tantivy

        size = sum(len(page.text) for page in fresh.values())
        # one thread: the order of the segments must not hang on chance
        writer = index.writer(min(HEAP, max(LEAST, 4 * size)), num_threads=1)
        for place in gone:
            writer.delete_documents_by_term("number", place)
        for place, page in fresh.items():
            writer.add_document(
                tantivy.Document(
                    number=place, domain=page.domain, title=_sound(page.title), text=_sound(page.text)
                )
            )
        writer.commit()
        writer.wait_merging_threads()
        index.reload()


def _schema() -> Any:
    import tantivy

    schema = tantivy.SchemaBuilder()
    schema.add_integer_field("number", indexed=True, fast=True)
    schema.add_text_field("domain", tokenizer_name="raw", index_option="basic")
    schema.add_text_field("title", index_option="freq")
    schema.add_text_field("text", index_option="freq")
    return schema.build()


def _reader(place: Path) -> Any:
    import tantivy

    index = tantivy.Index.open(str(place))
    index.config_reader(reload_policy="manual")
    index.reload()
    return index


def _digest(page: Page) -> bytes:
    hashed = blake2b(digest_size=DIGEST)
    for part in (page.id, page.title, page.text, page.domain):
        data = part.encode("utf-8", "surrogatepass")
        hashed.update(len(data).to_bytes(8, "little"))
        hashed.update(data)
    return hashed.digest()


def _linked(file: Path, copy: Path) -> None:
    try:
        os.link(file, copy)
    except OSError:  # a file system without hard links
        shutil.copyfile(file, copy)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time builds in the folder; the others wait, and find it built."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)  # let go when the file is closed, by a kill as well
        yield


def _sound(text: str) -> str:
    """The text without lone surrogates, which JSON can carry and tantivy refuses."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
