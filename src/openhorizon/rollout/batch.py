"""Many attempts at once: bounded concurrency, aborted ones retried, results in the order asked for."""

import asyncio
import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from openhorizon.domains.domain import Domain
from openhorizon.records import Group, Judged, Task, Trajectory
from openhorizon.rollout.attempt import attempt
from openhorizon.rollout.play import Play

YOUNG = 50_000  # objects made between two looks of Python's collector while attempts are played


@contextmanager
def seldom_collected() -> Iterator[None]:
    """The collector looks at young objects after 700 by default: at a thousand attempts that is a seventh of the CPU, and finds
    nothing, since what an attempt makes lives as long as it does."""
    usual = gc.get_threshold()
    if 0 < usual[0] < YOUNG:
        gc.set_threshold(YOUNG, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


async def play_groups(
    tasks: Iterable[tuple[Task, Domain]],
    play: Play,
    *,
    size: int = 1,
    seed: int = 0,
    concurrency: int = 64,
    retries: int = 2,
    done: Callable[[int], None] = lambda n: None,
    wanted: int = 0,
    deadline_s: float = 0.0,
) -> list[Group]:
    """`size` attempts at every task, in order. An attempt aborted `retries`+1 times lies in `Group.aborted`.

    `done(n)` is told how many attempts have ended since the last call: a progress bar's tick. With `wanted` (groups; 0: all)
    the batch is over as soon as so many groups have ended, with `deadline_s` (wall seconds; 0: none) when they have passed.
    Attempts that were cut lie in `Group.cut`; where `play` keeps journals, the same call goes on with them.
    """
    gate = asyncio.Semaphore(concurrency)
    tasks = list(tasks)

    async def one(task: Task, domain: Domain, number: int) -> Judged | Trajectory:
        async with gate:
            for _ in range(retries + 1):
                result = await attempt(task, domain, play, number=number, seed=seed)
                if isinstance(result, Judged):
                    break
            done(1)
            return result

    playing = [[asyncio.ensure_future(one(t, d, n)) for n in range(size)] for t, d in tasks]
    over = asyncio.Event()
    ended = 0

    async def group(attempts: list[asyncio.Task[Judged | Trajectory]]) -> None:
        nonlocal ended
        await asyncio.gather(*attempts)
        ended += 1
        if wanted and ended >= wanted:
            over.set()

    async def stopped() -> None:
        await asyncio.wait_for(over.wait(), deadline_s or None)

    every = asyncio.gather(*map(group, playing))
    stop = asyncio.ensure_future(stopped())
    try:
        with seldom_collected():
            await asyncio.wait((every, stop), return_when=asyncio.FIRST_COMPLETED)
        if every.done():
            every.result()  # what rose in an attempt rises here
    finally:
        left = [a for g in playing for a in g if not a.done()]
        for waiting in (every, stop, *left):
            waiting.cancel()
        await asyncio.gather(every, stop, *left, return_exceptions=True)
    return [_group(task, attempts, play) for (task, _), attempts in zip(tasks, playing, strict=True)]


def _group(task: Task, attempts: list[asyncio.Task[Judged | Trajectory]], play: Play) -> Group:
    results = [None if a.cancelled() else a.result() for a in attempts]
    return Group(
        task=task,
        judged=tuple(r for r in results if isinstance(r, Judged)),
        aborted=tuple(r for r in results if isinstance(r, Trajectory)),
        cut=tuple(f"{task.id}@{play.engine.policy}/{n}" for n, r in enumerate(results) if r is None),
    )


def listed(names: Sequence[str], most: int = 4) -> str:
    """The first names, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def named(aborted: Sequence[Trajectory]) -> str:
    """Aborted attempts, each with what broke."""
    return listed([f"{t.id} ({t.reason})" for t in aborted], most=3)


def play_experts(tasks: Iterable[Task], domain: Domain, play: Play, *, seed: int = 0) -> list[Group]:
    """One attempt at each task, run to the end in this thread."""
    return asyncio.run(play_groups([(t, domain) for t in tasks], play, seed=seed, concurrency=16))
