"""Options and arguments that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change a value of the recipe; repeatable."),
]
Runs = Annotated[Path, typer.Option("--runs", help="The folder that holds the runs.")]
RunName = Annotated[
    str, typer.Argument(metavar="RUN", help="A run's name or folder, or a recipe's name for a new run.")
]
RUNS = Path("runs")
