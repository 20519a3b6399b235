"""What the cluster's tests have their workers make: importable there, light, and told apart by the process that played."""

import asyncio
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import msgspec
from towns import TOWNS, Desk, find, graph_of, read, resources_of

from openhorizon.chat.wire import write
from openhorizon.domains.domain import Domain, tool
from openhorizon.engines.engine import Request
from openhorizon.errors import RunError
from openhorizon.records import Completion, Message, ToolCall
from openhorizon.rollout.journal import Journals
from openhorizon.rollout.play import Play


@dataclass
class Kept(Desk):
    """The towns' desk, whose state can be written down."""

    def save(self) -> bytes:
        return msgspec.json.encode(self.found)

    def load(self, saved: bytes) -> None:
        self.found = msgspec.json.decode(saved)


KEPT = replace(TOWNS, tools=(tool(find), tool(read)), open=lambda task, resources: Kept(resources))


class Looks:
    """Solves towns' tasks from what it is shown, after `seconds` a turn, and writes a line "process attempt turn" of each.

    `deadly`: part of the ids of attempts whose last turn ends the process; `once`: only where the file is not there yet.
    """

    exact, policy = False, "looks"

    def __init__(self, seconds: float = 0.0, lines: str = "", deadly: str = "", once: str = "") -> None:
        self.seconds, self.lines, self.deadly, self.once = seconds, lines, deadly, once

    async def complete(self, request: Request) -> Completion:
        await asyncio.sleep(self.seconds)
        if self.lines:
            with Path(self.lines).open("a") as file:
                file.write(f"{os.getpid()} {request.attempt} {request.turn}\n")
        due = self.deadly and request.turn == 2 and self.deadly in request.attempt
        if due and not (self.once and Path(self.once).exists()):
            Path(self.once or os.devnull).touch()
            os._exit(9)
        town = re.search(r"sister of (.+)\?", request.messages[1].content)
        assert town
        if request.turn == 0:
            message = Message(role="assistant", calls=(ToolCall(name="find", arguments={"town": town[1]}),))
        elif request.turn == 1:
            message = Message(role="assistant", calls=(ToolCall(name="read", arguments={"page": 1}),))
        else:
            seen = re.search(r"sister is (.+)\.", request.messages[-1].content)
            message = Message(role="assistant", content=seen[1] if seen else "unknown")
        return Completion(text=write(message), policy=self.policy)

    def forget(self, attempt: str) -> None: ...


@lru_cache(maxsize=1)
def towns():
    return resources_of(graph_of())


def looks(journals: str = "", **more: object) -> tuple[Play, Mapping[str, Domain]]:
    """A play with `Looks`, and journals in a folder."""
    return Play(
        Looks(**more),
        towns(),
        journals=Journals(Path(journals)) if journals else None,  # type: ignore[arg-type]
    ), {"towns": KEPT}


def looks_with(arguments: dict) -> tuple[Play, Mapping[str, Domain]]:
    return looks(**arguments)


def refuses() -> tuple[Play, Mapping[str, Domain]]:
    raise RunError("the run folder is not here")


def tiny_model(folder: str) -> tuple[Play, Mapping[str, Domain]]:
    """The model in that folder, in this process."""
    from openhorizon.chat.chat import Chat
    from openhorizon.config import ModelPlan
    from openhorizon.engines.engine import Sampling
    from openhorizon.engines.local import LocalEngine
    from openhorizon.training.model import load_model

    chat = Chat.load(folder)
    engine = LocalEngine(load_model(folder, ModelPlan()).eval(), chat, policy="tiny")
    return Play(engine, towns(), "mini", Sampling(), chat), {"towns": KEPT}


def doubled(number: int, seconds: float = 0.0) -> int:
    import time

    time.sleep(seconds)
    return 2 * number


def wrong(number: int) -> int:
    raise RunError(f"{number} is wrong")


def dies(number: int) -> int:
    os._exit(9)
