"""Playing ahead of the trainer: the groups of the next steps are played in a thread of their own while the model learns.

The groups of step t are begun no sooner than t − s steps are done, s being the staleness. What they are written by is
never older than version t − s, since an engine's version only grows; it may be newer, and may change between turns.

After a kill, steps that were played but not learnt from are played again by the checkpoint's weights: no step is lost or
learnt from twice and the bound holds, but which version writes which turn is a matter of time, so that with s > 0 two
runs of the same seed are not the same bytes.
"""

import threading
from collections.abc import Callable, Sequence

import torch

from openhorizon.engines.updating import version_of
from openhorizon.records import Group, Judged


class Ahead:
    """Groups by step, from `draw(step)` called in a thread, in the order of steps from `start` to before `steps`."""

    def __init__(self, draw: Callable[[int], list[Group]], start: int, steps: int, staleness: int) -> None:
        self._draw, self._range, self._staleness = draw, range(start, steps), staleness
        self._state = threading.Condition()
        self._ready: dict[int, list[Group]] = {}
        self._done, self._over = start, False
        self._broken: BaseException | None = None
        self._threads = torch.get_num_threads()  # a new thread would take the machine's
        threading.Thread(target=self._play, name="rollouts", daemon=True).start()

    def take(self, step: int) -> list[Group]:
        """The step's groups; waits for them. Raises what the playing raised."""
        with self._state:
            self._state.wait_for(lambda: step in self._ready or self._broken is not None)
            if step not in self._ready:
                assert self._broken is not None
                raise self._broken
            return self._ready.pop(step)

    def learnt(self, steps: int) -> None:
        """So many steps are done, and the engine writes by their weights."""
        with self._state:
            self._done = steps
            self._state.notify_all()

    def close(self) -> None:
        """No further step is begun."""
        with self._state:
            self._over = True
            self._state.notify_all()

    def _play(self) -> None:
        torch.set_num_threads(self._threads)
        try:
            for step in self._range:
                with self._state:
                    self._state.wait_for(lambda: self._over or self._done >= step - self._staleness)  # noqa: B023
                    if self._over:
                        return
                groups = self._draw(step)
                with self._state:
                    self._ready[step] = groups
                    self._state.notify_all()
        except BaseException as error:
            with self._state:
                self._broken = error
                self._state.notify_all()


def ages(judged: Judged, step: int) -> list[tuple[int, int]]:
    """(steps behind, tokens) of each turn of the attempt, for the trainer's step."""
    written = [turn.completion for turn in judged.trajectory.turns]
    return [(step - version_of(c.policy), len(c.token_ids)) for c in written]


def fresh(groups: Sequence[Group], step: int, staleness: int) -> tuple[list[Group], dict[str, float]]:
    """The groups without attempts of which any turn is older than the bound, and what to log: mean and most staleness over
    the tokens that are left, and how many attempts were dropped."""
    from msgspec.structs import replace

    kept, dropped = [], 0
    for group in groups:
        young = tuple(j for j in group.judged if all(0 <= age <= staleness for age, _ in ages(j, step)))
        dropped += len(group.judged) - len(young)
        if young:
            kept.append(replace(group, judged=young))
    turns = [turn for g in kept for j in g.judged for turn in ages(j, step)]
    tokens = sum(n for _, n in turns)
    return kept, {
        "staleness": sum(age * n for age, n in turns) / max(1, tokens),
        "staleness_max": float(max((age for age, _ in turns), default=0)),
        "dropped_as_stale": float(dropped),
    }
