"""The scripted solver: search for the start, read page after page, quote each fact before it is used."""

import re
from collections.abc import Generator

from openhorizon.domains.domain import Expert, Seen
from openhorizon.domains.search.clues import BLANK, find
from openhorizon.domains.search.encyclopedia import BRIEF, SENTENCES
from openhorizon.domains.search.survey import FORM, PART_OF, survey_expert
from openhorizon.domains.search.tools import ARROW
from openhorizon.records import Message, Task, ToolCall


def expert(task: Task) -> Expert:
    """The solver of the task's form: a survey's, or that of a chain."""
    return survey_expert(task) if task.setup["form"] == FORM else _follow(task)


def _follow(task: Task) -> Expert:
    """Plays the task's plan through the tools; stops without an answer where a page does not say what it should."""
    here, brief = str(task.setup["start"]), task.setup["form"] == "brief"
    said = ""
    yield _call("", "search", query=here)
    for step in task.plan:
        found = yield from _read(here, step, said, task.setup["form"])
        if found is None:
            yield Message(role="assistant", content="I could not find out.")
            return
        here, said = found
    if brief:
        yield Message(role="assistant", content=f"{said}. The answer is {here}.")
    else:
        yield Message(role="assistant", content=f"{said}\n<answer>{here}</answer>")


def _read(title: str, step: str, said: str, form: str) -> Generator[Message, Seen, tuple[str, str] | None]:
    """Read the page until a part of it shows the step; returns the next page's title and the quote."""
    part = 1
    while True:
        more = {"part": part} if part > 1 else {}
        seen = yield _call(said, "read_page", title=title, **more)
        page = seen.results[0].text if seen.results else ""
        found = by_clue(step, page) if form == "clues" else by_relation(step, page, title, form)
        if found is not None:
            return found
        left = PART_OF.search(page)
        if left is None or int(left[1]) >= int(left[2]):
            return None
        part += 1


def by_relation(relation: str, page: str, title: str, form: str) -> tuple[str, str] | None:
    """The object of the relation as the page says it, and the quote."""
    if form == "brief":
        found = re.search(rf"The {re.escape(relation)} is ([^.\n]+)", page)
        return (found[1], found[0]) if found else None
    listed = re.search(rf"^\({re.escape(relation)}\) .*{re.escape(ARROW)}(.+)$", page, re.M)
    if listed:
        return listed[1], f"The {relation} of {title} is {listed[1]}."
    for sentence in (BRIEF, *SENTENCES):
        pattern = re.escape(sentence).replace(r"\{relation\}", re.escape(relation))
        pattern = pattern.replace(r"\{subject\}", re.escape(title)).replace(r"\{object\}", "([^.\n]+?)")
        if found := re.search(pattern, page):
            return found[1], found[0]
    return None


def by_clue(clue: str, page: str) -> tuple[str, str] | None:
    """The page that the link in the clue's blank leads to, and the quote."""
    text, _, listed = page.partition("\n\nLinks:\n")
    found = find(clue, text)
    if len(found) != 1:
        return None
    lines = (line.rpartition(ARROW) for line in listed.splitlines() if ARROW in line)
    titles = {anchor: title for anchor, _, title in lines}
    return titles.get(found[0], found[0]), f"The page says: {clue.replace(BLANK, found[0]).strip()}"


def _call(content: str, name: str, **arguments: object) -> Message:
    return Message(role="assistant", content=content, calls=(ToolCall(name=name, arguments=arguments),))
