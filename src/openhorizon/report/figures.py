"""The page's tables and still figures: positions in percent of the width, texts ready to print.

Nothing here knows HTML. `page.jinja` draws what these functions lay out, and escapes it.
"""

import math
from collections.abc import Sequence
from typing import Any

from openhorizon.evaluation.headroom import MEAN_OF_RATIOS, RATIO_OF_MEANS
from openhorizon.evaluation.statistics import MEAN, ROLES, EvaluationTable
from openhorizon.evaluation.tables import domains_of, models_of, title
from openhorizon.records import Comparison, Score, Summary
from openhorizon.report.data import GraphCounts, Play, Stage

KINDS = (
    "evidence",
    "entity",
    "fact",
    "constraint",
    "resource",
    "action",
    "observation",
    "verdict",
    "artifact",
)
PAIRS = (("teacher", "sft"), ("student", "sft"), ("student", "teacher"))  # what the page compares


def words(name: str) -> str:
    """A name as words: "scientific_agentic" is "scientific agentic"."""
    return name.replace("_", " ")


def percent(value: float, digits: int = 1) -> str:
    """A rate in percent, with a true minus sign."""
    return f"{round(100 * value, digits) + 0.0:.{digits}f}".replace("-", "−")  # + 0.0: no minus before 0


def signed(value: float) -> str:
    """A difference in points, with its sign."""
    return f"{100 * value:+.1f}".replace("-", "−")


def duration(seconds: float) -> str:
    """Seconds as a person says them.

    >>> [duration(s) for s in (0.4, 8.25, 75, 3720)]
    ['0.4 s', '8.2 s', '1 min 15 s', '1 h 02 min']
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def role(model: str) -> str:
    """The style of a model's marks: its role, or "other"."""
    return model if model in ROLES else "other"


def results(table: EvaluationTable) -> dict[str, Any]:
    """Table and forest plot: a row per domain and the mean, a cell per model with rate, interval, place of the marks."""
    models, found = models_of(table), {(s.model, s.domain): s for s in table.summaries}
    room = {MEAN if h.domain == RATIO_OF_MEANS else h.domain: h for h in table.headroom}
    rows = []
    for domain in (*domains_of(table), MEAN):
        own = [found.get((m, domain)) for m in models]
        best = max((s.mean for s in own if s), default=0.0)
        captured = room.get(domain)
        rows.append(
            {
                "domain": words(domain),
                "mean": domain == MEAN,
                "tasks": max((s.n for s in own if s), default=0),
                "cells": [_cell(m, s, best) for m, s in zip(models, own, strict=True)],
                "captured": "–"
                if captured is None or captured.captured is None
                else percent(captured.captured, 0),
                "why": captured.why if captured else "",
            }
        )
    return {
        "models": [{"name": title(m), "role": role(m)} for m in models], "rows": rows,
        "headroom": bool(room),
    }  # fmt: skip


def _cell(model: str, s: Summary | None, best: float) -> dict[str, Any] | None:
    if s is None:
        return None
    return {
        "model": title(model), "role": role(model), "rate": percent(s.mean),
        "interval": f"{percent(s.low)}–{percent(s.high)}", "best": s.mean == best > 0,
        "at": 100 * s.mean, "low": 100 * s.low, "high": 100 * s.high,
    }  # fmt: skip


def differences(table: EvaluationTable) -> list[dict[str, Any]]:
    """One panel per pair of models, all on one axis: the paired differences with their intervals."""
    others = (("student", m) for m in models_of(table) if m not in ROLES)
    pairs = (*PAIRS, *others)
    shown = [c for c in table.comparisons if (c.model, c.baseline) in pairs]
    if not shown:
        return []
    low, high = _ends(min(0.0, *(c.low for c in shown)), max(0.0, *(c.high for c in shown)))
    panels = []
    for model, baseline in pairs:
        own = [c for c in shown if (c.model, c.baseline) == (model, baseline)]
        if own:
            name = f"{title(model)} − {title(baseline)}"
            rows = [_difference(c, low, high) for c in own]
            panels.append({"title": name, "role": role(model), "rows": rows, **_axis(low, high)})
    return panels


def _difference(c: Comparison, low: float, high: float) -> dict[str, Any]:
    p = "p < 0.001" if c.p_value < 0.001 else f"p = {c.p_value:.3f}"
    return {
        "domain": words(c.domain), "mean": c.domain == MEAN, "value": signed(c.difference), "n": c.n,
        "interval": f"{signed(c.low)} to {signed(c.high)}", "short": f"{percent(c.low)} to {percent(c.high)}", "p": p, "sure": c.low > 0 or c.high < 0,
        "at": _at(c.difference, low, high), "low": _at(c.low, low, high), "high": _at(c.high, low, high),
    }  # fmt: skip


def captured(table: EvaluationTable) -> dict[str, Any] | None:
    """The headroom figure: the student's place between SFT (0) and the teacher (1), and the two sums over domains."""
    if not table.headroom:
        return None
    ends = [x for h in table.headroom for x in (h.captured, h.low, h.high) if x is not None]
    low, high = _ends(max(-0.5, min([0.0, *ends])), min(1.6, max([1.0, *ends])), 0.25)
    rows = []
    for h in table.headroom:
        sure = h.low is not None and h.high is not None
        rows.append(
            {
                "domain": words(h.domain),
                "sum": h.domain in (MEAN_OF_RATIOS, RATIO_OF_MEANS),
                "why": h.why,
                "value": "–" if h.captured is None else f"{percent(h.captured, 0)}%",
                "interval": f"{percent(h.low or 0.0, 0)}–{percent(h.high or 0.0, 0)}" if sure else "",
                "at": None if h.captured is None else _at(h.captured, low, high),
                "low": _at(h.low or 0.0, low, high) if sure else None,
                "high": _at(h.high or 0.0, low, high) if sure else None,
                "rates": f"{percent(h.sft)} → {percent(h.student)} of {percent(h.teacher)}",
            }
        )
    return {
        "rows": rows,
        "zero": _at(0.0, low, high),
        "one": _at(1.0, low, high),
        **_axis(low, high, 0.25, "%"),
    }


def _ends(low: float, high: float, step: float = 0.1) -> tuple[float, float]:
    """The range widened to whole steps."""
    return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step


def _at(value: float, low: float, high: float) -> float:
    """Place in percent of the axis, held within it."""
    return round(min(100.0, max(0.0, 100 * (value - low) / (high - low))), 2)


def _axis(low: float, high: float, step: float = 0.1, unit: str = "") -> dict[str, Any]:
    while (high - low) / step > 6:
        step *= 2
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    ticks = [
        {"at": _at(k * step, low, high), "text": percent(k * step, 0) + unit} for k in range(first, last + 1)
    ]
    return {"ticks": ticks, "origin": _at(0.0, low, high)}


def lengths(scores: Sequence[Score], domains: Sequence[str]) -> dict[str, Any] | None:
    """Histograms of tokens and of turns per trajectory and domain: the student's as bars, SFT's as an outline."""
    found = list(dict.fromkeys(s.model for s in scores))
    models = [m for m in ("student", "sft") if m in found] or found[-1:]
    if not models:
        return None
    rows = []
    for domain in domains:
        own = {m: [s for s in scores if s.model == m and s.domain == domain] for m in models}
        if any(own.values()):
            tokens = _histogram({m: [s.tokens for s in group] for m, group in own.items()}, 24)
            turns = _histogram({m: [s.turns for s in group] for m, group in own.items()}, 16)
            rows.append(
                {"domain": words(domain), "charts": [{"of": "tokens", **tokens}, {"of": "turns", **turns}]}
            )
    legend = [{"name": title(m), "role": role(m), "bars": i == 0} for i, m in enumerate(models)]
    return {"rows": rows, "models": legend}


def _histogram(values: dict[str, list[int]], most: int) -> dict[str, Any]:
    """Shares per bin, as heights in percent of the highest bar of all models."""
    every = sorted(v for own in values.values() for v in own)
    low, high = every[0], every[-1]
    width = max(1, math.ceil((high - low + 1) / most))
    bins = (high - low) // width + 1
    shares = {m: [0.0] * bins for m in values}
    for model, own in values.items():
        for v in own:
            shares[model][(v - low) // width] += 1 / len(own)
    top = max(max(s) for s in shares.values())
    series = []
    for i, (model, own) in enumerate(values.items()):
        heights = [round(100 * s / top, 1) for s in shares[model]]
        middle = sorted(own)[len(own) // 2] if own else 0
        series.append({"role": role(model), "bars": i == 0, "heights": heights, "median": f"{middle:,}"})
    path = "".join(f"V{100 - h:.1f}H{1000 * (i + 1) / bins:.0f}" for i, h in enumerate(series[-1]["heights"]))
    labels = [
        f"{low + i * width:,}" if width == 1 else f"{low + i * width:,}–{low + (i + 1) * width - 1:,}"
        for i in range(bins)
    ]
    return {
        "series": series, "outline": f"M0 100{path}V100" if len(series) > 1 else "", "bins": bins, "labels": labels,
        "low": f"{low:,}", "high": f"{high:,}",
    }  # fmt: skip


def rejections(plays: Sequence[Play]) -> dict[str, Any]:
    """Stacked bars: of each domain's proposals, the share accepted and the share each check rejected."""
    totals: dict[str, int] = {}
    for p in plays:
        for reason, n in p.rejected.items():
            totals[reason] = totals.get(reason, 0) + n
    reasons = sorted(totals, key=lambda r: (-totals[r], r))
    rows = []
    for p in plays:
        counted = p.accepted + sum(p.rejected.values())
        parts = [
            ("accepted", p.accepted, "good"),
            *((r, p.rejected.get(r, 0), f"r{i % 7}") for i, r in enumerate(reasons)),
        ]
        if p.proposed > counted:
            parts.append(("not counted", p.proposed - counted, "rest"))
        whole = max(p.proposed, counted, 1)
        drawn, left = [], 0.0
        for name, n, style in parts:
            if n:
                share = 100 * n / whole
                drawn.append(
                    {
                        "name": words(name),
                        "n": f"{n:,}",
                        "share": f"{share:.1f}",
                        "left": left,
                        "width": share,
                        "style": style,
                    }
                )
                left += share
        rate = f"{100 * p.accepted / whole:.0f}%"
        rows.append(
            {
                "domain": words(p.domain),
                "parts": drawn,
                "rate": rate,
                "accepted": f"{p.accepted:,}",
                "proposed": f"{p.proposed:,}",
            }
        )
    legend = [{"name": "accepted", "style": "good", "n": f"{sum(p.accepted for p in plays):,}"}]
    legend += [{"name": words(r), "style": f"r{i % 7}", "n": f"{totals[r]:,}"} for i, r in enumerate(reasons)]
    return {"rows": rows, "legend": legend}


def graph_tables(counts: GraphCounts) -> dict[str, Any]:
    """Nodes by domain and kind, shaded by their logarithm, and bars of edges by kind."""
    seen = {kind for row in counts.nodes.values() for kind in row}
    kinds = [k for k in KINDS if k in seen] + sorted(seen - set(KINDS))
    top = math.log1p(max((n for row in counts.nodes.values() for n in row.values()), default=1)) or 1.0
    rows = [
        {
            "domain": words(domain), "all": f"{sum(own.values()):,}",
            "cells": [{"n": f"{own[k]:,}" if own.get(k) else "", "shade": round(math.log1p(own.get(k, 0)) / top, 3)} for k in kinds],
        }
        for domain, own in counts.nodes.items()
    ]  # fmt: skip
    sums = [f"{sum(own.get(k, 0) for own in counts.nodes.values()):,}" for k in kinds]
    most = max(counts.edges.values(), default=1) or 1
    ordered = sorted(counts.edges.items(), key=lambda e: (-e[1], e[0]))
    edges = [{"kind": words(k), "n": f"{n:,}", "width": round(100 * n / most, 2)} for k, n in ordered]
    nodes = sum(sum(own.values()) for own in counts.nodes.values())
    return {
        "kinds": kinds,
        "rows": rows,
        "sums": sums,
        "edges": edges,
        "nodes": f"{nodes:,}",
        "all": f"{sum(counts.edges.values()):,}",
    }


def timeline(stages: Sequence[Stage]) -> dict[str, Any] | None:
    """The stages side by side, each as wide as it took."""
    if not stages:
        return None
    whole = sum(s.seconds for s in stages)
    rows, left = [], 0.0
    for i, s in enumerate(stages):
        width = 100 * s.seconds / whole if whole else 100 / len(stages)
        said = [{"name": words(k), "value": _said(v)} for k, v in s.summary.items()]
        rows.append(
            {
                "name": words(s.name),
                "took": duration(s.seconds),
                "short": words(s.name.partition("/")[2] or s.name),
                "left": left,
                "width": width,
                "shade": i % 8,
                "said": said,
            }
        )
        left += width
    return {"rows": rows, "total": duration(whole)}


def _said(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return value if isinstance(value, str) else str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"
