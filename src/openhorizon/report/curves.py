"""Learning curves: logged points to small charts, as shapes in a square of 1000 by 1000 that the page stretches.

Points are joined by stage and name: "teachers/search" and "teachers/science" draw into one chart, and so do
"coverage/search" and "coverage/science" of one stage.
"""

import itertools
import math
from collections.abc import Sequence
from typing import Any

from openhorizon.report.data import Metric

FIRST = ("loss", "reward", "success", "sva", "coverage")  # what every reader wants; the rest is folded away
TITLES = {
    "loss": "loss", "sva": "SVA loss", "coverage": "coverage ρ", "lr": "learning rate", "top1": "top-1 agreement",
    "coverage_proxy": "coverage ρ, free proxy", "teacher_mass": "the teacher's mass P", "overlap": "overlap of top-k",
    "coverage_by_status": "coverage ρ by status", "coverage_by_position": "coverage ρ by decile of the attempt",
    "tokens": "tokens learnt from",
}  # fmt: skip
POINTS = 160  # per line in the page
COLOURS = 8  # of the page's palette

Points = list[tuple[float, float]]


def curve_charts(metrics: Sequence[Metric], domains: Sequence[str]) -> list[dict[str, Any]]:
    """One chart per kind of stage and name, in the order of training, with axes, lines and the points to hover over."""
    charts: dict[tuple[str, str], dict[str, Points]] = {}
    for m in metrics:
        stage, _, of_stage = m.stage.partition("/")
        name, _, of_name = m.name.partition("/")
        label = " ".join(part for part in (of_stage, of_name) if part) or name
        charts.setdefault((stage, name), {}).setdefault(label, []).append((m.step, m.value))
    stages = list(dict.fromkeys(stage for stage, _ in charts))
    keys = sorted(
        charts, key=lambda k: (stages.index(k[0]), FIRST.index(k[1]) if k[1] in FIRST else len(FIRST), k[1])
    )
    return [
        _chart(f"curve{i}", stage, name, charts[stage, name], domains) for i, (stage, name) in enumerate(keys)
    ]


def _chart(
    id: str, stage: str, name: str, lines: dict[str, Points], domains: Sequence[str]
) -> dict[str, Any]:
    raw = {label: sorted(points) for label, points in lines.items()}
    smooth = {label: _smoothed(points) for label, points in raw.items()}
    steps = [x for points in raw.values() for x, _ in points]
    left, right = min(steps), max(max(steps), min(steps) + 1)
    ticks = _ticks(*_range(raw, smooth))
    low, high = ticks[0], ticks[-1]

    def path(points: Points) -> str:
        at = ((1000 * (x - left) / (right - left), 1000 * (1 - (y - low) / (high - low))) for x, y in points)
        return "M" + "L".join(f"{x:.0f} {min(max(y, -200), 1200):.0f}" for x, y in at)

    labels = sorted(raw, key=lambda label: (_place(label, domains), label))
    series = [
        {
            "label": label.replace("_", " "),
            "colour": _place(label, domains) % COLOURS if len(raw) > 1 else 0,
            "smooth": path(_thinned(smooth[label])),
            "raw": path(_thinned(raw[label])) if smooth[label] != raw[label] else "",
            "points": [(round(x), float(f"{y:.4g}")) for x, y in _thinned(smooth[label])],
            "last": number(smooth[label][-1][1]),
        }
        for label in labels
    ]
    return {
        "id": id, "stage": stage, "name": TITLES.get(name, name.replace("_", " ")), "main": name in FIRST,
        "x": (left, right), "y": (low, high), "series": series,
        "yticks": [{"at": 100 * (t - low) / (high - low), "text": number(t)} for t in ticks],
        "xticks": [f"{left:,.0f}", f"{right:,.0f}"],
    }  # fmt: skip


def _place(label: str, domains: Sequence[str]) -> int:
    """A label's colour: that of the domain it begins with, else one after the domains'."""
    own = [i for i, d in enumerate(domains) if label == d or label.startswith((d + " ", d + "/"))]
    return own[-1] if own else len(domains)


def _smoothed(points: Points) -> Points:
    """Moving averages over about a twentieth of the line; short lines stay as they are."""
    half = len(points) // 40
    if half == 0:
        return points
    sums = [0.0]
    for _, y in points:
        sums.append(sums[-1] + y)
    spans = ((max(0, i - half), min(len(points), i + half + 1)) for i in range(len(points)))
    return [(x, (sums[b] - sums[a]) / (b - a)) for (x, _), (a, b) in zip(points, spans, strict=True)]


def _thinned(points: Points) -> Points:
    """At most POINTS points: averages of equal runs, the first and the last kept as they are."""
    if len(points) <= POINTS:
        return points
    edges = [1 + round(i * (len(points) - 2) / (POINTS - 2)) for i in range(POINTS - 1)]
    runs = [points[a:b] for a, b in itertools.pairwise(edges) if b > a]
    middle = [(sum(x for x, _ in run) / len(run), sum(y for _, y in run) / len(run)) for run in runs]
    return [points[0], *middle, points[-1]]


def _range(raw: dict[str, Points], smooth: dict[str, Points]) -> tuple[float, float]:
    """What the vertical axis must show: all averages, and the raw points but for the wildest hundredth."""
    values = sorted(y for points in raw.values() for _, y in points)
    averages = [y for points in smooth.values() for _, y in points]
    cut = len(values) // 100
    low, high = min(values[cut], *averages), max(values[-1 - cut], *averages)
    if 0 <= low < 0.5 * high:
        low = 0.0  # an axis that starts near 0 starts at 0
    return low, high


def _ticks(low: float, high: float) -> list[float]:
    """Three to six round numbers that enclose the range."""
    if not high - low > 1e-9 * max(abs(low), abs(high)):
        low, high = low - (abs(low) or 1.0) / 2, high + (abs(high) or 1.0) / 2
    rough = (high - low) / 4
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * k for k in (1, 2, 2.5, 5, 10) if unit * k >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [k * step for k in range(first, last + 1)]


def number(value: float) -> str:
    """A number as a reader wants it: few digits, thousands parted.

    >>> [number(x) for x in (0.0, 0.25, 12345.0, 0.00042, 3.0)]
    ['0', '0.25', '12,345', '4.2e-04', '3']
    """
    if value == 0 or abs(value) < 1e-12:
        return "0"
    if abs(value) < 1e-3:
        return f"{value:.1e}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"
