"""The look for a second answer or a way around the chain."""

from openhorizon.domains.domain import Resources
from openhorizon.domains.search.atlas import survey_shortcut
from openhorizon.domains.search.clues import BLANK, COMMON, find, names_in, title_words
from openhorizon.domains.search.survey import FORM
from openhorizon.domains.search.tools import HITS_BRIEF, look_up
from openhorizon.records import EdgeKind, Task


def shortcut(task: Task, resources: Resources) -> str:
    """Why the task is ambiguous or has a shorter way, "" if neither was found."""
    if task.setup["form"] == FORM:
        return survey_shortcut(task, resources)
    pages = [e.node.rpartition("#")[0] for e in task.evidence]
    for check in (_told, _other_answers, _early, _found_by_words):
        if why := check(task, pages, resources):
            return why
    return ""


def _told(task: Task, pages: list[str], resources: Resources) -> str:
    """A brief question is made of relations and one name; elsewhere any form of the answer's words counts."""
    if task.setup["form"] != "clues":
        told = task.answer.casefold() in task.instruction.casefold()
    else:
        rare = max(3, COMMON * len(resources.index))
        words = title_words(task.answer)
        telling = tuple(w for w in words if resources.index.frequency(w) <= rare) or words
        told = any(names_in(clue, telling) for clue in task.plan)
    return "the question contains the answer" if told else ""


def _other_answers(task: Task, pages: list[str], resources: Resources) -> str:
    """Follow every link that fits each step, not only those the task was made from."""
    ends = {pages[0]}
    for step in task.plan:
        ends = {target for page in ends for target in _fits(step, page, task.setup["form"], resources)}
    titles = {resources.graph.node(end).title for end in ends}
    return "" if titles == {task.answer} else f"{len(titles)} answers fit the question"


def _fits(step: str, page: str, form: str, resources: Resources) -> set[str]:
    links = resources.graph.out(page, EdgeKind.LINKS_TO)
    if form != "clues":
        return {e.target for e in links if e.data.get("relation") == step}
    anchors = set(find(step, resources.graph.node(page).text))
    return {e.target for e in links if e.data.get("anchor") in anchors}


def _early(task: Task, pages: list[str], resources: Resources) -> str:
    """The answer must not stand on a page before the last."""
    graph = resources.graph
    for page in pages[:-1]:
        if task.answer in graph.node(page).text:
            return "the answer stands on an earlier page of the chain"
        if any(graph.node(e.target).title == task.answer for e in graph.out(page, EdgeKind.LINKS_TO)):
            return "an earlier page of the chain links to the answer"
    return ""


def _found_by_words(task: Task, pages: list[str], resources: Resources) -> str:
    """The question, or the words of its last clue, searched for, must not lead straight to the page that tells."""
    if len(pages) < 2:
        return ""
    brief, last = task.setup["form"] == "brief", pages[-1]
    hits = look_up(resources, task.instruction, brief)
    if last in [hit.page for hit in hits[:HITS_BRIEF]]:
        return "searching for the question finds the page that tells the answer"
    if not brief and any(_tells(hit.snippet, task) for hit in hits):
        return "searching for the question shows the answer"
    if task.setup["form"] == "clues":
        first = look_up(resources, task.plan[-1].replace(BLANK, " "), brief)
        if first and first[0].page == last:
            return "searching for the last clue finds the page that tells the answer"
    return ""


def _tells(snippet: str, task: Task) -> bool:
    """The snippet holds the clue's words around the answer, or the fact itself."""
    if task.setup["form"] == "clues":
        return bool(find(task.plan[-1], snippet))
    return task.answer in snippet and task.plan[-1] in snippet
