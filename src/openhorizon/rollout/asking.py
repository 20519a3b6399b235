"""One call of an engine that may break: how long it may take, how often it is tried again, what may enter a trajectory."""

import asyncio
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from openhorizon.engines.engine import Engine, Request
from openhorizon.errors import EngineError, UserError
from openhorizon.records import Completion

if TYPE_CHECKING:
    from openhorizon.chat.chat import Chat


@dataclass(frozen=True)
class Patience:
    """What a step may cost before its attempt is ABORTED."""

    call_s: float = 0.0  # wall seconds of one call of the engine; 0: as long as it takes
    tries: int = 3  # of one engine call, and of one step's tool calls
    back_off_s: float = 0.05  # before the second try; doubled before each one after it


ROUNDING = 1e-4  # nats above 0 that a log-probability may be computed to


CLOCK_S = 0.001  # that an event loop's timer may be early


class OutOfTime(Exception):
    """The attempt's own wall clock has run out within a call."""


async def asked(
    engine: Engine, request: Request, chat: "Chat | None", patience: Patience, left_s: float = math.inf
) -> Completion:
    """The engine's completion, checked; broken calls are tried again.

    `left_s`: seconds until the attempt's clock runs out; OutOfTime where it does. EngineError: all tries broke. UserError
    rises at once.
    """
    until = asyncio.get_running_loop().time() + left_s
    pause, broken = patience.back_off_s, EngineError("no try was made")
    for again in range(patience.tries):
        if again:
            await asyncio.sleep(min(pause, max(0.0, until - asyncio.get_running_loop().time())))
            pause *= 2
        left = until - asyncio.get_running_loop().time()
        if left <= 0:
            raise OutOfTime
        bound = min(left, patience.call_s or math.inf)
        try:
            # not wait_for: before Python 3.12 it may swallow the cancellation of an attempt that is cut
            async with asyncio.timeout(None if bound == math.inf else bound):
                written = await engine.complete(request)
            wrong = what_is_wrong(written, request, chat) if chat else ""
            if not wrong:
                return written
            broken = EngineError(f"{engine.policy} at turn {request.turn}: {wrong}")
        except UserError:
            raise
        except EngineError as error:
            broken = error
        except TimeoutError:
            if asyncio.get_running_loop().time() >= until - CLOCK_S:
                raise OutOfTime from None
            within = f" within {bound:g} s" if bound != math.inf else " in time"
            broken = EngineError(f"{engine.policy} did not answer{within} at turn {request.turn}")
        except Exception as error:  # an engine's own bug is the engine's failure, not the model's
            broken = EngineError(f"{engine.policy}: {type(error).__name__}: {error}")
            broken.__cause__ = error
    raise broken


def what_is_wrong(written: Completion, request: Request, chat: "Chat") -> str:
    """Why an exact engine's completion must not enter a trajectory; "" if it may."""
    ids, logprobs = written.token_ids, written.logprobs
    if not ids:
        return "it returned no token"
    if len(ids) > request.max_tokens:
        return f"it returned {len(ids)} tokens where {request.max_tokens} were allowed"
    if len(logprobs) != len(ids):
        return f"it returned {len(ids)} tokens and {len(logprobs)} log-probabilities"
    if min(ids) < 0 or max(ids) >= chat.vocabulary:
        strange = next(i for i in ids if not 0 <= i < chat.vocabulary)
        return f"it returned the token id {strange}, and the vocabulary has {chat.vocabulary}"
    if not all(map(math.isfinite, logprobs)) or max(logprobs) > ROUNDING:
        unlikely = next(p for p in logprobs if not -math.inf < p <= ROUNDING)
        return f"it returned the log-probability {unlikely}"
    if written.text != chat.text(ids):
        return "its text is not what its tokens decode to"
    return ""
