"""Two other ways to learn from a teacher on one's own tokens, as baselines beside salient vocabulary alignment.

Both take their place behind the same call and answer with the same `Aligned`.
N trainable positions, V vocabulary, D the student's hidden, E the teacher's.
"""

import math

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from openhorizon.losses import logprobs
from openhorizon.losses.logprobs import logits_of, token_logprobs
from openhorizon.losses.salient_kl import Aligned, Direction


def sampled_token_kl(
    hidden_ND: Tensor,
    weight_VD: Tensor,
    ids_N: Tensor,
    teacher_logprobs_N: Tensor,
    weights_N: Tensor,
    bias_V: Tensor | None = None,
    *,
    temperature: float = 1.0,
    softcap: float = 0.0,
) -> Aligned:
    """Reverse KL estimated from the one token that the student drew: ℓ_n = log p_s(y_n) − log p_T(y_n).

    Its gradient is the policy gradient ℓ_n·∇log p_s(y_n), in expectation that of the full reverse KL; ℓ_n itself may be
    negative. `temperature` is the one that y was drawn at, and divides the student's logits alone.
    """
    logp_N, _ = token_logprobs(hidden_ND, weight_VD, ids_N, bias_V, softcap=softcap, temperature=temperature)
    gap_N = (logp_N - teacher_logprobs_N).detach()
    return Aligned((weights_N * gap_N * (1 + logp_N - logp_N.detach())).sum(), gap_N, None)


def full_kl(
    hidden_ND: Tensor,
    weight_VD: Tensor,
    teacher_hidden_NE: Tensor,
    teacher_weight_VE: Tensor,
    weights_N: Tensor,
    bias_V: Tensor | None = None,
    teacher_bias_V: Tensor | None = None,
    *,
    direction: Direction = "reverse",
    temperature: float = 1.0,
    softcap: float = 0.0,
    teacher_softcap: float = 0.0,
) -> Aligned:
    """The divergence over the whole vocabulary. Chunked over positions: [N, V] is never held, and a chunk's logits are
    formed again in the backward pass."""

    def one(hidden: Tensor, teacher_hidden: Tensor) -> Tensor:
        student = torch.log_softmax(logits_of(hidden, weight_VD, bias_V, softcap) / temperature, -1)
        theirs = logits_of(teacher_hidden, teacher_weight_VE, teacher_bias_V, teacher_softcap).detach()
        teacher = torch.log_softmax(theirs / temperature, -1)
        if direction == "reverse":
            return (student.exp() * (student - teacher)).sum(-1)
        if direction == "forward":
            return (teacher.exp() * (teacher - student)).sum(-1)
        middle = torch.logaddexp(student, teacher) - math.log(2.0)
        return 0.5 * (student.exp() * (student - middle) + teacher.exp() * (teacher - middle)).sum(-1)

    rows = max(1, logprobs.CHUNK // (4 * len(weight_VD)))  # both sides and their differences
    parts = list(zip(hidden_ND.split(rows), teacher_hidden_NE.split(rows)))
    keep = len(parts) == 1 or not torch.is_grad_enabled()
    loss_N = torch.cat([one(*p) if keep else checkpoint(one, *p, use_reentrant=False) for p in parts])  # type: ignore[misc]
    return Aligned((weights_N * loss_N).sum(), loss_N.detach(), None)
