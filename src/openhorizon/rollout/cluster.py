"""Attempts beyond one process: tasks stream in, groups of judged attempts stream back as they end.

`ClusterPlan.address` says who plays. "": this process, on asyncio. Else the worker processes of a Ray (`rollout.on_ray`): each has
its own sandbox, tools, index and engine, made from a function and its arguments. What a worker does is `play_groups` either way,
and an attempt's randomness comes from its task, number and seed alone: who plays it changes nothing.
"""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from openhorizon.config import ClusterPlan
from openhorizon.errors import InfrastructureError
from openhorizon.records import Group, Status, Task, Trajectory
from openhorizon.rollout.players import Hand, Here, Work, WorkerLost

if TYPE_CHECKING:
    from openhorizon.rollout.on_ray import OnRay

SAID_S, WAIT_S = (
    30.0,
    600.0,
)  # seconds without any worker after which that is said, and after which it is an error
HERE = ClusterPlan()
LOG = logging.getLogger(__name__)


class Cluster:
    """Who plays: this process, or the workers of a Ray, from `with` until its end.

    ConfigError: Ray is not installed, or none answers at the address.
    """

    def __init__(self, plan: ClusterPlan = HERE) -> None:
        self.plan = plan
        self._ray: OnRay | None = None
        self.hands: tuple[Hand, ...] = ()

    def __enter__(self) -> "Cluster":
        if self.plan.address:
            from openhorizon.rollout.on_ray import OnRay

            self._ray = OnRay(self.plan)
            self.hands = self._ray.hands
        else:
            self.hands = (Here(),)
        return self

    def __exit__(self, *_: object) -> None:
        if self._ray is not None:
            self._ray.close()
        for hand in self.hands:
            if isinstance(hand, Here):
                hand.player.close()
        self.hands = ()

    async def groups(
        self, tasks: Iterable[Task], work: Work, *, size: int = 1, seed: int = 0, attempts: int = 64, retries: int = 2,
        done: Callable[[int], None] = lambda n: None,
    ) -> AsyncGenerator[Group, None]:  # fmt: skip
        """`size` attempts at every task, group by group, as they end.

        `tasks` may be endless: at most `attempts` attempts per worker are under way or wait to be taken, and no task is drawn
        before there is room for it, so whoever takes groups slowly slows the drawing. Leaving the loop ends what is under way.
        A worker that dies is replaced, and its groups are given to others; where `work` keeps journals in a folder that all
        see, they go on at the step that was running. A group that `retries` + 1 workers died of comes back with all its
        attempts in `Group.aborted`, never scored. An attempt that an engine or a sandbox breaks is tried as often, where it is.
        `done(n)`: n more attempts have ended. What `work.make` raises rises here.
        """
        described = work if self._ray is None else self._ray.described(work)
        how = {"size": size, "seed": seed, "concurrency": attempts, "retries": retries}
        stream = _Stream(
            self.hands, tasks, lambda hand, task: hand.ask("play", described, task, how), max(1, attempts // size), retries
        )  # fmt: skip
        async with aclosing(stream.results()) as results:
            async for task, group in results:
                if isinstance(group, WorkerLost):
                    group = _lost(task, group, work.policy, size, seed)
                done(len(group.judged) + len(group.aborted))
                yield group

    def run(
        self, function: Callable[..., Any], jobs: Iterable[Sequence[Any]], each: Callable[[Sequence[Any], Any], None],
    ) -> None:  # fmt: skip
        """function(*job) for every job, one at a time on each worker; `each(job, result)` is called here as they end. Functions,
        arguments and results must be picklable. What a job raises is raised here; InfrastructureError: `RETRIES` + 1 workers died
        of one, with its name."""

        async def all_of_them() -> None:
            stream = _Stream(self.hands, jobs, lambda hand, job: hand.ask("call", function, job), 1, RETRIES)
            async with aclosing(stream.results()) as results:
                async for job, result in results:
                    if isinstance(result, WorkerLost):
                        name = f"{function.__name__}{tuple(map(str, job))}"
                        raise InfrastructureError(
                            f"{name}: {result}; run the same command again to go on from there"
                        )
                    each(job, result)

        asyncio.run(all_of_them())


RETRIES = 2  # of a job whose worker died


def _lost(task: Task, why: WorkerLost, policy: str, size: int, seed: int) -> Group:
    """The group of a task that no worker lived to end."""
    aborted = (
        Trajectory(
            id=f"{task.id}@{policy}/{number}", task=task.id, domain=task.domain, prompt=(), turns=(),
            status=Status.ABORTED, reason=str(why), policy=policy, seed=seed,
        )
        for number in range(size)
    )  # fmt: skip
    return Group(task=task, judged=(), aborted=tuple(aborted))


@dataclass(eq=False)
class _Item:
    value: Any
    lost: int = 0  # workers that died with it


@dataclass(eq=False)
class _Stream:
    """Items on their way through hands: drawn when a hand has room, given to another when a hand is lost.

    After `retries` losses an item is given away a last time, to a hand that has nothing else: whatever kills its worker then is
    itself, and what happened to stand beside it is not counted out with it.
    """

    hands: Sequence[Hand]
    items: Iterable[Any]
    ask: Callable[[Hand, Any], Awaitable[Any]]
    most: int  # items under way at a hand
    retries: int
    more: bool = True  # there may be items left to draw
    again: deque[_Item] = field(default_factory=deque)
    suspects: deque[_Item] = field(default_factory=deque)  # to be given away a last time
    under_way: dict["asyncio.Future[Any]", tuple[_Item | None, Hand]] = field(default_factory=dict)
    busy: Counter[Hand] = field(default_factory=Counter)
    alone: set[Hand] = field(default_factory=set)  # hands with a suspect
    kept: Hand | None = None  # given nothing more, so that it is free for a suspect

    async def results(self) -> AsyncGenerator[tuple[Any, Any], None]:
        """(item, its result or WorkerLost) as they end. Raises what `ask` raises; InfrastructureError: no worker comes up."""
        self.source = iter(self.items)
        self.ended: asyncio.Queue[asyncio.Future[Any]] = asyncio.Queue()
        for hand in self.hands:
            self._wait_for(hand)
        try:
            while self._fill():
                future = await self._next()
                item, hand = self.under_way[future]
                if item is not None:
                    result = self._ended(future, item, hand)
                    if result is not None:
                        yield item.value, result
                else:
                    self._came_up(future, hand)
                del self.under_way[future]
        finally:
            for future in self.under_way:
                future.cancel()
            await asyncio.gather(*self.under_way, return_exceptions=True)

    def _ended(self, future: "asyncio.Future[Any]", item: _Item, hand: Hand) -> Any:
        """The item's result; None: it is tried again."""
        self.busy[hand] -= 1
        self.alone.discard(hand)
        lost = future.exception()
        if not isinstance(lost, WorkerLost):
            return future.result()
        if self._wait_for(hand):
            LOG.warning("%s; what it was at is given to others", lost)
        item.lost += 1
        if item.lost > self.retries:
            return WorkerLost(f"{item.lost} workers died of it, the last: {lost}")
        (self.suspects if item.lost == self.retries else self.again).append(item)
        return None

    def _wait_for(self, hand: Hand) -> bool:
        """Begin to wait for the hand where it is down; whether it was not waited for before."""
        if hand.up or any(item is None and of is hand for item, of in self.under_way.values()):
            return False
        self._begin(hand.ready(), None, hand)
        return True

    def _came_up(self, future: "asyncio.Future[Any]", hand: Hand) -> None:
        failed = future.exception()
        if not isinstance(failed, WorkerLost):
            future.result()
            return
        coming = [f for f, (item, _) in self.under_way.items() if item is None and f is not future]
        if not coming and not any(h.up for h in self.hands):
            raise InfrastructureError(f"no worker is left: {failed}")
        LOG.warning("%s; it is gone for good, the others go on", failed)

    def _fill(self) -> bool:
        """Give away as much as there is room for; whether anything is still to come."""
        while True:
            free = [h for h in self.hands if h.up and h not in self.alone]
            if self.suspects and free:
                if self.kept not in free:
                    self.kept = min(free, key=lambda h: self.busy[h])
                if not self.busy[self.kept]:
                    self.alone.add(self.kept)
                    self._give(self.suspects.popleft(), self.kept)
                    self.kept = None
                    continue
                free.remove(self.kept)
            free = [h for h in free if self.busy[h] < self.most]
            item = self._drawn() if free else None
            if item is None:
                break
            self._give(item, min(free, key=lambda h: self.busy[h]))
        waiting = self.more or self.again or self.suspects
        return bool(waiting) or any(item is not None for item, _ in self.under_way.values())

    def _drawn(self) -> _Item | None:
        if self.again:
            return self.again.popleft()
        for value in self.source if self.more else ():
            return _Item(value)
        self.more = False
        return None

    def _give(self, item: _Item, hand: Hand) -> None:
        self.busy[hand] += 1
        self._begin(self.ask(hand, item.value), item, hand)

    def _begin(self, work: Awaitable[Any], item: _Item | None, hand: Hand) -> None:
        future = asyncio.ensure_future(work)
        self.under_way[future] = item, hand
        future.add_done_callback(self.ended.put_nowait)

    async def _next(self) -> "asyncio.Future[Any]":
        """What ends next, in the order of ending."""
        waited = 0.0
        while True:
            try:
                idle = not any(item is not None for item, _ in self.under_way.values())
                async with asyncio.timeout(SAID_S if idle else None):
                    return await self.ended.get()
            except TimeoutError:
                waited += SAID_S
                said = f"no worker has come up for {waited:.0f} s; is the cluster full, or smaller than cluster.workers?"
                if waited >= WAIT_S:
                    raise InfrastructureError(said) from None
                LOG.warning(said)
