"""Assistant messages as text and back, in the Qwen format: thinking marks, then content, then tool calls.

Reads both spellings of a call that Qwen models write: JSON (Qwen2.5, Qwen3) and tags (Qwen3-coder, Qwen3.5).
The reader never raises: what cannot be read becomes `Message.malformed`, which the model is told.
"""

import json
import re
from typing import Any

from openhorizon.records import Message, ToolCall

_CALL = re.compile(r"<tool_call>(.*?)(?:</tool_call>|\Z)", re.S)
_FUNCTION = re.compile(r"\A\s*<function=([^>\s]+)>(.*?)(?:</function>\s*|\Z)", re.S)
_PARAMETER = re.compile(r"<parameter=([^>\s]+)>\n?(.*?)\n?</parameter>", re.S)


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


def read(text: str) -> Message:
    """The message that the text says. Never raises.

    >>> read("4").content
    '4'
    """
    thought = ""
    if "</think>" in text:
        head, _, text = text.partition("</think>")
        thought = head.replace("<think>", "", 1).strip()
    elif text.lstrip().startswith("<think>"):
        return Message(role="assistant", thought=text.replace("<think>", "", 1).strip(), malformed="")
    calls, wrong = [], ""
    for body in _CALL.findall(text):
        call = _read_call(body)
        if isinstance(call, str):
            wrong = wrong or call
        else:
            calls.append(call)
    content = _CALL.sub("", text).strip()
    return Message(role="assistant", content=content, thought=thought, calls=tuple(calls), malformed=wrong)


def _json(call: ToolCall) -> str:
    return (
        f'{{"name": {json.dumps(call.name)}, "arguments": {json.dumps(call.arguments, ensure_ascii=False)}}}'
    )


def _tagged(call: ToolCall) -> str:
    values = {
        k: v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for k, v in call.arguments.items()
    }
    parameters = "".join(f"<parameter={k}>\n{v}\n</parameter>\n" for k, v in values.items())
    return f"<function={call.name}>\n{parameters}</function>"


def _read_call(body: str) -> ToolCall | str:
    """The call, or what is wrong with it."""
    tagged = _FUNCTION.match(body)
    if tagged:
        return ToolCall(name=tagged[1], arguments={k: _value(v) for k, v in _PARAMETER.findall(tagged[2])})
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return "the tool call is not valid JSON"
    if not isinstance(data, dict) or not isinstance(data.get("name"), str):
        return 'a tool call is {"name": ..., "arguments": {...}}'
    arguments = data.get("arguments", {})
    if not isinstance(arguments, dict):
        return "the arguments of a tool call are a JSON object"
    return ToolCall(name=data["name"], arguments=arguments)


def _value(text: str) -> Any:
    """A tagged parameter's value: JSON where it is an object, list, number or boolean, else the text."""
    if re.fullmatch(r"-?\d+(\.\d+)?|true|false|[\[{].*[\]}]", text, re.S):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text
    return text
