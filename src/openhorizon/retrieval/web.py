"""The web, where a user configured it: a search engine behind Serper's or SearXNG's API, and pages read as text.

What was found is kept on disk, one file a question or page, so that nothing is asked twice and a run can be played
again. A search engine that stays broken is an InfrastructureError, which aborts the attempt; a page that is not there,
or cannot be read, is a ToolError, which the model reads.
"""

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

import msgspec

from openhorizon.config import SearchPlan
from openhorizon.errors import ConfigError, InfrastructureError, RunError, ToolError
from openhorizon.files import write_whole
from openhorizon.records import Record, as_json
from openhorizon.retrieval.fetch import BUSY, Answer, Fetcher, Trouble, broken

KEY = "SERPER_API_KEY"  # the environment variable that holds Serper's key
SERPER = "https://google.serper.dev"
QUERY = 400  # characters of a query that are asked
LINKS = 200  # links kept of one page
TEXTS = ("text/html", "application/xhtml+xml", "text/markdown", "text/x-markdown", "text/plain")
R = TypeVar("R", bound=Record)


class Found(Record, kw_only=True):
    """One result of a search engine."""

    url: str
    title: str
    snippet: str
    date: str = ""  # as the engine says it


class Results(Record, kw_only=True):
    """What a search engine answered."""

    found: tuple[Found, ...]


class WebLink(Record, kw_only=True):
    """A link of a page: its words, and where it leads."""

    anchor: str
    url: str


class WebPage(Record, kw_only=True):
    """A page as it was read, or why it cannot be."""

    url: str  # where it was found, after redirects
    title: str = ""
    text: str = ""  # paragraphs parted by one empty line
    links: tuple[WebLink, ...] = ()
    wrong: str = ""  # why there is no text: 404, not a text, ...; "" if there is


class SearchEngine(ABC):
    """A service that answers queries with addresses of pages."""

    name: str

    @abstractmethod
    def search(self, query: str, count: int) -> tuple[Found, ...]:
        """Up to `count` results, best first. InfrastructureError: it stayed broken or refuses us."""

    @property
    @abstractmethod
    def parameters(self) -> dict[str, Any]:
        """What an answer hangs on beside the query; no key."""


class Serper(SearchEngine):
    """Google's results by the Serper API: POST /search with the key in a header."""

    name = "serper"

    def __init__(self, fetcher: Fetcher, url: str = "", key: str | None = None):
        """ConfigError: there is no key. `key` defaults to the environment's."""
        self._key = (os.environ.get(KEY, "") if key is None else key).strip()
        if not self._key:
            raise ConfigError(
                f"search.backend=serper needs a key: put it in the environment variable {KEY}, never in the recipe"
            )
        self._fetcher, self._url = fetcher, (url or SERPER).rstrip("/")

    @property
    def parameters(self) -> dict[str, Any]:
        return {"url": self._url}

    def search(self, query: str, count: int) -> tuple[Found, ...]:
        headers = {"X-API-KEY": self._key, "Content-Type": "application/json"}
        body = msgspec.json.encode({"q": query, "num": count})
        told = _asked(self, self._fetcher, "POST", f"{self._url}/search", headers, body, KEY)
        rows = told.get("organic") or ()
        return _found(((r.get("link"), r.get("title"), r.get("snippet"), r.get("date")) for r in rows), count)


class SearXng(SearchEngine):
    """A SearXNG instance, with the JSON format switched on in its settings."""

    name = "searxng"

    def __init__(self, fetcher: Fetcher, url: str):
        self._fetcher, self._url = fetcher, url.rstrip("/")

    @property
    def parameters(self) -> dict[str, Any]:
        return {"url": self._url}

    def search(self, query: str, count: int) -> tuple[Found, ...]:
        rows: list[Any] = []
        for page in range(1, 6):  # an instance gives ten or twenty a page
            url = f"{self._url}/search?q={quote(query)}&format=json" + (f"&pageno={page}" if page > 1 else "")
            told = _asked(self, self._fetcher, "GET", url, {}, None, "")
            fresh = told.get("results") or []
            rows += fresh
            if page == 1 and not fresh and told.get("unresponsive_engines"):
                raise broken("searxng", "none of its engines answers (unresponsive_engines in its answer)")
            if not fresh or len(rows) >= count:
                break
        return _found(
            ((r.get("url"), r.get("title"), r.get("content"), r.get("publishedDate")) for r in rows), count
        )


class Web:
    """Search and pages, each asked for once: the answers lie below `folder`."""

    def __init__(self, engine: SearchEngine, fetcher: Fetcher, folder: Path, results: int = 10):
        """`fetcher` reads the pages; the engine has its own."""
        self.engine, self._fetcher, self._folder, self._results = engine, fetcher, folder, results

    @classmethod
    def open(cls, plan: SearchPlan, folder: Path) -> "Web | None":
        """The web as the recipe has it; None where agents search the corpus. ConfigError: a key is missing."""
        if plan.backend == "corpus":
            return None
        # the engine's address is the user's own word; pages' addresses are anybody's
        line = Fetcher(private=True, seconds=plan.seconds, tries=plan.tries)
        engine = Serper(line, plan.url) if plan.backend == "serper" else SearXng(line, plan.url)
        pages = Fetcher(
            private=plan.private_addresses, seconds=plan.seconds, tries=min(2, plan.tries), most=plan.page_bytes
        )  # fmt: skip
        return cls(engine, pages, folder, plan.results)

    def search(self, query: str) -> tuple[Found, ...]:
        """The engine's results, best first. ToolError: nothing to search for. InfrastructureError: see the engine."""
        query = " ".join(query.split())[:QUERY]
        if not any(c.isalnum() for c in query):
            raise ToolError("the query has no words")
        asked = {"query": query, "count": self._results, **self.engine.parameters}
        return self._kept(
            self.engine.name, asked, Results, lambda: Results(found=self.engine.search(query, self._results))
        ).found

    def read(self, url: str) -> WebPage:
        """The page as text. ToolError: it is not there, not a text, too large, or its server does not answer.
        InfrastructureError: this machine has no network."""
        url = canonical(url)
        page = self._kept("pages", {"url": url}, WebPage, lambda: self._read(url))
        if page.wrong:
            raise ToolError(f"{url[:200]}: {page.wrong}")
        return page

    def _read(self, url: str) -> WebPage:
        try:
            answer = self._fetcher.ask(
                "GET", url, headers={"Accept": "text/html,text/markdown,text/plain;q=0.9"}
            )
        except Trouble as trouble:
            if trouble.ours:
                raise broken("the web", trouble) from trouble
            # not kept: it may be well again
            raise ToolError(f"{url[:200]} cannot be read: {trouble}; try another page") from trouble
        if answer.status in BUSY:
            raise ToolError(f"{url[:200]}: its server has no answer now ({answer.status}); try another page")
        return _page(answer)

    def _kept(self, place: str, asked: dict[str, Any], kind: type[R], ask: Callable[[], R]) -> R:
        """The answer that lies on disk, else asked for and laid there; a damaged file counts as none."""
        key = as_json(asked)
        file = self._folder / place / f"{sha256(key).hexdigest()[:32]}.json"
        try:
            told = msgspec.json.decode(file.read_bytes())
            if told["asked"] == asked:
                return msgspec.convert(told["answer"], kind)
        except (OSError, msgspec.MsgspecError, KeyError, TypeError):
            pass
        answer = ask()
        try:
            write_whole(file, (as_json({"asked": asked, "answer": answer}),))
        except RunError as error:  # the disk is full: no fault of the model's
            raise InfrastructureError(str(error)) from error
        return answer


def is_url(text: str) -> bool:
    """Whether the text means a page of the web rather than a title."""
    return text.strip().lower().startswith(("http://", "https://"))


def canonical(url: str) -> str:
    """The URL as pages are told apart by: scheme and host in lower case, no fragment, no default port. ToolError: it is
    none, or holds a password."""
    try:
        parts = urlsplit(url.strip())
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    if parts.scheme.lower() not in ("http", "https") or not host or any(c.isspace() for c in url.strip()):
        raise ToolError(f"{url[:200]} is not a URL; write https://HOST/...")
    if "@" in parts.netloc:
        raise ToolError("a URL with a user's name or password is not read")
    scheme = parts.scheme.lower()
    default = {"http": 80, "https": 443}[scheme]
    shown = f"[{host}]" if ":" in host else host
    place = shown if port in (None, default) else f"{shown}:{port}"
    return urlunsplit((scheme, place, quote(parts.path, safe="/%:@!$&'()*+,;=~-._") or "/", parts.query, ""))


def node_id(url: str, text: str = "") -> str:
    """The id of the graph's node for a page or, with `text`, for a passage of it: the same for the same words, so that
    what was read stays what it was when the page changes."""
    url = canonical(url)
    id = f"web/{urlsplit(url).hostname}/{sha256(url.encode()).hexdigest()[:16]}"
    return f"{id}#{sha256(text.encode('utf-8', 'replace')).hexdigest()[:12]}" if text else id


def _asked(
    engine: SearchEngine, fetcher: Fetcher, method: str, url: str, headers: dict[str, str], body: bytes | None, key: str
) -> dict[str, Any]:  # fmt: skip
    """The JSON object that the engine answered. InfrastructureError, without the key, where it did not."""

    def check(answer: Answer) -> None:
        if answer.status == 200:
            _object(answer)

    try:
        answer = fetcher.ask(method, url, headers=headers, content=body, check=check)
    except Trouble as trouble:
        raise broken(engine.name, trouble) from None
    if answer.status in (401, 403):
        mend = f"check {key}" if key else "switch on the format json in its settings.yml (search.formats)"
        raise broken(engine.name, f"it refuses us (status {answer.status}); {mend}")
    if answer.status != 200:
        raise broken(engine.name, f"status {answer.status}")
    return _object(answer)


def _object(answer: Answer) -> dict[str, Any]:
    try:
        told = msgspec.json.decode(answer.body)
    except msgspec.DecodeError:
        raise Trouble("its answer is no JSON or was cut off", again=True) from None
    if not isinstance(told, dict):
        raise Trouble("its answer is no JSON object", again=True)
    return told


def _found(rows: Any, count: int) -> tuple[Found, ...]:
    """The rows that have a URL, each page once."""
    found: dict[str, Found] = {}
    for url, title, snippet, date in rows:
        try:
            url = canonical(str(url or ""))
        except ToolError:
            continue
        said = (" ".join(str(t or "").split()) for t in (title, snippet, date))
        if url not in found:
            found[url] = Found(url=url, **dict(zip(("title", "snippet", "date"), said)))
    return tuple(found.values())[:count]


def _page(answer: Answer) -> WebPage:
    """The page that a server sent, or why it is none."""
    if answer.status in (404, 410):
        return WebPage(url=answer.url, wrong=f"there is no such page ({answer.status})")
    if answer.status in (401, 402, 403, 451):
        return WebPage(url=answer.url, wrong=f"its server lets nobody read it ({answer.status})")
    if answer.status != 200:
        return WebPage(url=answer.url, wrong=f"its server answers {answer.status}")
    if answer.kind == "application/pdf" or answer.body[:5] == b"%PDF-":
        return WebPage(
            url=answer.url, wrong="a PDF, which cannot be read here; look for a page that says the same"
        )
    if answer.kind not in TEXTS and not (not answer.kind and b"\0" not in answer.body[:1000]):
        return WebPage(
            url=answer.url,
            wrong=f"not a text but {answer.kind or 'something unnamed'}, which cannot be read here",
        )
    if answer.cut:
        return WebPage(
            url=answer.url, wrong=f"larger than {len(answer.body) / 1e6:g} MB, which is too long to read"
        )
    source = _decoded(answer)
    try:
        title, paragraphs, links = _cut(answer, source)
    except (RecursionError, ValueError, AssertionError) as error:
        return WebPage(url=answer.url, wrong=f"its text cannot be told apart ({type(error).__name__})")
    if not paragraphs:
        return WebPage(url=answer.url, wrong="there is no text on it")
    return WebPage(url=answer.url, title=title, text="\n\n".join(paragraphs), links=links)


def _cut(answer: Answer, source: str) -> tuple[str, list[str], tuple[WebLink, ...]]:
    """Title, paragraphs and links."""
    from openhorizon.corpus.hypertext import html_page
    from openhorizon.corpus.markdown import markdown_page
    from openhorizon.corpus.places import Places

    alone = Places([], "")
    kind = answer.kind
    if kind in ("text/plain", "") and not re.match(r"\s*<(!doctype html|html)\b", source, re.I):
        if not answer.url.lower().endswith((".md", ".markdown")):
            texts = (" ".join(p.split()) for p in re.split(r"\n\s*\n", source))
            return urlsplit(answer.url).path.rpartition("/")[2], [t for t in texts if t], ()
        kind = "text/markdown"
    if "markdown" in kind:
        title, paragraphs = markdown_page("", alone, source)
        return title, paragraphs.texts, ()
    title, paragraphs = html_page("", alone, source)
    return title, paragraphs.texts, _links(source, answer.url)


def _links(source: str, base: str) -> tuple[WebLink, ...]:
    """Links whose words may stand in the text, each address once."""
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(source, "lxml")
    found: dict[str, WebLink] = {}
    for tag in (soup.find("main") or soup.find("article") or soup).find_all("a", href=True):
        anchor = " ".join(tag.get_text().split())
        try:
            url = canonical(urljoin(base, str(tag["href"])))
        except (ToolError, ValueError):
            continue
        if anchor and url != base and len(found) < LINKS:
            found.setdefault(url, WebLink(anchor=anchor[:200], url=url))
    return tuple(found.values())


def _decoded(answer: Answer) -> str:
    from bs4.dammit import UnicodeDammit

    from openhorizon.corpus.paragraphs import unmarked

    try:
        text = answer.body.decode(answer.charset or "utf-8")
    except (LookupError, UnicodeDecodeError):
        known = [answer.charset] if answer.charset else []
        text = UnicodeDammit(answer.body, known, is_html="html" in answer.kind).unicode_markup
        text = text if text is not None else answer.body.decode("utf-8", "replace")
    return unmarked(text.replace("\0", " ").removeprefix("\ufeff"))
