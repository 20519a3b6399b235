"""How an attempt is judged: number and unit by pint, and that what had to be looked up was looked up."""

from openhorizon.domains.domain import Resources
from openhorizon.domains.science.formulas import evaluate
from openhorizon.domains.science.handbook import DOMAIN, LAW, VALUE
from openhorizon.domains.science.quantities import quantity, same, unit
from openhorizon.domains.science.tools import Bench
from openhorizon.records import Task, ToolResult, Trajectory, Verdict


def verify(task: Task, trajectory: Trajectory, env: Bench) -> Verdict:
    """Passed: the right quantity in any unit of its dimension, and every needed entry of the handbook was read.

    parts: `number` (right as written, in the unit asked for), `unit` (of the right dimension), `consulted` (share of
    the needed entries that were read).
    """
    spec = {v.name: v.arguments for v in task.verifiers}
    wanted, needed = spec["quantity"], spec.get("consulted", {}).get("nodes", ())
    factor, dimension = unit(wanted["unit"]) or (1.0, "")
    number, value = quantity(trajectory.answer, dimension)
    close = value is not None and same(value, wanted["value"] * factor, wanted["tolerance"])
    read = {s for turn in trajectory.turns for result in turn.results for s in result.sources}
    consulted = sum(node in read for node in needed) / len(needed) if needed else 1.0
    parts = {
        "number": float(number is not None and (close or same(number, wanted["value"], wanted["tolerance"]))),
        "unit": float(value is not None),
        "consulted": consulted,
    }
    passed = close and consulted == 1.0
    why = "" if passed else _why(parts, close)
    return Verdict(score=float(passed), passed=passed, parts=parts, why=why)


def _why(parts: dict[str, float], close: bool) -> str:
    if close:
        return "the answer is right, but not everything was looked up"
    if not parts["unit"]:
        return "the answer has no quantity in a fitting unit"
    return "the quantity is wrong"


def verify_step(task: Task, env: Bench, result: ToolResult) -> Verdict | None:
    """0 for a call that failed; 1 for one that read needed evidence or applied a needed formula; else silent."""
    if not result.ok:
        return Verdict(score=0.0, passed=False, why=result.text)
    if any(e.node in result.sources for e in task.evidence):
        return Verdict(score=1.0, passed=True)
    return None


def guesses(task: Task) -> tuple[str, ...]:
    """What a lazy solver would write: nothing, the bare number, a wrong unit, a value of the question."""
    from openhorizon.domains.science.expert import givens

    number, _, asked = task.answer.partition(" ")
    wrong = "kg" if asked not in ("kg", "g") else "m"
    return (
        "",
        number,
        f"{number} {wrong}",
        *(f"{value} {asked}" for value in givens(task).values()),
        f"1 {asked}",
    )


def shortcut(task: Task, resources: Resources) -> str:
    """Why the task is ambiguous or can be solved without its work: "" where neither is so."""
    from openhorizon.domains.science.expert import givens

    values = givens(task)
    number = float(task.answer.split(" ")[0])
    needed = {v.name: v.arguments for v in task.verifiers}["consulted"]["nodes"]
    if any(same(float(v), number, 0.01) for v in values.values()):
        return "the answer is a value of the question"
    for piece in task.evidence:
        title = piece.node.rsplit("/", 1)[-1]
        page = resources.index.page(title, domain=DOMAIN)
        if page is None or page.id != piece.node:
            return f"the handbook's entry for {title} is not the only one"
        stated = VALUE.findall(page.text) if piece.node in needed else []
        if any(q in values for q, _, _ in stated):
            return f"{title} states a quantity that the question gives"
        if any(same(float(v), number, 0.01) for _, v, _ in stated):
            return f"the answer stands in the entry {title}"
        if _law_hides(page.text, values, number):
            return f"the law {title} gives the same with its factors swapped"
    return ""


def _law_hides(text: str, values: dict[str, str], number: float) -> bool:
    """Whether copying a law's factors in the wrong order gives the same number."""
    law = LAW.match(text)
    if not law:
        return False
    words = law[1].split(" = ")[1].split()
    if len(words) != 7 or any(w not in values for w in (words[0], words[4])):
        return False
    words[2], words[6] = words[6], words[2]
    return same(evaluate(" ".join(words), {q: float(v) for q, v in values.items()}), number, 0.001)
