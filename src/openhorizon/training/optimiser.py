"""One optimiser step over gradients that several batches and processes have added up."""

import math

import torch
from torch import nn

from openhorizon.config import Optim
from openhorizon.training.ranks import Ranks


class Optimiser:
    """AdamW with warm-up, schedule and clipping; the gradient is summed over the ranks before the step."""

    def __init__(self, model: nn.Module, plan: Optim, steps: int, ranks: Ranks):
        self.plan, self.steps, self.ranks = plan, steps, ranks
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in self.parameters if p.ndim >= 2], "weight_decay": plan.weight_decay},
            {"params": [p for p in self.parameters if p.ndim < 2], "weight_decay": 0.0},
        ]
        self.adam = torch.optim.AdamW(groups, lr=plan.lr, betas=(plan.beta1, plan.beta2), fused=True)

    def rate(self, step: int) -> float:
        """The learning rate of step 0, 1, …"""
        warm = max(1, round(self.plan.warmup_ratio * self.steps))
        if step < warm and self.plan.warmup_ratio:
            return self.plan.lr * (step + 1) / warm
        done = min(1.0, (step - warm) / max(1, self.steps - warm))
        fade = {"constant": 1.0, "linear": 1.0 - done, "cosine": 0.5 * (1 + math.cos(math.pi * done))}
        return self.plan.lr * fade[self.plan.schedule]

    def step(self, step: int) -> float:
        """Apply the accumulated gradient and clear it; returns its norm before clipping."""
        for parameter in self.parameters:
            if parameter.grad is None:  # an expert that nobody chose here may have been chosen on another rank
                parameter.grad = torch.zeros_like(parameter)
        self.ranks.add(p.grad for p in self.parameters if p.grad is not None)
        norm = nn.utils.clip_grad_norm_(self.parameters, self.plan.clip_norm or math.inf)
        for group in self.adam.param_groups:
            group["lr"] = self.rate(step)
        self.adam.step()
        self.adam.zero_grad(set_to_none=False)
        return float(norm)
