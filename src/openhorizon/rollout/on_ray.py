"""The workers of a Ray: actors that play, restarted by Ray where their process or machine dies.

Values for small machines: the object store holds records alone, so it is kept small; no dashboard, no usage statistics; Ray's
sockets and logs lie in a temporary folder that goes when the Ray does.
"""

import asyncio
import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from openhorizon.config import ClusterPlan
from openhorizon.errors import ConfigError, OpenHorizonError, RunError
from openhorizon.rollout.players import Hand, Player, Work, WorkerLost, check_version

INSTALL = 'Ray is not installed: pip install "openhorizon[cluster]", on every machine of the cluster'
STORE = 80 << 20, 512 << 20  # bytes of a local Ray's object store: least (Ray's own bound is 75 MiB) and most
SHARED = (
    ". All machines of a cluster must see the run folder, at the same path: put it on a shared file system"
)
AGAIN_S = 0.5  # seconds between two looks at a worker that is being started again
SOCKETS = 107 - 75  # bytes a temporary folder's name may have: a socket's whole path has 107


class OnRay:
    """A Ray that was started or joined, and its workers, which come up while this returns.

    ConfigError: Ray is not installed, or none answers at the address.
    """

    def __init__(self, plan: ClusterPlan) -> None:
        # of a Ray that is started here; read when `ray` is imported or started
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        # we say ourselves that a worker died, on stderr and in a line
        os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", "A worker died or was killed")
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        try:
            import ray
        except ImportError as error:
            raise ConfigError(f"cluster.address={plan.address}: {INSTALL}") from error
        self._ray = ray
        self._own = not ray.is_initialized()
        self._folder: Path | None = None
        self._actors: list[Any] = []
        try:
            if self._own and plan.address == "local":
                self._start(plan.workers or os.cpu_count() or 1)
            elif self._own:
                self._join(plan.address)
            count = plan.workers or int(ray.cluster_resources().get("CPU", 1))
            # -1: Ray starts a worker again wherever there is room, as often as it dies; calls under way are ours to repeat
            kind = ray.remote(num_cpus=1, max_restarts=-1, max_task_retries=0, scheduling_strategy="SPREAD")(
                Player
            )
            self._actors = [kind.remote() for _ in range(count)]
        except BaseException:
            self.close()
            raise
        self.hands: tuple[Hand, ...] = tuple(
            _There(ray, actor, f"worker {number}") for number, actor in enumerate(self._actors)
        )

    def described(self, work: Work) -> bytes:
        """The work as bytes: equal for equal works, so that a worker makes it once. ConfigError: it cannot be sent."""
        try:
            from ray import cloudpickle

            return cloudpickle.dumps(work)  # pyright: ignore[reportPrivateImportUsage]
        except Exception as error:
            raise ConfigError(f"{work.make} and its arguments cannot be sent to workers: {error}") from error

    def close(self) -> None:
        """End the workers, and the Ray that was started here with all its processes and files."""
        if not self._own:
            for actor in self._actors:
                self._ray.kill(actor)
        else:
            self._ray.shutdown()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self, workers: int) -> None:
        base = tempfile.gettempdir()
        self._folder = Path(tempfile.mkdtemp(prefix="oh-", dir=base if len(base) < SOCKETS - 12 else "/tmp"))
        self._ray.init(
            address="local", num_cpus=workers, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR,
            object_store_memory=_store(), _temp_dir=str(self._folder),
        )  # fmt: skip

    def _join(self, address: str) -> None:
        try:
            self._ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise ConfigError(
                f"cluster.address={address}: no Ray answers there ({error}); start one with `ray start --head`, or set "
                "cluster.address=local for a Ray on this machine alone"
            ) from error


def _store() -> int:
    """Bytes for the object store: half of what is free where it lies, within bounds."""
    least, most = STORE
    try:
        free = shutil.disk_usage("/dev/shm").free
    except OSError:  # Ray takes its temporary folder instead
        free = 0
    return min(most, max(least, free // 2))


class _There:
    """See `Hand`: an actor."""

    def __init__(self, ray: Any, actor: Any, name: str) -> None:
        self.up, self.name = False, name
        self._ray, self._actor = ray, actor
        self._born = 0  # processes that came up before

    async def ready(self) -> None:
        while True:
            try:
                machine, version = await self._actor.here.remote()
                break
            except self._ray.exceptions.ActorUnavailableError:
                await asyncio.sleep(AGAIN_S)
            except self._ray.exceptions.RayActorError as error:
                raise WorkerLost(self._died(error)) from None
        if not self.up:
            self.up, self._born = True, self._born + 1
        self.name = f"{self.name.partition(' on ')[0]} on {machine}"
        check_version(self.name, version)

    async def ask(self, method: str, *args: Any) -> Any:
        errors, born = self._ray.exceptions, self._born
        ref = getattr(self._actor, method).remote(*args)
        try:
            return await ref
        except asyncio.CancelledError:
            self._ray.cancel(ref)
            raise
        except errors.RayTaskError as error:
            raise self._told(error.cause) from None
        except errors.ActorUnavailableError as error:
            if self._ends(born):  # maybe it lives, and two must not play the same attempt
                self._ray.kill(self._actor, no_restart=False)
            raise WorkerLost(self._died(error)) from None
        except (errors.RayActorError, errors.ObjectLostError, errors.OutOfMemoryError) as error:
            self._ends(born)
            raise WorkerLost(self._died(error)) from None

    def _ends(self, born: int) -> bool:
        """The process is gone; whether that is new, and not of one before it."""
        new = self.up and born == self._born
        self.up = self.up and not new
        return new

    def _told(self, cause: Exception) -> Exception:
        """What was raised there, with the place where it is one of ours."""
        if not isinstance(cause, OpenHorizonError):
            return cause
        return type(cause)(f"{self.name}: {cause}{SHARED if isinstance(cause, RunError) else ''}")

    def _died(self, error: Exception) -> str:
        first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
        return f"{self.name} died ({type(error).__name__}: {first[:300]})"
