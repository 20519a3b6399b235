"""The scripted solver: filters, picks by the tools' own statements, reads the descriptors and quotes them."""

from collections.abc import Generator

from openhorizon.domains.domain import Expert, Seen
from openhorizon.records import Message, Task, ToolCall

Step = Generator[Message, Seen, str]


def expert(task: Task) -> Expert:
    """Plays a task by its plan (candidates, keep, largest or closest, branch, ask)."""
    plan = dict(line.split(" ", 1) for line in task.plan)
    pool = plan["candidates"].split("|")
    ask = plan["ask"].split(" ")
    if "keep" in plan:
        pool = yield from _kept(pool, plan["keep"])
    if "largest" in plan:
        chosen = yield from _largest(pool, plan["largest"])
    elif "closest" in plan:
        seen = yield _call("similarity", molecule=plan["closest"], others=pool)
        chosen = seen.results[0].text.replace("\n", ", ").split(", ")[0].rpartition("=")[0]
    else:
        chosen = pool[0]
    if "branch" in plan:
        seen = yield _call("substructure", molecule=chosen, group=plan["branch"])
        ask = ask[:1] if f"{chosen} has " in seen.results[0].text else ask[1:]
    seen = yield _call("parse" if ask == ["formula"] else "descriptors", molecule=chosen)
    stated = dict(line.split("=", 1) for line in seen.results[0].text.splitlines())
    yield Message(role="assistant", content=", ".join(f"{a}={stated[a]}" for a in ask))


def _kept(pool: list[str], group: str) -> Generator[Message, Seen, list[str]]:
    """The candidates that have the group, all asked for in one message."""
    calls = tuple(ToolCall(name="substructure", arguments={"molecule": m, "group": group}) for m in pool)
    seen = yield Message(role="assistant", calls=calls)
    return [m for m, result in zip(pool, seen.results, strict=True) if result.text.startswith(f"{m} has ")]


def _largest(pool: list[str], by: str) -> Step:
    """The candidate with the largest value: the winner so far against the next, pair by pair."""
    best = pool[0]
    for other in pool[1:]:
        seen = yield _call("compare", first=best, second=other, by=by)
        best = other if seen.results[0].text.startswith(f"{other} has ") else best
    return best


def _call(name: str, **arguments: str | list[str]) -> Message:
    return Message(role="assistant", calls=(ToolCall(name=name, arguments=arguments),))
