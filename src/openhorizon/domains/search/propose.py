"""Tasks from chains of links: the question names the start alone, the answer is the page at the end.

Where the graph knows relations the question says them ("the mayor of the birthplace of Amber Bay"); where links are
bare it points at each by a few words around it, with a blank (`clues`). One paragraph justifies each hop: the task's
evidence.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from zlib import crc32

from msgspec import structs

from openhorizon.domains.domain import Order, Size
from openhorizon.domains.names import split_of
from openhorizon.domains.search.clues import BLANK, CUT, GAP, names_in
from openhorizon.domains.search.encyclopedia import PHRASES
from openhorizon.domains.search.protocol import limits as full_limits
from openhorizon.domains.search.walk import ANY, Fact, Hops, Region, region_of
from openhorizon.graph.graph import Graph
from openhorizon.records import Edge, Evidence, Node, Split, Task, VerifierSpec

NAME = "search"
TRIES = 4_000  # walks without a new task before a level counts as used up
FACTS = 0.75  # share of the chains of bare links that end with a fact of the last page
SAME_END = 12  # tasks of bare links that may end with the same link
BRIEF = ("What is {}?", "Name {}.", "Find {}.")
LONG = ("What is the name of {}?", "Identify {}.", "Find out the name of {}.")
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")


def propose(graph: Graph, order: Order, hops: Hops = ANY) -> Iterator[Task]:
    """Tasks at the levels of the order in turn, each instruction once; ends when the graph has no more to give.

    Hops of a chain: the level at mini size, one more at full size.
    """
    region = region_of(graph, NAME, order.split, hops)
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
    hops = level if order.size == "mini" else level + 1
    fact_last = start not in region.typed and hops > 1 and rng.random() < FACTS
    chain = region.walk(start, hops - fact_last, rng, ends=not fact_last)
    if not chain:
        return None
    pages = [region.pages[start], *(region.pages[edge.target] for edge in chain)]
    if chain[0].data.get("relation"):
        plan = tuple(str(edge.data["relation"]) for edge in chain)
        form = "brief" if order.size == "mini" else "relations"
        question = _relations_question(pages, plan, order.size, rng)
        passages = [str(edge.data["passage"]) for edge in chain]
        return _build(graph, passages, pages, pages[-1].title, plan, question, form, level, order.split)
    fact = None
    if fact_last:
        facts = region.facts(pages[-1].id)
        fact = rng.choice(facts) if facts else None
        if fact is None:
            return None
    return clues_task(graph, region, chain, fact, level)


def clues_task(
    graph: Graph, region: Region, chain: tuple[Edge, ...], fact: Fact | None, level: int, last: str = ""
) -> Task | None:
    """The task of a chain of bare links, and of a fact on the page they lead to; None where a hop has no clue that keeps
    the names on the way. The last clue is `last` where it is given."""
    pages = [region.pages[e] for e in (chain[0].source, *(edge.target for edge in chain))]
    secret = {word for page in pages[1:] for word in region.words.telling(page.title)}
    offered = [region.clues(edge) for edge in chain] + ([fact.clues] if fact else [])
    plan = [next((c for c in clues if not names_in(c, secret)), "") for clues in offered]
    plan[-1] = last or plan[-1]
    if not all(plan):
        return None
    passages = [str(edge.data["passage"]) for edge in chain] + ([fact.passage] if fact else [])
    question = _clues_question(pages[0].title, plan, fact is not None)
    answer = fact.text if fact else pages[-1].title
    return _build(graph, passages, pages, answer, tuple(plan), question, "clues", level, region.split)


def _relations_question(pages: list[Node], plan: tuple[str, ...], size: Size, rng: random.Random) -> str:
    """The chain as one phrase around the start's name."""
    phrase = pages[0].title
    for page, relation in zip(pages, plan):
        kind = page.text.partition(".")[0].rpartition(" is a ")[2].partition(",")[0]
        said = PHRASES.get((kind, relation)) if size == "full" else None
        phrase = said.format(phrase) if said else f"the {relation} of {phrase}"
    return rng.choice(BRIEF if size == "mini" else LONG).format(phrase)


def _clues_question(start: str, clues: Sequence[str], fact_last: bool) -> str:
    """Directions from page to page, one sentence a hop, with a word on the marks in them."""
    links = clues[:-1] if fact_last else clues
    said = [f"Start at the page “{start}”. In “{links[0]}” the blank is a link: follow it to a second page."]
    for n, clue in enumerate(links[1:], start=1):
        said.append(f"On the {ORDINALS[n]} page, follow the link in “{clue}” to a {ORDINALS[n + 1]} page.")
    last = ORDINALS[len(links)]
    if fact_last:
        said.append(f"What stands in the blank on the {last} page, in “{clues[-1]}”?")
    else:
        said.append(f"What is the title of the {last} page?")
    marks = [f"{BLANK} is the blank"]
    marks += [f"{GAP} stands for a few words left out"] if any(GAP in c for c in clues) else []
    marks += [f"{CUT} for the rest of a sentence"] if any(CUT in c.replace(GAP, "") for c in clues) else []
    return f"{' '.join(said)} ({', '.join(marks)}.)"


def _build(
    graph: Graph, passages: list[str], pages: list[Node], answer: str, plan: tuple[str, ...], instruction: str,
    form: str, level: int, split: Split,
) -> Task:  # fmt: skip
    evidence = tuple(_evidence(graph.node(passage)) for passage in passages)
    limits = None
    if form != "brief":
        limits = full_limits(len(plan))
    return Task(
        id=f"{NAME}/{split}/{_slug(pages[0].title)}-{len(plan)}-{crc32(instruction.encode()):08x}",
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
        entities=tuple(
            dict.fromkeys(name for name in (*(p.title for p in pages), answer) if split_of(name) is split)
        ),
        level=level,
        limits=limits,
    )


def _evidence(passage: Node) -> Evidence:
    start, end = passage.data.get("start", 0), passage.data.get("end", 0)
    return Evidence(node=passage.id, text=passage.text, source=passage.source, start=start, end=end)


def _slug(title: str) -> str:
    return "-".join(title.casefold().split())[:40].replace("/", "-")
