"""One attempt at one task, from the opened environment to the verdict."""

import contextlib

from openhorizon.domains.domain import Domain, Size
from openhorizon.errors import InfrastructureError
from openhorizon.records import (
    Judged,
    Message,
    Status,
    Task,
    Trajectory,
    Turn,
    Verdict,
)
from openhorizon.rollout.loop import Loop
from openhorizon.rollout.observing import aside, close
from openhorizon.rollout.play import Play


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

    journal, loop = None, None
    try:
        if play.journals is not None:
            limits = task.limits or domain.limits
            journal = play.journals.of(
                name, (task, limits, prompt, seed, play.size, play.sampling, domain.name, play.weights)
            )
            if journal.judged is not None:
                return journal.judged
        loop = Loop(name, task, domain, play, domain.open(task, play.resources), prompt, turns, seed, journal)
        status, reason, answer = await loop.run()
        done = trajectory(status, reason, answer)
        # full-size verifiers run programs, and may take minutes
        verify = (task, domain, done, loop.env, play.patience.tries)
        verdict = _verdict(*verify) if play.size == "mini" else await aside(loop.env, _verdict, *verify)
        judged = Judged(trajectory=done, verdict=verdict)
        if journal is not None:
            journal.end(judged)
        return judged
    except InfrastructureError as error:
        return trajectory(Status.ABORTED, f"{type(error).__name__}: {error}")
    finally:
        play.engine.forget(name)
        if loop is not None:
            close(loop.env)
        if journal is not None:
            journal.close()


def _verdict(task: Task, domain: Domain, done: Trajectory, env: object, tries: int) -> Verdict:
    """The domain's verdict; a verifier that something of ours broke under is asked again."""
    for _ in range(tries - 1):
        with contextlib.suppress(InfrastructureError):
            return domain.verify(task, done, env)
    return domain.verify(task, done, env)
