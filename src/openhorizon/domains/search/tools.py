"""What the agent may do: search, read a page, run a program. Tasks from a corpus are looked up in the index; open
questions on the web, where one is configured."""

from collections.abc import Sequence
from dataclasses import dataclass

from openhorizon.domains.domain import Ask, Observation, Resources, tool
from openhorizon.domains.search.encyclopedia import says
from openhorizon.domains.search.reading import ROOM, Shown, for_goal, summarised, whole_or_part
from openhorizon.errors import ToolError
from openhorizon.records import EdgeKind, Node, NodeKind, Task, ToolCall
from openhorizon.retrieval.index import Hit

NAME = "search"
OPEN = "open"  # setup["form"] of a task that no corpus was walked for: its question may be about anything
HITS_BRIEF, HITS = 3, 10
WEB_LINKS = 40  # links that are listed under what is shown of a page of the web
OUTPUT = 4_000  # characters of a program's output that are shown
ARROW = " -> "


@dataclass(frozen=True)
class Desk:
    """What an attempt works at: the resources, and how it speaks and where it looks. It knows nothing of the answer."""

    resources: Resources
    brief: bool
    open: bool = False  # looks on the web, where there is one


def open_desk(task: Task, resources: Resources) -> Desk:
    form = task.setup.get("form", OPEN)
    return Desk(resources, form == "brief", form == OPEN and resources.web is not None)


@tool
def search(env: Desk, query: str) -> Observation:
    """Find pages by words. Returns the titles of the best pages.

    query: words that stand in the title or the text
    """
    if env.open:
        return _search_web(env, query)
    hits = look_up(env.resources, query, env.brief)
    if not hits:
        raise ToolError("no page has these words")
    if env.brief:
        return Observation(text="; ".join(hit.title for hit in hits))
    lines = (f"{n}. {hit.title}: {hit.snippet}" for n, hit in enumerate(hits, start=1))
    return Observation(text="\n".join(lines), sources=tuple(hit.id for hit in hits))


def look_up(resources: Resources, query: str, brief: bool) -> tuple[Hit, ...]:
    """What a search of the corpus shows: whole pages to the tiny model; else each page by its best passage."""
    if brief:
        return resources.index.search(query, HITS_BRIEF, domain=NAME)
    found: dict[str, Hit] = {}
    for hit in resources.index.passages(query, 3 * HITS, domain=NAME):
        found.setdefault(hit.page, hit)
    return tuple(found.values())[:HITS]


def _search_web(env: Desk, query: str) -> Observation:
    assert env.resources.web is not None
    found = env.resources.web.search(query)
    if not found:
        raise ToolError("the search found nothing; try other words")
    lines, sources, nodes = [], [], []
    for n, one in enumerate(found, start=1):
        lines.append(f"{n}. {one.title}{f' ({one.date})' if one.date else ''}: {one.snippet}\n   {one.url}")
        seen = web_nodes(one.url, one.title, [one.snippet])
        nodes += seen
        sources.append(seen[-1].id)  # the page's, where there is no snippet
    return Observation(text="\n".join(lines), sources=tuple(sources), nodes=tuple(nodes))


def web_nodes(url: str, title: str, texts: Sequence[str]) -> list[Node]:
    """The page as a node without a text, and a node for each text that was seen of it: what an attempt retrieved, which
    is no part of the corpus that tasks are made from."""
    from openhorizon.retrieval.web import node_id

    kind = NodeKind.OBSERVATION
    page = Node(id=node_id(url), kind=kind, domain=NAME, title=title, source=url)
    ids = dict.fromkeys(text for text in texts if text)
    return [page] + [
        Node(id=node_id(url, t), kind=kind, domain=NAME, title=title, text=t, source=url) for t in ids
    ]


@tool
def read_page(env: Desk, title: str, part: int = 1) -> Observation:
    """Read the page with this title. A long page comes in parts. Links whose words differ from the title of the page
    they lead to are listed at the end.

    title: title of the page, as search gives it
    part: which part of a long page, from 1
    """
    return read_corpus(env, title, "", part)


def read_corpus(env: Desk, title: str, goal: str, part: int | None) -> Observation:
    """A page of the corpus; `part` None: what the goal asks for."""
    page = env.resources.index.page(title, domain=NAME)
    if page is None:
        raise ToolError(f"there is no page {title[:80]}")
    graph = env.resources.graph
    ids = tuple(e.source for e in graph.into(page.id, EdgeKind.SUPPORTS))
    if len(page.text) <= ROOM and part in (None, 1):
        text, seen = page.text, ids
    else:
        found = shown(env.resources.ask, page.title, [graph.node(id).text for id in ids], goal, part)
        text, seen = found.text, tuple(ids[n] for n in found.paragraphs)
    return Observation(text=text + _links(env, page.id, set(seen)), sources=(page.id, *seen))


def shown(ask: Ask | None, title: str, paragraphs: Sequence[str], goal: str, part: int | None) -> Shown:
    """Of a long page: the part asked for, else what the goal asks for, else the first part."""
    found = None
    if goal.strip() and part is None:
        found = summarised(paragraphs, goal, ask) if ask is not None else None
        found = found or for_goal(paragraphs, goal)
    return found or whole_or_part(paragraphs, 1 if part is None else part, title)


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


def waits(env: Desk, call: ToolCall) -> bool:
    """Looking on the web does, and having a page summarised."""
    return call.name != code.name and (env.open or env.resources.ask is not None)


TOOLS = (search, read_page, code)
