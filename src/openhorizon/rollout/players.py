"""A process that plays: what it is told to make, what it does, and how the driver sees it."""

import asyncio
import pickle
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from openhorizon import __version__
from openhorizon.domains.domain import Domain
from openhorizon.errors import ConfigError, InfrastructureError
from openhorizon.records import Group, Task
from openhorizon.rollout.batch import play_groups
from openhorizon.rollout.play import Play


@dataclass(frozen=True)
class Work:
    """How a process makes what it plays with. On Ray the function must be importable in the workers and its arguments picklable."""

    make: Callable[..., tuple[Play, Mapping[str, Domain]]]  # how attempts are played, and domains by name
    args: tuple[Any, ...] = ()
    policy: str = ""  # the engine's name, for attempts that no worker lived to end


class WorkerLost(InfrastructureError):
    """The process that had the work is gone."""


class Hand(Protocol):
    """A process that can be given work, as the driver sees it."""

    name: str
    up: bool  # it may be given work: from `ready` until its process is seen to have died

    async def ready(self) -> None:
        """Returns once it is up. WorkerLost: it never will be."""
        ...

    async def ask(self, method: str, *args: Any) -> Any:
        """What that method of the process's `Player` returns or raises. WorkerLost: the process died."""
        ...


@dataclass
class _Made:
    play: Play
    domains: Mapping[str, Domain]
    users: int = 0  # groups under way


class Player:
    """The work's end in a process: plays groups, with what it made for them; what an earlier work had is let go of."""

    def __init__(self) -> None:
        self._made: dict[bytes | int, _Made] = {}

    async def here(self) -> tuple[str, str]:
        """The machine's name, and the version of this package there."""
        return socket.gethostname(), __version__

    async def play(self, work: Work | bytes, task: Task, how: dict[str, Any]) -> Group:
        """One task's attempts; `how` is `play_groups`'s. What `make` raises rises."""
        with self._with(work) as made:
            return (await play_groups([(task, made.domains[task.domain])], made.play, **how))[0]

    async def call(self, function: Callable[..., Any], args: Sequence[Any]) -> Any:
        """function(*args), in a thread of its own."""
        return await asyncio.to_thread(function, *args)

    @contextmanager
    def _with(self, work: Work | bytes) -> Iterator[_Made]:
        key = work if isinstance(work, bytes) else id(work)
        if key not in self._made:
            self.close()
            what: Work = pickle.loads(work) if isinstance(work, bytes) else work
            play, domains = what.make(*what.args)
            self._made[key] = _Made(play, domains)
        made = self._made[key]
        made.users += 1
        try:
            yield made
        finally:
            made.users -= 1

    def close(self) -> None:
        """Let go of what nothing under way needs."""
        for key in [k for k, made in self._made.items() if not made.users]:
            engine = self._made.pop(key).play.engine
            if hasattr(engine, "close"):
                engine.close()  # type: ignore[attr-defined]


class Here:
    """This process as its own worker."""

    name, up = "this process", True

    def __init__(self) -> None:
        self.player = Player()

    async def ready(self) -> None:
        pass

    async def ask(self, method: str, *args: Any) -> Any:
        return await getattr(self.player, method)(*args)


def check_version(name: str, there: str) -> None:
    """ConfigError unless the worker runs this very version."""
    if there != __version__:
        raise ConfigError(
            f"{name} has openhorizon {there} and this process {__version__}; install the same version on all machines"
        )
