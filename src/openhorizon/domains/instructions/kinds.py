"""The kinds of constraints that prompts are composed of: how arguments are drawn, how they are said, what clashes."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from openhorizon.domains.domain import Size
from openhorizon.domains.instructions.wording import ENDINGS, GOODS, NOUNS, QUALITIES
from openhorizon.domains.names import split_of
from openhorizon.records import Split

Arguments = dict[str, Any]


@dataclass(frozen=True)
class Draw:
    """What arguments are drawn from."""

    rng: random.Random
    split: Split
    size: Size
    minimum: int  # words that the prompt asks for anyhow

    def number(self, mini: tuple[int, ...], full: tuple[int, ...]) -> int:
        return self.rng.choice(mini if self.size == "mini" else full)

    def keywords(self) -> list[str]:
        """Two (full size: three) words whose joint name belongs to the split, in any order.

        So many pairs that copying them is less to learn than remembering them.
        """
        while True:
            drawn: list[str] = self.rng.sample(NOUNS + GOODS, 2 if self.size == "mini" else 3)
            if split_of(" ".join(sorted(drawn))) is self.split:
                return drawn


@dataclass(frozen=True)
class Kind:
    """One kind of constraint. `clashes` holds groups; two kinds that share a group are never composed."""

    id: str  # IFEval's
    draw: Callable[[Draw], Arguments]
    mini: str  # the phrase, formatted with the arguments
    full: str
    groups: frozenset[str] = frozenset()
    full_only: bool = False

    def phrase(self, arguments: Mapping[str, Any], size: Size) -> str:
        said = {k: " and ".join(v) if isinstance(v, list) else v for k, v in arguments.items()}
        return (self.mini or self.full if size == "mini" else self.full).format(**said)


def _nothing(d: Draw) -> Arguments:
    return {}


def _words(d: Draw) -> Arguments:
    if d.rng.random() < 0.5:
        return {
            "relation": "at least",
            "num_words": d.minimum + d.number((3, 5, 7), (10, 20, 30)),
        }
    return {"relation": "less than", "num_words": d.minimum + d.number((3, 6), (15, 20, 30))}


def _sentences(d: Draw) -> Arguments:
    if d.rng.random() < 0.7:
        return {"relation": "at least", "num_sentences": d.number((2, 3, 4), (5, 7, 9))}
    return {"relation": "less than", "num_sentences": d.number((2, 3), (8, 10))}


def _frequency(d: Draw) -> Arguments:
    word = d.rng.choice(d.keywords())
    return {"relation": "at least", "keyword": word, "frequency": d.number((2, 3), (3, 4, 5))}


def _letter(d: Draw) -> Arguments:
    return {
        "let_relation": "less than",
        "letter": d.rng.choice("qxzj"),
        "let_frequency": d.number((2,), (2, 3)),
    }


def _nth(d: Draw) -> Arguments:
    count = d.rng.randint(2, 4)
    word = d.rng.choice(("today", "still", "often", "here"))
    return {"num_paragraphs": count, "nth_paragraph": d.rng.randint(1, count), "first_word": word}


def _g(*groups: str) -> frozenset[str]:
    return frozenset(groups)


KINDS = (
    Kind("keywords:existence", lambda d: {"keywords": d.keywords()}, "Use the words {keywords}.",
         "Include the keywords {keywords}."),
    Kind("keywords:frequency", _frequency, "Use the word {keyword} {relation} {frequency} times.",
         "The word {keyword} should appear {relation} {frequency} times."),
    Kind("keywords:forbidden_words",
         lambda d: {"forbidden_words": sorted(d.rng.sample(QUALITIES, 2 if d.size == "mini" else 4))},
         "Avoid {forbidden_words}.", "Do not include any of the words {forbidden_words}."),
    Kind("length_constraints:number_words", _words, "Use {relation} {num_words} words.",
         "Answer with {relation} {num_words} words.", _g("repeat")),
    Kind("length_constraints:number_sentences", _sentences, "Use {relation} {num_sentences} sentences.",
         "Your response should contain {relation} {num_sentences} sentences.", _g("repeat", "sections")),
    Kind("detectable_format:number_bullet_lists", lambda d: {"num_bullets": d.number((2, 3), (3, 4, 5))},
         "Use exactly {num_bullets} bullets.",
         "Your answer must contain exactly {num_bullets} bullet points, each on its own line that starts with *.",
         _g("layout", "quote", "json", "repeat")),
    Kind("length_constraints:number_paragraphs", lambda d: {"num_paragraphs": d.number((2, 3), (2, 3, 4))},
         "Use exactly {num_paragraphs} paragraphs parted by ***.",
         "There should be {num_paragraphs} paragraphs, separated with the markdown divider ***.",
         _g("layout", "json", "repeat")),
    Kind("detectable_format:title", _nothing, "Add a title in << >>.",
         "Your answer must contain a title, wrapped in double angular brackets, such as <<poem of joy>>.",
         _g("title", "quote", "json", "repeat")),
    Kind("detectable_format:json_format", _nothing, "Write it as json.",
         "Entire output should be wrapped in JSON format. You can use markdown ticks such as ```.",
         _g("layout", "json", "quote", "end", "repeat", "title", "postscript")),
    Kind("detectable_format:number_highlighted_sections", lambda d: {"num_highlights": d.number((1, 2), (2, 3))},
         "Highlight at least {num_highlights} parts with * *.",
         "Highlight at least {num_highlights} sections in your answer with markdown, i.e. *highlighted section*."),
    Kind("detectable_content:number_placeholders", lambda d: {"num_placeholders": d.number((2, 3), (2, 3, 4))},
         "Add at least {num_placeholders} marks [name].",
         "The response must contain at least {num_placeholders} placeholders in square brackets, such as [address]."),
    Kind("detectable_content:postscript", lambda d: {"postscript_marker": "P.S."}, "Add a postscript with P.S.",
         "At the end of your response, please explicitly add a postscript starting with {postscript_marker}",
         _g("postscript", "repeat")),
    Kind("change_case:english_lowercase", _nothing, "Use no capital letters.",
         "Your entire response should be in English, and in all lowercase letters.", _g("case", "repeat")),
    Kind("change_case:english_capital", _nothing, "",
         "Your entire response should be in English, and in all capital letters.", _g("case", "repeat"), True),
    Kind("startend:end_checker", lambda d: {"end_phrase": d.rng.choice(ENDINGS)}, "End with: {end_phrase}",
         "Finish your response with this exact phrase, and nothing after it: {end_phrase}", _g("end")),
    Kind("startend:quotation", _nothing, "Put all in double quotes.",
         "Wrap your entire response with double quotation marks.", _g("quote", "repeat")),
    Kind("punctuation:no_comma", _nothing, "Use no commas.",
         "In your entire response, refrain from the use of any commas."),
    Kind("combination:repeat_prompt", _nothing, "First repeat the first sentence.",
         "First repeat the first sentence of this request word for word, then give your answer; say nothing before it.",
         _g("repeat")),
    Kind("combination:two_responses", _nothing, "",
         "Give two different responses, separated by 6 asterisk symbols: ******.",
         _g("layout", "json", "end", "title", "repeat", "quote", "postscript"), True),
    Kind("detectable_format:multiple_sections",
         lambda d: {"section_spliter": "SECTION", "num_sections": d.rng.randint(2, 4)}, "",
         "Your response must have {num_sections} sections. Mark the beginning of each with {section_spliter} X.",
         _g("layout", "json", "repeat", "case", "sections"), True),
    Kind("length_constraints:nth_paragraph_first_word", _nth, "",
         "There should be {num_paragraphs} paragraphs, separated by two new lines only, and paragraph "
         "{nth_paragraph} must start with the word {first_word}.",
         _g("layout", "json", "repeat", "quote", "title", "postscript"), True),
    Kind("keywords:letter_frequency", _letter, "",
         "The letter {letter} should appear {let_relation} {let_frequency} times.", _g("letter"), True),
    Kind("change_case:capital_word_frequency",
         lambda d: {"capital_relation": "at least", "capital_frequency": d.rng.randint(1, 3)}, "",
         "Words with all capital letters should appear {capital_relation} {capital_frequency} times.",
         _g("case", "highlight"), True),
)  # fmt: skip
BY_ID = {kind.id: kind for kind in KINDS}


def draw_kinds(rng: random.Random, count: int, size: Size) -> tuple[Kind, ...]:
    """`count` kinds that share no group, in a drawn order."""
    chosen: list[Kind] = []
    pool = [k for k in KINDS if size == "full" or not k.full_only]
    for kind in rng.sample(pool, len(pool)):
        if len(chosen) < count and not any(kind.groups & other.groups for other in chosen):
            chosen.append(kind)
    return tuple(chosen)
