"""How servers are asked for a turn, and how their answers are read: token ids where they can, else messages.

| dialect | endpoint | gives |
|---|---|---|
| Vllm | /v1/completions with `return_token_ids` | ids, log-probabilities |
| Sglang | /generate with `input_ids` | ids, log-probabilities |
| Messages | /v1/chat/completions | a message: content, reasoning, tool calls |
"""

import json
import math
from typing import Any, Protocol
from zlib import crc32

import msgspec

from openhorizon.chat.chat import Chat, held_once
from openhorizon.chat.wire import write
from openhorizon.engines.engine import Context, Request, Sampling
from openhorizon.errors import EngineError
from openhorizon.records import Completion, Message, ToolCall

PURE = Sampling(temperature=1.0, top_p=1.0, top_k=0)  # draws from the model's own distribution


class Dialect(Protocol):
    """One way of asking."""

    name: str
    exact: bool  # ids and log-probabilities come back
    path: str

    def body(self, request: Request) -> bytes:
        """What is posted."""
        ...

    def read(self, answer: bytes, request: Request) -> Completion:
        """The turn. EngineError: an answer that cannot be used; it is asked for again."""
        ...


class _Tokens:
    """What the two token dialects share. `processed`: the server's log-probabilities are those of the distribution it draws
    from, after temperature and cuts; where they are not, they are kept only if it draws from the model's own."""

    exact = True

    def __init__(self, model: str, chat: Chat, processed: bool) -> None:
        self.model, self.chat, self.processed = model, chat, processed

    def _completion(self, ids: list[int], logprobs: list[float], finish: str, request: Request) -> Completion:
        """The checked turn: a wrong id or a log-probability that is no number must never be trained on."""
        if ids and (min(ids) < 0 or max(ids) >= self.chat.vocabulary):
            wrong = next(i for i in ids if not 0 <= i < self.chat.vocabulary)
            raise EngineError(f"token id {wrong} is outside the tokenizer's {self.chat.vocabulary} entries")
        if not ids or len(ids) > request.max_tokens:
            raise EngineError(f"{len(ids)} token ids for a turn of at most {request.max_tokens}")
        if len(logprobs) != len(ids):
            raise EngineError(f"{len(logprobs)} log-probabilities for {len(ids)} token ids")
        if not all(map(math.isfinite, logprobs)) or max(logprobs) > 1e-3:
            raise EngineError("a log-probability is not a number of at most 0")
        stopped = ids[-1] == self.chat.eos_id
        if not stopped and finish not in ("stop", "length"):
            raise EngineError(f"the turn ended for the reason {finish!r}")
        if not stopped and finish == "stop":
            raise EngineError(
                f"the turn ended at the token {ids[-1]}, not at the chat's end token {self.chat.eos_id}: the server's "
                "generation config names another one"
            )
        kept = tuple(logprobs) if self.processed or request.sampling == PURE else ()
        return Completion(
            text=self.chat.text(ids),
            token_ids=held_once(ids),
            logprobs=kept,
            finish="stop" if stopped else "length",
        )


class Vllm(_Tokens):
    """vLLM's completions."""

    name, path = "vLLM", "/v1/completions"

    def body(self, request: Request) -> bytes:
        asked: dict[str, Any] = {
            "model": self.model, "prompt": _prompt(request), "max_tokens": request.max_tokens, "logprobs": 0,
            "temperature": request.sampling.temperature, "top_p": request.sampling.top_p, "seed": seed_of(request),
            "stop_token_ids": [self.chat.eos_id], "return_token_ids": True, "skip_special_tokens": False,
        }  # fmt: skip
        return msgspec.json.encode(
            asked | ({"top_k": request.sampling.top_k} if request.sampling.top_k else {})
        )

    def read(self, answer: bytes, request: Request) -> Completion:
        told = _decoded(_unechoed(answer, request), _VllmAnswer)
        if not told.choices or told.choices[0].token_ids is None:
            raise EngineError("the answer holds no token ids")
        choice = told.choices[0]
        echoed = choice.prompt_token_ids
        if echoed is not None and tuple(echoed) != request.token_ids:
            raise EngineError(
                f"the server read {len(echoed)} prompt tokens that are not the {len(request.token_ids)} sent"
            )
        assert choice.token_ids is not None
        logprobs = [
            math.nan if p is None else p for p in (choice.logprobs.token_logprobs if choice.logprobs else ())
        ]
        return self._completion(choice.token_ids, logprobs, choice.finish_reason or "", request)


class Sglang(_Tokens):
    """SGLang's own endpoint."""

    name, path = "SGLang", "/generate"

    def body(self, request: Request) -> bytes:
        sampling = {
            "max_new_tokens": request.max_tokens, "temperature": request.sampling.temperature,
            "top_p": request.sampling.top_p, "top_k": request.sampling.top_k or -1, "stop_token_ids": [self.chat.eos_id],
            "sampling_seed": seed_of(request), "skip_special_tokens": False, "no_stop_trim": True,
        }  # fmt: skip
        asked = {"input_ids": _prompt(request), "sampling_params": sampling, "return_logprob": True}
        return msgspec.json.encode(asked)

    def read(self, answer: bytes, request: Request) -> Completion:
        told = _decoded(answer, _SglangAnswer)
        rows = told.meta_info.output_token_logprobs
        finish = (told.meta_info.finish_reason or {}).get("type", "")
        logprobs = [math.nan if row[0] is None else float(row[0]) for row in rows]
        return self._completion([int(row[1]) for row in rows], logprobs, str(finish), request)


class Messages:
    """Chat completions, with tools; sends back the reasoning of earlier turns where the server gave it."""

    name, path, exact = "chat completions", "/v1/chat/completions", False

    def __init__(self, model: str, drop: frozenset[str] = frozenset()) -> None:
        self.model = model
        self.drop = set(drop)  # fields that the server is known to refuse

    def body(self, request: Request) -> bytes:
        sampling = request.sampling
        asked: dict[str, Any] = {
            "model": self.model, "messages": plain(request.messages), "max_tokens": request.max_tokens,
            "temperature": sampling.temperature, "top_p": sampling.top_p, "seed": seed_of(request),
        }  # fmt: skip
        if sampling.top_k:
            asked["top_k"] = sampling.top_k
        if "max_tokens" in self.drop:
            asked["max_completion_tokens"] = request.max_tokens
        if request.tools:
            asked["tools"] = [
                {
                    "type": "function",
                    "function": {"name": t.name, "description": t.description, "parameters": t.parameters},
                }
                for t in request.tools
            ]
        return msgspec.json.encode({k: v for k, v in asked.items() if k not in self.drop})

    def read(self, answer: bytes, request: Request) -> Completion:
        told = _decoded(answer, _ChatAnswer)
        if not told.choices:
            raise EngineError("the answer holds no choice")
        said, finish = told.choices[0].message, told.choices[0].finish_reason
        thought = (said.reasoning_content or said.reasoning or "").strip().replace("</think>", "")
        text = write(Message(role="assistant", thought=thought, content=said.content or ""))
        calls = [call.function for call in said.tool_calls or () if call.function is not None]
        spelled = [_spelled(call) for call in calls]
        return Completion(
            text="\n".join(filter(None, [text, *spelled])), finish="length" if finish == "length" else "stop"
        )


def plain(messages: tuple[Message, ...]) -> list[dict[str, Any]]:
    """The messages as chat completions want them: a tool's message names the call that it answers; what answers no call (a
    call that could not be read) is the user's.

    >>> plain((Message(role="user", content="2+2?"),))
    [{'role': 'user', 'content': '2+2?'}]
    """
    found: list[dict[str, Any]] = []
    open_calls: list[str] = []
    for number, message in enumerate(messages):
        one: dict[str, Any] = {"role": message.role, "content": message.content}
        if message.role == "assistant":
            open_calls = [f"call_{number}_{i}" for i in range(len(message.calls))]
            if message.thought:
                one["reasoning_content"] = message.thought
            if message.calls:
                one["tool_calls"] = [_called(name, call) for name, call in zip(open_calls, message.calls)]
        elif message.role == "tool":
            one = one | {"tool_call_id": open_calls.pop(0)} if open_calls else one | {"role": "user"}
        found.append(one)
    return found


def seed_of(request: Request) -> int:
    """The seed of a request: its own, its attempt's and its turn's, in 31 bits."""
    return crc32(f"{request.seed} {request.attempt} {request.turn}".encode()) & 0x7FFFFFFF


def _prompt(request: Request) -> msgspec.Raw:
    """The context's ids as JSON; see `Context.as_json`."""
    return msgspec.Raw(Context.of(request.token_ids).as_json())


def _unechoed(answer: bytes, request: Request) -> bytes:
    """The answer without the prompt's ids where those that were sent stand there letter by letter: they are as many as the context
    has, and need not be read as numbers. In a text the quote before the colon would be escaped."""
    name, sent = b'"prompt_token_ids":', Context.of(request.token_ids).as_json()
    start = answer.find(name) + len(name)
    start += answer[start : start + 1] == b" "
    if start < len(name) or not answer.startswith(sent, start):
        return answer
    return answer[:start] + b"null" + answer[start + len(sent) :]


def _called(name: str, call: ToolCall) -> dict[str, Any]:
    arguments = json.dumps(call.arguments, ensure_ascii=False)
    return {"id": name, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _spelled(call: "_Function") -> str:
    """The call as our own reader reads it; arguments that are no JSON stay so, and the model is told."""
    arguments = call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments)
    safe = (arguments.strip() or "{}").replace("</tool_call>", "<\\/tool_call>")
    return f'<tool_call>\n{{"name": {json.dumps(call.name)}, "arguments": {safe}}}\n</tool_call>'


def _decoded(answer: bytes, kind: Any) -> Any:
    try:
        return msgspec.json.decode(answer, type=kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise EngineError(f"an answer that cannot be read ({error})") from None


class _Logprobs(msgspec.Struct):
    token_logprobs: list[float | None] = []


class _VllmChoice(msgspec.Struct):
    token_ids: list[int] | None = None
    prompt_token_ids: list[int] | None = None
    logprobs: _Logprobs | None = None
    finish_reason: str | None = None


class _VllmAnswer(msgspec.Struct):
    choices: list[_VllmChoice] = []


class _SglangMeta(msgspec.Struct):
    output_token_logprobs: list[list[Any]] = []
    finish_reason: dict[str, Any] | None = None


class _SglangAnswer(msgspec.Struct):
    meta_info: _SglangMeta


class _Function(msgspec.Struct):
    name: str = ""
    arguments: str | dict[str, Any] = "{}"


class _Call(msgspec.Struct):
    function: _Function | None = None


class _Said(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[_Call] | None = None


class _ChatChoice(msgspec.Struct):
    message: _Said
    finish_reason: str | None = None


class _ChatAnswer(msgspec.Struct):
    choices: list[_ChatChoice] = []
