"""A conversation in the terminal: an attempt whose user sits at the keyboard, with a domain's real tools.

Nothing here decides how an attempt goes: it is `rollout.attempt`, with the user's replies asked for and every turn shown.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from msgspec import structs

from openhorizon.chat.wire import read
from openhorizon.domains.domain import Domain, Tool
from openhorizon.engines.engine import Engine, Request
from openhorizon.records import Completion, Judged, Limits, Message, Task, Trajectory
from openhorizon.rollout.attempt import attempt
from openhorizon.rollout.play import Play

MOST = 1000  # turns and calls of one conversation
RESPONSE = 1024  # tokens of one message at most, where the context allows it


@dataclass(frozen=True)
class Shown:
    """What a conversation shows as it goes on: each message with its calls, and each tool's answer."""

    message: Callable[[Message], None]
    result: Callable[[str, str], None]  # the tool's name, what it answered


def talk(
    task: Task,
    domain: Domain,
    play: Play,
    shown: Shown,
    ask: Callable[[], str | None],
    context: int,
    first: str = "",
) -> Judged | Trajectory:
    """Talk until `ask` gives None. The state that the tools act on is the task's; its instruction begins the conversation,
    or `first` where it is given. `context`: tokens of the conversation at most. The verdict is the task's own."""
    sized = domain.sized(play.size)
    limits = Limits(
        turns=MOST, response_tokens=min(RESPONSE, context // 2), context_tokens=context, tool_calls=MOST
    )
    begun = structs.replace(task, limits=limits, instruction=first or task.instruction)
    live = replace(
        sized, reply=lambda env, text: ask(), full=None, last_call="",
        tools=tuple(replace(t, function=_told(t, shown)) for t in sized.tools),
    )  # fmt: skip
    return asyncio.run(attempt(begun, live, replace(play, engine=_Heard(play.engine, shown))))


def _told(tool: Tool, shown: Shown) -> Callable[..., Any]:
    def call(env: Any, **arguments: Any) -> Any:
        try:
            found = tool.function(env, **arguments)
        except Exception as error:
            shown.result(tool.name, f"error: {error}")
            raise
        shown.result(tool.name, getattr(found, "text", str(found)))
        return found

    return call


class _Heard:
    """The engine, every turn of which is shown."""

    def __init__(self, engine: Engine, shown: Shown) -> None:
        self.policy, self.exact = engine.policy, engine.exact
        self._engine, self._shown = engine, shown

    async def complete(self, request: Request) -> Completion:
        written = await self._engine.complete(request)
        self._shown.message(read(written.text, request.tools))
        return written

    def forget(self, attempt: str) -> None:
        self._engine.forget(attempt)
