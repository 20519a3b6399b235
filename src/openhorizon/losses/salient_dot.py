"""Products of hidden states with a few rows of the output head each, and their two adjoints: all that alignment on a
small support needs of a head of V rows.

N positions, K ids of each, V vocabulary, D hidden, U different ids. About 6·N·K·D operations for the three together;
neither [N, V] nor [N, K, D] is ever held. CUDA takes the Triton kernels of `salient_dot_triton.py` where triton is
installed, everything else the torch ones below. Sums are taken in float32 (float64 for float64 inputs), in the same
order every time.
"""

from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import embedding, embedding_bag

CPU_CHUNK, GPU_CHUNK = 1 << 20, 1 << 26  # gathered numbers held at once; a CPU's fit into its cache


def dots(hidden_ND: Tensor, weight_VD: Tensor, ids_NK: Tensor) -> Tensor:
    """⟨h_n, W[ids_nj]⟩, [N, K] in float32 (float64). Every id lies in [0, V)."""
    kernels = _kernels(hidden_ND)
    if kernels:
        return kernels.dots(hidden_ND, weight_VD, ids_NK)
    wide = sums_in(hidden_ND)
    out_NK = hidden_ND.new_empty(ids_NK.shape, dtype=wide)
    for at in _pieces(ids_NK, weight_VD):
        rows = embedding(ids_NK[at], weight_VD).to(wide)
        torch.bmm(rows, hidden_ND[at, :, None].to(wide), out=out_NK[at, :, None])
    return out_NK


def to_hidden(grad_NK: Tensor, ids_NK: Tensor, weight_VD: Tensor) -> Tensor:
    """Σ_j g_nj·W[ids_nj], [N, D]: how `dots` pulls at the hidden states."""
    kernels = _kernels(grad_NK)
    if kernels:
        return kernels.to_hidden(grad_NK, ids_NK, weight_VD)
    if weight_VD.dtype == grad_NK.dtype:
        return embedding_bag(ids_NK, weight_VD, mode="sum", per_sample_weights=grad_NK)
    out_ND = grad_NK.new_empty(len(ids_NK), weight_VD.shape[1])
    for at in _pieces(ids_NK, weight_VD):
        rows = embedding(ids_NK[at], weight_VD).to(grad_NK.dtype)
        torch.bmm(grad_NK[at, None, :], rows, out=out_ND[at, None, :])
    return out_ND


def to_rows(grad_NK: Tensor, ids_NK: Tensor, hidden_ND: Tensor) -> tuple[Tensor, Tensor]:
    """The ids that occur, ascending, [U], and Σ over their places of g_nj·h_n, [U, D]: how `dots` pulls at the head.

    The N·K ids are sorted and summed segment by segment: no atomics, the same bits every time.
    """
    kernels = _kernels(grad_NK)
    if kernels:
        return kernels.to_rows(grad_NK, ids_NK, hidden_ND)
    flat, order = ids_NK.reshape(-1).sort(stable=True)
    rows_U, counts_U = torch.unique_consecutive(flat, return_counts=True)
    values_UD = embedding_bag(
        order // max(1, ids_NK.shape[1]), hidden_ND.to(grad_NK.dtype), counts_U.cumsum(0) - counts_U,
        mode="sum", per_sample_weights=grad_NK.reshape(-1)[order],
    )  # fmt: skip
    return rows_U, values_UD


def sums_in(tensor: Tensor) -> torch.dtype:
    return torch.float64 if tensor.dtype == torch.float64 else torch.float32


def _pieces(ids_NK: Tensor, weight_VD: Tensor) -> list[slice]:
    """Spans of positions whose gathered rows are held at once."""
    chunk = GPU_CHUNK if ids_NK.is_cuda else CPU_CHUNK
    step = max(1, chunk // max(1, ids_NK.shape[1] * weight_VD.shape[1]))
    return [slice(n, n + step) for n in range(0, len(ids_NK), step)]


def _kernels(tensor: Tensor) -> Any:
    """The Triton kernels where they can run, else None."""
    return _triton() if tensor.is_cuda and tensor.dtype != torch.float64 else None


@cache
def _triton() -> Any:
    try:
        from openhorizon.losses import salient_dot_triton
    except ImportError:  # a torch build without triton: slower, the same result
        return None
    return salient_dot_triton
