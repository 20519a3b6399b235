"""Documents and the nodes and edges of the knowledge-action graph."""

from enum import StrEnum
from typing import Any

from openhorizon.records.base import Record


class NodeKind(StrEnum):
    """What a node of the graph is. The first five are C (corpus), then A, O, V, and what runs leave behind."""

    EVIDENCE = "evidence"  # a passage of text
    ENTITY = "entity"  # a thing with a name: a page, a molecule, a competition, a tool
    FACT = "fact"  # one statement, with the evidence that supports it
    CONSTRAINT = "constraint"  # a rule that an answer or a state must obey
    RESOURCE = "resource"  # a data set, a state, a tool schema
    ACTION = "action"  # one step's tool call or final answer
    OBSERVATION = "observation"  # what came back
    VERDICT = "verdict"  # what a verifier said of a step or an attempt
    ARTIFACT = "artifact"  # a task, an attempt, a file


class EdgeKind(StrEnum):
    """How two nodes hang together."""

    SUPPORTS = "supports"  # evidence -> fact, entity or task
    DEPENDS_ON = "depends_on"  # task or action -> what it needs or has read
    PRODUCES = "produces"  # action -> observation; attempt -> action
    VERIFIES = "verifies"  # verdict -> what it judges
    NEXT = "next"  # action -> the next action of the attempt
    LINKS_TO = "links_to"  # entity -> entity: a hyperlink or a typed relation


class Document(Record, kw_only=True):
    """One page or file as it was read."""

    id: str  # stable, readable: "<corpus>/<path or title>"
    title: str
    text: str  # plain text; paragraphs are parted by one empty line
    source: str  # path or URL that a person can open
    links: tuple["Link", ...] = ()


class Link(Record, kw_only=True):
    """A hyperlink of a document, with where it stands."""

    anchor: str  # the words that carry the link
    target: str  # id of the document it points to
    paragraph: int  # 0-based index of the paragraph of `text` that holds it
    relation: str = ""  # type of the relation, where the page says it; "" for a bare link


class Passage(Record, kw_only=True):
    """A paragraph of a document."""

    id: str  # "<document id>#<paragraph>"
    document: str
    title: str  # of the document
    text: str
    start: int  # offset of the first character in the document's text
    end: int  # offset after the last


class Node(Record, kw_only=True):
    """A node of the knowledge-action graph."""

    id: str
    kind: NodeKind
    domain: str
    title: str = ""
    text: str = ""
    source: str = ""  # where a person finds it; "" where the run made it
    data: dict[str, Any] = {}  # typed extras of the kind, JSON values only


class Edge(Record, kw_only=True):
    """A directed edge of the knowledge-action graph."""

    source: str  # node id
    target: str  # node id
    kind: EdgeKind
    label: str = ""  # relation or anchor, "" if none
    data: dict[str, Any] = {}
