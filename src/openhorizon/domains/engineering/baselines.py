"""What a solver without judgement would reach: always the same model, always the same place in the instruction."""

from collections.abc import Iterable

from openhorizon.domains.domain import Resources
from openhorizon.domains.engineering.data import competition
from openhorizon.domains.engineering.grade import private_score, reward, run
from openhorizon.domains.engineering.programs import FAMILIES
from openhorizon.records import Task


def always_the_same(tasks: Iterable[Task], resources: Resources) -> dict[str, float]:
    """Policy -> share of mini tasks whose reward it passes, trials being granted to it for nothing.

    "always tree": the model named tree where the task names it (patched where it is patched), else the first one.
    "always first", "always last": by place in the instruction. All real runs, in the sandbox.
    """
    names = [f"always {name}" for name in (*FAMILIES, "first", "last")]
    passed = dict.fromkeys(names, 0)
    count = 0
    for task in tasks:
        count += 1
        good = _passing(task, resources)
        tries = [t.split()[0] for t in task.setup["tries"]]
        for name in names:
            model = name.removeprefix("always ")
            place = {"first": 0, "last": len(tries) - 1}.get(
                model, tries.index(model) if model in tries else 0
            )
            passed[name] += good[place + len(tries) if task.setup["then"] else place]
    return {name: n / max(1, count) for name, n in passed.items()}


def _passing(task: Task, resources: Resources) -> list[bool]:
    """Which of the task's programs, first tries then patches, would pass."""
    given = competition(task.private["data"], task.private["seed"], "mini")
    runs = [run(p, given, "mini", resources.sandbox) for p in task.private["programs"]]
    strong = max(private_score(r, given) for r in runs)
    return [reward(r, given, strong) >= task.private["pass"] for r in runs]
