"""The in-process engine: batched decoding with a key-value cache that lives as long as each attempt.

Attempts join and leave the batch as they go. A turn's new context is the only thing that is read in; the rest
is in the cache, also of a prompt that begins like another attempt's. Models with a recurrent state or a sliding window are decoded by re-reading the whole context each turn.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from openhorizon.chat.chat import Chat, held_once
from openhorizon.engines.engine import Context, Request, Sampling
from openhorizon.engines.sampling import draw, uniforms
from openhorizon.engines.slots import SlotCache
from openhorizon.errors import EngineError
from openhorizon.records import Completion


@dataclass(eq=False)  # a turn is itself: two may look alike
class _Writing:
    """One turn being written."""

    request: Request
    context: Context  # of the request
    future: "asyncio.Future[Completion]"
    uniform: np.ndarray
    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    over: bool = False  # its attempt was forgotten meanwhile: the slot is free when it ends


def keeps_more_than_keys(config: Any) -> bool:
    """Whether a slot of keys and values is not the model's whole past: recurrent layers, or attention in a window."""
    kinds = getattr(config, "layer_types", None)
    if kinds:
        return any(kind != "full_attention" for kind in kinds)
    return bool(getattr(config, "sliding_window", None))


SHARED = 24  # tokens that two prompts must begin with alike for the one to take the rest from the other
DONORS = 8  # slots looked at for the longest common beginning


def _shared(ids: Context, context: Context) -> int:
    """How many tokens both begin with; all but the last of the context at most."""
    return min(ids.shared(context), len(context) - 1)


class LocalEngine:
    """Decodes up to `slots` attempts at once with `model`, in this thread, driven by the event loop."""

    exact = True

    def __init__(self, model: nn.Module, chat: Chat, *, policy: str, slots: int = 64, capacity: int = 256):
        self.model, self.chat, self.policy, self.slots = model, chat, policy, slots
        config = model.config.get_text_config()  # type: ignore[union-attr]
        self._stateful = keeps_more_than_keys(config)
        self._layers, self._capacity = int(config.num_hidden_layers), capacity
        self._softcap = float(getattr(config, "final_logit_softcapping", None) or 0.0)
        self._device = next(model.parameters()).device
        self._waiting: list[_Writing] = []
        self._asked: dict[str, _Writing] = {}  # attempt -> its turn that has not been handed out
        self._driver: asyncio.Task[None] | None = None
        self._cache = None if self._stateful else SlotCache(self._layers, self.slots, self._capacity)
        self.reset()

    def reset(self) -> None:
        """Forget every cached attempt: the weights have changed."""
        self._waiting.clear()
        self._asked.clear()
        # the cache's memory stays: a slot's positions are written before they are read
        # attempt -> slot, ids in the cache (those of a turn being written join them when it ends); oldest first
        self._cached: dict[str, tuple[int, Context]] = {}
        self._free = list(range(self.slots))[::-1]

    async def complete(self, request: Request) -> Completion:
        """The next turn; attempts that wait at the same time are decoded together."""
        while (before := self._asked.get(request.attempt)) is not None and before.future.cancelled():
            await asyncio.sleep(0.001)  # a turn that nobody waits for any more is still being decoded
        if request.attempt in self._asked:
            raise EngineError(
                f"local engine: two turns of the attempt {request.attempt} at once; ids of tasks must be unique"
            )
        loop = asyncio.get_running_loop()
        uniform = uniforms(request.seed, request.attempt, request.turn, request.max_tokens)
        writing = _Writing(request, Context.of(request.token_ids), loop.create_future(), uniform)
        self._waiting.append(writing)
        self._asked[request.attempt] = writing
        if self._driver is None or self._driver.done() or self._driver.get_loop() is not loop:
            self._driver = loop.create_task(self._drive())
        return await writing.future

    def forget(self, attempt: str) -> None:
        if attempt in self._asked:  # a turn that nobody waits for any more is still being written
            self._asked[attempt].over = True
        else:
            self._drop(attempt)

    def _drop(self, attempt: str) -> None:
        held = self._cached.pop(attempt, None)
        if held:
            self._free.append(held[0])

    async def _drive(self) -> None:
        """Read in what waits, decode until enough turns have ended to be worth another reading, hand them out."""
        writing: dict[int, _Writing] = {}  # slot -> turn
        try:
            while True:
                for _ in range(3):  # let attempts that were just handed a turn ask for the next
                    await asyncio.sleep(0)
                if not self._waiting and not writing:
                    return
                with torch.inference_mode():
                    if self._stateful:
                        self._rewrite(
                            [self._waiting.pop(0) for _ in range(min(self.slots, len(self._waiting)))]
                        )
                        continue
                    self._read_in(writing)
                    self._write(writing, enough=max(1, len(writing) // 4))
        except Exception as error:
            for one in self._asked.values():
                if not one.future.done():
                    one.future.set_exception(EngineError(f"local engine: {type(error).__name__}: {error}"))
            self.reset()

    def _slot(self, attempt: str, busy: dict[int, _Writing]) -> int | None:
        """The attempt's slot, a free one, or that of the longest idle attempt; None if all are busy."""
        if attempt in self._cached:
            return self._cached[attempt][0]
        if not self._free:
            idle = next((a for a, (slot, _) in self._cached.items() if slot not in busy), None)
            if idle is None:
                return None
            self._drop(idle)
        slot = self._free.pop()
        self._cached[attempt] = (slot, Context())
        return slot

    def _read_in(self, writing: dict[int, _Writing]) -> None:
        """Move waiting turns into the cache and draw their first token."""
        joining: dict[int, _Writing] = {}
        left: list[_Writing] = []
        for one in self._waiting:
            slot = self._slot(one.request.attempt, writing | joining)
            if slot is None:
                left.append(one)
            else:
                joining[slot] = one
        self._waiting = left
        for together in self._led(joining):
            # rows of like length together: a long prompt must not pad the short ones
            order = sorted(together, key=lambda s: len(joining[s].context) - len(self._past(joining[s])))
            for i in range(0, len(order), 16):
                rows = sorted(order[i : i + 16])
                self._read_rows(rows, [joining[r] for r in rows])
        for slot, one in joining.items():
            if not self._ended(one):
                writing[slot] = one

    def _led(self, joining: dict[int, _Writing]) -> Iterator[list[int]]:
        """The joining slots in two parts: those that are read as they are; then those whose prompt begins like another one
        that is read by now (a group's attempts, a domain's protocol), which take that part over from its slot."""
        known: dict[tuple[int, ...], list[int]] = {}  # how a context begins -> slots that hold such
        for slot, ids in self._cached.values():
            if len(ids) >= SHARED:
                known.setdefault(ids[:SHARED], []).append(slot)
        first, then = [], []
        for slot, one in joining.items():
            start = one.context[:SHARED]
            if len(self._past(one)) or len(one.context) <= SHARED:
                first.append(slot)
            elif start in known:
                then.append(slot)
            else:
                known[start] = [slot]
                first.append(slot)
        yield first
        held = {slot: ids for slot, ids in self._cached.values()}
        for slot in then:
            attempt, context = joining[slot].request.attempt, joining[slot].context
            donors = known[context[:SHARED]]
            count, donor = max((_shared(held[d], context), d) for d in donors[-DONORS:])
            assert self._cache is not None
            self._cache.copy(donor, slot, count)
            held[slot] = context.first(count)
            self._cached[attempt] = (slot, held[slot])
            donors.append(slot)
        yield then

    def _past(self, one: _Writing) -> Context:
        """The ids in the cache that this turn's context begins with; all but its last token at most. What the context
        no longer holds (a turn was taken back) is cut from the cache."""
        slot, ids = self._cached[one.request.attempt]
        count = _shared(ids, one.context)
        if count < len(ids):
            ids = ids.first(count)
            self._cached[one.request.attempt] = (slot, ids)
        return ids

    def _read_rows(self, rows: list[int], turns: list[_Writing]) -> None:
        starts = [len(self._past(t)) for t in turns]
        news = [list(t.context[s:]) for t, s in zip(turns, starts)]
        longest = max(map(len, news))
        ids_RS = torch.tensor([n + [0] * (longest - len(n)) for n in news], device=self._device)
        hidden_RSD = self._forward(rows, torch.tensor(starts, device=self._device), ids_RS)
        last_R = torch.tensor([len(n) - 1 for n in news], device=self._device)
        self._draw(turns, hidden_RSD[torch.arange(len(rows), device=self._device), last_R])
        for row, turn in zip(rows, turns):
            self._cached[turn.request.attempt] = (row, turn.context)

    def _write(self, writing: dict[int, _Writing], enough: int) -> None:
        """Decode token by token until `enough` turns have ended."""
        ended = 0
        while writing and ended < enough:
            highest = max(writing) + 1
            # few idle rows: decode them along (their scratch token is overwritten later) and copy no cache
            rows = list(range(highest)) if len(writing) * 3 > highest * 2 else sorted(writing)
            lengths = {slot: len(ids) for slot, ids in self._cached.values()}
            lengths.update((slot, len(one.context) + len(one.ids) - 1) for slot, one in writing.items())
            starts = torch.tensor([lengths.get(r, 0) for r in rows], device=self._device)
            ids_R1 = torch.tensor(
                [[writing[r].ids[-1] if r in writing else 0] for r in rows], device=self._device
            )
            hidden_RD = self._forward(rows, starts, ids_R1)[:, 0]
            live = [i for i, r in enumerate(rows) if r in writing]
            turns = [writing[rows[i]] for i in live]
            self._draw(turns, hidden_RD[live] if len(live) < len(rows) else hidden_RD)
            for i in live:
                if self._ended(writing[rows[i]]):
                    del writing[rows[i]]
                    ended += 1

    def _forward(self, rows: list[int], starts_R: Tensor, ids_RS: Tensor) -> Tensor:
        assert self._cache is not None
        mask = self._cache.place(rows, starts_R, ids_RS.shape[1])
        out = self.model.get_decoder()(  # type: ignore[operator]
            input_ids=ids_RS, attention_mask=mask, position_ids=self._cache.view.positions_RS,
            past_key_values=self._cache, use_cache=True,
        )  # fmt: skip
        return out.last_hidden_state

    def _draw(self, turns: list[_Writing], hidden_RD: Tensor) -> None:
        logits_RV = self.model.get_output_embeddings()(hidden_RD).float()  # type: ignore[operator]
        if self._softcap:
            logits_RV = self._softcap * torch.tanh(logits_RV / self._softcap)
        groups: dict[Sampling, list[int]] = {}
        for i, turn in enumerate(turns):
            groups.setdefault(turn.request.sampling, []).append(i)
        for sampling, members in groups.items():
            uniform = torch.tensor(
                [turns[i].uniform[len(turns[i].ids)] for i in members], device=self._device
            )
            ids, logprobs = draw(logits_RV[members] if len(groups) > 1 else logits_RV, sampling, uniform)
            for i, token, logprob in zip(members, ids.tolist(), logprobs.tolist()):
                turns[i].ids.append(token)
                turns[i].logprobs.append(logprob)

    def _ended(self, one: _Writing) -> bool:
        """Hand the turn out if its last token ends it."""
        stopped = one.ids[-1] == self.chat.eos_id
        if not stopped and len(one.ids) < one.request.max_tokens:
            return False
        del self._asked[one.request.attempt]
        if not self._stateful:  # the last token was never read
            slot, ids = self._cached[one.request.attempt]
            self._cached[one.request.attempt] = (slot, ids.extended(one.ids[:-1]))
        if one.over:
            self._drop(one.request.attempt)
        if not one.future.done():
            one.future.set_result(
                Completion(
                    text=self.chat.text(one.ids),
                    token_ids=held_once(one.ids),
                    logprobs=tuple(one.logprobs),
                    finish="stop" if stopped else "length",
                    policy=self.policy,
                )
            )
        return True

    def _rewrite(self, turns: list[_Writing]) -> None:
        """The way of models with a recurrent state: rows of one length decode together, from the whole context."""
        from transformers import DynamicCache

        by_length: dict[int, list[_Writing]] = {}
        for turn in turns:
            by_length.setdefault(len(turn.context), []).append(turn)
        for group in by_length.values():
            ids_RS = torch.tensor([t.context[:] for t in group], device=self._device)
            cache, live = DynamicCache(config=self.model.config), list(range(len(group)))  # type: ignore[arg-type]
            while live:
                out = self.model.get_decoder()(input_ids=ids_RS, past_key_values=cache, use_cache=True)  # type: ignore[operator]
                self._draw([group[i] for i in live], out.last_hidden_state[live, -1])
                live = [i for i in live if not self._ended(group[i])]
                ids_RS = torch.tensor(
                    [[t.ids[-1]] for t in group], device=self._device
                )  # ended rows go on unheard
