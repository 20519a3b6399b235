"""Who writes the next tokens: the interface that rollouts speak."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, overload

import msgspec

from openhorizon.records import Completion, Message, Record, ToolSchema


class Context(Sequence[int]):
    """Token ids, read like a tuple and never changed; to extend them costs what is added, however many there are.

    A context and those extended from it share one buffer that only grows, 4 bytes a token. An extension writes behind the end of
    the buffer, or finds its ids there already (the engine and the rollout extend by the same turn); only where other ids stand
    there (a turn was taken back) is a copy made. Not for several threads at once.

    >>> context = Context((1, 2)).extended((3,))
    >>> len(context), context[-1], context[:2], bytes(context.as_json()) if context == (1, 2, 3) else b""
    (3, 3, (1, 2), b'[1,2,3]')
    """

    __slots__ = ("_held", "_length")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, ids: Iterable[int] = ()) -> None:
        self._held = _Held(array("i", ids))
        self._length = len(self._held.ids)

    @classmethod
    def of(cls, ids: "Context | Iterable[int]") -> "Context":
        """The ids as a context; one that is a context already stays itself."""
        return ids if isinstance(ids, Context) else cls(ids)

    def extended(self, more: Iterable[int]) -> "Context":
        """This context with `more` behind it."""
        added, held, start = array("i", more), self._held, self._length
        there = min(len(held.ids) - start, len(added))
        if there and held.ids[start : start + there] != added[:there]:
            held = _Held(held.ids[:start])
            there = 0
        held.ids.extend(added[there:])
        return self._view(held, start + len(added))

    def first(self, count: int) -> "Context":
        """The first `count` ids, all where there are no more."""
        return self._view(self._held, min(count, self._length))

    def shared(self, other: "Context") -> int:
        """How many ids both begin with."""
        most = min(self._length, other._length)
        if self._held is other._held:
            return most
        ours, theirs = self._held.ids, other._held.ids
        low, high = 0, most  # the first `low` are alike, no more than `high`
        step = most
        while low < high:
            if ours[low : low + step] == theirs[low : low + step]:
                low += step
            else:
                high = low + step - 1
            step = (high - low + 1) // 2
        return low

    def as_json(self) -> bytearray | bytes:
        """The ids as a JSON array. What an earlier call has spelled is not spelled again: the rest is a copy's cost. Valid until
        the next call; to be read only."""
        held = self._held
        if held.spelled > self._length:  # an older context is asked for again
            return msgspec.json.encode(self[:])
        if held.spelled < self._length:
            more = msgspec.json.encode(held.ids[held.spelled : self._length].tolist())
            held.json[-1:] = b"," + more[1:] if held.spelled else more[1:]
            held.spelled = self._length
        return held.json

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, at: int) -> int: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[int, ...]: ...
    def __getitem__(self, at: int | slice) -> int | tuple[int, ...]:
        if isinstance(at, slice):
            start, stop, step = at.indices(self._length)
            return tuple(self._held.ids[start:stop:step]) if step > 0 else tuple(self)[at]
        if not -self._length <= at < self._length:
            raise IndexError(f"{at} of {self._length} ids")
        return self._held.ids[at % self._length]

    def __iter__(self) -> Iterator[int]:
        return iter(self._held.ids[: self._length])

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Context):
            return self._length == other._length == self.shared(other)
        return self[:] == other if isinstance(other, tuple) else NotImplemented

    def __repr__(self) -> str:
        return f"Context({self[:]})"

    @classmethod
    def _view(cls, held: "_Held", length: int) -> "Context":
        found = cls.__new__(cls)
        found._held, found._length = held, length
        return found


class _Held:
    """What contexts share: their ids, and the JSON of the first `spelled` of them."""

    __slots__ = ("ids", "json", "spelled")

    def __init__(self, ids: "array[int]") -> None:
        self.ids, self.json, self.spelled = ids, bytearray(b"[]"), 0


class Sampling(Record, kw_only=True):
    """How tokens are drawn. The defaults are the paper's evaluation protocol without its presence penalty."""

    temperature: float = 1.0  # 0: greedy
    top_p: float = 0.95  # 1: off
    top_k: int = 20  # 0: off


class Request(Record, kw_only=True):
    """One turn to write. `token_ids` is the whole context for engines that work on tokens, empty for the others."""

    attempt: str  # id of the attempt, stable over its turns: engines may keep state (a KV cache) under it
    turn: int  # 0-based
    messages: tuple[Message, ...]
    tools: tuple[ToolSchema, ...] = ()
    token_ids: Context | tuple[int, ...] = ()
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
