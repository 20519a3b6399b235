"""A plain subprocess with limits: not a sandbox. A program runs with the rights of whoever runs openhorizon.

Only for machines where bubblewrap cannot work and programs are trusted; it must be asked for by name.
"""

import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from openhorizon.errors import SandboxError
from openhorizon.sandboxes.sandbox import Outcome, checked_names

OUTPUT_BYTES = 64 << 10  # kept of each of stdout and stderr
FILE_BYTES = 64 << 20  # of one file that a program writes
COLLECT_BYTES = 4 << 20
PROCESSES = 4096  # of the whole user: a lower number would count the user's other programs


class Local:
    """See `Sandbox`; UNSAFE: only resources are limited, files and network of the host stay reachable."""

    name = "local"

    def run(
        self,
        program: str,
        *,
        files: Mapping[str, bytes] = {},
        collect: tuple[str, ...] = (),
        seconds: float = 10.0,
        memory_mb: int = 1024,
    ) -> Outcome:
        """What the program left behind."""
        checked_names((*files, *collect))
        try:
            folder = tempfile.mkdtemp(prefix="openhorizon-")
        except OSError as error:
            raise SandboxError(f"no work folder can be made: {error}") from None
        try:
            for name, data in (("main.py", program.encode("utf-8", "surrogatepass")), *files.items()):
                path = Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            return _run(Path(folder), collect, seconds, memory_mb)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Nothing is kept open."""


def _run(folder: Path, collect: tuple[str, ...], seconds: float, memory_mb: int) -> Outcome:
    def limit() -> None:
        memory = memory_mb << 20
        for what, most in (
            (resource.RLIMIT_AS, memory), (resource.RLIMIT_CPU, int(seconds) + 2), (resource.RLIMIT_FSIZE, FILE_BYTES),
            (resource.RLIMIT_NPROC, PROCESSES), (resource.RLIMIT_CORE, 0), (resource.RLIMIT_NOFILE, 256),
        ):  # fmt: skip
            hard = resource.getrlimit(what)[1]
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(what, (most, most))

    environment = {
        "PATH": "/usr/bin:/bin", "HOME": str(folder), "TMPDIR": str(folder), "LANG": "C.UTF-8", "PYTHONHASHSEED": "0",
        "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
    }  # fmt: skip
    # Output goes to files: their size is limited like any other's, and no reader has to keep up.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            process = subprocess.Popen(
                [sys.executable, "-s", "-B", "main.py"], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                stdout=out, stderr=err, start_new_session=True, preexec_fn=limit,
            )  # fmt: skip
        except (OSError, subprocess.SubprocessError) as error:
            raise SandboxError(f"Python cannot be started: {error}") from None
        timed_out = False
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            timed_out = True
        _kill_group(process.pid)
        code = process.wait()
        texts = []
        for stream in (out, err):
            stream.seek(0)
            data = stream.read(OUTPUT_BYTES + 1)
            texts.append(
                data[:OUTPUT_BYTES].decode(errors="replace") + ("\n[cut]" if len(data) > OUTPUT_BYTES else "")
            )
    files = {name: data for name in collect if (data := _collected(folder, name)) is not None}
    note = "[killed: out of time]\n" if timed_out else ""
    return Outcome(stdout=texts[0], stderr=texts[1] + note, exit_code=code, timed_out=timed_out, files=files)


def _kill_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _collected(folder: Path, name: str) -> bytes | None:
    """The file if it is a regular one of bearable size, reached without a link."""
    if any((folder / part).is_symlink() for part in reversed(Path(name).parents)):
        return None
    try:
        fd = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    about = os.fstat(fd)
    if not stat.S_ISREG(about.st_mode) or about.st_size > COLLECT_BYTES:
        os.close(fd)
        return None
    with open(fd, "rb") as file:
        return file.read(COLLECT_BYTES)
