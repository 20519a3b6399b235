"""A sandbox that tries again. A program begins with its files alone and leaves nothing but its outcome, so one whose jail broke
can be run a second time."""

import time
from collections.abc import Callable
from typing import Any

from openhorizon.errors import SandboxError
from openhorizon.sandboxes.sandbox import Outcome, Sandbox


class Patient:
    """See `Sandbox`: each program at most `tries` times, with pauses that double from `back_off_s` (seconds)."""

    def __init__(
        self, sandbox: Sandbox, tries: int = 3, back_off_s: float = 0.05, sleep: Callable[[float], None] = time.sleep
    ) -> None:  # fmt: skip
        self.name = sandbox.name
        self._sandbox, self._tries, self._back_off_s, self._sleep = sandbox, tries, back_off_s, sleep

    def run(self, program: str, **more: Any) -> Outcome:
        """The outcome of the first jail that held. SandboxError: none did."""
        for again in range(self._tries - 1):
            try:
                return self._sandbox.run(program, **more)
            except SandboxError:
                self._sleep(self._back_off_s * 2**again)
        return self._sandbox.run(program, **more)

    def close(self) -> None:
        self._sandbox.close()
