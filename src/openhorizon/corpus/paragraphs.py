"""Text with links, paragraph by paragraph: what every reader fills.

While a page is cut up, a link travels inside the text between three private-use characters, so that cleaning and
splitting cannot lose where it stands; `add` takes the marks out again.
"""

import re

from openhorizon.records import Link

OPEN, MIDDLE, CLOSE = "\ue000", "\ue001", "\ue002"
_MARK = re.compile(f"{OPEN}(\\d+){MIDDLE}([^{CLOSE}]*){CLOSE}")
_RESERVED = re.compile("[\ue000-\ue006]+")  # these three, and those that readers mark lines and cells with


def names(text: str) -> frozenset[str]:
    """The words of `text` as a set: long lists of tags and codes stay readable."""
    return frozenset(text.split())


def unmarked(source: str) -> str:
    """The source without the characters that readers mark things with; all text passes through this when it comes in,
    and again where character references are decoded."""
    return _RESERVED.sub("", source)


class Paragraphs:
    """Collects the paragraphs and links of one page."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.links: list[Link] = []
        self._targets: list[tuple[str, str]] = []
        self._seen: set[Link] = set()

    def mark(self, anchor: str, target: str, relation: str = "") -> str:
        """The anchor, marked as a link, to be part of a text given to `add`."""
        if not anchor.strip():
            return anchor
        self._targets.append((target, relation))
        return f"{OPEN}{len(self._targets) - 1}{MIDDLE}{anchor}{CLOSE}"

    def add(self, marked: str, *, keep_links: bool = True, keep_lines: bool = False) -> None:
        """One more paragraph, spaces made single; its links are dropped on `keep_links=False`."""
        lines = marked.splitlines() if keep_lines else [marked]
        marked = "\n".join(line for line in (" ".join(raw.split()) for raw in lines) if line)
        text = unmarked(_MARK.sub(r"\2", marked)).strip()
        if not text:
            return
        if keep_links:
            for number, anchor in _MARK.findall(marked):
                target, relation = self._targets[int(number)]
                link = Link(
                    anchor=anchor.strip(), target=target, paragraph=len(self.texts), relation=relation
                )
                if link.anchor and link not in self._seen:
                    self._seen.add(link)
                    self.links.append(link)
        self.texts.append(text)

    @property
    def text(self) -> str:
        return "\n\n".join(self.texts)


def mostly_links(marked: str) -> bool:
    """True for a list item that is little more than a link: navigation, not a statement."""
    return len(_MARK.sub(" ", marked).split()) < 3
