"""The wikitext of an article as paragraphs of prose with their links.

Tables, boxes, references, files and categories go; templates go unless they stand for words (`templates.py`); sections
at the tail (references, see also) go; links in lists go, because a list says that pages belong together, not how.
"""

import html
import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from openhorizon.corpus.paragraphs import Paragraphs, names, unmarked
from openhorizon.corpus.templates import Templates
from openhorizon.corpus.titles import Titles, folded

LARGEST = 2_100_000  # characters of an article; MediaWiki allows 2 MiB
WORK = (
    20_000_000  # characters the parser may have to read in vain, by `tangle`; takes it about 5 s at the worst
)
DEEPEST = 60  # nodes within nodes
PROSE_TAGS = names(
    "abbr b bdi bdo big blockquote br center chem cite code data dd del dfn div dl dt em font hiero i ins kbd li mark"
    " math nowiki ol onlyinclude noinclude p poem pre q rb rp rt ruby s samp section small source span strike strong sub"
    " sup syntaxhighlight time tt u ul var wbr"
)
BLOCK_TAGS = names("blockquote center div dl ol p section ul")
AS_IT_STANDS = names("nowiki math chem pre syntaxhighlight source hiero")
KEPT_LINES = names("poem pre syntaxhighlight source code")
_SWITCH = re.compile(r"__[^\W\d_]{3,}__|-\{|\}-")  # __NOTOC__, variants of a language
_DISAMBIGUATION = "__DISAMBIG__"
_EMPTY_BRACKETS = re.compile(r"\s*\((?:[\s;,:—–-]|\bor\b)*\)")
_BROKEN = re.compile(
    r"\[\[|\{\{|\{\||<ref\b", re.I
)  # opened and never closed: the rest of the line belongs to it
_STRAY = re.compile(r"\]\]|\}\}|\|\}|</?[a-z]+[^<>]*>", re.I)  # the words around it are sound
_QUOTES = re.compile(r"'{2,}")
_HEADING, _ITEM, _WRONG = (
    "\ue003",
    "\ue004",
    "\ue005",
)  # mark a line's kind, and broken markup, until lines are cut
_DEFINITION = re.compile(f"(?<=[^\n{_ITEM}]){_ITEM}")  # ;term: what it means
_TEXT, _INDENTED = "text", "indented"


@dataclass(frozen=True)
class Rules:
    """How the articles of one wiki are read."""

    corpus: str  # what ids start with
    titles: Titles
    templates: Templates
    tails: frozenset[str]  # headings, folded
    disambiguations: frozenset[str]  # templates, folded
    led: Callable[[str], str]  # canonical title -> the title that redirects lead it to


def article(title: str, text: str, rules: Rules) -> Paragraphs | str:
    """The paragraphs of an article, or why it has none."""
    import mwparserfromhell

    if len(text) > LARGEST:
        return f"article of more than {LARGEST:,} characters"
    if tangle(text) > WORK:
        return "tangled wikitext"
    code = mwparserfromhell.parse(unmarked(text))
    names = {rules.titles.template(str(t.name)).casefold() for t in code.filter_templates(recursive=False)}
    if names & rules.disambiguations or _DISAMBIGUATION in text:
        return "disambiguation"
    rules.templates.begin(title)
    paragraphs = Paragraphs()
    _cut(_Prose(rules, paragraphs).sections(code), paragraphs)
    if not any(not text.startswith("==") for text in paragraphs.texts):
        return "empty"
    return paragraphs


class _Prose:
    """Turns parsed wikitext into text with marked links, headings and list items."""

    def __init__(self, rules: Rules, paragraphs: Paragraphs) -> None:
        self._rules, self._paragraphs = rules, paragraphs

    def sections(self, code: Any) -> str:
        """The whole article, tail sections left out."""
        parts: list[str] = []
        dropping = 0  # level of the tail heading whose section is being dropped, 0: none
        for node in code.nodes:
            if type(node).__name__ == "Heading":
                title = self.plain(node.title)
                if dropping and node.level > dropping:
                    continue
                dropping = node.level if folded([title]) & self._rules.tails else 0
                if not dropping:
                    marks = "=" * node.level
                    parts.append(f"\n\n{_HEADING}{marks} {title} {marks}\n\n" if title else "\n\n")
            elif not dropping:
                parts.append(self._text(node, True, 0))
        return "".join(parts)

    def plain(self, code: Any) -> str:
        """The words alone."""
        return " ".join(unmarked(self._inner(code, False, 0)).split())

    def _inner(self, code: Any, linked: bool, depth: int) -> str:
        return "".join(self._text(node, linked, depth + 1) for node in code.nodes) if code is not None else ""

    def _text(self, node: Any, linked: bool, depth: int) -> str:
        """One node's text, with links marked if `linked`."""
        if depth > DEEPEST:
            return ""
        kind = type(node).__name__
        if kind == "Text":
            text = _SWITCH.sub("", _QUOTES.sub("", str(node.value)))
            return _STRAY.sub("", _BROKEN.sub(_WRONG, text))
        if kind == "HTMLEntity":
            return unmarked(node.normalize() or "")
        if kind == "Wikilink":
            return self._link(node, linked, depth)
        if kind == "ExternalLink":
            return self._inner(node.title, False, depth) if node.brackets else unmarked(str(node.url))
        if kind == "Tag":
            return self._tag(node, linked, depth)
        if kind == "Heading":  # inside another tag
            return f"\n\n{self.plain(node.title)}\n\n"
        if kind == "Template":
            import mwparserfromhell

            words = self._rules.templates.wikitext(node)
            return self._inner(mwparserfromhell.parse(words), linked, depth) if words else ""
        return ""  # arguments of templates, comments

    def _tag(self, node: Any, linked: bool, depth: int) -> str:
        name = str(node.tag).strip().lower()
        if name in ("li", "dd", "dt"):
            # a list item of wiki markup is an empty tag before its line
            return _ITEM if node.wiki_markup else f"\n{_ITEM}{self._inner(node.contents, linked, depth)}\n"
        if name == "br":
            return "\n"
        if name == "hr":
            return "\n\n"
        if name not in PROSE_TAGS:
            return ""
        if name in AS_IT_STANDS:
            inner = unmarked(html.unescape(str(node.contents or "")))
        else:
            inner = self._inner(node.contents, linked, depth)
        if name in KEPT_LINES and "\n" in inner:
            inner = "\n".join(_ITEM + line for line in inner.split("\n"))
            return f"\n\n{inner}\n\n"
        return f"\n\n{inner}\n\n" if name in BLOCK_TAGS else inner

    def _link(self, node: Any, linked: bool, depth: int) -> str:
        target = str(node.title).strip()
        if "{" in target:  # a template in the title
            target = self.plain(node.title)
        kind, title = self._rules.titles.meaning(target)
        if kind == "hidden":
            return ""
        anchor = " ".join(self._inner(node.text, False, depth).split()) if node.text is not None else ""
        anchor = anchor or target.lstrip(":").replace("_", " ")
        if kind == "shown" or not linked:
            return anchor
        return self._paragraphs.mark(anchor, f"{self._rules.corpus}/{self._rules.led(title)}")


def tangle(text: str) -> int:
    """An upper bound on the characters that the parser reads in vain: every opening that is never closed makes it go
    to the end and come back. Sound articles are a hundred times below `WORK`."""
    open_: list[str] = []
    unclosed = halves = 0  # halves: tags without their ">" or with one quotation mark too many
    for found in _TOKENS.finditer(text):
        token = found[0].lower()
        if tag := _NAME.match(token):
            if not token.endswith(">") or token.count('"') % 2:
                halves += 1
            elif not token.endswith("/>") and tag[1] not in _SINGLE:
                open_.append(tag[1])
        elif token in _CLOSES or token.startswith("</"):
            wanted = _CLOSES.get(token) or token[2:]
            while open_ and wanted in open_[-50:]:  # what stands open inside was never closed
                if open_.pop() == wanted:
                    break
                unclosed += 1
        else:
            open_.append(token)
    unclosed += len(open_)
    lines = sum(n * n for n in (line.count("''") for line in text.split("\n")) if n > 100)
    marks = sum(len(run) ** 2 for run in _MARKS.findall(text))
    return (unclosed + halves + halves * halves // 300) * len(text) + lines + marks


_TOKENS = re.compile(
    r"\{\{|\}\}|\{\||\|\}|\[\[|\]\]|\[(?=[a-z/])|\]|<!--|-->|</[a-z][a-z0-9]*|<[a-z][^<>]{0,500}>?", re.I
)
_NAME = re.compile(r"<([a-z][a-z0-9]*)")
_CLOSES = {"}}": "{{", "|}": "{|", "]]": "[[", "]": "[", "-->": "<!--"}
_SINGLE = names("br hr wbr li dd dt td th tr meta link img")
_MARKS = re.compile(r"^[*#:;]{50,}", re.M)


def _cut(marked: str, paragraphs: Paragraphs) -> None:
    """Split into paragraphs: blank lines part them; neighbouring list items make one, without links.

    A heading enters with the first paragraph below it: sections left empty by dropped tables leave no trace. Nor do
    lines that still hold markup, because it was broken.
    """
    headings: list[str] = []
    for block in re.split(r"\n\s*\n", marked):
        for kind, group in _grouped(block.split("\n")):
            lines = group if kind == _INDENTED else [line for line in group if not _debris(line)]
            whole = _DEFINITION.sub(": ", "\n".join(lines))
            text = _tidy(whole.replace(_ITEM, "").replace(_HEADING, ""))
            if kind == _HEADING:
                level = text.partition(" ")[0]
                headings = [h for h in headings if len(h.partition(" ")[0]) < len(level)] + [text]
            elif text:
                for heading in headings:
                    paragraphs.add(heading)
                headings = []
                paragraphs.add(text, keep_links=kind != _ITEM, keep_lines=kind != _TEXT)


def _grouped(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Neighbouring lines of a kind: headings, items, lines of their own (indented, two or more), running text."""
    runs = [(kind, list(group)) for kind, group in itertools.groupby(lines, key=_line_kind)]
    settled = [(_TEXT if kind == _INDENTED and len(run) < 2 else kind, run) for kind, run in runs]
    for kind, group in itertools.groupby(settled, key=lambda run: run[0]):
        yield kind, [line for _, run in group for line in run]


def _debris(line: str) -> bool:
    """True for a line of a box, table or link whose markup is broken: all that is left of it."""
    return _WRONG in line or line.lstrip()[:1] in ("|", "!") or "||" in line


def _line_kind(line: str) -> str:
    if line[:1] in (_HEADING, _ITEM):
        return line[0]
    return _INDENTED if line[:1] == " " and line.strip() else _TEXT


def _tidy(text: str) -> str:
    """What dropped templates leave behind: empty brackets, lonely punctuation."""
    text = _EMPTY_BRACKETS.sub("", text)
    text = re.sub(r"\(\s*[;,:]\s*", "(", re.sub(r"[;,:]\s*\)", ")", text))
    return re.sub(r"[ \xa0]+([,.;:])(?=\s|$)", r"\1", text).strip()
