"""Short ways that a lazy solver would try: one search, at most one page read, then an answer. None may reach it."""

import re
from collections.abc import Generator, Iterator

from openhorizon.domains.domain import Expert, Seen
from openhorizon.domains.search.expert import by_clue, by_relation
from openhorizon.domains.search.shortcut import spoken
from openhorizon.domains.search.survey import FORM as SURVEY
from openhorizon.domains.search.tools import HITS_BRIEF
from openhorizon.records import Message, Task, ToolCall

_HIT = re.compile(r"^\d+\. (.+?): ", re.M)


def lookups(task: Task) -> Iterator[Expert]:
    """Search for the question and give the title of each of the first hits; search for the question, or for the words
    of its last step, read the first hit and take what the last step points at there."""
    for rank in range(HITS_BRIEF):
        yield _title(task.instruction, rank)
    if task.setup["form"] == SURVEY:  # its steps point at no name
        return
    last = task.plan[-1]
    for query in (task.instruction, spoken(last)):
        yield _first_page(query, last, str(task.setup["form"]))


def _title(query: str, rank: int) -> Expert:
    titles = yield from _search(query)
    yield _answer(titles[rank] if rank < len(titles) else "I do not know.")


def _first_page(query: str, step: str, form: str) -> Expert:
    titles = yield from _search(query)
    found = None
    if titles:
        call = ToolCall(name="read_page", arguments={"title": titles[0]})
        seen = yield Message(role="assistant", calls=(call,))
        page = seen.results[0].text if seen.results else ""
        found = by_clue(step, page) if form == "clues" else by_relation(step, page, titles[0], form)
    yield _answer(found[0] if found else "I do not know.")


def _search(query: str) -> Generator[Message, Seen, list[str]]:
    call = ToolCall(name="search", arguments={"query": query})
    seen = yield Message(role="assistant", calls=(call,))
    return _HIT.findall(seen.results[0].text) if seen.results else []


def _answer(text: str) -> Message:
    return Message(role="assistant", content=f"<answer>{text}</answer>")
