"""What it costs to learn from attempts by older weights: one domain's reinforcement stage from a finished run's SFT model, at
several bounds on staleness and several seeds, judged on the run's held-out tasks.

    OMP_NUM_THREADS=1 python benchmarks/staleness.py runs/demo --domain instructions --steps 30

Staleness 0 is the peer: play, then learn. Prints a row per run and a mean per bound, with 95% intervals over tasks and seeds.
"""

import argparse
import json
import time
from collections import defaultdict
from pathlib import Path

import torch
from msgspec.structs import replace

from openhorizon.config import GrpoStage
from openhorizon.domains import domain_of
from openhorizon.jobs.evaluating import held_out
from openhorizon.jobs.scenes import chat_of, scene, tasks_of
from openhorizon.records import Split
from openhorizon.rollout.play import Setting
from openhorizon.teachers import CURRICULA
from openhorizon.training.grpo import train_grpo
from openhorizon.training.model import load_model
from openhorizon.training.sft import Watch


def one(run: str, name: str, plan: GrpoStage, seed: int, heldout: int) -> dict:
    """Train from SFT and play the held-out tasks; seconds are of training alone."""
    at = scene(run)
    folder = at.run.dir / "sft" / "model"
    model, chat = load_model(folder, at.recipe.model), chat_of(at.run, folder)
    tasks = CURRICULA[name].tasks(plan, tasks_of(at.run, name, Split.TRAIN))
    logged: list[dict[str, float]] = []
    began, cpu = time.monotonic(), time.process_time()
    train_grpo(
        model, chat, tasks, domain_of(name, at.recipe.size), Setting(at.resources, at.recipe.size), plan, seed=seed,
        watch=Watch(log=lambda step, values: logged.append(values)),
    )  # fmt: skip
    seconds, cpu = time.monotonic() - began, time.process_time() - cpu
    pairs = held_out(at, model, chat, "trained", name, heldout)
    mean = {
        key: sum(v.get(key, 0.0) for v in logged) / len(logged)
        for key in ("staleness", "truncated", "importance", "dropped_as_stale", "reward")
    }
    return {
        "staleness": plan.staleness, "seed": seed, "seconds": seconds, "cpu": cpu, "mean": mean,
        "last_reward": sum(v.get("reward", 0.0) for v in logged[-5:]) / len(logged[-5:]),
        "passed": [p.judged.verdict.passed for p in pairs],
    }  # fmt: skip


def interval(passed: list[list[bool]]) -> tuple[float, float]:
    """Mean and half of its 95% interval, the tasks being the clusters: the same tasks are played at every seed."""
    per_task = [sum(one) / len(one) for one in zip(*passed, strict=True)]
    mean = sum(per_task) / len(per_task)
    variance = sum((x - mean) ** 2 for x in per_task) / (len(per_task) - 1)
    return mean, 1.96 * (variance / len(per_task)) ** 0.5


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run")
    parser.add_argument("--domain", default="instructions")
    parser.add_argument(
        "--stage", type=int, help="number of the teacher's stage; its first reinforcement one"
    )
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--heldout", type=int, default=0)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--staleness", type=int, nargs="*", default=[0, 1, 4])
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    stages = scene(asked.run).recipe.teachers[asked.domain].stages
    first = next(n for n, s in enumerate(stages) if isinstance(s, GrpoStage))
    stage = stages[first if asked.stage is None else asked.stage]
    assert isinstance(stage, GrpoStage)
    found: dict[int, list[dict]] = defaultdict(list)
    for seed in asked.seeds:  # seeds outside: what the machine does meanwhile falls on all bounds alike
        for staleness in asked.staleness:
            plan = replace(stage, steps=asked.steps, staleness=staleness, checkpoint_every=0)
            row = one(asked.run, asked.domain, plan, seed, asked.heldout)
            found[staleness].append(row)
            mean = row["mean"]
            print(
                f"seed {seed} staleness {staleness}: held-out {sum(row['passed']) / len(row['passed']):.3f}, training reward "
                f"{row['last_reward']:.3f}, {row['seconds']:.1f} s ({row['cpu']:.1f} CPU), behind {mean['staleness']:.2f}, "
                f"weight {mean['importance']:.4f}, truncated {mean['truncated']:.2e}, dropped {mean['dropped_as_stale']:.1f}",
                flush=True,
            )  # fmt: skip
    for staleness, rows in found.items():
        mean, half = interval([r["passed"] for r in rows])
        difference = [
            [float(a) - float(b) for a, b in zip(r["passed"], s["passed"], strict=True)]
            for r, s in zip(rows, found[asked.staleness[0]], strict=True)
        ]
        change, wide = interval(difference)  # type: ignore[arg-type]
        seconds = sum(r["seconds"] for r in rows) / len(rows)
        print(
            f"staleness {staleness}: {100 * mean:.1f} ± {100 * half:.1f}; to the first {100 * change:+.1f} ± {100 * wide:.1f}; "
            f"{seconds:.1f} s"
        )
    if asked.out:
        asked.out.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
