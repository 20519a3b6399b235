"""The tools of full tasks, for real models: read_page takes a goal, and a URL where there is a web."""

from openhorizon.domains.domain import Observation, tool
from openhorizon.domains.search.reading import ROOM, Shown
from openhorizon.domains.search.tools import (
    ARROW,
    WEB_LINKS,
    Desk,
    code,
    read_corpus,
    search,
    shown,
    web_nodes,
)
from openhorizon.errors import ToolError


@tool
def read_page(env: Desk, title: str, goal: str = "", part: int = 0) -> Observation:
    """Read a page that search found. Of a long page you get what bears on your goal, and how to read the rest. Links
    whose words differ from the title of the page they lead to are listed at the end.

    title: title of the page or its URL, as search gives it
    goal: what you want to know from the page
    part: which part of a long page, from 1; 0 is what bears on the goal
    """
    read = _read_web if env.open else read_corpus
    return read(env, title, goal, part or None)


def _read_web(env: Desk, url: str, goal: str, part: int | None) -> Observation:
    """A page of the web: what is shown of it, the links in that, and a node for each paragraph that was shown."""
    from openhorizon.retrieval.web import is_url

    assert env.resources.web is not None
    if not is_url(url):
        raise ToolError(f"{url[:80]} is not a URL; give the URL of the page, as search lists it")
    page = env.resources.web.read(url)
    paragraphs = page.text.split("\n\n")
    if len(page.text) <= ROOM and part in (None, 1):
        found = Shown(page.text, tuple(range(len(paragraphs))))
    else:
        found = shown(env.resources.ask, page.title or url, paragraphs, goal, part)
    nodes = web_nodes(url, page.title, [paragraphs[n] for n in found.paragraphs])
    links = [f"{link.anchor}{ARROW}{link.url}" for link in page.links if link.anchor in found.text]
    listed = "\n\nLinks:\n" + "\n".join(links[:WEB_LINKS]) if links else ""
    head = f"{page.title}\n\n" if page.title else ""
    return Observation(
        text=f"{head}{found.text}{listed}", sources=tuple(n.id for n in nodes), nodes=tuple(nodes)
    )


FULL_TOOLS = (search, read_page, code)
