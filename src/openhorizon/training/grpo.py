"""Reinforcement learning on verified tasks: roll out groups, turn rewards into advantages, one clipped step."""

import asyncio
import copy
import random
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from openhorizon.chat.chat import Chat
from openhorizon.config import GrpoPlan, GrpoStage
from openhorizon.domains.domain import Domain
from openhorizon.engines.engine import Sampling
from openhorizon.engines.local import LocalEngine
from openhorizon.errors import ConfigError
from openhorizon.losses.grpo import GrpoTerms, group_advantages, grpo, process_advantages
from openhorizon.losses.logprobs import token_logprobs
from openhorizon.records import Group, Sample, Task
from openhorizon.rollout.batch import play_groups
from openhorizon.rollout.play import Play, Setting
from openhorizon.selfplay.rank import near_misses
from openhorizon.training.batches import Batch, batches
from openhorizon.training.checkpoint import load_checkpoint, save_checkpoint
from openhorizon.training.model import fingerprint, head, softcap
from openhorizon.training.optimiser import Optimiser
from openhorizon.training.rewards import process_score, reward
from openhorizon.training.samples import exact_samples
from openhorizon.training.sft import Watch
from openhorizon.training.weights import token_mean


def train_grpo(
    model: nn.Module,
    chat: Chat,
    tasks: Sequence[Task],
    domain: Domain,
    setting: Setting,
    plan: GrpoPlan,
    *,
    seed: int,
    watch: Watch,
) -> int:
    """Train the model in place on groups of its own attempts; returns the number of steps."""
    optimiser = Optimiser(model, plan.optim, plan.steps, watch.ranks)
    reference = copy.deepcopy(model).eval().requires_grad_(False) if plan.kl else None
    start = load_checkpoint(watch.checkpoint, model, optimiser) if watch.checkpoint else 0
    watch.tick(start)
    engine = LocalEngine(model, chat, policy=f"{domain.name}-teacher")
    sampling = Sampling(temperature=plan.temperature, top_p=1.0, top_k=0)
    batch = setting.play(engine, sampling, chat)
    for step in range(start, plan.steps):
        engine.reset()
        model.eval()
        play = setting.keeping(batch, step, lambda: fingerprint(model))
        groups = draw_groups(tasks, domain, play, plan, seed, step)
        samples = [s for g in groups for s in group_samples(g, plan)]
        samples = [s for s in samples if any(s.advantages) or plan.kl]
        values = measures(groups, plan)
        if samples:
            for _ in range(plan.epochs):
                terms = update(model, reference, samples, plan)
                values["gradient_norm"] = optimiser.step(step)
            values |= terms
        watch.log(step, values)
        watch.tick(1)
        if watch.checkpoint and plan.checkpoint_every and (step + 1) % plan.checkpoint_every == 0:
            save_checkpoint(watch.checkpoint, model, optimiser, step + 1)
            setting.forget(step + 1)
    return plan.steps


def undecided(
    model: nn.Module,
    chat: Chat,
    tasks: Sequence[Task],
    domain: Domain,
    setting: Setting,
    stage: GrpoStage,
    *,
    seed: int,
) -> list[Task]:
    """The tasks that the model gets right in some of `stage.tries` attempts and wrong in others (recipe.md §5); with
    `stage.hard` the hardest of them, and those where a wrong attempt came close.

    ConfigError where there is none.
    """
    engine = LocalEngine(model.eval(), chat, policy=f"{domain.name}-tries")
    sampling = Sampling(temperature=stage.temperature, top_p=1.0, top_k=0)
    play = setting.keeping(setting.play(engine, sampling, chat), "tries", lambda: fingerprint(model))
    groups = asyncio.run(play_groups([(t, domain) for t in tasks], play, size=stage.tries, seed=seed))
    if stage.hard:
        kept = [g.task for g in near_misses(groups, stage.hard).kept]
    else:
        kept = [g.task for g in groups if len({j.verdict.passed for j in g.judged}) > 1]
    if not kept:
        raise ConfigError(
            f"{domain.name}: no task is right in some of tries={stage.tries} and wrong in others; set tries=0"
        )
    return kept


def draw_groups(
    tasks: Sequence[Task], domain: Domain, play: Play, plan: GrpoPlan, seed: int, step: int
) -> list[Group]:
    """The step's groups. With dynamic sampling, groups whose rewards are all equal give way to others, as long as
    `resample_rounds` allow."""
    order = random.Random(f"{seed}/{step}").sample(range(len(tasks)), len(tasks))
    groups: list[Group] = []
    for n in range(plan.resample_rounds if plan.dynamic_sampling else 1):
        wanted = plan.prompts - len(groups)
        chosen = order[n * plan.prompts : n * plan.prompts + wanted]
        if not chosen:
            break
        drawn = asyncio.run(
            play_groups(
                [(tasks[i], domain) for i in chosen], play, size=plan.group, seed=seed * 1_000_003 + step
            )
        )
        groups += [g for g in drawn if g.judged and (not plan.dynamic_sampling or informative(g, plan))]
    return groups


def informative(group: Group, plan: GrpoPlan) -> bool:
    """Whether the group's attempts differ in what they earn."""
    return len({round(reward(j, plan), 6) for j in group.judged}) > 1 or (
        plan.process_weight > 0 and len({round(process_score(j), 6) for j in group.judged}) > 1
    )


def group_samples(group: Group, plan: GrpoPlan) -> list[Sample]:
    """The group's attempts as rows with their advantages; aborted attempts are not among them."""
    if plan.process_weight:
        outcomes = [float(j.verdict.passed) for j in group.judged]
        advantages = process_advantages(
            outcomes, [process_score(j) for j in group.judged], plan.process_weight
        )
    else:
        advantages = group_advantages([reward(j, plan) for j in group.judged])
    rows = [r for j, a in zip(group.judged, advantages) for r in exact_samples(j.trajectory, a)]
    return [r for r in rows if len(r.token_ids) <= plan.max_length]


def update(
    model: nn.Module, reference: nn.Module | None, samples: Sequence[Sample], plan: GrpoPlan
) -> dict[str, float]:
    """Accumulate the gradient of one pass over the samples; returns the terms to log."""
    weights = token_mean(samples)
    model.train()
    sums = {"loss": 0.0, "kl": 0.0, "entropy": 0.0, "clipped": 0.0}
    for batch in batches(samples, weights, device=next(model.parameters()).device):
        terms = grpo_terms(model, reference, batch, plan)
        terms.loss.backward()
        share = float(batch.weights_N.sum())
        sums["loss"] += float(terms.loss.detach())
        for name in ("kl", "entropy", "clipped"):
            sums[name] += share * getattr(terms, name)
    return sums


def grpo_terms(model: nn.Module, reference: nn.Module | None, batch: Batch, plan: GrpoPlan) -> GrpoTerms:
    """The loss of one batch."""

    def logprobs(of: nn.Module, entropy: bool) -> tuple[Tensor, Tensor]:
        weight_VD, bias_V = head(of)
        return token_logprobs(
            batch.hidden(of), weight_VD, batch.targets_N, bias_V,
            softcap=softcap(of), temperature=plan.temperature, entropy=entropy,
        )  # fmt: skip

    logp_N, entropy_N = logprobs(model, plan.entropy > 0)
    with torch.no_grad():
        reference_N = logprobs(reference, False)[0] if reference is not None else None
    return grpo(
        logp_N, batch.logprobs_N, batch.advantages_N, batch.weights_N, clip_low=plan.clip_low, clip_high=plan.clip_high,
        kl=plan.kl, reference_logp_N=reference_N, entropy=plan.entropy, entropy_N=entropy_N if plan.entropy else None,
    )  # fmt: skip


def measures(groups: Sequence[Group], plan: GrpoPlan) -> dict[str, float]:
    """Mean reward, success rate, turns and tokens of the step's attempts."""
    judged = [j for g in groups for j in g.judged]
    if not judged:
        return {"groups": 0.0}
    n = len(judged)
    return {
        "groups": float(len(groups)),
        "reward": sum(reward(j, plan) for j in judged) / n,
        "success": sum(j.verdict.passed for j in judged) / n,
        "turns": sum(len(j.trajectory.turns) for j in judged) / n,
        "response_tokens": sum(len(t.completion.token_ids) for j in judged for t in j.trajectory.turns) / n,
    }
