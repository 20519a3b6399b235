"""The table that a run ends with: base, SFT, teacher and student by domain, with 95% intervals."""

from typing import TYPE_CHECKING

from openhorizon.evaluation.headroom import RATIO_OF_MEANS, Headroom
from openhorizon.evaluation.statistics import MEAN, ROLES, EvaluationTable
from openhorizon.records import Summary

if TYPE_CHECKING:
    from rich.table import Table

TITLES = {"base": "base", "sft": "SFT", "teacher": "teacher", "student": "student"}


def domains_of(table: EvaluationTable) -> tuple[str, ...]:
    """The table's domains as they first appear, without the mean."""
    return tuple(dict.fromkeys(s.domain for s in table.summaries if s.domain != MEAN))


def models_of(table: EvaluationTable) -> tuple[str, ...]:
    """The table's models: the four roles in their order, then any other as it first appears."""
    found = dict.fromkeys(s.model for s in table.summaries)
    return (*(m for m in ROLES if m in found), *(m for m in found if m not in ROLES))


def title(model: str) -> str:
    """A model's name for a reader; each domain's teacher is "teacher".

    >>> title("teachers/search"), title("sft")
    ('teacher', 'SFT')
    """
    return "teacher" if model.startswith(("teacher/", "teachers/")) else TITLES.get(model, model)


def rate(summary: Summary | None) -> str:
    """A rate with its interval, in percent; "–" where there is none.

    >>> rate(Summary(model="a", domain="b", n=8, mean=0.5, standard_error=0.18, low=0.215, high=0.785))
    '50.0 [21.5, 78.5]'
    """
    return (
        "–"
        if summary is None
        else f"{_percent(summary.mean)} [{_percent(summary.low)}, {_percent(summary.high)}]"
    )


def captured(headroom: Headroom | None) -> str:
    """The headroom captured with its interval, in percent; "–" where there is none."""
    if headroom is None or headroom.captured is None:
        return "–"
    if headroom.low is None or headroom.high is None:
        return f"{100 * headroom.captured:.0f} [unbounded]"
    return f"{100 * headroom.captured:.0f} [{100 * headroom.low:.0f}, {100 * headroom.high:.0f}]"


def as_rich(table: EvaluationTable) -> "Table":
    """The table for the terminal."""
    from rich.table import Table
    from rich.text import Text

    header, *rows = _cells(table)
    shown = Table(title="Held-out success, % [95% interval]", title_justify="left", header_style="bold")
    for i, name in enumerate(header):
        shown.add_column(name, justify="left" if i == 0 else "right", no_wrap=True)
    for row in rows:
        last = row[0] == MEAN
        shown.add_row(*(Text(c, style="bold" if last else "") for c in row))
        if row is rows[-2] if len(rows) > 1 else False:
            shown.add_section()
    return shown


def as_markdown(table: EvaluationTable) -> str:
    """The table as Markdown, ending in a newline."""
    header, *rows = _cells(table)
    rule = ["---", *("---:" for _ in header[1:])]
    bold_last = [[f"**{c}**" if r[0] == MEAN else c for c in r] for r in rows]
    return "".join("| " + " | ".join(_cell(c) for c in r) + " |\n" for r in (header, rule, *bold_last))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _cells(table: EvaluationTable) -> list[list[str]]:
    """Header and rows as text: domain, tasks, one column a model, headroom captured where it is known."""
    models, found = models_of(table), {(s.model, s.domain): s for s in table.summaries}
    room = {MEAN if h.domain == RATIO_OF_MEANS else h.domain: h for h in table.headroom}
    header = ["domain", "tasks", *map(title, models), *(["captured"] if room else [])]
    rows = [header]
    for domain in (*domains_of(table), MEAN):
        own = [found.get((m, domain)) for m in models]
        tasks = max((s.n for s in own if s), default=0)
        rows.append([domain, f"{tasks:,}", *map(rate, own), *([captured(room.get(domain))] if room else [])])
    return rows


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"
