"""Tasks from chains of links: the question names the start alone, the answer is the page at the end.

Where the graph knows relations the question says them ("the mayor of the birthplace of Amber Bay"); where links are
bare it points at each by a few words around it, with a blank (`clues`). One paragraph justifies each hop: the task's
evidence.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from zlib import crc32

from msgspec import structs

from openhorizon.domains.domain import Order, Size
from openhorizon.domains.names import split_of
from openhorizon.domains.search.clues import names_in
from openhorizon.domains.search.encyclopedia import PHRASES
from openhorizon.domains.search.protocol import limits as full_limits
from openhorizon.domains.search.walk import Region
from openhorizon.graph.graph import Graph
from openhorizon.records import Edge, Evidence, Node, Split, Task, VerifierSpec

NAME = "search"
TRIES = 1_000  # walks without a new task before a level counts as used up
SAME_END = 6  # tasks of bare links that may end with the same link
BRIEF = ("What is {}?", "Name {}.", "Find {}.")
LONG = ("What is the name of {}?", "Identify {}.", "Find out the name of {}.")
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")


def propose(graph: Graph, order: Order) -> Iterator[Task]:
    """Tasks at the levels of the order in turn, each instruction once; ends when the graph has no more to give.

    Hops of a chain: the level at mini size, one more at full size.
    """
    region = Region(graph, NAME, order.split)
    rng = random.Random(f"search {order.seed} {order.split}")
    starts = region.typed_starts + region.bare_starts
    levels = list(order.levels) if starts else []
    is_new = _novelty()
    while levels:
        for level in tuple(levels):
            for _ in range(TRIES):
                task = _task(graph, region, rng.choice(starts), level, order, rng)
                if task is None or not is_new(task):
                    continue
                yield dated(task, order.today)
                break
            else:
                levels.remove(level)


def dated(task: Task, today: str) -> Task:
    """The task as asked on that day; a brief one, or of no day, as it is."""
    if not today or task.setup["form"] == "brief":
        return task
    return structs.replace(task, setup=task.setup | {"today": today})


def _novelty() -> Callable[[Task], bool]:
    """A test that is true once for an instruction; of bare links, once for a chain of pages and a few times for an end."""
    seen: set[object] = set()
    ends: Counter[str] = Counter()

    def is_new(task: Task) -> bool:
        keys: list[object] = [task.instruction]
        if task.setup["form"] == "clues":
            keys.append((task.answer, *(e.node.rpartition("#")[0] for e in task.evidence)))
        end = task.evidence[-1].node + task.answer
        if any(key in seen for key in keys) or (len(keys) > 1 and ends[end] >= SAME_END):
            return False
        seen.update(keys)
        ends[end] += 1
        return True

    return is_new


def _task(
    graph: Graph, region: Region, start: str, level: int, order: Order, rng: random.Random
) -> Task | None:
    chain = region.walk(start, level if order.size == "mini" else level + 1, rng)
    if not chain:
        return None
    pages = [region.pages[start], *(region.pages[edge.target] for edge in chain)]
    if chain[0].data.get("relation"):
        plan = tuple(str(edge.data["relation"]) for edge in chain)
        instruction, form = _relations_question(pages, plan, order.size, rng), "relations"
    else:
        plan = _clues(region, chain, pages)
        if not plan:
            return None
        instruction, form = _clues_question(pages[0].title, plan), "clues"
    return _build(
        graph, chain, pages, plan, instruction, "brief" if order.size == "mini" else form, level, order.split
    )


def _relations_question(pages: list[Node], plan: tuple[str, ...], size: Size, rng: random.Random) -> str:
    """The chain as one phrase around the start's name."""
    phrase = pages[0].title
    for page, relation in zip(pages, plan):
        kind = page.text.partition(".")[0].rpartition(" is a ")[2].partition(",")[0]
        said = PHRASES.get((kind, relation)) if size == "full" else None
        phrase = said.format(phrase) if said else f"the {relation} of {phrase}"
    return rng.choice(BRIEF if size == "mini" else LONG).format(phrase)


def _clues(region: Region, chain: tuple[Edge, ...], pages: list[Node]) -> tuple[str, ...]:
    """One clue a hop, () if a hop has none that keeps the names on the way."""
    secret = {word for page in pages[1:] for word in region.words.telling(page.title)}
    clues = (next((c for c in region.clues(edge) if not names_in(c, secret)), "") for edge in chain)
    found = tuple(c for c in clues if c)
    return found if len(found) == len(chain) else ()


def _clues_question(start: str, clues: tuple[str, ...]) -> str:
    """Directions from page to page, one sentence a hop."""
    said = [
        f"Start at the page “{start}”. In its words “… {clues[0].strip()} …” the blank is a link to a second page."
    ]
    for n, clue in enumerate(clues[1:], start=1):
        words = f"In the words “… {clue.strip()} …” the {ORDINALS[n]} page links to a {ORDINALS[n + 1]} page."
        said.append(words)
    return f"{' '.join(said)} What is the title of the {ORDINALS[len(clues)]} page?"


def _build(
    graph: Graph, chain: tuple[Edge, ...], pages: list[Node], plan: tuple[str, ...], instruction: str, form: str,
    level: int, split: Split,
) -> Task:  # fmt: skip
    answer = pages[-1].title
    evidence = tuple(_evidence(graph.node(str(edge.data["passage"]))) for edge in chain)
    limits = None
    if form != "brief":
        limits = full_limits(len(chain))
    return Task(
        id=f"{NAME}/{split}/{_slug(pages[0].title)}-{len(chain)}-{crc32(instruction.encode()):08x}",
        domain=NAME,
        split=split,
        instruction=instruction,
        answer=answer,
        evidence=evidence,
        verifiers=(
            VerifierSpec(name="answer", arguments={"accept": [answer]}),
            VerifierSpec(name="evidence", arguments={"nodes": [e.node for e in evidence]}),
        ),
        setup={"start": pages[0].title, "form": form},
        plan=plan,
        entities=tuple(page.title for page in pages if split_of(page.title) is split),
        level=level,
        limits=limits,
    )


def _evidence(passage: Node) -> Evidence:
    start, end = passage.data.get("start", 0), passage.data.get("end", 0)
    return Evidence(node=passage.id, text=passage.text, source=passage.source, start=start, end=end)


def _slug(title: str) -> str:
    return "-".join(title.casefold().split())[:40].replace("/", "-")
