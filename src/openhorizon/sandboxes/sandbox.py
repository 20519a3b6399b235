"""Where a model's program may run: the one interface all sandboxes share."""

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Protocol

from openhorizon.records import Record


class Outcome(Record, kw_only=True):
    """What a program left behind."""

    stdout: str  # cut to the sandbox's output budget, with a note where it was cut
    stderr: str
    exit_code: int  # negative: killed by that signal
    timed_out: bool = False
    files: dict[str, bytes] = {}  # the collected files that exist, by the name asked for


class Sandbox(Protocol):
    """Runs one hostile Python program at a time; nothing of one call is visible to the next."""

    name: str

    def run(
        self,
        program: str,
        *,
        files: Mapping[str, bytes] = {},
        collect: tuple[str, ...] = (),
        seconds: float = 10.0,
        memory_mb: int = 1024,
    ) -> Outcome:
        """Run `program` (Python source) in an empty work folder that holds `files`, without network.

        Whatever the program does is an Outcome. SandboxError: the sandbox itself broke (the caller aborts).
        """
        ...

    def close(self) -> None: ...


def checked_names(names: Iterable[str]) -> None:
    """ValueError unless every name is a relative path that stays inside the work folder."""
    for name in names:
        if not name or PurePosixPath(name).is_absolute() or not {"..", ".", ""}.isdisjoint(name.split("/")):
            raise ValueError(f"{name!r} is not a path inside the work folder")
