"""Mending a rejected task of bare links: a barer clue for the hop that tells too much, or another last hop."""

import random

from openhorizon.domains.domain import Resources
from openhorizon.domains.search.clues import names_in
from openhorizon.domains.search.propose import NAME, clues_task
from openhorizon.domains.search.shortcut import found_by_clue, found_by_question, shortcut
from openhorizon.domains.search.walk import Fact, Region, region_of
from openhorizon.records import Edge, Task

OTHERS = 8  # other last hops that are tried


def repair(task: Task, why: str, resources: Resources, rng: random.Random) -> Task | None:
    """Another task in its place, not yet checked; None where nothing is left to try.

    What is found by searching gets the next barer clue for its last hop that no search finds; what has several answers,
    or one that stands too early, or no such clue, gets another last hop. Only questions with clues can be mended.
    """
    if task.setup.get("form") != "clues":
        return None
    region, graph = region_of(resources.graph, NAME, task.split), resources.graph
    chain, fact = _chain(task, region)
    if not chain:
        return None
    if "search" in why or "look" in why or "contains" in why:
        clues = fact.clues if fact else region.clues(chain[-1])
        secret = {w for e in chain for w in region.words.telling(region.pages[e.target].title)}
        later = clues[clues.index(task.plan[-1]) + 1 :] if task.plan[-1] in clues else clues
        page = task.evidence[-1].node.rpartition("#")[0]
        for clue in later:
            if names_in(clue, secret) or found_by_clue(clue, page, resources):
                continue
            barer = clues_task(graph, region, chain, fact, task.level, clue)
            if barer is not None and not found_by_question(barer, page, resources):
                return barer
    if fact is not None:
        others = [f for f in region.facts(chain[-1].target) if f.text != task.answer]
        ways = [(chain, f) for f in rng.sample(others, len(others))]
    else:
        way = [chain[0].source, *(e.target for e in chain[:-1])]
        ends = [e for e in region.ends(way[-1], way) if e.target != chain[-1].target]
        ways = [((*chain[:-1], end), None) for end in rng.sample(ends, len(ends))]
    tasks = (clues_task(graph, region, links, said, task.level) for links, said in ways[:OTHERS])
    found = [t for t in tasks if t is not None]
    return next((t for t in found if not shortcut(t, resources)), found[0] if found else None)


def _chain(task: Task, region: Region) -> tuple[tuple[Edge, ...], Fact | None]:
    """The links that the task follows and the fact it ends with; () where the region does not have them."""
    places = [(piece.node.rpartition("#")[0], piece.node) for piece in task.evidence]
    chain: list[Edge] = []
    for (here, passage), there in zip(places, [*(page for page, _ in places[1:]), ""], strict=True):
        links = [e for e in region.bare.get(here, ()) if e.data["passage"] == passage]
        titled = (e for e in links if region.pages[e.target].title == task.answer)
        edge = next((e for e in links if e.target == there), None) if there else next(titled, None)
        if edge is not None:
            chain.append(edge)
        elif there or here not in region.pages:
            return (), None
        else:
            facts = (f for f in region.facts(here) if (f.passage, f.text) == (passage, task.answer))
            fact = next(facts, None)
            return (tuple(chain), fact) if fact else ((), None)
    return tuple(chain), None
