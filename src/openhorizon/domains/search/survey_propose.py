"""Surveys from regions of the graph: starts, a radius, and a question that the outermost pages decide.

Where lists of links are long, one start and a few links reach hundreds of pages; where they are short, as in small wikis,
pages that are linked to each other are taken as starts together until the survey is large enough. The winner always lies
at the rim, so that stopping a link early gives a wrong answer.
"""

import random
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from typing import get_args
from zlib import crc32

from openhorizon.domains.domain import Order
from openhorizon.domains.names import split_of
from openhorizon.domains.search.atlas import Atlas, Sheet, atlas_of
from openhorizon.domains.search.survey import FIRST_YEAR, LAST_YEAR, Asked, Survey, question
from openhorizon.domains.search.tools import NAME
from openhorizon.domains.search.walk import HUB, HUB_LEAST
from openhorizon.graph.graph import Graph
from openhorizon.records import EdgeKind, Evidence, Limits, NodeKind, Split, Task, VerifierSpec

# level -> calls of read_page that a survey takes, from and to
CALLS = {
    1: (60, 110),
    2: (110, 190),
    3: (190, 285),
}  # level -> calls of read_page that a survey takes, from and to
LIMITS = Limits(turns=300, response_tokens=4096, context_tokens=262_144, tool_calls=300)
# of all pages as shown: English at 4.2 bytes a token, with what is written between, takes 236,000 of the context. Languages
# that a tokenizer knows less take more tokens a byte; there the last call keeps what was found.
BYTES = 960_000
TRIES = 200  # regions without a new survey before a level counts as used up
SAME = 0.8  # share of pages (Jaccard) from which two surveys are near-copies
SAME_ANSWER = 3  # most surveys with one answer
STARTS = 120  # most starts of one survey
FURTHEST = 6  # links
WORTH = 400  # characters of a page that is a start among others


def propose(graph: Graph, order: Order) -> Iterator[Task]:
    """Surveys at the levels of the order in turn; ends when the graph has no more to give. Levels above 3 count as 3."""
    region = _Region(graph, order.split)
    rng = random.Random(f"survey {order.seed} {order.split}")
    levels = list(order.levels) if region.starts else []
    taken: list[frozenset[str]] = []
    answers: Counter[str] = Counter()
    while levels:
        for level in tuple(levels):
            for _ in range(TRIES):
                drawn = region.draw(min(level, 3), rng)
                if drawn is None or any(_overlap(frozenset(drawn[1]), t) > SAME for t in taken):
                    continue
                task = _task(region.atlas, *drawn, level, order.split)
                if answers[task.answer] >= SAME_ANSWER:
                    continue
                answers[task.answer] += 1
                taken.append(frozenset(drawn[1]))
                yield task
                break
            else:
                levels.remove(level)


def _overlap(one: frozenset[str], two: frozenset[str]) -> float:
    return len(one & two) / len(one | two)


class _Region:
    """The pages that a split's surveys may start from."""

    def __init__(self, graph: Graph, split: Split):
        self.graph, self.split, self.atlas = graph, split, atlas_of(graph)
        everything = graph.nodes(NAME, NodeKind.ENTITY)
        crowd = max(HUB_LEAST, HUB * len(everything))
        self._hubs = {n.title for n in everything if n.data.get("indegree", 0) > crowd}  # can be guessed
        pages = [n for n in everything if n.text and n.title and split_of(n.title) is split]
        self.starts = tuple(n.title for n in pages)
        self._worth = tuple(n.title for n in pages if len(n.text) >= WORTH) or self.starts

    def draw(self, level: int, rng: random.Random) -> tuple[Survey, dict[str, int]] | None:
        """A survey and its pages with their distance; None where this region gives none."""
        least, most = CALLS[level]
        found = self._alone(rng.choice(self.starts), least, most)
        found = found or self._together(rng.choice(self._worth), rng.choice((1, 2)), least, most, rng)
        if found is None:
            return None
        starts, far, rings = found
        sheets = [s for t in rings if (s := self.atlas.sheet(t)) is not None]
        if sum(s.size for s in sheets) > BYTES:
            return None
        kinds: list[Asked] = list(get_args(Asked))
        for asked in rng.sample(kinds, len(kinds)):
            survey = self._asking(asked, starts, far, rings, rng)
            if survey is not None:
                return survey, rings
        return None

    def _alone(self, start: str, least: int, most: int) -> tuple[tuple[str, ...], int, dict[str, int]] | None:
        """The shortest radius around one page that holds enough."""
        for far in range(1, FURTHEST + 1):
            rings = self.atlas.reach((start,), far, most)
            if rings is None:
                return None
            if self._calls(rings) >= least:
                return (start,), far, rings
        return None

    def _together(
        self, start: str, far: int, least: int, most: int, rng: random.Random
    ) -> tuple[tuple[str, ...], int, dict[str, int]] | None:
        """Pages that are linked to each other, either way, as starts together: added until they reach enough."""
        target = rng.randint(least, most)
        starts: list[str] = []
        met, waiting = {start}, deque([start])
        rings: dict[str, int] = {}
        while len(starts) < STARTS:
            if not waiting:  # the neighbourhood is used up: another one
                left = [t for t in self._worth if t not in met]
                if not left:
                    break
                waiting.append(rng.choice(left))
                met.add(waiting[-1])
            title = waiting.popleft()
            more = self.atlas.reach((*starts, title), far, most)
            if more is None:
                break
            starts, rings = [*starts, title], more
            if self._calls(rings) >= target:
                break
            near = [t for t in self._near(title) if t not in met]
            met.update(near)
            waiting.extend(rng.sample(near, len(near)))
        return (tuple(starts), far, rings) if rings and self._calls(rings) >= least else None

    def _near(self, title: str) -> list[str]:
        """The split's pages of some length that the page links to or that link to it."""
        sheet = self.atlas.sheet(title)
        if sheet is None:
            return []
        ends = [e.target for e in self.graph.out(sheet.id, EdgeKind.LINKS_TO)]
        ends += [e.source for e in self.graph.into(sheet.id, EdgeKind.LINKS_TO)]
        pages = [self.graph.node(end) for end in dict.fromkeys(ends)]
        return sorted({p.title for p in pages if len(p.text) >= WORTH and split_of(p.title) is self.split})

    def _calls(self, rings: Mapping[str, int]) -> int:
        return sum(sheet.calls for t in rings if (sheet := self.atlas.sheet(t)) is not None)

    def _asking(
        self, asked: Asked, starts: tuple[str, ...], far: int, rings: dict[str, int], rng: random.Random
    ) -> Survey | None:
        """A question of this kind with one answer, which the pages short of the rim do not give."""
        years = self.atlas.years(rings)
        inner = {t: years[t] for t, distance in rings.items() if distance < far}
        named = sorted({y for some in years.values() for y in some})
        for _ in range(40):
            bounds = _bounds(asked, years, rings, far, named, rng)
            if bounds is None:
                return None
            survey = Survey(starts=starts, far=far, asked=asked, low=bounds[0], high=bounds[1])
            answer = survey.answer(years)
            if asked == "count":
                good = 3 <= int(answer) <= 0.5 * len(rings) and survey.answer(inner) != answer
            else:
                good = rings.get(answer) == far and self._can_be_answer(answer, starts)
            if good:
                return survey
        return None

    def _can_be_answer(self, title: str, starts: tuple[str, ...]) -> bool:
        told = any(title.casefold() in start.casefold() for start in starts)
        if title in self._hubs:
            return False
        return split_of(title) is self.split and not told and not any(c.isdigit() for c in title)


def _bounds(
    asked: Asked, years: Mapping[str, frozenset[int]], rings: Mapping[str, int], far: int, named: list[int],
    rng: random.Random,
) -> tuple[int, int] | None:  # fmt: skip
    """A period to ask about: at a year of a page at the rim, round where that changes nothing."""
    rim = sorted({y for title, distance in rings.items() if distance == far for y in years[title]})
    if not rim:
        return None
    year = rng.choice(rim)
    if asked == "first":
        before = max((y for y in named if y < year), default=FIRST_YEAR)
        round_year = (year - 1) // 10 * 10
        return max(before, round_year) + 1, LAST_YEAR
    if asked == "last":
        after = min((y for y in named if y > year), default=LAST_YEAR)
        round_year = (year // 10 + 1) * 10
        return FIRST_YEAR, min(after, round_year) - 1
    span = rng.choice((20, 30, 50, 100))
    low = max(FIRST_YEAR, (year - rng.randrange(span)) // 10 * 10)
    return low, min(LAST_YEAR, low + span - 1)


def _task(atlas: Atlas, survey: Survey, rings: Mapping[str, int], level: int, split: Split) -> Task:
    sheets = [s for t in rings if (s := atlas.sheet(t)) is not None]
    answer = survey.answer(atlas.years(rings))
    instruction = question(survey)
    winner = () if survey.asked == "count" else (answer,)
    slug = "-".join(survey.starts[0].casefold().split())[:40].replace("/", "-")
    return Task(
        id=f"{NAME}/{split}/survey-{slug}-{len(sheets)}-{crc32(instruction.encode()):08x}",
        domain=NAME,
        split=split,
        instruction=instruction,
        answer=answer,
        evidence=tuple(_evidence(atlas, survey, sheet) for sheet in sheets),
        verifiers=(
            VerifierSpec(name="answer", arguments={"accept": [answer]}),
            VerifierSpec(
                name="evidence", arguments={"nodes": [p for s in sheets for p in s.passages or (s.id,)]}
            ),
        ),
        setup=survey.setup,
        plan=survey.starts,
        entities=(*survey.starts, *winner),
        level=level,
        limits=LIMITS,
    )


def _evidence(atlas: Atlas, survey: Survey, sheet: Sheet) -> Evidence:
    """The passage of the page that a person would look at: the one with the year that counts, else the first."""
    counted = survey.counted(sheet.years)
    texts = {p: atlas.graph.node(p).text for p in sheet.passages}
    if not texts:
        return Evidence(node=sheet.id, text="", source="")
    year = str(max(counted) if survey.asked == "last" else min(counted)) if counted else ""
    chosen = next((p for p, text in texts.items() if year in text), next(iter(texts)))
    node = atlas.graph.node(chosen)
    return Evidence(
        node=chosen, text=node.text, source=node.source, start=node.data.get("start", 0), end=node.data.get("end", 0)
    )  # fmt: skip
