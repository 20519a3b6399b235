"""How fast the local engine decodes a tiny mixture of experts: against transformers' `generate` and its continuous batching.

Three claims, all of the same model (1.5 million parameters, random weights) and the same sampling (temperature 1, nothing cut):

1. 64 sequences with 1,024-token contexts, 64 tokens each, prompts read: tokens a second from the first to the last token.
2. The same where the 64 prompts are a group's: one prompt, 64 attempts.
3. Ten turns of 16 attempts up to 1,536 tokens: turns continue from what is cached, the peer reads the whole context again.

Runs are taken in turns, medians of all (continuous batching, which takes minutes, runs once); the part that reads prompts is timed alone and told apart. CPU seconds, one thread:

    OMP_NUM_THREADS=1 python benchmarks/decoding.py            # a quarter of an hour on an idle core, most of it
    # continuous batching's, which --fast-peers leaves out; --quick: fewer tokens, once
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Callable

import torch

from openhorizon.config import ModelPlan
from openhorizon.engines.engine import Request, Sampling
from openhorizon.engines.local import LocalEngine
from openhorizon.training.model import make_model

if {"-h", "--help"} & set(sys.argv):
    sys.exit(__doc__)
QUICK, FAST = "--quick" in sys.argv, "--fast-peers" in sys.argv
ROWS, CONTEXT, NEW, REPEATS = 64, 1024, 32 if QUICK else 64, 1 if QUICK else 3
TURNS, ATTEMPTS, FIRST, ADDED, WRITTEN = 10, 16, 256, 64, 64
VOCABULARY = 2048
FREE = Sampling(temperature=1.0, top_p=1.0, top_k=0)


class NoEnd:
    """A chat whose end token is never drawn, so that every turn is as long as asked for."""

    eos_id, vocabulary = -1, VOCABULARY

    def text(self, ids: list[int]) -> str:
        return ""


def engine_of(model: torch.nn.Module, slots: int) -> LocalEngine:
    return LocalEngine(model, NoEnd(), policy="bench", slots=slots, capacity=CONTEXT + NEW + 8)  # type: ignore[arg-type]


def ours(
    engine: LocalEngine, prompts: list[tuple[int, ...]], new: int, turn: int = 0
) -> list[tuple[int, ...]]:
    async def play() -> list[tuple[int, ...]]:
        asked = [
            Request(attempt=str(i), turn=turn, messages=(), token_ids=ids, max_tokens=new, sampling=FREE)
            for i, ids in enumerate(prompts)
        ]
        return [c.token_ids for c in await asyncio.gather(*(engine.complete(r) for r in asked))]

    return asyncio.run(play())


@torch.inference_mode()
def generate(model: torch.nn.Module, prompts: list[tuple[int, ...]], new: int) -> list[tuple[int, ...]]:
    """transformers, dynamic cache."""
    ids = torch.tensor(prompts)
    out = model.generate(  # type: ignore[operator]
        ids, max_new_tokens=new, min_new_tokens=new, do_sample=True, temperature=1.0, top_p=1.0, top_k=0, eos_token_id=None, pad_token_id=0,
    )  # fmt: skip
    return [tuple(row[ids.shape[1] :].tolist()) for row in out]


def continuous(model: torch.nn.Module, prompts: list[tuple[int, ...]], new: int) -> list[tuple[int, ...]]:
    """transformers' continuous batching."""
    from transformers import GenerationConfig

    config = GenerationConfig(
        max_new_tokens=new,
        do_sample=True,
        temperature=1.0,
        top_p=1.0,
        top_k=0,
        eos_token_id=-1,
        pad_token_id=0,
    )
    found = model.generate_batch([list(p) for p in prompts], generation_config=config, progress_bar=False)  # type: ignore[operator]
    return [tuple(r.generated_tokens) for r in found.values()]


def seconds(work: Callable[[], object]) -> float:
    """Of CPU, which with one thread are those of an idle core, whoever else is there."""
    began = time.process_time()
    work()
    return time.process_time() - began


def row(name: str, times: list[tuple[float, float]], tokens: int, base: float = 0.0) -> float:
    """Print a line; the median seconds from the first to the last token."""
    reading = statistics.median(t[0] for t in times)
    writing = statistics.median(t[1] - t[0] for t in times)
    ratio = f"{writing / base:8.1f}" if base else " " * 8
    print(f"{name:<34} {reading:9.2f} {writing:9.2f} {tokens / writing:10,.0f} {ratio}", flush=True)
    return writing


def one_turn(model: torch.nn.Module, prompts: list[tuple[int, ...]], title: str) -> None:
    print(f"\n{title}\n{'':<34} {'read s':>9} {'write s':>9} {'tokens/s':>10} {'x slower':>8}")
    peers: dict[str, Callable[[int], object]] = {
        "ours": lambda new: ours(engine_of(model, ROWS), prompts, new),
        "generate, dynamic cache": lambda new: generate(model, prompts, new),
        **({} if FAST else {"continuous batching": lambda new: continuous(model, prompts, new)}),
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in peers}
    for name, work in list(peers.items()):
        try:
            work(1)  # warm
        except Exception as error:
            print(f"{name}: does not run here ({type(error).__name__}: {str(error)[:120]})")
            del peers[name]
    for number in range(REPEATS):
        for name, work in peers.items():
            if number and name == "continuous batching":
                continue  # some twenty times slower than the others: once is enough
            times[name].append((seconds(lambda w=work: w(1)), seconds(lambda w=work: w(NEW + 1))))
    base = row("ours", times["ours"], ROWS * NEW)
    for name in peers:
        if name != "ours":
            row(name, times[name], ROWS * NEW, base)


def many_turns(model: torch.nn.Module) -> None:
    """A conversation of ten turns: contexts grow by what was written and by an observation."""
    random = torch.Generator().manual_seed(1)
    said = torch.randint(5, VOCABULARY, (TURNS, ATTEMPTS, ADDED), generator=random).tolist()
    start = [tuple(r) for r in torch.randint(5, VOCABULARY, (ATTEMPTS, FIRST), generator=random).tolist()]

    def play(write: Callable[[list[tuple[int, ...]], int], list[tuple[int, ...]]]) -> None:
        contexts = list(start)
        for turn in range(TURNS):
            written = write(contexts, turn)
            contexts = [
                c + w + tuple(said[turn][i]) for i, (c, w) in enumerate(zip(contexts, written, strict=True))
            ]

    def kept() -> None:
        engine = engine_of(model, ATTEMPTS)
        play(lambda contexts, turn: ours(engine, contexts, WRITTEN, turn))

    tokens = ATTEMPTS * TURNS * WRITTEN
    print(
        f"\n{TURNS} turns of {ATTEMPTS} attempts to {FIRST + TURNS * (WRITTEN + ADDED)} tokens\n{'':<34} {'s':>9} {'tokens/s':>10} {'x slower':>8}"
    )
    found: dict[str, list[float]] = {"ours, kept over the turns": [], "generate, read again each turn": []}
    for _ in range(REPEATS):
        found["ours, kept over the turns"].append(seconds(kept))
        found["generate, read again each turn"].append(
            seconds(lambda: play(lambda c, t: generate(model, c, WRITTEN)))
        )
    base = statistics.median(found["ours, kept over the turns"])
    for name, times in found.items():
        spent = statistics.median(times)
        print(f"{name:<34} {spent:9.2f} {tokens / spent:10,.0f} {spent / base:8.1f}")


def main() -> None:
    torch.set_num_threads(int(torch.get_num_threads()))
    tokens = [f"t{i}" for i in range(VOCABULARY)]
    model = make_model(ModelPlan(context=2048), tokens, 2, 0, 0).eval()
    print(
        f"{sum(p.numel() for p in model.parameters()) / 1e6:.1f}M parameters, torch {torch.__version__}, {torch.get_num_threads()} thread(s)"
    )
    random = torch.Generator().manual_seed(0)
    apart = [tuple(r) for r in torch.randint(5, VOCABULARY, (ROWS, CONTEXT), generator=random).tolist()]
    one_turn(model, apart, f"{ROWS} sequences, {CONTEXT} tokens of context each, {NEW} written")
    one_turn(model, [apart[0]] * ROWS, f"one prompt of {CONTEXT} tokens, {ROWS} attempts, {NEW} written")
    many_turns(model)


if __name__ == "__main__":
    main()
