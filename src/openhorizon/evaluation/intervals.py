"""95% intervals and tests of counts of right and wrong, in closed form: one rate, one paired difference."""

import math

Z = 1.959963984540054  # 97.5% quantile of the normal distribution


def wilson(successes: int, n: int) -> tuple[float, float]:
    """The 95% score interval of a rate (Wilson 1927); (0, 1) where nothing was tried.

    >>> tuple(round(x, 4) for x in wilson(5, 10))
    (0.2366, 0.7634)
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n} is not a count: give 0 <= successes <= n")
    if n == 0:
        return 0.0, 1.0
    p, z2 = successes / n, Z * Z
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return (0.0 if successes == 0 else centre - half), (1.0 if successes == n else centre + half)


def tango(gained: int, lost: int, n: int) -> tuple[float, float]:
    """The 95% score interval of the paired difference (gained - lost) / n of `n` tasks.

    `gained`: only the model passes; `lost`: only the baseline does. T. Tango, "Equivalence test and confidence
    interval for the difference in proportions for the paired-sample design", Statistics in Medicine 17 (1998);
    one of those recommended by Fagerland, Lydersen, Laake (2014). It holds its level for small counts, stays
    in [-1, 1], keeps a width where no task differs, and excludes 0 exactly where McNemar's chi-square does.

    >>> tuple(round(x, 3) for x in tango(1, 7, 21))  # the airway example of Fagerland et al.
    (-0.517, -0.026)
    """
    if gained < 0 or lost < 0 or gained + lost > n or n == 0:
        raise ValueError(f"{gained} gained and {lost} lost of {n} tasks are not counts of paired tasks")
    observed = (gained - lost) / n
    return _root(gained, lost, n, -1.0, observed, Z), _root(gained, lost, n, observed, 1.0, -Z)


def _root(b: int, c: int, n: int, left: float, right: float, wanted: float) -> float:
    """Where the score statistic, which falls with the difference, takes the wanted value."""
    for _ in range(60):
        middle = (left + right) / 2
        if _score_statistic(b, c, n, middle) > wanted:
            left = middle
        else:
            right = middle
    return (left + right) / 2


def _score_statistic(b: int, c: int, n: int, delta: float) -> float:
    """Tango's statistic: distance of the observed difference from `delta` over its error under `delta`."""
    linear = -b - c + (2 * n - b + c) * delta
    root = math.sqrt(max(0.0, linear * linear + 8 * n * c * delta * (1 - delta)))
    lost_rate = (root - linear) / (4 * n)  # most likely share of lost tasks, were delta the truth
    variance = n * (2 * lost_rate + delta * (1 - delta))
    distance = b - c - n * delta
    return distance / math.sqrt(variance) if variance > 1e-12 else math.copysign(math.inf, distance)


def mcnemar(gained: int, lost: int) -> float:
    """Two-sided exact p of the sign test over the tasks that differ; 1.0 where none does.

    >>> round(mcnemar(1, 7), 4)
    0.0703
    """
    n = gained + lost
    tail = sum(math.comb(n, k) for k in range(min(gained, lost) + 1))
    return min(1.0, 2 * tail / 2**n)
