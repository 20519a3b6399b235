"""Outcomes of several models on the same tasks, and the bootstrap over those tasks.

The draws come from a seed and the domain's name, never from the order of domains or scores.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING
from zlib import crc32

from openhorizon.errors import RunError
from openhorizon.records import Score

if TYPE_CHECKING:
    import numpy as np

RESAMPLES = 2000

Outcomes = dict[str, dict[str, dict[str, bool]]]  # model -> domain -> task -> passed


def outcomes(scores: Iterable[Score]) -> Outcomes:
    """Right or wrong by model, domain and task; RunError where a model has two scores for one task."""
    found: Outcomes = {}
    for s in scores:
        tasks = found.setdefault(s.model, {}).setdefault(s.domain, {})
        if s.task in tasks:
            raise RunError(
                f"{s.model} has two scores for {s.task}: keep one attempt per task, or average before"
            )
        tasks[s.task] = s.passed
    return found


def paired(
    model: str, baseline: str, domain: str, ours: Mapping[str, bool], theirs: Mapping[str, bool]
) -> list[tuple[bool, bool]]:
    """Outcomes of both on the same tasks, by task id."""
    for one, other, missing in (
        (model, baseline, sorted(ours.keys() - theirs.keys())),
        (baseline, model, sorted(theirs.keys() - ours.keys())),
    ):
        if missing:
            some = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
            raise RunError(
                f"{one} and {other} were not scored on the same tasks of {domain}: {len(missing)} only by {one} "
                f"({some}); evaluate both on the same tasks"
            )
    return [(ours[t], theirs[t]) for t in sorted(ours)]


def resample(models: Sequence[Mapping[str, Mapping[str, bool]]], seed: int) -> dict[str, "np.ndarray"]:
    """Rates [M, RESAMPLES] per domain over tasks drawn with replacement, the same tasks for all M models."""
    import numpy as np

    found = {}
    for domain, tasks in models[0].items():
        ids = sorted(tasks)
        passed_MN = np.array([[m[domain][t] for t in ids] for m in models], dtype=np.float32)
        drawn = np.random.default_rng([seed, crc32(domain.encode())]).integers(
            0, len(ids), (RESAMPLES, len(ids))
        )
        found[domain] = passed_MN[:, drawn].mean(axis=2, dtype=np.float64)
    return found


def percentiles(per_domain: "Sequence[np.ndarray]") -> tuple[float, float]:
    """The 95% percentile interval of the average over domains, each [RESAMPLES]."""
    import numpy as np

    low, high = np.quantile(np.mean(np.stack(per_domain), axis=0), [0.025, 0.975])
    return float(low), float(high)
