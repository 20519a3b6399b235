"""Muon: momentum whose matrices are brought to orthogonal form before the step (Jordan et al. 2024).

Learns a small model from scratch in a third of AdamW's tokens (docs/log.md). torch's own takes single matrices only;
the experts of a mixture lie stacked in one tensor, so here the last two dimensions are the matrix, any before it a stack.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from openhorizon.training.ranks import Ranks

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic Newton-Schulz iteration that source tuned
STEPS = 5


def orthogonal(matrices: Tensor) -> Tensor:
    """The nearest (semi-)orthogonal matrices, roughly: singular values land in about [0.7, 1.2]. Shape [..., m, n]."""
    a, b, c = COEFFICIENTS
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(STEPS):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalised, with decoupled weight decay; the step's size is that of the rate alone.

    Ranks that hold the same gradients share the work: each orthogonalises its part of the matrices and all add up.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], lr: float, momentum: float = 0.95, weight_decay: float = 0.0,
        ranks: Ranks | None = None,
    ):  # fmt: skip
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self.ranks = ranks or Ranks()

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            held = [p for p in group["params"] if p.grad is not None]
            updates = [self._update(p, group["momentum"], n) for n, p in enumerate(held)]
            self.ranks.add(updates)
            for parameter, update in zip(held, updates):
                scale = max(1.0, parameter.shape[-2] / parameter.shape[-1]) ** 0.5
                parameter.mul_(1 - group["lr"] * group["weight_decay"]).add_(
                    update, alpha=-group["lr"] * scale
                )

    def _update(self, parameter: nn.Parameter, momentum: float, number: int) -> Tensor:
        """The step's direction; zeros where the matrix is another rank's."""
        assert parameter.grad is not None
        state = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        state["momentum"].lerp_(parameter.grad, 1 - momentum)
        if number % self.ranks.world != self.ranks.rank:
            return torch.zeros_like(parameter)
        return orthogonal(parameter.grad.lerp(state["momentum"], momentum))
