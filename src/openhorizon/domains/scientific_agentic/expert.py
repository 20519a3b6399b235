"""The scripted solver: filters, picks by the tools' own statements, reads the descriptors and quotes them."""

import re
from collections.abc import Generator

from openhorizon.domains.domain import Expert, Seen
from openhorizon.records import Message, Task, ToolCall

Step = Generator[Message, Seen, str]


def expert(task: Task) -> Expert:
    """Plays a task by its plan (candidates, keep, largest or closest, branch, ask).

    At mini size it says before a call what of the task the call is about, in the task's words.
    """
    plan = dict(line.split(" ", 1) for line in task.plan)
    mini = task.setup["size"] == "mini"
    pool = plan["candidates"].split("|")
    ask, lead = plan["ask"].split(" "), "give the "
    if "keep" in plan:
        pool = yield from _kept(pool, plan["keep"])
    if "largest" in plan:
        chosen = yield from _largest(pool, plan["largest"], mini)
    elif "closest" in plan:
        said = f"closest to {plan['closest']}" if mini else ""
        seen = yield _call(said, "similarity", molecule=plan["closest"], others=pool)
        first = seen.results[0].text.replace("\n", ", ").split(", ")[0]
        chosen = re.sub(r"[ =]\d+$", "", first)
    else:
        chosen = pool[0]
    if "branch" in plan:
        said = f"has {plan['branch']}" if mini else ""
        seen = yield _call(said, "substructure", molecule=chosen, group=plan["branch"])
        has = f"{chosen} has " in seen.results[0].text
        ask, lead = (ask[:1], lead) if has else (ask[1:], "else the ")
    seen = yield _call("", "parse" if ask == ["formula"] else "descriptors", molecule=chosen)
    if mini:
        stated = dict(line.split(" ", 1) for line in seen.results[0].text.splitlines())
        answer = lead + " and ".join(f"{a} {stated[a]}" for a in ask)
    else:
        stated = dict(line.split("=", 1) for line in seen.results[0].text.splitlines())
        answer = ", ".join(f"{a}={stated[a]}" for a in ask)
    yield Message(role="assistant", content=answer)


def _kept(pool: list[str], group: str) -> Generator[Message, Seen, list[str]]:
    """The candidates that have the group, all asked for in one message."""
    calls = tuple(ToolCall(name="substructure", arguments={"molecule": m, "group": group}) for m in pool)
    seen = yield Message(role="assistant", calls=calls)
    return [m for m, result in zip(pool, seen.results, strict=True) if result.text.startswith(f"{m} has ")]


def _largest(pool: list[str], by: str, mini: bool) -> Step:
    """The candidate with the largest value: the winner so far against the next, pair by pair."""
    best = pool[0]
    for other in pool[1:]:
        said = f"larger {by}" if mini else ""
        seen = yield _call(said, "compare", first=best, second=other, by=by)
        best = other if seen.results[0].text.startswith((f"{other} has ", f"{other} is ")) else best
    return best


def _call(said: str, name: str, **arguments: str | list[str]) -> Message:
    return Message(role="assistant", content=said, calls=(ToolCall(name=name, arguments=arguments),))
