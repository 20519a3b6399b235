"""What the agent may do at the service's desk."""

from typing import Literal

from openhorizon.domains.agentic.service import Service
from openhorizon.domains.agentic.wording import DONE, PLACE, SAID
from openhorizon.domains.domain import Observation, tool
from openhorizon.errors import ToolError

NAME = "agentic"


def customer_node(name: str) -> str:
    """Id of the graph node of a customer."""
    return f"{NAME}/customer/{name}"


def find(env: Service, name: str) -> Observation:
    """List the orders and bookings of a customer, each with its status.

    name: the customer's full name
    """
    items = env.owned(name.strip())
    if not items:
        raise ToolError(f"there is no customer {name.strip()[:40]}")
    mini = env.size == "mini"
    said = ", ".join(f"{i.status} {i.id}" if mini else f"{i.status} {i.kind} {i.id}" for i in items)
    return Observation(text=f"{items[0].owner} has {said}.", sources=(customer_node(items[0].owner),))


def look(env: Service, id: int) -> Observation:
    """Look up one order or booking: status, owner, total and address or day.

    id: number of the order or booking
    """
    item = env.item(id)
    env.looked.add(id)
    said = SAID[env.size].look.format(
        id=item.id, status=item.status, owner=item.owner, total=item.total, place=item.place,
        word=PLACE[item.kind], Kind=item.kind.capitalize(),
    )  # fmt: skip
    return Observation(text=said, sources=(customer_node(item.owner),))


def policy(env: Service, topic: Literal["cancel", "move", "refund"]) -> Observation:
    """Read what the policy says about an action.

    topic: the action
    """
    env.checked.add(topic)
    return Observation(text=env.policy[topic]["text"], sources=(env.policy[topic]["node"],))


def cancel(env: Service, id: int) -> str:
    """Cancel an order or booking. Can not be undone.

    id: number of the order or booking
    """
    _not_yet(env, id, "cancel")
    env.write("cancel", id, "UPDATE items SET status = 'cancelled' WHERE id = ?")
    return f"{id} is cancelled."


def move(env: Service, id: int, to: str) -> str:
    """Send an order to another address, or move a booking to another day.

    id: number of the order or booking
    to: the new address or day
    """
    env.item(id)
    place = " ".join(to.split())
    if not 0 < len(place) <= 60:
        raise ToolError("move: to must be an address or a day")
    env.write("move", id, "UPDATE items SET place = ? WHERE id = ?", place)
    return f"{id} is moved."


def refund(env: Service, id: int, amount: int) -> str:
    """Pay money back for an order or booking. Can not be undone.

    id: number of the order or booking
    amount: how much, the total or less
    """
    total = env.item(id).total
    _not_yet(env, id, "refund")
    if not 0 < amount <= total:
        raise ToolError(f"refund: the amount must be between 1 and {total}")
    env.write("refund", id, "UPDATE items SET status = 'refunded', refunded = ? WHERE id = ?", amount)
    return f"{id} is refunded."


def escalate(env: Service, id: int) -> str:
    """Pass a case to a manager who decides.

    id: number of the order or booking
    """
    env.item(id)
    env.write("escalate", id, "INSERT OR IGNORE INTO cases (id) VALUES (?)")
    return f"{id} is escalated."


def _not_yet(env: Service, id: int, act: str) -> None:
    if env.item(id).status == DONE[act]:
        raise ToolError(f"{id} is {DONE[act]} already")


TOOLS = tuple(tool(f) for f in (find, look, policy, cancel, move, refund, escalate))
WRITES = frozenset(("cancel", "move", "refund", "escalate"))
