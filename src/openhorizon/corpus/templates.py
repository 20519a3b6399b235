"""Templates that stand for words of the sentence they are in: `{{lang|la|aqua}}`. All others say nothing here.

A dump carries its own templates, and many of those are one line of text around what the page gives them: they are
filled in from there. What the dump does not have, or writes in Lua, is taken from a short list (`wikis.SHOWN`), and a
user can add to it. Infoboxes, navigation and maintenance notes are tables, boxes or many lines, hence left out.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from openhorizon.corpus.paragraphs import names
from openhorizon.corpus.titles import Titles
from openhorizon.corpus.wikis import RANGES, SHOWN

LONGEST = 2_000  # characters of a template's source, and of what comes out of it
DEEPEST = 5  # templates within templates
MOST = 2_000  # templates filled in for one page
INLINE = names("b i em strong small big sub sup span u s font abbr bdi cite q nowiki")
_NUMBER = re.compile(r"\{(-?\d+)\}")


class Templates:
    """Fills in the templates of one dump."""

    def __init__(self, titles: Titles, source: Callable[[str], str | None], more: Mapping[str, int]) -> None:
        """`source(name)` is the wikitext of a template of the dump; `more`: template name -> argument it shows."""
        self._titles, self._source = titles, source
        self._more = {titles.template(name).casefold(): f"{{{number}}}" for name, number in more.items()}
        self._bodies: dict[str, str | None] = {}
        self._left = MOST
        self._page = ""

    def begin(self, page: str) -> None:
        """The templates that follow stand on this page."""
        self._left, self._page = MOST, page

    def wikitext(self, template: Any) -> str:
        """What the template puts into the sentence, as wikitext without templates; "" if nothing."""
        values = {str(p.name).strip(): str(p.value).strip() for p in template.params}
        name = str(template.name).strip()
        if ":" in name:
            head, _, first = name.partition(":")
            if head.strip().casefold() == "formatnum":
                return first.strip()
        if name.upper() in ("PAGENAME", "FULLPAGENAME", "SUBJECTPAGENAME"):
            return self._page
        found = self._expanded(name, values, 0)
        return (found or "").replace("\n", " ")[:LONGEST]

    def _expanded(self, name: str, values: dict[str, str], depth: int) -> str | None:
        """None: not a template that stands for words, or too many on this page."""
        self._left -= 1
        if self._left < 0:
            return None
        name = self._titles.template(name)
        low = name.casefold()
        pattern = self._more.get(low)
        if pattern is None and depth <= DEEPEST and (body := self._body(name)) is not None:
            import mwparserfromhell

            filled = self._filled(mwparserfromhell.parse(body), values, depth)
            if filled is not None and len(filled) <= LONGEST:
                return filled
        pattern = pattern or SHOWN.get(low) or (SHOWN["lang-*"] if low.startswith("lang-") else None)
        if low in ("convert", "cvt") and values.get("2") in RANGES:
            pattern = "{1} {2} {3} {4}"
        return _patterned(pattern, values) if pattern else None

    def _body(self, name: str) -> str | None:
        """The template's one line of text; None if it has more, or does not show its arguments."""
        if name not in self._bodies:
            if len(self._bodies) > 10_000:
                self._bodies.clear()
            text = self._source(name)
            self._bodies[name] = _one_line(text) if text is not None else None
        return self._bodies[name]

    def _filled(self, code: Any, values: dict[str, str], depth: int) -> str | None:
        if code is None:
            return ""
        parts: list[str] = []
        for node in code.nodes:
            kind = type(node).__name__
            part: str | None = None
            if kind in ("Text", "HTMLEntity"):
                part = str(node)
            elif kind == "Argument":
                part = values.get(str(node.name).strip())
                if part is None and node.default is not None:
                    part = self._filled(node.default, values, depth)
            elif kind == "Template":
                inner = {str(p.name).strip(): self._filled(p.value, values, depth) or "" for p in node.params}
                name = self._filled(node.name, values, depth)
                part = self._expanded(name, inner, depth + 1) if name else None
            elif kind == "Wikilink":
                title, text = self._filled(node.title, values, depth), self._filled(node.text, values, depth)
                if _given(node.title):
                    part = f"[[{title}|{text}]]" if title and text else f"[[{title}]]" if title else ""
                else:  # the template's own link is on every page that uses it, and says nothing of this one
                    part = text or title
            elif kind == "ExternalLink":
                part = self._filled(node.title, values, depth)
            elif kind == "Tag" and str(node.tag).strip().lower() in INLINE:
                part = self._filled(node.contents, values, depth)
            elif kind == "Comment" or (kind == "Tag" and str(node.tag).strip().lower() == "ref"):
                part = ""
            if part is None or len(part) > LONGEST:
                return None
            parts.append(part)
        return "".join(parts)


def _given(title: Any) -> bool:
    """True if the page, not the template, says where a link leads."""
    return all(type(node).__name__ == "Argument" for node in title.nodes)


def may_show_words(text: str) -> bool:
    """False for sources of templates that cannot be one line around an argument, judged quickly."""
    return "{{{" in text and len(text) <= LONGEST and "{|" not in text and "#invoke" not in text


def _one_line(text: str) -> str | None:
    import mwparserfromhell

    parts: list[str] = []
    nodes: list[Any] = mwparserfromhell.parse(text).nodes
    for node in nodes:
        name = str(node.tag).strip().lower() if type(node).__name__ == "Tag" else ""
        if name in ("includeonly", "onlyinclude"):
            parts.append(str(node.contents))
        elif name != "noinclude" and type(node).__name__ != "Comment":
            parts.append(str(node))
    body = "".join(parts).strip()
    block = body[:1] in ("*", "#", ":", ";", "=", "|") or body.startswith("{|")
    return None if block or "\n" in body or "{{{" not in body else body


def _patterned(pattern: str, values: dict[str, str]) -> str | None:
    """The pattern with its numbers filled in; None if an argument is missing."""
    positional = [values[str(n)] for n in range(1, len(values) + 1) if str(n) in values]
    wanted = [int(n) for n in _NUMBER.findall(pattern)]
    if any(not -len(positional) <= n <= len(positional) or n == 0 for n in wanted):
        return None
    return _NUMBER.sub(lambda m: positional[int(m[1]) - (int(m[1]) > 0)], pattern)
