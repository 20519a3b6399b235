"""The report: one HTML page that holds everything it needs and asks nothing of the network.

What models wrote is hostile. The template escapes every text, data for the script is JSON in which no tag can
begin, the script sets texts and never markup, and the page's own policy allows no script but this one.
"""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

from openhorizon.evaluation.statistics import MEAN, EvaluationTable
from openhorizon.evaluation.tables import domains_of, models_of, title
from openhorizon.report import figures
from openhorizon.report.curves import curve_charts
from openhorizon.report.data import ReportData
from openhorizon.report.text import visible
from openhorizon.report.trajectories import attempts, provenance

HERE = Path(__file__).parent


def build(data: ReportData) -> str:
    """The report as one self-contained HTML document, at most about 2 MB. Parts that `data` lacks are replaced by a
    line that says so."""
    import jinja2

    loader = jinja2.FileSystemLoader(HERE)
    env = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    env.undefined = jinja2.StrictUndefined
    env.finalize = _printed
    script = (HERE / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    view = _view(data)
    return env.get_template("page.jinja").render(
        **view, style=(HERE / "page.css").read_text(encoding="utf-8"), script=script, digest=digest
    )


def _printed(value: Any) -> Any:
    """What an expression of the template prints: control characters spelled out; markup is only the template's own."""
    return visible(value) if type(value) is str else value


def _view(data: ReportData) -> dict[str, Any]:
    """Everything the template prints and the script reads."""
    domains = _domains(data)
    shown = attempts(data.samples)
    stories = provenance(data.accepted, data.samples)
    charts = curve_charts(data.metrics, domains)
    table = data.table
    return {
        "name": visible(data.name, 100),
        "recipe": visible(str(data.recipe.get("name") or data.name), 100),
        "facts": _facts(data),
        "settings": [(k, visible(v, 300)) for k, v in _flat(data.recipe)],
        "environment": [(figures.words(k), visible(v, 300)) for k, v in data.environment.items()],
        "notes": {p: [visible(n.text, 400) for n in data.notes if n.part == p] for p in _PARTS},
        "timeline": figures.timeline(data.stages),
        "headline": _headline(table) if table else None,
        "cards": _cards(table) if table else [],
        "results": figures.results(table) if table else None,
        "differences": figures.differences(table) if table else [],
        "captured": figures.captured(table) if table else None,
        "charts": charts,
        "lengths": figures.lengths(data.scores, domains),
        "rejections": figures.rejections(data.selfplay) if data.selfplay else None,
        "graph": figures.graph_tables(data.graph) if data.graph else None,
        "stories": stories,
        "stories_of": "accepted" if data.accepted else "solved held-out",
        "samples": shown,
        "held_back": len(data.samples) - len(shown),
        "payload": _inert(
            {"charts": [_hover(c) for c in charts], "samples": shown, "stories": stories}
        ),
    }  # fmt: skip


_PARTS = ("recipe", "stages", "metrics", "scores", "table", "samples", "selfplay", "graph")


def _domains(data: ReportData) -> list[str]:
    """Every domain the run speaks of, in the order of its table."""
    found = list(domains_of(data.table)) if data.table else []
    found += [s.domain for s in data.scores] + [p.domain for p in data.selfplay]
    found += [m.name.partition("/")[2] for m in data.metrics if m.name.startswith(("coverage/", "sva/"))]
    return list(dict.fromkeys(d for d in found if d))


def _facts(data: ReportData) -> list[tuple[str, str]]:
    """The strip under the title: what a reader needs to know before believing a number."""
    known: dict[str, object] = {"seed": data.recipe.get("seed")}
    known["machine"] = data.environment.get("machine")
    known["took"] = figures.duration(sum(s.seconds for s in data.stages)) if data.stages else None
    known["held-out tasks"] = f"{_tasks(data.table):,}" if data.table else None
    known["commit"] = data.environment.get("commit", "")[:12]
    return [(k, visible(str(v), 120)) for k, v in known.items() if v not in (None, "")]


def _tasks(table: EvaluationTable) -> int:
    return max((s.n for s in table.summaries if s.domain == MEAN), default=0)


def _headline(table: EvaluationTable) -> dict[str, str] | None:
    """The run in one sentence, where SFT and a student were evaluated."""
    mean = {s.model: s for s in table.summaries if s.domain == MEAN}
    if "student" not in mean or "sft" not in mean:
        return None
    total = next(
        (h for h in table.headroom if h.domain == figures.RATIO_OF_MEANS and h.captured is not None), None
    )
    return {
        "student": figures.percent(mean["student"].mean),
        "sft": figures.percent(mean["sft"].mean),
        "domains": str(len(domains_of(table))),
        "captured": figures.percent(total.captured, 0) if total and total.captured is not None else "",
        "from": str(total.domains) if total else "",
    }


def _cards(table: EvaluationTable) -> list[dict[str, str]]:
    mean = {s.model: s for s in table.summaries if s.domain == MEAN}
    return [
        {
            "name": title(m), "role": figures.role(m), "rate": figures.percent(mean[m].mean),
            "interval": f"{figures.percent(mean[m].low)}–{figures.percent(mean[m].high)}",
            "at": f"{100 * mean[m].mean:.2f}", "low": f"{100 * mean[m].low:.2f}",
            "width": f"{100 * (mean[m].high - mean[m].low):.2f}",
        }
        for m in models_of(table)
        if m in mean
    ]  # fmt: skip


def _flat(value: Any, path: str = "") -> list[tuple[str, str]]:
    """Nested settings as (path, value), as --set would spell them."""
    if isinstance(value, dict):
        return [x for k, v in value.items() for x in _flat(v, f"{path}.{k}" if path else str(k))]
    return [(path, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))]


def _hover(chart: dict[str, Any]) -> dict[str, Any]:
    series = [{k: s[k] for k in ("label", "colour", "points")} for s in chart["series"]]
    return {"id": chart["id"], "x": chart["x"], "y": chart["y"], "series": series}


def _inert(value: Any) -> str:
    """JSON that can stand inside a script element: no tag, comment or entity can begin in it."""
    text = json.dumps(_spelled(value), ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _spelled(value: Any) -> Any:
    """The same value with the control characters of every string spelled out."""
    if isinstance(value, dict):
        return {k: _spelled(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_spelled(v) for v in value]
    return visible(value) if isinstance(value, str) else value
