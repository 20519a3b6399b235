"""Where the pages of a folder are, and which of them a link leads to.

Links are resolved as a browser or a static site would: relative to the page, to its `<base>`, or to the folder ("/a"),
fragments and queries cut, the ending optional, a folder standing for its index or README, percents decoded. `[[Page]]`
names a page by its path or, as note-taking programs do, by its file name alone, wherever it lies.
"""

import posixpath
from urllib.parse import unquote, urlsplit

MARKDOWN, HTML = (".md", ".markdown"), (".html", ".htm", ".xhtml")
INDEX = ("index", "README", "readme", "_index")


class Places:
    """The pages of one folder."""

    def __init__(self, paths: list[str], corpus: str) -> None:
        self.ids: dict[str, str] = {}  # path below the folder -> id of the document
        self._named: dict[
            str, str
        ] = {}  # file name without its ending, without case -> the path nearest to the top
        taken: set[str] = set()
        for path in paths:  # a.md and a.html side by side: the second keeps its ending
            stem = f"{corpus}/{path.rsplit('.', 1)[0]}"
            self.ids[path] = stem if stem not in taken else f"{corpus}/{path}"
            taken.add(stem)
        for path in sorted(paths, key=lambda p: (p.count("/"), p)):
            self._named.setdefault(_name(path), path)

    def target(self, href: str, path: str, base: str = "") -> str:
        """The id of the page that a link on `path` leads to, "" if it leads out of the corpus.

        `base`: what the page's `<base>` says; of an address with a host, the path counts.
        """
        try:
            parts = urlsplit(href.strip())
            root = urlsplit(base).path
        except ValueError:
            return ""
        if parts.scheme or parts.netloc or not parts.path:
            return ""
        here = posixpath.dirname(path)
        if root:
            here = (
                posixpath.dirname(root).lstrip("/")
                if root.startswith("/")
                else _join(here, posixpath.dirname(root))
            )
        for place in dict.fromkeys((unquote(parts.path), parts.path)):
            found = self._at("" if place.startswith("/") else here, place.lstrip("/"))
            if found:
                return self.ids[found]
        return ""

    def named(self, name: str, path: str) -> str:
        """The id of the page that `[[name]]` on `path` means, "" if there is none."""
        name = name.partition("#")[0].strip()
        if not name:
            return ""
        found = self._at(posixpath.dirname(path), name) or self._at("", name)
        found = found or (self._named.get(_name(name), "") if "/" not in name else "")
        return self.ids[found] if found else ""

    def _at(self, here: str, place: str) -> str:
        """The path of the page at `place`, seen from the folder `here`; "" if there is none."""
        whole = _join(here, place)
        endings = MARKDOWN + HTML
        stem, ending = posixpath.splitext(whole)
        bases = [
            whole,
            *((stem,) if ending in HTML else ()),
            *(posixpath.join(whole, name) for name in INDEX),
        ]
        candidates = [
            whole,
            *(base + e for base in bases for e in endings),
        ]  # .html may mean the .md it is made of
        return next((c for c in map(posixpath.normpath, candidates) if c in self.ids), "")


def _join(here: str, place: str) -> str:
    return posixpath.normpath(posixpath.join(here, place))


def _name(path: str) -> str:
    name = posixpath.basename(path)
    stem, ending = posixpath.splitext(name)
    return (stem if ending.lower() in MARKDOWN + HTML else name).casefold()
