"""Tasks: what is asked, what proves the answer, and what the attempt starts from."""

from enum import StrEnum
from typing import Any

from openhorizon.records.base import Record


class Split(StrEnum):
    """Tasks of the two splits share no entity and no value (`Task.entities`)."""

    TRAIN = "train"
    HELDOUT = "heldout"


class Evidence(Record, kw_only=True):
    """One piece of E_q: what the task requires to have been consulted."""

    node: str  # id of the graph node
    text: str  # the passage, for a person to read
    source: str  # page, path or URL where it stands
    start: int = 0  # offset of the passage in the source's text, characters
    end: int = 0  # offset after its last character; 0 where the source is not a text


class VerifierSpec(Record, kw_only=True):
    """One verifier of V_q by name, with what it needs to know. Never shown to the agent."""

    name: str
    arguments: dict[str, Any] = {}


class Limits(Record, kw_only=True):
    """Budgets of one attempt. Spending one makes the attempt TRUNCATED."""

    turns: int = 8  # assistant turns
    response_tokens: int = 256  # tokens the policy may write in one turn
    context_tokens: int = 1024  # tokens of the whole attempt, prompt and observations included
    tool_calls: int = 16
    seconds: float = 0.0  # wall clock of the whole attempt; 0: none
    folds: int = 0  # times that a nearly spent context is folded into a digest and begun anew; it then bounds each segment
    restarts: int = 0  # times that, no fold being left, all but the prompt is discarded (discard-all) and the attempt goes on


class Task(Record, kw_only=True):
    """x = (q, d, y*, E_q, V_q) with its start state. `answer`, `verifiers`, `private` are hidden from agents."""

    id: str  # "<domain>/<split>/<readable rest>", unique in the run
    domain: str
    split: Split
    instruction: str  # q: the first user message
    answer: str  # y*: canonical answer as text; a description where the final state is the answer
    evidence: tuple[Evidence, ...] = ()  # E_q
    verifiers: tuple[VerifierSpec, ...] = ()  # V_q
    setup: dict[str, Any] = {}  # initial state the attempt's environment is made from; tools may show it
    private: dict[str, Any] = {}  # what only verifiers may read: graders' data, expected states
    plan: tuple[
        str, ...
    ] = ()  # support path for the scripted expert (relations, tool names); holds no answer
    entities: tuple[str, ...] = ()  # names and values that may not occur in the other split
    level: int = 1  # difficulty, 1 is the easiest
    limits: Limits | None = None  # None: the domain's own

    def public(self) -> "Task":
        """The task as a solver may see it: no answer, no verifiers, no private data, no evidence texts."""
        return Task(
            id=self.id, domain=self.domain, split=self.split, instruction=self.instruction, answer="",
            setup=self.setup, plan=self.plan, level=self.level, limits=self.limits,
        )  # fmt: skip
