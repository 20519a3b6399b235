"""What a teacher's answer costs on the wire: our payload against JSON of the form that vLLM answers in.

Both carry the same top 64 of the same 45,000 tokens (one optimiser step of the paper's sequences is 16 times as much),
from tensors to bytes and back to tensors. The JSON is written and read by msgspec, the fastest reader at hand, so the
ratio is the format's, not a slow library's. Run it on one thread, on an idle machine:

    OMP_NUM_THREADS=1 python benchmarks/payload.py
"""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import torch

from openhorizon.records import Sample
from openhorizon.training.remote import read_prompt_logprobs
from openhorizon.training.signals import Signal, check, decode, encode, pack, unpack

TOKENS, K, VOCABULARY, ROWS, REPEATS = 45_000, 64, 248_320, 15, 5


def said(count: int, seed: int) -> Signal:
    """A teacher's top-k of `count` positions: distinct ids, log-probabilities that fall off."""
    random = torch.Generator().manual_seed(seed)
    ids_NK = torch.randint(0, VOCABULARY // K, (count, K), generator=random) * K + torch.arange(K)
    logprobs_NV = torch.log_softmax(4 * torch.randn(count, 4 * K, generator=random), -1)
    logprobs_NK = logprobs_NV.topk(K, -1).values
    return Signal(ids_NK, logprobs_NK, logprobs_NK[:, 0].clone(), "teacher")


def as_vllm(signal: Signal) -> bytes:
    """The answer of a vLLM server that says the same."""
    positions: list[dict[str, dict[str, object]] | None] = [None]
    for ids, logprobs in zip(signal.ids_NK.tolist(), signal.logprobs_NK.tolist(), strict=True):
        positions.append(
            {
                str(i): {"logprob": value, "rank": rank, "decoded_token": " token"}
                for rank, (i, value) in enumerate(zip(ids, logprobs), 1)
            }
        )
    return msgspec.json.encode({"choices": [{"text": "", "index": 0, "prompt_logprobs": positions}]})


def as_ours(signals: Sequence[Signal]) -> bytes:
    return encode([pack(s) for s in signals])


def from_ours(payload: bytes, rows: Sequence[Sample]) -> list[Signal]:
    found = [unpack(record) for record in decode(payload)]
    for signal, row in zip(found, rows, strict=True):
        check(signal, row, K)  # as the client does, and as the reading of JSON does
    return found


def from_vllm(answers: Sequence[bytes], rows: Sequence[Sample]) -> list[Signal]:
    return [read_prompt_logprobs(a, row, K, "teacher") for a, row in zip(answers, rows, strict=True)]


def timed(work: Callable[..., Any], *arguments: object) -> tuple[float, Any]:
    """Seconds, and what came of it."""
    began = time.perf_counter()
    done = work(*arguments)
    return time.perf_counter() - began, done


def main() -> None:
    torch.set_num_threads(1)
    signals = [said(TOKENS // ROWS, seed) for seed in range(ROWS)]
    rows = [
        Sample(
            token_ids=(0, *s.ids_NK[:, 0].tolist()), loss_mask=(False,) + (True,) * len(s.ids_NK), domain=""
        )
        for s in signals
    ]
    records = [pack(s) for s in signals]
    seconds: dict[str, list[float]] = {}
    bytes_per_token: tuple[float, float] = (0.0, 0.0)
    for _ in range(REPEATS):
        steps: dict[str, float] = {}
        steps["ours: encode"], payload = timed(encode, records)
        steps["ours: decode"], _ = timed(decode, payload)
        steps["ours: tensors to bytes"], payload = timed(as_ours, signals)
        steps["ours: bytes to tensors"], ours = timed(from_ours, payload, rows)
        steps["JSON: tensors to bytes"], answers = timed(lambda: [as_vllm(s) for s in signals])
        steps["JSON: bytes to tensors"], theirs = timed(from_vllm, answers, rows)
        for a, b in zip(ours, theirs, strict=True):
            assert torch.equal(a.ids_NK, b.ids_NK)
            assert torch.equal(a.logprobs_NK, b.logprobs_NK)
        bytes_per_token = (len(payload) / TOKENS, sum(map(len, answers)) / TOKENS)
        for name, value in steps.items():
            seconds.setdefault(name, []).append(value)
    middle = {name: statistics.median(values) for name, values in seconds.items()}
    small, large = bytes_per_token
    print(f"{TOKENS:,} tokens, k = {K}, medians of {REPEATS} interleaved repeats")
    print(f"bytes per token: ours {small:,.1f}, JSON {large:,.1f}: {large / small:.1f} times as many")
    for name, value in middle.items():
        print(f"{name:24} {value:7.3f} s")
    for what in ("tensors to bytes", "bytes to tensors"):
        print(f"{what}: JSON takes {middle[f'JSON: {what}'] / middle[f'ours: {what}']:.0f} times as long")


if __name__ == "__main__":
    main()
