"""Documents as the corpus part C of the knowledge-action graph: pages, their passages, and links with their reason."""

import re
from collections import Counter
from collections.abc import Iterable

from openhorizon.records import Document, Edge, EdgeKind, Node, NodeKind, Passage

_GAP = re.compile(r"\n[ \t]*(?:\n[ \t]*)+")


def passages(document: Document) -> tuple[Passage, ...]:
    """The paragraphs of the document with their places in its text.

    >>> page = Document(id="a/b", title="B", text="One.\\n\\nTwo.", source="")
    >>> [(p.id, p.start, p.end) for p in passages(page)]
    [('a/b#0', 0, 4), ('a/b#1', 6, 10)]
    """
    spans, start = [], 0
    for gap in _GAP.finditer(document.text):
        spans.append((start, gap.start()))
        start = gap.end()
    spans.append((start, len(document.text)))
    found: list[Passage] = []
    for start, end in spans:
        text = document.text[start:end]
        if text.strip():
            id = f"{document.id}#{len(found)}"
            found.append(
                Passage(id=id, document=document.id, title=document.title, text=text, start=start, end=end)
            )
    return tuple(found)


def to_graph(documents: Iterable[Document], domain: str) -> tuple[tuple[Node, ...], tuple[Edge, ...]]:
    """Nodes and edges of the documents, in their order.

    A page is an ENTITY (id and text of the document; data: "length" in characters, "degree" = pages it links to,
    "indegree" = pages that link to it). A paragraph is an EVIDENCE (id "<page>#<n>"; data: "start", "end" in the
    page's text) that SUPPORTS its page. A link is LINKS_TO, labelled with its relation, else its anchor; data:
    "passage" (id of the passage that justifies it), "anchor", "relation". Links to pages that are not among the
    documents, links to the page itself, and repeats within a passage are dropped; so is a second page of an id.
    """
    known: set[str] = set()
    pages = [page for page in documents if not (page.id in known or known.add(page.id))]
    edges: list[Edge] = []
    cut: list[tuple[Document, tuple[Passage, ...], list[Edge]]] = []
    arrivals: Counter[str] = Counter()
    for page in pages:
        parts = passages(page)
        links = _links(page, parts, known)
        arrivals.update({link.target for link in links})
        cut.append((page, parts, links))
    nodes: list[Node] = []
    for page, parts, links in cut:
        degree = len({link.target for link in links})
        data = {"length": len(page.text), "degree": degree, "indegree": arrivals[page.id]}
        nodes.append(
            Node(id=page.id, kind=NodeKind.ENTITY, domain=domain, title=page.title, text=page.text,
                 source=page.source, data=data)
        )  # fmt: skip
        for part in parts:
            nodes.append(
                Node(id=part.id, kind=NodeKind.EVIDENCE, domain=domain, title=part.title, text=part.text,
                     source=page.source, data={"start": part.start, "end": part.end})
            )  # fmt: skip
            edges.append(Edge(source=part.id, target=page.id, kind=EdgeKind.SUPPORTS))
        edges += links
    return tuple(nodes), tuple(edges)


def _links(page: Document, parts: tuple[Passage, ...], known: set[str]) -> list[Edge]:
    links: dict[tuple[str, str, int], Edge] = {}
    for link in page.links:
        key = (link.target, link.relation, link.paragraph)
        if (
            link.target in known
            and link.target != page.id
            and link.paragraph < len(parts)
            and key not in links
        ):
            data = {"passage": parts[link.paragraph].id, "anchor": link.anchor, "relation": link.relation}
            label = link.relation or link.anchor
            links[key] = Edge(
                source=page.id, target=link.target, kind=EdgeKind.LINKS_TO, label=label, data=data
            )
    return list(links.values())


def material_graph(
    items: Iterable[Document | Node | Edge], domain: str
) -> tuple[tuple[Node, ...], tuple[Edge, ...]]:
    """Nodes and edges of a domain's material: those of its documents (`to_graph`), then those given as such."""
    documents: list[Document] = []
    nodes: list[Node] = []
    edges: list[Edge] = []
    for item in items:
        if isinstance(item, Document):
            documents.append(item)
        elif isinstance(item, Node):
            nodes.append(item)
        else:
            edges.append(item)
    page_nodes, page_edges = to_graph(documents, domain)
    return (*page_nodes, *nodes), (*page_edges, *edges)
