"""How attempts are played: what is the same for a whole run, and what for one batch."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from openhorizon.config import FaultPlan
from openhorizon.domains.domain import Resources, Size
from openhorizon.engines.engine import Engine, Sampling
from openhorizon.engines.faulty import FaultyEngine
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
    weights: str = ""  # a digest of what the policy is: steps that other weights wrote are not taken up


# where things break on purpose
FAULTY_HANG_S = 0.5  # how long an engine hangs
FAULTY_TRIES = 8  # of a step, so that a share of 0.2 loses one attempt in 400,000 steps


@dataclass(frozen=True)
class Setting:
    """What a run's attempts have in common, whatever policy plays them."""

    resources: Resources
    size: Size = "mini"
    journals: Path | None = None  # folder for the journals of this job's attempts; None: they keep none
    faults: FaultPlan = FaultPlan()  # what breaks on purpose

    def play(self, engine: Engine, sampling: Sampling, chat: "Chat | None") -> Play:
        """The batch's `Play`; its journals are begun by `keeping`."""
        patience = Patience()
        if self.faults.rate:
            engine = FaultyEngine(engine, self.faults.rate, self.faults.seed, hang_s=FAULTY_HANG_S)
            patience = Patience(tries=FAULTY_TRIES)
        return Play(engine, self.resources, self.size, sampling, chat, patience=patience)

    def keeping(self, play: Play, part: str | int, weights: Callable[[], str]) -> Play:
        """The play with journals in the folder `part`, for the policy with these weights (a digest); as it is where none are
        kept."""
        if self.journals is None:
            return play
        return replace(play, journals=Journals(self.journals / str(part)), weights=weights())

    def forget(self, before: int | None = None) -> None:
        """What came out is stored: the journals go, of the steps before `before` or all."""
        if self.journals is None or not self.journals.exists():
            return
        for part in self.journals.iterdir():
            if before is None or (part.name.isdigit() and int(part.name) < before):
                Journals(part).clear()
        if before is None:
            Journals(self.journals).clear()
