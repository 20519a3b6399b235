"""Surveys: questions that only reading dozens to hundreds of pages answers.

A survey starts at one page or a few, takes in every page within so many links of them, and asks for something that each
of these pages may decide: which names the earliest year after a given one, the latest before it, the most years of a
period, or how many name a year of a period. Nothing short of reading all of them proves the answer, and the pages at the
rim are only found by reading those before.
"""

import re
from collections import deque
from collections.abc import Mapping
from typing import Literal, NamedTuple

from openhorizon.domains.domain import Expert, Seen
from openhorizon.domains.search.tools import ARROW
from openhorizon.records import Message, Record, Task, ToolCall

FORM = "survey"
FIRST_YEAR, LAST_YEAR = 1000, 2029
LIST = "\n\nLinks:\n"  # what stands between a page's text and the list of its links
PART_OF = re.compile(r"\[part (\d+) of (\d+)\]")
_YEAR = re.compile(r"(?<!\d)\d{4}(?!\d)")

Asked = Literal["first", "last", "most", "count"]


class Survey(Record, kw_only=True):
    """What is asked. `low` and `high` bound the years that count, both included."""

    starts: tuple[str, ...]  # titles
    far: int  # links
    asked: Asked  # the page with the earliest, the latest, the most such years; how many pages name one
    low: int
    high: int

    @classmethod
    def of(cls, task: Task) -> "Survey":
        """The survey that a task asks for."""
        setup = task.setup
        return cls(
            starts=task.plan, far=setup["far"], asked=setup["asked"], low=setup["low"], high=setup["high"]
        )

    @property
    def setup(self) -> dict[str, object]:
        """What the task keeps beside the starts; all of it stands in the question."""
        return {
            "start": self.starts[0], "form": FORM, "far": self.far, "asked": self.asked, "low": self.low, "high": self.high,
        }  # fmt: skip

    def counted(self, years: frozenset[int]) -> frozenset[int]:
        """Those that count."""
        return frozenset(y for y in years if self.low <= y <= self.high)

    def value(self, years: frozenset[int]) -> int:
        """How good the page of these years is as an answer: the highest wins. 0: it names no year that counts."""
        counted = self.counted(years)
        if not counted:
            return 0
        return {"first": 10_000 - min(counted), "last": max(counted), "most": len(counted), "count": 1}[
            self.asked
        ]

    def answer(self, pages: Mapping[str, frozenset[int]]) -> str:
        """The answer over these pages' years by title; "" where two pages are equally good or none is."""
        values = {title: self.value(years) for title, years in pages.items()}
        if self.asked == "count":
            return str(sum(values.values()))
        best = max(values.values(), default=0)
        winners = [title for title, value in values.items() if value == best]
        return winners[0] if best and len(winners) == 1 else ""


def question(survey: Survey) -> str:
    """The survey in words."""
    names = ", ".join(f"“{s}”" for s in survey.starts)
    one = len(survey.starts) == 1
    start = f"Start at the page {names}." if one else f"Start at these {len(survey.starts)} pages: {names}."
    it = "it" if one else "them"
    links = "one link" if survey.far == 1 else f"at most {survey.far} links, one after another"
    span = f"from {survey.low} to {survey.high}"
    asked = {
        "first": f"Which of all these pages names the earliest year after {survey.low - 1}? Give its title.",
        "last": f"Which of all these pages names the latest year before {survey.high + 1}? Give its title.",
        "most": f"Which of all these pages names the most different years {span}? Give its title.",
        "count": f"How many of all these pages name at least one year {span}? Give the number.",
    }[survey.asked]
    return (
        f"{start} Take {it} and every page that you can reach from {it} by following {links}, where only the links count "
        f"that read_page lists under “Links:” at the end of a page or part. A year is any number from {FIRST_YEAR} to "
        f"{LAST_YEAR} that stands with four digits in the text of a page, in whichever part, above its list of links. {asked}"
    )


class Shown(NamedTuple):
    """What one call of read_page shows of a page."""

    years: frozenset[int]
    leads: tuple[str, ...]  # titles of the pages that the list of links leads to
    last: bool  # no part follows


def read_off(text: str) -> Shown:
    """The years, links and place of what read_page returned."""
    above, _, listed = text.partition(LIST)
    years = frozenset(y for y in map(int, _YEAR.findall(above)) if FIRST_YEAR <= y <= LAST_YEAR)
    leads = dict.fromkeys(line.rpartition(ARROW)[2].strip() for line in listed.splitlines() if ARROW in line)
    part = PART_OF.search(above[-40:])
    return Shown(years, tuple(leads), part is None or int(part[1]) >= int(part[2]))


def folded(title: str) -> str:
    """Titles that read_page takes for the same."""
    return " ".join(title.split()).casefold()


def survey_expert(task: Task) -> Expert:
    """Reads every page ring by ring, keeps count of what it has and what is left, and answers from its own notes."""
    survey = Survey.of(task)
    pages: dict[str, frozenset[int]] = {}
    waiting = deque((title, 0) for title in survey.starts)
    known = {folded(title) for title in survey.starts}
    said = ""
    yield _call("", "search", query=survey.starts[0])
    while waiting:
        title, distance = waiting.popleft()
        years: set[int] = set()
        part = 1
        while True:
            seen: Seen = yield _call(said, "read_page", title=title, **({"part": part} if part > 1 else {}))
            if seen.reply:  # the budget is spent: the best that is known
                yield _final(survey, pages, "Not every page is read")
                return
            if not seen.results or not seen.results[0].ok:
                yield Message(role="assistant", content=f"I could not read {title}.")
                return
            shown = read_off(seen.results[0].text)
            years |= shown.years
            new = [t for t in shown.leads if distance < survey.far and folded(t) not in known]
            known |= {folded(t) for t in new}
            waiting.extend((t, distance + 1) for t in dict.fromkeys(new))
            said = f"{title}, part {part}."
            if shown.last:
                break
            part += 1
        pages[title] = frozenset(years)
        said = _note(survey, pages, title, len(waiting))
    yield _final(survey, pages, f"{said}\nAll {len(pages)} pages are read")


def _note(survey: Survey, pages: Mapping[str, frozenset[int]], title: str, left: int) -> str:
    """What the page just read says, what that makes of the whole so far, and how many pages are known but unread."""
    counted = sorted(survey.counted(pages[title]))
    if survey.asked in ("first", "last"):
        found = str(counted[0 if survey.asked == "first" else -1]) if counted else "no year that counts"
    else:
        found = ", ".join(map(str, counted)) or "no year that counts"
    return f"{title}: {found}. {_so_far(survey, pages)}. Pages left: {left}."


def _so_far(survey: Survey, pages: Mapping[str, frozenset[int]]) -> str:
    if survey.asked == "count":
        return f"So far {survey.answer(pages)} out of {len(pages)}"
    best = max(pages, key=lambda t: survey.value(pages[t]))
    counted = survey.counted(pages[best])
    if not counted:
        return "So far no such year"
    word, value = {
        "first": ("earliest", min(counted)), "last": ("latest", max(counted)), "most": ("most years", len(counted)),
    }[survey.asked]  # fmt: skip
    return f"So far the {word}: {value}, {best}"


def _final(survey: Survey, pages: Mapping[str, frozenset[int]], why: str) -> Message:
    answer = survey.answer(pages)
    if not answer:
        return Message(role="assistant", content="I could not find out.")
    said = f"{why}. {_so_far(survey, pages)}.\n<answer>{answer}</answer>"
    return Message(role="assistant", content=said)


def _call(content: str, name: str, **arguments: object) -> Message:
    return Message(role="assistant", content=content, calls=(ToolCall(name=name, arguments=arguments),))
