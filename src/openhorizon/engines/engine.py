"""Who writes the next tokens: the interface that rollouts speak."""

from typing import Protocol

from openhorizon.records import Completion, Message, Record, ToolSchema


class Sampling(Record, kw_only=True):
    """How tokens are drawn. The defaults are the paper's evaluation protocol without its presence penalty."""

    temperature: float = 1.0  # 0: greedy
    top_p: float = 0.95  # 1: off
    top_k: int = 20  # 0: off


class Request(Record, kw_only=True):
    """One turn to write. `token_ids` is the whole context for engines that work on tokens, () for the others."""

    attempt: str  # id of the attempt, stable over its turns: engines may keep state (a KV cache) under it
    turn: int  # 0-based
    messages: tuple[Message, ...]
    tools: tuple[ToolSchema, ...] = ()
    token_ids: tuple[int, ...] = ()
    max_tokens: int = 256
    sampling: Sampling = Sampling()
    seed: int = 0  # of this turn: same request and seed, same completion


class Engine(Protocol):
    """`exact` engines take token ids and return ids with log-probabilities; the others work on messages."""

    policy: str
    exact: bool

    async def complete(self, request: Request) -> Completion:
        """The policy's next turn. EngineError: the engine broke; the attempt is aborted and retried."""
        ...

    def forget(self, attempt: str) -> None:
        """The attempt is over: drop what was kept for it."""
        ...
