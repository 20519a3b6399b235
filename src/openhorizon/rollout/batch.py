"""Many attempts at once: bounded concurrency, aborted ones retried, results in the order asked for."""

import asyncio
from collections.abc import Callable, Iterable

from openhorizon.domains.domain import Domain
from openhorizon.records import Group, Judged, Task, Trajectory
from openhorizon.rollout.attempt import Play, attempt


async def play_groups(
    tasks: Iterable[tuple[Task, Domain]],
    play: Play,
    *,
    size: int = 1,
    seed: int = 0,
    concurrency: int = 64,
    retries: int = 2,
    done: Callable[[int], None] = lambda n: None,
) -> list[Group]:
    """`size` attempts at every task, in order. An attempt aborted `retries`+1 times lies in `Group.aborted`.

    `done(n)` is told how many attempts have ended since the last call: a progress bar's tick.
    """
    gate = asyncio.Semaphore(concurrency)

    async def one(task: Task, domain: Domain, number: int) -> Judged | Trajectory:
        async with gate:
            for _ in range(retries + 1):
                result = await attempt(task, domain, play, number=number, seed=seed)
                if isinstance(result, Judged):
                    break
            done(1)
            return result

    async def group(task: Task, domain: Domain) -> Group:
        results = await asyncio.gather(*(one(task, domain, n) for n in range(size)))
        return Group(
            task=task,
            judged=tuple(r for r in results if isinstance(r, Judged)),
            aborted=tuple(r for r in results if isinstance(r, Trajectory)),
        )

    return list(await asyncio.gather(*(group(task, domain) for task, domain in tasks)))


def play_experts(tasks: Iterable[Task], domain: Domain, play: Play, *, seed: int = 0) -> list[Group]:
    """One attempt at each task, run to the end in this thread."""
    return asyncio.run(play_groups([(t, domain) for t in tasks], play, seed=seed, concurrency=16))
