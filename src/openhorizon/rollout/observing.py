"""What stands between two model calls: a turn's tool calls run, its verdict, and whether their state can be had again."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from openhorizon.domains.domain import Domain
from openhorizon.errors import InfrastructureError
from openhorizon.records import Completion, Limits, Message, Task, ToolCall, ToolResult, Turn, Verdict
from openhorizon.rollout.journal import Step

T = TypeVar("T")


# not the event loop's own threads: a loop that ends waits for those, so that one slow program would hold up a batch that is cut
_THREADS = ThreadPoolExecutor(64, thread_name_prefix="attempt")
_AT: "dict[int, Future[Any]]" = {}  # an environment's id -> what runs on it aside


def _after_fork() -> None:
    """Threads stay behind in the parent."""
    global _THREADS
    _THREADS = ThreadPoolExecutor(64, thread_name_prefix="attempt")
    _AT.clear()


os.register_at_fork(after_in_child=_after_fork)


async def aside(env: object, function: Callable[..., T], *args: Any) -> T:
    """What the function returns or raises, run in a thread. Whoever gives up does not end it: see `close`."""
    future = _THREADS.submit(function, *args)
    _AT[id(env)] = future
    future.add_done_callback(lambda _: _AT.pop(id(env), None))
    return await asyncio.wrap_future(future)


def close(env: object) -> None:
    """Let go of the environment, when nothing runs on it any more."""
    if env is None or not hasattr(env, "close"):
        return
    running = _AT.get(id(env))
    if running is None:
        env.close()  # type: ignore[attr-defined]
    else:
        running.add_done_callback(lambda _: env.close())  # type: ignore[attr-defined]


def stateless(env: object) -> bool:
    """Whether tools leave nothing behind in it: nothing at all, or a frozen dataclass."""
    return env is None or (
        getattr(type(env), "__dataclass_params__", None) is not None
        and (
            type(env).__dataclass_params__.frozen  # type: ignore[attr-defined]
        )
    )


def reply_of(step: Step) -> str | None:
    """The user's reply that ended the step; None: there was none."""
    return step.turn.reply if step.replied else None


def after(results: tuple[ToolResult, ...], reply: str | None) -> list[Message]:
    """What stands between two assistant messages."""
    said = [Message(role="tool", content=r.text) for r in results]
    return said if reply is None else [*said, Message(role="user", content=reply)]


async def replied(domain: Domain, env: object, text: str) -> str | None:
    """The simulated user's reply; None ends the attempt."""
    if domain.replies_wait(env):
        return await aside(env, domain.reply, env, text)
    return domain.reply(env, text)


async def results_of(
    domain: Domain, env: object, message: Message, limits: Limits, spent: int
) -> tuple[ToolResult, ...]:
    """Run the message's calls in order; a malformed call is answered with what is wrong with it."""
    results = []
    for call in message.calls[: max(0, limits.tool_calls - spent)]:
        if domain.waits(env, call):
            results.append(await aside(env, _guarded, domain, env, call))
        else:
            results.append(_guarded(domain, env, call))
    if message.malformed:
        results.append(ToolResult(call=None, text=f"error: {message.malformed}", ok=False))
    return tuple(results)


def _guarded(domain: Domain, env: object, call: ToolCall) -> ToolResult:
    """A tool that trips over arguments nobody foresaw answers with an error; its text could leak, its type cannot."""
    try:
        return domain.call(env, call)
    except InfrastructureError:
        raise
    except Exception as error:
        return ToolResult(
            call=call, text=f"error: {call.name} failed on these arguments ({type(error).__name__})", ok=False
        )


def step_verdict(task: Task, domain: Domain, env: object, results: tuple[ToolResult, ...]) -> Verdict | None:
    """v_t: the worst verdict over the step's results; None where no step-level verifier fired."""
    fired = [v for r in results if (v := domain.verify_step(task, env, r)) is not None]
    return min(fired, key=lambda v: v.score) if fired else None


def turn_of(
    added: tuple[int, ...],
    completion: Completion,
    message: Message,
    results: tuple[ToolResult, ...],
    reply: str | None,
    verdict: Verdict | None,
    fresh: bool = False,
) -> Turn:
    return Turn(
        context_ids=tuple(added),
        completion=completion,
        message=message,
        results=results,
        reply=reply or "",
        verdict=verdict,
        fresh=fresh,
    )
