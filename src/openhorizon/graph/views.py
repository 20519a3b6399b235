"""Sub-KAGs as views: a name for a filter over a graph's domains, kinds and tools that yields a graph."""

from collections.abc import Mapping

import numpy as np

from openhorizon.errors import UserError
from openhorizon.graph.graph import Graph
from openhorizon.records import NodeKind, Record

KNOWLEDGE = (NodeKind.EVIDENCE, NodeKind.ENTITY, NodeKind.FACT, NodeKind.CONSTRAINT, NodeKind.RESOURCE)
EXPERIENCE = (NodeKind.ACTION, NodeKind.OBSERVATION, NodeKind.VERDICT, NodeKind.ARTIFACT)
CODE = ("code", "write_full_code", "patch_code", "execute_code", "execute_bash")


class View(Record, kw_only=True):
    """What of a graph belongs to a sub-KAG; an empty field filters nothing."""

    about: str  # a line for people
    domains: tuple[str, ...] = ()
    kinds: tuple[NodeKind, ...] = ()
    tools: tuple[str, ...] = ()  # only actions with these tools, and what lies one edge from them


VIEWS: Mapping[str, View] = {
    "coding": View(about="programs written and run, in any domain, and what came of them", tools=CODE),
    "agentic-reasoning": View(
        about="many turns with tools and users", domains=("search", "agentic", "scientific_agentic")
    ),
    "instruction-following": View(about="constraints and long documents", domains=("instructions",)),
    "mle": View(about="competitions, their data, solutions and scores", domains=("engineering",)),
    "science": View(
        about="problems, formulas, molecules, and their solving", domains=("science", "scientific_agentic")
    ),
    "knowledge": View(about="C: what was there before anything was tried", kinds=KNOWLEDGE),
    "experience": View(about="A, O, V: tasks, attempts, their steps and verdicts", kinds=EXPERIENCE),
}


def view_named(name: str) -> View:
    """The view; UserError names those there are."""
    if name not in VIEWS:
        raise UserError(f"there is no view {name}; there are {', '.join(VIEWS)}")
    return VIEWS[name]


def seen_through(graph: Graph, view: View) -> Graph:
    """The part of the graph that belongs to the view: its nodes and the edges between them."""
    chosen = graph.where(view.domains, view.kinds)
    if not view.tools:
        return graph.part(chosen)
    actions = graph.where(view.domains, (NodeKind.ACTION,))
    called = actions[[graph.node_at(place).title in view.tools for place in actions.tolist()]]
    others = np.setdiff1d(chosen, actions, assume_unique=True)
    return graph.part(np.union1d(called, np.intersect1d(graph.beside(called), others)))
