"""How an attempt is judged: the answer, and that the passages it rests on were really read."""

import re
from collections.abc import Iterator

from openhorizon.domains.search.tools import Desk
from openhorizon.records import Task, ToolResult, Trajectory, Verdict

_TAG = re.compile(r"<answer>(.*?)</answer>", re.S | re.I)
_SAID = re.compile(r"\banswer is:?\s+(.+?)\s*\.?\s*$", re.I | re.M)


def stated(text: str) -> str:
    """The answer a final message states: in the last <answer> tags, else after the last "answer is", else all of it.

    >>> stated("The mayor is Amber Bay. The answer is Amber Bay.")
    'Amber Bay'
    """
    for pattern in (_TAG, _SAID):
        found = pattern.findall(text)
        if found:
            return found[-1].rpartition("answer is ")[2].strip() if pattern is _SAID else found[-1].strip()
    return text.strip()


def same_name(one: str, two: str) -> bool:
    """Equal up to case, spaces, and marks around the name."""

    def folded(name: str) -> str:
        return " ".join(name.split()).strip(" .,;:!?\"'“”‘’«»*_`").casefold()

    return bool(folded(one)) and folded(one) == folded(two)


def verify(task: Task, trajectory: Trajectory, env: Desk) -> Verdict:
    """Parts: "answer" 0 or 1, "evidence" the share of the required passages that read_page returned; passes at 1 and 1."""
    parts = {spec.name: _CHECKS[spec.name](spec.arguments, trajectory) for spec in task.verifiers}
    passed = bool(parts) and all(value == 1.0 for value in parts.values())
    wrong = [name for name, value in parts.items() if value < 1.0]
    why = "" if passed else f"failed: {', '.join(wrong)}"
    return Verdict(score=float(passed), passed=passed, parts=parts, why=why)


def _answer(arguments: dict, trajectory: Trajectory) -> float:
    given = stated(trajectory.answer)
    return float(any(same_name(given, accepted) for accepted in arguments["accept"]))


def _evidence(arguments: dict, trajectory: Trajectory) -> float:
    read = {source for turn in trajectory.turns for result in turn.results for source in pages_read(result)}
    needed = set(arguments["nodes"])
    return len(needed & read) / len(needed)


_CHECKS = {"answer": _answer, "evidence": _evidence}


def pages_read(result: ToolResult) -> tuple[str, ...]:
    """Nodes that a call of read_page returned; the tool says them, so nothing that a model writes can claim them."""
    return result.sources if result.ok and result.call is not None and result.call.name == "read_page" else ()


def verify_step(task: Task, env: Desk, result: ToolResult) -> Verdict | None:
    """A step that read a required passage is right; of the others nothing is said."""
    needed = next((spec.arguments["nodes"] for spec in task.verifiers if spec.name == "evidence"), ())
    if set(needed) & set(pages_read(result)):
        return Verdict(score=1.0, passed=True, parts={"evidence": 1.0}, why="read a required passage")
    return None


def guesses(task: Task) -> Iterator[str]:
    """Even the right answer is worth nothing without having read why."""
    yield from ("", "I do not know.", "Amber Bay", str(task.setup.get("start", "")), task.answer)
    yield f"The answer is {task.answer}."
