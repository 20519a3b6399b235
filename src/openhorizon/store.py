"""The run folder: what a run has done so far, on disk, each file whole or not there at all.

    runs/<name>/   recipe.json  environment.json  .lock  <stage>/manifest.json + the stage's files

A stage is done when its manifest exists; what an unfinished stage left behind stays, for the stage itself to continue
from. One process owns a run at a time, by a lock that the kernel drops when the process ends, however it ends. What the
files mean is the stages' business.
"""

import hashlib
import os
import platform
import re
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any, Self

from msgspec import structs

from openhorizon.config import Recipe, to_json
from openhorizon.errors import ConfigError, RunError
from openhorizon.files import Folder, locked, tidy, unlock, unwritable
from openhorizon.settings import differences, from_json

FORMAT = 1  # of the run folder; raised when an older folder can no longer be continued or read
# recipe values that a run may change when it continues: they do not change what it makes
MAY_DIFFER = ("workers", "cluster.address", "cluster.workers")
SERVED = re.compile(
    r"evaluation\.served\.[\w-]+\."
)  # models of others that are evaluated beside the run's: added at any time
PACKAGES = ("openhorizon", "torch", "transformers", "tokenizers", "numpy", "msgspec", "scikit-learn", "rdkit")


class Stage(Folder):
    """One stage of a run: its folder, and whether it is done."""

    def __init__(self, dir: Path, name: str) -> None:
        super().__init__(dir)
        self.name = name
        self._began = time.monotonic()

    @property
    def done(self) -> bool:
        return self.has("manifest.json")

    def summary(self) -> dict[str, Any]:
        """What the stage said of itself when it finished."""
        return self.read_json("manifest.json")["summary"]

    def finish(self, summary: dict[str, Any] | None = None) -> None:
        """The stage is done: its manifest names every file with size and SHA-256. Done already: nothing happens.

        `seconds` counts from when this object was made, so of a resumed stage only the last sitting.
        """
        if self.done:
            return
        manifest = {
            "stage": self.name, "seconds": round(time.monotonic() - self._began, 3), "summary": summary or {},
            "files": {str(f.relative_to(self.dir)): _mark(f) for f in self._files()},
        }  # fmt: skip
        self.write_json("manifest.json", manifest)

    def reopen(self) -> None:
        """The stage has more to do: it is not done any more, and keeps its files."""
        self.path("manifest.json").unlink(missing_ok=True)

    def check(self, *, deep: bool = False) -> None:
        """RunError: a file of the finished stage is missing or has another size (`deep`: other content)."""
        for name, mark in self.read_json("manifest.json")["files"].items():
            if not self.has(name):
                raise RunError(f"{self.path(name)} is missing. {self.mend()}")
            if self.path(name).stat().st_size != mark["bytes"] or (deep and _mark(self.path(name)) != mark):
                raise self.damaged(name, "it is not as the stage wrote it")

    def _files(self) -> list[Path]:
        """The stage's files; folders with a manifest of their own are stages below this one."""
        below = {m.parent for m in self.dir.rglob("manifest.json")} - {self.dir}
        files = (f for f in self.dir.rglob("*") if f.is_file() and not below.intersection(f.parents))
        return sorted(f for f in files if not f.name.endswith(".part"))

    def mend(self) -> str:
        return f"Delete {self.dir} and run the same command again: only this stage is repeated"


def _mark(file: Path) -> dict[str, Any]:
    with file.open("rb") as stream:
        return {"bytes": file.stat().st_size, "sha256": hashlib.file_digest(stream, "sha256").hexdigest()}


class Run(Folder):
    """A run folder and its recipe. From `open` it is this process's alone until `close`; from `load` it is for reading."""

    def __init__(self, dir: Path, recipe: Recipe, lock: int | None = None) -> None:
        super().__init__(dir)
        self.name, self.recipe, self._lock = dir.name, recipe, lock

    @classmethod
    def open(cls, runs_dir: Path | str, name: str, recipe: Recipe) -> Self:
        """The run `name`: made if it is new, continued if it holds this very recipe (`MAY_DIFFER` aside).

        RunError: another process has it, another recipe or format version made it, it is damaged, or `name` is taken.
        """
        if name in ("", ".", "..") or "/" in name:
            raise RunError(f"{name!r} cannot be a run's name; use letters, digits, dots and dashes")
        dir = Path(runs_dir) / name
        try:
            dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(dir, error) from error
        lock = locked(dir, "use --name for a second run")
        try:
            tidy(dir)
            if (dir / "recipe.json").exists():
                recipe = _continued(dir, cls.load(dir).recipe, recipe)
            else:
                _create(dir, recipe)
        except BaseException:
            unlock(lock)
            raise
        return cls(dir, recipe, lock)

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """The run that `path` holds, for reading; another process may be writing to it. RunError: no run of this format."""
        dir = Path(path)
        if not (dir / "recipe.json").exists():
            siblings = sorted(p.parent.name for p in dir.parent.glob("*/recipe.json"))
            raise RunError(
                f"{dir} is not a run folder; {dir.parent} holds {', '.join(siblings) or 'no runs'}"
            )
        folder = Folder(dir)
        environment = folder.read_json("environment.json")
        made = environment.get("format") if isinstance(environment, dict) else None
        if made != FORMAT:
            raise RunError(
                f"{dir} was written in run format {made}; this version reads format {FORMAT}. "
                f"Start afresh with --name, or use openhorizon {environment.get('packages', {}).get('openhorizon', 'of then')}"
                if isinstance(environment, dict) else folder.damaged("environment.json", "not an object")
            )  # fmt: skip
        try:
            return cls(dir, from_json(folder.read_bytes("recipe.json")))
        except ConfigError as error:
            raise folder.damaged("recipe.json", str(error)) from error

    @property
    def graph(self) -> str:
        """Where the run's knowledge-action graph lies: a file of its own, or the recipe's address."""
        return self.recipe.graph or str(self.dir / "graph.db")

    def stage(self, name: str) -> Stage:
        """The stage `name`; a slash parts a group of stages from its member, as in "teachers/search"."""
        return Stage(self.dir / name, name)

    def stages(self) -> list[Stage]:
        """The finished stages, in the order of their names. May be asked while another process works in the folder."""
        found = []
        for place, folders, files in os.walk(
            self.dir
        ):  # unlike rglob, goes on where a folder has just vanished
            folders[:] = [f for f in folders if not f.startswith(".")]  # half-written ones
            if "manifest.json" in files:
                found.append(Path(place).relative_to(self.dir).as_posix())
        return [self.stage(name) for name in sorted(found)]

    def close(self) -> None:
        """Let go of the folder."""
        if self._lock is not None:
            unlock(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _create(dir: Path, recipe: Recipe) -> None:
    """The recipe comes last: a folder without it is not yet a run, and is made again."""
    foreign = sorted(p.name for p in dir.iterdir() if p.name not in (".lock", "environment.json"))
    if foreign:
        raise RunError(f"{dir} exists and is not a run folder (it holds {foreign[0]}). Choose another --name")
    Folder(dir).write_json("environment.json", environment(recipe))
    Folder(dir).write_bytes("recipe.json", to_json(recipe))


def _continued(dir: Path, stored: Recipe, wanted: Recipe) -> Recipe:
    """The recipe that the run goes on with: the wanted one, and served models that it had before. RunError: another one."""
    _compare(dir, stored, wanted)
    served = stored.evaluation.served | wanted.evaluation.served
    if served != wanted.evaluation.served:
        wanted = structs.replace(wanted, evaluation=structs.replace(wanted.evaluation, served=served))
    if served != stored.evaluation.served:  # worker processes read what is written
        Folder(dir).write_bytes("recipe.json", to_json(wanted))
    return wanted


def _compare(dir: Path, stored: Recipe, wanted: Recipe) -> None:
    changed = []
    for line in differences(stored, wanted):
        path = line.split(":")[0]
        # a served model may be new, left out of a command, or have moved; the model under a name stays what it was
        served = SERVED.match(path) and ("(absent)" in line or path.endswith((".urls", ".concurrency")))
        if path not in MAY_DIFFER and not served:
            changed.append(line)
    if changed:
        shown = "; ".join(changed[:6]) + (f"; and {len(changed) - 6} more" if len(changed) > 6 else "")
        raise RunError(
            f"{dir} was made by another recipe ({shown}). Choose another --name, or delete {dir} to start afresh"
        )


def environment(recipe: Recipe) -> dict[str, Any]:
    """Where and with what a run was made: format, package versions, Python, machine, commit, seed."""
    return {
        "format": FORMAT, "seed": recipe.seed, "commit": _commit(), "python": platform.python_version(),
        "packages": {name: v for name in PACKAGES if (v := _version(name))},
        "machine": {
            "system": platform.platform(), "processor": platform.machine(), "cores": len(os.sched_getaffinity(0)),
            "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
        },
        "command": sys.argv,
    }  # fmt: skip


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _commit() -> str:
    """The commit of the source this package runs from, "-dirty" behind it where files were changed; "" if unknown."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():  # installed: a .git further up belongs to somebody else
        return ""
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
