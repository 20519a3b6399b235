"""The Triton kernels of alignment against dense float64 algebra, in Triton's interpreter or on CUDA."""

import os

import pytest
import torch
from torch import Tensor

ON_CUDA = torch.cuda.is_available()
DEVICE = "cuda" if ON_CUDA else "cpu"
if not ON_CUDA:
    os.environ["TRITON_INTERPRET"] = (
        "1"  # read when triton is first imported; then kernels run on CPU tensors
    )
pytest.importorskip("triton", reason="triton is not installed; `pip install --no-deps triton` installs it")

from openhorizon.losses import salient_dot_triton as kernels  # noqa: E402

torch.set_num_threads(1)
# of the sum of the absolute terms: enough for float32 sums of a few thousand, too little for a lost term
ROUNDING = 4e-6


def scene(
    n: int,
    k: int,
    d: int,
    v: int,
    dtype: torch.dtype = torch.float32,
    ids: torch.dtype = torch.int64,
    seed: int = 0,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """hidden [N, D], weight [V, D], ids [N, K] with repetitions, gradients [N, K], a tenth 0 at id 0."""
    g = torch.Generator().manual_seed(seed)
    hidden_ND, weight_VD = torch.randn(n, d, generator=g).to(dtype), torch.randn(v, d, generator=g).to(dtype)
    ids_NK = torch.randint(0, v, (n, k), generator=g).to(ids)
    grad_NK = torch.randn(n, k, generator=g)
    masked_NK = torch.rand(n, k, generator=g) < 0.1
    ids_NK, grad_NK = ids_NK.masked_fill(masked_NK, 0), grad_NK.masked_fill(masked_NK, 0.0)
    return hidden_ND.to(DEVICE), weight_VD.to(DEVICE), ids_NK.to(DEVICE), grad_NK.to(DEVICE)


def spread(grad_NK: Tensor, ids_NK: Tensor, v: int) -> Tensor:
    """The gradients at the places of their ids in the whole vocabulary, [N, V]."""
    zeros_NV = torch.zeros(len(ids_NK), v, dtype=torch.float64, device=ids_NK.device)
    return zeros_NV.scatter_add(1, ids_NK.long(), grad_NK.double())


def assert_sums(got: Tensor, wanted: Tensor, terms: Tensor):
    """`terms`: the same sums over absolute values, by which rounding is measured."""
    assert got.dtype == torch.float32
    assert got.shape == wanted.shape
    excess = (got.double() - wanted).abs() - ROUNDING * terms - 1e-12
    assert not excess.numel() or float(excess.max()) <= 0, f"beyond rounding by {float(excess.max()):.2e}"


def assert_dense(hidden_ND: Tensor, weight_VD: Tensor, ids_NK: Tensor, grad_NK: Tensor):
    """All three primitives say what dense algebra in float64 says."""
    h, w, at = hidden_ND.double(), weight_VD.double(), ids_NK.long()
    terms_NK = (h.abs() @ w.abs().T).gather(1, at)
    assert_sums(kernels.dots(hidden_ND, weight_VD, ids_NK), (h @ w.T).gather(1, at), terms_NK)
    g_NV, terms_NV = spread(grad_NK, ids_NK, len(w)), spread(grad_NK.abs(), ids_NK, len(w))
    assert_sums(kernels.to_hidden(grad_NK, ids_NK, weight_VD), g_NV @ w, terms_NV @ w.abs())
    rows_U, values_UD = kernels.to_rows(grad_NK, ids_NK, hidden_ND)
    assert rows_U.dtype == torch.int64
    assert rows_U.tolist() == sorted({*ids_NK.flatten().tolist()})
    assert_sums(values_UD, (g_NV.T @ h)[rows_U], (terms_NV.T @ h.abs())[rows_U])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize(
    ("n", "k", "d", "v", "ids"),
    [
        (5, 7, 13, 11, torch.int64),
        (3, 64, 256, 80, torch.int32),
        (9, 1, 257, 4, torch.int64),
        (4, 9, 1, 3, torch.int32),
        (2, 70, 600, 40, torch.int64),
        (1, 512, 8, 90, torch.int32),
        (6, 8, 3, 1, torch.int64),
    ],
)
def test_the_primitives_agree_with_dense_algebra(n, k, d, v, ids, dtype):
    assert_dense(*scene(n, k, d, v, dtype, ids))


def test_hidden_states_and_head_may_differ_in_precision():
    hidden_ND, weight_VD, ids_NK, grad_NK = scene(4, 6, 21, 9)
    assert_dense(hidden_ND.bfloat16(), weight_VD, ids_NK, grad_NK)
    assert_dense(hidden_ND, weight_VD.half(), ids_NK, grad_NK)


def test_any_layout_of_the_arguments_is_read():
    hidden_ND, weight_VD, ids_NK, grad_NK = scene(6, 5, 20, 12)
    by_column = [t.T.contiguous().T for t in (hidden_ND, weight_VD, ids_NK, grad_NK)]
    assert not any(t.is_contiguous() for t in by_column)
    assert_dense(*by_column)
    assert_dense(hidden_ND[::2, 3:14], weight_VD[2:, 5:16], ids_NK[::2, 1:] % 10, grad_NK[::2, 1:])
    assert_dense(hidden_ND[:1].expand(6, 20), weight_VD, ids_NK[:, :1].expand(6, 5), grad_NK[:1].expand(6, 5))


@pytest.mark.parametrize(("n", "k", "d"), [(0, 5, 7), (3, 0, 7), (3, 5, 0), (0, 0, 0)])
def test_nothing_gives_nothing(n, k, d):
    hidden_ND, weight_VD, ids_NK, grad_NK = scene(n, k, d, 4)
    assert torch.equal(kernels.dots(hidden_ND, weight_VD, ids_NK), torch.zeros(n, k, device=DEVICE))
    assert torch.equal(kernels.to_hidden(grad_NK, ids_NK, weight_VD), torch.zeros(n, d, device=DEVICE))
    rows_U, values_UD = kernels.to_rows(grad_NK, ids_NK, hidden_ND)
    assert rows_U.tolist() == sorted({*ids_NK.flatten().tolist()})
    assert values_UD.shape == (len(rows_U), d)


def test_an_id_at_every_position_is_summed_in_pieces():
    hidden_ND, weight_VD, ids_NK, grad_NK = scene(kernels.PIECE // 3 + 1, 6, 5, 60)
    ids_NK[:, 1:] = 7
    assert_dense(hidden_ND, weight_VD, ids_NK, grad_NK + 1.0)


def test_no_program_sums_more_than_a_piece(monkeypatch):
    """Ids at 1, 15, 16, ... places, with pieces of 16: some are one piece, some have pieces of pieces."""
    longest, sums = [], kernels._sums

    def watched(source_MD, places, factors, starts_S, counts_S, out_SD):
        longest.append(int(counts_S.max()))
        sums(source_MD, places, factors, starts_S, counts_S, out_SD)

    counts = torch.tensor([1, 15, 16, 17, 32, 33, 256, 257, 600])
    ids_N = torch.arange(len(counts)).repeat_interleave(counts)
    ids_N = ids_N[torch.randperm(len(ids_N), generator=torch.Generator().manual_seed(1))]
    hidden_ND, _, _, grad_NK = scene(len(ids_N), 1, 3, len(counts))
    whole_UD = kernels.to_rows(grad_NK, ids_N[:, None].to(DEVICE), hidden_ND)[1]
    monkeypatch.setattr(kernels, "PIECE", 16)
    monkeypatch.setattr(kernels, "_sums", watched)
    rows_U, values_UD = kernels.to_rows(grad_NK, ids_N[:, None].to(DEVICE), hidden_ND)
    assert len(longest) == 5  # all ids; the long ones' pieces; their sums; the longest one's pieces; its sum
    assert max(longest) == 16
    g_NV = spread(grad_NK, ids_N[:, None].to(DEVICE), len(counts))
    terms_UD = (g_NV.abs().T @ hidden_ND.double().abs())[rows_U]
    assert_sums(values_UD, (g_NV.T @ hidden_ND.double())[rows_U], terms_UD)
    assert_sums(whole_UD, (g_NV.T @ hidden_ND.double())[rows_U], terms_UD)


def test_the_same_arguments_give_the_same_bits():
    hidden_ND, weight_VD, ids_NK, grad_NK = scene(kernels.PIECE // 3 + 1, 5, 9, 30, torch.bfloat16)
    ids_NK[:, 1:] = 3
    first, again = [
        (
            kernels.dots(hidden_ND, weight_VD, ids_NK),
            kernels.to_hidden(grad_NK, ids_NK, weight_VD),
            *kernels.to_rows(grad_NK, ids_NK, hidden_ND),
        )
        for _ in range(2)
    ]
    assert all(torch.equal(a, b) for a, b in zip(first, again))


def test_what_is_masked_is_named_but_not_read():
    hidden_ND, weight_VD, ids_NK, grad_NK = scene(3, 4, 6, 9)
    ids_NK, grad_NK = ids_NK.clamp_min(1), grad_NK + 3.0
    ids_NK[1], grad_NK[1], weight_VD[0], hidden_ND[1] = 0, 0.0, torch.nan, torch.nan
    assert torch.isfinite(kernels.to_hidden(grad_NK, ids_NK, weight_VD)).all()
    rows_U, values_UD = kernels.to_rows(grad_NK, ids_NK, hidden_ND)
    assert rows_U[0] == 0
    assert not values_UD[0].any()
    assert torch.isfinite(values_UD).all()
    grad_NK[1, 0] = torch.nan
    assert torch.isnan(kernels.to_hidden(grad_NK, ids_NK, weight_VD)[1]).all()


def test_what_the_kernels_cannot_read_is_refused():
    hidden_ND, weight_VD, ids_NK, grad_NK = scene(3, 4, 6, 9)
    with pytest.raises(ValueError, match="not torch"):
        kernels.dots(hidden_ND.double(), weight_VD, ids_NK)
    with pytest.raises(ValueError, match="not torch"):
        kernels.to_hidden(grad_NK, ids_NK, weight_VD.double())
    with pytest.raises(ValueError, match="not torch"):
        kernels.to_rows(grad_NK, ids_NK, hidden_ND.double())
    with pytest.raises(ValueError, match="do not fit together"):
        kernels.dots(hidden_ND, weight_VD[:, :5], ids_NK)
    with pytest.raises(ValueError, match="do not fit together"):
        kernels.to_rows(grad_NK[:2], ids_NK[:2], hidden_ND)
    with pytest.raises(ValueError, match="the same shape"):
        kernels.to_hidden(grad_NK[:, :3], ids_NK, weight_VD)


needs_cuda = pytest.mark.skipif(
    not ON_CUDA, reason="no CUDA device; run it on a machine with an NVIDIA GPU and a CUDA build of torch"
)


@pytest.mark.gpu
@needs_cuda
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize(
    ("n", "k", "d", "v"), [(700, 64, 2048, 3000), (300, 100, 1000, 999), (2000, 8, 256, 50)]
)
def test_compiled_kernels_agree_with_dense_algebra(n, k, d, v, dtype):
    hidden_ND, weight_VD, ids_NK, grad_NK = scene(n, k, d, v, dtype)
    ids_NK[:, 0] = v - 1
    assert_dense(hidden_ND, weight_VD, ids_NK, grad_NK)
    first, again = [kernels.to_rows(grad_NK, ids_NK, hidden_ND)[1] for _ in range(2)]
    assert torch.equal(first, again)


@pytest.mark.gpu
@needs_cuda
def test_rows_beyond_two_to_the_31_numbers_are_reached():
    d, v = 2048, (1 << 20) + 9
    if torch.cuda.mem_get_info()[0] < 3 * v * d:
        pytest.skip("less than 6.5 GB of GPU memory are free; run it on a GPU that has them")
    weight_VD = torch.zeros(v, d, dtype=torch.bfloat16, device=DEVICE)
    hidden_ND, _, _, grad_NK = scene(4, 9, d, 1, torch.bfloat16)
    ids_NK = torch.arange(v - 9, v, device=DEVICE).expand(4, 9)
    weight_VD[-9:] = torch.randn(9, d, generator=torch.Generator().manual_seed(2)).to(weight_VD)
    near = ids_NK - (v - 9)
    assert torch.equal(
        kernels.dots(hidden_ND, weight_VD, ids_NK), kernels.dots(hidden_ND, weight_VD[-9:], near)
    )
    far_ND = kernels.to_hidden(grad_NK, ids_NK, weight_VD)
    assert torch.equal(far_ND, kernels.to_hidden(grad_NK, near, weight_VD[-9:]))
    assert far_ND.any()


@pytest.mark.gpu
@needs_cuda
def test_gathered_rows_are_never_held():
    n, k, d = 8192, 64, 1024
    hidden_ND, weight_VD, ids_NK, grad_NK = scene(n, k, d, 2000, torch.bfloat16)
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    kernels.dots(hidden_ND, weight_VD, ids_NK)
    kernels.to_hidden(grad_NK, ids_NK, weight_VD)
    kernels.to_rows(grad_NK, ids_NK, hidden_ND)
    assert torch.cuda.max_memory_allocated() - before < n * k * d * 2 // 8  # an eighth of [N, K, D] in bf16
