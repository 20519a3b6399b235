"""Supervised loss: negative log-likelihood of the written tokens, each under its own weight.

N trainable positions, V vocabulary, D hidden.
"""

from torch import Tensor

from openhorizon.losses.logprobs import token_logprobs


def cross_entropy(
    hidden_ND: Tensor,
    weight_VD: Tensor,
    ids_N: Tensor,
    weights_N: Tensor,
    bias_V: Tensor | None = None,
    *,
    softcap: float = 0.0,
) -> Tensor:
    """Σ_n w_n · (−log p(id_n)), a scalar in nats. Weights that sum to one over the step make it a mean."""
    logp_N, _ = token_logprobs(hidden_ND, weight_VD, ids_N, bias_V, softcap=softcap)
    return -(weights_N * logp_N).sum()
