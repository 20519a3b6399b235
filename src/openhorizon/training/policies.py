"""Who plays while a model learns: the model itself, a copy of it in this process, or servers that are handed its weights."""

import copy
import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import torch
from torch import nn

from openhorizon.chat.chat import Chat
from openhorizon.config import RolloutPlan
from openhorizon.engines.dialects import PURE
from openhorizon.engines.engine import Sampling
from openhorizon.engines.http import connect
from openhorizon.engines.local import LocalEngine
from openhorizon.engines.servers import Servers
from openhorizon.engines.updating import Versioned, update_servers
from openhorizon.errors import ConfigError
from openhorizon.training.model import save_model
from openhorizon.training.ranks import Ranks

LOADING_S = 1800.0  # longest that a server may take to read the weights, and to write a turn


class Policy(Protocol):
    """Plays by the weights it was last given; `same`: these are, bit for bit, the ones that learn."""

    engine: Versioned
    same: bool
    room: int  # attempts at once

    def load(self, model: nn.Module, version: int) -> None:
        """Turns are written by the model's weights from now on; `version` counts finished optimiser steps."""
        ...

    def close(self) -> None: ...


class InPlace:
    """The very model that learns. Nothing may be played while it does."""

    same, room = True, 64

    def __init__(self, model: nn.Module, chat: Chat, name: str) -> None:
        self._local = LocalEngine(model, chat, policy=name)
        self.engine = Versioned(self._local)

    def load(self, model: nn.Module, version: int) -> None:
        with self.engine.updating(version):
            self._local.reset()

    def close(self) -> None:
        pass


class Copied:
    """A copy in this process, which plays on while the model learns: one more set of weights in memory."""

    same, room = False, 64

    def __init__(self, model: nn.Module, chat: Chat, name: str) -> None:
        self._copy = copy.deepcopy(model).eval().requires_grad_(False)
        self._chat, self._name = chat, name
        self.engine = Versioned(LocalEngine(self._copy, chat, policy=name))

    def load(self, model: nn.Module, version: int) -> None:
        with self.engine.updating(version), torch.no_grad():
            for own, new in zip(self._copy.parameters(), model.parameters(), strict=True):
                own.copy_(new)
            for own, new in zip(self._copy.buffers(), model.buffers(), strict=True):
                own.copy_(new)
            # a new engine, not a reset: the thread that plays may be letting go of an attempt in the old one
            self.engine.engine = LocalEngine(self._copy, self._chat, policy=self._name)

    def close(self) -> None:
        pass


class Served:
    """Servers in token mode, all with the model's architecture. The weights are written by the first rank into one of two
    folders in turn, so that the folder which a server may still be reading is never touched.

    The servers hold one policy at a time: whoever else would train with them waits until this one is closed.
    """

    same = False  # their kernels, and often their precision, are not the trainer's

    def __init__(
        self, plan: RolloutPlan, chat: Chat, name: str, folder: Path, *, sampling: Sampling = PURE,
        ranks: Ranks | None = None, say: Callable[[str], None] = lambda text: None,
    ) -> None:  # fmt: skip
        """`folder` is where weights are handed over unless the plan names another. ConfigError: no token mode there, or none
        whose log-probabilities are those of `sampling`."""
        self._folder, self._chat, self._ranks, self._say = (
            Path(plan.folder or folder).resolve(),
            chat,
            ranks or Ranks(),
            say,
        )
        self.room = max(1, plan.concurrency * len(plan.urls) // self._ranks.world)
        self._lock = self._hold() if self._ranks.first else -1
        self._ranks.gather(None)  # the others wait for the first one's turn at the servers
        servers = Servers(plan.urls, concurrency=plan.concurrency, timeout_s=LOADING_S)
        self._http = connect((), plan.model, chat=chat, mode="token", policy=name, servers=servers)
        if sampling != PURE and not getattr(self._http.dialect, "processed", False):
            self.close()
            raise ConfigError(
                f"{', '.join(plan.urls)}: log-probabilities are those before temperature and cuts, and this training draws with "
                f"temperature={sampling.temperature}, top_p={sampling.top_p}, top_k={sampling.top_k}; start vLLM with "
                "--logprobs-mode processed_logprobs, or draw with temperature=1, top_p=1, top_k=0"
            )
        self.engine = Versioned(self._http)

    def load(self, model: nn.Module, version: int) -> None:
        """EngineError: not one server took the weights. A server that did not is said and left alone until it does."""
        place = self._folder / "ab"[version % 2]
        with self.engine.updating(version):
            if self._ranks.first:
                save_model(model, self._chat.tokenizer, place)
                failed = update_servers(self._http, str(place), version)
                for url, why in failed.items():
                    self._say(f"version {version}: {url} is left alone, its weights are old: {why}")
                able = [url for url in self._http.servers.urls if url not in failed]
                self._ranks.gather(able)
            else:
                self._http.servers.use(self._ranks.gather(None)[0])

    def close(self) -> None:
        """Let the next one have the servers; the folders go."""
        self._http.close()
        if self._lock >= 0:
            for name in "ab":
                shutil.rmtree(self._folder / name, ignore_errors=True)
            os.close(self._lock)

    def _hold(self) -> int:
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(self._folder / ".turn", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._say("waiting for another training that has the servers")
            fcntl.flock(lock, fcntl.LOCK_EX)
        return lock
