"""Claim: aligning a student on the teacher's top k costs a small part of what the whole vocabulary costs.

One step's loss, forward and backward into hidden.grad and weight.grad, in float32 on two threads: ours
(`openhorizon.losses.salient_kl`) against the same loss written plainly and the losses of TRL and Liger.
Targets at V 248,320, N 512, d 512, k 64: at most 0.5 s, a twentieth of naive, a fortieth of TRL's KL of
full logits; the same gradients; and no memory beside the inputs but the touched rows of the head's gradient
and O(N·k).

    pip install "openhorizon[benchmarks]"
    OMP_WAIT_POLICY=PASSIVE python benchmarks/salient_kl.py [--quick] [--json PATH]

`--quick` runs the headline alone. (Threads that wait passively leave the cores to others: on a machine that
does something else too, times are steadier.) The teacher's forward pass is not timed, it is the same for
every loss: its top k, its logits, or its hidden states (512 wide) are given; losses marked "projected
inside" make its logits themselves. Contestants take turns. Ratios are of medians, of the time by the wall or
by the processors, whichever says less: what else runs on a machine stretches the wall of long runs most.
"made" makes a weight.grad of V x d numbers; "kept" adds to one that is there already, as in a trainer that
keeps its buffers (zeroing them is not timed). "gathered rows" is our idea under plain autograd, which holds
the k rows of every position: on a CPU close to ours in time, not in memory. Peak is the most bytes of tensors
alive at once during the step, by torch's profiler.
"""

import argparse
import functools
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch
from kl_peers import (
    CHECKPOINTED_ROWS,
    Contestant,
    Work,
    chunked,
    gathered_rows,
    liger_contestant,
    naive_rows,
    our_full_kl,
    ours,
    trl_contestants,
    whole,
    without_softmax_rows,
)
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

V, THREADS, TEACHER_HIDDEN = 248_320, 2, 512
N, D, K = 512, 512, 64  # the headline
NS, DS, KS = (256, 1024), (512, 2048), (16, 64, 256)
FAST_REPEATS, SLOW_REPEATS, TABLE_REPEATS = 9, 3, 5
SECONDS, FASTER_THAN_NAIVE, FASTER_THAN_TRL, GRADIENTS, BYTES = 0.5, 20, 40, 1e-5, 256

OURS = Contestant("ours, weight.grad made", ours, "its top k", fast=True)
OURS_KEPT = Contestant(
    "ours, weight.grad kept", functools.partial(ours, touched_rows=True), "its top k", kept=True, fast=True
)
NAIVE = Contestant("naive: log_softmax, gather", whole(naive_rows), "its top k")
CHECKPOINTED = Contestant(
    f"naive, {CHECKPOINTED_ROWS}-row checkpoints", chunked(naive_rows, CHECKPOINTED_ROWS), "its top k"
)
PLAIN = Contestant("full logits, gather", whole(without_softmax_rows), "its top k")
GATHERED = Contestant("gathered rows", whole(gathered_rows), "its top k", fast=True)
GATHERED_KEPT = Contestant(
    "gathered rows, sparse, kept", whole(gathered_rows, sparse=True), "its top k", kept=True, fast=True
)
FULL = Contestant("our full_kl", our_full_kl, "projected inside", same=False)
TRL_FULL = "TRL GKD, full logits"


class Scene:
    """One student of hidden size `d` and one teacher, from which work of every N and k is cut."""

    def __init__(self, n: int, d: int, k: int, keep_logits: bool = True):
        random = torch.Generator().manual_seed(0)
        self.hidden_ND = torch.randn(n, d, generator=random)
        self.weight_VD = torch.randn(V, d, generator=random).mul_(2 / d**0.5).requires_grad_()
        self.kept_VD = torch.zeros(V, d)
        self.teacher_hidden_NE = torch.randn(n, TEACHER_HIDDEN, generator=random)
        self.teacher_weight_VE = torch.randn(V, TEACHER_HIDDEN, generator=random).mul_(
            2 / TEACHER_HIDDEN**0.5
        )
        logits_NV = self.teacher_hidden_NE @ self.teacher_weight_VE.T
        top_NK, self.ids_NK = logits_NV.topk(k, -1)
        self.teacher_NK = top_NK - logits_NV.logsumexp(-1, keepdim=True)
        self.teacher_logits_NV = logits_NV if keep_logits else None

    def work(self, n: int, k: int) -> Work:
        return Work(
            self.hidden_ND[:n].clone().requires_grad_(), self.weight_VD, self.ids_NK[:n, :k].contiguous(),
            self.teacher_NK[:n, :k].contiguous(), self.teacher_hidden_NE[:n], self.teacher_weight_VE,
            None if self.teacher_logits_NV is None else self.teacher_logits_NV[:n], self.kept_VD,
        )  # fmt: skip


class Seconds(NamedTuple):
    wall: float
    cpu: float  # of all threads together


def seconds(contestant: Contestant, work: Work) -> Seconds:
    contestant.clear(work)
    began, used = time.perf_counter(), time.process_time()
    contestant.step(work)
    return Seconds(time.perf_counter() - began, time.process_time() - used)


def median(runs: list[Seconds]) -> Seconds:
    return Seconds(*(statistics.median(values) for values in zip(*runs, strict=True)))


def faster(mine: Seconds, peer: Seconds) -> float:
    """How many times, by the wall or by the processors, whichever says less."""
    return min(peer.wall / mine.wall, peer.cpu / mine.cpu)


def examined(contestant: Contestant, work: Work) -> tuple[int, tuple[Tensor, Tensor]]:
    """The most bytes of tensors alive at once beyond those alive before, and the gradients."""
    if contestant.kept:
        assert work.kept_VD is not None
        work.kept_VD.zero_()
    contestant.clear(work)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        contestant.step(work)
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder, "trace.json")
        profiled.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text(errors="replace"))["traceEvents"]
    alive = most = 0
    for event in sorted((e for e in events if e["name"] == "[memory]"), key=lambda e: e["ts"]):
        alive += event["args"]["Bytes"]
        most = max(most, alive)
    return most, gradients(work)


def gradients(work: Work) -> tuple[Tensor, Tensor]:
    assert work.hidden_ND.grad is not None
    assert work.weight_VD.grad is not None
    return work.hidden_ND.grad, work.weight_VD.grad


def apart(found: tuple[Tensor, Tensor], wanted: tuple[Tensor, Tensor]) -> float:
    """The largest difference in hidden.grad or weight.grad, as a part of the largest number in it."""
    parts = []
    for a, b in zip(found, wanted, strict=True):
        most = max(float((x - y).abs().max()) for x, y in zip(a.split(4096), b.split(4096), strict=True))
        parts.append(most / max(float(y.abs().max()) for y in b.split(4096)))
    return max(parts)


def race(contestants: list[Contestant], work: Work, fast: int, slow: int) -> dict[str, list[Seconds]]:
    """Every run of each; everybody takes a turn in every round until it has had enough."""
    taken: dict[str, list[Seconds]] = {c.name: [] for c in contestants}
    for turn in range(max(fast, slow)):
        for c in contestants:
            if turn < (fast if c.fast else slow):
                taken[c.name].append(seconds(c, work))
    return taken


def headline() -> dict[str, Any]:
    work = Scene(N, D, K).work(N, K)
    trl, no_trl = trl_contestants()
    liger, no_liger = liger_contestant(cuda=False)
    missing = [m for m in (no_trl, no_liger) if m]
    try:  # the first call compiles
        for c in liger:
            seconds(c, work)
    except Exception as error:
        missing.append(f"Liger: {type(error).__name__}: {str(error).splitlines()[0]}")
        liger = []
    contestants = [OURS, OURS_KEPT, GATHERED, GATHERED_KEPT, PLAIN, NAIVE, CHECKPOINTED, FULL, *trl, *liger]
    memory, apart_by = {}, {}
    memory[NAIVE.name], wanted = examined(NAIVE, work)
    for c in contestants:  # everybody's warm-up at the same time
        if c is not NAIVE:
            memory[c.name], found = examined(c, work)
            if c.same:
                apart_by[c.name] = apart(found, wanted)
            del found
    del wanted
    taken = race(contestants, work, FAST_REPEATS, SLOW_REPEATS)
    medians = {name: median(runs) for name, runs in taken.items()}

    print(f"\nV {V:,}, N {N}, d {D}, k {K}, forward and backward")
    print(f"{'':28}{'seconds':>18}{'CPU':>9}{'':5}{'ours x faster':>15}{'peak':>8}{'gradients':>11}")
    heads = f"{'median':>9}{'least':>9}{'median':>9}{'runs':>5}{'made':>8}{'kept':>7}{'MB':>8}{'apart':>11}"
    print(f"{'':28}{heads}  teacher")
    for c in contestants:
        middle, runs = medians[c.name], taken[c.name]
        gap = f"{apart_by[c.name]:.0e}" if c.name in apart_by else "-"
        print(
            f"{c.name:28}{middle.wall:9.3f}{min(r.wall for r in runs):9.3f}{middle.cpu:9.3f}{len(runs):5}"
            f"{faster(medians[OURS.name], middle):8.1f}{faster(medians[OURS_KEPT.name], middle):7.1f}"
            f"{memory[c.name] / 1e6:8,.0f}{gap:>11}  {c.teacher}"
        )
    for reason in missing:
        print(f"left out: {reason}")
    rows = len(work.ids_NK.unique())
    rest = memory[OURS_KEPT.name] - rows * D * 4
    print(
        f"memory of ours, kept: {memory[OURS_KEPT.name] / 1e6:.1f} MB = {rows:,} touched rows"
        f" {rows * D * 4 / 1e6:.1f} MB + {rest / 1e6:.1f} MB, {rest / (N * K):.0f} bytes for each of N·k;"
        f" one [N, V] is {N * V * 4 / 1e6:,.0f} MB"
    )
    return {
        "sizes": {"V": V, "N": N, "d": D, "k": K},
        "seconds": {name: [r._asdict() for r in runs] for name, runs in taken.items()},
        "medians": {name: m._asdict() for name, m in medians.items()},
        "peak_bytes": memory,
        "gradients_apart": apart_by,
        "left_out": missing,
        "touched_rows": rows,
        "bytes_beside_touched_rows": rest,
    }


def verdicts(found: dict[str, Any]) -> list[dict[str, Any]]:
    medians = {name: Seconds(**m) for name, m in found["medians"].items()}
    rows: list[tuple[str, float, str, float]] = []
    for c in (OURS, OURS_KEPT):
        mine = medians[c.name]
        rows.append((f"{c.name}: seconds", mine.wall, "<=", SECONDS))
        for peer, factor in ((NAIVE.name, FASTER_THAN_NAIVE), (TRL_FULL, FASTER_THAN_TRL)):
            if peer in medians:
                ratio = faster(mine, medians[peer])
                rows.append((f"{c.name}: times faster than {peer}", ratio, ">=", factor))
        rows.append((f"{c.name}: gradients apart", found["gradients_apart"][c.name], "<=", GRADIENTS))
    per_place = found["bytes_beside_touched_rows"] / (N * K)
    rows.append((f"{OURS_KEPT.name}: bytes beside touched rows for each of N·k", per_place, "<=", BYTES))
    told = []
    print("\ntargets")
    for what, value, side, target in rows:
        met = value <= target if side == "<=" else value >= target
        print(f"  {'met' if met else 'MISSED':7}{what} {value:.3g}, target {side} {target:g}")
        told.append({"what": what, "value": value, "target": f"{side} {target:g}", "met": met})
    return told


def table() -> list[dict[str, Any]]:
    print(
        f"\nours and gathered rows: medians of {TABLE_REPEATS}; naive: once; -: not run, [N, k, d] above 1 GB"
    )
    print(
        f"{'N':>5}{'d':>6}{'k':>5}{'made s':>8}{'kept s':>8}{'gathered kept s':>17}{'naive s':>9}"
        f"{'x made':>8}{'x kept':>8}{'apart':>8}{'peak MB':>9}{'rows MB':>9}"
    )
    cells: list[dict[str, Any]] = []
    for d in DS:
        scene = Scene(max(NS), d, max(KS), keep_logits=d == D)
        seconds(NAIVE, scene.work(min(NS), K))  # its warm-up
        for n in NS:
            for k in KS:
                cells.append(cell(scene.work(n, k), others=(d, k) == (D, K)))
        del scene  # before the next one is made
    print(f"\nonce, d {D}, k {K}")
    for row in cells:
        for name, value in row["others"].items():
            ratio = faster(Seconds(**row["kept"]), Seconds(**value))
            print(f"  N {row['N']:5}: {name:28}{value['wall']:8.2f} s, ours, kept: {ratio:.0f} x faster")
    return cells


def cell(work: Work, others: bool) -> dict[str, Any]:
    """Ours, the plain forms, and the libraries' where `others`, at one size."""
    (n, k), d = work.ids_NK.shape, work.hidden_ND.shape[1]
    naive = seconds(NAIVE, work)
    wanted, gap, peak = gradients(work), 0.0, 0
    for c in (OURS, OURS_KEPT):
        peak, found = examined(c, work)
        gap = max(gap, apart(found, wanted))
        del found
    del wanted
    contestants = [OURS, OURS_KEPT] + [GATHERED_KEPT] * (n * k * d * 4 <= 1e9)
    medians = {name: median(runs) for name, runs in race(contestants, work, TABLE_REPEATS, 0).items()}
    made, kept, gathered = medians[OURS.name], medians[OURS_KEPT.name], medians.get(GATHERED_KEPT.name)
    rows = len(work.ids_NK.unique()) * d * 4
    shown = f"{gathered.wall:.3f}" if gathered else "-"
    print(
        f"{n:5}{d:6}{k:5}{made.wall:8.3f}{kept.wall:8.3f}{shown:>17}{naive.wall:9.2f}"
        f"{faster(made, naive):8.1f}{faster(kept, naive):8.1f}"
        f"{gap:8.0e}{peak / 1e6:9.1f}{rows / 1e6:9.1f}",
        flush=True,
    )
    once: dict[str, dict[str, float]] = {}
    if others:
        libraries = [*trl_contestants()[0], *liger_contestant(cuda=False)[0]]
        for c in (CHECKPOINTED, FULL, *libraries):
            try:
                if c.compiles:
                    seconds(c, work)
                once[c.name] = seconds(c, work)._asdict()
            except Exception as error:
                print(f"left out: {c.name}: {type(error).__name__}")
    return {
        "N": n, "d": d, "k": k, "made": made._asdict(), "kept": kept._asdict(), "naive": naive._asdict(),
        "gathered_kept": gathered and gathered._asdict(),
        "gradients_apart": gap, "kept_peak_bytes": peak, "touched_rows_bytes": rows, "others": once,
    }  # fmt: skip


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    arguments.add_argument("--quick", action="store_true", help="the headline alone")
    arguments.add_argument("--json", type=Path, metavar="PATH", help="where to write the numbers")
    chosen = arguments.parse_args()
    torch.set_num_threads(min(THREADS, os.cpu_count() or 1))
    machine = (
        f"{os.cpu_count()} {platform.machine()} cores with {torch.backends.cpu.get_cpu_capability()},"
        f" load {os.getloadavg()[0]:.1f} at the start, {torch.get_num_threads()} threads waiting"
        f" {os.environ.get('OMP_WAIT_POLICY', 'as by default').lower()}, torch {torch.__version__},"
        f" Python {platform.python_version()}"
    )
    print(machine)
    began = time.perf_counter()
    found: dict[str, Any] = {"machine": machine, "headline": headline()}
    found["targets"] = verdicts(found["headline"])
    if not chosen.quick:
        found["table"] = table()
    found |= {"took_seconds": time.perf_counter() - began, "load_at_the_end": os.getloadavg()[0]}
    print(f"\ntook {found['took_seconds']:.0f} s, load {found['load_at_the_end']:.1f} at the end")
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=1) + "\n")
    if any(not t["met"] for t in found["targets"] if "gradients" in t["what"]):
        sys.exit("the gradients are not the same")


if __name__ == "__main__":
    main()
