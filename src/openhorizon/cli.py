"""The command `openhorizon`. Each command is a few lines over the parts that do the work, which are imported only when
the command runs: `openhorizon --help` answers at once.

Exit codes: 0 done; 2 the user's input is wrong (one message with the mend); 1 our own fault; 130 Ctrl-C.
"""

import errno
import tempfile
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from openhorizon import __version__
from openhorizon.errors import OpenHorizonError, RunError, UserError

if TYPE_CHECKING:
    from openhorizon.config import Recipe
    from openhorizon.store import Run


class Careful(TyperGroup):
    """Turns what a command raises into one message and an exit code; a traceback goes to a file, never to the user."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort, typer.TyperException, BrokenPipeError):
            raise
        except KeyboardInterrupt:
            typer.echo("\nstopped; nothing finished is lost: the same command goes on from there", err=True)
            raise typer.Exit(130) from None
        except UserError as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(2) from None
        except Exception as error:
            if _disk_full(error):
                mend = "free some space, then run the same command again; everything that was already done is kept"
                typer.echo(f"error: the disk is full ({error}): {mend}", err=True)
                raise typer.Exit(2) from None
            ours = "" if isinstance(error, OpenHorizonError) else f"{type(error).__name__}: "
            typer.echo(f"failed: {ours}{error}", err=True)
            typer.echo(f"what was finished is kept; the details are in {_details(error, ctx)}", err=True)
            raise typer.Exit(1) from None


def _disk_full(error: BaseException) -> bool:
    """Whoever noticed it: the system, SQLite, or a writer in C or Rust with errors of its own."""
    full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
    return full or any(said in str(error) for said in ("No space left on device", "database or disk is full"))


def _details(error: BaseException, ctx: Any) -> str:
    """The file that the traceback was written to: in the run folder if there is one, else a temporary one."""
    text = "".join(traceback.format_exception(error))
    name = f"crash-{time.strftime('%Y%m%d-%H%M%S')}.txt"
    for folder in (ctx.meta.get("run"), tempfile.gettempdir()):
        if folder is not None:
            file = Path(folder) / (name if folder == ctx.meta.get("run") else f"openhorizon-{name}")
            try:
                file.write_text(text)
            except OSError:
                continue
            return str(file)
    return "nothing: no file could be written"


app = typer.Typer(
    cls=Careful, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="From documents to one deployable long-horizon agent. Start with: openhorizon run demo",
)  # fmt: skip

Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change a value of the recipe; repeatable."),
]
Runs = Annotated[Path, typer.Option("--runs", help="The folder that holds the runs.")]
RunName = Annotated[
    str, typer.Argument(metavar="RUN", help="A run's name or folder, or a recipe's name for a new run.")
]
RUNS = Path("runs")


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"openhorizon {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which it is.")
    ] = False,
) -> None:
    pass


@app.command()
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
    chosen = _recipe(recipe, settings)
    if recipe == "paper":
        _ready_for_paper(chosen, settings)
    _show_result(_advance(ctx, runs, name or chosen.name, chosen, "report"))


@app.command("recipe")
def show_recipe(name: Annotated[str, typer.Argument(metavar="RECIPE")], settings: Settings = None) -> None:
    """Print every value of a recipe, with its source where it has one; each line can be given to --set."""
    typer.echo(_described(name, _recipe(name, settings), settings))


@app.command()
def graph(
    ctx: typer.Context,
    run: RunName,
    task: Annotated[
        str | None, typer.Option("--task", metavar="ID", help="Tell the story of one task.")
    ] = None,
    settings: Settings = None,
    runs: Runs = RUNS,
) -> None:
    """Build a run's knowledge-action graph if it is not there yet; print what it holds."""
    from openhorizon.graph.store import GraphStore
    from openhorizon.graph.summary import render, summarise, task_story
    from openhorizon.store import Run
    from openhorizon.terminal import console, say

    folder = _found(run, runs)
    if folder is None or settings or not Run.load(folder).stage("graph").done:
        folder = _up_to(ctx, "graph", run, settings, runs)
    out = console()
    with GraphStore(folder / "graph.db") as store:
        if task is None:
            out.print(render(summarise(store)))
        else:
            for line in task_story(store, task):
                say(out, line)


@app.command()
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
    settings: Settings = None,
    runs: Runs = RUNS,
) -> None:
    """Propose, solve and accept a run's tasks; or, with --corpus, multi-hop search tasks from your own documents."""
    if corpus is not None:
        if run != "search":
            raise UserError(
                f"--corpus makes tasks of the domain search, not of {run}: openhorizon propose search --corpus …"
            )
        if settings:
            raise UserError(
                "--set changes a run's recipe, and with --corpus there is no run; use -n, --seed and --out"
            )
        from openhorizon.own_tasks import make
        from openhorizon.terminal import Progress, show_made

        shown = Progress()
        with shown("propose", count) as tick:
            made = make(corpus, count, out, seed, tick)
        show_made(made, count, out, shown.out)
        return
    if run == "search" and _found(run, runs) is None:
        raise UserError(
            "propose search needs documents: add --corpus PATH (or name a run or a recipe instead)"
        )
    _up_to(ctx, "propose", run, settings, runs)


def _stage_command(verb: str, about: str) -> None:
    """The command that goes up to the stage `verb`."""

    def command(ctx: typer.Context, run: RunName, settings: Settings = None, runs: Runs = RUNS) -> None:
        folder = _up_to(ctx, verb, run, settings, runs)
        if verb in ("evaluate", "report"):
            _show_result(folder)

    app.command(verb, help=f"{about} Stages before it that are not done are done first.")(command)


_stage_command("demonstrate", "Curate the experts' attempts into demonstrations.")
_stage_command("sft", "Train on all domains' demonstrations.")
_stage_command("teach", "Train one teacher per domain.")
_stage_command("distill", "Distill all teachers into one student.")
_stage_command("evaluate", "Evaluate base, SFT, teachers and student on held-out tasks.")
_stage_command("report", "Write the report.")


@app.command()
def show(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's name or folder.")],
    trajectory: Annotated[
        str | None,
        typer.Argument(metavar="TRAJECTORY", help="Its number in the list, or the beginning of its id."),
    ] = None,
    runs: Runs = RUNS,
) -> None:
    """List a run's trajectories, or show one: coloured by loss mask, with step verdicts."""
    from openhorizon.report.terminal import list_trajectories, show_trajectory
    from openhorizon.samples import chosen, samples_of
    from openhorizon.terminal import console

    samples, out = samples_of(_existing(run, runs)), console()
    if trajectory is None:
        list_trajectories(samples, out)
        return
    for number, sample in enumerate(chosen(samples, trajectory)):
        if number:
            out.print()
        show_trajectory(sample.judged, sample.task, out)


@app.command()
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


@app.command()
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


def _recipe(name: str, settings: list[str] | None) -> "Recipe":
    """The recipe of that name with the settings, valid."""
    from openhorizon.recipes import RECIPES
    from openhorizon.settings import override, validate

    if name not in RECIPES:
        raise UserError(f"there is no recipe {name}; there are {', '.join(RECIPES)}")
    return validate(override(RECIPES[name](), settings or ()))


def _described(name: str, recipe: "Recipe", settings: list[str] | None) -> str:
    from openhorizon.recipes import SOURCES
    from openhorizon.settings import describe, flatten

    there = flatten(recipe)
    sources = {path: said for path, said in SOURCES.get(name, {}).items() if path in there}
    mine = {path: "--set" for s in settings or () if (path := s.partition("=")[0].strip()) in there}
    return describe(recipe, sources | mine)


def _ready_for_paper(recipe: "Recipe", settings: list[str] | None) -> None:
    """The paper's recipe is printed, and then refused on a machine without GPU or model."""
    from openhorizon.doctor import checks

    typer.echo(_described("paper", recipe, settings))
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


def _found(run: str, runs: Path) -> Path | None:
    """The folder of an existing run, by name under `runs` or by its path."""
    return next((p for p in (runs / run, Path(run)) if (p / "recipe.json").exists()), None)


def _existing(run: str, runs: Path) -> "Run":
    """The run, for reading. RunError: there is none, or it is of another version."""
    from openhorizon.store import Run

    return Run.load(_found(run, runs) or runs / run)


def _up_to(ctx: typer.Context, verb: str, run: str, settings: list[str] | None, runs: Path) -> Path:
    """Advance an existing run by its own recipe, or a new one by the recipe it is named after; its folder."""
    from openhorizon.recipes import RECIPES
    from openhorizon.settings import override, validate
    from openhorizon.store import Run

    folder = _found(run, runs)
    if folder is not None:
        stored = validate(override(Run.load(folder).recipe, settings or ()))
        return _advance(
            ctx, folder.resolve().parent if folder == Path(run) else runs, folder.resolve().name, stored, verb
        )
    if run not in RECIPES:
        there = ", ".join(sorted(p.parent.name for p in runs.glob("*/recipe.json"))) or "no runs"
        raise RunError(
            f"{run} is neither a run nor a recipe; {runs} holds {there}, and the recipes are {', '.join(RECIPES)}"
        )
    chosen = _recipe(run, settings)
    if run == "paper":
        _ready_for_paper(chosen, settings)
    return _advance(ctx, runs, chosen.name, chosen, verb)


def _advance(ctx: typer.Context, runs: Path, name: str, recipe: "Recipe", until: str) -> Path:
    from openhorizon.store import Run

    with Run.open(runs, name, recipe) as opened:
        ctx.meta["run"] = opened.dir
        from openhorizon.pipeline import advance
        from openhorizon.terminal import Progress

        advance(opened, until, Progress())
        return opened.dir


def _show_result(folder: Path) -> None:
    """The table, and where the report lies."""
    from openhorizon.evaluation.statistics import EvaluationTable
    from openhorizon.store import Run
    from openhorizon.terminal import console, say, show_table

    out = console()
    show_table(Run.load(folder).read_json("evaluation/summary.json", EvaluationTable), out)
    if (folder / "report.html").exists():
        say(out, f"report: {folder / 'report.html'}")


def main() -> None:
    """What the command `openhorizon` runs."""
    app()
