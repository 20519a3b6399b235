"""Messages, as a chat template sees them."""

from typing import Any, Literal

from openhorizon.records.base import Record


class ToolSchema(Record, kw_only=True):
    """What the model reads of a tool: name, one description, JSON Schema of the arguments."""

    name: str
    description: str
    parameters: dict[str, Any]


class ToolCall(Record, kw_only=True):
    """A call the model made."""

    name: str
    arguments: dict[str, Any]


class Message(Record, kw_only=True):
    """One chat message. `thought` is rendered inside the template's thinking marks before the content."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str = ""
    thought: str = ""  # assistant only
    calls: tuple[ToolCall, ...] = ()  # assistant only
    malformed: str = ""  # assistant only: why a tool call could not be parsed; "" if all could
