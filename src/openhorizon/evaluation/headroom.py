"""Headroom captured: how much of the way from SFT to the teachers the one student went, with intervals.

A ratio of noisy differences: resampled over tasks, jointly for the three models, and undefined where the
teacher is not above SFT.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from openhorizon.evaluation.resampling import paired, resample
from openhorizon.records import Record

if TYPE_CHECKING:
    import numpy as np

MEAN_OF_RATIOS = "mean of ratios"  # the "domains" of the two ways to sum headroom up
RATIO_OF_MEANS = "ratio of means"


class Headroom(Record, frozen=True, kw_only=True):
    """How much of the way from SFT to the teacher the student went: (student - sft) / (teacher - sft)."""

    domain: str  # or MEAN_OF_RATIOS, RATIO_OF_MEANS
    n: int  # tasks
    domains: int = 1  # how many domains entered
    sft: float  # rates in [0, 1]; for the two sums: macro averages over the domains that entered
    teacher: float
    student: float
    captured: float | None = None  # 1.0: all of it; None: there is no headroom to capture
    low: float | None = None  # None: unbounded at 95%, or undefined
    high: float | None = None
    why: str = ""  # why a number is missing, or which domains were left out; "" where nothing is


def headroom(
    sft: Mapping[str, Mapping[str, bool]],
    teacher: Mapping[str, Mapping[str, bool]],
    student: Mapping[str, Mapping[str, bool]],
    *,
    floor: float = 0.0,
    seed: int = 0,
) -> list[Headroom]:
    """Headroom captured per domain, then MEAN_OF_RATIOS and RATIO_OF_MEANS. Arguments: domain -> task -> passed.

    Undefined where the teacher is not more than `floor` above SFT. MEAN_OF_RATIOS averages the domains that have
    headroom and names those left out; RATIO_OF_MEANS divides the macro averages over all domains and so leaves
    none out. Intervals: percentiles over resamples of the tasks, the same tasks for all three models; a resample
    without headroom counts beyond both ends, so an interval that cannot be bounded is None and says why.
    """
    domains = [d for d in sft if d in teacher and d in student]
    for d in domains:
        paired("teacher", "sft", d, teacher[d], sft[d])
        paired("student", "sft", d, student[d], sft[d])
    if not domains:
        return []
    resampled = resample([{d: m[d] for d in domains} for m in (sft, teacher, student)], seed)
    own = [_captured(d, _rates(d, sft, teacher, student), resampled[d], len(sft[d]), floor) for d in domains]
    return [*own, _mean_of_ratios(own, resampled, floor), _ratio_of_means(own, resampled, floor)]


def _rates(domain: str, *models: Mapping[str, Mapping[str, bool]]) -> tuple[float, ...]:
    return tuple(sum(m[domain].values()) / len(m[domain]) for m in models)


def _captured(domain: str, rates: Sequence[float], resampled: "np.ndarray", n: int, floor: float) -> Headroom:
    sft, teacher, student = rates
    if not teacher - sft > floor:
        why = f"no headroom: teacher {teacher:.1%}, SFT {sft:.1%}"
        return Headroom(domain=domain, n=n, sft=sft, teacher=teacher, student=student, why=why)
    low, high, why = _ratio_interval(_ratio(resampled, floor))
    return Headroom(
        domain=domain, n=n, sft=sft, teacher=teacher, student=student, captured=(student - sft) / (teacher - sft),
        low=low, high=high, why=why,
    )  # fmt: skip


def _mean_of_ratios(own: Sequence[Headroom], resampled: Mapping[str, "np.ndarray"], floor: float) -> Headroom:
    entered = [h for h in own if h.captured is not None]
    left = ", ".join(h.domain for h in own if h.captured is None)
    why = f"without {left}: no headroom there" if left else ""
    if not entered:
        return _sum_up(MEAN_OF_RATIOS, own, captured=None, low=None, high=None, why="no domain has headroom")
    low, high, wide = _ratio_interval(*(_ratio(resampled[h.domain], floor) for h in entered))
    captured = sum(h.captured or 0.0 for h in entered) / len(entered)
    return _sum_up(
        MEAN_OF_RATIOS,
        entered,
        captured=captured,
        low=low,
        high=high,
        why="; ".join(w for w in (why, wide) if w),
    )


def _ratio_of_means(own: Sequence[Headroom], resampled: Mapping[str, "np.ndarray"], floor: float) -> Headroom:
    means = _sum_up(RATIO_OF_MEANS, own, captured=None, low=None, high=None, why="")
    if not means.teacher - means.sft > floor:
        return _sum_up(RATIO_OF_MEANS, own, captured=None, low=None, high=None, why="no headroom on average")
    low, high, why = _ratio_interval(_ratio(_average([resampled[h.domain] for h in own]), floor))
    captured = (means.student - means.sft) / (means.teacher - means.sft)
    return _sum_up(RATIO_OF_MEANS, own, captured=captured, low=low, high=high, why=why)


def _sum_up(
    name: str,
    own: Sequence[Headroom],
    *,
    captured: float | None,
    low: float | None,
    high: float | None,
    why: str,
) -> Headroom:
    d = len(own)
    return Headroom(
        domain=name, n=sum(h.n for h in own), domains=d, sft=sum(h.sft for h in own) / d,
        teacher=sum(h.teacher for h in own) / d, student=sum(h.student for h in own) / d,
        captured=captured, low=low, high=high, why=why,
    )  # fmt: skip


def _ratio(rates: "np.ndarray", floor: float) -> "np.ndarray":
    """(student - sft) / (teacher - sft) for rates [sft, teacher, student; R]; NaN without headroom."""
    import numpy as np

    room = rates[1] - rates[0]
    return np.where(room > max(floor, 1e-9), (rates[2] - rates[0]) / np.where(room == 0, 1.0, room), np.nan)


def _average(arrays: "Sequence[np.ndarray]") -> "np.ndarray":
    import numpy as np

    return np.mean(np.stack(arrays), axis=0)


def _ratio_interval(*per_domain: "np.ndarray") -> tuple[float | None, float | None, str]:
    """Percentiles of the average ratio, undefined resamples counted beyond both ends; None where unbounded."""
    import numpy as np

    ratios = _average(per_domain)
    undefined = np.isnan(ratios)
    share = float(undefined.mean())
    if share >= 0.025:
        return None, None, f"interval unbounded: no headroom in {share:.0%} of resamples"
    low = float(np.quantile(np.where(undefined, -np.inf, ratios), 0.025, method="higher"))
    high = float(np.quantile(np.where(undefined, np.inf, ratios), 0.975, method="lower"))
    return low, high, ""
