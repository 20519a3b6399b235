"""Tool calling with a customer at full size: three services, 53 tools, written policies, tasks from the tool graph."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from openhorizon.domains.agentic.case import Case, customer, open_case
from openhorizon.domains.agentic.judge import verify, verify_step
from openhorizon.domains.agentic.services import ACTIONS, POLICY
from openhorizon.domains.agentic.services.world import TODAY
from openhorizon.domains.agentic.solver import expert
from openhorizon.domains.agentic.synthesis import LIMITS, propose
from openhorizon.domains.agentic.toolgraph import nodes
from openhorizon.domains.agentic.tools import NAME, customer_node
from openhorizon.domains.domain import Domain, Expert, Policy, Resources, Seen, Size
from openhorizon.domains.names import names
from openhorizon.records import Edge, EdgeKind, Message, Node, NodeKind, Split, Task, ToolCall

SYSTEM = (
    "You serve customers of a shop (retail), an airline and a phone network (telecom). Identify the customer first, by the "
    "name and the secret that the service keeps; act only on what belongs to that customer. Before you write anything, read "
    "the section of the service's policy that governs it, and look up what it depends on. Do what the customer wishes where "
    "the policy allows it, exactly once, and nothing else. Take every argument from what the customer said or a tool showed; "
    "ask the customer for what you can not look up. Where the policy forbids a wish, do not do it; a way out that the customer "
    "names counts only then. Hand a customer over to a person only if the customer asks for one. When everything is settled, "
    "end with one message without a question that says for each wish what was done, with its amounts, days or numbers, or "
    f"that you can not do it, and for which reason. Today is {TODAY.isoformat()}. Policy topics: "
    + "; ".join(
        f"{s}: {', '.join(t for q, t in POLICY if q == s)}" for s in dict.fromkeys(s for s, _ in POLICY)
    )
    + "."
)


def material(seed: int, size: Size) -> Iterator[Node | Edge]:
    """The tool graph, every variant of every section of the policies, and the people of both splits."""
    yield from nodes()
    for section in POLICY.values():
        for params in section.variants():
            node = section.node(params)
            yield Node(
                id=node, kind=NodeKind.CONSTRAINT, domain=NAME, title=f"{section.service} policy: {section.topic}",
                text=section.said(params), source=f"generated: {node}", data={"params": params},
            )  # fmt: skip
            yield Edge(
                source=node, target=f"{NAME}/action/read_policy", kind=EdgeKind.SUPPORTS, label="read with"
            )
    for split in Split:
        for name in names(split, seed):
            yield Node(
                id=customer_node(name), kind=NodeKind.ENTITY, domain=NAME, title=name, source=f"generated: {NAME}",
                data={"split": str(split)},
            )  # fmt: skip


def _open(task: Task, resources: Resources) -> Case:
    return open_case(task)


def guesses(task: Task) -> Iterator[str]:
    """Doing nothing and saying something."""
    yield task.instruction
    yield "I can not do that."
    yield "I can not do that because it does not belong to your account, and your identity could not be confirmed."
    yield "It is too late for that; the policy does not allow it. I can not do it."
    yield "Everything is done: cancelled, refunded, exchanged, changed and paid."


def baselines(tasks: Sequence[Task]) -> Mapping[str, Policy]:
    """Policies without judgement."""
    return {
        "hands over": _hand_over,
        "refuses at once": lambda task: _say("I can not do that; the policy does not allow it."),
        "looks, then refuses": lambda task: _stubborn(
            expert(task, lambda wish, known, params: next(iter(wish.reasons)))
        ),
        "looks, then obeys": lambda task: _stubborn(expert(task, lambda wish, known, params: "")),
    }


def _hand_over(task: Task) -> Expert:
    call = ToolCall(name="transfer_to_human", arguments={"reason": "a person should see to it"})
    yield Message(role="assistant", content="", calls=(call,))
    yield Message(role="assistant", content="I have handed you over to a person.")


def _say(text: str) -> Expert:
    yield Message(role="assistant", content=text)


def _stubborn(script: Expert) -> Generator[Message, Seen, Any]:
    """The script; where it trips over what it did not look at, it says that it is done."""
    seen: Seen | None = None
    while True:
        try:
            message = next(script) if seen is None else script.send(seen)
        except StopIteration:
            return
        except (KeyError, TypeError, ValueError):
            yield Message(role="assistant", content="It is done.")
            return
        seen = yield message


FULL = Domain(
    name=NAME,
    tools=tuple(a.tool for a in ACTIONS),
    system=SYSTEM,
    brief="Serve the customer. Keep to the policy.",
    limits=LIMITS,
    material=material,
    propose=propose,
    open=_open,
    expert=expert,
    verify=verify,
    guesses=guesses,
    min_calls=2,
    verify_step=verify_step,
    reply=customer,
    baselines=baselines,
)


def _open_spoken(task: Task, resources: Resources) -> Case:
    return open_case(task, resources.ask)


SPOKEN = replace(
    FULL, open=_open_spoken, replies_wait=lambda case: True
)  # the customer is spoken by the model of `Resources.ask`, held to the script
