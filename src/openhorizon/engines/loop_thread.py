"""A thread with an event loop of its own, for work that must not wait until another loop has time.

What many ask at once crosses together: waking a loop from another thread costs as much as a request does otherwise.
"""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Crossing:
    """Things handed to an event loop from another thread, in order; a loop that has been woken takes all that came since."""

    def __init__(self, loop: asyncio.AbstractEventLoop, take: Callable[[Any], None]) -> None:
        self._loop, self._take = loop, take
        self._things: deque[Any] = deque()
        self._woken = False

    def put(self, thing: Any) -> None:
        """RuntimeError: the loop is closed."""
        self._things.append(thing)
        if not self._woken:
            self._woken = True
            self._loop.call_soon_threadsafe(self._all)

    def _all(self) -> None:
        self._woken = False  # before taking: what is put from now on wakes again
        while self._things:
            self._take(self._things.popleft())


class _Work:
    """A coroutine that runs there, and who waits for it here."""

    def __init__(
        self, work: Coroutine[Any, Any, Any], waiter: "asyncio.Future[Any]", back: _Crossing
    ) -> None:
        self.work, self.waiter, self.back = work, waiter, back
        self.task: asyncio.Task[Any] | None = None
        self.given_up = False

    def step(self) -> None:
        """On the thread: begin, or give up."""
        if self.task is not None:
            self.task.cancel()
        elif self.given_up:
            self.work.close()
        else:
            self.task = asyncio.get_running_loop().create_task(self.work)
            self.task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        if not task.cancelled():
            task.exception()  # it is known, whoever waits
        if not self.given_up:
            with contextlib.suppress(RuntimeError):  # the loop that waited is closed
                self.back.put(self)

    def hand_out(self) -> None:
        """Back where it was asked for."""
        assert self.task is not None
        if self.waiter.done():
            return
        if self.task.cancelled():
            self.waiter.cancel()
        elif (error := self.task.exception()) is not None:
            self.waiter.set_exception(error)
        else:
            self.waiter.set_result(self.task.result())


class LoopThread:
    """Begun when it is first needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._back: dict[asyncio.AbstractEventLoop, _Crossing] = {}

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._there = _Crossing(self._loop, _Work.step)
                threading.Thread(target=self._loop.run_forever, name="http engine", daemon=True).start()
            return self._loop

    async def awaited(self, work: Coroutine[Any, Any, T]) -> T:
        """What `work` returns or raises, run on the thread, waited for in any event loop; given up here, it is cancelled there."""
        here = asyncio.get_running_loop()
        back = self._back.get(here)
        if back is None:
            back = _Crossing(here, _Work.hand_out)
            with self._lock:  # a closed loop is not come back to
                self._back = {loop: b for loop, b in self._back.items() if not loop.is_closed()} | {
                    here: back
                }
        one = _Work(work, here.create_future(), back)
        assert self.loop is not None
        self._there.put(one)
        try:
            return await one.waiter
        except asyncio.CancelledError:
            one.given_up = True
            self._there.put(one)
            raise

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The same from a plain function."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def close(self) -> None:
        with self._lock:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._loop.stop)
                self._loop = None
