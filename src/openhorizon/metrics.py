"""Scalars over steps, one JSON line each: `metrics/<stage>.jsonl` of the run folder.

One file per stage, so that stages in different processes never write to the same one, and so that a stage that resumes
rewrites its own lines alone. Passed in, never global. A line cut short by a kill is dropped, when read and when the
next line is written.
"""

import math
import os
import warnings
from pathlib import Path

import msgspec

from openhorizon.files import write_whole
from openhorizon.records import Record, as_json


class Point(Record, kw_only=True, omit_defaults=False):
    """One value of one curve."""

    stage: str  # "sft", "teachers/search"
    step: int
    name: str
    value: float | None  # None: it was not a finite number


class Metrics:
    """The metrics of one run."""

    def __init__(self, dir: Path | str) -> None:
        self.dir = Path(dir)  # the run's `metrics` folder; made at the first line
        self._mended: set[str] = set()

    def log(self, stage: str, step: int, **values: float) -> None:
        """Append the values; a value that is not finite becomes null, with a warning."""
        lines = b"".join(as_json(_point(stage, step, n, v)) + b"\n" for n, v in values.items())
        path = self._path(stage)
        if stage not in self._mended:
            path.parent.mkdir(parents=True, exist_ok=True)
            _cut_torn_line(path)
            self._mended.add(stage)
        with path.open("ab", buffering=0) as file:
            file.write(lines)

    def rewind(self, stage: str, step: int) -> None:
        """Forget the stage's values at `step` and later: they will be logged again by the run that resumes there."""
        if self._path(stage).exists():
            kept = [p for p in self.read(stage) if p.step < step]
            write_whole(self._path(stage), (as_json(p) + b"\n" for p in kept))

    def read(self, stage: str) -> list[Point]:
        """The stage's values in the order they were logged; none if it logged nothing."""
        try:
            data = self._path(stage).read_bytes()
        except FileNotFoundError:
            return []
        return [msgspec.json.decode(line, type=Point) for line in data.split(b"\n")[:-1]]

    def read_all(self) -> list[Point]:
        """Every stage's values, stages in the order of their names."""
        files = sorted(self.dir.rglob("*.jsonl")) if self.dir.exists() else []
        return [p for f in files for p in self.read(f.relative_to(self.dir).with_suffix("").as_posix())]

    def curve(self, stage: str, name: str) -> list[tuple[int, float]]:
        """(step, value) of one curve, without the values that were not finite."""
        return [(p.step, p.value) for p in self.read(stage) if p.name == name and p.value is not None]

    def _path(self, stage: str) -> Path:
        return self.dir / f"{stage}.jsonl"


def _point(stage: str, step: int, name: str, value: float) -> Point:
    number = float(value)
    if not math.isfinite(number):
        warnings.warn(f"{stage}, step {step}: {name} is {number}", RuntimeWarning, stacklevel=3)
        return Point(stage=stage, step=step, name=name, value=None)
    return Point(stage=stage, step=step, name=name, value=number)


def _cut_torn_line(path: Path) -> None:
    if path.exists() and (data := path.read_bytes()) and not data.endswith(b"\n"):
        os.truncate(path, data.rfind(b"\n") + 1)
