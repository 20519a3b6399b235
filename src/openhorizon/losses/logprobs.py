"""Log-probabilities of given tokens from hidden states, without ever holding [N, V] at once.

N trainable positions, V vocabulary, D hidden.
"""

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

CHUNK = 8192 * 4096  # logits held at once: rows x vocabulary


def logits_of(
    hidden_ND: Tensor, weight_VD: Tensor, bias_V: Tensor | None = None, softcap: float = 0.0
) -> Tensor:
    """Logits [N, V] in float32 (float64 for float64 inputs)."""
    logits_NV = torch.nn.functional.linear(
        hidden_ND, weight_VD.to(hidden_ND.dtype), None if bias_V is None else bias_V.to(hidden_ND.dtype)
    )
    logits_NV = logits_NV.to(torch.float64 if logits_NV.dtype == torch.float64 else torch.float32)
    return softcap * torch.tanh(logits_NV / softcap) if softcap else logits_NV


def token_logprobs(
    hidden_ND: Tensor, weight_VD: Tensor, ids_N: Tensor, bias_V: Tensor | None = None, *, softcap: float = 0.0,
    temperature: float = 1.0, entropy: bool = False,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """log p(ids) [N] in nats and, if asked, the entropy [N] of the distribution (else zeros).

    Chunks over positions; a chunk's logits are formed again in the backward pass.
    """

    def one(hidden: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
        logp = torch.log_softmax(logits_of(hidden, weight_VD, bias_V, softcap) / temperature, -1)
        spread = -(logp.exp() * logp).sum(-1) if entropy else torch.zeros_like(logp[:, 0])
        return logp.gather(1, ids[:, None])[:, 0], spread

    rows = max(1, CHUNK // weight_VD.shape[0])
    if len(ids_N) <= rows:
        return one(hidden_ND, ids_N)
    parts = [
        checkpoint(one, h, i, use_reentrant=False) if torch.is_grad_enabled() else one(h, i)
        for h, i in zip(hidden_ND.split(rows), ids_N.split(rows))
    ]
    return torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts])


def log_normaliser(
    hidden_ND: Tensor, weight_VD: Tensor, bias_V: Tensor | None = None, *, softcap: float = 0.0
) -> Tensor:
    """log Σ_v exp(logit_v) [N], in nats; chunked like `token_logprobs`, exact, with gradients."""

    def one(hidden: Tensor) -> Tensor:
        return torch.logsumexp(logits_of(hidden, weight_VD, bias_V, softcap), -1)

    parts = hidden_ND.split(max(1, CHUNK // weight_VD.shape[0]))
    if len(parts) == 1 or not torch.is_grad_enabled():
        return torch.cat([one(h) for h in parts])
    return torch.cat([checkpoint(one, h, use_reentrant=False) for h in parts])  # type: ignore[misc]
