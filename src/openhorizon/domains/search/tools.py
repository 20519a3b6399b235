"""What the agent may do: search the pages, read one, run a program."""

from dataclasses import dataclass

from openhorizon.domains.domain import Observation, Resources, tool
from openhorizon.domains.search.encyclopedia import says
from openhorizon.errors import ToolError
from openhorizon.records import EdgeKind, Task

NAME = "search"
PART = 8_000  # characters of a page that one call returns
HITS_BRIEF, HITS = 3, 10
OUTPUT = 4_000  # characters of a program's output that are shown
ARROW = " -> "


@dataclass(frozen=True)
class Desk:
    """What an attempt works at: the resources, and whether it speaks briefly. It knows nothing of the answer."""

    resources: Resources
    brief: bool


def open_desk(task: Task, resources: Resources) -> Desk:
    return Desk(resources, task.setup.get("form") == "brief")


@tool
def search(env: Desk, query: str) -> str:
    """Find pages by words. Returns the titles of the best pages.

    query: words that stand in the title or the text
    """
    hits = env.resources.index.search(query, HITS_BRIEF if env.brief else HITS, domain=NAME)
    if not hits:
        raise ToolError("no page has these words")
    if env.brief:
        return "; ".join(hit.title for hit in hits)
    return "\n".join(f"{n}. {hit.title}: {hit.snippet}" for n, hit in enumerate(hits, start=1))


@tool
def read_page(env: Desk, title: str, part: int = 1) -> Observation:
    """Read the page with this title. A long page comes in parts. Links whose words differ from the title of the page
    they lead to are listed at the end.

    title: title of the page, as search gives it
    part: which part of a long page, from 1
    """
    page = env.resources.index.page(title, domain=NAME)
    if page is None:
        raise ToolError(f"there is no page {title[:80]}")
    graph = env.resources.graph
    if len(page.text) <= PART and part == 1:
        passages = tuple(e.source for e in graph.into(page.id, EdgeKind.SUPPORTS))
        text = page.text
    else:
        text, passages = _part(env, page.id, page.title, part)
    return Observation(text=text + _links(env, page.id, set(passages)), sources=(page.id, *passages))


def _part(env: Desk, page: str, title: str, part: int) -> tuple[str, tuple[str, ...]]:
    """The paragraphs of one part with a note on what follows, and their ids. Whole paragraphs only."""
    graph = env.resources.graph
    parts: list[list[str]] = [[]]
    room = PART
    for edge in graph.into(page, EdgeKind.SUPPORTS):
        length = len(graph.node(edge.source).text)
        if length > room and parts[-1]:
            parts.append([])
            room = PART
        parts[-1].append(edge.source)
        room -= length
    if not 1 <= part <= len(parts):
        raise ToolError(f"{title} has parts 1 to {len(parts)}")
    ids = tuple(parts[part - 1])
    text = "\n\n".join(graph.node(id).text for id in ids)
    if len(parts) > 1:
        text += f"\n\n[part {part} of {len(parts)}]"
    return text, ids


def _links(env: Desk, page: str, passages: set[str]) -> str:
    """The links of these passages that a reader of the text could not follow: other words, or an unsaid relation."""
    graph = env.resources.graph
    lines: list[str] = []
    for edge in graph.out(page, EdgeKind.LINKS_TO):
        if edge.data.get("passage") not in passages:
            continue
        title, anchor = graph.node(edge.target).title, str(edge.data.get("anchor", ""))
        relation = str(edge.data.get("relation", ""))
        passage = graph.node(edge.data["passage"])
        unsaid = relation and not says(passage.text, relation, passage.title, anchor)
        if anchor != title or unsaid:
            lines.append(f"{f'({relation}) ' if unsaid else ''}{anchor}{ARROW}{title}")
    return "\n\nLinks:\n" + "\n".join(dict.fromkeys(lines)) if lines else ""


@tool
def code(env: Desk, program: str) -> str:
    """Run a Python program without network and return what it prints.

    program: Python source
    """
    outcome = env.resources.sandbox.run(program, seconds=10.0, memory_mb=512)
    text = outcome.stdout[:OUTPUT]
    if outcome.timed_out:
        raise ToolError("the program ran longer than 10 seconds")
    if outcome.exit_code:
        raise ToolError(f"exit code {outcome.exit_code}\n{text}\n{outcome.stderr[-OUTPUT // 2 :]}".strip())
    return text or "(the program printed nothing)"


TOOLS = (search, read_page, code)
