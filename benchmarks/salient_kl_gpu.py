"""Claim: on one GPU, loss and gradients of 45,056 tokens take at most 15 ms, of 131,072 at most 45 ms.

Vocabulary 248,320, hidden size 2,048, k 64, bfloat16; forward and backward into hidden.grad and
weight.grad. Ours by its Triton kernels and by its torch path, against the same loss compiled by
torch.compile (in row chunks, from full logits and from gathered rows), and against the losses of TRL and
Liger, in one run.

    pip install "openhorizon[benchmarks]"
    python benchmarks/salient_kl_gpu.py [--tokens 45056 131072] [--json PATH]

Ids are uniform (nearly every row of the head is touched) or Zipf-distributed (a few ids stand at almost
every position, as tokens in text do). Losses that form full logits do the same work for either and run with
uniform ids alone. Times are by CUDA events after a warm-up, medians; "made" and "kept", and what is not
timed, are as in salient_kl.py. Memory is the allocator's peak beyond what was allocated before the step.
"same bits" says whether three runs gave the same gradients, bit for bit. What runs out of memory runs on
4,096 tokens, and its time is scaled up. Without CUDA there is nothing to measure, and it says so.
"""

import argparse
import functools
import json
import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from kl_peers import (
    Contestant,
    Work,
    chunked,
    gathered_rows,
    liger_contestant,
    naive_rows,
    our_full_kl,
    ours,
    trl_contestants,
)
from torch import Tensor

from openhorizon.losses import salient_dot

DEVICE, DTYPE = "cuda", torch.bfloat16
V, D, K = 248_320, 2048, 64
TARGETS = {45_056: 15.0, 131_072: 45.0}  # tokens: milliseconds
ROWS = 1024  # of a compiled chunk; divides both
FEW = 4096  # tokens for what has no room for more
FAST_REPEATS, SLOW_REPEATS, RUNS_FOR_BITS = 20, 3, 3
LONG = 4000.0  # milliseconds, after which a slow one is not repeated


@contextmanager
def without_triton() -> Iterator[None]:
    """Within it ours takes its torch path on CUDA too."""
    kept: Any = salient_dot._triton
    salient_dot._triton = lambda: None
    try:
        yield
    finally:
        salient_dot._triton = kept


class OnTorch(Contestant):
    def step(self, work: Work) -> None:
        with without_triton():
            super().step(work)


touched = functools.partial(ours, touched_rows=True)
OURS = Contestant("ours, Triton, made", ours, "its top k", fast=True)
OURS_KEPT = Contestant("ours, Triton, kept", touched, "its top k", kept=True, fast=True)
OURS_TORCH = OnTorch("ours, torch, made", ours, "its top k", fast=True)
OURS_TORCH_KEPT = OnTorch("ours, torch, kept", touched, "its top k", kept=True, fast=True)
GATHERED = Contestant(
    f"compiled gathered rows by {ROWS}", chunked(torch.compile(gathered_rows), ROWS), "its top k", fast=True
)
COMPILED = Contestant(f"compiled naive by {ROWS}", chunked(torch.compile(naive_rows), ROWS), "its top k")
FULL = Contestant("our full_kl", our_full_kl, "projected inside", same=False)
BY_IDS = [OURS, OURS_KEPT, OURS_TORCH, OURS_TORCH_KEPT, GATHERED]


def uniform(n: int, random: torch.Generator) -> Tensor:
    """Distinct in a row: one from each of k equal parts of the vocabulary."""
    part = V // K
    return torch.randint(0, part, (n, K), generator=random, device=DEVICE) + part * torch.arange(
        K, device=DEVICE
    )


def zipf(n: int, random: torch.Generator) -> Tensor:
    """Distinct in a row: k draws by frequency 1/rank, as the first to ring of V exponential clocks."""
    ranks_V = 1.0 + torch.randperm(V, generator=random, device=DEVICE)
    rows = [
        (torch.empty(len(part), V, device=DEVICE).exponential_(generator=random) * ranks_V).topk(
            K, largest=False
        )[1]
        for part in torch.arange(n).split(512)
    ]
    return torch.cat(rows)


IDS: dict[str, Callable[[int, torch.Generator], Tensor]] = {"uniform": uniform, "Zipf": zipf}


def work_of(n: int, ids: str) -> Work:
    random = torch.Generator(DEVICE).manual_seed(0)

    def normal(rows: int, width: int, scale: float) -> Tensor:
        made = torch.empty(rows, width, device=DEVICE, dtype=DTYPE)
        return made.normal_(std=scale, generator=random)

    return Work(
        normal(n, D, 1.0).requires_grad_(), normal(V, D, 2 / D**0.5).requires_grad_(), IDS[ids](n, random),
        torch.log_softmax(2 * torch.randn(n, K, generator=random, device=DEVICE), -1),
        normal(n, D, 1.0), normal(V, D, 2 / D**0.5), kept_VD=torch.zeros(V, D, device=DEVICE, dtype=DTYPE),
    )  # fmt: skip


def first(work: Work, n: int) -> Work:
    """The same on the first n tokens."""
    assert work.teacher_hidden_NE is not None
    return Work(
        work.hidden_ND.detach()[:n].clone().requires_grad_(), work.weight_VD, work.ids_NK[:n],
        work.teacher_NK[:n], work.teacher_hidden_NE[:n], work.teacher_weight_VE, kept_VD=work.kept_VD,
    )  # fmt: skip


def timed(call: Callable[[], Any]) -> float:
    """Milliseconds on the device."""
    began, ended = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    torch.cuda.synchronize()
    began.record()
    call()
    ended.record()
    torch.cuda.synchronize()
    return began.elapsed_time(ended)


def milliseconds(contestant: Contestant, work: Work) -> float:
    contestant.clear(work)
    return timed(lambda: contestant.step(work))


def peak_bytes(contestant: Contestant, work: Work) -> int:
    contestant.clear(work)
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    contestant.step(work)
    return torch.cuda.max_memory_allocated() - before


def gradients(contestant: Contestant, work: Work) -> tuple[Tensor, Tensor]:
    if contestant.kept:
        assert work.kept_VD is not None
        work.kept_VD.zero_()
    contestant.clear(work)
    contestant.step(work)
    assert work.hidden_ND.grad is not None
    assert work.weight_VD.grad is not None
    return work.hidden_ND.grad.clone(), work.weight_VD.grad.clone()


def apart(found: tuple[Tensor, Tensor], wanted: tuple[Tensor, Tensor]) -> float:
    """The largest difference in hidden.grad or weight.grad, as a part of the largest number in it."""
    return max(
        max(
            float((x.float() - y.float()).abs().max())
            for x, y in zip(a.split(ROWS), b.split(ROWS), strict=True)
        )
        / float(b.abs().max())
        for a, b in zip(found, wanted, strict=True)
    )


def same_bits(contestant: Contestant, work: Work) -> bool:
    once = gradients(contestant, work)
    return all(
        torch.equal(a, b)
        for _ in range(RUNS_FOR_BITS - 1)
        for a, b in zip(once, gradients(contestant, work), strict=True)
    )


def checked(work: Work, contestants: list[Contestant]) -> dict[str, float]:
    """How far gradients of a few tokens are from naive autograd's in float32; bfloat16 rounds by 0.002.

    Kernels and graphs are compiled on the way; what fails here says so when it is measured.
    """
    few = first(work, ROWS)
    hidden_ND, weight_VD = (t.detach().float().requires_grad_() for t in (few.hidden_ND, few.weight_VD))
    naive_rows(hidden_ND, weight_VD, few.ids_NK, few.teacher_NK, few.weights_N).backward()
    assert hidden_ND.grad is not None
    assert weight_VD.grad is not None
    wanted, found = (hidden_ND.grad, weight_VD.grad), {}
    for c in contestants:
        with suppress(Exception):
            gap = apart(gradients(c, few), wanted)
            if c.same:
                found[c.name] = gap
    return found


def measured(contestant: Contestant, work: Work) -> dict[str, Any]:
    """Milliseconds of runs, peak bytes, and on how many tokens."""
    tokens = len(work.ids_NK)
    for n in (tokens, min(FEW, tokens)):
        part = work if n == tokens else first(work, n)
        try:
            if contestant.teacher == "its logits":
                _, teacher, _, teacher_weight = part.both_sides()
                part.teacher_logits_NV = teacher @ teacher_weight.T
            peak = peak_bytes(contestant, part)  # a warm-up at the same time
            runs = [milliseconds(contestant, part)]
            while len(runs) < (FAST_REPEATS if contestant.fast else SLOW_REPEATS) and runs[0] < LONG:
                runs.append(milliseconds(contestant, part))
            return {
                "ms": statistics.median(runs) * tokens / n,
                "runs": runs,
                "peak_bytes": peak,
                "tokens": n,
            }
        except torch.OutOfMemoryError:
            pass
        except Exception as error:  # a peer that does not run here
            return {"left_out": f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"}
        finally:
            part.teacher_logits_NV = None
            contestant.clear(part)
        torch.cuda.empty_cache()
    return {"left_out": "out of memory"}


def told(
    contestant: Contestant, found: dict[str, Any], tokens: int, ours_ms: float, bits: str, notes: list[str]
) -> None:
    if "left_out" in found:
        print(f"  {contestant.name:32}left out: {found['left_out']}", flush=True)
        return
    if found["tokens"] < tokens:
        notes = [*notes, f"out of memory: scaled up from {found['tokens']:,} tokens"]
    print(
        f"  {contestant.name:32}{found['ms']:10.1f} ms{found['ms'] / ours_ms:9.1f} x ours, kept"
        f"{found['peak_bytes'] / 1e9:8.2f} GB  {bits:13}{', '.join(notes)}",
        flush=True,
    )


def products(work: Work) -> dict[str, float]:
    """Milliseconds of the three products in ours."""
    hidden_ND, weight_VD, ids_NK = work.hidden_ND.detach(), work.weight_VD.detach(), work.ids_NK
    grad_NK = torch.randn(ids_NK.shape, device=DEVICE)
    calls: dict[str, Callable[[], Any]] = {
        "dots": lambda: salient_dot.dots(hidden_ND, weight_VD, ids_NK),
        "to_hidden": lambda: salient_dot.to_hidden(grad_NK, ids_NK, weight_VD),
        "to_rows": lambda: salient_dot.to_rows(grad_NK, ids_NK, hidden_ND),
    }
    return {name: statistics.median(timed(call) for _ in range(FAST_REPEATS)) for name, call in calls.items()}


def race(tokens: int, ids: str, slow: list[Contestant]) -> dict[str, Any]:
    work = work_of(tokens, ids)
    rows = len(work.ids_NK.unique())
    print(f"\n{tokens:,} tokens, {ids} ids, {rows:,} rows of the head touched")
    contestants = [*BY_IDS, *(slow if ids == "uniform" else [])]
    differences = checked(work, contestants)
    found = {c.name: measured(c, work) for c in contestants}
    mine = found[OURS_KEPT.name].get("ms", float("nan"))
    target = TARGETS.get(tokens)
    for c in contestants:
        notes, bits = [], ""
        if c in BY_IDS and "left_out" not in found[c.name]:
            found[c.name]["same_bits"] = same_bits(c, work)
            bits = "same bits" if found[c.name]["same_bits"] else "bits differ"
        if c.name in differences:
            notes.append(f"gradients apart {differences[c.name]:.0e}")
        if c in (OURS, OURS_KEPT) and target:
            notes.append(f"target {target:g} ms {'met' if found[c.name]['ms'] <= target else 'MISSED'}")
        told(c, found[c.name], tokens, mine, bits, notes)
    taken = products(work)
    gathered = tokens * K * D * work.weight_VD.element_size()  # bytes of the rows that each product reads
    of_which = (f"{name} {ms:.2f} ms ({gathered / ms / 1e9:.2f} TB/s)" for name, ms in taken.items())
    print("  the products in ours: " + ", ".join(of_which))
    return {
        "tokens": tokens, "ids": ids, "touched_rows": rows, "contestants": found, "products": taken,
        "gradients_apart": differences, "target_ms": target,
    }  # fmt: skip


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    arguments.add_argument("--tokens", type=int, nargs="+", default=[*TARGETS], help="how many, of each race")
    arguments.add_argument("--json", type=Path, metavar="PATH", help="where to write the numbers")
    chosen = arguments.parse_args()
    if not torch.cuda.is_available():
        print("no CUDA device: nothing is measured")
        sys.exit(0)
    properties = torch.cuda.get_device_properties(0)
    machine = f"{properties.name}, {properties.total_memory / 1e9:.0f} GB, torch {torch.__version__}"
    machine += f", {'with' if salient_dot._triton() else 'WITHOUT'} our Triton kernels"
    print(machine)
    trl, no_trl = trl_contestants()
    liger, no_liger = liger_contestant(cuda=True)
    for reason in filter(None, (no_trl, no_liger)):
        print(f"left out: {reason}")
    slow = [COMPILED, *trl, *liger, FULL]
    races = [race(tokens, ids, slow) for tokens in chosen.tokens for ids in IDS]
    if chosen.json:
        chosen.json.write_text(json.dumps({"machine": machine, "races": races}, indent=1) + "\n")


if __name__ == "__main__":
    main()
