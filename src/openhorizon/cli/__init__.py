"""The command `openhorizon`. Each command is a few lines over the parts that do the work, which are imported only when
the command runs: `openhorizon --help` answers at once.

Exit codes: 0 done; 2 the user's input is wrong (one message with the mend); 1 our own fault; 130 Ctrl-C.
"""

from typing import Annotated

import typer

from openhorizon import __version__
from openhorizon.cli import graph, looking, own, plan, propose, serving, stages, study, teacher
from openhorizon.cli.careful import Careful

app = typer.Typer(
    cls=Careful, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="From documents to one deployable long-horizon agent. Start with: openhorizon run demo",
)  # fmt: skip


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


# in the order of --help
app.command()(stages.run)
app.command("recipe")(stages.show_recipe)
app.command()(plan.plan)
app.command()(graph.graph)
app.command()(propose.propose)
for verb, command, about in (
    ("demonstrate", stages.demonstrate, "Curate the experts' attempts into demonstrations."),
    ("sft", stages.sft, "Train on all domains' demonstrations."),
    ("teach", stages.teach, "Train one teacher per domain."),
    ("distill", own.distill, None),  # says of itself more than one line
    ("evaluate", stages.evaluate, "Evaluate base, SFT, teachers and student on held-out tasks."),
    ("report", stages.report, "Write the report."),
):
    app.command(verb, help=about and f"{about} Stages before it that are not done are done first.")(command)
app.command()(looking.show)
app.command()(serving.serve)
app.command()(serving.chat)
app.command()(looking.check)
app.command()(looking.doctor)
app.add_typer(teacher.app, name="teacher")
app.add_typer(study.app, name="study")


def main() -> None:
    """What the command `openhorizon` runs."""
    app()
