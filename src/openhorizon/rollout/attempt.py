"""One attempt at one task: the loop between an engine and a domain's tools, until an answer or a spent budget."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from openhorizon.chat.wire import read
from openhorizon.domains.domain import Domain, Resources, Size
from openhorizon.engines.engine import Engine, Request, Sampling
from openhorizon.errors import InfrastructureError
from openhorizon.records import (
    Completion,
    Judged,
    Limits,
    Message,
    Status,
    Task,
    ToolCall,
    ToolResult,
    ToolSchema,
    Trajectory,
    Turn,
    Verdict,
)

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


def opening(task: Task, domain: Domain, size: Size) -> tuple[Message, ...]:
    """The prompt: the domain's own opening, or its protocol and the task's instruction."""
    if domain.opening is not None:
        return domain.opening(task)
    system = domain.brief if size == "mini" else domain.system
    return (Message(role="system", content=system), Message(role="user", content=task.instruction))


async def attempt(
    task: Task, domain: Domain, play: Play, *, number: int = 0, seed: int = 0
) -> Judged | Trajectory:
    """Play one attempt; a Judged trajectory, or a bare one with status ABORTED that must not be scored.

    Never raises for what the model or its program did. `number` tells attempts at the same task apart; the
    attempt's randomness comes from `seed`, the task's id and `number` alone.
    """
    name, domain = f"{task.id}@{play.engine.policy}/{number}", domain.sized(play.size)
    prompt = opening(task, domain, play.size)
    turns: list[Turn] = []

    def trajectory(status: Status, reason: str = "", answer: str = "") -> Trajectory:
        return Trajectory(
            id=name, task=task.id, domain=domain.name, prompt=prompt, turns=tuple(turns), status=status,
            reason=reason, answer=answer, policy=play.engine.policy, seed=seed,
        )  # fmt: skip

    env = None
    try:
        env = domain.open(task, play.resources)
        status, reason, answer = await _turns(name, task, domain, play, env, prompt, turns, seed)
        done = trajectory(status, reason, answer)
        return Judged(trajectory=done, verdict=domain.verify(task, done, env))
    except InfrastructureError as error:
        return trajectory(Status.ABORTED, f"{type(error).__name__}: {error}")
    finally:
        play.engine.forget(name)
        if env is not None and hasattr(env, "close"):
            env.close()


async def _turns(
    name: str,
    task: Task,
    domain: Domain,
    play: Play,
    env: object,
    prompt: tuple[Message, ...],
    turns: list[Turn],
    seed: int,
) -> tuple[Status, str, str]:
    """Append turns until the attempt ends; returns status, reason, answer."""
    limits = task.limits or domain.limits
    tools = tuple(t.schema for t in domain.tools)
    messages, ids, calls = list(prompt), [], 0
    added = play.chat.prompt_ids(prompt, tools) if play.chat and play.engine.exact else ()
    while True:
        ids += added
        room = limits.context_tokens - len(ids)
        if room <= 0:
            return Status.TRUNCATED, "context budget spent", ""
        if len(turns) >= limits.turns:
            return Status.TRUNCATED, "turn budget spent", ""
        completion = await play.engine.complete(
            _request(name, len(turns), messages, tools, ids, min(limits.response_tokens, room), play, seed)
        )
        ids += completion.token_ids
        message = read(completion.text)
        messages.append(message)
        cut = completion.finish == "length"
        ending = not message.calls and not message.malformed
        reply = None
        results: tuple[ToolResult, ...] = ()
        if not cut and ending:
            reply = domain.reply(env, message.content)
        elif not cut:
            results = _results(domain, env, message, limits, calls)
            calls += len(results)
        turns.append(
            _turn(added, completion, message, results, reply, _step_verdict(task, domain, env, results))
        )
        if cut:
            return Status.TRUNCATED, "response budget spent", ""
        if ending and reply is None:
            return Status.FINISHED, "", message.content
        messages += [Message(role="tool", content=r.text) for r in results]
        if reply is not None:
            messages.append(Message(role="user", content=reply))
        if calls >= limits.tool_calls:
            return Status.TRUNCATED, "tool call budget spent", ""
        added = (
            play.chat.extension_ids(tuple(r.text for r in results), reply)
            if play.chat and play.engine.exact
            else ()
        )


def _request(
    name: str,
    turn: int,
    messages: list[Message],
    tools: tuple[ToolSchema, ...],
    ids: list[int],
    room: int,
    play: Play,
    seed: int,
) -> Request:
    return Request(
        attempt=name, turn=turn, messages=tuple(messages), tools=tools, token_ids=tuple(ids),
        max_tokens=room, sampling=play.sampling, seed=seed,
    )  # fmt: skip


def _results(
    domain: Domain, env: object, message: Message, limits: Limits, spent: int
) -> tuple[ToolResult, ...]:
    """Run the message's calls in order; a malformed call is answered with what is wrong with it."""
    results = [_guarded(domain, env, call) for call in message.calls[: max(0, limits.tool_calls - spent)]]
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


def _step_verdict(task: Task, domain: Domain, env: object, results: tuple[ToolResult, ...]) -> Verdict | None:
    """v_t: the worst verdict over the step's results; None where no step-level verifier fired."""
    fired = [v for r in results if (v := domain.verify_step(task, env, r)) is not None]
    return min(fired, key=lambda v: v.score) if fired else None


def _turn(
    added: tuple[int, ...],
    completion: Completion,
    message: Message,
    results: tuple[ToolResult, ...],
    reply: str | None,
    verdict: Verdict | None,
) -> Turn:
    return Turn(
        context_ids=tuple(added),
        completion=completion,
        message=message,
        results=results,
        reply=reply or "",
        verdict=verdict,
    )
