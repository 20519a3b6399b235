"""Drawing tokens: temperature, top-k, top-p, and the log-probability under what was really sampled from.

R rows, V vocabulary, C candidates kept.
"""

import numpy as np
import torch
from torch import Tensor

from openhorizon.engines.engine import Sampling


def uniforms(seed: int, attempt: str, turn: int, count: int) -> np.ndarray:
    """The random numbers of one turn, [count] in [0, 1): the same for the same attempt, turn and seed, whoever decodes
    beside it."""
    from zlib import crc32

    return np.random.Generator(
        np.random.Philox(key=[seed & (2**64 - 1), crc32(attempt.encode()) + (turn << 32)])
    ).random(count)


def draw(logits_RV: Tensor, sampling: Sampling, uniform_R: Tensor) -> tuple[Tensor, Tensor]:
    """Token ids [R] and their log-probabilities [R] in nats, by inverse CDF: one uniform number a token."""
    logits_RV = logits_RV.float()
    if sampling.temperature == 0:
        logprobs_RV = torch.log_softmax(logits_RV, -1)
        ids_R1 = logits_RV.argmax(-1, keepdim=True)
        return ids_R1[:, 0], logprobs_RV.gather(1, ids_R1)[:, 0]
    logits_RV = logits_RV / sampling.temperature
    if not sampling.top_k and sampling.top_p >= 1:
        logprobs_RV = torch.log_softmax(logits_RV, -1)
        ids_R1 = _inverse(logprobs_RV.exp(), uniform_R)
        return ids_R1[:, 0], logprobs_RV.gather(1, ids_R1)[:, 0]
    keep = min(sampling.top_k or logits_RV.shape[1], logits_RV.shape[1])
    kept_RC, ids_RC = logits_RV.topk(keep, dim=-1)  # sorted, largest first
    p_RC = torch.softmax(kept_RC, -1)
    if (
        sampling.top_p < 1
    ):  # the smallest set that reaches top_p: a token stays if less than top_p lies before it
        p_RC = p_RC.masked_fill(p_RC.cumsum(-1) - p_RC >= sampling.top_p, 0.0)
        p_RC = p_RC / p_RC.sum(-1, keepdim=True)
    choice_R1 = _inverse(p_RC, uniform_R)
    return ids_RC.gather(1, choice_R1)[:, 0], p_RC.gather(1, choice_R1)[:, 0].log()


def _inverse(p_RC: Tensor, uniform_R: Tensor) -> Tensor:
    """Index [R, 1] of the first candidate whose cumulative probability exceeds the uniform number."""
    total_RC = p_RC.cumsum(-1)
    target_R1 = (uniform_R[:, None].to(p_RC.dtype) * total_RC[:, -1:]).clamp(
        max=total_RC[:, -1:] * (1 - 1e-6)
    )
    return torch.searchsorted(total_RC, target_R1, right=True).clamp(max=p_RC.shape[1] - 1)
