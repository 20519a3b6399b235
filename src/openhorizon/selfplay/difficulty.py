"""How hard tasks are for a model: several attempts each, the rate that pass, and which tasks are worth training on."""

import asyncio
from collections.abc import Iterable, Sequence

from openhorizon.domains.domain import Domain
from openhorizon.evaluation.intervals import wilson
from openhorizon.records import Group, Record, Task
from openhorizon.rollout.batch import play_groups
from openhorizon.rollout.play import Play
from openhorizon.selfplay.curate import Filtered, Removed


class Difficulty(Record, kw_only=True):
    """What the attempts at one task say of it."""

    task: str  # id
    attempts: int  # judged; aborted ones say nothing
    passed: int
    rate: float  # passed / attempts; 0 where nothing was judged
    low: float  # 95% score interval of the rate (Wilson); 0 to 1 where nothing was judged
    high: float


def attempted(
    domain: Domain, tasks: Sequence[Task], solver: Play, attempts: int, seed: int = 0
) -> list[Group]:
    """`attempts` attempts of the solver at each task, in order."""
    pairs = [(task, domain) for task in tasks]
    return asyncio.run(play_groups(pairs, solver, size=attempts, seed=seed))


def difficulty(group: Group) -> Difficulty:
    """The rate at which the group's attempts pass, with its interval."""
    passed, n = sum(j.verdict.passed for j in group.judged), len(group.judged)
    low, high = wilson(passed, n)
    return Difficulty(
        task=group.task.id, attempts=n, passed=passed, rate=passed / n if n else 0.0, low=low, high=high
    )


def select_mixed(groups: Iterable[Group]) -> Filtered[Group]:
    """The groups with both right and wrong attempts, in order: what a policy can learn from by comparing its own."""
    kept: list[Group] = []
    removed: list[Removed] = []
    for group in groups:
        found = difficulty(group)
        if 0 < found.passed < found.attempts:
            kept.append(group)
            continue
        how = "none judged" if not found.attempts else "all right" if found.passed else "all wrong"
        removed.append(Removed(id=group.task.id, why=f"{how}, of {found.attempts} attempts"))
    return Filtered(tuple(kept), tuple(removed))
