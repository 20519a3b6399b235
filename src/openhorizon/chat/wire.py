"""Assistant messages as text and back, in the Qwen format: thinking marks, then content, then tool calls.

Reads both spellings of a call that Qwen models write: JSON (Qwen2.5, Qwen3) and tags (Qwen3-coder, Qwen3.5).
The reader never raises: what cannot be read becomes `Message.malformed`, which the model is told.
"""

import json
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

from openhorizon.records import Message, ToolCall, ToolSchema

_FUNCTION = re.compile(r"\s*<function=([^>\s]+)>")
_CLOSED = re.compile(r"(?<=</function>)\s*</tool_call>")
_PARAMETER = re.compile(r"<parameter=([^>\s]+)>\n?")
# inside a value the same letters are text: a parameter ends where another one, or the function's end, follows
_ENDED = re.compile(r"\n?</parameter>(?=\s*(?:<parameter=|</function>|\Z))")
_HALF = re.compile("[\ud800-\udfff]")  # of a surrogate pair
_MARKS = (
    "</tool_call>",
    "</think>",
    "<|",
    "<think>",
    "<tool_call>",
)  # what inside an argument would not be read as one


def write(message: Message, tags: bool = False) -> str:
    """The assistant message as the template would render it after the assistant header; `tags` spells calls as
    Qwen3-coder and Qwen3.5 do.

    >>> write(Message(role="assistant", content="4"))
    '4'
    """
    thought = f"<think>\n{message.thought}\n</think>\n\n" if message.thought else ""
    spelled = (_tagged(c) if tags else _json(c) for c in message.calls)
    calls = "\n".join(f"<tool_call>\n{call}\n</tool_call>" for call in spelled)
    gap = "\n" if message.content and calls else ""
    return f"{thought}{message.content}{gap}{calls}"


def read(text: str, tools: Sequence[ToolSchema] = ()) -> Message:
    """The message that the text says. Never raises. Tags say nothing of types: there a parameter that `tools` call a string
    is text, one that they call something else is JSON, and one that they do not know is guessed.

    >>> read("4").content
    '4'
    """
    text = _whole(text) if _HALF.search(text) else text
    thought = ""
    if (ended := text.find("</think>")) >= 0 and (
        text.lstrip().startswith("<think>") or text.find("<tool_call>", 0, ended) < 0
    ):
        head, _, text = text.partition("</think>")
        thought = head.replace("<think>", "", 1).strip()
    elif ended < 0 and text.lstrip().startswith("<think>"):
        return Message(role="assistant", thought=text.replace("<think>", "", 1).strip(), malformed="")
    calls, wrong = [], ""
    bodies, content = _calls(text)
    types = {t.name: t.parameters.get("properties") or {} for t in tools} if "<function=" in text else {}
    for body in bodies:
        call = _read_call(body, types)
        if isinstance(call, str):
            wrong = wrong or call
        else:
            calls.append(call)
    return Message(
        role="assistant", content=content.strip(), thought=thought, calls=tuple(calls), malformed=wrong
    )


def _json(call: ToolCall) -> str:
    """The call; where an argument holds a mark of the format, every < in it is escaped, so that it stays an argument."""
    arguments = json.dumps(call.arguments, ensure_ascii=False)
    if any(mark in arguments for mark in _MARKS):
        arguments = arguments.replace("<", "\\u003c")
    return f'{{"name": {json.dumps(call.name)}, "arguments": {arguments}}}'


def _tagged(call: ToolCall) -> str:
    values = {
        k: v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for k, v in call.arguments.items()
    }
    parameters = "".join(f"<parameter={k}>\n{v}\n</parameter>\n" for k, v in values.items())
    return f"<function={call.name}>\n{parameters}</function>"


def _calls(text: str) -> tuple[list[str], str]:
    """What stands between the marks of each call, and the text around them; linear in the text."""
    bodies, around, at, closes = [], "", 0, True
    while (begin := text.find("<tool_call>", at)) >= 0:
        around += text[at:begin]
        begin += len("<tool_call>")
        closed = _CLOSED.search(text, begin) if closes and _FUNCTION.match(text, begin) else None
        closes = closes and (closed is not None or not _FUNCTION.match(text, begin))  # none from here on
        end = closed.start() if closed else text.find("</tool_call>", begin)
        bodies.append(text[begin:] if end < 0 else text[begin:end])
        at = len(text) if end < 0 else closed.end() if closed else end + len("</tool_call>")
    return bodies, around + text[at:]


def _read_call(body: str, types: dict[str, Any]) -> ToolCall | str:
    """The call, or what is wrong with it."""
    tagged = _FUNCTION.match(body)
    if tagged:
        known = types.get(tagged[1]) or {}
        within = body[tagged.end() :].rstrip().removesuffix("</function>")
        return ToolCall(
            name=tagged[1], arguments={k: _value(v, known.get(k)) for k, v in _parameters(within)}
        )
    try:
        data = _loaded(body)
    except (ValueError, RecursionError):
        return "the tool call is not valid JSON"
    if not isinstance(data, dict) or not isinstance(data.get("name"), str):
        return 'a tool call is {"name": ..., "arguments": {...}}'
    arguments = data.get("arguments", {})
    if not isinstance(arguments, dict):
        return "the arguments of a tool call are a JSON object"
    return ToolCall(name=data["name"], arguments=arguments)


def _parameters(body: str) -> Iterator[tuple[str, str]]:
    """Names and texts of tagged parameters, in one pass; one that does not end is none."""
    at = 0
    while (found := _PARAMETER.search(body, at)) is not None:
        ended = _ENDED.search(body, found.end())
        if ended is None:
            return
        yield found[1], body[found.end() : ended.start()]
        at = ended.end()


def _loaded(text: str) -> Any:
    """JSON, as the format has it: no NaN and no infinity; halves of a surrogate pair, which no text can hold, become marks of
    what is missing. ValueError: it is none."""
    data = _STRICT.decode(text)
    return _whole(data) if "\\u" in text else data


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _no_number(f"{text[:20]}…")


_STRICT = json.JSONDecoder(parse_constant=_no_number, parse_float=_finite)


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_whole(v) for v in value]
    if isinstance(value, dict):
        return {_whole(k): _whole(v) for k, v in value.items()}
    return value


def _value(text: str, schema: Any = None) -> Any:
    """A tagged parameter's value: text where the schema says so, JSON where it says another type and JSON it is; without a
    schema JSON where it is an object, list, number or boolean, else the text."""
    kind = schema.get("type") if isinstance(schema, dict) else None
    if kind == "string":
        return text
    if kind or re.fullmatch(r"-?\d+(\.\d+)?|true|false|[\[{].*[\]}]", text, re.S):
        try:
            return _loaded(text)
        except (ValueError, RecursionError):
            return text
    return text
