"""Plain prompts as a domain: one question, one reply, no tools. What a user's own file of prompts becomes.

It is not one of the six: it has no graph to propose from and no expert, and so it is made when it is asked for.
"""

from typing import Any, Literal

import msgspec

from openhorizon.domains.domain import Domain, Expert, Resources
from openhorizon.errors import SandboxError
from openhorizon.graph.graph import Graph
from openhorizon.records import Limits, Message, Record, Split, Task, Trajectory, Verdict, as_json
from openhorizon.retrieval.index import Index
from openhorizon.sandboxes.sandbox import Outcome

LIMITS = Limits(turns=1, response_tokens=1024, context_tokens=4096, tool_calls=0)
FORM = '{"prompt": "..."} or {"messages": [{"role": "user", "content": "..."}]}, with an "id" and an "answer" if you like'


class Said(Record, kw_only=True):
    """One message of a prompt."""

    role: Literal["system", "user", "assistant"]
    content: str


class Prompt(Record, kw_only=True):
    """One line of a user's file: `prompt` or `messages`."""

    prompt: str | None = None
    messages: tuple[Said, ...] | None = None
    id: str | int | None = None
    answer: str | int | float | None = None  # what the reply must be for the attempt to count as a success


def plain_domain(name: str) -> Domain:
    """The domain of plain prompts under that name. A reply passes where it is the task's answer, white space around it aside."""
    return Domain(
        name=name, tools=(), system="", brief="", limits=LIMITS, material=lambda seed, size: (),
        propose=lambda graph, order: iter(()), open=_open, expert=_expert, verify=_verify, guesses=lambda task: (),
        min_calls=0, opening=opening,
    )  # fmt: skip


def plain_task(raw: dict[str, Any], domain: str, name: str) -> Task:
    """The task that a line of a user's file asks for; `name` is its id where the line has none.

    The instruction of a conversation is the whole of it, so that conversations which end alike stay different tasks.
    Fields that a prompt does not have are left aside. ValueError: what is wrong with the line.
    """
    known = {k: v for k, v in raw.items() if k in Prompt.__struct_fields__}
    try:
        line = msgspec.convert(known, Prompt)
    except msgspec.ValidationError as error:
        raise ValueError(f"{error}; a line is {FORM}") from None
    if (line.prompt is None) == (line.messages is None):
        fields = ", ".join(raw) or "nothing"
        what = "neither prompt nor messages" if line.prompt is None else "both prompt and messages"
        raise ValueError(f"it has {what} (it holds {fields}); a line is {FORM}")
    said = line.messages if line.messages is not None else (Said(role="user", content=line.prompt or ""),)
    if not said or said[-1].role != "user":
        raise ValueError("its messages do not end with the user's, and the student is to reply to one")
    if not said[-1].content.strip():
        raise ValueError("the prompt is empty; leave the line out")
    if any(m.role == "system" for m in said[1:]):
        raise ValueError("a system message stands first or nowhere")
    alone = len(said) == 1
    return Task(
        id=f"{domain}/{Split.TRAIN}/{name if line.id is None else line.id}", domain=domain, split=Split.TRAIN,
        instruction=said[0].content if alone else as_json(said).decode(),
        answer="" if line.answer is None else str(line.answer).strip(),
        setup={} if alone else {"messages": [{"role": m.role, "content": m.content} for m in said]},
    )  # fmt: skip


def opening(task: Task) -> tuple[Message, ...]:
    """The user's own messages and nothing else: no system message where the user gave none."""
    said: list[dict[str, Any]] = task.setup.get("messages") or [{"role": "user", "content": task.instruction}]
    return tuple(Message(role=m["role"], content=m["content"]) for m in said)


def no_resources() -> Resources:
    """What plain prompts need of a world: nothing."""
    return Resources(graph=Graph(), index=Index(), sandbox=NoSandbox())


class NoSandbox:
    """See `Sandbox`: where there are no tools, no program is run."""

    name = "none"

    def run(self, program: str, **more: Any) -> Outcome:
        raise SandboxError("a program was to be run for a domain that has no tools")

    def close(self) -> None: ...


def _open(task: Task, resources: Resources) -> None:
    """Nothing to act on."""


def _expert(task: Task) -> Expert:
    """Nobody knows the answers: it says nothing."""
    yield Message(role="assistant")


def _verify(task: Task, run: Trajectory, env: None) -> Verdict:
    right = bool(task.answer) and run.answer.strip() == task.answer
    why = "" if right else "not the answer" if task.answer else "no answer is known"
    return Verdict(score=float(right), passed=right, parts={"answer": float(right)}, why=why)
