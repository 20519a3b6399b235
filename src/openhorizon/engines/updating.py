"""New weights for servers that write while a model learns: how each kind of server takes them, and which policy wrote a turn.

The weights are handed over as a Hugging Face folder that the servers can read under the same path.

| server | calls | needs |
|---|---|---|
| SGLang | `/update_weights_from_disk` with `flush_cache` | nothing |
| vLLM | `/pause?mode=wait&clear_cache=true`, `/collective_rpc` `reload_weights`, `/resume` | VLLM_SERVER_DEV_MODE=1 |

Sources: SGLang's `UpdateWeightFromDiskReqInput`; vLLM's docs/training/async_rl and `GPUModelRunner.reload_weights(weights_path=)`.
"""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Protocol

import msgspec
from msgspec import structs

from openhorizon.engines.dialects import Sglang, Vllm
from openhorizon.engines.engine import Engine, Request
from openhorizon.engines.http import HttpEngine
from openhorizon.engines.servers import Refused, Servers
from openhorizon.errors import ConfigError, EngineError
from openhorizon.records import Completion

POLL = 0.005  # seconds between looks of a turn that waits for an update to end


class Updater(Protocol):
    """How one kind of server takes new weights."""

    name: str

    def update(self, servers: Servers, url: str, folder: str, version: int) -> None:
        """The server at `url` writes by the folder's weights when this returns, with no cache of the ones before.

        EngineError, Refused: it does not; nobody knows what it holds now.
        """
        ...


class SglangUpdater:
    """SGLang waits for requests under way by itself, reads the folder and empties its prefix cache."""

    name = Sglang.name

    def update(self, servers: Servers, url: str, folder: str, version: int) -> None:
        asked = {
            "model_path": folder,
            "flush_cache": True,
            "abort_all_requests": False,
            "weight_version": str(version),
        }
        servers.ask("/update_weights_from_disk", msgspec.json.encode(asked), _success, url)


class VllmUpdater:
    """vLLM is paused once its requests have ended, reads the folder in all its workers, and goes on.

    A server whose reading failed stays paused: its weights may be half of each. The next update finds it so, and goes on.
    """

    name = Vllm.name

    def update(self, servers: Servers, url: str, folder: str, version: int) -> None:
        try:
            # both forms of "wait", that of recent versions and that of older ones: each leaves the other unread
            servers.ask("/pause?mode=wait&wait_for_inflight_requests=true&clear_cache=true", b"", bytes, url)
        except Refused as refused:
            if refused.status not in (404, 405):
                raise
            raise ConfigError(
                f"{url} has no /pause: its weights cannot be changed while it runs. Start it with VLLM_SERVER_DEV_MODE=1 in the "
                "environment, where nobody else can reach it"
            ) from None
        reload = {"method": "reload_weights", "kwargs": {"weights_path": folder}}
        servers.ask("/collective_rpc", msgspec.json.encode(reload), bytes, url)
        servers.ask("/resume", b"", bytes, url)


UPDATERS: dict[str, Updater] = {u.name: u for u in (SglangUpdater(), VllmUpdater())}


def update_servers(engine: HttpEngine, folder: str, version: int) -> dict[str, str]:
    """Give every server the folder's weights, all at the same time, and ask from now on only those that took them.

    Returns what each of the others said, by URL; they are tried again at the next update. EngineError: none took them.
    """
    updater, servers = UPDATERS[engine.dialect.name], engine.servers

    def one(url: str) -> str:
        try:
            updater.update(servers, url, folder, version)
        except (EngineError, ConfigError) as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(len(servers.urls)) as pool:
        said = dict(zip(servers.urls, pool.map(one, servers.urls), strict=True))
    failed = {url: why for url, why in said.items() if why}
    if len(failed) == len(said):
        raise EngineError(
            f"no server took the weights of version {version}: {'; '.join(dict.fromkeys(failed.values()))}"
        )
    servers.use(url for url in said if url not in failed)
    return failed


def _success(answer: bytes) -> None:
    try:
        told: Any = msgspec.json.decode(answer)
        done, why = bool(told["success"]), str(told.get("message", ""))
    except (msgspec.DecodeError, LookupError, TypeError, AttributeError):
        raise EngineError("an answer to the new weights that cannot be read") from None
    if not done:
        raise EngineError(f"the weights were not taken: {why}")


class Versioned:
    """An engine whose weights change while attempts go on. Each turn is written by one version from its first token to its
    last, and says by which: `Completion.policy` is "name@version". Where a trajectory goes on after an update, its later
    turns are another version's, and each token keeps the log-probability under the version that drew it.

    An update waits for the turns under way, and turns asked for meanwhile wait for the update: none is cut.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine, self.policy, self.exact, self.version = engine, engine.policy, engine.exact, 0
        self._state = threading.Condition()
        self._under_way, self._closed = 0, False

    async def complete(self, request: Request) -> Completion:
        """See `Engine`."""
        while not self._enter():
            await asyncio.sleep(POLL)
        try:
            name, engine = f"{self.policy}@{self.version}", self.engine
            return structs.replace(await engine.complete(request), policy=name)
        finally:
            with self._state:
                self._under_way -= 1
                self._state.notify_all()

    def forget(self, attempt: str) -> None:
        self.engine.forget(attempt)

    @contextmanager
    def updating(self, version: int) -> Iterator[None]:
        """No turn is being written inside the block; after it all are written by `version`. Where the block fails, by the
        version before. Not from the event loop that turns are asked from."""
        with self._state:
            self._closed = True
            self._state.wait_for(lambda: not self._under_way)
        try:
            yield
            self.version = version
        finally:
            self._closed = False

    def _enter(self) -> bool:
        with self._state:
            if self._closed:
                return False
            self._under_way += 1
            return True


def version_of(policy: str) -> int:
    """The version in a `Completion.policy`; 0 where it names none.

    >>> version_of("search-teacher@17"), version_of("search-teacher")
    (17, 0)
    """
    _, at, version = policy.rpartition("@")
    return int(version) if at and version.isdigit() else 0
