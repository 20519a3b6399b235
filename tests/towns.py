"""A two-tool look-up domain, small and real: what tests of the graph and of self-play play with."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count, pairwise

from openhorizon.domains.domain import Domain, Expert, Observation, Order, Resources, tool
from openhorizon.domains.names import names
from openhorizon.errors import ToolError
from openhorizon.graph.graph import Graph
from openhorizon.records import (
    Edge,
    EdgeKind,
    Evidence,
    Limits,
    Message,
    Node,
    NodeKind,
    Split,
    Task,
    ToolCall,
    ToolResult,
    Trajectory,
    Verdict,
    VerifierSpec,
)
from openhorizon.retrieval.index import Index


def material(seed: int, size: str) -> Iterator[Node | Edge]:
    """Per split a row of towns, each with a page that names its sister town."""
    for split in Split:
        towns = list(names(split, seed))[:60]
        for town, sister in pairwise(towns):
            page = f"towns/{town}"
            text = f"{town} is a town. Its sister is {sister}."
            yield Node(
                id=page, kind=NodeKind.ENTITY, domain="towns", title=town, text=text, source=f"{town}.html"
            )
            yield Node(id=f"{page}#0", kind=NodeKind.EVIDENCE, domain="towns", title=town, text=text)
            yield Edge(source=f"{page}#0", target=page, kind=EdgeKind.SUPPORTS)


def graph_of(seed: int = 0) -> Graph:
    found = list(material(seed, "mini"))
    return Graph([n for n in found if isinstance(n, Node)], [e for e in found if isinstance(e, Edge)])


def propose(graph: Graph, order: Order) -> Iterator[Task]:
    pages = [
        n for n in graph.nodes("towns", NodeKind.ENTITY) if n.title in set(names(order.split, order.seed))
    ]
    for number in count():
        page = pages[number % len(pages)]
        asked = (
            "What is the sister of"
            if number < len(pages)
            else f"In round {number // len(pages)}, what is the sister of"
        )
        yield task_about(page, order.split, f"{asked} {page.title}?", f"towns/{order.split.value}/{number}")


def task_about(page: Node, split: Split, instruction: str, task_id: str) -> Task:
    sister = page.text.removesuffix(".").partition("sister is ")[2]
    return Task(
        id=task_id,
        domain="towns",
        split=split,
        instruction=instruction,
        answer=sister,
        evidence=(Evidence(node=f"{page.id}#0", text=page.text, source=page.source),),
        verifiers=(VerifierSpec(name="same", arguments={"answer": sister}),),
        setup={"town": page.title},
        entities=(page.title, sister),
    )


@dataclass
class Desk:
    """The state of one attempt: what was found."""

    resources: Resources
    found: list[str] = field(default_factory=list)


def find(env: Desk, town: str) -> str:
    """Find the page of a town."""
    page = env.resources.index.page(town, "towns")
    if page is None:
        raise ToolError(f"there is no town {town}")
    env.found.append(page.id)
    return f"the page is {len(env.found)}"


def read(env: Desk, page: int) -> Observation:
    """Read a page that was found."""
    if not 1 <= page <= len(env.found):
        raise ToolError(f"there is no page {page}")
    found = env.resources.index.page(env.found[page - 1])
    assert found is not None
    return Observation(text=found.text, sources=(found.id,))


def expert(task: Task) -> Expert:
    seen = yield Message(
        role="assistant", calls=(ToolCall(name="find", arguments={"town": task.setup["town"]}),)
    )
    page = int(seen.results[0].text.rpartition(" ")[2])
    seen = yield Message(role="assistant", calls=(ToolCall(name="read", arguments={"page": page}),))
    yield Message(role="assistant", content=seen.results[0].text.removesuffix(".").partition("sister is ")[2])


def verify(task: Task, run: Trajectory, env: Desk) -> Verdict:
    right = bool(task.verifiers) and run.answer.strip() == task.verifiers[0].arguments["answer"]
    return Verdict(
        score=float(right), passed=right, parts={"answer": float(right)}, why="" if right else "wrong town"
    )


def verify_step(task: Task, env: Desk, result: ToolResult) -> Verdict | None:
    return Verdict(score=float(result.ok), passed=result.ok) if result.call else None


TOWNS = Domain(
    name="towns",
    tools=(tool(find), tool(read)),
    system="Answer with the tools.",
    brief="Answer.",
    limits=Limits(),
    material=material,
    propose=propose,
    open=lambda task, resources: Desk(resources),
    expert=expert,
    verify=verify,
    verify_step=verify_step,
    guesses=lambda task: ("Amber Town", task.setup["town"]),
    min_calls=2,
)


class NoSandbox:
    """These tests run no programs."""

    name = "none"

    def run(self, program: str, **more: object):
        raise AssertionError("no program was expected")

    def close(self) -> None: ...


def resources_of(graph: Graph) -> Resources:
    return Resources(graph=graph, index=Index.of_graph(graph), sandbox=NoSandbox())
