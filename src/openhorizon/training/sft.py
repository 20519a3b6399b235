"""Supervised training on demonstrations: shuffled, cut into steps of equal token counts, cross-entropy on what was written."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from openhorizon.config import SftPlan
from openhorizon.errors import ConfigError
from openhorizon.losses.cross_entropy import cross_entropy
from openhorizon.records import Sample
from openhorizon.training.batches import batches
from openhorizon.training.checkpoint import load_checkpoint, save_checkpoint
from openhorizon.training.model import head, softcap
from openhorizon.training.optimiser import Optimiser
from openhorizon.training.ranks import Ranks
from openhorizon.training.weights import token_mean

Log = Callable[[int, dict[str, float]], None]  # (step, values by name)


@dataclass(frozen=True)
class Watch:
    """What a loop tells while it runs and where it stops and goes on."""

    log: Log = lambda step, values: None
    tick: Callable[[int], None] = lambda n: None  # n more steps are done
    say: Callable[[str], None] = lambda text: None  # something to know while it runs
    checkpoint: Path | None = None
    ranks: Ranks = Ranks()


def sft(model: nn.Module, samples: Sequence[Sample], plan: SftPlan, *, seed: int, watch: Watch) -> int:
    """Train the model in place; returns the number of steps. Goes on from the checkpoint if there is one."""
    steps = schedule(samples, plan, seed)
    if longer := [n for s in samples if (n := len(s.token_ids)) > plan.max_length]:
        watch.say(
            f"{len(longer)} of {len(samples)} demonstrations are left out: longer than max_length={plan.max_length} tokens "
            f"(the longest has {max(longer)}); nothing is cut, since a half attempt has no answer to learn"
        )
    ranks = watch.ranks
    device = next(model.parameters()).device
    optimiser = Optimiser(model, plan.optim, len(steps), ranks)
    start = load_checkpoint(watch.checkpoint, model, optimiser) if watch.checkpoint else 0
    watch.tick(start)
    model.train()
    for step in range(start, len(steps)):
        chosen = [samples[i] for i in steps[step]]
        weights = token_mean(chosen)
        mine = ranks.share(sorted(range(len(chosen)), key=lambda i: (len(chosen[i].token_ids), i)))
        total = torch.zeros((), device=device)
        for batch in batches([chosen[i] for i in mine], [weights[i] for i in mine], device=device):
            weight_VD, bias_V = head(model)
            loss = cross_entropy(
                batch.hidden(model),
                weight_VD,
                batch.targets_N,
                batch.weights_N,
                bias_V,
                softcap=softcap(model),
            )
            loss.backward()
            total += loss.detach()
        ranks.add([total])
        norm = optimiser.step(step)
        watch.log(step, {"loss": float(total), "gradient_norm": norm, "lr": optimiser.rate(step)})
        watch.tick(1)
        if (
            watch.checkpoint
            and ranks.first
            and plan.checkpoint_every
            and (step + 1) % plan.checkpoint_every == 0
        ):
            save_checkpoint(watch.checkpoint, model, optimiser, step + 1)
    return len(steps)


def schedule(samples: Sequence[Sample], plan: SftPlan, seed: int) -> list[list[int]]:
    """Which samples each step reads: epochs in their own random orders, cut at `batch_tokens`.

    Samples over `max_length` are left out. ConfigError where none is left.
    """
    usable = [i for i, s in enumerate(samples) if len(s.token_ids) <= plan.max_length]
    if not usable:
        shortest = min((len(s.token_ids) for s in samples), default=0)
        raise ConfigError(
            f"no demonstration fits in max_length={plan.max_length} tokens (the shortest of {len(samples)} has {shortest}): "
            "raise sft.max_length, or for a teacher teachers.<domain>.stages.<number>.max_length"
        )
    tokens = sum(len(samples[i].token_ids) for i in usable)
    wanted = plan.steps or max(1, round(plan.epochs * tokens / plan.batch_tokens))
    shuffle = random.Random(seed)
    steps: list[list[int]] = []
    chosen: list[int] = []
    filled = 0
    while len(steps) < wanted:
        for i in shuffle.sample(usable, len(usable)):
            chosen.append(i)
            filled += len(samples[i].token_ids)
            if filled >= plan.batch_tokens:
                steps.append(chosen)
                chosen, filled = [], 0
    return steps[:wanted]
