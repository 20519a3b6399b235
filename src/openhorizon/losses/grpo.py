"""Group-relative policy optimisation: advantages of a group, and the clipped loss with KL and entropy terms.

Sources: Shao et al. 2024 (GRPO), Yu et al. 2025 (clip-higher, dynamic sampling), recipe.md §5 (asymmetric process
advantage), Hilton et al. 2021 and Fu et al. 2025 (AReaL: decoupled proximal policy), Yao et al. 2025 (truncated importance
sampling). G attempts of a group, N trainable positions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

EPSILON = 1e-6


def group_advantages(rewards_G: Sequence[float]) -> list[float]:
    """(r − mean) / standard deviation over the group; they sum to zero, equal rewards give zeros.

    >>> group_advantages([1.0, 1.0])
    [0.0, 0.0]
    """
    mean = sum(rewards_G) / len(rewards_G)
    spread = (sum((r - mean) ** 2 for r in rewards_G) / len(rewards_G)) ** 0.5
    return [0.0 if spread < EPSILON else (r - mean) / spread for r in rewards_G]


def process_advantages(outcomes_G: Sequence[float], process_G: Sequence[float], weight: float) -> list[float]:
    """A_i = A_out,i + λ·1[r_out,i = 0]·A_proc,i: the process term tells failed attempts apart and touches no other.

    `outcomes_G` in {0, 1}; `process_G` the share of satisfied rubrics; `weight` is λ. A_proc is normalised over the
    failed attempts alone, so that it sums to zero there.
    """
    advantages = group_advantages(outcomes_G)
    failed = [i for i, r in enumerate(outcomes_G) if r == 0]
    if failed:
        for i, a in zip(failed, group_advantages([process_G[i] for i in failed])):
            advantages[i] += weight * a
    return advantages


@dataclass(frozen=True)
class GrpoTerms:
    """The loss and what to log of it; all sums under the weights."""

    loss: Tensor
    kl: float  # mean of the k3 estimate against the reference, nats
    entropy: float  # mean, nats
    clipped: float  # share of the positions where the clip bound
    importance: float = 1.0  # mean of p_prox/p_b before truncation, under the weights
    truncated: float = 0.0  # share of the positions whose importance weight was above the cap


def grpo(
    logp_N: Tensor,
    old_logp_N: Tensor,
    advantages_N: Tensor,
    weights_N: Tensor,
    *,
    clip_low: float,
    clip_high: float,
    kl: float = 0.0,
    reference_logp_N: Tensor | None = None,
    entropy: float = 0.0,
    entropy_N: Tensor | None = None,
    proximal_logp_N: Tensor | None = None,
    importance_cap: float = 2.0,
) -> GrpoTerms:
    """Σ_n w_n·(−c·min(ρA, clip(ρ, 1−low, 1+high)A) + kl·k3 − entropy·H), log-probabilities in nats.

    `old_logp_N` is what the sampling (behaviour) policy b recorded; k3 = exp(r) − r − 1 with r = log p_ref − log p (Schulman).
    Without `proximal_logp_N`, ρ = p/p_b and c = 1. With it the two tasks of p_b are parted: the trust region lies around the
    proximal policy, the weights before this step, ρ = p/p_prox; and c = min(p_prox/p_b, `importance_cap`), a constant,
    corrects for who drew the token. Where p_prox = p_b the two forms are the same.
    """
    nearby_N = old_logp_N if proximal_logp_N is None else proximal_logp_N.detach()
    ratio_N = (logp_N - nearby_N).exp()
    bounded_N = ratio_N.clamp(1 - clip_low, 1 + clip_high)
    gain_N = torch.minimum(ratio_N * advantages_N, bounded_N * advantages_N)
    total = weights_N.sum().clamp_min(EPSILON)
    importance, truncated, corrected_N = 1.0, 0.0, gain_N
    if proximal_logp_N is not None:
        drawn_N = (nearby_N - old_logp_N).exp()
        corrected_N = drawn_N.clamp_max(importance_cap) * gain_N
        importance = float((weights_N * drawn_N).sum() / total)
        truncated = float((weights_N * (drawn_N > importance_cap)).sum() / total)
    loss = -(weights_N * corrected_N).sum()
    kl_mean = spread_mean = 0.0
    if reference_logp_N is not None:
        r_N = reference_logp_N - logp_N
        k3 = (weights_N * (r_N.exp() - r_N - 1)).sum()
        loss, kl_mean = loss + kl * k3, float(k3.detach() / total)
    if entropy_N is not None:
        spread = (weights_N * entropy_N).sum()
        loss, spread_mean = loss - entropy * spread, float(spread.detach() / total)
    clipped = (
        float((gain_N.detach() < (ratio_N * advantages_N).detach() - EPSILON).float().mean())
        if len(logp_N)
        else 0.0
    )
    return GrpoTerms(loss, kl_mean, spread_mean, clipped, importance, truncated)
