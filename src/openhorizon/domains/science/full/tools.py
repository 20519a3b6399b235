"""What the agent may do: search and read the handbook, find reports and papers, run a program."""

import re
from dataclasses import dataclass

from openhorizon.domains.domain import Observation, Resources, tool
from openhorizon.domains.science.full.book import DOMAIN
from openhorizon.errors import ToolError
from openhorizon.records import Node, NodeKind, Task, ToolCall
from openhorizon.retrieval.shelf import Page

SECONDS = 10.0
LONGEST_PROGRAM, LONGEST_OUTPUT = 8000, 4000  # characters
HITS, PAPERS = 8, 5  # of one search
REPORT = "Report on the "


@dataclass
class Bench:
    """One attempt's state: nothing but what handbook, archive and sandbox answer."""

    resources: Resources
    tools: bool

    def allow(self) -> None:
        if not self.tools:
            raise ToolError("this task is solved without tools; write the answer")

    def page(self, title: str) -> Page | None:
        return self.resources.index.page(title, domain=DOMAIN)


def open_bench(task: Task, resources: Resources) -> Bench:
    """The state that one attempt at the task acts on."""
    return Bench(resources, task.setup.get("tools", True))


@tool
def search(env: Bench, query: str) -> Observation:
    """Search the handbook: laws, constants of nature, materials, planets, isotopes, devices. Gives titles; read one with visit.

    query: words such as the name of a thing or a quantity
    """
    env.allow()
    if not any(c.isalnum() for c in query):
        raise ToolError("the query has no words; give a name or a quantity")
    hits = env.resources.index.search(query, k=HITS, domain=DOMAIN)
    if not hits:
        raise ToolError(f"nothing in the handbook has any of these words: {query[:80]}")
    titles = (env.resources.index.page(hit.id, domain=DOMAIN) for hit in hits)
    lines = [f"{page.title}: {page.text.split(chr(10))[0]}" for page in titles if page]
    return Observation(text="\n".join(lines))


@tool
def visit(env: Bench, title: str) -> Observation:
    """Read one page of the handbook.

    title: as `search` shows it, or the name of a thing
    """
    env.allow()
    page = env.page(title)
    if page is None or page.text.startswith(REPORT):
        near = [h.title for h in env.resources.index.search(title, k=3, domain=DOMAIN)]
        hint = f"; near it are {', '.join(near)}" if near else ""
        kind = "is a report: use scholar" if page else f"is no page of the handbook{hint}"
        raise ToolError(f"{title[:60]!r} {kind}")
    return Observation(text=page.text, sources=(page.id,))


@tool
def scholar(env: Bench, query: str) -> Observation:
    """Find research reports and papers, with their abstracts.

    query: what they are about, such as the name of what was measured
    """
    env.allow()
    words = " ".join(query.split())
    if not any(c.isalnum() for c in words):
        raise ToolError("the query has no words; say what the report is about")
    reports = _reports(env, words)
    named = [page for page in reports if page.title.casefold() in words.casefold()]
    if not named and env.resources.scholar is not None:
        return _papers(env, words)
    chosen = (named or reports)[:3]
    if not chosen:
        raise ToolError(f"no report is about {words[:60]!r}; things of the handbook are read with visit")
    return Observation(text="\n\n---\n\n".join(p.text for p in chosen), sources=tuple(p.id for p in chosen))


def _reports(env: Bench, words: str) -> list[Page]:
    index = env.resources.index
    hits = (index.page(h.id, domain=DOMAIN) for h in index.search(words, k=20, domain=DOMAIN))
    return [page for page in hits if page is not None and page.text.startswith(REPORT)]


def _papers(env: Bench, words: str) -> Observation:
    from openhorizon.retrieval.web import node_id

    assert env.resources.scholar is not None
    papers = env.resources.scholar.search(words, PAPERS)
    if not papers:
        raise ToolError(f"no paper is about {words[:60]!r}; try fewer or other words")
    nodes = [
        Node(
            id=node_id(p.url),
            kind=NodeKind.ENTITY,
            domain=DOMAIN,
            title=p.title,
            text=p.abstract,
            data={"url": p.url, "authors": list(p.authors), "year": p.year},
        )
        for p in papers
    ]
    text = "\n\n---\n\n".join(
        f"{p.title} ({', '.join(p.authors[:4])}, {p.year or 'no year'})\n{p.url}\n{p.abstract}"
        for p in papers
    )
    return Observation(text=text, sources=tuple(n.id for n in nodes), nodes=tuple(nodes))


@tool
def code(env: Bench, program: str) -> Observation:
    """Run a Python program and read what it prints. It has no network and no files of this task.

    program: Python source that prints its results
    """
    env.allow()
    if len(program) > LONGEST_PROGRAM:
        raise ToolError(f"the program is longer than {LONGEST_PROGRAM} characters")
    outcome = env.resources.sandbox.run(program, seconds=SECONDS)
    if outcome.timed_out:
        raise ToolError(f"the program ran longer than {SECONDS:g} s; make it faster")
    if outcome.exit_code:
        lines = outcome.stderr.strip().splitlines() or [f"it ended with code {outcome.exit_code}"]
        at = re.findall(r'File "[^"]*", (line \d+)', outcome.stderr)
        raise ToolError(f"{lines[-1][:300]}{f' ({at[-1]})' if at else ''}")
    printed = outcome.stdout.strip()
    if not printed:
        raise ToolError("the program printed nothing; print the results")
    return Observation(text=printed[:LONGEST_OUTPUT])


def waits(env: Bench, call: ToolCall) -> bool:
    """Whether the call runs a program or asks a service outside."""
    return call.name == code.name or (call.name == "scholar" and env.resources.scholar is not None)


TOOLS = (search, visit, scholar, code)
