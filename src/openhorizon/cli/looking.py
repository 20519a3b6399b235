"""Commands that look and change nothing: trajectories, the domains' own laws, this machine."""

import re
import sys
from typing import Annotated

import typer

from openhorizon.cli.options import RUNS, Runs
from openhorizon.cli.runs import existing
from openhorizon.errors import UserError


def show(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's name or folder.")],
    trajectory: Annotated[
        str | None,
        typer.Argument(metavar="TRAJECTORY", help="Its number in the list, or the beginning of its id."),
    ] = None,
    turns: Annotated[
        str | None,
        typer.Option(
            "--turns",
            metavar="FROM-TO",
            help="Turns to open, such as 40-60, or all; the middle of a long attempt is folded.",
        ),
    ] = None,
    runs: Runs = RUNS,
) -> None:
    """List a run's trajectories, or show one: coloured by loss mask, with step verdicts."""
    from openhorizon.report.terminal import list_trajectories, show_trajectory
    from openhorizon.samples import chosen, samples_of
    from openhorizon.terminal import console

    opened = None if turns is None else _turns(turns)
    samples, out = samples_of(existing(run, runs)), console()
    if trajectory is None:
        list_trajectories(samples, out)
        return
    for number, sample in enumerate(chosen(samples, trajectory)):
        if number:
            out.print()
        show_trajectory(sample.judged, sample.task, out, opened)


def _turns(text: str) -> range:
    """The numbers that --turns names. UserError: neither all nor numbers."""
    if text == "all":
        return range(1, sys.maxsize)
    found = re.fullmatch(r"(\d+)(?:-(\d+))?", text.strip())
    if not found:
        raise UserError(f"--turns {text}: write one number, FROM-TO such as 40-60, or all")
    return range(int(found[1]), int(found[2] or found[1]) + 1)


def check(
    domain: Annotated[str | None, typer.Argument(metavar="[DOMAIN]")] = None,
    count: Annotated[int, typer.Option("-n", min=1, help="Tasks per size, split and level.")] = 3,
) -> None:
    """Prove every domain without a model: the expert's answers pass, empty and wrong ones fail."""
    from openhorizon.sandboxes import open_sandbox
    from openhorizon.selfcheck import check_domain, domains_named
    from openhorizon.terminal import console, say, show_rows

    chosen, out, rows = domains_named(domain), console(), []
    sandbox = open_sandbox(harmless=True)
    try:
        with out.status("checking") as status:
            for each in chosen:
                status.update(f"checking {each.name}")
                rows += check_domain(each, sandbox, count)
    finally:
        sandbox.close()
    show_rows(rows, out)
    broken = [law for row in rows for law in row.broken]
    for law in broken:
        say(out, f"broken: {law}")
    if broken:
        raise typer.Exit(1)


def doctor(runs: Runs = RUNS) -> None:
    """Say what this machine has and lacks, and the mend."""
    from openhorizon.doctor import checks, healthy
    from openhorizon.terminal import console, show_checks

    found = checks(runs)
    show_checks(found, console())
    typer.echo(
        "the demo can run here" if healthy(found) else "the demo cannot run here yet: see the lines marked ✗"
    )
    if not healthy(found):
        raise typer.Exit(1)
