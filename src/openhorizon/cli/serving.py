"""`openhorizon serve` and `openhorizon chat`: a run's model behind a server, and a conversation with it."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from openhorizon.cli.options import RUNS, Runs
from openhorizon.cli.runs import existing
from openhorizon.errors import RunError, UserError

if TYPE_CHECKING:
    from rich.console import Console

    from openhorizon.chat.chat import Chat
    from openhorizon.engines.engine import Engine
    from openhorizon.records import Message, Task
    from openhorizon.store import Run

MODEL = typer.Option("--model", help="student, sft, base or teacher/DOMAIN.")


def serve(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's name or folder.")],
    model: Annotated[str, MODEL] = "student",
    host: Annotated[str, typer.Option("--host", help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535)] = 8000,
    server: Annotated[
        Literal["auto", "vllm", "sglang", "transformers"],
        typer.Option("--server", help="auto: vLLM or SGLang where installed, else transformers' own."),
    ] = "auto",
    dry: Annotated[bool, typer.Option("--dry-run", help="Print the command and stop.")] = False,
    runs: Runs = RUNS,
) -> None:
    """Serve a run's model to OpenAI-compatible clients, tools included, with the server that is installed."""
    import shlex

    from openhorizon.engines.serving import choose, command, served_name

    folder = _folder(existing(run, runs), model)
    kind = choose(server)
    name = served_name(kind, folder, f"{Path(run).name}-{model.replace('/', '-')}")
    line = command(kind, folder, name, host, port)
    typer.echo(f"{kind}: {shlex.join(line)}")
    typer.echo(f"then: openhorizon chat {run} --url http://{host}:{port} --served-as {shlex.quote(name)}")
    if dry:
        return
    # transformers' server lists the models of the hub's cache, and fails where there is none
    cache = Path(os.environ.get("HF_HUB_CACHE") or folder.parent / ".hub")
    cache.mkdir(parents=True, exist_ok=True)
    os.execvpe(line[0], line, os.environ | {"HF_HUB_CACHE": str(cache)})


def chat(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's name or folder.")],
    domain: Annotated[str, typer.Option("--domain", help="Whose tools it has.")] = "search",
    task: Annotated[
        int | None,
        typer.Option("--task", min=1, help="Begin with this held-out task, by its number; its verifiers judge the end."),
    ] = None,
    model: Annotated[str, MODEL] = "student",
    url: Annotated[
        str | None, typer.Option("--url", help="Of a server that serves it; in this process unless given.")
    ] = None,
    served_as: Annotated[str, typer.Option("--served-as", metavar="NAME", help="The model's name at the URL.")] = "",
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    runs: Runs = RUNS,
) -> None:  # fmt: skip
    """Talk to a run's model in the terminal, with a domain's real tools: each call and its result is shown. An empty line ends it."""
    from openhorizon import jobs
    from openhorizon.domains import domain_of
    from openhorizon.engines.engine import Sampling
    from openhorizon.records import Judged, Split
    from openhorizon.rollout.play import Play
    from openhorizon.talk import Shown, talk
    from openhorizon.terminal import console

    opened, out = existing(run, runs), console()
    recipe = opened.recipe
    if domain not in recipe.domains:
        raise UserError(f"{opened.name} has no domain {domain}; it has {', '.join(recipe.domains)}")
    tasks = jobs.tasks_of(opened, domain, Split.HELDOUT)
    if task is not None and task > len(tasks):
        raise UserError(f"--task {task}: {opened.name} has {len(tasks)} held-out tasks of {domain}")
    engine, talker, context = _engine(opened, model, url, served_as)
    out.print(f"[dim]{engine.policy}, the tools of {domain}; an empty line ends it[/dim]")

    def ask() -> str | None:
        try:
            return out.input("[bold green]you[/bold green] > ").strip() or None
        except EOFError:
            return None

    chosen: Task = tasks[(task or 1) - 1]
    first = "" if task is not None else ask()
    if first is None:
        return
    if task is not None:
        out.print(f"[bold green]task[/bold green] > {chosen.instruction}", markup=True)
    at = jobs.scene(str(opened.dir))
    play = Play(engine, at.resources, recipe.size, Sampling(), talker)
    shown = Shown(lambda m: _message(m, out), lambda name, text: _line(out, f"  {name}", text, "dim"))
    ended = talk(chosen, domain_of(domain, recipe.size), play, shown, ask, context, first)
    if not isinstance(ended, Judged):
        raise RunError(f"the conversation broke off: {ended.reason}")
    if task is not None:
        _line(
            out,
            "verdict",
            f"{'passed' if ended.verdict.passed else 'not passed'} ({ended.verdict.score:.2f}) {ended.verdict.why}",
            "bold",
        )
    if ended.trajectory.reason:
        _line(out, "ended", ended.trajectory.reason, "dim")


def _folder(run: "Run", model: str) -> Path:
    """The model's folder in the run. RunError: the stage that makes it is not done."""
    from openhorizon import jobs

    known = {"student", "sft", "base", *(f"teacher/{n}" for n in run.recipe.teachers)}
    if model not in known:
        raise UserError(f"--model {model}: {run.name} has {', '.join(sorted(known))}")
    folder = Path(jobs.model_folder(run, model))
    if not (folder / "config.json").exists():
        raise RunError(f"{run.name} has no {model} yet ({folder} holds no model); run its stages first")
    return folder


def _engine(run: "Run", model: str, url: str | None, served_as: str) -> "tuple[Engine, Chat | None, int]":
    """Who writes, its chat where it works on tokens, and the tokens of its context."""
    from openhorizon import jobs

    context = run.recipe.model.context
    if url is not None:
        from openhorizon.engines.http import connect

        return connect([url], served_as, mode="message"), None, context
    from openhorizon.engines.local import LocalEngine
    from openhorizon.training.model import load_model

    folder = _folder(run, model)
    talker = jobs.chat_of(run, folder)
    return LocalEngine(load_model(folder).eval(), talker, policy=model, slots=1), talker, context


def _message(message: "Message", out: "Console") -> None:
    if message.thought:
        _line(out, "thinks", message.thought, "dim italic")
    if message.content or not message.calls:
        _line(out, "model", message.content or "(says nothing)", "bold cyan")
    for call in message.calls:
        said = ", ".join(f"{k}={v!r}" for k, v in call.arguments.items())
        _line(out, f"  {call.name}", f"({said})", "yellow")
    if message.malformed:
        _line(out, "  a call", message.malformed, "red")


def _line(out: "Console", who: str, text: str, style: str) -> None:
    from rich.text import Text

    out.print(Text.assemble((f"{who} ", style), "> ", text))
