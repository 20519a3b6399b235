"""What a domain is: tools, proposals, an expert and verifiers behind one value. Each domain is a folder beside this file."""

import contextlib
import inspect
import random
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    Protocol,
    get_args,
    get_origin,
    get_type_hints,
    runtime_checkable,
)

from openhorizon.errors import ToolError
from openhorizon.graph.graph import Graph
from openhorizon.records import (
    Document,
    Edge,
    Judged,
    Limits,
    Message,
    Node,
    Record,
    Split,
    Task,
    ToolCall,
    ToolResult,
    ToolSchema,
    Trajectory,
    Verdict,
)

if TYPE_CHECKING:
    from openhorizon.retrieval.index import Index
    from openhorizon.retrieval.scholar import Scholar
    from openhorizon.retrieval.web import Web
    from openhorizon.sandboxes.sandbox import Sandbox

Size = Literal[
    "mini", "full"
]  # mini: short enough for a model of 1.4 million parameters; full: for real ones


class Order(Record, kw_only=True):
    """What a proposer is asked for."""

    split: Split
    seed: int
    levels: tuple[int, ...] = (1, 2, 3)  # difficulties to draw from, evenly
    size: Size = "mini"
    today: str = ""  # the day, YYYY-MM-DD, on which full tasks are asked; "": not said


class Observation(Record, kw_only=True):
    """What a tool returns where it consulted nodes of the graph; a tool that did not may return a str."""

    text: str
    sources: tuple[str, ...] = ()
    nodes: tuple[Node, ...] = ()  # sources that the graph may not hold yet; written back with the attempt


class Seen(Record, kw_only=True):
    """What an expert is shown after each of its messages: tool results, or the user's reply."""

    results: tuple[ToolResult, ...] = ()
    reply: str = ""


Expert = Generator[Message, Seen, None]
Policy = Callable[[Task], Expert]  # what acts at a task, as the agent sees it
Ask = Callable[[str], str]  # text in, text out: whoever writes or judges, a model or a function


@dataclass
class Resources:
    """What environments may reach: the graph, a full-text index over its pages, a sandbox. One set per process."""

    graph: Graph
    index: "Index"
    sandbox: "Sandbox"
    ask: Ask | None = None  # who summarises for tools; None: they cut instead
    web: "Web | None" = None  # where open questions are looked up; None: in the index
    scholar: "Scholar | None" = None  # where papers are looked up; None: only among the handbook's reports


@runtime_checkable
class Kept(Protocol):
    """What `Domain.open` returns where tools change it: its state can be written down, and taken up in a new process."""

    def save(self) -> bytes:
        """The state after the calls so far, all that later calls and the verifiers depend on."""
        ...

    def load(self, saved: bytes) -> None:
        """Take up the state that `save` gave for the same task; called on what `open` has just returned."""
        ...


@dataclass(frozen=True)
class Tool:
    """A function `f(env, **arguments)` with the schema made from its signature and docstring."""

    function: Callable[..., Any]
    schema: ToolSchema

    @property
    def name(self) -> str:
        return self.schema.name


JSON_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean"}


def tool(function: Callable[..., Any]) -> Tool:
    """The tool that `function` is. Its docstring's first paragraph is the description; lines `name: text` after it
    describe arguments. Annotations may be str, int, float, bool, list[one of these] or Literal of strings.

    >>> def add(env, a: int, b: int = 1): "Add two numbers."
    >>> tool(add).schema.parameters["required"]
    ['a']
    """
    doc = inspect.cleandoc(function.__doc__ or "")
    head, _, rest = doc.partition("\n\n")
    about = dict(re.findall(r"^(\w+): (.+)$", rest, flags=re.M))
    hints = get_type_hints(function)
    properties, required = {}, []
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        hint = hints.get(parameter.name, str)
        prop: dict[str, Any]
        if get_origin(hint) is Literal:
            prop = {"type": "string", "enum": list(get_args(hint))}
        elif get_origin(hint) is list:
            prop = {"type": "array", "items": {"type": JSON_TYPES[get_args(hint)[0]]}}
        else:
            prop = {"type": JSON_TYPES[hint]}
        if parameter.name in about:
            prop["description"] = about[parameter.name]
        properties[parameter.name] = prop
        if parameter.default is inspect.Parameter.empty:
            required.append(parameter.name)
    parameters = {"type": "object", "properties": properties, "required": required}
    return Tool(
        function,
        ToolSchema(name=function.__name__, description=" ".join(head.split()), parameters=parameters),
    )


def checked_arguments(schema: ToolSchema, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments, with whole floats and numeric strings taken as numbers; ToolError says what is wrong."""
    properties = schema.parameters["properties"]
    for name in arguments:
        if name not in properties:
            raise ToolError(
                f"{schema.name} has no argument {name}; it takes {', '.join(properties) or 'none'}"
            )
    for name in schema.parameters["required"]:
        if name not in arguments:
            raise ToolError(f"{schema.name} needs the argument {name}")
    return {name: _checked(schema.name, name, properties[name], value) for name, value in arguments.items()}


def _checked(tool_name: str, name: str, prop: dict[str, Any], value: Any) -> Any:
    wanted = prop["type"]
    if wanted == "array" and isinstance(value, list):
        return [_checked(tool_name, name, prop["items"], item) for item in value]
    if wanted in ("integer", "number") and isinstance(value, str):
        with contextlib.suppress(ValueError):
            value = float(value)
    if wanted == "integer" and isinstance(value, float) and value.is_integer():
        value = int(value)
    right = {
        "string": isinstance(value, str),
        "integer": isinstance(value, int) and not isinstance(value, bool),
        "number": isinstance(value, (int, float)) and not isinstance(value, bool),
        "boolean": isinstance(value, bool),
    }.get(wanted, False)
    if not right:
        raise ToolError(f"{tool_name}: {name} must be a {wanted}")
    if "enum" in prop and value not in prop["enum"]:
        raise ToolError(f"{tool_name}: {name} must be one of {', '.join(prop['enum'])}")
    return value


def nothing_to_say(env: Any, text: str) -> str | None:
    """The user of domains without one: an assistant message without a tool call ends the attempt."""
    return None


def no_step_verifier(task: Task, env: Any, result: ToolResult) -> Verdict | None:
    """⊥: the domain has no step-level verifier."""
    return None


def no_shortcut(task: Task, resources: Resources) -> str:
    """The domain knows no way around its tasks."""
    return ""


def never_waits(env: Any, call: ToolCall) -> bool:
    """All that the domain's tools need is in this process."""
    return False


def waits_in(*tools: str) -> Callable[[Any, ToolCall], bool]:
    """`Domain.waits` of a domain whose tools of these names run programs."""
    return lambda env, call: call.name in tools


def replies_at_once(env: Any) -> bool:
    """The simulated user is a script."""
    return False


def no_lookups(task: Task) -> Iterable[Expert]:
    """The domain's tools offer no short way to try."""
    return ()


LEFT = "\n[left: "  # begins what rollouts write under results: what is left of the budgets


def untold(text: str) -> str:
    """A result's text without what is left of the budgets.

    >>> untold("seen\\n[left: 3 calls]")
    'seen'
    """
    return text.rpartition(LEFT)[0] if LEFT in text and text.endswith("]") else text


def nothing_held(env: Any) -> str:
    """The environment holds nothing that the agent has to be told again."""
    return ""


def no_baselines(tasks: Sequence[Task]) -> Mapping[str, Policy]:
    """Nobody always does the same."""
    return {}


@dataclass(frozen=True)
class Domain:
    """One of the six domains. All fields are functions or values; state lives in what `open` returns."""

    name: str
    tools: tuple[Tool, ...]
    system: str  # protocol for real models: the system prompt
    brief: str  # the same in a few words, for the tiny model
    limits: Limits  # of mini tasks; a full task carries its own
    # what the graph holds before any task: documents (cut into passages), nodes, edges of both splits
    material: Callable[[int, Size], Iterable[Document | Node | Edge]]  # (seed, size)
    # an endless stream of proposals from regions of the graph; same order, same stream
    propose: Callable[[Graph, Order], Iterator[Task]]
    # the state one attempt acts on; gets the whole task, shows only what tools may show. See `Kept`
    open: Callable[[Task, Resources], Any]
    # the scripted solver; gets the public task only
    expert: Callable[[Task], Expert]
    # outcome verifiers, run where the environment is still open
    verify: Callable[[Task, Trajectory, Any], Verdict]
    # answers a lazy or lucky solver would give without looking; each must fail
    guesses: Callable[[Task], Iterable[str]]
    min_calls: int = 1  # an attempt that passes with fewer tool calls makes the task a one-shot look-up
    verify_step: Callable[[Task, Any, ToolResult], Verdict | None] = no_step_verifier
    reply: Callable[[Any, str], str | None] = nothing_to_say  # the simulated user; None ends the attempt
    shortcut: Callable[[Task, Resources], str] = (
        no_shortcut  # why a task is ambiguous or has a short way; "" if not
    )
    # attempts that look once and then answer; at full size each is played, and none may reach the answer
    lookups: Callable[[Task], Iterable[Expert]] = no_lookups
    # what is left of the resources without a piece of evidence (id of its node); at full size the expert is played on
    # it and must not reach the answer; None: the domain's evidence cannot be taken away
    without: Callable[[Resources, str], Resources] | None = None
    # another task in place of one rejected for a reason, not yet checked; None: not to be mended
    repair: Callable[[Task, str, Resources, random.Random], Task | None] | None = None
    # the messages an attempt begins with; None: the protocol as the system's message, the instruction as the user's
    opening: Callable[[Task], tuple[Message, ...]] | None = None
    # whether this call waits for somebody else, such as the web or a program; then it runs in a thread, and other attempts go on
    waits: Callable[[Any, ToolCall], bool] = never_waits
    replies_wait: Callable[[Any], bool] = (
        replies_at_once  # the same for the user's replies: a model speaks them
    )
    # policies without judgement: always the same action, answer or choice. `openhorizon check` plays and prints them
    baselines: Callable[[Sequence[Task]], Mapping[str, Policy]] = no_baselines
    # a judged attempt replayed and trimmed of what led nowhere, or why it is not worth keeping; None: kept as they are
    tidy: "Callable[[Domain, Task, Judged, Resources], Judged | str] | None" = None
    full: "Domain | None" = None  # the same domain for full tasks, where more than their size differs
    # said as the user's message at a spent turn, call or context budget, after the last turn is taken back; "": no such
    # rule. Only for domains whose tools leave nothing behind: what the turn did is not undone. Never said in mini tasks.
    last_call: str = ""
    # what the environment holds that a digest of earlier steps must say: notes, a tree of solutions; "" if nothing
    digest: Callable[[Any], str] = nothing_held
    tells_budget: bool = False  # whether what is left of the budgets stands under the results of full tasks
    long: "Domain | None" = (
        None  # the same domain with tasks of hundreds of calls: other material and proposals
    )
    by_name: dict[str, Tool] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {t.name: t for t in self.tools})

    def sized(self, size: Size) -> "Domain":
        """The domain as it is for tasks of this size."""
        return self.full if size == "full" and self.full is not None else self

    def call(self, env: Any, call: ToolCall) -> ToolResult:
        """Run one call. What the model did wrong comes back as a result with ok=False; infrastructure errors rise."""
        known = self.by_name.get(call.name)
        try:
            if known is None:
                names = ", ".join(self.by_name) or "none"
                raise ToolError(f"there is no tool {call.name}; the tools are {names}")
            seen = known.function(env, **checked_arguments(known.schema, call.arguments))
        except ToolError as error:
            return ToolResult(call=call, text=f"error: {error}", ok=False)
        if isinstance(seen, Observation):
            return ToolResult(call=call, text=seen.text, sources=seen.sources, nodes=seen.nodes)
        return ToolResult(call=call, text=str(seen))
