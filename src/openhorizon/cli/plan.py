"""`openhorizon plan`: what a recipe takes on so many GPUs, before anything is started."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from openhorizon.cli.options import Settings
from openhorizon.cli.runs import recipe_named

if TYPE_CHECKING:
    from openhorizon.config import Recipe
    from openhorizon.planning import Assumptions, Shape


def plan(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="smoke, demo or paper.")],
    gpus: Annotated[int, typer.Option("--gpus", min=1, help="In all.")] = 64,
    gpu: Annotated[str, typer.Option("--gpu", help="h100, h200 or b200.")] = "h100",
    config: Annotated[
        Path | None, typer.Option("--config", help="The base model's config.json, where the recipe names no known one.")
    ] = None,
    assume: Annotated[
        list[str] | None, typer.Option("--assume", metavar="NAME=VALUE", help="Put a measurement in an assumption's place; repeatable.")
    ] = None,
    settings: Settings = None,
) -> None:  # fmt: skip
    """Memory, token rates and hours of every stage, each number with the formula that gives it. Starts nothing."""
    from openhorizon.errors import UserError
    from openhorizon.planning import GPUS
    from openhorizon.planning import plan as planned
    from openhorizon.planning.table import text

    if gpu not in GPUS:
        raise UserError(f"there is no GPU {gpu}; there are {', '.join(GPUS)}")
    chosen, assumed = recipe_named(recipe, settings), _assumed(assume or [])
    typer.echo(text(planned(chosen, _shape(chosen, config), GPUS[gpu], gpus, assumed), assumed), nl=False)


def _shape(recipe: "Recipe", config: Path | None) -> "Shape":
    """Of the config that is named, of the base's folder, of a model that is known, or of the one that the recipe makes."""
    import msgspec

    from openhorizon.errors import UserError
    from openhorizon.planning import KNOWN, shape_of, shape_of_plan

    base = recipe.model.base
    file = config or (Path(base) / "config.json" if base else None)
    if file is None:
        return shape_of_plan(recipe.model)
    if file.exists():
        try:
            return shape_of(msgspec.json.decode(file.read_bytes(), type=dict), base or str(file))
        except msgspec.DecodeError as error:
            raise UserError(f"{file} is no config.json ({error})") from None
    if config is None and base in KNOWN:
        return shape_of(KNOWN[base], base)
    raise UserError(f"there is no {file}; download the model's config.json and name it with --config")


def _assumed(given: list[str]) -> "Assumptions":
    import msgspec

    from openhorizon.errors import UserError
    from openhorizon.planning import Assumptions

    values: dict[str, str] = {}
    for one in given:
        name, _, value = one.partition("=")
        if name not in Assumptions.__struct_fields__:
            raise UserError(
                f"there is no assumption {name}; there are {', '.join(Assumptions.__struct_fields__)}"
            )
        values[name] = value
    try:
        return msgspec.convert(values, Assumptions, strict=False)
    except msgspec.ValidationError as error:
        raise UserError(f"--assume: {error}") from None
