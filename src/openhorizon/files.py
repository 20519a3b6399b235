"""Files that are whole or not there at all: written beside their place, flushed to disk, renamed.

A full disk, a missing file and a damaged one are each a RunError that names the file and the mend.
"""

import errno
import fcntl
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import msgspec

from openhorizon.errors import RunError
from openhorizon.records import as_json

R = TypeVar("R")


def write_whole(path: Path, chunks: Iterable[bytes]) -> None:
    """`path` holds exactly the chunks, or, after a failure or kill at any point, what it held before.

    RunError: the disk is full or the place cannot be written, with the mend.
    """
    with whole_file(path) as file:
        for chunk in chunks:
            file.write(chunk)


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """An empty file to write to; it takes the place of `path` when the block ends, and is removed if the block fails.

    RunError: the disk is full, whoever noticed it, or the place cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        _flush(path.parent)
    except BaseException as error:
        full = _is_full(path.parent, error)  # before the room that this file took is free again
        beside.unlink(missing_ok=True)
        if isinstance(error, OSError) or (full and isinstance(error, Exception)):
            raise unwritable(path, error, full) from error
        raise


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """An empty folder to fill; it takes the place of `path` when the block ends, and is removed if the block fails.

    For writers that take a folder (models, checkpoints). A kill between the two renames leaves the old folder under
    `.<name>.old`, which the next `whole_folder` or `Run.open` puts back.
    """
    beside, old = path.with_name(f".{path.name}.{os.getpid()}.part"), path.with_name(f".{path.name}.old")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        restore(old)
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir()
        yield beside
        for file in sorted(beside.rglob("*")):
            _flush(file)
        if path.exists():
            path.replace(old)
        beside.replace(path)
        _flush(path.parent)
        shutil.rmtree(old, ignore_errors=True)
    except BaseException as error:
        full = _is_full(path.parent, error)
        shutil.rmtree(beside, ignore_errors=True)
        restore(old)
        if isinstance(error, OSError) or (full and isinstance(error, Exception)):
            raise unwritable(path, error, full) from error
        raise


def restore(old: Path) -> None:
    """Put back what a killed `whole_folder` had moved aside; drop it where the new folder already stands."""
    if old.exists():
        path = old.with_name(old.name[1 : -len(".old")])
        shutil.rmtree(old, ignore_errors=True) if path.exists() else old.replace(path)


def locked(dir: Path, otherwise: str) -> int:
    """The descriptor that holds the folder's lock, which the kernel drops when the process ends, however it ends.

    RunError: another process has it; `otherwise` is the mend beside waiting for it or ending it.
    """
    try:
        fd = os.open(dir / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise unwritable(dir / ".lock", error) from error
    try:
        for again in range(WAITS, -1, -1):
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                # a killed owner's forked worker, on a busy machine, may not have come to let go yet
                if not again or _alive(os.pread(fd, 32, 0)):
                    raise
                time.sleep(WAIT)
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    except OSError as error:
        owner = os.pread(fd, 32, 0).decode().strip() or "unknown"
        os.close(fd)
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            mend = f"Wait for it, end it (kill {owner}), or {otherwise}"
            raise RunError(f"{dir} is in use by process {owner}. {mend}") from None
        raise unwritable(dir / ".lock", error) from error
    _held.add(fd)
    return fd


WAITS, WAIT = 40, 0.05  # tries and seconds between them, where the lock's owner is gone and the lock is not


def _alive(owner: bytes) -> bool:
    """Whether the process whose number stands in the lock file is there; True where none stands there yet."""
    try:
        os.kill(int(owner), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except (PermissionError, ValueError):
        return True
    return True


def unlock(fd: int) -> None:
    """Let go of what `locked` gave."""
    _held.discard(fd)
    with suppress(OSError):
        os.close(fd)


_held: set[int] = set()  # descriptors of this process's locks
# a forked worker that outlives its killed parent must not keep the folder locked
os.register_at_fork(after_in_child=lambda: [unlock(fd) for fd in tuple(_held)])


def tidy(dir: Path) -> None:
    """Remove what a killed process left half-written in the folder."""
    for part in [*dir.rglob(".*.part")]:
        shutil.rmtree(part, ignore_errors=True) if part.is_dir() else part.unlink(missing_ok=True)
    for old in [*dir.rglob(".*.old")]:
        restore(old)


def _flush(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _is_full(folder: Path, error: BaseException) -> bool:
    """Whether the disk is full: writers in C and Rust (torch, safetensors) report it as errors of their own."""
    if "No space left" in str(error):
        return True
    return folder.exists() and shutil.disk_usage(folder).free < 1 << 20


def unwritable(path: Path, error: BaseException, full: bool = False) -> RunError:
    """What to tell the user; `full`: the disk was seen to be full."""
    if full or getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        return RunError(
            f"the disk is full: {path} could not be written. Free some space, then run the same command again; "
            "everything that was already done is kept"
        )
    return RunError(f"{path} could not be written ({error}). Mend that, then run the same command again")


class Folder:
    """A folder of records. Names are relative to it; what is missing or unreadable is a RunError that says which file."""

    def __init__(self, dir: Path) -> None:
        self.dir = dir

    def path(self, name: str) -> Path:
        return self.dir / name

    def has(self, name: str) -> bool:
        return self.path(name).exists()

    def write_bytes(self, name: str, data: bytes) -> None:
        write_whole(self.path(name), (data,))

    def write_json(self, name: str, value: Any) -> None:
        """A record, or plain dicts, lists, numbers and text, indented for people."""
        self.write_bytes(name, msgspec.json.format(as_json(value), indent=2) + b"\n")

    def write_jsonl(self, name: str, records: Iterable[Any]) -> None:
        """One record a line; equal records give equal bytes."""
        write_whole(self.path(name), (as_json(r) + b"\n" for r in records))

    def read_json(self, name: str, kind: type[R] | Any = Any) -> R | Any:
        data = self.read_bytes(name)
        try:
            return msgspec.json.decode(data, type=kind)
        except msgspec.DecodeError as error:
            raise self.damaged(name, str(error)) from error

    def read_jsonl(self, name: str, kind: type[R]) -> list[R]:
        """All records of the file, in its order."""
        decoder, found = msgspec.json.Decoder(kind), []
        for number, line in enumerate(self.read_bytes(name).split(b"\n"), 1):
            if line.strip():
                try:
                    found.append(decoder.decode(line))
                except msgspec.DecodeError as error:
                    raise self.damaged(name, f"line {number}: {error}") from error
        return found

    def read_bytes(self, name: str) -> bytes:
        try:
            return self.path(name).read_bytes()
        except OSError as error:
            raise RunError(f"{self.path(name)} cannot be read ({error.strerror}). {self.mend()}") from error

    def damaged(self, name: str, why: str) -> RunError:
        return RunError(f"{self.path(name)} is damaged ({why}). {self.mend()}")

    def mend(self) -> str:
        return f"Delete {self.dir} and run again, or start afresh with --name"
