"""Finding a run or a recipe by its name, and taking a run up to a stage."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from openhorizon.errors import RunError, UserError

if TYPE_CHECKING:
    from openhorizon.config import Recipe
    from openhorizon.store import Run


def recipe_named(name: str, settings: list[str] | None) -> "Recipe":
    """The recipe of that name with the settings, valid."""
    from openhorizon.recipes import RECIPES
    from openhorizon.settings import override, validate

    if name not in RECIPES:
        raise UserError(f"there is no recipe {name}; there are {', '.join(RECIPES)}")
    return validate(override(RECIPES[name](), settings or ()))


def described(name: str, recipe: "Recipe", settings: list[str] | None) -> str:
    """Every value of the recipe, with its source where it has one."""
    from openhorizon.recipes import SOURCES
    from openhorizon.settings import describe, flatten

    there = flatten(recipe)
    sources = {path: said for path, said in SOURCES.get(name, {}).items() if path in there}
    mine = {path: "--set" for s in settings or () if (path := s.partition("=")[0].strip()) in there}
    return describe(recipe, sources | mine)


def ready_for_paper(recipe: "Recipe", settings: list[str] | None) -> None:
    """The paper's recipe is printed, and then refused on a machine without GPU or model."""
    from openhorizon.doctor import checks

    typer.echo(described("paper", recipe, settings))
    lacks = [
        f"no usable GPU ({c.found}): run it on a machine of a GPU cluster; {c.mend}"
        for c in checks() if c.name == "gpu" and not c.ok
    ]  # fmt: skip
    base = recipe.model.base
    if not base:
        lacks.append("no base model is named: give --set model.base=FOLDER")
    elif not (Path(base) / "config.json").exists() and not _downloaded(base):
        lacks.append(
            f"the base model {base} is not on this machine: hf download {base}, or --set model.base=FOLDER"
        )
    if lacks:
        typer.echo("", err=True)
        raise UserError(
            "the paper's recipe is valid, but it needs GPUs and a real base model:\n"
            + "\n".join(f"  {lack}" for lack in lacks)
            + "\nOn this machine: openhorizon run demo"
        )


def _downloaded(model: str) -> bool:
    """Whether a model of the hub lies in the local cache."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        return isinstance(try_to_load_from_cache(model, "config.json"), str)
    except HFValidationError:  # a path, not a name
        return False


def found(run: str, runs: Path) -> Path | None:
    """The folder of an existing run, by name under `runs` or by its path."""
    return next((p for p in (runs / run, Path(run)) if (p / "recipe.json").exists()), None)


def existing(run: str, runs: Path) -> "Run":
    """The run, for reading. RunError: there is none, or it is of another version."""
    from openhorizon.store import Run

    return Run.load(found(run, runs) or runs / run)


def up_to(ctx: typer.Context, verb: str, run: str, settings: list[str] | None, runs: Path) -> Path:
    """Advance an existing run by its own recipe, or a new one by the recipe it is named after; its folder."""
    from openhorizon.recipes import RECIPES
    from openhorizon.settings import override, validate
    from openhorizon.store import Run

    folder = found(run, runs)
    if folder is not None:
        stored = validate(override(Run.load(folder).recipe, settings or ()))
        return advance_run(
            ctx, folder.resolve().parent if folder == Path(run) else runs, folder.resolve().name, stored, verb
        )
    if run not in RECIPES:
        there = ", ".join(sorted(p.parent.name for p in runs.glob("*/recipe.json"))) or "no runs"
        raise RunError(
            f"{run} is neither a run nor a recipe; {runs} holds {there}, and the recipes are {', '.join(RECIPES)}"
        )
    chosen = recipe_named(run, settings)
    if run == "paper":
        ready_for_paper(chosen, settings)
    return advance_run(ctx, runs, chosen.name, chosen, verb)


def advance_run(ctx: typer.Context, runs: Path, name: str, recipe: "Recipe", until: str) -> Path:
    """Take the run up to that stage; its folder."""
    from openhorizon.store import Run

    with Run.open(runs, name, recipe) as opened:
        ctx.meta["run"] = opened.dir
        from openhorizon.pipeline import advance
        from openhorizon.terminal import Progress

        advance(opened, until, Progress())
        return opened.dir


def show_result(folder: Path) -> None:
    """The table, and where the report lies."""
    from openhorizon.evaluation.statistics import EvaluationTable
    from openhorizon.store import Run
    from openhorizon.terminal import console, say, show_table

    out = console()
    show_table(Run.load(folder).read_json("evaluation/summary.json", EvaluationTable), out)
    if (folder / "report.html").exists():
        say(out, f"report: {folder / 'report.html'}")
