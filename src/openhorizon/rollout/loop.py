"""An attempt under way: a turn is written, its calls are run, the step is kept, until something ends it.

Where the domain has a last call, a spent turn, call or context budget does not end a full-size attempt at once: the last
turn is taken back, and the policy is asked for its answer by a user's message. A context that is nearly spent is folded
(`rollout.folding`) as often as the limits allow.
"""

import logging
import math
from dataclasses import dataclass, field

from msgspec import structs

from openhorizon.chat.wire import read
from openhorizon.domains.domain import LEFT, Domain, Kept
from openhorizon.engines.engine import Context, Request
from openhorizon.errors import InfrastructureError
from openhorizon.records import (
    Completion,
    Limits,
    Message,
    Status,
    Task,
    ToolResult,
    Turn,
)
from openhorizon.rollout.asking import OutOfTime, asked
from openhorizon.rollout.folding import (
    DIGEST,
    digest,
    folded_prompt,
    guessed,
    guessed_message,
    kept_turns,
    said,
    standing,
)
from openhorizon.rollout.journal import Journal, Step
from openhorizon.rollout.observing import (
    after,
    aside,
    close,
    replied,
    reply_of,
    results_of,
    stateless,
    step_verdict,
    turn_of,
)
from openhorizon.rollout.play import Play

GRACE_S = 120.0  # wall seconds beyond the attempt's own that a last call may take
ANSWER_ROOM = 512  # tokens that a last call leaves for the answer, where the budget of a response is not less

Ended = tuple[Status, str, str]  # status, reason, answer


@dataclass
class Loop:
    """An attempt under way. `turns` is the caller's list: it holds what was played even where something breaks."""

    name: str
    task: Task
    domain: Domain
    play: Play
    env: object
    prompt: tuple[Message, ...]
    turns: list[Turn]
    seed: int
    journal: Journal | None = None
    messages: list[Message] = field(init=False)
    ids: Context = field(default_factory=Context)  # so far, as the engine saw it; empty on messages
    calls: int = 0
    # of the segment's turns: messages and ids when each was written
    ends: list[tuple[int, int]] = field(default_factory=list)
    begun: bool = True  # the next turn starts a token segment
    digest: str = ""  # of the segment
    kept: int = 0  # turns that stand beside the digest
    folds: int = 0
    restarts: int = 0
    restarted: bool = False  # the next turn is the first after one
    since: int = 0  # turns that the digest stands for
    guess: tuple[list[Message], int, int] = ([], 0, 0)  # of which messages, how many of them, their tokens

    def __post_init__(self) -> None:
        self.limits: Limits = self.task.limits or self.domain.limits
        self.tools = tuple(t.schema for t in self.domain.tools)
        self.chat = self.play.chat if self.play.engine.exact else None
        self.messages = list(self.prompt)
        self.started = self.play.clock()

    async def run(self) -> Ended:
        """Append turns until the attempt ends; first those that its journal holds."""
        self.saved = self.env.save() if isinstance(self.env, Kept) else None
        added = self.chat.prompt_ids(self.prompt, self.tools) if self.chat else ()
        step = self._taken_up()
        while True:
            if step is not None:
                ended = await self._ended(step)
                if ended is not None:
                    return ended
                added = self._next(step)
            self.ids = self.ids.extended(added)
            if self.folds < self.limits.folds and len(self.turns) > 1 and self.narrow:
                # a model that is asked for the digest may take its time
                asks = self.play.resources.ask is not None
                added = await aside(self.env, self._fold) if asks else self._fold()
            elif self.restarts < self.limits.restarts and self.turns and self.narrow:
                added = self._restart()
            if self.room <= 0:
                return await self._spent("context budget spent")
            left = self.left if self.limits.seconds else math.inf
            if left <= 0:
                return await self._spent("time budget spent")
            if len(self.turns) >= self.limits.turns:
                return await self._spent("turn budget spent")
            try:
                step = await self._step(added, left)
            except OutOfTime:
                return await self._spent("time budget spent")

    def _next(self, step: Step) -> tuple[int, ...]:
        """What the step's observation adds to the context. Where the template shows earlier turns otherwise once a user has
        spoken again (most drop thoughts), that is the whole conversation, and a new token segment begins."""
        if self.chat is None:
            return ()
        reply = reply_of(step)
        if reply is None or self.chat.appends_user(any(m.thought for m in self.messages)):
            return self.chat.extension_ids(tuple(r.text for r in step.turn.results), reply)
        self.ids, self.ends, self.begun = Context(), [], True
        self.kept = len(self.turns) - self.since if self.digest else 0
        return self.chat.conversation_ids(self.messages, self.tools)

    async def _step(self, added: tuple[int, ...], left_s: float) -> Step:
        """Write the next turn, run its calls, keep all of it."""
        narrow = self.room < self.limits.response_tokens
        completion, message = await self._written(left_s)
        results, reply = await self._observed(message) if completion.finish != "length" else ((), None)
        self.calls += len(results)
        results = self._told(results)
        verdict = step_verdict(self.task, self.domain, self.env, results)
        fresh = self.begun and bool(self.turns)
        turn = turn_of(added, completion, message, results, reply, verdict, fresh=fresh)
        if fresh:
            turn = structs.replace(turn, digest=self.digest, kept=self.kept, restart=self.restarted)
        self.turns.append(turn)
        self.begun = self.restarted = False
        before = self.saved
        if before is not None:
            self.saved = self.env.save()  # type: ignore[attr-defined]
        step = Step(
            turn=turn, replied=reply is not None, narrow=narrow, seconds=self.play.clock() - self.started if self.journal is not None else 0.0,
            saved=self.saved if self.saved != before else None,
        )  # fmt: skip
        if self.journal is not None:
            self.journal.append(step)
        return step

    async def _observed(self, message: Message) -> tuple[tuple[ToolResult, ...], str | None]:
        """What comes back: results of the calls, or the user's reply. Where something of ours broke, all calls of the step
        are repeated from the state before it, if that can be had again."""
        for again in range(self.play.patience.tries - 1, -1, -1):
            try:
                if not message.calls and not message.malformed:
                    return (), await replied(self.domain, self.env, message.content)
                return await results_of(self.domain, self.env, message, self.limits, self.calls), None
            except InfrastructureError:
                if not again or not (self.saved is not None or stateless(self.env)):
                    raise
                if self.saved is not None:
                    close(self.env)
                    self.env = self.domain.open(self.task, self.play.resources)
                    self.env.load(self.saved)  # type: ignore[attr-defined]
        raise AssertionError("not reached")

    async def _ended(self, step: Step) -> Ended | None:
        """What a finished step makes of the attempt; None: it goes on, with the step's observation in the messages."""
        turn, reply = step.turn, reply_of(step)
        if turn.completion.finish == "length":
            if step.narrow and self.last_call:
                return await self._spent("context budget spent")
            return Status.TRUNCATED, "response budget spent", ""
        if not turn.message.calls and not turn.message.malformed and reply is None:
            return Status.FINISHED, "", turn.message.content
        self.messages += after(turn.results, reply)
        if self.calls >= self.limits.tool_calls:
            return await self._spent("tool call budget spent")
        return None

    def _taken_up(self) -> Step | None:
        """Stand where the journal ends: its last step, None where there is none."""
        steps = self.journal.steps if self.journal is not None else []
        if not steps:
            return None
        assert self.journal is not None
        if self.saved is None and not stateless(self.env):
            logging.getLogger(__name__).warning(
                "%s: %s cannot be saved, so the attempt begins again at turn 0 (%d steps are repeated)",
                self.name, type(self.env).__name__, len(steps),
            )  # fmt: skip
            self.journal.restart()
            return None
        kept = [s.saved for s in steps if s.saved is not None]
        if kept:
            self.saved = kept[-1]
            self.env.load(self.saved)  # type: ignore[attr-defined]
        self.turns += [s.turn for s in steps]
        first = max((n for n, s in enumerate(steps) if s.turn.fresh), default=0)
        opened = steps[first].turn
        if opened.fresh and opened.digest:
            self.digest, self.kept, self.since = opened.digest, opened.kept, first - opened.kept
            self.messages = folded_prompt(self.prompt, self.digest, self.turns[self.since : first])
        elif opened.fresh and not opened.restart:
            self.messages += (m for turn in standing(self.turns[:first]) for m in said(turn))
        for step in steps[first:]:
            self.ids = self.ids.extended(step.turn.context_ids).extended(step.turn.completion.token_ids)
            self.messages.append(step.turn.message)
            self.ends.append((len(self.messages), len(self.ids)))
            if step is not steps[-1]:
                self.messages += after(step.turn.results, reply_of(step))
        self.calls = sum(len(t.results) for t in self.turns)
        digests = [t.digest for t in self.turns if t.fresh and t.digest]
        self.folds = sum(a != b for a, b in zip(digests, ["", *digests]))
        self.restarts = sum(t.restart for t in self.turns)
        self.begun = False
        self.started -= steps[-1].seconds
        return steps[-1]

    @property
    def left(self) -> float:
        """Seconds of the attempt's wall clock that are left."""
        return self.limits.seconds - (self.play.clock() - self.started)

    @property
    def narrow(self) -> bool:
        """Whether the context has less room than two messages, or than a sixth of it."""
        least = min(2 * self.limits.response_tokens, self.limits.context_tokens // 3)
        return self.limits.context_tokens - self.used < max(least, self.limits.context_tokens // 6)

    def _fold(self) -> tuple[int, ...]:
        """Begin a new segment: the prompt, a digest of the earlier turns, the last ones word for word. The ids of all that,
        which are the context now."""
        kept = kept_turns(self.turns, guessed, self.limits.context_tokens)
        state, most = self.domain.digest(self.env), min(DIGEST, self.limits.context_tokens // 2)
        while True:
            folded = self.turns[: len(self.turns) - kept]
            text = digest(self.prompt, folded, self.since, self.digest, state, self.play.resources.ask, most)
            self.messages = folded_prompt(self.prompt, text, self.turns[len(self.turns) - kept :])
            added = self.chat.conversation_ids(self.messages, self.tools) if self.chat else ()
            if len(added) <= self.limits.context_tokens // 2 or kept == 1:
                break
            kept //= 2
        self.ids, self.ends, self.since = Context(added), [], len(folded)
        self.begun, self.digest, self.kept, self.folds = True, text, kept, self.folds + 1
        return added

    def _restart(self) -> tuple[int, ...]:
        """Begin again with the prompt alone; what the environment holds, and what is spent of the other budgets, stays so."""
        self.messages = list(self.prompt)
        added = self.chat.prompt_ids(self.prompt, self.tools) if self.chat else ()
        self.ids, self.ends, self.since = Context(added), [], len(self.turns)
        self.begun, self.restarted, self.digest, self.kept = True, True, "", 0
        self.restarts += 1
        return added

    def _told(self, results: tuple[ToolResult, ...]) -> tuple[ToolResult, ...]:
        """The results, with what is left of the budgets under the last one, where the domain tells it. Time is told in
        tenths, so that a quick attempt reads the same each time."""
        if not self.domain.tells_budget or self.play.size == "mini" or not results:
            return results
        limits = self.limits
        parts = [f"{limits.turns - len(self.turns) - 1} messages", f"{limits.tool_calls - self.calls} calls"]
        if self.chat:
            used = len(self.ids) + len(self.chat.extension_ids(tuple(r.text for r in results)))
        else:
            used = self.used + sum(map(guessed_message, after(results, None)))
        parts.append(f"about {max(0, limits.context_tokens - used) / 1000:.0f}K tokens of context")
        if limits.seconds:
            parts.append(
                f"about {max(0, math.ceil(self.left / limits.seconds * 10)) * limits.seconds / 600:g} minutes"
            )
        told = structs.replace(results[-1], text=f"{results[-1].text}{LEFT}{', '.join(parts)}]")
        return (*results[:-1], told)

    @property
    def used(self) -> int:
        """Tokens of the context: those that the engine saw, or guessed from the messages, each of which is counted once."""
        if self.chat:
            return len(self.ids)
        messages, count, tokens = self.guess
        if messages is not self.messages:
            count = tokens = 0
        tokens += sum(map(guessed_message, self.messages[count:]))
        self.guess = self.messages, len(self.messages), tokens
        return tokens

    @property
    def room(self) -> int:
        """Tokens left in the context."""
        return self.limits.context_tokens - len(self.ids)

    @property
    def last_call(self) -> str:
        return self.domain.last_call if self.play.size != "mini" else ""

    async def _written(self, left_s: float) -> tuple[Completion, Message]:
        """The policy's next message, in the context too."""
        room = min(self.limits.response_tokens, self.room)
        request = Request(
            attempt=self.name, turn=len(self.turns), messages=tuple(self.messages), tools=self.tools,
            token_ids=self.ids, max_tokens=room, sampling=self.play.sampling, seed=self.seed,
        )  # fmt: skip
        completion = await asked(self.play.engine, request, self.chat, self.play.patience, left_s)
        self.ids = self.ids.extended(completion.token_ids)
        message = read(completion.text, self.tools)
        self.messages.append(message)
        self.ends.append((len(self.messages), len(self.ids)))
        return completion, message

    async def _spent(self, reason: str) -> Ended:
        """TRUNCATED; or with a last call, what the policy answers to it. A first turn is never taken back: without it
        nothing has been looked at."""
        if not self.last_call or len(self.ends) < 2:
            return Status.TRUNCATED, reason, ""
        least = min(ANSWER_ROOM, self.limits.response_tokens)
        while True:  # one turn, or as many as the answer needs room
            self.turns.pop()
            self.ends.pop()
            added, fresh = self._asked()
            if self.room >= least or len(self.ends) < 2:
                break
        if self.room <= 0:
            return Status.TRUNCATED, f"{reason}; no room to ask for the answer", ""
        try:
            completion, message = await self._written(
                max(0.0, self.left) + GRACE_S if self.limits.seconds else math.inf
            )
        except OutOfTime:
            return Status.TRUNCATED, f"{reason}; the answer asked for did not come in time", ""
        self.turns.append(turn_of(added, completion, message, (), None, None, fresh=fresh))
        if completion.finish == "length":
            return Status.TRUNCATED, f"{reason}; the answer asked for was cut off", ""
        if message.calls or message.malformed or not message.content:
            return Status.TRUNCATED, f"{reason}; asked for the answer, it gave none", ""
        said = "; answered when asked" + (", in a new token segment" if fresh else "")
        return Status.FINISHED, reason + said, message.content

    def _asked(self) -> tuple[tuple[int, ...], bool]:
        """Put the last call behind what is left of the turns: the ids it adds, and whether they are a whole prompt again.

        A template that changes earlier turns at a user's message (most drop thoughts) would show the policy another
        conversation than the extended one; then the answer starts a new token segment, rendered as the template has it.
        """
        messages, ids = self.ends[-1]
        last = self.turns[-1] = structs.replace(self.turns[-1], reply=self.last_call)
        self.messages = [*self.messages[:messages], *after(last.results, last.reply)]
        if self.chat is None:
            return (), False
        if self.chat.appends_user(any(m.thought for m in self.messages)):
            added = self.chat.extension_ids(tuple(r.text for r in last.results), last.reply)
            self.ids = self.ids.first(ids).extended(added)
            return added, False
        added = self.chat.conversation_ids(self.messages, self.tools)
        self.ids = Context(added)
        return added, True
