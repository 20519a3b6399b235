"""`openhorizon teacher`: a model as a teacher that students on other machines ask."""

from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer(no_args_is_help=True, help="Serve a teacher to students on other machines.")


@app.callback()
def _teacher() -> None:
    pass


@app.command()
def serve(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The teacher's model folder.")],
    host: Annotated[
        str, typer.Option("--host", help="Where to listen; others than this machine need a key.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: any free one.")] = 8100,
    k_max: Annotated[int, typer.Option("--k-max", min=1, help="Most tokens a position may name.")] = 64,
    dtype: Annotated[
        Literal["float32", "bfloat16"], typer.Option("--dtype", help="Of the weights.")
    ] = "bfloat16",
    device: Annotated[
        str, typer.Option("--device", help="torch's name of it; auto: cuda where there is one.")
    ] = "auto",
) -> None:
    """Answer what a model says about token rows, until stopped. OPENHORIZON_TEACHER_KEY is the key it asks for."""
    from openhorizon.training.teacher_server import serve

    serve(folder, host, port, k_max=k_max, dtype=dtype, device=device, ready=typer.echo)
