"""How attempts are played: shared by all attempts of a batch."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from openhorizon.domains.domain import Resources, Size
from openhorizon.engines.engine import Engine, Sampling
from openhorizon.rollout.asking import Patience
from openhorizon.rollout.journal import Journals

if TYPE_CHECKING:
    from openhorizon.chat.chat import Chat


@dataclass(frozen=True)
class Play:
    """How attempts are played: shared by all attempts of a batch."""

    engine: Engine
    resources: Resources
    size: Size = "mini"
    sampling: Sampling = Sampling()
    chat: "Chat | None" = None  # messages <-> tokens; needed by exact engines
    clock: Callable[[], float] = time.monotonic  # seconds
    patience: Patience = Patience()  # with what breaks
    journals: Journals | None = None  # where finished steps are kept; None: a killed process begins again
