"""The verifiable constraints, named and judged as IFEval does (strict): an id and its official arguments -> kept or not.

Where the official grader leans on a language detector, a sentence splitter or a tokenizer with learnt weights
(langdetect, nltk), we decide by rule: the two `change_case` kinds ask for common English words, sentences end at
a mark that no known abbreviation carries. On the recorded official verdicts that the tests read, all agree.
`language:response_language` is left out: it is nothing but the detector.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

Arguments = Mapping[str, Any]

_ABBREVIATIONS = re.compile(
    r"(mr|mrs|ms|dr|prof|st|vs|etc|inc|ltd|jr|sr|e\.g|i\.e|p\.m|a\.m|u\.s|fig|no|vol|p\.s|p\.p\.s|approx)"
)
_COMMON_ENGLISH = re.compile(
    "(a|about|after|all|also|an|and|are|as|ask|at|be|but|by|can|do|for|from|good|has|have|he|hello|here|i|if|in|is|it|"
    "its|like|more|my|night|no|not|of|on|one|or|our|she|so|some|that|the|there|these|they|this|to|very|was|we|what|"
    "when|which|who|will|with|world|write|you|your)"
)


def follows(kind: str, arguments: Arguments, text: str) -> bool:
    """Whether the text keeps the constraint; an empty text keeps none. KeyError names a kind we do not know.

    >>> follows("keywords:existence", {"keywords": ["lamp"]}, "A Lamp.")
    True
    """
    return bool(text.strip()) and CHECKS[kind](text, arguments)


def words(text: str) -> list[str]:
    """The words that the length constraints count."""
    return re.findall(r"\w+", text)


def sentences(text: str) -> int:
    """How many sentences: a run of . ! ? ends one where white space and something else follow."""
    count = 0
    pieces = re.split(r"(?<=[.!?])[\"')*\]]*\s+(?=\S)", text.strip())
    for i, piece in enumerate(pieces):
        last = piece.split()[-1] if piece.split() else ""
        known = last.endswith(".") and _ABBREVIATIONS.fullmatch(last.rstrip(".").lstrip("(\"'*").lower())
        enumerated = re.fullmatch(r"\d+\.", piece.strip().splitlines()[-1]) if piece.strip() else None
        lowercase_next = last.endswith("..") and i + 1 < len(pieces) and pieces[i + 1][:1].islower()
        if i + 1 == len(pieces) or not (known or enumerated or lowercase_next):
            count += 1
    return count if text.strip() else 0


def _relation(count: int, relation: str, bound: float) -> bool:
    return count < bound if relation == "less than" else count >= bound


def _english(text: str) -> bool:
    """At least one word in seven is a common English one, and no letter is outside A to Z."""
    found = re.findall(r"[^\W\d_]+", text.lower())
    plain = all(word.isascii() for word in found)
    several = [word for word in found if len(word) > 1]
    return (
        plain
        and bool(several)
        and sum(bool(_COMMON_ENGLISH.fullmatch(word)) for word in several) * 7 >= len(found)
    )


def _number_paragraphs(text: str, a: Arguments) -> bool:
    paragraphs = re.split(r"\s?\*\*\*\s?", text)
    if any(not p.strip() for p in paragraphs[1:-1]):
        return False
    ends = [p for p in {0, len(paragraphs) - 1} if not paragraphs[p].strip()]
    return len(paragraphs) - len(ends) == a["num_paragraphs"]


def _nth_paragraph_first_word(text: str, a: Arguments) -> bool:
    paragraphs = text.split("\n\n")
    count = sum(bool(p.strip()) for p in paragraphs)
    nth = int(a["nth_paragraph"])
    if nth > count or not paragraphs[nth - 1].strip():
        return False
    first = paragraphs[nth - 1].split()[0].lstrip("'").lstrip('"')
    first = re.split(r"[.,?!'\"]", first, maxsplit=1)[0].lower()
    return count == a["num_paragraphs"] and first == a["first_word"].lower()


def _highlights(text: str, a: Arguments) -> bool:
    single = re.findall(r"\*[^\n\*]*\*", text)
    double = re.findall(r"\*\*[^\n\*]*\*\*", text)
    count = sum(bool(h.strip("*").strip()) for h in single)
    count += sum(bool(h.removeprefix("**").removesuffix("**").strip()) for h in double)
    return count >= a["num_highlights"]


def _bullets(text: str, a: Arguments) -> bool:
    stars = re.findall(r"^\s*\*[^\*].*$", text, flags=re.M)
    dashes = re.findall(r"^\s*-.*$", text, flags=re.M)
    return len(stars) + len(dashes) == a["num_bullets"]


def _sections(text: str, a: Arguments) -> bool:
    return len(re.split(rf"\s?{a['section_spliter'].strip()}\s?\d+\s?", text)) - 1 >= a["num_sections"]


def _title(text: str, a: Arguments) -> bool:
    return any(title.lstrip("<").rstrip(">").strip() for title in re.findall(r"<<[^\n]+>>", text))


def _json(text: str, a: Arguments) -> bool:
    body = text.strip()
    for fence in ("```json", "```Json", "```JSON", "```"):
        body = body.removeprefix(fence)
    try:
        json.loads(body.removesuffix("```").strip())
    except (ValueError, RecursionError):
        return False
    return True


def _postscript(text: str, a: Arguments) -> bool:
    marker = a["postscript_marker"].strip()
    patterns = {"P.P.S": r"\s*p\.\s?p\.\s?s.*$", "P.S.": r"\s*p\.\s?s\..*$"}
    pattern = patterns.get(marker, rf"\s*{marker.lower()}.*$")
    return bool(re.search(pattern, text.lower(), flags=re.M))


def _two_responses(text: str, a: Arguments) -> bool:
    parts = text.split("******")
    if any(not p.strip() for p in parts[1:-1]):
        return False
    said = [p.strip() for p in parts if p.strip()]
    return len(said) == 2 and said[0] != said[1]


def _keyword_frequency(text: str, a: Arguments) -> bool:
    count = len(re.findall(a["keyword"].strip(), text, flags=re.I))
    return _relation(count, a["relation"], a["frequency"])


def _capital_words(text: str, a: Arguments) -> bool:
    found = re.findall(r"[^\s,;:!?()\[\]{}\"'`]+", text)  # a hyphened word counts as one
    return _relation(sum(word.isupper() for word in found), a["capital_relation"], a["capital_frequency"])


def _quotation(text: str, a: Arguments) -> bool:
    body = text.strip()
    return len(body) > 1 and body[0] == body[-1] == '"'


CHECKS: dict[str, Callable[[str, Arguments], bool]] = {
    "keywords:existence": lambda t, a: all(re.search(k, t, flags=re.I) for k in a["keywords"]),
    "keywords:frequency": _keyword_frequency,
    "keywords:forbidden_words": lambda t, a: (
        not any(re.search(rf"\b{w}\b", t, flags=re.I) for w in a["forbidden_words"])
    ),
    "keywords:letter_frequency": lambda t, a: _relation(
        Counter(t.lower())[a["letter"].lower()], a["let_relation"], a["let_frequency"]
    ),
    "length_constraints:number_words": lambda t, a: _relation(len(words(t)), a["relation"], a["num_words"]),
    "length_constraints:number_sentences": lambda t, a: _relation(
        sentences(t), a["relation"], a["num_sentences"]
    ),
    "length_constraints:number_paragraphs": _number_paragraphs,
    "length_constraints:nth_paragraph_first_word": _nth_paragraph_first_word,
    "detectable_content:number_placeholders": lambda t, a: (
        len(re.findall(r"\[.*?\]", t)) >= a["num_placeholders"]
    ),
    "detectable_content:postscript": _postscript,
    "detectable_format:number_bullet_lists": _bullets,
    "detectable_format:number_highlighted_sections": _highlights,
    "detectable_format:multiple_sections": _sections,
    "detectable_format:title": _title,
    "detectable_format:json_format": _json,
    "detectable_format:constrained_response": lambda t, a: any(
        f"My answer is {w}." in t for w in ("yes", "no", "maybe")
    ),
    "combination:repeat_prompt": lambda t, a: (
        t.strip().lower().startswith(a["prompt_to_repeat"].strip().lower())
    ),
    "combination:two_responses": _two_responses,
    "startend:end_checker": lambda t, a: (
        t.strip().strip('"').lower().endswith(a["end_phrase"].strip().lower())
    ),
    "startend:quotation": _quotation,
    "change_case:english_lowercase": lambda t, a: t.islower() and _english(t),
    "change_case:english_capital": lambda t, a: t.isupper() and _english(t),
    "change_case:capital_word_frequency": _capital_words,
    "punctuation:no_comma": lambda t, a: "," not in t,
}
