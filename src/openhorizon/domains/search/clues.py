"""How a question points at a link without naming where it leads: a few words around it, with a blank for the anchor.

A clue is as short as it can be while it stands only once on its page: enough for a reader of the page, too common to
find the page by searching for it.
"""

import re

BLANK = "____"
LONGEST = 8  # words on either side
LEAST = 4  # words around the blank, both sides together
_WORD = re.compile(r"[^\W_]+")


def title_words(title: str) -> tuple[str, ...]:
    """The words that carry a name, folded; short words count only where there is nothing else."""
    words = tuple(_WORD.findall(title.casefold()))
    return tuple(w for w in words if len(w) > 2) or words


def akin(one: str, two: str) -> bool:
    """True where two folded words look like forms of one word: in many languages names change their endings."""
    if one == two:
        return True
    shared = 0
    for a, b in zip(one, two, strict=False):
        if a != b:
            break
        shared += 1
    return shared >= max(4, int(0.7 * max(len(one), len(two))))


def names_in(text: str, title: str) -> bool:
    """True where a word of the text is a form of a word of the title."""
    wanted = title_words(title)
    return any(akin(word, part) for word in _WORD.findall(text.casefold()) for part in wanted)


def near_duplicates(one: str, two: str) -> bool:
    """True for titles of which one only adds words to the other, in any inflection."""
    a, b = title_words(one), title_words(two)
    short, long = sorted((a, b), key=len)
    return all(any(akin(w, v) for v in long) for w in short)


def find(clue: str, text: str) -> tuple[str, ...]:
    """What stands in the blank, at every place of the text where the clue fits."""
    left, _, right = clue.partition(BLANK)
    pattern = rf"(?<!\w)(?={re.escape(left)}([^\n]{{1,80}}?){re.escape(right)}(?!\w))"
    return tuple(m[1] for m in re.finditer(pattern, text))


def clue_for(anchor: str, passage: str, page: str, secret: tuple[str, ...]) -> str:
    """The shortest clue for the link in the passage of a page's text, "" if there is none.

    `secret`: titles that must not show, in any form, in the words of the clue.
    """
    places = list(re.finditer(rf"(?<!\w){re.escape(anchor)}(?!\w)", passage))
    if len(places) != 1 or BLANK in passage:
        return ""
    start, end = places[0].span()
    line_start, line_end = passage.rfind("\n", 0, start) + 1, passage.find("\n", end)
    before, after = passage[line_start:start], passage[end : line_end if line_end >= 0 else None]
    for words in range(LEAST // 2, LONGEST + 1):
        left, right = _last_words(before, words), _first_words(after, words)
        if len(f"{left} {right}".split()) < LEAST or not right:
            continue
        if any(names_in(f"{left} {right}", title) for title in secret) or any(
            q in left + right for q in '"“”'
        ):
            return ""
        clue = f"{left}{BLANK}{right}"
        if find(clue, page) == (anchor,):
            return clue
    return ""


def _last_words(text: str, count: int) -> str:
    return text[m.start() :] if (m := re.search(rf"(?:\S+\s+){{0,{count - 1}}}\S+\s*$", text)) else ""


def _first_words(text: str, count: int) -> str:
    # Punctuation glued to the anchor is not a word of its own
    return m[0] if (m := re.match(rf"[^\s\w]*(?:\s*\S+){{0,{count}}}", text)) else ""
