"""Where training stopped: weights, optimiser and step in one file that appears whole or not at all."""

from pathlib import Path

import torch
from torch import nn

from openhorizon.errors import ModelError
from openhorizon.files import whole_file
from openhorizon.training.optimiser import Optimiser


def save_checkpoint(path: Path, model: nn.Module, optimiser: Optimiser, step: int) -> None:
    """Write the state after `step` finished steps."""
    state = {
        "step": step,
        "steps": optimiser.steps,
        "model": model.state_dict(),
        "optimiser": optimiser.state(),
        "tokens": optimiser.tokens,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as file:
        torch.save(state, file)


def load_checkpoint(path: Path, model: nn.Module, optimiser: Optimiser) -> int:
    """Put the saved state back; returns the number of finished steps, 0 where there is no file.

    ModelError where the file is damaged or of a run with another number of steps.
    """
    if not path.exists():
        return 0
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        if state["steps"] != optimiser.steps:
            raise ValueError(f"it was made for {state['steps']} steps, this run takes {optimiser.steps}")
        model.load_state_dict(state["model"])
        optimiser.load(state["optimiser"])
        optimiser.tokens = int(state["tokens"])
        return int(state["step"])
    except Exception as error:  # whatever torch says of a damaged file, the mend is the same
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"the checkpoint {path} cannot be read ({first}); delete that file to train this stage again"
        ) from error


def finished_steps(path: Path) -> int:
    """How many steps a checkpoint holds, 0 where there is none or it cannot be read (loading it says why)."""
    try:
        return (
            int(torch.load(path, map_location="cpu", weights_only=True, mmap=True)["step"])
            if path.exists()
            else 0
        )
    except Exception:  # whatever torch says of a damaged file
        return 0
