"""What a customer wants and what the policy makes of it: the expected state, writes and messages of a task."""

from typing import Any

from msgspec.structs import replace

from openhorizon.domains.agentic.wording import DONE
from openhorizon.records import Record


class Item(Record, kw_only=True):
    """One row of the service: an order or a booking."""

    id: int
    kind: str
    owner: str
    status: str
    total: int
    place: str  # the address of an order, the day of a booking
    refunded: int = 0


class Request(Record, kw_only=True):
    """One thing the customer wants."""

    act: str  # "cancel", "move" or "refund"
    id: int
    to: str = ""  # of a move
    otherwise: bool = False  # wanted only if the request before it was refused


class Goal(Record, kw_only=True):
    """All of it, and what the customer tells when asked. Hidden from the agent."""

    customer: str
    requests: tuple[Request, ...]
    facts: dict[str, str]  # "id" and "place": the customer's answers
    missing: tuple[str, ...] = ()  # the facts that the first message does not hold


class Decision(Record, kw_only=True):
    """What the policy says to a request that is due."""

    request: Request
    item: Item  # as it stood
    verdict: str  # "do", "escalate", "refuse" (its status forbids it) or "stranger" (not the customer's)


class Expected(Record, kw_only=True):
    """What must be true at the end."""

    items: tuple[Item, ...]  # by id
    cases: tuple[int, ...]  # ids that were escalated, sorted
    writes: tuple[tuple[str, int], ...]  # (tool, id), in order
    decisions: tuple[Decision, ...]


def decide(item: Item, customer: str, act: str, policy: dict[str, Any]) -> str:
    """The policy's verdict on one act."""
    if item.owner != customer:
        return "stranger"
    if item.status not in policy[act]["when"][item.kind]:
        return "refuse"
    limit = policy[act]["limit"]
    return "escalate" if limit and item.total > limit else "do"


def applied(item: Item, request: Request) -> Item:
    """The item after the act."""
    if request.act == "move":
        return replace(item, place=request.to)
    refunded = item.total if request.act == "refund" else 0
    return replace(item, status=DONE[request.act], refunded=refunded)


def expected(items: tuple[Item, ...], policy: dict[str, Any], goal: Goal) -> Expected:
    """The end that the policy wants for this goal, from this start."""
    state = {item.id: item for item in items}
    cases: list[int] = []
    writes: list[tuple[str, int]] = []
    decisions: list[Decision] = []
    for request in goal.requests:
        if request.otherwise and decisions[-1].verdict in ("do", "escalate"):
            continue
        item = state[request.id]
        verdict = decide(item, goal.customer, request.act, policy)
        decisions.append(Decision(request=request, item=item, verdict=verdict))
        if verdict == "do":
            state[item.id] = applied(item, request)
            writes.append((request.act, item.id))
        elif verdict == "escalate":
            cases.append(item.id)
            writes.append(("escalate", item.id))
    ordered = tuple(state[i] for i in sorted(state))
    return Expected(
        items=ordered, cases=tuple(sorted(cases)), writes=tuple(writes), decisions=tuple(decisions)
    )
