"""Attempts on 1, 2, 4 and 8 workers of a Ray while the engine is not the limit, beside one process on asyncio with as many
attempts at once; and whether a real engine's attempts are the same there.

python benchmarks/cluster.py
"""

import argparse
import asyncio
import os
import statistics
import sys
import time
from itertools import islice
from pathlib import Path

TESTS = Path(__file__).parent.parent / "tests"
sys.path.insert(0, str(TESTS))

LATENCY_S, TURNS, ATTEMPTS, SIZE, WAVES = 0.2, 10, 16, 4, 3  # ATTEMPTS: at once, per worker
WORKERS = (1, 2, 4, 8)


def late(latency_s: float, turns: int):
    """An engine that looks up a town `turns` - 1 times and gives up, `latency_s` a turn."""
    from cluster_work import KEPT, towns

    from openhorizon.chat.wire import write
    from openhorizon.records import Completion, Message, ToolCall
    from openhorizon.rollout.play import Play

    class Late:
        exact, policy = False, "late"

        async def complete(self, request):
            await asyncio.sleep(latency_s)
            calls = (
                () if request.turn == turns - 1 else (ToolCall(name="find", arguments={"town": "Amber Bay"}),)
            )
            return Completion(
                text=write(Message(role="assistant", content="so", calls=calls)), policy=self.policy
            )

        def forget(self, attempt):
            pass

    return Play(Late(), towns()), {"towns": KEPT}


def tasks(count: int):
    """So many tasks with room for TURNS turns."""
    from cluster_work import towns
    from msgspec.structs import replace
    from towns import propose

    from openhorizon.domains.domain import Order
    from openhorizon.records import Limits, Split

    limits = Limits(turns=TURNS + 1, tool_calls=TURNS + 1, context_tokens=100_000)
    found = propose(towns().graph, Order(split=Split.TRAIN, seed=0))
    return [replace(t, limits=limits) for t in islice(found, count)]


async def stream(cluster, some, what, **more):
    return [g async for g in cluster.groups(some, what, **more)]


def timed(cluster, workers: int, attempts: int) -> float:
    """Ideal seconds over seconds of WAVES waves, once every worker has made what it plays with."""
    from openhorizon.rollout.players import Work

    work = Work(late, (LATENCY_S, TURNS))
    warm = Work(late, (LATENCY_S, TURNS))
    asyncio.run(stream(cluster, tasks(workers * attempts // SIZE), warm, size=SIZE, attempts=attempts))
    count = WAVES * workers * attempts // SIZE
    began = time.perf_counter()
    groups = asyncio.run(stream(cluster, tasks(count), work, size=SIZE, attempts=attempts))
    took = time.perf_counter() - began
    assert sum(len(j.trajectory.turns) == TURNS for g in groups for j in g.judged) == count * SIZE
    return WAVES * TURNS * LATENCY_S / took


def tiny(folder: Path) -> None:
    """The tiny model in this process and on two workers: what is the same, and how fast."""
    import tiny as small
    from cluster_work import tiny_model

    from openhorizon.config import ClusterPlan
    from openhorizon.rollout.cluster import Cluster
    from openhorizon.rollout.players import Work

    what = Work(tiny_model, (str(small.save(small.model(), folder / "model")),), "tiny")
    some = tasks(32)
    found = []
    for plan in (ClusterPlan(), ClusterPlan(address="local", workers=2)):
        with Cluster(plan) as cluster:
            for _ in range(2):  # the second time every worker is up and has loaded the model
                asyncio.run(stream(cluster, some, what, attempts=2))
            began = time.perf_counter()
            groups = asyncio.run(stream(cluster, some, what, size=2))
            took = time.perf_counter() - began
        attempts = {j.trajectory.id: j for g in groups for j in g.judged}
        written = sum(len(t.completion.token_ids) for j in attempts.values() for t in j.trajectory.turns)
        print(
            f"  tiny model, {plan.address or 'asyncio'}: {len(attempts)} attempts, {written / took:,.0f} tokens/s"
        )
        found.append(attempts)
    here, there = found
    assert here.keys() == there.keys()
    same = [here[k].verdict == there[k].verdict and ids(here[k]) == ids(there[k]) for k in here]
    apart = max(abs(a - b) for k in here for a, b in zip(logprobs(here[k]), logprobs(there[k]), strict=True))
    print(
        f"  {sum(same)} of {len(same)} with the same tokens and verdict; log-probabilities at most {apart:.1e} apart"
    )


def ids(judged):
    return [t.completion.token_ids for t in judged.trajectory.turns]


def logprobs(judged):
    return [p for t in judged.trajectory.turns for p in t.completion.logprobs]


def main(repeats: int) -> None:
    import tempfile

    os.environ["PYTHONPATH"] = os.pathsep.join([str(TESTS), *filter(None, sys.path[1:])])
    from openhorizon.config import ClusterPlan
    from openhorizon.rollout.cluster import Cluster

    ray: dict[int, list[float]] = {n: [] for n in WORKERS}
    alone: dict[int, list[float]] = {n: [] for n in WORKERS}
    for _ in range(repeats):
        for workers in WORKERS:
            with Cluster(ClusterPlan(address="local", workers=workers)) as cluster:
                ray[workers].append(timed(cluster, workers, ATTEMPTS))
            with Cluster() as here:
                alone[workers].append(timed(here, 1, workers * ATTEMPTS))
    print(
        f"{TURNS} turns of {LATENCY_S * 1000:.0f} ms, {ATTEMPTS} attempts at once per worker, groups of {SIZE}, {WAVES} waves; "
        f"medians of {repeats}; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )
    print(
        "workers | attempts/s | % of ideal | % of one worker's, per worker | asyncio, one process: % of ideal"
    )
    one = statistics.median(ray[1])
    for workers in WORKERS:
        share, peer = statistics.median(ray[workers]), statistics.median(alone[workers])
        rate = share * workers * ATTEMPTS / (TURNS * LATENCY_S)
        print(f"{workers} | {rate:.1f} | {100 * share:.1f} | {100 * share / one:.1f} | {100 * peer:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        tiny(Path(folder))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    main(parser.parse_args().repeats)
