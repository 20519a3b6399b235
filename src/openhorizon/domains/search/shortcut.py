"""The look for a second answer or a way around the chain."""

from openhorizon.domains.domain import Resources
from openhorizon.domains.search.atlas import survey_shortcut
from openhorizon.domains.search.clues import BLANK, COMMON, CUT, GAP, find, names_in, title_words
from openhorizon.domains.search.survey import FORM
from openhorizon.domains.search.tools import HITS_BRIEF, look_up
from openhorizon.records import EdgeKind, Task

RAREST = 3  # words of the last clue that are searched for alone


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
    for step in task.plan[: len(pages) - 1]:
        ends = {target for page in ends for target in fits(step, page, task.setup["form"], resources)}
    answers = {a for page in ends for a in _answers(task.plan[-1], page, task.setup["form"], resources)}
    return "" if answers == {task.answer} else f"{len(answers)} answers fit the question"


def _answers(step: str, page: str, form: str, resources: Resources) -> set[str]:
    """Titles of the pages that the last step leads to; words that are no link are an answer as they stand."""
    titles = {resources.graph.node(target).title for target in fits(step, page, form, resources)}
    if form == "clues" and not titles:
        return set(find(step, resources.graph.node(page).text))
    return titles


def fits(step: str, page: str, form: str, resources: Resources) -> set[str]:
    """The pages that a step of the plan may lead to from this page."""
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
    """The question, the words of its last clue, or its rarest words, searched for, must not lead straight to the page
    that tells."""
    if len(pages) < 2:
        return ""
    if why := found_by_question(task, pages[-1], resources):
        return why
    return found_by_clue(task.plan[-1], pages[-1], resources) if task.setup["form"] == "clues" else ""


def found_by_question(task: Task, page: str, resources: Resources) -> str:
    """How searching for the whole question finds the page, or shows what stands there; "" if it does not."""
    brief = task.setup["form"] == "brief"
    hits = look_up(resources, task.instruction, brief)
    if page in [hit.page for hit in hits[:HITS_BRIEF]]:
        return "searching for the question finds the page that tells the answer"
    if not brief and any(_tells(hit.snippet, task) for hit in hits):
        return "searching for the question shows the answer"
    return ""


def found_by_clue(clue: str, page: str, resources: Resources) -> str:
    """How searching for the clue's words, or for the rarest of them, finds the page; "" if it does not."""
    if page in _found(spoken(clue), resources):
        return "searching for the last clue finds the page that tells the answer"
    words = sorted(set(spoken(clue).casefold().split()), key=lambda w: (resources.index.frequency(w), w))
    if page in _found(" ".join(words[:RAREST]), resources):
        return "searching for the rarest words finds the page that tells the answer"
    return ""


def spoken(clue: str) -> str:
    """The clue's own words, as one would search for them."""
    return " ".join(clue.replace(BLANK, " ").replace(GAP, " ").replace(CUT, " ").split())


def _found(query: str, resources: Resources) -> list[str]:
    return [hit.page for hit in look_up(resources, query, brief=False)[:1]]


def _tells(snippet: str, task: Task) -> bool:
    """The snippet holds the clue's words around the answer, or the fact itself."""
    if task.setup["form"] == "clues":
        return bool(find(task.plan[-1], snippet))
    return task.answer in snippet and task.plan[-1] in snippet
