"""From arms to evidence: one table with paired intervals and one chart, over all runs together."""

from collections.abc import Sequence
from html import escape

import msgspec

from openhorizon.errors import RunError
from openhorizon.evaluation.headroom import RATIO_OF_MEANS, Headroom
from openhorizon.evaluation.statistics import MEAN, compare, evaluate_scores
from openhorizon.evaluation.tables import captured
from openhorizon.files import Folder
from openhorizon.records import Comparison, Record, Score
from openhorizon.store import Run
from openhorizon.studies.distillation import BASELINE, Arm, Outcome, files_of

QUESTIONS = {
    "": "the paper's", "support": "How many tokens?", "mass": "What of the mass outside?", "direction": "Which way?",
    "routing": "Whose word?", "balance": "Weighed how?", "data": "Whose attempts?", "start": "From where?",
}  # fmt: skip


class Row(Record, kw_only=True):
    """One arm over all runs."""

    arm: str
    question: str
    says: str
    success: float  # macro average over domains, in [0, 1]
    captured: Headroom  # ratio of means
    against: Comparison | None  # paired, with the baseline; None: it is the baseline
    per_run: tuple[float, ...]  # success in each run
    student_tokens: float  # mean over runs
    coverage: float | None
    seconds: float  # mean over runs, evaluation included


class Evidence(Record, kw_only=True):
    """What `study.json` holds."""

    runs: tuple[str, ...]
    tasks: int  # held-out tasks of an arm, over all domains and runs
    student_tokens: int  # the budget
    rows: tuple[Row, ...]


def weigh(runs: Sequence[Run], arms: Sequence[Arm], student_tokens: int, out: Folder) -> Evidence:
    """The table over all runs: a task of one run is not the same task in another, so they are told apart by the run."""
    found: list[Score] = []
    outcomes: dict[str, list[Outcome]] = {}
    per_run: dict[str, list[float]] = {}
    for run in runs:
        asked: set[tuple[str, str]] = set()
        for arm in arms:
            scores, outcome = files_of(arm.name, run.name)
            own = out.read_jsonl(scores, Score)
            asked |= {(s.domain, s.task) for s in own}
            found += [_of(s, run) for s in own]
            outcomes.setdefault(arm.name, []).append(out.read_json(outcome, Outcome))
            per_run.setdefault(arm.name, []).append(_macro(own))
        for s in run.stage("evaluation").read_jsonl("scores.jsonl", Score):
            role = "teacher" if s.model == f"teacher/{s.domain}" else s.model
            if role in ("sft", "teacher") and (s.domain, s.task) in asked:
                found.append(_of(msgspec.structs.replace(s, model=role), run))
    rows = [
        _row(arm, found, outcomes[arm.name], tuple(round(x, 4) for x in per_run[arm.name])) for arm in arms
    ]
    tasks = sum(s.model == BASELINE for s in found)
    return Evidence(
        runs=tuple(r.name for r in runs), tasks=tasks, student_tokens=student_tokens, rows=tuple(rows)
    )


def _of(score: Score, run: Run) -> Score:
    return msgspec.structs.replace(score, task=f"{run.name}/{score.task}")


def _macro(scores: Sequence[Score]) -> float:
    domains = sorted({s.domain for s in scores})
    rates = [[s.passed for s in scores if s.domain == d] for d in domains]
    return sum(sum(r) / len(r) for r in rates) / max(1, len(rates))


def _row(arm: Arm, scores: Sequence[Score], outcomes: Sequence[Outcome], per_run: tuple[float, ...]) -> Row:
    own = [s for s in scores if s.model == arm.name]
    frame = [s for s in scores if s.model in ("sft", "teacher")]
    table = evaluate_scores([*frame, *(msgspec.structs.replace(s, model="student") for s in own)])
    room = next((h for h in table.headroom if h.domain == RATIO_OF_MEANS), None)
    if room is None:
        raise RunError(
            f"{arm.name}: the runs have no scores of SFT and teachers on the same tasks; evaluate them first"
        )
    seen = [o.coverage for o in outcomes if o.coverage is not None]
    count = len(outcomes)
    return Row(
        arm=arm.name, question=arm.question, says=arm.says, captured=room, per_run=per_run,
        success=next(s.mean for s in table.summaries if s.model == "student" and s.domain == MEAN),
        against=None if arm.name == BASELINE else compare(arm.name, BASELINE, scores),
        student_tokens=sum(o.student_tokens for o in outcomes) / count, coverage=sum(seen) / len(seen) if seen else None,
        seconds=sum(o.seconds for o in outcomes) / count,
    )  # fmt: skip


def as_markdown(evidence: Evidence) -> str:
    """The table as Markdown, with what it stands on in a line above it."""
    head = (
        f"{len(evidence.runs)} runs ({', '.join(evidence.runs)}), {evidence.student_tokens:,} student tokens an arm, {evidence.tasks:,} "
        "held-out tasks an arm. Success: macro average over domains. Difference: paired with the paper's on the same tasks, "
        "95% by bootstrap over tasks within domains; p: exact McNemar.\n\n"
    )
    columns = (
        "question",
        "arm",
        "success %",
        "per run %",
        "captured %",
        "− the paper's, points",
        "p",
        "ρ at the end",
        "tokens",
    )
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for row in evidence.rows:
        difference = "" if row.against is None else _signed(row.against)
        p = "" if row.against is None else f"{row.against.p_value:.2g}"
        cells = (
            QUESTIONS[row.question], row.says, f"{100 * row.success:.1f}",
            " / ".join(f"{100 * x:.1f}" for x in row.per_run), captured(row.captured), difference, p,
            "" if row.coverage is None else f"{row.coverage:.3f}", f"{row.student_tokens:,.0f}",
        )  # fmt: skip
        lines.append("| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |")
    return head + "\n".join(lines) + "\n"


def _signed(c: Comparison) -> str:
    return f"{100 * c.difference:+.1f} [{100 * c.low:.1f}, {100 * c.high:.1f}]".replace("-", "−")


WIDTH, LEFT, LINE = 900, 400, 24  # pixels: of the chart, of its labels, of a row


def as_svg(evidence: Evidence) -> str:
    """The chart: every arm's paired difference from the paper's with its 95% interval, in points."""
    rows = [r for r in evidence.rows if r.against is not None]
    ends = [100 * x for r in rows if r.against for x in (r.against.low, r.against.high)]
    low, high = min([*ends, -1.0]) - 1, max([*ends, 1.0]) + 1

    def x(points: float) -> float:
        return LEFT + (points - low) / (high - low) * (WIDTH - LEFT - 20)

    height = LINE * (len(rows) + len({r.question for r in rows}) + 2) + 20
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="10" y="18" font-weight="bold">Success − the paper\'s setting, points, 95% paired interval '
        f"({evidence.tasks:,} tasks, {len(evidence.runs)} runs)</text>",
        f'<line x1="{x(0):.1f}" x2="{x(0):.1f}" y1="28" y2="{height - 26}" stroke="#888" stroke-dasharray="3 3"/>',
    ]
    y, before = 28, ""
    for row in rows:
        assert row.against is not None
        if row.question != before:
            y, before = y + LINE, row.question
            parts.append(f'<text x="10" y="{y}" font-weight="bold">{escape(QUESTIONS[row.question])}</text>')
        y += LINE
        a, m, b = (x(100 * v) for v in (row.against.low, row.against.difference, row.against.high))
        clear = row.against.low > 0 or row.against.high < 0
        colour = "#777" if not clear else "#0a7d4b" if row.against.low > 0 else "#b3261e"
        parts += [
            f'<text x="24" y="{y}">{escape(row.says)}</text>',
            f'<line x1="{a:.1f}" x2="{b:.1f}" y1="{y - 5}" y2="{y - 5}" stroke="{colour}" stroke-width="2"/>',
            f'<circle cx="{m:.1f}" cy="{y - 5}" r="4" fill="{colour}"/>',
        ]
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100) if (high - low) / s <= 10)
    for tick in range(int(low // step) * step, int(high) + 1, step):
        if low < tick < high:
            label = f"{tick:+d}".replace("-", "−") if tick else "0"
            parts.append(
                f'<text x="{x(tick):.1f}" y="{height - 8}" text-anchor="middle" fill="#555">{label}</text>'
            )
    return "\n".join([*parts, "</svg>\n"])
