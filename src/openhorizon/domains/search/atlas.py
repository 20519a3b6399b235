"""Pages and their lists of links as the tool shows them: what surveys are made of and checked against."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple, cast

from openhorizon.domains.domain import Observation, Resources
from openhorizon.domains.search.survey import FORM, Survey, folded, read_off
from openhorizon.domains.search.tools import NAME, open_desk, read_page
from openhorizon.graph.graph import Graph
from openhorizon.records import Split, Task
from openhorizon.retrieval.index import Index


class Sheet(NamedTuple):
    """A page as read_page shows it, all parts together."""

    id: str
    title: str
    years: frozenset[int]
    leads: tuple[str, ...]  # titles that its lists of links lead to
    passages: tuple[str, ...]  # ids
    calls: int  # parts: what reading it costs
    size: int  # bytes shown


class Atlas:
    """Every page read once, through the very tool that a solver has, when it is first asked for."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self._index = Index.of_graph(graph)
        nobody = cast(Any, None)  # reading runs no program
        blank = Task(id="", domain=NAME, split=Split.TRAIN, instruction="", answer="", setup={"form": FORM})
        self._desk = open_desk(blank, Resources(graph, self._index, nobody))
        self._sheets: dict[str, Sheet | None] = {}

    def sheet(self, title: str) -> Sheet | None:
        """The page that read_page gives for the title; None if there is none."""
        key = folded(title)
        if key not in self._sheets:
            self._sheets[key] = self._read(title)
        return self._sheets[key]

    def _read(self, title: str) -> Sheet | None:
        page = self._index.page(title, domain=NAME)
        if page is None:
            return None
        years: frozenset[int] = frozenset()
        leads: list[str] = []
        passages: list[str] = []
        part = size = 0
        while True:
            part += 1
            seen: Observation = read_page.function(self._desk, title, part=part)
            shown = read_off(seen.text)
            years |= shown.years
            leads += shown.leads
            passages += [s for s in seen.sources if s != page.id]
            size += len(seen.text.encode())
            if shown.last:
                break
        return Sheet(page.id, page.title, years, tuple(dict.fromkeys(leads)), tuple(passages), part, size)

    def reach(self, starts: Iterable[str], far: int, most: int) -> dict[str, int] | None:
        """Titles within `far` links of the starts -> links away, in the order that a reader meets them, ring by ring;
        None where reading them takes more than `most` calls or a list leads nowhere."""
        found: dict[str, int] = {}
        known: set[str] = set()
        ring = list(dict.fromkeys(starts))
        calls = 0
        for distance in range(far + 1):
            after: list[str] = []
            for title in ring:
                sheet = self.sheet(title)
                if folded(title) in known:
                    continue
                if sheet is None:
                    return None
                known.add(folded(title))
                found[sheet.title] = distance
                calls += sheet.calls
                if calls > most:
                    return None
                after += sheet.leads
            ring = after
        return found

    def years(self, titles: Iterable[str]) -> dict[str, frozenset[int]]:
        """The years that these pages name."""
        return {t: sheet.years for t in titles if (sheet := self.sheet(t)) is not None}


@lru_cache(maxsize=1)
def atlas_of(graph: Graph) -> Atlas:
    """The atlas of the graph, kept: proposals and checks of a game read the same pages."""
    return Atlas(graph)


def survey_shortcut(task: Task, resources: Resources) -> str:
    """Why the survey is ambiguous or can be cut short, "" if neither: it is carried out anew."""
    survey = Survey.of(task)
    atlas = atlas_of(resources.graph)
    rings = atlas.reach(survey.starts, survey.far, most=10_000)
    if rings is None:
        return "a list of links leads nowhere"
    answer = survey.answer(atlas.years(rings))
    if answer != task.answer:
        return f"the pages answer {answer!r}" if answer else "several pages fit the question"
    inner = [title for title, distance in rings.items() if distance < survey.far]
    if survey.answer(atlas.years(inner)) == task.answer:
        return "one link less gives the same answer"
    if survey.asked != "count":
        if any(c.isdigit() for c in task.answer):
            return "the title of the answer holds a number, which may be the year"
        hits = resources.index.search(task.instruction, 3, domain=NAME)
        if task.answer in [hit.title for hit in hits]:
            return "searching for the question finds the answer"
    return ""
