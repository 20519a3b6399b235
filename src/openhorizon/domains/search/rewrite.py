"""A question said better by a model, kept only where the same model, asked as a verifier, finds it sound.

The checks, each an `Ask` or a look at the text: nothing leaks (no form of a name of the chain, no answer), the answer
is found from the evidence, it is not found without any evidence, and not without the last piece of it.
"""

import re
from collections.abc import Callable
from zlib import crc32

from msgspec.structs import replace

from openhorizon.domains.domain import Ask
from openhorizon.domains.search.clues import Words, names_in
from openhorizon.domains.search.verify import same_name, stated
from openhorizon.graph.graph import Graph
from openhorizon.records import Task

WORDS = 160  # most words of a question
LEAST = 6

WRITE = """Rewrite this question so that it reads naturally. It asks a reader to go from page to page of a collection; keep \
the start page's name, every step and its order. Never name another page, a person, a place or the answer: describe \
what a step looks for by what the passages say about it, in other words than theirs. Reply with the question alone.

Question: {question}

What the steps rest on:
{passages}

The answer, which must not be said: {answer}"""

ANSWER = """Answer the question from these passages alone. If they do not tell, answer: unknown. Give the last answer only, \
as the passages or titles spell it, between tags: <answer>...</answer>

{passages}

Question: {question}"""

ALONE = """Answer this question from what you know; there is nothing to look up. If you cannot know, answer: unknown. Give \
the answer only, between tags: <answer>...</answer>

Question: {question}"""


def rewriter(
    graph: Graph,
    words: Words,
    ask: Ask,
    judge: Ask | None = None,
    heard: Callable[[str], None] = lambda why: None,
) -> Callable[[Task], Task | None]:
    """Who rewrites tasks with `ask` and verifies with `judge` (the same unless given); None where the template stays.
    `heard` is told of each: "" for a kept rewriting, else why not."""

    def rewrite(task: Task) -> Task | None:
        question = _plain(ask(_written(task, graph)))
        why = leaks(question, task, graph, words) or unsupported(question, task, graph, judge or ask)
        heard(why)
        if why:
            return None
        return replace(task, id=f"{task.id}-{crc32(question.encode()):08x}", instruction=question)

    return rewrite


def leaks(question: str, task: Task, graph: Graph, words: Words) -> str:
    """What a question says that it must not, or lacks that it must say; "" for nothing."""
    count = len(question.split())
    if not LEAST <= count <= WORDS:
        return f"a question has {LEAST} to {WORDS} words"
    start = str(task.setup["start"])
    if start.casefold() not in question.casefold():
        return "the start page is not named"
    rest = re.sub(re.escape(start), " ", question, flags=re.I)
    pages = [graph.node(e.node.rpartition("#")[0]).title for e in task.evidence[1:]]
    names = {w for title in (*pages, task.answer) for w in words.telling(title)}
    own = {
        w for w in names if names_in(start, [w])
    }  # a start that shares a word with a later page says it anyway
    return (
        "a name of the chain is said"
        if names_in(rest, names - own) or task.answer.casefold() in rest.casefold()
        else ""
    )


def unsupported(question: str, task: Task, graph: Graph, judge: Ask) -> str:
    """Why the verifier does not let the question stand; "" if it does."""

    def right(text: str) -> bool:
        return same_name(stated(text), task.answer)

    if not right(
        judge(ANSWER.format(passages=_passages(task, graph, len(task.evidence)), question=question))
    ):
        return "the answer is not found from the evidence"
    if right(judge(ALONE.format(question=question))):
        return "the answer is known without any evidence"
    if right(
        judge(ANSWER.format(passages=_passages(task, graph, len(task.evidence) - 1), question=question))
    ):
        return "the answer is found without the last piece of evidence"
    return ""


def _written(task: Task, graph: Graph) -> str:
    passages = _passages(task, graph, len(task.evidence))
    return WRITE.format(question=task.instruction, passages=passages, answer=task.answer)


def _passages(task: Task, graph: Graph, count: int) -> str:
    """The first pieces of evidence under their pages' titles, with where their links lead."""
    parts: list[str] = []
    for piece in task.evidence[:count]:
        page = piece.node.rpartition("#")[0]
        led = [
            f"{e.data['anchor']} -> {graph.node(e.target).title}"
            for e in graph.out(page)
            if e.data.get("passage") == piece.node
        ]
        parts.append(
            f"[{graph.node(page).title}] {piece.text}" + (f"\nLinks: {'; '.join(led)}" if led else "")
        )
    return "\n\n".join(parts)


def _plain(text: str) -> str:
    return " ".join(text.strip().removeprefix("Question:").split()).strip('"')
