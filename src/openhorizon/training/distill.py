"""Multi-teacher on-policy distillation: the student rolls out, the teacher of each prompt's domain scores it.

Recipe.md §6. Hard routing, salient vocabulary alignment, weights per sample, domain and active domain. Teachers
are loaded one at a time into one set of weights.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec
import torch
from torch import Tensor, nn

from openhorizon.chat.chat import Chat
from openhorizon.config import DistillPlan, Size
from openhorizon.domains.domain import Domain, Resources
from openhorizon.engines.engine import Sampling
from openhorizon.engines.local import LocalEngine
from openhorizon.errors import ConfigError, ModelError
from openhorizon.losses.salient_kl import coverage, salient_kl, salient_vocabulary
from openhorizon.records import Limits, Sample, Task
from openhorizon.rollout.attempt import Play
from openhorizon.rollout.batch import play_groups
from openhorizon.training.batches import Batch, batches
from openhorizon.training.checkpoint import load_checkpoint, save_checkpoint
from openhorizon.training.model import head, softcap
from openhorizon.training.optimiser import Optimiser
from openhorizon.training.samples import exact_sample
from openhorizon.training.sft import Watch
from openhorizon.training.weights import domain_mean, domain_token_mean, trainable


class Teachers:
    """The teachers by domain, brought into memory when their domain is scored; at most `resident` stay there."""

    def __init__(self, load: Callable[[Path], nn.Module], folders: Mapping[str, Path], resident: int = 1):
        self._load, self.folders, self.resident = load, dict(folders), resident
        self._here: dict[str, nn.Module] = {}  # longest unused first

    def load(self, domain: str) -> nn.Module:
        """The teacher of the domain; ModelError for a domain without one."""
        if domain not in self.folders:
            raise ModelError(f"no teacher for domain {domain}; there are {', '.join(self.folders) or 'none'}")
        teacher = self._here.pop(domain, None)
        if teacher is None:
            while len(self._here) >= self.resident:
                del self._here[next(iter(self._here))]
            teacher = self._load(self.folders[domain]).eval().requires_grad_(False)
        self._here[domain] = teacher
        return teacher


def check_routing(
    domains: Sequence[str],
    teachers: Mapping[str, Path],
    student_vocabulary: Mapping[str, int],
    load: Callable[[Path], Mapping[str, int]],
) -> None:
    """Raise before the first step: every domain has a teacher, and every teacher the student's very vocabulary."""
    for domain in domains:
        if domain not in teachers:
            raise ConfigError(
                f"domain {domain} has no teacher (teachers: {', '.join(teachers) or 'none'}); add one or drop the domain"
            )
        theirs = load(teachers[domain])
        if theirs != student_vocabulary:
            apart = sum(student_vocabulary.get(token) != i for token, i in theirs.items())
            raise ModelError(
                f"the {domain} teacher at {teachers[domain]} has another vocabulary than the student ({apart} tokens differ); "
                "salient vocabulary alignment needs the same tokenizer for both"
            )


def distill(
    student: nn.Module, teachers: Teachers, chat: Chat, tasks: Mapping[str, Sequence[Task]], domains: Mapping[str, Domain],
    resources: Resources, plan: DistillPlan, *, size: Size, seed: int, watch: Watch,
) -> int:  # fmt: skip
    """Train the student in place; returns the number of steps."""
    ranks = watch.ranks
    optimiser = Optimiser(student, plan.optim, plan.steps, ranks)
    start = load_checkpoint(watch.checkpoint, student, optimiser) if watch.checkpoint else 0
    watch.tick(start)
    engine = LocalEngine(student, chat, policy="student")
    play = Play(engine, resources, size, Sampling(temperature=plan.temperature, top_p=1.0, top_k=0), chat)
    for step in range(start, plan.steps):
        engine.reset()
        student.eval()
        chosen = prompts(tasks, plan, seed, step)
        mine = [(limited(t, domains[t.domain], plan), domains[t.domain]) for t in ranks.share(chosen)]
        groups = asyncio.run(play_groups(mine, play, size=plan.group, seed=seed * 1_000_003 + step))
        judged = [j for g in groups for j in g.judged if j.trajectory.turns]
        samples = [exact_sample(j.trajectory) for j in judged]
        weights = step_weights(samples, plan, watch)
        measure = bool(plan.coverage_every) and step % plan.coverage_every == 0
        values = align(student, teachers, samples, weights, plan, measure)
        for name in domains:
            own = [j.verdict.passed for j in judged if j.trajectory.domain == name]
            values[f"success/{name}"] = (float(sum(own)), float(len(own)))
        norm = optimiser.step(step)
        watch.log(step, {**reduced(values, watch), "gradient_norm": norm})
        watch.tick(1)
        if (
            watch.checkpoint
            and ranks.first
            and plan.checkpoint_every
            and (step + 1) % plan.checkpoint_every == 0
        ):
            save_checkpoint(watch.checkpoint, student, optimiser, step + 1)
    return plan.steps


def prompts(tasks: Mapping[str, Sequence[Task]], plan: DistillPlan, seed: int, step: int) -> list[Task]:
    """The step's tasks: unique prompts, the same number of each domain, each epoch in its own order."""
    chosen: list[Task] = []
    for domain, pool in tasks.items():
        unique = list({t.instruction: t for t in pool}.values())
        need = min(plan.prompts_per_domain, len(unique))
        epoch, at = divmod(step * need, len(unique))
        before: list[Task] = []
        for number in range(epoch + 2):
            order = random.Random(f"{seed}/{domain}/{number}").sample(unique, len(unique))
            # the step that crosses into this epoch has already taken the last few of the epoch before: these come late
            crossed = number * len(unique) % need
            taken = {t.instruction for t in before[len(before) - crossed :]}
            order.sort(key=lambda t: t.instruction in taken)
            if number <= epoch:
                before = order
        chosen += [*before, *order][at : at + need]
    return chosen


def limited(task: Task, domain: Domain, plan: DistillPlan) -> Task:
    """The task under the plan's budgets, where it names some."""
    own = task.limits or domain.limits
    return msgspec.structs.replace(
        task,
        limits=Limits(
            turns=plan.turns or own.turns,
            response_tokens=plan.response_tokens or own.response_tokens,
            context_tokens=plan.context_tokens or own.context_tokens,
            tool_calls=own.tool_calls,
        ),
    )


def step_weights(samples: Sequence[Sample], plan: DistillPlan, watch: Watch) -> list[float]:
    """The weights of this process' samples, counted over all processes' samples."""
    light = [(s.domain, trainable(s)) for s in samples]
    everyone = watch.ranks.gather(light)
    start = sum(len(part) for part in everyone[: watch.ranks.rank])
    stand_ins = [
        Sample(token_ids=(0,) * (n + 1), loss_mask=(False,) + (True,) * n, domain=d)
        for part in everyone
        for d, n in part
    ]
    weigh = domain_mean if plan.balance == "domain" else domain_token_mean
    return weigh(stand_ins)[start : start + len(samples)]


Sums = dict[str, tuple[float, float]]  # name -> (sum, count), added over processes


def align(
    student: nn.Module,
    teachers: Teachers,
    samples: Sequence[Sample],
    weights: Sequence[float],
    plan: DistillPlan,
    measure: bool,
) -> Sums:
    """Accumulate the gradient of the SVA loss over the samples, each under its own domain's teacher."""
    student.train()
    by_domain: dict[str, list[int]] = defaultdict(list)
    for i, sample in enumerate(samples):
        by_domain[sample.domain].append(i)
    sums: Sums = {"loss": (0.0, 1.0)}
    device = next(student.parameters()).device
    for domain in sorted(by_domain):
        teacher = teachers.load(domain)
        own = by_domain[domain]
        sva, rho = [0.0, 0.0], [0.0, 0.0]
        for batch in batches([samples[i] for i in own], [weights[i] for i in own], device=device):
            loss, loss_N, rho_N = align_batch(student, teacher, batch, plan, measure)
            sums["loss"] = (sums["loss"][0] + loss, 1.0)
            sva = [sva[0] + float(loss_N.sum()), sva[1] + len(loss_N)]
            rho = [rho[0] + float(rho_N.sum()), rho[1] + len(rho_N)]
        sums[f"sva/{domain}"] = (sva[0], sva[1])
        if measure:
            sums[f"coverage/{domain}"] = (rho[0], rho[1])
    return sums


def align_batch(
    student: nn.Module, teacher: nn.Module, batch: Batch, plan: DistillPlan, measure: bool
) -> tuple[float, Tensor, Tensor]:
    """Backward through one batch; returns its weighted loss, ℓ [N] and ρ [N] (empty if not measured)."""
    with torch.no_grad():
        weight_VD, bias_V = head(teacher)
        ids_NK, logprobs_NK = salient_vocabulary(
            batch.hidden(teacher), weight_VD, plan.k, bias_V, softcap=softcap(teacher)
        )
    hidden_ND = batch.hidden(student)
    weight_VD, bias_V = head(student)
    loss, loss_N, _ = salient_kl(
        hidden_ND,
        weight_VD,
        ids_NK,
        logprobs_NK,
        batch.weights_N,
        bias_V,
        direction=plan.direction,
        softcap=softcap(student),
    )
    rho_N = (
        coverage(hidden_ND.detach(), weight_VD.detach(), ids_NK, bias_V, softcap=softcap(student))
        if measure
        else loss_N[:0]
    )
    loss.backward()
    return float(loss.detach()), loss_N, rho_N


def reduced(values: Sums, watch: Watch) -> dict[str, float]:
    """Means over all processes' sums; the loss is a sum over processes already weighted."""
    names = sorted({name for part in watch.ranks.gather(sorted(values)) for name in part})
    table = torch.tensor([values.get(name, (0.0, 0.0)) for name in names], dtype=torch.float64)
    watch.ranks.add([table])
    return {
        name: total if name == "loss" else total / count
        for name, (total, count) in zip(names, table.tolist())
        if count
    }  # fmt: skip
