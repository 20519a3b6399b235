"""An encyclopedia of invented things, written from a seed: the material of the domain.

Things of five types stand in twelve relations. Entities of the training split link only to entities of the training
split, held-out ones only to held-out ones. The documents are those that the corpus readers would give for a folder of
Markdown pages; `write_folder` writes that folder.
"""

import random
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from openhorizon.domains.domain import Size
from openhorizon.domains.names import names
from openhorizon.records import Document, Link, Split

CORPUS = "search"  # prefix of the pages' ids


class Relation(NamedTuple):
    """A relation by the word that pages use for it."""

    word: str
    to: str  # type of its object
    phrase: str  # how a question for real models says it


TYPES: dict[str, tuple[float, tuple[Relation, ...]]] = {  # type -> share of the names, relations it stands in
    "person": (0.3, (
        Relation("birthplace", "town", "the native town of {}"),
        Relation("mentor", "person", "the teacher of {}"),
        Relation("employer", "company", "the company employing {}"),
        Relation("school", "school", "the school attended by {}"),
    )),
    "town": (0.25, (
        Relation("mayor", "person", "the mayor governing {}"),
        Relation("river", "river", "the river running through {}"),
        Relation("rival", "town", "the rival town of {}"),
    )),
    "company": (0.2, (
        Relation("founder", "person", "the founder of {}"),
        Relation("seat", "town", "the town housing the seat of {}"),
        Relation("rival", "company", "the rival company of {}"),
    )),
    "school": (0.15, (
        Relation("founder", "person", "the founder of {}"),
        Relation("seat", "town", "the town housing the seat of {}"),
        Relation("owner", "company", "the company owning {}"),
    )),
    "river": (0.1, (
        Relation("mouth", "town", "the town at the mouth of {}"),
        Relation("owner", "company", "the company owning {}"),
        Relation("guard", "person", "the person guarding {}"),
    )),
}  # fmt: skip
PHRASES = {(kind, r.word): r.phrase for kind, (_, relations) in TYPES.items() for r in relations}

# A page of full size says a fact in one of these ways; the expert reads the same table.
SENTENCES = (
    "The {relation} of {subject} is {object}.",
    "{object} is the {relation} of {subject}.",
    "As its {relation}, {subject} has {object}.",
)
BRIEF = "The {relation} is {object}."
FORMER = "Until {year}, the {relation} was {object}."
REMARKS = (
    "The archives agree on this since {year}.", "A note of {year} gives the details.", "This was confirmed in {year}.",
    "Older maps, such as the one of {year}, differ.", "It is mentioned in letters from {year}.",
    "A plaque of {year} recalls it.",
)  # fmt: skip


def material(seed: int, size: Size) -> Iterator[Document]:
    """All pages of both splits, by title."""
    pages = [page for split in Split for page in _pages(split, seed, size)]
    return iter(sorted(pages, key=lambda page: page.title))


def things(split: Split, seed: int) -> dict[str, list[str]]:
    """The names of each type."""
    pool = list(names(split, seed))
    found: dict[str, list[str]] = {}
    start = 0.0
    for kind, (share, _) in TYPES.items():
        found[kind] = pool[round(start * len(pool)) : round((start + share) * len(pool))]
        start += share
    return found


def says(passage: str, relation: str, subject: str, name: str) -> bool:
    """True where the passage states the relation in one of the ways that the encyclopedia does."""
    ways = (BRIEF, *SENTENCES)
    return any(way.format(relation=relation, subject=subject, object=name) in passage for way in ways)


def _pages(split: Split, seed: int, size: Size) -> Iterator[Document]:
    rng = random.Random(f"encyclopedia {seed} {split}")
    all_things = things(split, seed)
    for kind, titles in all_things.items():
        for title in titles:
            facts: dict[Relation, str] = {}
            for relation in TYPES[kind][1]:  # no two facts of a page name the same thing
                free = [
                    n
                    for n in rng.sample(all_things[relation.to], 6)
                    if n != title and n not in facts.values()
                ]
                facts[relation] = free[0]
            order = rng.sample(list(facts), len(facts))
            write = _brief_page if size == "mini" else _long_page
            yield write(title, kind, [(r, facts[r]) for r in order], all_things, rng)


def _brief_page(
    title: str,
    kind: str,
    facts: list[tuple[Relation, str]],
    all_things: dict[str, list[str]],
    rng: random.Random,
) -> Document:
    """One short sentence a fact; the word of the relation always stands right before the object."""
    paragraphs = [f"{title} is a {kind}.", *(BRIEF.format(relation=r.word, object=name) for r, name in facts)]
    links = [_link(name, n, r.word) for n, (r, name) in enumerate(facts, start=1)]
    return _document(title, paragraphs, links)


def _long_page(
    title: str,
    kind: str,
    facts: list[tuple[Relation, str]],
    all_things: dict[str, list[str]],
    rng: random.Random,
) -> Document:
    """A paragraph a fact, in varying words, some with a former holder that is a trap."""
    paragraphs = [f"{title} is a {kind}. The first record of it is from {rng.randint(1100, 1800)}."]
    links: list[Link] = []
    for relation, name in facts:
        said = rng.choice(SENTENCES).format(relation=relation.word, subject=title, object=name)
        sentences = [said, rng.choice(REMARKS).format(year=rng.randint(1801, 2020))]
        links.append(_link(name, len(paragraphs), relation.word))
        if rng.random() < 0.4:
            former = rng.choice([n for n in all_things[relation.to] if n not in (title, name)])
            sentences.append(
                FORMER.format(year=rng.randint(1801, 2020), relation=relation.word, object=former)
            )
            links.append(_link(former, len(paragraphs), ""))
        paragraphs.append(" ".join(sentences))
    return _document(title, paragraphs, links)


def _link(name: str, paragraph: int, relation: str) -> Link:
    return Link(anchor=name, target=f"{CORPUS}/{name}", paragraph=paragraph, relation=relation)


def _document(title: str, paragraphs: list[str], links: list[Link]) -> Document:
    return Document(
        id=f"{CORPUS}/{title}", title=title, text="\n\n".join(paragraphs), source=f"encyclopedia/{title}.md",
        links=tuple(links),
    )  # fmt: skip


def write_folder(documents: Iterable[Document], folder: Path) -> None:
    """The documents as a folder of Markdown pages with links; `corpus.read` gives the same graph back."""
    folder.mkdir(parents=True, exist_ok=True)
    for document in documents:
        paragraphs = [re.sub(r"([\\`*_\[\]<>#])", r"\\\1", p) for p in document.text.split("\n\n")]
        for link in document.links:
            file = link.target.rpartition("/")[2]
            note = f' "relation: {link.relation}"' if link.relation else ""
            pattern = rf"(?<![\w\[<]){re.escape(link.anchor)}(?![\w\]]|\.md)"
            linked = f"[{link.anchor}](<{file}.md>{note})"
            paragraphs[link.paragraph] = re.sub(
                pattern, lambda _, new=linked: new, paragraphs[link.paragraph], count=1
            )
        text = "\n\n".join([f"# {document.title}", *paragraphs]) + "\n"
        (folder / f"{document.title}.md").write_text(text, encoding="utf-8")
