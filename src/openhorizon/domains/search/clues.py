"""How a question points at a link without naming where it leads: a few words around it, with a blank for the anchor.

A clue stands only once on its page, and of all such windows it has the commonest words: enough for a reader of the
page, too little to find the page by searching for it.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator

BLANK = "____"
SIDE = 6  # most words on either side
LEAST, MOST = 4, 8  # words around the blank, both sides together
COMMON = 0.05  # a word on more than this share of the pages names nothing ("county", "river")
SENTENCE_END = 3.0  # what a clue that runs over the end of a sentence costs, against log-rarity of words
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


class Words:
    """On how many pages each word stands."""

    def __init__(self, texts: Iterable[str]):
        self.pages = 0
        self.counts: Counter[str] = Counter()
        for text in texts:
            self.pages += 1
            self.counts.update(set(_WORD.findall(text.casefold())))

    def rarity(self, text: str) -> float:
        """How much the words of the text tell together: the sum of their log inverse frequencies."""
        words = _WORD.findall(text.casefold())
        return sum(math.log((self.pages + 1) / (self.counts[word] + 0.5)) for word in words)

    def telling(self, title: str) -> tuple[str, ...]:
        """The words of a title that name the thing; all of them where every one is common."""
        words = title_words(title)
        return tuple(w for w in words if self.counts[w] <= max(3, COMMON * self.pages)) or words


def names_in(text: str, name_words: Iterable[str]) -> bool:
    """True where a word of the text is a form of one of these words."""
    wanted = tuple(name_words)
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


def clues_for(anchor: str, passage: str, page: str, words: Words) -> Iterator[str]:
    """The clues for the first place of the anchor in the passage that fit only once in the page's text, the one of the
    commonest words first."""
    place = re.search(rf"(?<!\w){re.escape(anchor)}(?!\w)", passage)
    if place is None or BLANK in passage:
        return
    start, end = place.span()
    line_end = passage.find("\n", end)
    before = passage[passage.rfind("\n", 0, start) + 1 : start]
    after = passage[end : line_end if line_end >= 0 else None]
    windows = {
        (_last_words(before, left), _first_words(after, right))
        for left in range(SIDE + 1)
        for right in range(SIDE + 1)
        if LEAST <= left + right <= MOST
    }
    for _, left, right in sorted((_cost(left, right, words), left, right) for left, right in windows):
        enough = len(f"{left} {right}".split()) >= LEAST and right.strip()
        if (
            enough
            and not any(q in left + right for q in '"“”')
            and find(f"{left}{BLANK}{right}", page) == (anchor,)
        ):
            yield f"{left}{BLANK}{right}"


def _cost(left: str, right: str, words: Words) -> float:
    ends = len(re.findall(r"[.!?](?=\s|$)", left)) + len(re.findall(r"[.!?]\s", right))
    return words.rarity(f"{left} {right}") + SENTENCE_END * ends


def _last_words(text: str, count: int) -> str:
    """The end of the text that holds `count` words, spaces and marks after them included."""
    return (
        text[m.start() :]
        if (m := re.search(rf"(?:\S+\s+){{0,{max(0, count - 1)}}}\S+\s*$", text)) and count
        else ""
    )


def _first_words(text: str, count: int) -> str:
    """The start of the text that holds `count` words; marks glued to the anchor are not a word of their own."""
    return m[0] if (m := re.match(rf"[^\s\w]*(?:\s*\S+){{0,{count}}}", text)) else ""
