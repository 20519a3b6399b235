"""Reinforcement learning on verified tasks: roll out groups, turn rewards into advantages, one clipped step."""

import asyncio
import copy
import logging
import math
import random
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from openhorizon.chat.chat import Chat
from openhorizon.config import GrpoPlan, GrpoStage
from openhorizon.domains.domain import Domain
from openhorizon.engines.engine import Sampling
from openhorizon.errors import ConfigError, EngineError
from openhorizon.losses.grpo import GrpoTerms, group_advantages, grpo, process_advantages
from openhorizon.losses.logprobs import token_logprobs
from openhorizon.records import Group, Sample, Task, Trajectory
from openhorizon.rollout.batch import listed, named, play_groups
from openhorizon.rollout.play import Play, Setting
from openhorizon.selfplay.rank import near_misses
from openhorizon.training.ahead import Ahead, fresh
from openhorizon.training.batches import Batch, batches
from openhorizon.training.checkpoint import load_checkpoint, save_checkpoint
from openhorizon.training.model import fingerprint, head, softcap
from openhorizon.training.optimiser import Optimiser
from openhorizon.training.policies import Copied, InPlace, Policy
from openhorizon.training.rewards import process_score, reward
from openhorizon.training.samples import exact_samples
from openhorizon.training.sft import Watch
from openhorizon.training.weights import token_mean

LOG = logging.getLogger(__name__)


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
    policy: Policy | None = None,
) -> int:
    """Train the model in place on groups of attempts by itself, or by `policy`; returns the number of steps.

    With `plan.staleness` the next steps' groups are played while this one is learnt from; see `training/ahead.py`.
    """
    optimiser = Optimiser(model, plan.optim, plan.steps, watch.ranks)
    reference = copy.deepcopy(model).eval().requires_grad_(False) if plan.kl else None
    start = load_checkpoint(watch.checkpoint, model, optimiser) if watch.checkpoint else 0
    watch.tick(start)
    policy = policy or (Copied if plan.staleness else InPlace)(model, chat, f"{domain.name}-teacher")
    policy.load(model, start)
    sampling = Sampling(temperature=plan.temperature, top_p=1.0, top_k=0)
    batch = setting.play(policy.engine, sampling, chat)

    def draw(step: int) -> list[Group]:
        # attempts that outlive an update are several policies': no journal is of one, and none is kept
        play = batch if plan.staleness else setting.keeping(batch, step, lambda: fingerprint(model))
        return draw_groups(tasks, domain, play, plan, seed, step, watch, policy.room)

    ahead = Ahead(draw, start, plan.steps, plan.staleness) if plan.staleness else None
    try:
        for step in range(start, plan.steps):
            model.eval()
            groups = ahead.take(step) if ahead else draw(step)
            values = learn(model, reference, groups, plan, optimiser, step, policy.same)
            if step + 1 < plan.steps:
                policy.load(model, step + 1)
            if ahead:
                ahead.learnt(step + 1)
            watch.log(step, values)
            watch.tick(1)
            if watch.checkpoint and plan.checkpoint_every and (step + 1) % plan.checkpoint_every == 0:
                save_checkpoint(watch.checkpoint, model, optimiser, step + 1)
                setting.forget(step + 1)
    finally:
        if ahead:
            ahead.close()
    return plan.steps


def learn(
    model: nn.Module, reference: nn.Module | None, groups: Sequence[Group], plan: GrpoPlan, optimiser: Optimiser,
    step: int, same: bool,
) -> dict[str, float]:  # fmt: skip
    """One optimiser step, or `plan.epochs` of them, from the step's groups; what to log. `same`: the model itself wrote
    them; else older attempts than the plan allows are dropped and the others' tokens weighed by who drew them."""
    aged: dict[str, float] = {}
    if not same:
        groups, aged = fresh(groups, step, plan.staleness)
    samples = [s for g in groups for s in group_samples(g, plan)]
    samples = [s for s in samples if any(s.advantages) or plan.kl]
    values = measures(groups, plan) | aged
    if samples:
        before = None if same else (proximal(model, samples, plan) if plan.epochs > 1 else ())
        for _ in range(plan.epochs):
            terms = update(model, reference, samples, plan, before)
            values["gradient_norm"] = optimiser.step(step)
        values |= terms
    return values


def undecided(
    model: nn.Module,
    chat: Chat,
    tasks: Sequence[Task],
    domain: Domain,
    setting: Setting,
    stage: GrpoStage,
    *,
    seed: int,
    policy: Policy | None = None,
) -> list[Task]:
    """The tasks that the model gets right in some of `stage.tries` attempts and wrong in others (recipe.md §5); with
    `stage.hard` the hardest of them, and those where a wrong attempt came close.

    ConfigError where there is none.
    """
    policy = policy or InPlace(model.eval(), chat, f"{domain.name}-tries")
    policy.load(model, 0)
    sampling = Sampling(temperature=stage.temperature, top_p=1.0, top_k=0)
    play = setting.keeping(setting.play(policy.engine, sampling, chat), "tries", lambda: fingerprint(model))
    groups = asyncio.run(
        play_groups([(t, domain) for t in tasks], play, size=stage.tries, seed=seed, concurrency=policy.room)
    )
    broken = [t for g in groups for t in g.aborted]
    if broken and not any(g.judged for g in groups):
        raise EngineError(
            f"{domain.name}: not one try could be played ({named(broken)}); run again to go on from the last checkpoint"
        )
    if broken:
        LOG.warning("%s: tries that were aborted do not count: %s", domain.name, named(broken))
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
    tasks: Sequence[Task], domain: Domain, play: Play, plan: GrpoPlan, seed: int, step: int, watch: Watch,
    concurrency: int = 64,
) -> list[Group]:  # fmt: skip
    """The step's groups. With dynamic sampling, groups whose rewards are all equal give way to others, as long as
    `resample_rounds` allow. A straggler does not hold the step where the plan has `spare` or `deadline_s`: what was cut is
    logged, and left out with its group; so is what was aborted, alone. EngineError: not one attempt could be played."""
    order = random.Random(f"{seed}/{step}").sample(range(len(tasks)), len(tasks))
    groups: list[Group] = []
    round_of = plan.prompts + math.ceil(plan.spare * plan.prompts)
    late: list[str] = []
    broken: list[Trajectory] = []
    played = 0
    for n in range(plan.resample_rounds if plan.dynamic_sampling else 1):
        wanted = plan.prompts - len(groups)
        spare = math.ceil(plan.spare * wanted)
        chosen = order[n * round_of : n * round_of + wanted + spare]
        if not chosen:
            break
        drawn = asyncio.run(
            play_groups(
                [(tasks[i], domain) for i in chosen], play, size=plan.group, seed=seed * 1_000_003 + step,
                wanted=wanted if spare else 0, deadline_s=plan.deadline_s,
                concurrency=concurrency,
            )
        )  # fmt: skip
        late += [name for g in drawn for name in g.cut]
        broken += [t for g in drawn for t in g.aborted]
        played += sum(len(g.judged) for g in drawn)
        drawn = [g for g in drawn if g.judged and not g.cut]  # part of a group would favour what is short
        groups += [g for g in drawn if not plan.dynamic_sampling or informative(g, plan)][:wanted]
    if late:
        watch.log(step, {"cut": float(len(late))})
        watch.say(f"step {step}: cut, and left out with their groups: {listed(late)}")
    if broken:
        if not played:
            raise EngineError(
                f"step {step}: not one attempt could be played ({named(broken)}); run again to go on from the last checkpoint"
            )
        watch.log(step, {"aborted": float(len(broken))})
        watch.say(f"step {step}: aborted, and not learnt from: {named(broken)}")
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


Before = (
    Sequence[Tensor] | None
)  # per sample [N]; (): this pass' own; None: what the sampling policy recorded


def proximal(model: nn.Module, samples: Sequence[Sample], plan: GrpoPlan) -> list[Tensor]:
    """Log-probabilities [N] of each sample's trainable tokens under the weights before the step."""
    found: dict[int, Tensor] = {}
    model.train()
    with torch.no_grad():
        for batch in batches(samples, [0.0] * len(samples), device=next(model.parameters()).device):
            logp_N, _ = logprobs(model, batch, plan, entropy=False)
            found |= {i: logp_N[batch.row_N == row] for row, i in enumerate(batch.samples)}
    return [found[i] for i in range(len(samples))]


def update(
    model: nn.Module, reference: nn.Module | None, samples: Sequence[Sample], plan: GrpoPlan, before: Before = None
) -> dict[str, float]:  # fmt: skip
    """Accumulate the gradient of one pass over the samples; returns the terms to log. `before` is the proximal policy's
    log-probabilities: where it is not None the loss is the decoupled one."""
    weights = token_mean(samples)
    model.train()
    names = ["kl", "entropy", "clipped", *(["importance", "truncated"] if before is not None else [])]
    sums = dict.fromkeys(["loss", *names], 0.0)
    for batch in batches(samples, weights, device=next(model.parameters()).device):
        terms = grpo_terms(model, reference, batch, plan, before)
        terms.loss.backward()
        share = float(batch.weights_N.sum())
        sums["loss"] += float(terms.loss.detach())
        for name in names:
            sums[name] += share * getattr(terms, name)
    return sums


def logprobs(of: nn.Module, batch: Batch, plan: GrpoPlan, *, entropy: bool) -> tuple[Tensor, Tensor]:
    """Log-probabilities [N] of the batch's targets, nats, and entropies [N] where they are asked for."""
    weight_VD, bias_V = head(of)
    return token_logprobs(
        batch.hidden(of), weight_VD, batch.targets_N, bias_V,
        softcap=softcap(of), temperature=plan.temperature, entropy=entropy,
    )  # fmt: skip


def grpo_terms(
    model: nn.Module, reference: nn.Module | None, batch: Batch, plan: GrpoPlan, before: Before = None
) -> GrpoTerms:
    """The loss of one batch."""
    logp_N, entropy_N = logprobs(model, batch, plan, entropy=plan.entropy > 0)
    with torch.no_grad():
        reference_N = logprobs(reference, batch, plan, entropy=False)[0] if reference is not None else None
    near_N = None
    if before is not None:
        near_N = torch.cat([before[i] for i in batch.samples]) if before else logp_N.detach()
    return grpo(
        logp_N, batch.logprobs_N, batch.advantages_N, batch.weights_N, clip_low=plan.clip_low, clip_high=plan.clip_high,
        kl=plan.kl, reference_logp_N=reference_N, entropy=plan.entropy, entropy_N=entropy_N if plan.entropy else None,
        proximal_logp_N=near_N, importance_cap=plan.importance_cap,
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
