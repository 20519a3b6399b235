"""What an attempt at a task leaves behind, from one completion up to a judged group."""

from enum import StrEnum

from openhorizon.records.base import Record
from openhorizon.records.graph import Node
from openhorizon.records.messages import Message, ToolCall
from openhorizon.records.tasks import Task


class Status(StrEnum):
    """FINISHED: the policy ended it. TRUNCATED: a budget was spent; a valid prefix. ABORTED: something broke."""

    FINISHED = "finished"
    TRUNCATED = "truncated"
    ABORTED = "aborted"


class Completion(Record, kw_only=True):
    """What an engine wrote in one turn."""

    text: str
    token_ids: tuple[int, ...] = ()  # () from an engine that works on messages
    logprobs: tuple[
        float, ...
    ] = ()  # nats, under the distribution that was sampled from; as long as token_ids
    finish: str = "stop"  # "stop": end-of-turn token; "length": response budget spent
    policy: str = ""  # name and revision of who wrote it


class Verdict(Record, kw_only=True):
    """What verifiers said. v_t of a step, or the outcome of an attempt."""

    score: float  # in [0, 1]
    passed: bool
    parts: dict[str, float] = {}  # one value in [0, 1] per check or rubric
    why: str = ""  # one line a person can read


class ToolResult(Record, kw_only=True):
    """o_t: one tool's return."""

    call: ToolCall | None  # None: the answer to a malformed call
    text: str  # what the model reads
    ok: bool = True  # False: the text is an error message
    sources: tuple[str, ...] = ()  # ids of the graph nodes that were consulted
    nodes: tuple[Node, ...] = ()  # of them, those that came from outside the graph, such as pages of the web


class Turn(Record, kw_only=True):
    """One step (s_t, a_t, o_t, v_t): the tokens it adds, what was written, what came back."""

    context_ids: tuple[int, ...] = ()  # tokens this turn adds before the completion; turn 0: the whole prompt
    completion: Completion
    message: Message  # the completion, parsed
    results: tuple[ToolResult, ...] = ()
    reply: str = ""  # the (simulated) user's next turn, "" if none
    verdict: Verdict | None = None  # v_t; None is ⊥: no step-level verifier fired
    fresh: bool = False  # True: starts a new token segment (context_ids is a whole prompt again)
    digest: str = (
        ""  # of a fresh turn: what stands for the turns before it, but the last `kept`; "": all stand there
    )
    kept: int = 0  # turns before this one that stand word for word beside the digest
    restart: bool = (
        False  # of a fresh turn: nothing but the prompt stands there, all turns before are discarded
    )


class Trajectory(Record, kw_only=True):
    """One attempt."""

    id: str  # "<task id>@<policy>/<attempt number>"
    task: str
    domain: str
    prompt: tuple[Message, ...]  # system and first user message
    turns: tuple[Turn, ...]
    status: Status
    reason: str = ""  # why it was truncated or aborted
    answer: str = ""  # final answer as the policy gave it
    policy: str = ""
    seed: int = 0


class Judged(Record, kw_only=True):
    """An attempt with the outcome verifiers' verdict."""

    trajectory: Trajectory
    verdict: Verdict


class Group(Record, kw_only=True):
    """Several attempts of one policy at one task."""

    task: Task
    judged: tuple[Judged, ...]
    aborted: tuple[Trajectory, ...] = ()  # never scored
    cut: tuple[
        str, ...
    ] = ()  # ids of attempts that were still under way when the batch was over; never scored
