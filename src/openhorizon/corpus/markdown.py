"""A Markdown page: title, paragraphs, links. A link may name its relation by its title, `"relation: mayor"`."""

import tomllib
from typing import Any

from openhorizon.corpus.hypertext import add_html
from openhorizon.corpus.paragraphs import Paragraphs, mostly_links, unmarked
from openhorizon.corpus.places import Places

RELATION = "relation:"


def markdown_page(path: str, places: Places, source: str) -> tuple[str, Paragraphs]:
    """Title (front matter, else first heading of level 1) and paragraphs of a Markdown page."""
    title, source = _front_matter(source)
    paragraphs, lists, heading = Paragraphs(), 0, ""
    row: list[str] | None = None  # cells of the table row that is being read
    for token in _parser(path, places).parse(source):
        if token.type in ("list_item_open", "list_item_close"):
            lists += token.nesting
        heading = (
            token.tag if token.type == "heading_open" else "" if token.type == "heading_close" else heading
        )
        if token.type in ("fence", "code_block"):
            paragraphs.add(token.content, keep_lines=True)
        elif token.type == "html_block":
            add_html(path, places, token.content, paragraphs)
        elif token.type == "tr_open":
            row = []
        elif token.type == "tr_close":
            paragraphs.add(" | ".join(cell for cell in row or () if cell.strip()))
            row = None
        elif token.type == "inline":
            marked = _inline(path, places, token.children or [], paragraphs)
            if row is not None:
                row.append(marked)
            elif heading == "h1" and not title:
                title = token.content.strip()
            elif not (heading == "h1" and token.content.strip() == title):
                paragraphs.add(marked, keep_links=not heading and not (lists and mostly_links(marked)))
    return title, paragraphs


def _parser(path: str, places: Places) -> Any:
    """CommonMark with tables, strike-outs and `[[Page]]`, `[[Page|words]]`, `![[embedded]]`."""
    from markdown_it import MarkdownIt

    def page_link(state: Any, silent: bool) -> bool:
        embedded = state.src.startswith("![[", state.pos)
        if not embedded and not state.src.startswith("[[", state.pos):
            return False
        begin = state.pos + (3 if embedded else 2)
        end = state.src.find("]]", begin, begin + 500)
        inside = state.src[begin:end] if end >= 0 else ""
        if not inside or any(c in inside for c in "[]\n") or state.src[end + 2 : end + 3] in ("(", "["):
            return False  # [[text]](address) is an ordinary link
        name, bar, words = inside.partition("|")
        target = places.named(name, path)
        if not (target or bar or embedded):
            return False  # [[nodiscard]] is what it is
        if not silent and not embedded:
            if target:
                state.push("link_open", "a", 1).meta = {"target": target}
            state.push("text", "", 0).content = words.strip() or name.strip()
            if target:
                state.push("link_close", "a", -1)
        state.pos = end + 2
        return True

    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    parser.inline.ruler.before("link", "page_link", page_link)
    return parser


def _front_matter(source: str) -> tuple[str, str]:
    """The title that a YAML or TOML head gives ("" if none) and the source without that head."""
    fence = source[:3]
    if fence not in ("---", "+++") or source[3:4] != "\n" or f"\n{fence}" not in source[3:]:
        return "", source
    head, _, rest = source[4:].partition(f"\n{fence}")
    return _title(head, fence), rest.partition("\n")[2]


def _title(head: str, fence: str) -> str:
    import yaml

    try:
        known = yaml.safe_load(head) if fence == "---" else tomllib.loads(head)
    except (yaml.YAMLError, tomllib.TOMLDecodeError, ValueError, RecursionError):
        return ""
    title = known.get("title") if isinstance(known, dict) else None
    return " ".join(str(title).split()) if isinstance(title, (str, int, float)) else ""


def _inline(path: str, places: Places, tokens: list[Any], paragraphs: Paragraphs) -> str:
    """The inline tokens as text, links into the corpus marked."""
    whole: list[str] = []
    anchor: list[str] = []
    target, relation, inside = "", "", False

    def close() -> None:
        nonlocal inside
        text = "".join(anchor)
        whole.append(paragraphs.mark(text, target, relation) if target else text)
        anchor.clear()
        inside = False

    for token in tokens:
        opened = _html_link(token.content) if token.type == "html_inline" else None
        if token.type == "link_open" or opened is not None:
            if inside:
                close()
            href, note = opened or (str(token.attrGet("href") or ""), str(token.attrGet("title") or ""))
            target = token.meta.get("target") or places.target(href, path)
            relation = note[len(RELATION) :].strip() if note.startswith(RELATION) else ""
            inside = True
        elif token.type == "link_close" or (token.type == "html_inline" and token.content.lower() == "</a>"):
            if inside:
                close()
        else:
            (anchor if inside else whole).append(_words(token))
    if inside:
        close()
    return "".join(whole)


def _words(token: Any) -> str:
    if token.type in ("softbreak", "hardbreak") or (
        token.type == "html_inline" and token.content.lower().startswith("<br")
    ):
        return " "
    return "" if token.type in ("html_inline", "image") else unmarked(token.content)


def _html_link(tag: str) -> tuple[str, str] | None:
    """Address and title of an `<a>` written as HTML, None for any other tag."""
    if not tag.lower().startswith(("<a ", "<a\n")):
        return None
    from bs4 import BeautifulSoup

    found = BeautifulSoup(tag, "lxml").a
    if found is None:
        return None
    relation = str(found.get("data-relation") or "")
    note = f"{RELATION} {relation}" if relation else str(found.get("title") or "")
    return str(found.get("href") or ""), note
