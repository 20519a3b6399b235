"""The Triton kernels of `salient_dot.py`: products of hidden states with a few rows of the head.

Importing this file needs triton; `salient_dot.py` imports it where it has a use for it. All three are bound
by memory: they read N·K rows of D numbers and do two operations on each number. Sums are taken in float32,
without atomics, in an order that follows from the arguments and their layout alone: the same bits every time.
N positions, K ids of each, V vocabulary, D hidden, U different ids; M rows of a source, T places in lists of
its rows, S segments of such a list, L of them long, P pieces of the long ones.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

# One warp a program, 256 columns a step: for 16-bit numbers that is one 16-byte load of each lane, so a warp
# reads 512 bytes of a row at once. The sums of `dots` over columns never leave a warp and those over rows
# never a thread, and no program waits at a barrier; with more warps Triton passes the hidden state through
# shared memory in every step. Eight rows keep eight such loads of a thread in flight, in few enough registers
# (110 for `dots` in bf16 on Hopper, none spilled) for 16 warps on a multiprocessor: 64 KB on their way, by
# estimate twice its share of latency times bandwidth.
# Fixed rather than autotuned: another choice is another order of summation, and other bits.
ROWS, COLUMNS, WARPS = 8, 256, 1
# Places that one program sums. Shorter means more partial sums, a float32 row written and read each (at 256 a
# fiftieth of the traffic); longer, that the last program of an id which is everywhere runs on alone.
PIECE = 256
READABLE = (torch.float32, torch.float16, torch.bfloat16)


@triton.jit
def _dots_kernel(
    hidden, weight, ids, out, K, D, hidden_stride, weight_stride, ROWS: tl.constexpr, COLUMNS: tl.constexpr
):
    # A program: a few ids of one position, whose programs are neighbours: its hidden state stays in cache
    blocks = tl.cdiv(K, ROWS)
    n = (tl.program_id(0) // blocks).to(tl.int64)  # n·K, n·stride and id·stride can pass 2^31
    k = tl.program_id(0) % blocks * ROWS + tl.arange(0, ROWS)
    row = tl.load(ids + n * K + k, mask=k < K, other=0).to(tl.int64)
    total = tl.zeros([ROWS, COLUMNS], tl.float32)
    for first in range(0, D, COLUMNS):
        d = first + tl.arange(0, COLUMNS)
        h = tl.load(hidden + n * hidden_stride + d, mask=d < D, other=0.0).to(tl.float32)
        there = (k < K)[:, None] & (d < D)[None, :]
        w = tl.load(weight + (row * weight_stride)[:, None] + d[None, :], mask=there, other=0.0)
        total += w.to(tl.float32) * h[None, :]
    tl.store(out + n * K + k, tl.sum(total, 1), mask=k < K)


@triton.jit
def _sums_kernel(
    source, source_stride, places, factors, starts, counts, out, D, ROWS: tl.constexpr, COLUMNS: tl.constexpr
):
    # A program: 256 columns of one segment's sum. Segments run fastest over the grid, so the source passes
    # through L2 in slices: each row of it is wanted many times, and 256 bf16 columns of 45,000 rows are 23 MB
    s = tl.program_id(0).to(tl.int64)
    d = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    start = tl.load(starts + s)
    count = tl.load(counts + s).to(tl.int32)
    total = tl.zeros([COLUMNS], tl.float32)
    for first in range(0, count, ROWS):
        t = first + tl.arange(0, ROWS)
        factor = tl.load(factors + start + t, mask=t < count, other=0.0)
        row = tl.load(places + start + t, mask=t < count, other=0).to(tl.int64)
        # what the caller masked has factor 0: such rows, all of one id, are not read
        there = (factor != 0.0)[:, None] & (d < D)[None, :]
        x = tl.load(source + (row * source_stride)[:, None] + d[None, :], mask=there, other=0.0)
        total += tl.sum(factor[:, None] * x.to(tl.float32), 0)
    tl.store(out + s * D + d, total, mask=d < D)


def dots(hidden_ND: Tensor, weight_VD: Tensor, ids_NK: Tensor) -> Tensor:
    """⟨h_n, W[ids_nj]⟩, [N, K] in float32. Every id lies in [0, V), which is not checked."""
    hidden_ND, weight_VD = _readable(hidden_ND), _readable(weight_VD)
    (n, d), k = hidden_ND.shape, ids_NK.shape[1]
    if len(ids_NK) != n or weight_VD.shape[1] != d:
        raise ValueError(
            f"hidden {[n, d]}, weight {[*weight_VD.shape]}, ids {[*ids_NK.shape]} do not fit together"
        )
    out_NK = hidden_ND.new_empty(n, k, dtype=torch.float32)
    if out_NK.numel():
        with torch.cuda.device_of(out_NK):
            _dots_kernel[(n * triton.cdiv(k, ROWS),)](
                hidden_ND, weight_VD, ids_NK.contiguous(), out_NK, k, d,
                hidden_ND.stride(0), weight_VD.stride(0),
                ROWS=ROWS, COLUMNS=COLUMNS, num_warps=WARPS,  # pyright: ignore[reportCallIssue]
            )  # fmt: skip
    return out_NK


def to_hidden(grad_NK: Tensor, ids_NK: Tensor, weight_VD: Tensor) -> Tensor:
    """Σ_j g_nj·W[ids_nj], [N, D] in float32. Every id lies in [0, V), which is not checked.

    Rows with g_nj = 0 are not read.
    """
    _same_shape(grad_NK, ids_NK)
    n, k = ids_NK.shape
    starts_N = torch.arange(n, device=ids_NK.device) * k
    out_ND = grad_NK.new_empty(n, weight_VD.shape[1], dtype=torch.float32)
    _sums(_readable(weight_VD), ids_NK, grad_NK, starts_N, torch.full_like(starts_N, k), out_ND)
    return out_ND


def to_rows(grad_NK: Tensor, ids_NK: Tensor, hidden_ND: Tensor) -> tuple[Tensor, Tensor]:
    """The ids that occur, ascending, int64 [U], and Σ over their places of g_nj·h_n, [U, D] in float32.

    Holds [U, D], the partial sums of ids that occur more than `PIECE` times, and lists of N·K numbers, never
    [N, K, D]. Hidden states of places with g_nj = 0 are not read, but their ids are named.
    """
    _same_shape(grad_NK, ids_NK)
    if len(hidden_ND) != len(ids_NK):
        raise ValueError(f"hidden {[*hidden_ND.shape]} and ids {[*ids_NK.shape]} do not fit together")
    # no vocabulary passes 2^31, and int32 sorts in half the passes
    flat_T, order_T = ids_NK.reshape(-1).int().sort(stable=True)
    rows_U, counts_U = torch.unique_consecutive(flat_T, return_counts=True)
    places_T = (order_T // max(1, ids_NK.shape[1])).int()
    factors_T, starts_U = grad_NK.reshape(-1)[order_T], counts_U.cumsum(0) - counts_U
    out_UD = grad_NK.new_empty(len(rows_U), hidden_ND.shape[1], dtype=torch.float32)
    _long_sums(_readable(hidden_ND), places_T, factors_T, starts_U, counts_U, out_UD)
    return rows_U.long(), out_UD


def _long_sums(
    source_MD: Tensor, places_T: Tensor, factors_T: Tensor, starts_S: Tensor, counts_S: Tensor, out_SD: Tensor
) -> None:
    """As `_sums`, but more than `PIECE` places are summed piece by piece, and then the pieces in their order.

    An id may stand at every position; one program for all of its places would run long after all others.
    """
    long_L = (counts_S > PIECE).nonzero()[:, 0]
    if not len(long_L):
        _sums(source_MD, places_T, factors_T, starts_S, counts_S, out_SD)
        return
    _sums(source_MD, places_T, factors_T, starts_S, counts_S.where(counts_S <= PIECE, 0), out_SD)
    starts_L, counts_L = starts_S[long_L], counts_S[long_L]
    pieces_L = (counts_L + PIECE - 1) // PIECE
    ends_L = pieces_L.cumsum(0)
    of_P = torch.arange(len(long_L), device=long_L.device).repeat_interleave(pieces_L)
    index_P = torch.arange(len(of_P), device=long_L.device)
    before_P = (index_P - (ends_L - pieces_L)[of_P]) * PIECE
    starts_P, counts_P = starts_L[of_P] + before_P, (counts_L[of_P] - before_P).clamp_max(PIECE)
    parts_PD = out_SD.new_empty(len(of_P), out_SD.shape[1])
    _sums(source_MD, places_T, factors_T, starts_P, counts_P, parts_PD)
    sums_LD = out_SD.new_empty(len(long_L), out_SD.shape[1])
    _long_sums(parts_PD, index_P, torch.ones_like(parts_PD[:, 0]), ends_L - pieces_L, pieces_L, sums_LD)
    out_SD[long_L] = sums_LD


def _sums(
    source_MD: Tensor, places: Tensor, factors: Tensor, starts_S: Tensor, counts_S: Tensor, out_SD: Tensor
) -> None:
    """out_s = Σ_t factor_t·source[place_t], t from start_s up to start_s + count_s of the flattened lists."""
    if not out_SD.numel():
        return
    with torch.cuda.device_of(out_SD):
        _sums_kernel[(len(out_SD), triton.cdiv(out_SD.shape[1], COLUMNS))](
            source_MD, source_MD.stride(0), places.contiguous(), factors.detach().float().contiguous(),
            starts_S, counts_S, out_SD, out_SD.shape[1],
            ROWS=ROWS, COLUMNS=COLUMNS, num_warps=WARPS,  # pyright: ignore[reportCallIssue]
        )  # fmt: skip


def _readable(rows: Tensor) -> Tensor:
    """The rows in a layout that the kernels read: any distance between rows, none between columns."""
    if rows.dtype not in READABLE:
        raise ValueError(f"the kernels read float32, float16 and bfloat16, not {rows.dtype}")
    return rows.detach() if rows.stride(1) == 1 else rows.detach().contiguous()


def _same_shape(grad_NK: Tensor, ids_NK: Tensor) -> None:
    if grad_NK.shape != ids_NK.shape:
        raise ValueError(f"gradients {[*grad_NK.shape]} and ids {[*ids_NK.shape]} do not have the same shape")
