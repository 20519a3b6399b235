"""`openhorizon check`: every domain keeps its word. Accepted tasks are played afresh: the expert's answers pass, saying
nothing or guessing fails. No model is needed."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from openhorizon.corpus import material_graph
from openhorizon.domains import DOMAINS
from openhorizon.domains.domain import Domain, Expert, Order, Policy, Resources, Size
from openhorizon.engines.scripted import ScriptedEngine
from openhorizon.errors import UserError
from openhorizon.graph.graph import Graph
from openhorizon.records import Group, Message, Record, Split, Task
from openhorizon.retrieval.index import Index
from openhorizon.rollout.batch import play_experts, play_groups
from openhorizon.rollout.play import Play
from openhorizon.sandboxes.sandbox import Sandbox

LEVELS = (1, 2, 3)
IDLE = "I have done everything that was asked for."  # what an attempt says that does nothing
SIZES: tuple[Size, ...] = ("mini", "full")


class Row(Record, kw_only=True):
    """One domain at one size, both splits, all levels."""

    domain: str
    size: Size
    tasks: int = 0  # accepted, then played afresh
    expert: int = 0  # of them, how many the expert solves
    silent: int = 0  # how many an attempt that says nothing passes; must be 0
    guesses: int = 0  # guesses tried
    lucky: int = 0  # guesses that pass; must be 0
    rejected: dict[str, int] = {}  # proposals that self-play turned down, by check
    idle: float = 0.0  # share of the tasks that an attempt passes which does nothing and says so; must be 0
    baselines: dict[str, float] = {}  # always-the-same policies: share of the tasks they pass
    broken: tuple[str, ...] = ()  # which law, at which task


def check_domain(domain: Domain, sandbox: Sandbox, per_cell: int, seed: int = 0) -> Iterator[Row]:
    """A row per size, from `per_cell` tasks of every split and level."""
    for size in SIZES:
        graph = graph_of(domain, seed, size)
        yield _row(domain.sized(size), size, Resources(graph, Index.of_graph(graph), sandbox), per_cell, seed)


def graph_of(domain: Domain, seed: int, size: Size) -> Graph:
    """The graph of the domain's own material."""
    return Graph(*material_graph(domain.sized(size).material(seed, size), domain.name))


def _row(domain: Domain, size: Size, resources: Resources, per_cell: int, seed: int) -> Row:
    from openhorizon.selfplay.game import play

    tasks: list[Task] = []
    rejected: Counter[str] = Counter()
    broken: list[str] = []
    for split in Split:
        for level in LEVELS:
            order = Order(split=split, seed=seed, levels=(level,), size=size)
            try:
                outcome = play(domain, resources.graph, order, resources, per_cell)
            except UserError as error:
                broken.append(f"{split} level {level}: {error}")
                continue
            tasks += outcome.tasks
            rejected.update(outcome.reasons)
    known = {t.id: t for t in tasks}

    def rate(policy: Policy) -> list[bool]:
        start = _play(lambda n: policy(known[_task(n)].public()), resources, size)
        return _passed(play_experts(tasks, domain, start))

    solved = rate(domain.expert)
    idle = rate(lambda task: _say(IDLE))
    silent = _said(domain, [(t, "") for t in tasks], resources, size)
    guesses = [(t, g) for t in tasks for g in domain.guesses(t)]
    lucky = _said(domain, guesses, resources, size)
    broken += [f"{t.id}: the expert fails" for t, good in zip(tasks, solved) if not good]
    broken += [f"{t.id}: saying nothing passes" for t, good in zip(tasks, silent) if good]
    broken += [f"{t.id}: the guess {g!r} passes" for (t, g), good in zip(guesses, lucky) if good]
    broken += [f"{t.id}: doing nothing passes" for t, good in zip(tasks, idle) if good]
    return Row(
        domain=domain.name, size=size, tasks=len(tasks), expert=sum(solved), silent=sum(silent), guesses=len(guesses),
        lucky=sum(lucky), rejected=dict(rejected.most_common()), idle=sum(idle) / max(1, len(tasks)),
        baselines={n: sum(rate(p)) / max(1, len(tasks)) for n, p in domain.baselines(tasks).items()}, broken=tuple(broken),
    )  # fmt: skip


def _said(
    domain: Domain, answers: Sequence[tuple[Task, str]], resources: Resources, size: Size
) -> list[bool]:
    """Whether an attempt that says this and nothing else passes, for each."""

    async def all_of_them() -> list[Group]:
        found: list[Group] = []
        for task, answer in answers:
            play = _play(lambda _, answer=answer: _say(answer), resources, size)
            found += await play_groups([(task, domain)], play)
        return found

    return _passed(asyncio.run(all_of_them()))


def _passed(groups: Sequence[Group]) -> list[bool]:
    return [any(j.verdict.passed for j in g.judged) for g in groups]


def _play(start: Callable[[str], Expert], resources: Resources, size: Size) -> Play:
    return Play(engine=ScriptedEngine(start), resources=resources, size=size)


def _task(attempt: str) -> str:
    return attempt.rpartition("@")[0]


def _say(answer: str) -> Expert:
    yield Message(role="assistant", content=answer)


def domains_named(name: str | None) -> list[Domain]:
    """The domain of that name, or all. UserError: there is none."""
    if name is None:
        return list(DOMAINS.values())
    if name not in DOMAINS:
        raise UserError(f"there is no domain {name}; there are {', '.join(DOMAINS)}")
    return [DOMAINS[name]]
