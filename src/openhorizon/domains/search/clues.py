"""How a question points at a link without naming where it leads: the clause it stands in, with a blank for the anchor.

What would tell too much is left out: names, figures and rare words become gaps. A clue fits once on its page; of the
many that could be cut the fullest come first, and a proposer that finds one too telling takes a barer one. What is
left are common words, so that nobody finds the page by searching for the clue, and nobody who only knows the world can
fill the blank.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby

BLANK = "____"
GAP = "[…]"  # words left out
CUT = "…"  # at an end of a clue: the sentence goes on
LEAST, BEST, MOST = 3, 10, 20  # words of the page that a clue shows at least; of the clause it is made from
FULL = 0.4  # least share of the clause's words that are shown
CLAUSES = 12  # most clauses around a link that are tried
WINDOWS = (
    (3, 3),
    (2, 3),
    (3, 2),
    (2, 2),
    (1, 3),
    (3, 1),
    (1, 2),
    (2, 1),
)  # words on either side, where clauses tell too much
STRETCH = 80  # most characters of a gap or a blank
GAPS = 3  # most gaps of a clue
COMMON = 0.05  # a word on more than this share of the pages names nothing ("county", "river")
RARE = (0.002, 0.005, 0.01, 0.02, 0.04)  # shares of the pages: words on fewer are left out, step by step
SAME_SAID = 5  # pages that may say the same of a figure
_SAID = re.compile(r"\d{3,}\s+\w+\s+\w+\s+\w+")
_WORD = re.compile(r"[^\W_]+")
_ENDS = re.compile(
    r"(?<=[^\W\d_]{3}|..[\d)»”\"])[.!?]+(?=\s+[^\Wa-z_]|\s*$)"
)  # of sentences, not of short words
_BEGINS = re.compile(r"(?<=[.!?])\s+|\n+")  # where sentences may begin
_BREAKS = re.compile(r"[,;:()]|\s[—–-]\s")  # of clauses
_UNSOUND = re.compile(
    rf"[\"“”«»„]|{re.escape(GAP)}\w|{re.escape(GAP)}\s*{BLANK}|{BLANK}\s*{re.escape(GAP)}|^[^\w\[_]+{BLANK}|{BLANK} [IVX]+\b"
)
_FIGURE = re.compile(
    r"(?<![\w.,:/–-])(?:\d+[.,]\d+|\d[\d ]*\d\d)(?![\w:/–-]|[.,]\d)"
)  # hard to guess: three digits, or a fraction
_NAMES = re.compile(
    r"(?<=[^\W_] )[^\W\d_]{3,}(?: [^\W\d_]{3,})*(?!\w)"
)  # a run of words that does not begin a sentence
_INITIALS = re.compile(r"(?<![^\s(])[^\W\d_]\.\s*(?=[^\W\d_])")
_BRACKETS = re.compile(r"\([^()]*\)")


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
    """On how many pages each word stands, and on how many in small letters."""

    def __init__(self, texts: Iterable[str]):
        self.pages = 0
        self.counts: Counter[str] = Counter()
        self._small: Counter[str] = Counter()
        self._figures: Counter[str] = Counter()  # with the words after them
        for text in texts:
            self.pages += 1
            words = set(_WORD.findall(text))
            self._figures.update(set(_SAID.findall(text)))
            self.counts.update({w.casefold() for w in words})
            self._small.update(w for w in words if w[0].islower())

    def is_name(self, word: str) -> bool:
        """True for a word with a capital that hardly ever goes without. Languages that write nouns so give many."""
        return word[:1].isupper() and self._small[word.casefold()] <= 0.1 * self.counts[word.casefold()]

    def is_said_often(self, figure: str, passage: str) -> bool:
        """True where the figure and the words after it in the passage stand on several pages: what holds of many things."""
        said = (s for s in _SAID.findall(passage) if s.startswith(figure))
        return any(self._figures[s] > SAME_SAID for s in said)

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
    """What can stand in the blank, at every place of the text where the clue fits. A gap is up to STRETCH characters of
    one line, and every way of filling the gaps counts, so that one find is what a person would find too."""
    left, _, right = clue.removeprefix(f"{CUT} ").removesuffix(f" {CUT}").partition(BLANK)
    left, right = left.removeprefix(GAP).lstrip(), right.removesuffix(GAP).rstrip()
    if not right or (not left and clue.startswith(CUT)):  # nothing that bounds the blank
        return ()
    starts = _reached(text, left.split(GAP)) if left else {0, *(m.end() for m in _BEGINS.finditer(text))}
    after = [part[::-1] for part in reversed(right.split(GAP))]
    ends = sorted(len(text) - at for at in _reached(text[::-1], after))
    found = []
    for start in sorted(starts):
        end = next((e for e in ends if e > start), None)
        nearer = end is not None and any(start < s < end for s in starts)
        if end is None or nearer or end - start > STRETCH or "\n" in text[start:end]:
            continue
        found.append(text[start:end])
    return tuple(found)


def _reached(text: str, parts: list[str]) -> set[int]:
    """Where the last of these parts may end, with gaps between them."""
    ends = {m.end() for m in re.finditer(rf"(?<!\w){re.escape(parts[0])}", text)}
    for part in parts[1:]:
        far = {e: min(e + STRETCH, stop if (stop := text.find("\n", e)) >= 0 else len(text)) for e in ends}
        wanted = re.compile(rf"(?={re.escape(part)})")
        ends = {m.start() + len(part) for e, to in far.items() for m in wanted.finditer(text, e + 1, to)}
    return {e for e in ends if not (text[e - 1 : e].isalnum() and text[e : e + 1].isalnum())}


def clues_for(
    anchor: str, passage: str, page: str, words: Words, secret: Iterable[str] = ()
) -> Iterator[str]:
    """The clues for the first place of the anchor in the passage that fit only once in the page's text; the fullest
    first, then barer ones. Forms of the `secret` words are left out; none for an anchor that only translates a word."""
    place = re.search(rf"(?<!\w){re.escape(anchor)}(?!\w)", passage)
    if place is None or BLANK in passage or GAP in passage or CUT in passage:
        return
    hidden, seen = tuple(secret), set()
    clauses = list(_clauses(passage, *place.span()))
    for share in RARE:
        for start, end, whole in clauses:
            at = place.start() - start, place.end() - start
            clue = _masked(passage[start:end], *at, share * words.pages, words, hidden, begins=whole[0])
            if not clue or clue in seen:
                continue
            seen.add(clue)
            clue = _ended(clue, *whole)
            if find(clue, page) == (anchor,):
                yield clue


def _clauses(passage: str, start: int, end: int) -> Iterator[tuple[int, int, tuple[bool, bool]]]:
    """Places of clauses around the anchor, those of about BEST words first, then a few words; each with whether it
    begins and ends with the sentence."""
    first = passage.rfind("\n", 0, start) + 1
    last = stop if (stop := passage.find("\n", end)) >= 0 else len(passage)
    for mark in _ENDS.finditer(passage, first, last):
        if mark.end() <= start:
            first = mark.end()
        elif mark.start() >= end:
            last = mark.end()
            break
    first += len(passage[first:last]) - len(passage[first:last].lstrip())
    for group in _BRACKETS.finditer(passage, first, last):
        if group.start() < start and end < group.end() and ":" in group[0]:
            return  # "(Latvian: x)" asks for the name of a language
    aside = [g.span() for g in _BRACKETS.finditer(passage, first, last) if not g.start() < start < g.end()]
    inner = [
        m
        for m in _BREAKS.finditer(passage, first, last)
        if not start < m.end() <= end and not any(a <= m.start() < b for a, b in aside)
    ]
    lefts = [first, *(m.end() for m in inner if m.end() <= start)]
    rights = [*(m.start() + (m[0] in ",;:)") for m in inner if m.start() >= end), last]
    found = []
    for left in lefts:
        for right in rights:
            shown = len(_WORD.findall(passage[left:start])) + len(_WORD.findall(passage[end:right]))
            if LEAST <= shown <= MOST:
                left += len(passage[left:start]) - len(passage[left:start].lstrip())
                found.append((abs(shown - BEST), left, right))
    places = [(left, right) for _, left, right in sorted(found)][:CLAUSES]
    before = [m.start() for m in _WORD.finditer(passage, first, start)]
    after = [m.end() for m in _WORD.finditer(passage, end, last)]
    for back, on in WINDOWS:
        if back <= len(before) and on <= len(after):
            places.append((before[-back], after[on - 1]))
    for left, right in dict.fromkeys(places):
        yield left, right, (left == first, right == last)


def _masked(
    text: str, start: int, end: int, rare: float, words: Words, secret: tuple[str, ...], *, begins: bool
) -> str:
    """The clause with the blank in place of [start, end) and gaps for what tells too much; "" where too little is left."""
    left, right = (_gapped(side, rare, words, secret) for side in (text[:start], text[end:]))
    clue = f"{left}{BLANK}{right}"
    shown = [w for w in _WORD.findall(clue) if w.strip("_")]
    of = len(_WORD.findall(text[:start])) + len(_WORD.findall(text[end:]))
    least = max(LEAST, FULL * of, 1.5 * clue.count(GAP))
    enough = len(shown) >= least and sum(len(w) > 3 for w in shown) >= 2 and clue.count(GAP) <= GAPS
    after = [w for w in _WORD.findall(right) if w.strip("_")]
    bounded = (left.strip() or begins) and right.strip() and (not after or any(len(w) > 2 for w in after))
    sound = bounded and not _UNSOUND.search(clue) and clue.count("(") == clue.count(")")
    return clue.strip() if enough and sound else ""


def _ended(clue: str, begins: bool, ends: bool) -> str:
    """The clue with a mark at an end where its sentence goes on; a gap there says nothing more."""
    gap = re.escape(GAP)
    if not begins:
        clue = f"{CUT} " + re.sub(rf"^{gap}[,;:]?\s*", "", clue)
    if not ends:
        clue = re.sub(rf"[,;:]?\s*{gap}[,;:]?$", "", clue) + f" {CUT}"
    return clue


def facts_in(passage: str, words: Words) -> Iterator[str]:
    """Figures, and names that are not on many pages, inside the sentences of a passage; each once."""
    figures = (m[0] for m in _FIGURE.finditer(passage) if not m[0].endswith("00"))  # round ones are guessed
    few = max(2, RARE[-2] * words.pages)
    names = (" ".join(group) for m in _NAMES.finditer(passage) for group in _capitalised(m[0].split()))
    rare = (
        n
        for n in names
        if min(words.counts[w.casefold()] for w in n.split()) <= few and all(map(words.is_name, n.split()))
    )
    yield from dict.fromkeys((*(f for f in figures if not words.is_said_often(f, passage)), *rare))


def _capitalised(run: list[str]) -> Iterator[list[str]]:
    """The stretches of up to four words with capitals."""
    for capital, group in groupby(run, key=lambda w: w[0].isupper()):
        found = list(group)
        if capital and len(found) <= 4 and not any(w.isupper() for w in found):
            yield found


def _gapped(side: str, rare: float, words: Words, secret: tuple[str, ...]) -> str:
    """One side of a clue with gaps for names, figures, rare words, secret words and remarks in brackets."""

    def word(match: re.Match[str]) -> str:
        text = match[0]
        tells = words.is_name(text) or words.counts[text.casefold()] <= rare or any(c.isdigit() for c in text)
        return GAP if tells or names_in(text, secret) else text

    gap = re.escape(GAP)
    marked = _WORD.sub(
        word, _INITIALS.sub(lambda m: GAP if m[0][0].isupper() else m[0], _BRACKETS.sub(f"({GAP})", side))
    )
    marked = re.sub(rf"\({gap}\)|[-–+]{gap}", GAP, marked)
    return re.sub(rf"{gap}(?:(?:[^\w\n]|\b\w{{1,2}}\b)*{gap})+", GAP, marked)
