"""`openhorizon distill`: all teachers of a run, or teachers of your own, into one student."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from openhorizon.cli.options import RUNS, Runs
from openhorizon.cli.runs import existing, up_to
from openhorizon.errors import UserError


def distill(
    ctx: typer.Context,
    run: Annotated[
        str | None,
        typer.Argument(metavar="RUN", help="A run's name or folder, or a recipe's name for a new run."),
    ] = None,
    student: Annotated[
        str | None,
        typer.Option(
            "--student", metavar="MODEL", help="The model to train: a folder, or a name of the Hugging Face hub."
        ),
    ] = None,
    teacher: Annotated[
        list[str] | None,
        typer.Option(
            "--teacher", metavar="DOMAIN=MODEL",
            help="The domain's teacher: a folder, a name of the hub, or the URL of a server (`openhorizon teacher serve`, or "
            "vLLM's with ,model=NAME,tokenizer=FOLDER behind it). Once per domain.",
        ),
    ] = None,
    prompts: Annotated[
        list[str] | None,
        typer.Option(
            "--prompts", metavar="DOMAIN=FILE",
            help='The domain\'s prompts: a line {"prompt": "..."} or {"messages": [...]} each, with an "id" and an "answer" if you '
            "like; or tasks as a run writes them. Once per domain.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FOLDER", help="Where the student goes, as FOLDER/model; student unless given."),
    ] = None,
    resources: Annotated[
        str | None,
        typer.Option("--resources", metavar="RUN", help="The run that tasks were made in; plain prompts need none."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="PATH=VALUE",
            help="Change a value. Of your own: distill.* (`openhorizon recipe demo` lists them), seed, model.dtype, model.device, "
            "model.attention. Of a run: any of its recipe. Repeatable.",
        ),
    ] = None,
    runs: Runs = RUNS,
) -> None:  # fmt: skip
    """Distill teachers into one student: it answers the prompts, and each domain's own teacher scores what it wrote.

    Of a run: RUN alone. Stages before it that are not done are done first.

    Of your own: a student, and a teacher and prompts for each domain; no run.
    The student learns from its own replies, so prompts need no answers. All models have the same vocabulary.
    The same command again goes on where it stopped. For example:

    openhorizon distill --student Qwen/Qwen3-1.7B --teacher math=math-teacher --prompts math=math.jsonl --set distill.steps=200
    """
    given = {
        "--student": student, "--teacher": teacher, "--prompts": prompts, "--out": out, "--resources": resources,
    }  # fmt: skip
    own = [name for name, value in given.items() if value]
    if run is not None and own:
        raise UserError(
            f"RUN ({run}) distils the teachers of a run, {own[0]} is for teachers of your own; give one of the two"
        )
    if run is not None:
        up_to(ctx, "distill", run, settings, runs)
        return
    if student is None:
        raise UserError(
            "name a RUN to distill its teachers, or with --student, --teacher and --prompts your own: openhorizon distill --help"
        )
    if not prompts:
        raise UserError("there are no prompts; name a file for each domain: --prompts math=math.jsonl")
    from openhorizon.config import OwnPlan
    from openhorizon.own_teachers import distill_own
    from openhorizon.settings import override
    from openhorizon.terminal import console, say

    plan = override(OwnPlan(), settings or ())
    folder = Path("student") if out is None else out
    shown = console()

    def hear(text: str) -> None:
        ctx.meta["run"] = folder  # ours from the first word on: a crash may be described there
        say(shown, text)

    distill_own(
        student, by_domain("--teacher", teacher or (), "FOLDER"), by_domain("--prompts", prompts, "FILE"), folder,
        plan.distill, model=plan.model, seed=plan.seed, say=hear,
        resources=None if resources is None else existing(resources, runs).dir,
    )  # fmt: skip


def by_domain(option: str, given: Iterable[str], what: str) -> dict[str, str]:
    """DOMAIN=VALUE, read. UserError: no domain, no value, or a domain twice."""
    found: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise UserError(
                f"{option} {text}: write {option} DOMAIN={what}, such as {option} math={what.lower()}"
            )
        if name.strip() in found:
            raise UserError(
                f"{option} {text}: {name} has one already ({found[name.strip()]}); a domain has one of each"
            )
        found[name.strip()] = value.strip()
    return found
