"""A study from beginning to end: every arm on every run in worker processes, then the table and the chart."""

from collections.abc import Sequence
from pathlib import Path

from openhorizon.errors import RunError
from openhorizon.files import Folder
from openhorizon.pipeline import Shown
from openhorizon.store import Run
from openhorizon.studies.distillation import Budget, files_of, named, play_arm
from openhorizon.studies.evidence import as_markdown, as_svg, weigh
from openhorizon.workers import Workers


def study(
    runs: Sequence[Run], names: str | None, budget: Budget, out: Path, workers: int, shown: Shown
) -> str:
    """Run what is missing of the study in the folder `out`; the table, as it stands in `study.md` there.

    RunError: a run is not evaluated, two runs are one, or the folder holds a study with another budget.
    """
    arms, folder = named(names), Folder(out)
    for run in runs:
        if not run.stage("evaluation").done:
            raise RunError(f"{run.dir} is not evaluated yet: openhorizon evaluate {run.dir}")
    if len({r.name for r in runs}) < len(runs):
        raise RunError("two of the runs have the same name; give each run once")
    if folder.has("budget.json") and folder.read_json("budget.json", Budget) != budget:
        raise RunError(
            f"{out} holds a study with another budget; name another folder with --out, or delete it"
        )
    folder.write_json("budget.json", budget)
    # arm by arm, so that an interrupted study has whole comparisons first
    todo = [
        (str(run.dir), arm, budget, str(out))
        for arm in arms
        for run in runs
        if not folder.has(files_of(arm.name, run.name)[1])
    ]
    attempts = sum(len(run.recipe.domains) for run in runs) // len(runs) * budget.heldout
    with Workers(workers) as pool, shown("study", len(todo) * attempts) as tick:  # counts evaluated attempts
        pool.run(play_arm, todo, tick)
    evidence = weigh(runs, arms, budget.student_tokens, folder)
    folder.write_json("study.json", evidence)
    text = as_markdown(evidence)
    folder.write_bytes("study.md", text.encode())
    folder.write_bytes("study.svg", as_svg(evidence).encode())
    return text
