"""An HTML page: title, paragraphs, links. A link may name its relation by the attribute `data-relation`."""

import re
from typing import Any

from openhorizon.corpus.paragraphs import Paragraphs, mostly_links, names, unmarked
from openhorizon.corpus.places import Places

BLOCKS = names(
    "address article blockquote body caption center dd details div dl dt fieldset figcaption figure h1 h2 h3 h4 h5 h6"
    " hr html li main ol p pre section summary table tbody tfoot thead tr ul"
)
CELLS = ("td", "th")
LEFT_OUT = names(
    "script style nav header footer aside form noscript template iframe svg button textarea select dialog canvas"
)
FURNITURE = ("navigation", "search", "banner", "contentinfo", "complementary")  # roles
SIGNS = "¶§#🔗"  # anchors that let a reader copy the address of a heading
_REFRESH, _ELSEWHERE = re.compile("^refresh$", re.I), re.compile(r"\burl\s*=", re.I)
_BAR = "\ue006"  # between the cells of a row, until the row is whole


def html_page(path: str, places: Places, source: str) -> tuple[str, Paragraphs]:
    """Title and paragraphs of an HTML page. The title is the first h1 of its main part, else the h2 that `<title>` begins
    with (many sites have their own name as h1), else any h1, else `<title>`. A page that only sends its reader on is empty.
    """
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(source, "lxml")
    if soup.find("meta", attrs={"http-equiv": _REFRESH}, content=_ELSEWHERE):
        return "", Paragraphs()  # a sign that the page has moved
    root = soup.find("main") or soup.find(role="main") or soup.find("article") or soup.body or soup
    tab = _plain(soup.title) if soup.title else ""
    own = (h for h in root.find_all("h1") if not any(_left_out(p) for p in h.parents))
    named = (h for h in root.find_all("h2", limit=3) if _plain(h) and tab.startswith(_plain(h)))
    first = next(own, None) or next(named, None) or soup.find("h1")
    title = (_plain(first) if first else "") or tab
    base = soup.find("base", href=True)
    paragraphs = Paragraphs()
    _Blocks(path, places, str(base["href"]) if base else "", title, paragraphs).add(root)
    return title, paragraphs


def add_html(path: str, places: Places, source: str, paragraphs: Paragraphs) -> None:
    """Add the paragraphs of HTML inside another page."""
    from bs4 import BeautifulSoup

    _Blocks(path, places, "", "", paragraphs).add(BeautifulSoup(source, "lxml"))


class _Blocks:
    """Cuts elements into paragraphs: a block ends one, inline text is gathered, a table's row is one."""

    def __init__(self, path: str, places: Places, base: str, title: str, paragraphs: Paragraphs) -> None:
        self._path, self._places, self._base, self._title = path, places, base, title
        self._paragraphs = paragraphs
        self._gathered: list[str] = []

    def add(self, root: Any) -> None:
        self._walk(root, "body", False)
        self._flush("body", False)

    def _flush(self, name: str, in_list: bool) -> None:
        cells = "".join(self._gathered).split(_BAR)
        self._gathered.clear()
        marked = " | ".join(cell for cell in cells if cell.strip()) if len(cells) > 1 else cells[0]
        if not (name in ("h1", "h2") and _unsigned(marked) == self._title):
            keep = not (name[0] == "h" and name[1:].isdigit()) and not (in_list and mostly_links(marked))
            self._paragraphs.add(marked, keep_links=keep, keep_lines=name == "pre")

    def _walk(self, element: Any, block: str, in_list: bool) -> None:
        from bs4.element import NavigableString, PreformattedString, Tag

        for child in element.children:
            if isinstance(child, NavigableString):
                if not isinstance(child, PreformattedString):  # comments, doctypes
                    self._gathered.append(unmarked(str(child)))
            elif not isinstance(child, Tag) or _left_out(child):
                continue
            elif child.name in BLOCKS:
                self._flush(block, in_list)
                self._walk(child, child.name, in_list or child.name == "li")
                self._flush(child.name, in_list or child.name == "li")
            elif child.name in CELLS:
                self._walk(child, block, in_list)
                self._gathered.append(_BAR)
            elif child.name == "br":
                self._gathered.append("\n")
            elif child.name == "a":
                self._link(child)
            else:
                self._walk(child, block, in_list)

    def _link(self, element: Any) -> None:
        if _sign(element):
            return
        href, text = str(element.get("href") or ""), unmarked(element.get_text())
        target = self._places.target(href, self._path, self._base)
        relation = str(element.get("data-relation") or "")
        self._gathered.append(
            self._paragraphs.mark(" ".join(text.split()), target, relation) if target else text
        )


def _left_out(element: Any) -> bool:
    if element.name == "header" and element.parent is not None and element.parent.name in ("article", "main"):
        return False  # the page's own head, not the site's
    return element.name in LEFT_OUT or element.get("role") in FURNITURE or element.has_attr("hidden")


def _plain(heading: Any) -> str:
    """The words of a heading, without the sign that links to it."""
    texts = (
        text
        for text in heading.find_all(string=True)
        if not any(_sign(p) or _left_out(p) for p in text.parents if heading in p.parents)
    )
    return _unsigned("".join(texts))


def _sign(element: Any) -> bool:
    """True for an anchor that is there to copy the address of a heading from."""
    text = element.get_text().strip() if element.name == "a" else "words"
    return len(text) <= 1 and text in SIGNS and str(element.get("href") or "").startswith("#")


def _unsigned(text: str) -> str:
    return " ".join(text.split()).rstrip("¶§🔗 ")
