"""Attempts in the terminal: what the policy wrote stands out by its colour, everything else is context.

Texts are drawn as they are: rich's markup is never read from them, and control characters are spelled out.
"""

from collections.abc import Container, Sequence
from typing import TYPE_CHECKING

from openhorizon.chat.wire import write
from openhorizon.evaluation.tables import title
from openhorizon.records import Judged, Task, Turn, Verdict
from openhorizon.report.data import Shown
from openhorizon.report.text import visible
from openhorizon.rollout.folding import told

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

POLICY = "bold green"  # the loss mask is true
CONTEXT = "default"
HEAD = "dim"


FOLD = 40  # turns; of a longer attempt those in the middle are a line each
ENDS = 4  # turns at either end that are not folded
EVIDENCE = 12  # pieces shown


def show_trajectory(
    judged: Judged,
    task: Task | None = None,
    console: "Console | None" = None,
    opened: Container[int] | None = None,
) -> None:
    """Print one attempt turn by turn: prompt, what the policy wrote, tool results, step verdicts, final verdict.

    `task` adds its level, expected answer and evidence. Turns (from 1) that are not among `opened` are a line each; None:
    all are open, or in an attempt of more than FOLD turns the first and last few.
    """
    from rich.console import Console
    from rich.padding import Padding

    console = console or Console()
    for indent, text in _lines(judged, task, opened):
        console.print(Padding(text, (0, 0, 0, indent)), highlight=False)


def list_trajectories(samples: Sequence[Shown], console: "Console | None" = None) -> None:
    """Print a table of the attempts to choose from: number, id, model, outcome, score, turns, question."""
    from rich.console import Console
    from rich.table import Table

    console = console or Console()
    table = Table(box=None, header_style="dim", padding=(0, 1), expand=True)
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("trajectory", overflow="fold", min_width=24)
    table.add_column("model", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("score", justify="right", no_wrap=True)
    table.add_column("turns", justify="right", no_wrap=True)
    table.add_column("question", no_wrap=True, overflow="ellipsis", ratio=1, min_width=12)
    for i, s in enumerate(samples):
        t, v = s.judged.trajectory, s.judged.verdict
        model = title(s.model)
        question = " ".join(s.task.instruction.split())
        table.add_row(
            _text(str(i), HEAD), _text(t.id), _text(model), _outcome(v), _text(f"{v.score:.2f}"), _text(str(len(t.turns))),
            _text(question, HEAD),
        )  # fmt: skip
    console.print(table, highlight=False)


def _lines(judged: Judged, task: Task | None, opened: Container[int] | None) -> "list[tuple[int, Text]]":
    """The whole print-out as (indent, text)."""
    t, v = judged.trajectory, judged.verdict
    lines = [(0, _text(t.id, "bold"))]
    about = [
        t.domain,
        f"policy {t.policy}" if t.policy else "",
        f"{len(t.turns)} turns",
        f"level {task.level}" if task else "",
    ]
    about.append(t.status.value + (f" ({t.reason})" if t.reason else ""))
    lines.append((0, _text(" · ".join(a for a in about if a), HEAD)))
    lines.append(
        (0, _text("written by the policy (loss)", POLICY).append("   context (no loss)", style=CONTEXT))
    )
    for m in t.prompt:
        lines += [(0, _head(m.role)), (2, _text(m.content, CONTEXT))]
    if opened is None:
        last = len(t.turns)
        opened = (
            range(1, last + 1) if last <= FOLD else {*range(1, ENDS + 1), *range(last - ENDS + 1, last + 1)}
        )
    closed = 0
    for number, turn in enumerate(t.turns, 1):
        lines += _turn(number, turn) if number in opened else [(0, _folded(number, turn))]
        closed += number not in opened
    if closed:
        lines.append(
            (0, _text(f"{closed} turns are folded; --turns FROM-TO opens some, --turns all every one", HEAD))
        )
    lines += _verdict(v, task)
    return lines


def _turn(number: int, turn: Turn) -> "list[tuple[int, Text]]":
    tokens = len(turn.completion.token_ids)
    said = f"turn {number} · assistant" + (f" · {tokens} tokens" if tokens else "")
    lines: list[tuple[int, Text]] = []
    if turn.fresh:
        lines += [(0, _head("a new token segment begins")), (2, _text(told(turn), CONTEXT))]
    lines.append((0, _head(said + (" · cut at the budget" if turn.completion.finish == "length" else ""))))
    lines.append((2, _text(turn.completion.text or write(turn.message), POLICY)))
    for r in turn.results:
        name = r.call.name if r.call else "unreadable call"
        head = _head(f"tool · {name}")
        lines += [
            (2, head if r.ok else head.append(" error", style="red")),
            (4, _text(r.text, CONTEXT if r.ok else "red")),
        ]
        if r.sources:
            lines.append((4, _text("from " + ", ".join(r.sources), HEAD)))
    if turn.reply:
        lines += [(0, _head("user")), (2, _text(turn.reply, CONTEXT))]
    if turn.verdict is not None:
        said = f"step verdict {turn.verdict.score:.2f}" + (
            f": {turn.verdict.why}" if turn.verdict.why else ""
        )
        lines.append(
            (2, _text("● ", "green" if turn.verdict.passed else "red").append_text(_text(said, HEAD)))
        )
    return lines


def _folded(number: int, turn: Turn) -> "Text":
    """The turn on a line: what was called, what came of it."""
    calls = "; ".join(f"{c.name} {', '.join(map(str, c.arguments.values()))}" for c in turn.message.calls)
    said = " ".join((calls or turn.completion.text or turn.message.content).split())
    line = _head(f"turn {number} · ").append_text(_text(said[:100], POLICY))
    for r in turn.results:
        line.append_text(_text(f" → {len(r.text):,} characters", HEAD if r.ok else "red"))
    if turn.verdict is not None:
        line.append_text(_text(" ●", "green" if turn.verdict.passed else "red"))
    return line


def _verdict(v: Verdict, task: Task | None) -> "list[tuple[int, Text]]":
    lines = [
        (0, _text("")),
        (0, _outcome(v).append(f"  score {v.score:.2f}  ", style="bold").append_text(_text(v.why))),
    ]
    width = max((len(visible(k)) for k in v.parts), default=0)
    for name, value in v.parts.items():
        full = round(10 * min(1.0, max(0.0, value)))
        bar = (
            _text(f"{visible(name):<{width}}  ")
            .append("█" * full, style="green")
            .append("░" * (10 - full), style="dim")
        )
        lines.append((2, bar.append(f"  {value:.2f}")))
    if task is not None:
        lines.append((0, _text("expected  ", HEAD).append_text(_text(task.answer))))
        shown = task.evidence[:EVIDENCE]
        lines += [(2, _text(f"{e.node}  ", HEAD).append_text(_text(e.text))) for e in shown]
        if more := len(task.evidence) - len(shown):
            lines.append((2, _text(f"and {more} more pieces of evidence", HEAD)))
    return lines


def _outcome(v: Verdict) -> "Text":
    return _text("✓ right", "bold green") if v.passed else _text("✗ wrong", "bold red")


def _head(text: str) -> "Text":
    return _text(text, HEAD)


def _text(text: str, style: str = "") -> "Text":
    """The text itself: no markup is read from it, no control character reaches the terminal."""
    from rich.text import Text

    return Text(visible(text), style=style)
