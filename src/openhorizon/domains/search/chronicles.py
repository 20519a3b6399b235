"""Chronicles: long pages about invented places, written from a seed. The material of surveys where there is no corpus.

Every page tells what happened at a place, some of it with a year, and speaks of other places without naming them ("the
village across the ford"): only its list of links says which they are. Places of one split speak of that split alone.
"""

import random
from collections.abc import Iterator

from openhorizon.domains.domain import Size
from openhorizon.domains.names import names
from openhorizon.domains.search.encyclopedia import CORPUS
from openhorizon.records import Document, Link, Split

PARAGRAPHS = (5, 8)  # of a page, from and to
SENTENCES = (2, 5)  # of a paragraph
DATED = (5, 8)  # sentences of a page that name a year
LINKS = (3, 5)  # other places that a page speaks of

_GOODS = (
    "salt", "tin", "barley", "linen", "tallow", "honey", "slate", "herring", "wool", "copper", "cider", "charcoal", "flax",
    "amber", "leather", "hops", "glass", "timber", "lead", "candles",
)  # fmt: skip
_PEOPLE = (
    "the weavers", "the ferrymen", "the council", "the shepherds", "the masons", "the widow of the miller", "two brothers",
    "the school's first teacher", "the harbour guard", "the bell founders", "the tenants", "a travelling surgeon",
    "the charcoal burners", "the parish clerk", "the innkeepers",
)  # fmt: skip
_THINGS = (
    "the bridge", "the mill", "the north wall", "the granary", "the chapel roof", "the market hall", "the weir",
    "the toll house", "the school", "the well in the square", "the lime kiln", "the town book", "the ferry", "the fish pond",
    "the bell tower", "the sluice",
)  # fmt: skip
_WHEN = (
    "after a hard winter", "in a dry summer", "during the fair", "on the eve of the harvest", "while the river was frozen",
    "at the third attempt", "against the advice of the surveyor", "with borrowed money", "in a single week",
    "under a new lease", "after long quarrels", "without waiting for leave",
)  # fmt: skip
_NUMBERS = (
    "seven", "eleven", "fourteen", "nineteen", "twenty-two", "thirty", "forty-one", "sixty", "eighty-five", "ninety-six",
)  # fmt: skip
_PLACES = (
    "the village across the ford", "the town that sent the grain", "its old rival on the ridge", "the harbour downstream",
    "the parish that shares its bell", "the estate it once belonged to", "the place where its court sat",
    "the neighbour beyond the marsh", "the town at the end of the salt road", "the hamlet that lent the money",
    "the market it sells to", "the place from which its settlers came", "the town whose seal it used",
    "the landing on the other shore",
)  # fmt: skip
_UNDATED = (
    "{people} of {title} kept {number} barrels of {goods} behind {thing}, and nobody was allowed to count them aloud.",
    "{thing} was rebuilt {when}, and {people} paid for {number} of its beams in {goods}.",
    "According to the accounts, a load of {goods} cost {number} pence here, less than anywhere else on the road.",
    "{people} complained about {thing} so often that the complaint has a page of its own in the town book.",
    "Whoever brought {goods} to {title} {when} was let off the toll at {thing}.",
    "Of {thing} only {number} stones are left, and {people} say that they are in the wrong order.",
    "{people} and {people2} shared {thing} by turns, {number} days each, and settled the rest in {goods}.",
    "It was said of {title} that it could live without bread but not without {goods}.",
    "The path from {thing} to {thing2} is {number} steps long, which {people} counted {when}.",
    "Every house of {title} owed {people} {number} measures of {goods}, payable at {thing}.",
)
_SPOKEN = (
    "{people} brought the {goods} for {thing} from {place}, {when}.",
    "A quarrel with {place} about {thing} was settled {when}, for {number} bales of {goods}.",
    "{people} moved to {place} and took the plans of {thing} with them.",
    "Half of the {goods} that {title} sells goes to {place}, over {thing}.",
    "The oath of {title} was sworn together with {place}, {when}, in front of {thing}.",
)
_DATED = (
    "In {year}, {when}, {people} opened {thing}.",
    "A fire of {year} spared {thing} and little else.",
    "{people} bought {thing} in {year} for {number} bales of {goods}.",
    "The oldest account of {thing} was written down in {year}.",
    "Until {year} nobody but {people} was allowed to trade in {goods}.",
    "{thing} carries the year {year}, cut by {people} {when}.",
)


def material(seed: int, size: Size) -> Iterator[Document]:
    """The pages of both splits, by title. The size changes nothing: there are no brief chronicles."""
    pages = [page for split in Split for page in _pages(split, seed)]
    return iter(sorted(pages, key=lambda page: page.title))


def _pages(split: Split, seed: int) -> Iterator[Document]:
    rng = random.Random(f"chronicles {seed} {split}")
    titles = list(names(split, seed))
    for title in titles:
        others = [t for t in rng.sample(titles, LINKS[1] + 1) if t != title]
        yield _page(title, others[: rng.randint(*LINKS)], rng)


def _page(title: str, others: list[str], rng: random.Random) -> Document:
    """Paragraphs of undated sentences, with the dated and the linking ones put in at random places."""
    paragraphs = [
        [_said(rng.choice(_UNDATED), title, rng) for _ in range(rng.randint(*SENTENCES))]
        for _ in range(rng.randint(*PARAGRAPHS))
    ]
    founded = rng.randint(1010, 1850)
    for _ in range(rng.randint(*DATED)):
        year = rng.randint(founded, 2020)
        rng.choice(paragraphs).append(_said(rng.choice(_DATED), title, rng, year=str(year)))
    links: list[Link] = []
    for place, other in zip(rng.sample(_PLACES, len(others)), others, strict=True):
        number = rng.randrange(len(paragraphs))
        paragraphs[number].append(_said(rng.choice(_SPOKEN), title, rng, place=place))
        links.append(Link(anchor=place, target=f"{CORPUS}/{other}", paragraph=number + 1))
    for sentences in paragraphs:
        rng.shuffle(sentences)
    opening = f"{title} is a place of {rng.choice(_NUMBERS)} hearths, known for {rng.choice(_GOODS)}."
    text = "\n\n".join([opening, *(" ".join(sentences) for sentences in paragraphs)])
    return Document(
        id=f"{CORPUS}/{title}", title=title, text=text, source=f"chronicles/{title}.md", links=tuple(links)
    )  # fmt: skip


def _said(template: str, title: str, rng: random.Random, **more: str) -> str:
    people, people2 = rng.sample(_PEOPLE, 2)
    thing, thing2 = rng.sample(_THINGS, 2)
    said = template.format(
        title=title, people=people, people2=people2, thing=thing, thing2=thing2, goods=rng.choice(_GOODS),
        when=rng.choice(_WHEN), number=rng.choice(_NUMBERS), **more,
    )  # fmt: skip
    return said[0].upper() + said[1:]
