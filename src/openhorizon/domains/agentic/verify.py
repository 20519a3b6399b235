"""How an attempt is judged: the database against the policy's end, what was done on the way, what the customer was told.

Outcome parts: `state`, `harmless`, `required` (where something must be done), `asked` (where the customer left a fact
out: guessing it is no answer) and `told`. Process parts: `looked`, `checked`. Passed is all of the outcome; the score is the mean of all parts.
"""

import re
from collections.abc import Iterator

from openhorizon.domains.agentic.goal import Decision
from openhorizon.domains.agentic.service import Service
from openhorizon.domains.agentic.tools import WRITES
from openhorizon.domains.agentic.wording import SAID
from openhorizon.records import Status, Task, ToolResult, Trajectory, Verdict

OUTCOME = ("asked", "state", "harmless", "required", "told")
NEGATION = re.compile(r"\b(not|cannot|unable|never|refuse)\b|n't\b|n’t\b", re.I)
CLAIM = {  # the customer is told that it was done
    "cancel": re.compile(r"\bcancell?ed\b", re.I),
    "move": re.compile(r"\b(moved|changed|updated|rescheduled)\b", re.I),
    "refund": re.compile(r"\brefunded\b|\brefund (was|is|has been) (paid|issued|made)\b", re.I),
    "escalate": re.compile(r"\bescalated\b|\bpassed (it )?(on )?to a manager\b", re.I),
}
FIRM = re.compile(r"\b(is|are|was|were|been|have|has|i|successfully)\b", re.I)
STEM = {
    "cancel": re.compile(r"\bcancel", re.I),
    "move": re.compile(r"\b(mov|chang|reschedul)", re.I),
    "refund": re.compile(r"\brefund", re.I),
}
STANDS = r"\b(?:is|was|been|already|status:?)\W+(?:already\W+|now\W+)?({})\b"  # how an item is said to stand
CONDITION = re.compile(
    r"\b(if|while|when|unless|only|once)\b.*", re.I | re.S
)  # what a policy says, not an item
STRANGER = re.compile(r"\b(belong|owner|own|yours|another customer|someone else)", re.I)


def verify(task: Task, trajectory: Trajectory, env: Service) -> Verdict:
    """One part per check; the state is read from the database, never from the text."""
    wanted, goal = env.wanted, env.goal
    finished = trajectory.status is Status.FINISHED
    decisions = wanted.decisions
    looked = all(d.item.id in env.looked for d in decisions) and "looked" not in env.early
    checked = all(d.request.act in env.checked for d in decisions if d.verdict != "stranger")
    parts = {
        "asked": set(goal.missing) <= env.asked,
        "looked": looked,
        "checked": checked and "checked" not in env.early,
        "state": env.state() == (wanted.items, wanted.cases),
        "harmless": looked and _within(env.writes, wanted.writes),
        "required": all(w in env.writes for w in wanted.writes),
        "told": finished and looked and told(trajectory.answer, decisions, env.size),
    }
    if not goal.missing:
        del parts["asked"]
    if not wanted.writes:
        del parts["required"]
    missed = [name for name, kept in parts.items() if not kept]
    return Verdict(
        score=sum(parts.values()) / len(parts),
        passed=not any(name in OUTCOME for name in missed),
        parts={name: float(kept) for name, kept in parts.items()},
        why=f"not met: {', '.join(missed)}" if missed else "everything is as the policy wants it",
    )


def _within(writes: list[tuple[str, int]], wanted: tuple[tuple[str, int], ...]) -> bool:
    """Nothing was written that is not wanted, and nothing twice."""
    return len(writes) == len(set(writes)) and set(writes) <= set(wanted)


def told(text: str, decisions: tuple[Decision, ...], size: str) -> bool:
    """The last message says of every decision what became of it, with the reason of a refusal, and claims no more."""
    sentences = [s for s in re.split(r"[.!?;\n]+", text) if s.strip()]
    done = {
        d.request.act if d.verdict == "do" else "escalate"
        for d in decisions
        if d.verdict in ("do", "escalate")
    }
    for act, claim in CLAIM.items():
        if act not in done and any(
            claim.search(s) and FIRM.search(s) and not NEGATION.search(s) for s in sentences
        ):
            return False
    statuses = "|".join(s for options in SAID[size].statuses.values() for s in options)
    claims = set(
        re.findall(STANDS.format(statuses), "; ".join(CONDITION.sub("", s) for s in sentences), re.I)
    )
    if not {c.lower() for c in claims} <= {d.item.status for d in decisions}:
        return False
    return all(_told_one(text, sentences, d, {c.lower() for c in claims}) for d in decisions)


def _told_one(text: str, sentences: list[str], d: Decision, claims: set[str]) -> bool:
    if not re.search(rf"\b{d.item.id}\b", text):
        return False
    if d.verdict in ("do", "escalate"):
        claim = CLAIM[d.request.act if d.verdict == "do" else "escalate"]
        return any(claim.search(s) and not NEGATION.search(s) for s in sentences)
    stem = STEM[d.request.act]
    if not any(NEGATION.search(s) and stem.search(s) for s in sentences):
        return False
    if d.verdict == "stranger":
        return bool(STRANGER.search(text))
    return d.item.status in claims


def verify_step(task: Task, env: Service, result: ToolResult) -> Verdict | None:
    """v_t of a write: wanted by the customer and allowed by the policy, or not. Reads have no verdict."""
    if not result.ok or result.call is None or result.call.name not in WRITES:
        return None
    id = int(result.call.arguments["id"])
    wanted = next((i for i in env.wanted.items if i.id == id), None)
    right = (result.call.name, id) in env.wanted.writes and env.item(id) == wanted
    why = "the policy and the customer want it" if right else "not wanted or not allowed"
    return Verdict(score=float(right), passed=right, why=why)


def guesses(task: Task) -> Iterator[str]:
    """Doing nothing and saying something."""
    yield ""
    yield task.instruction
    yield "I can not do that."
    ids = [str(row["id"]) for row in task.setup["items"]]
    for act, status in (("cancel", "sent"), ("move", "done"), ("refund", "new")):
        yield " ".join(f"I can not {act} {i}. {i} is {status}." for i in ids)
        yield " ".join(f"{i} is {act}led. {i} is moved. {i} is refunded." for i in ids)
