"""The support of salient vocabulary alignment: which tokens the teacher names, and how much of the student lies there.

N positions, K salient vocabulary, V vocabulary, C a chunk of it, D hidden. [N, V] is never held.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from openhorizon.losses import logprobs
from openhorizon.losses.salient_dot import dots, sums_in

COLUMNS = 16_384  # of the vocabulary, whose logits are held at once


def named_logits(
    hidden_ND: Tensor, weight_VD: Tensor, ids_NK: Tensor, bias_V: Tensor | None = None, softcap: float = 0.0
) -> Tensor:
    """The logits of the named tokens alone, [N, K] in float32 (float64); every id lies in [0, V). Without gradients."""
    logits_NK = dots(hidden_ND, weight_VD, ids_NK)
    if bias_V is not None:
        logits_NK = logits_NK + bias_V[ids_NK]
    return softcap * torch.tanh(logits_NK / softcap) if softcap else logits_NK


@torch.no_grad()
def top_logits(
    hidden_ND: Tensor, weight_VD: Tensor, k: int, bias_V: Tensor | None = None, *, softcap: float = 0.0
) -> tuple[Tensor, Tensor, Tensor]:
    """Of each position the k largest logits, largest first: ids [N, K], logits [N, K], and log Σ_V exp(logit) [N].

    A running top-k and a running log-sum-exp over chunks of the vocabulary; K = min(k, V).
    """
    rows = max(1, logprobs.CHUNK // min(COLUMNS, len(weight_VD)))
    parts = [_top(hidden, weight_VD, k, bias_V, softcap) for hidden in hidden_ND.split(rows)]
    ids, tops, sums = zip(*parts)
    return torch.cat(ids), torch.cat(tops), torch.cat(sums)


def _top(
    hidden_ND: Tensor, weight_VD: Tensor, k: int, bias_V: Tensor | None, softcap: float
) -> tuple[Tensor, Tensor, Tensor]:
    wide = sums_in(hidden_ND)
    top_NK = hidden_ND.new_empty(len(hidden_ND), 0, dtype=wide)
    ids_NK = torch.empty(len(hidden_ND), 0, dtype=torch.long, device=hidden_ND.device)
    log_z_N = hidden_ND.new_full((len(hidden_ND),), -torch.inf, dtype=wide)
    for start in range(0, len(weight_VD), COLUMNS):
        bias_C = None if bias_V is None else bias_V[start : start + COLUMNS]
        logits_NC = logprobs.logits_of(hidden_ND, weight_VD[start : start + COLUMNS], bias_C, softcap)
        log_z_N = torch.logaddexp(log_z_N, torch.logsumexp(logits_NC, -1))
        best_NK, at_NK = logits_NC.topk(min(k, logits_NC.shape[1]), -1)
        top_NK, order_NK = torch.cat([top_NK, best_NK], 1).topk(
            min(k, top_NK.shape[1] + best_NK.shape[1]), -1
        )
        ids_NK = torch.cat([ids_NK, at_NK + start], 1).gather(1, order_NK)
    return ids_NK, top_NK, log_z_N


def salient_vocabulary(
    hidden_ND: Tensor, weight_VD: Tensor, k: int, bias_V: Tensor | None = None, *, softcap: float = 0.0
) -> tuple[Tensor, Tensor]:
    """The teacher's top-k, largest first: ids [N, K] and log-probabilities [N, K] over the whole vocabulary, in nats."""
    ids_NK, top_NK, log_z_N = top_logits(hidden_ND, weight_VD, k, bias_V, softcap=softcap)
    return ids_NK, top_NK - log_z_N[:, None]


@dataclass(frozen=True)
class Agreement:
    """How far a student's distribution and a teacher's support agree, at each of N positions."""

    coverage_N: Tensor  # ρ: the un-renormalised student's mass on the support
    top1_N: Tensor  # 1.0 where both would say the same token first
    overlap_N: Tensor  # share of the support that is in the student's own top-k


@torch.no_grad()
def agreement(
    hidden_ND: Tensor,
    weight_VD: Tensor,
    ids_NK: Tensor,
    bias_V: Tensor | None = None,
    *,
    softcap: float = 0.0,
) -> Agreement:
    """Exact, by the student's log-sum-exp over the whole vocabulary. Ids outside [0, V) take no part; the first id of a
    row is the teacher's favourite."""
    valid_NK = (ids_NK >= 0) & (ids_NK < len(weight_VD))
    safe_NK = ids_NK.masked_fill(~valid_NK, 0)
    own_NK, _, log_z_N = top_logits(hidden_ND, weight_VD, ids_NK.shape[1], bias_V, softcap=softcap)
    logits_NK = named_logits(hidden_ND, weight_VD, safe_NK, bias_V, softcap)
    rho_N = ((logits_NK - log_z_N[:, None]).exp() * valid_NK).sum(-1)
    shared_N = ((ids_NK[:, :, None] == own_NK[:, None, :]).any(-1) & valid_NK).sum(-1)
    return Agreement(
        rho_N, (own_NK[:, 0] == ids_NK[:, 0]).to(rho_N), shared_N / valid_NK.sum(-1).clamp_min(1)
    )


def coverage(
    hidden_ND: Tensor,
    weight_VD: Tensor,
    ids_NK: Tensor,
    bias_V: Tensor | None = None,
    *,
    softcap: float = 0.0,
) -> Tensor:
    """ρ [N], as in `agreement`."""
    return agreement(hidden_ND, weight_VD, ids_NK, bias_V, softcap=softcap).coverage_N
