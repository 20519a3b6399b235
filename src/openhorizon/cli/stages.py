"""Commands that take a run up to a stage, and the one that prints a recipe."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import typer

from openhorizon.cli.options import RUNS, RunName, Runs, Settings
from openhorizon.cli.runs import (
    advance_run,
    described,
    found,
    ready_for_paper,
    recipe_named,
    show_result,
    up_to,
)
from openhorizon.errors import UserError


def run(
    ctx: typer.Context,
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="smoke, demo or paper.")],
    settings: Settings = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Of the run; the recipe's name unless given.")
    ] = None,
    runs: Runs = RUNS,
) -> None:
    """Run a whole recipe, or go on with it: finished stages are skipped."""
    chosen = recipe_named(recipe, settings)
    if recipe == "paper":
        ready_for_paper(chosen, settings)
    show_result(advance_run(ctx, runs, name or chosen.name, chosen, "report"))


def show_recipe(name: Annotated[str, typer.Argument(metavar="RECIPE")], settings: Settings = None) -> None:
    """Print every value of a recipe, with its source where it has one; each line can be given to --set."""
    typer.echo(described(name, recipe_named(name, settings), settings))


def propose(
    ctx: typer.Context,
    run: Annotated[
        str, typer.Argument(metavar="RUN|search", help="A run as elsewhere; or search, with --corpus.")
    ],
    corpus: Annotated[
        str | None,
        typer.Option(
            "--corpus", help="Your documents: a folder of pages, a .jsonl file or a MediaWiki dump."
        ),
    ] = None,
    count: Annotated[int, typer.Option("-n", min=1, help="Tasks, with --corpus.")] = 200,
    out: Annotated[Path, typer.Option("--out", help="The file to write, with --corpus.")] = Path(
        "tasks.jsonl"
    ),
    seed: Annotated[int, typer.Option("--seed", min=0, help="With --corpus.")] = 0,
    horizon: Annotated[
        Literal["short", "long"],
        typer.Option(
            "--horizon",
            help="Of propose search. long: surveys of 60 to 300 calls; without --corpus, of generated pages.",
        ),
    ] = "short",
    ask: Annotated[
        str | None,
        typer.Option(
            "--ask", metavar="URL|FOLDER",
            help="With --corpus: a model that says the questions in its own words, and checks them; an OpenAI-compatible "
            "server (its key in the environment variable OPENHORIZON_ASK_KEY) or a model's folder.",
        ),
    ] = None,
    ask_model: Annotated[str, typer.Option("--ask-model", metavar="NAME", help="The model's name at the URL.")] = "",
    choose: Annotated[
        bool, typer.Option("--ask-hops", help="With --ask: the model also chooses where each chain goes on.")
    ] = False,
    shift: Annotated[
        float, typer.Option("--topic-shift", min=0, help="With --corpus: above 0, chains prefer pages of other topics.")
    ] = 0.0,
    solver: Annotated[
        str | None,
        typer.Option(
            "--solver", metavar="URL|FOLDER",
            help="A model that tries each accepted task; how often it is right stands in the task's line.",
        ),
    ] = None,
    solver_model: Annotated[
        str, typer.Option("--solver-model", metavar="NAME", help="The solver's name at the URL.")
    ] = "",
    attempts: Annotated[int, typer.Option("--attempts", min=1, help="With --solver: at each task.")] = 4,
    mixed: Annotated[
        bool, typer.Option("--mixed", help="With --solver: keep the tasks that it gets both right and wrong.")
    ] = False,
    settings: Settings = None,
    runs: Runs = RUNS,
) -> None:  # fmt: skip
    """Propose, solve and accept a run's tasks; or, with --corpus, multi-hop search tasks from your own documents.

    With --corpus, --set says how a MediaWiki dump is read: --set wiki.tails=Quellen,Weblinks leaves out these sections.
    """
    if horizon == "long" and run != "search":
        raise UserError(
            f"--horizon long is of propose search; of {run} set it in the recipe: --set domains.search.horizon=long --set size=full"
        )
    if corpus is not None or horizon == "long":
        if run != "search":
            raise UserError(
                f"--corpus makes tasks of the domain search, not of {run}: openhorizon propose search --corpus …"
            )
        if choose and not ask:
            raise UserError("--ask-hops needs --ask: who is to choose?")
        if mixed and not solver:
            raise UserError("--mixed needs --solver: whose attempts?")
        from openhorizon.config import CorpusPlan
        from openhorizon.domains.search.walk import Hops
        from openhorizon.own_tasks import asking, make
        from openhorizon.settings import in_range, override
        from openhorizon.terminal import Progress, show_made

        plan = in_range(override(CorpusPlan(), settings or ()))
        asked = asking(ask, ask_model) if ask else None
        hops = Hops(shift=shift, select=asked if choose else None)
        shown = Progress()
        with shown("propose", count) as tick:
            made = make(
                corpus, count, out, seed, ask=asked, hops=hops, done=tick, plan=plan, horizon=horizon,
                solver=asking(solver, solver_model, 1.0, "--solver") if solver else None, attempts=attempts, only_mixed=mixed,
            )  # fmt: skip
        show_made(made, count, out, shown.out)
        return
    if run == "search" and found(run, runs) is None:
        raise UserError(
            "propose search needs documents: add --corpus PATH (or name a run or a recipe instead)"
        )
    up_to(ctx, "propose", run, settings, runs)


def to_stage(verb: str) -> Callable[..., None]:
    """The command that goes up to the stage `verb`."""

    def command(ctx: typer.Context, run: RunName, settings: Settings = None, runs: Runs = RUNS) -> None:
        folder = up_to(ctx, verb, run, settings, runs)
        if verb in ("evaluate", "report"):
            show_result(folder)

    return command


demonstrate, sft, teach = to_stage("demonstrate"), to_stage("sft"), to_stage("teach")
evaluate, report = to_stage("evaluate"), to_stage("report")
