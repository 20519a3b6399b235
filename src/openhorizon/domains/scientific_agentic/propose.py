"""Questions from regions of the registry: a molecule, its kin by similarity, and others far away."""

import random
from collections.abc import Callable, Iterator
from zlib import crc32

from openhorizon.domains.domain import Order
from openhorizon.domains.names import split_of
from openhorizon.domains.scientific_agentic.chemistry import COUNTS, DESCRIPTORS, GROUPS, TELLING, count
from openhorizon.domains.scientific_agentic.molecules import DOMAIN, group_id, molecule_id
from openhorizon.domains.scientific_agentic.questions import Question, chosen, kept, solve
from openhorizon.domains.scientific_agentic.tools import spaced
from openhorizon.domains.scientific_agentic.wording import FULL, MINI, worded
from openhorizon.graph.graph import Graph
from openhorizon.records import EdgeKind, Evidence, Limits, NodeKind, Split, Task, VerifierSpec, as_json

FULL_LIMITS = Limits(turns=20, response_tokens=2048, context_tokens=24576, tool_calls=40)
PATIENCE = 3000  # draws in a row without a new task after which the stream ends


class Registry:
    """The split's molecules: title by SMILES, and who is similar to whom."""

    def __init__(self, graph: Graph, split: Split):
        nodes = [
            n
            for n in graph.nodes(DOMAIN, NodeKind.ENTITY)
            if "smiles" in n.data and split_of(n.title) is split
        ]
        self.titles = {n.data["smiles"]: n.title for n in nodes}
        self.all = list(self.titles)
        smiles = {n.id: n.data["smiles"] for n in nodes}
        self.kin = {
            n.data["smiles"]: [
                smiles[e.target] for e in graph.out(n.id, EdgeKind.LINKS_TO) if e.target in smiles
            ]
            for n in nodes
        }


def propose(graph: Graph, order: Order) -> Iterator[Task]:
    """Tasks of the order's levels in turn, no instruction twice; ends only when nothing new is found for long."""
    rng = random.Random(crc32(f"{DOMAIN} {order.size} {order.split} {order.seed}".encode()))
    registry = Registry(graph, order.split)
    families = MINI_FAMILIES if order.size == "mini" else FULL_FAMILIES
    seen: set[str] = set()
    idle = turn = 0
    while idle < PATIENCE:
        level = order.levels[turn % len(order.levels)]
        family = rng.choice(sorted(families[level]))
        question = families[level][family](rng, registry)
        idle += 1
        if question is None or not kept(question):
            continue
        task = _task(rng, family, level, question, registry, order)
        if task.instruction not in seen:
            idle, turn = 0, turn + 1
            seen.add(task.instruction)
            yield task


def _task(rng: random.Random, family: str, level: int, q: Question, registry: Registry, order: Order) -> Task:
    smiles = (*q.candidates, *([q.reference] if q.reference else ()))
    titles = {s: registry.titles[s] for s in smiles}
    groups = tuple(dict.fromkeys(g for g in (q.keep, q.branch) if g))
    instruction = worded(rng.choice((MINI if order.size == "mini" else FULL)[family]), q, titles)
    values = solve(q)
    known = {a: spaced(str(v)) if a == "formula" and q.whole else str(v) for a, v in values.items()}
    nodes = tuple(molecule_id(t) for t in titles.values()) + tuple(group_id(g) for g in groups)
    return Task(
        id=f"{DOMAIN}/{order.split}/{family}-{crc32(instruction.encode()):08x}",
        domain=DOMAIN,
        split=order.split,
        instruction=instruction,
        answer=", ".join(f"{a}={v}" for a, v in known.items()),
        evidence=(
            *(Evidence(node=molecule_id(t), text=f"{t}: {s}", source=s) for s, t in titles.items()),
            *(Evidence(node=group_id(g), text=f"{g}: SMARTS {GROUPS[g]}", source=g) for g in groups),
        ),
        verifiers=(
            VerifierSpec(name="question", arguments={"question": as_json(q).decode()}),
            VerifierSpec(name="consulted", arguments={"nodes": list(nodes)}),
        ),
        setup={"size": order.size},
        plan=_plan(q, titles),
        entities=tuple(dict.fromkeys((*titles.values(), *smiles))),
        level=level,
        limits=FULL_LIMITS if order.size == "full" else None,
    )


def _plan(q: Question, titles: dict[str, str]) -> tuple[str, ...]:
    """The question's steps for the expert: all of it stands in the instruction, too."""
    steps = [f"candidates {'|'.join(titles[c] for c in q.candidates)}"]
    steps += [f"keep {q.keep}"] if q.keep else []
    steps += [f"largest {q.by}"] if q.pick == "largest" else []
    steps += [f"closest {titles[q.reference]}"] if q.pick == "closest" else []
    steps += [f"branch {q.branch}"] if q.branch else []
    return (*steps, f"ask {' '.join(q.ask)}")


Draw = Callable[[random.Random, Registry], Question | None]


def _single(rng: random.Random, r: Registry) -> Question:
    return Question(candidates=(rng.choice(r.all),), ask=(rng.choice(TELLING),))


def _pair(rng: random.Random, r: Registry) -> Question:
    return Question(candidates=(rng.choice(r.all),), ask=(rng.choice(COUNTS), rng.choice(TELLING)))


def _formula(rng: random.Random, r: Registry) -> Question:
    return Question(candidates=(rng.choice(r.all),), ask=("formula",))


def _evenly(rng: random.Random, q: Question) -> Question | None:
    """The question, or None so often that both branches are taken equally often: most molecules lack a given group."""
    if q.branch and bool(count(chosen(q), q.branch)) is not (rng.random() < 0.5):
        return None
    return q


def _condition(rng: random.Random, r: Registry) -> Question | None:
    """One molecule and a group."""
    group, smiles = rng.choice(list(GROUPS)), rng.choice(r.all)
    return _evenly(rng, Question(candidates=(smiles,), branch=group, ask=tuple(rng.sample(TELLING, 2))))


def _largest(n: int, branch: bool = False) -> Draw:
    def draw(rng: random.Random, r: Registry) -> Question:
        by, *ask = rng.sample(TELLING, 3 if branch else 2)
        group = rng.choice(list(GROUPS)) if branch else ""
        return Question(
            candidates=tuple(rng.sample(r.all, n)), pick="largest", by=by, branch=group, ask=tuple(ask)
        )

    return draw


def _closest(n: int, branch: bool = False) -> Draw:
    def draw(rng: random.Random, r: Registry) -> Question | None:
        reference, *others = rng.sample(r.all, n)
        candidates = [rng.choice(r.kin[reference]), *others]
        if len(set(candidates)) < n:
            return None
        rng.shuffle(candidates)
        ask = rng.sample(TELLING, 2 if branch else 1)
        group = rng.choice(list(GROUPS)) if branch else ""
        q = Question(
            candidates=tuple(candidates), pick="closest", reference=reference, branch=group, ask=tuple(ask)
        )
        return _evenly(rng, q)

    return draw


def _full(pick: str, n: int, keep: bool, branch: bool, asks: int) -> Draw:
    """Full size: SMILES, all descriptors, optionally a group as filter."""

    def draw(rng: random.Random, r: Registry) -> Question | None:
        reference, *others = rng.sample(r.all, n + 1)
        candidates = [*others[:-1], rng.choice(r.kin[reference])] if pick == "closest" else others
        if len(set(candidates)) < n:
            return None
        rng.shuffle(candidates)
        by, *ask = rng.sample([d for d in DESCRIPTORS if d not in COUNTS], 1 + asks)
        groups = [
            g
            for g in rng.sample(list(GROUPS), len(GROUPS))
            if 1 < sum(count(c, g) > 0 for c in candidates) < n
        ]
        if keep and not groups:
            return None
        groups = [*groups[:1], rng.choice(list(GROUPS))]
        extra = () if branch or asks > 1 else (rng.choice(COUNTS),)
        q = Question(
            candidates=tuple(candidates), pick=pick, keep=groups[0] if keep else "", whole=False,
            by=by if pick == "largest" else "", reference=reference if pick == "closest" else "",
            branch=groups[-1] if branch else "", ask=(*ask, *extra),
        )  # fmt: skip
        return _evenly(rng, q) if kept(q) else None

    return draw


MINI_FAMILIES: dict[int, dict[str, Draw]] = {
    1: {"single": _single, "pair": _pair, "formula": _formula},
    2: {"condition": _condition, "larger": _largest(2), "closer": _closest(2)},
    3: {
        "largest": _largest(3),
        "larger-condition": _largest(2, True),
        "closest-condition": _closest(3, True),
    },
}
FULL_FAMILIES: dict[int, dict[str, Draw]] = {
    1: {"report": _full("", 1, False, False, 2)},
    2: {"largest": _full("largest", 3, False, False, 1), "closest": _full("closest", 4, False, False, 1)},
    3: {
        "largest-with": _full("largest", 6, True, False, 2),
        "closest-with": _full("closest", 6, True, False, 2),
        "closest-with-condition": _full("closest", 6, True, True, 2),
    },
}
