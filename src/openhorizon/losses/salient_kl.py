"""Salient vocabulary alignment: divergence of student and teacher, both renormalised on the teacher's top-k.

Recipe.md §6. Only the k logits ⟨h_n, W[ids_nj]⟩ of the support are formed, never a softmax over the vocabulary.
N trainable positions, K salient vocabulary, V vocabulary, D hidden.
"""

from typing import Literal

import torch
from torch import Tensor

Direction = Literal["reverse", "forward", "jensen_shannon"]
CHUNK = 1 << 24  # gathered weights held at once: positions x K x D


def salient_logits(
    hidden_ND: Tensor, weight_VD: Tensor, ids_NK: Tensor, bias_V: Tensor | None = None, softcap: float = 0.0
) -> Tensor:
    """The student's logits on the support, [N, K] in float32."""
    rows = max(1, CHUNK // max(1, ids_NK.shape[1] * weight_VD.shape[1]))
    parts = [
        torch.bmm(torch.nn.functional.embedding(i, weight_VD).to(h.dtype), h[:, :, None])[:, :, 0]
        for h, i in zip(hidden_ND.split(rows), ids_NK.split(rows))
    ]
    logits_NK = torch.cat(parts).float()
    if bias_V is not None:
        logits_NK = logits_NK + bias_V[ids_NK].float()
    return softcap * torch.tanh(logits_NK / softcap) if softcap else logits_NK


def salient_kl(
    hidden_ND: Tensor,
    weight_VD: Tensor,
    ids_NK: Tensor,
    teacher_logprobs_NK: Tensor,
    weights_N: Tensor,
    bias_V: Tensor | None = None,
    *,
    direction: Direction = "reverse",
    temperature: float = 1.0,
    softcap: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """Σ_n w_n·ℓ_n (scalar, nats) and ℓ_n [N], detached.

    ℓ_n = Σ_{u∈S} p̄_s(u)·log(p̄_s(u)/p̄_T(u)) for "reverse", the paper's; `teacher_logprobs_NK` need not be normalised
    on the support. Entries with id < 0 or log-probability −inf are padding and take no part.
    """
    valid_NK = (ids_NK >= 0) & torch.isfinite(teacher_logprobs_NK)
    logits_NK = salient_logits(hidden_ND, weight_VD, ids_NK.clamp_min(0), bias_V, softcap) / temperature
    # a finite floor instead of -inf: the masked entries' gradients stay 0 instead of NaN
    student_NK = torch.log_softmax(logits_NK.masked_fill(~valid_NK, -1e9), -1)
    teacher_NK = torch.log_softmax(
        (teacher_logprobs_NK.float() / temperature).masked_fill(~valid_NK, -1e9), -1
    )
    if direction == "reverse":
        terms_NK = student_NK.exp() * (student_NK - teacher_NK)
    elif direction == "forward":
        terms_NK = teacher_NK.exp() * (teacher_NK - student_NK)
    else:
        middle_NK = torch.logaddexp(student_NK, teacher_NK) - torch.log(torch.tensor(2.0))
        terms_NK = 0.5 * (
            student_NK.exp() * (student_NK - middle_NK) + teacher_NK.exp() * (teacher_NK - middle_NK)
        )
    loss_N = terms_NK.masked_fill(~valid_NK, 0.0).sum(-1)
    return (weights_N * loss_N).sum(), loss_N.detach()


@torch.no_grad()
def coverage(
    hidden_ND: Tensor,
    weight_VD: Tensor,
    ids_NK: Tensor,
    bias_V: Tensor | None = None,
    *,
    softcap: float = 0.0,
) -> Tensor:
    """ρ [N]: the mass of the un-renormalised student on the support, exact. Chunked over positions."""
    from openhorizon.losses import logprobs

    rows = max(1, logprobs.CHUNK // weight_VD.shape[0])
    parts = []
    for hidden, ids in zip(hidden_ND.split(rows), ids_NK.split(rows)):
        p_NV = torch.softmax(logprobs.logits_of(hidden, weight_VD, bias_V, softcap), -1)
        parts.append((p_NV.gather(1, ids.clamp_min(0)) * (ids >= 0)).sum(-1))
    return torch.cat(parts) if parts else hidden_ND.new_zeros(0)


@torch.no_grad()
def salient_vocabulary(
    hidden_ND: Tensor, weight_VD: Tensor, k: int, bias_V: Tensor | None = None, *, softcap: float = 0.0
) -> tuple[Tensor, Tensor]:
    """The teacher's top-k: ids [N, K] and log-probabilities [N, K] over the whole vocabulary, in nats."""
    from openhorizon.losses import logprobs

    rows = max(1, logprobs.CHUNK // weight_VD.shape[0])
    ids, values = [], []
    for hidden in hidden_ND.split(rows):
        logits_NV = logprobs.logits_of(hidden, weight_VD, bias_V, softcap)
        top = logits_NV.topk(min(k, logits_NV.shape[1]), -1)
        ids.append(top.indices)
        values.append(top.values - torch.logsumexp(logits_NV, -1, keepdim=True))
    return torch.cat(ids), torch.cat(values)
