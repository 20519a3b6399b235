"""`openhorizon study`: what of the method matters, measured on runs that are finished."""

from pathlib import Path
from typing import Annotated

import typer

from openhorizon.cli.options import RUNS, Runs
from openhorizon.cli.runs import existing

app = typer.Typer(no_args_is_help=True, help="Measure what of the method matters, on finished runs.")


@app.callback()
def _study() -> None:
    pass


@app.command("distill")
def distillation(
    run: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="Finished runs that differ in their seed.")
    ],
    arms: Annotated[
        str | None, typer.Option("--arms", help="Names parted by commas; all unless given.")
    ] = None,
    tokens: Annotated[
        int, typer.Option("--tokens", min=1, help="That the student writes and learns from, in each arm.")
    ] = 60_000,
    steps: Annotated[
        int, typer.Option("--steps", min=1, help="About as many optimiser steps: the schedule's length.")
    ] = 40,
    prompts: Annotated[int, typer.Option("--prompts", min=1, help="Per domain and step.")] = 5,
    heldout: Annotated[int, typer.Option("--heldout", min=1, help="Tasks per domain.")] = 100,
    workers: Annotated[int, typer.Option("--workers", min=0, help="Processes; 0: one per core.")] = 0,
    out: Annotated[Path | None, typer.Option("--out", help="The study's folder.")] = None,
    runs: Runs = RUNS,
) -> None:
    """Change each choice of the distillation alone, at equal student tokens; write a table and a chart."""
    from openhorizon.studies.distillation import Budget
    from openhorizon.studies.study import study
    from openhorizon.terminal import Progress, say

    budget = Budget(student_tokens=tokens, steps=steps, prompts_per_domain=prompts, heldout=heldout)
    shown = Progress()
    folder = out or runs / "study-distill"
    table = study([existing(r, runs) for r in run], arms, budget, folder, workers, shown)
    say(shown.out, table)
    say(shown.out, f"table {folder / 'study.md'}, chart {folder / 'study.svg'}")
