"""Processes on this machine: one thread each, kept for the whole run, gone when the run is gone.

On CPUs several one-thread processes beat one process with several threads; on one GPU a single worker holds it.
"""

import contextlib
import ctypes
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from openhorizon.errors import InfrastructureError

Tick = Callable[[int], None]
_queue: Any = None  # in a worker: where ticks go; set once when the worker starts


class Workers:
    """A pool of processes. Functions and arguments must be importable and picklable."""

    def __init__(self, count: int = 0):
        self.count = count or os.cpu_count() or 1
        # read by OpenMP and BLAS when a worker imports them; threads of several processes spin on the same cores
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        context = multiprocessing.get_context("spawn")
        self._ticks = context.SimpleQueue()
        self._heard: Tick = lambda n: None
        self._pool = ProcessPoolExecutor(self.count, context, _start, (self._ticks, os.getpid()))
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def run(
        self, function: Callable[..., Any], jobs: Iterable[Sequence[Any]], tick: Tick = lambda n: None
    ) -> list[Any]:
        """function(*job) for every job, as many at a time as there are workers; results in the jobs' order.

        What a job raises is raised here, after the jobs not yet begun are dropped. A worker that dies (out of memory,
        killed) is an InfrastructureError.
        """
        self._heard = tick
        futures: list[Future[Any]] = [self._pool.submit(function, *job) for job in jobs]
        try:
            for future in as_completed(futures):
                future.result()
            return [f.result() for f in futures]
        except BrokenProcessPool as error:
            raise InfrastructureError(
                "a worker process died (out of memory, or killed); run the same command again to go on from there"
            ) from error
        finally:
            for future in futures:
                future.cancel()
            self._heard = lambda n: None

    def run_ranks(
        self, function: Callable[..., Any], job: Sequence[Any], tick: Tick = lambda n: None
    ) -> list[Any]:
        """function(rank, world, *job) in every worker at once: processes that train one model together."""
        return self.run(function, [(rank, self.count, *job) for rank in range(self.count)], tick)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in list((self._pool._processes or {}).values()):
            process.terminate()

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _listen(self) -> None:
        while True:
            try:
                self._heard(self._ticks.get())
            except (EOFError, OSError):
                return


def tick(n: int) -> None:
    """In a worker: n more units of the running job are done."""
    if _queue is not None:
        _queue.put(n)


def _start(queue: Any, parent: int) -> None:
    """Every worker's first act: die with the parent, leave Ctrl-C to it, keep to one thread."""
    global _queue
    _queue = queue
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "SIGKILL") and os.name == "posix":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG, Linux
    if os.getppid() != parent:
        os._exit(1)
