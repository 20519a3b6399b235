"""What a command raises, as one message and an exit code."""

import errno
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from openhorizon.errors import OpenHorizonError, UserError


class Careful(TyperGroup):
    """Turns what a command raises into one message and an exit code; a traceback goes to a file, never to the user."""

    def list_commands(self, ctx: Any) -> list[str]:
        """In the order they were added, groups of commands after single ones."""
        return sorted(
            super().list_commands(ctx), key=lambda name: isinstance(self.commands[name], TyperGroup)
        )

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
