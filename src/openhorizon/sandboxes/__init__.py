"""Where a model's programs run: bubblewrap by default. A plain subprocess only when asked for by name, or where
bubblewrap cannot work and no model but the run's own tiny one writes the programs."""

import os
import shutil
import tempfile
from collections.abc import Callable

from openhorizon.errors import ConfigError, SandboxError
from openhorizon.sandboxes import cgroups, seccomp
from openhorizon.sandboxes.bubblewrap import MEND, Bubblewrap
from openhorizon.sandboxes.local import Local
from openhorizon.sandboxes.memo import Memo
from openhorizon.sandboxes.patient import Patient
from openhorizon.sandboxes.sandbox import Outcome, Sandbox

__all__ = [
    "KINDS",
    "Bubblewrap",
    "Local",
    "Memo",
    "Outcome",
    "Patient",
    "Sandbox",
    "lacking",
    "open_sandbox",
    "self_test",
    "what_works",
]

KINDS: dict[str, Callable[[tuple[str, ...]], Sandbox]] = {
    "bubblewrap": lambda preload: Bubblewrap(preload),
    "local": lambda preload: Local(),  # UNSAFE
}
PRELOAD = (
    "numpy", "numpy.random", "sklearn.tree", "sklearn.neighbors", "sklearn.linear_model", "sklearn.naive_bayes",
    "sklearn.svm", "sklearn.pipeline", "sklearn.preprocessing", "sklearn.model_selection",
)  # fmt: skip

# What a jail must refuse; each line prints a word where the wall is missing.
_PROBE = """
import ctypes, os, socket
open("here", "w").write("1")
for name, wall in (
    ("host files", lambda: open({secret!r})), ("/etc/shadow", lambda: open("/etc/shadow")),
    ("/usr is writable", lambda: open("/usr/openhorizon-probe", "w")),
    ("network", lambda: socket.create_connection(("192.0.2.1", 80), 0.2)),
):
    try:
        wall()
        print(name)
    except OSError:
        pass
if os.getuid() == 0: print("root user")
if "OPENHORIZON_PROBE" in os.environ: print("environment")
if ctypes.CDLL(None).unshare(0x10000000) == 0: print("new user namespaces")
print("runs")
"""


def open_sandbox(
    kind: str = "auto", preload: tuple[str, ...] = PRELOAD, memo: int = 50_000, *, harmless: bool = False
) -> Sandbox:
    """A sandbox that passed its self-test, with a memory for `memo` outcomes (0: none).

    "auto" is bubblewrap, or an error: it never falls back to something unsafe, unless the caller vouches that the
    programs are `harmless`: written by scripted experts and by a tiny model that has learned from nothing else. Then it
    is the local sandbox where bubblewrap does not work; say so (`lacking`). ConfigError: an unknown kind. SandboxError:
    the kind does not work here; the text says how to mend it.
    """
    if kind not in (*KINDS, "auto"):
        raise ConfigError(f"sandbox.kind is {kind!r}; it must be one of auto, {', '.join(KINDS)}")
    try:
        sandbox = _tested("bubblewrap" if kind == "auto" else kind, preload)
    except SandboxError:
        if kind != "auto" or not harmless:
            raise
        sandbox = _tested("local", preload)
    sandbox = Patient(sandbox)
    return Memo(sandbox, memo) if memo else sandbox


def _tested(kind: str, preload: tuple[str, ...]) -> Sandbox:
    sandbox = KINDS[kind](preload)
    try:
        self_test(sandbox)
    except BaseException:
        sandbox.close()
        raise
    return sandbox


def lacking(kind: str) -> str:
    """What a person must know before harmless programs run under "auto" where bubblewrap does not work; "" if it does."""
    try:
        if kind == "auto":
            _tested("bubblewrap", ()).close()
    except SandboxError as error:
        return (
            f"no safe sandbox here: {error}. Programs of this run come from scripted experts and its own tiny model "
            "alone, so they run as plain subprocesses, with your rights, and slower; a real model would be refused"
        )
    return ""


def self_test(sandbox: Sandbox) -> None:
    """Raise SandboxError unless programs run in it and, but for the local one, the walls stand."""
    if sandbox.name == "local":
        outcome = sandbox.run("print('runs')", seconds=30)
    else:
        os.environ["OPENHORIZON_PROBE"] = "1"  # a server started by this call must not hand it on
        try:
            with tempfile.NamedTemporaryFile() as secret:
                outcome = sandbox.run(_PROBE.format(secret=secret.name), seconds=30)
        finally:
            del os.environ["OPENHORIZON_PROBE"]
    if outcome.exit_code != 0 or outcome.stdout.split("\n") != ["runs", ""]:
        missing = ", ".join(outcome.stdout.split("\n")[:-2]) or outcome.stderr.strip()[-300:] or "no output"
        raise SandboxError(f"the {sandbox.name} sandbox failed its self-test ({missing}); {MEND}")


def what_works() -> list[tuple[str, bool, str]]:
    """(name, works, note) of each sandbox on this machine, for `openhorizon doctor`."""
    found = []
    for kind in KINDS:
        try:
            open_sandbox(kind, preload=(), memo=0).close()
        except SandboxError as error:
            found.append((kind, False, str(error)))
        else:
            found.append((kind, True, UNSTOPPED if kind == "local" else _weaker()))
    return found


UNSTOPPED = "UNSAFE: stops neither files, network, processes left behind nor attacks on your other programs; only by --set sandbox.kind=local"


def _weaker() -> str:
    """Where bubblewrap stands, and which of its walls are missing on this machine."""
    missing = [cgroups.lacking()]
    if seccomp.filter_program() is None:
        missing.append("no seccomp filter for this processor: the kernel's wider surface is open")
    return "; ".join(filter(None, (shutil.which("bwrap") or "bwrap", *missing)))
