"""Scores to rates, paired differences and headroom, each with a 95% interval.

Everything here counts `Score.passed`: a task is right or wrong. Models are compared on the same tasks only,
so that the tasks' own difficulty cancels out. Rates carry Wilson intervals, paired differences Tango's score
interval and the exact McNemar test; whatever combines domains or divides differences is bootstrapped over
tasks within domains. All resampling comes from a seed and the names of the domains, never from their order.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from openhorizon.errors import RunError
from openhorizon.evaluation.headroom import Headroom, headroom
from openhorizon.evaluation.intervals import mcnemar, tango, wilson
from openhorizon.evaluation.resampling import Outcomes, outcomes, paired, percentiles, resample
from openhorizon.records import Comparison, Record, Score, Summary

MEAN = "mean"  # the "domain" that stands for the macro average over domains
ROLES = ("base", "sft", "teacher", "student")
PAIRS = (("sft", "base"), ("teacher", "sft"), ("student", "sft"), ("student", "teacher"))


class EvaluationTable(Record, frozen=True, kw_only=True):
    """Everything that is said about a set of scores; what `evaluation/summary.json` holds."""

    summaries: tuple[Summary, ...]
    comparisons: tuple[Comparison, ...] = ()
    headroom: tuple[Headroom, ...] = ()


class Spread(Record, frozen=True, kw_only=True):
    """One number of several runs that differ in their seed alone: mean, standard deviation, t-interval."""

    quantity: str  # "rate", "difference" or "headroom"
    model: str  # "student"; a difference is "student - sft"
    domain: str
    seeds: int  # how many runs have the number
    mean: float
    deviation: float  # sample standard deviation; 0.0 for one seed
    low: float | None = None  # None for one seed
    high: float | None = None


def summary(scores: Iterable[Score], seed: int = 0) -> list[Summary]:
    """One rate per model and domain, and per model the macro average under the domain "mean".

    Order: models, then domains, as they first appear. The average's interval is a stratified bootstrap over
    tasks within domains; where no resample can differ (every domain all right or all wrong) the domains'
    Wilson intervals are combined by squares instead, because a width of 0 would be false.
    """
    rows = []
    for model, domains in outcomes(scores).items():
        own = [_rate(model, domain, tasks) for domain, tasks in domains.items()]
        rows += [*own, _macro(model, own, domains, seed)]
    return rows


def _rate(model: str, domain: str, tasks: Mapping[str, bool]) -> Summary:
    n, right = len(tasks), sum(tasks.values())
    low, high = wilson(right, n)
    p = right / n
    return Summary(
        model=model, domain=domain, n=n, mean=p, standard_error=math.sqrt(p * (1 - p) / n), low=low, high=high
    )  # fmt: skip


def _macro(
    model: str, rates: Sequence[Summary], domains: Mapping[str, Mapping[str, bool]], seed: int
) -> Summary:
    d = len(rates)
    mean = sum(r.mean for r in rates) / d
    resampled = resample([domains], seed)
    low, high = percentiles([r[0] for r in resampled.values()])
    if low == high:
        low = max(0.0, mean - math.hypot(*(r.mean - r.low for r in rates)) / d)
        high = min(1.0, mean + math.hypot(*(r.high - r.mean for r in rates)) / d)
    error = math.hypot(*(r.standard_error for r in rates)) / d
    return Summary(
        model=model, domain=MEAN, n=sum(r.n for r in rates), mean=mean, standard_error=error, low=low, high=high
    )  # fmt: skip


def compare(
    model: str, baseline: str, scores: Iterable[Score], domain: str = MEAN, seed: int = 0
) -> Comparison:
    """The paired difference of the two models' rates on the same tasks, with interval and exact McNemar p.

    In one domain: Tango's score interval. For "mean": macro average over the domains both models were scored
    in, interval by paired stratified bootstrap, p over the tasks of all domains together. RunError names the
    tasks that only one of the two was scored on.
    """
    return _compare(model, baseline, outcomes(scores), domain, seed)


def _compare(model: str, baseline: str, found: Outcomes, domain: str, seed: int) -> Comparison:
    ours, theirs = found.get(model, {}), found.get(baseline, {})
    shared = [d for d in ours if d in theirs and domain in (MEAN, d)]
    if not shared:
        raise RunError(
            f"{model} and {baseline} have no scores to compare in {domain}: evaluate both there first"
        )
    pairs = {d: paired(model, baseline, d, ours[d], theirs[d]) for d in shared}
    gained = sum(a and not b for p in pairs.values() for a, b in p)
    lost = sum(b and not a for p in pairs.values() for a, b in p)
    difference = sum((sum(a for a, _ in p) - sum(b for _, b in p)) / len(p) for p in pairs.values()) / len(
        pairs
    )
    n = sum(len(p) for p in pairs.values())
    if domain == MEAN and len(shared) > 1 and gained + lost:
        resampled = resample([{d: ours[d] for d in shared}, {d: theirs[d] for d in shared}], seed)
        low, high = percentiles([r[0] - r[1] for r in resampled.values()])
    else:
        low, high = tango(gained, lost, n)
    return Comparison(
        model=model, baseline=baseline, domain=domain, n=n, difference=difference, low=low, high=high,
        p_value=mcnemar(gained, lost),
    )  # fmt: skip


def by_role(scores: Iterable[Score]) -> list[Score]:
    """The scores with each teacher in its own domain under the name "teacher"; elsewhere teachers are left out.

    A teacher's name is "teacher/<domain>" or "teachers/<domain>"; a plain "teacher" stays as it is.
    """
    kept = []
    for s in scores:
        head, slash, own = s.model.partition("/")
        if not slash or head not in ("teacher", "teachers"):
            kept.append(s)
        elif own == s.domain:
            kept.append(msgspec.structs.replace(s, model="teacher"))
    return kept


def evaluate_scores(scores: Iterable[Score], seed: int = 0) -> EvaluationTable:
    """Rates, the paired differences PAIRS and the headroom captured, of base, sft, teacher and student.

    Teachers are taken in their own domains (`by_role`). Pairs and headroom of models without scores are left
    out; a pair is compared in the domains that both have. The student is compared with every other model too. RunError where
    their tasks differ.
    """
    kept = by_role(scores)
    found = outcomes(kept)
    comparisons = []
    for model, baseline in (*PAIRS, *(("student", m) for m in found if m not in ROLES)):
        shared = [d for d in found.get(model, {}) if d in found.get(baseline, {})]
        for domain in [*shared, MEAN] if shared else []:
            comparisons.append(_compare(model, baseline, found, domain, seed))
    captured = headroom(*(found.get(m, {}) for m in ("sft", "teacher", "student")), seed=seed)
    return EvaluationTable(
        summaries=tuple(summary(kept, seed)), comparisons=tuple(comparisons), headroom=tuple(captured)
    )


def across_seeds(tables: Sequence[EvaluationTable]) -> list[Spread]:
    """Mean and 95% t-interval over runs that differ in their seed, for every rate, difference and headroom."""
    values: dict[tuple[str, str, str], list[float]] = {}
    for table in tables:
        for s in table.summaries:
            values.setdefault(("rate", s.model, s.domain), []).append(s.mean)
        for c in table.comparisons:
            values.setdefault(("difference", f"{c.model} - {c.baseline}", c.domain), []).append(c.difference)
        for h in table.headroom:
            if h.captured is not None:
                values.setdefault(("headroom", "student", h.domain), []).append(h.captured)
    return [_spread(*key, own) for key, own in values.items()]


def _spread(quantity: str, model: str, domain: str, values: Sequence[float]) -> Spread:
    k = len(values)
    mean = math.fsum(values) / k
    if k == 1:
        return Spread(quantity=quantity, model=model, domain=domain, seeds=1, mean=mean, deviation=0.0)
    from scipy.special import stdtrit

    deviation = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (k - 1))
    half = float(stdtrit(k - 1, 0.975)) * deviation / math.sqrt(k)
    return Spread(
        quantity=quantity, model=model, domain=domain, seeds=k, mean=mean, deviation=deviation,
        low=mean - half, high=mean + half,
    )  # fmt: skip
