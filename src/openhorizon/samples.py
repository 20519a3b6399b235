"""The attempts of a run that a person may look at: held-out ones, or before there are any, the demonstrations."""

from openhorizon.errors import RunError
from openhorizon.jobs import demonstrations_of
from openhorizon.report.data import Shown
from openhorizon.store import Run


def samples_of(run: Run) -> list[Shown]:
    """Held-out attempts; before there are any, the demonstrations."""
    if run.has("evaluation/samples.jsonl"):
        return run.read_jsonl("evaluation/samples.jsonl", Shown)
    names = [n for n in run.recipe.domains if run.has(f"demonstrations/{n}.jsonl")]
    if not names:
        raise RunError(
            f"{run.dir} holds no trajectories yet; make some with: openhorizon demonstrate {run.name}"
        )
    pairs = [p for n in names for p in demonstrations_of(run, n)]
    return [Shown(model="expert", judged=p.judged, task=p.task) for p in pairs]


def chosen(samples: list[Shown], which: str) -> list[Shown]:
    """The sample of that number or id; one id may have been attempted by several models."""
    if which.isdecimal():
        if int(which) >= len(samples):
            raise RunError(f"there is no trajectory {which}; the last one is {len(samples) - 1}")
        return [samples[int(which)]]
    found = [s for s in samples if s.judged.trajectory.id == which]
    found = found or [s for s in samples if s.judged.trajectory.id.startswith(which)]
    ids = list(dict.fromkeys(s.judged.trajectory.id for s in found))
    if len(ids) != 1:
        why = f"{len(ids)} trajectories begin with" if ids else "no trajectory begins with"
        some = ids or [s.judged.trajectory.id for s in samples]
        raise RunError(f"{why} {which}; there are {', '.join(some[:4])} …: openhorizon show RUN lists all")
    return found
