"""A sandbox that remembers. The same program on the same files gives the same outcome: the jail has no network, no
clock worth asking, and seeds `random` and numpy alike each time. A program that draws from the system's own
randomness is answered with its first outcome, which is one that it may have had.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Mapping

from openhorizon.sandboxes.sandbox import Outcome, Sandbox


class Memo:
    """See `Sandbox`: outcomes of `inner` by what was asked, at most `bound` of them, the longest unused dropped first.

    A run that was out of time is not remembered: that may have been the machine's fault.
    """

    def __init__(self, inner: Sandbox, bound: int = 50_000):
        self.name = inner.name
        self.inner = inner
        self.bound = bound
        self.hits = 0
        self.misses = 0
        self._known: OrderedDict[bytes, Outcome] = OrderedDict()
        self._lock = threading.Lock()

    def run(
        self,
        program: str,
        *,
        files: Mapping[str, bytes] = {},
        collect: tuple[str, ...] = (),
        seconds: float = 10.0,
        memory_mb: int = 1024,
    ) -> Outcome:
        """What the program leaves behind, run at most once while it is remembered."""
        key = _key(program, files, collect, seconds, memory_mb)
        with self._lock:
            if (known := self._known.get(key)) is not None:
                self._known.move_to_end(key)
                self.hits += 1
                return known
            self.misses += 1
        outcome = self.inner.run(program, files=files, collect=collect, seconds=seconds, memory_mb=memory_mb)
        if not outcome.timed_out:
            with self._lock:
                self._known[key] = outcome
                while len(self._known) > self.bound:
                    self._known.popitem(last=False)
        return outcome

    def close(self) -> None:
        self._known.clear()
        self.inner.close()


def _key(
    program: str, files: Mapping[str, bytes], collect: tuple[str, ...], seconds: float, memory_mb: int
) -> bytes:
    """A hash of all that was asked, each part with its length so that no two askings read the same."""
    asked = hashlib.sha256(repr((seconds, memory_mb, collect, len(files))).encode())
    for part in (
        program.encode("utf-8", "surrogatepass"),
        *(p for n in sorted(files) for p in (n.encode(), files[n])),
    ):
        asked.update(b"%d:" % len(part) + part)
    return asked.digest()
