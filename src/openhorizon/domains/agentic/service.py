"""The stateful service: orders and bookings in SQLite, one database in memory per attempt, and the customer.

The service does what it is told, also what the policy forbids: keeping to the policy is the agent's task. What the
customer has not said yet is held here, out of every tool's reach.
"""

import re
import sqlite3
from dataclasses import dataclass, field
from typing import Any

from openhorizon.domains.agentic.goal import Expected, Goal, Item, expected
from openhorizon.errors import ToolError
from openhorizon.records import Task, from_json

SCHEMA = (
    "CREATE TABLE items (id INTEGER PRIMARY KEY, kind TEXT, owner TEXT, status TEXT, total INTEGER, place TEXT, "
    "refunded INTEGER DEFAULT 0) STRICT",
    "CREATE TABLE cases (id INTEGER PRIMARY KEY) STRICT",
)
PATIENCE = 3  # questions that the customer answers


@dataclass
class Service:
    """One attempt's database, what was called, and the customer."""

    size: str
    policy: dict[str, Any]
    goal: Goal
    start: tuple[Item, ...]
    db: sqlite3.Connection
    writes: list[tuple[str, int]] = field(default_factory=list)
    looked: set[int] = field(default_factory=set)
    checked: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)
    early: list[str] = field(default_factory=list)  # rubrics that a write came before
    answered: int = 0
    _wanted: Expected | None = None

    @property
    def wanted(self) -> Expected:
        """What must be true at the end; computed once."""
        if self._wanted is None:
            self._wanted = expected(self.start, self.policy, self.goal)
        return self._wanted

    def item(self, id: int) -> Item:
        """The row; ToolError where there is none."""
        row = None
        if 0 < id < 1_000_000:
            row = self.db.execute(
                "SELECT id, kind, owner, status, total, place, refunded FROM items WHERE id = ?", (id,)
            ).fetchone()
        if row is None:
            raise ToolError(f"there is no {id}")
        return Item(**dict(zip(Item.__struct_fields__, row)))

    def owned(self, name: str) -> tuple[Item, ...]:
        """The items of a customer, by id."""
        ids = self.db.execute("SELECT id FROM items WHERE owner = ? ORDER BY id", (name,)).fetchall()
        return tuple(self.item(i) for (i,) in ids)

    def write(self, tool: str, id: int, statement: str, *values: Any) -> None:
        """Run one write and remember it, and whether the item and the policy had been looked at."""
        if id not in self.looked:
            self.early.append("looked")
        if tool != "escalate" and tool not in self.checked:
            self.early.append("checked")
        self.db.execute(statement, (*values, id))
        self.writes.append((tool, id))

    def state(self) -> tuple[tuple[Item, ...], tuple[int, ...]]:
        """All items by id, and the escalated ids."""
        ids = [i for (i,) in self.db.execute("SELECT id FROM items ORDER BY id")]
        cases = tuple(i for (i,) in self.db.execute("SELECT id FROM cases ORDER BY id"))
        return tuple(self.item(i) for i in ids), cases

    def close(self) -> None:
        self.db.close()


def open_service(task: Task) -> Service:
    """The service as the task's setup has it, with the customer who holds the task's private goal."""
    db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    for statement in SCHEMA:
        db.execute(statement)
    start = tuple(Item(**row) for row in task.setup["items"])
    db.executemany(
        "INSERT INTO items (id, kind, owner, status, total, place) VALUES (?, ?, ?, ?, ?, ?)",
        [(i.id, i.kind, i.owner, i.status, i.total, i.place) for i in start],
    )
    ordered = tuple(sorted(start, key=lambda i: i.id))
    goal = from_json(task.private["goal"], Goal)
    return Service(size=task.setup["size"], policy=task.setup["policy"], goal=goal, start=ordered, db=db)


WANTED = (  # what a question is about, first word that fits
    ("place", re.compile(r"\b(address|where|day|date|place|when)\b", re.I)),
    ("id", re.compile(r"\b(which (order|booking|one)|number|id|(order|booking) (number|id))\b", re.I)),
)
YES = re.compile(r"\b(shall|should|do you want|confirm|proceed|sure|okay|ok|may)\b", re.I)
OVER = re.compile(r"\b(anything|something) (else|more)\b|\bwelcome\b", re.I)


def customer(env: Service, text: str) -> str | None:
    """The simulated customer: answers what is asked, tells nothing else; None where nothing is asked any more."""
    if "?" not in text or OVER.search(text) or env.answered >= PATIENCE:
        return None
    env.answered += 1
    said = []
    for fact, words in WANTED:
        if words.search(text) and fact in env.goal.facts:
            env.asked.add(fact)
            said.append(env.goal.facts[fact])
    if said:
        return " ".join(reversed(said))
    return "yes." if YES.search(text) else "I do not know."
