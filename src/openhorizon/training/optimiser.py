"""One optimiser step over gradients that several batches and processes have added up."""

import math

import torch
from torch import nn

from openhorizon.config import Optim
from openhorizon.training.muon import Muon
from openhorizon.training.ranks import Ranks

DECAY = 0.2  # share of the steps over which "wsd" (warm-up, stable, decay) goes down to 0


class Optimiser:
    """AdamW, or Muon for the inner matrices with AdamW for the rest; warm-up, schedule, clipping.

    The gradient is summed over the ranks before the step.
    """

    def __init__(self, model: nn.Module, plan: Optim, steps: int, ranks: Ranks):
        self.plan, self.steps, self.ranks = plan, steps, ranks
        named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
        self.parameters = [p for _, p in named]
        inner = [p for n, p in named if plan.kind == "muon" and _is_inner(n, p)]
        taken = {id(p) for p in inner}
        rest = [p for p in self.parameters if id(p) not in taken]
        groups = [
            {"params": [p for p in rest if p.ndim >= 2], "weight_decay": plan.weight_decay},
            {"params": [p for p in rest if p.ndim < 2], "weight_decay": 0.0},
        ]
        self.parts: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(groups, lr=plan.lr, betas=(plan.beta1, plan.beta2), fused=True)
        ]
        if inner:
            self.parts.append(Muon(inner, plan.muon_lr, weight_decay=plan.weight_decay, ranks=ranks))
        self._peaks = [plan.lr, plan.muon_lr]
        self.tokens = 0  # learnt from so far, where a schedule counts them; a checkpoint keeps it

    def fraction(self, step: float) -> float:
        """The share of the peak rate at step 0, 1, …"""
        warm = max(1, round(self.plan.warmup_ratio * self.steps))
        if step < warm and self.plan.warmup_ratio:
            return (step + 1) / warm
        done = min(1.0, (step - warm) / max(1, self.steps - warm))
        return {
            "constant": 1.0,
            "linear": 1.0 - done,
            "cosine": 0.5 * (1 + math.cos(math.pi * done)),
            "wsd": min(1.0, (1.0 - done) / DECAY),
        }[self.plan.schedule]

    def rate(self, step: float) -> float:
        """AdamW's learning rate at step 0, 1, …"""
        return self.plan.lr * self.fraction(step)

    def step(self, step: float) -> float:
        """Apply the accumulated gradient and clear it; returns its norm before clipping."""
        for parameter in self.parameters:
            if (
                parameter.grad is None
            ):  # an expert that nobody chose here may have been chosen on another rank
                parameter.grad = torch.zeros_like(parameter)
        self.ranks.add(p.grad for p in self.parameters if p.grad is not None)
        norm = nn.utils.clip_grad_norm_(self.parameters, self.plan.clip_norm or math.inf)
        for part, peak in zip(self.parts, self._peaks):
            for group in part.param_groups:
                group["lr"] = peak * self.fraction(step)
            part.step()
            part.zero_grad(set_to_none=False)
        return float(norm)

    def state(self) -> list[dict]:
        """What a checkpoint keeps of the optimiser."""
        return [part.state_dict() for part in self.parts]

    def load(self, state: list[dict]) -> None:
        for part, kept in zip(self.parts, state, strict=True):
            part.load_state_dict(kept)


def _is_inner(name: str, parameter: nn.Parameter) -> bool:
    """Matrices between embeddings and head; a router's rows are no linear map of the residual stream worth rotating."""
    outer = ("embed", "lm_head", "gate.weight", "conv1d")
    return parameter.ndim in (2, 3) and not any(word in name for word in outer)
