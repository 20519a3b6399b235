"""One attempt at full size: the database, the policy in words, and a customer who tells what is asked."""

import base64
from dataclasses import dataclass
from typing import Any, Literal

from openhorizon.domains.agentic.facts import FACTS
from openhorizon.domains.agentic.services import world
from openhorizon.domains.agentic.services.database import Database
from openhorizon.domains.agentic.user import Fact, Profile, Scripted, Spoken
from openhorizon.domains.domain import Ask
from openhorizon.records import Record, Task, as_json, from_json

PATIENCE = 12  # see `user.Profile`


class Known(Record, kw_only=True):
    """One thing that the customer knows."""

    column: str
    value: str
    missing: bool  # not said in the first message


class Request(Record, kw_only=True):
    """One wish of the task and what the policy makes of it."""

    wish: str
    thing: str  # id of what it is about; "" where the customer could not be identified
    refused: str = ""  # keys of the reasons that hold; "stranger" and "identity" stand for all wishes
    told: tuple[str, ...] = ()  # values the customer must be told
    steps: int = 0  # how many writes it takes


class Goal(Record, kw_only=True):
    """What is hidden of a task: the customer's facts, the rulings, the support path and what it must lead to."""

    facts: tuple[Known, ...]
    requests: tuple[Request, ...]  # those that are due: a way out is not where the first wish is granted
    support: tuple[tuple[str, dict[str, Any]], ...]  # the hidden path: calls in their order
    topics: tuple[str, ...]  # sections that decide
    persona: Literal["plain", "chatty", "terse"] = "plain"


class Kept(Record, kw_only=True):
    """What `Case.save` writes down."""

    database: str  # what changed in it, base64
    user: str  # what the user's `save` gave


@dataclass
class Case:
    """The state one attempt acts on. See `domains.domain.Kept`."""

    db: Database
    policy: dict[str, dict[str, dict[str, str]]]  # service -> topic -> text and node
    goal: Goal
    user: Scripted | Spoken

    @property
    def asked(self) -> set[str]:
        """The columns that the customer was asked for and told."""
        return {name.partition("#")[0] for name in self.user.heard.told}

    def save(self) -> bytes:
        data = base64.b64encode(self.db.changes()).decode()
        return as_json(Kept(database=data, user=self.user.save().decode()))

    def load(self, saved: bytes) -> None:
        kept = from_json(saved, Kept)
        self.db.change(base64.b64decode(kept.database))
        self.user.load(kept.user.encode())

    def close(self) -> None:
        self.db.close()


def open_case(task: Task, ask: Ask | None = None) -> Case:
    """The services as the task begins, with a customer by rule, or one that a model speaks."""
    db = Database(world(task.split, task.setup["world"]))
    goal = from_json(task.private["goal"], Goal)
    who = profile(task.instruction, goal)
    user = Scripted(who, task.id) if ask is None else Spoken(who, ask, task.id)
    return Case(db=db, policy=task.setup["policy"], goal=goal, user=user)


def profile(instruction: str, goal: Goal) -> Profile:
    """The customer of a task. Where a fact is missing of one wish, a question about it is about that wish."""
    facts = []
    for at, known in enumerate(goal.facts):
        said_of_another = any(f.missing for f in goal.facts if f.column == known.column)
        if known.missing or not said_of_another:
            fact = FACTS[known.column]
            facts.append(
                Fact(
                    name=f"{known.column}#{at}",
                    value=known.value,
                    topics=fact.topics,
                    answer=fact.said.format(v=known.value),
                )
            )
    return Profile(goal=instruction, persona=goal.persona, facts=tuple(facts), patience=PATIENCE)


def customer(case: Case, text: str) -> str | None:
    """The customer's reply; None ends the attempt."""
    return case.user.reply(text)
