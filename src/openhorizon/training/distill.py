"""Multi-teacher on-policy distillation: the student rolls out, the teacher of each prompt's domain scores it.

Recipe.md §6. Hard routing, salient vocabulary alignment, weights per sample, domain and active domain.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import torch
from torch import nn

from openhorizon.chat.chat import Chat
from openhorizon.config import DistillPlan
from openhorizon.domains.domain import Domain
from openhorizon.engines.engine import Sampling
from openhorizon.errors import ConfigError, EngineError
from openhorizon.records import Limits, Task
from openhorizon.rollout.batch import named, play_groups
from openhorizon.rollout.play import Setting
from openhorizon.training.aligning import align, scored, step_weights
from openhorizon.training.checkpoint import load_checkpoint, save_checkpoint
from openhorizon.training.coverage import CoverageAlarm, Probe, Sums
from openhorizon.training.model import fingerprint
from openhorizon.training.optimiser import Optimiser
from openhorizon.training.policies import InPlace, Policy
from openhorizon.training.samples import exact_samples
from openhorizon.training.scoring import Teachers, self_test
from openhorizon.training.sft import Watch


def distill(
    student: nn.Module, teachers: Teachers, chat: Chat, tasks: Mapping[str, Sequence[Task]], domains: Mapping[str, Domain],
    setting: Setting, plan: DistillPlan, *, seed: int, watch: Watch, policy: Policy | None = None,
) -> int:  # fmt: skip
    """Train the student in place on its own attempts, or on those by `policy`, which is given its weights before each step;
    returns the number of steps."""
    ranks = watch.ranks
    domains = {name: domain.sized(setting.size) for name, domain in domains.items()}
    self_test(student, plan.k)
    teachers.keep_hidden = plan.objective == "full"
    if teachers.keep_hidden and (
        away := [n for n, place in teachers.places.items() if not isinstance(place, Path)]
    ):
        raise ConfigError(
            f"distill.objective=full needs the teachers' hidden states, and {', '.join(away)} is on a server: use salient, with "
            "distill.mass_term=bernoulli for what lies outside the top-k"
        )
    optimiser = Optimiser(student, plan.optim, plan.steps, ranks)
    step = load_checkpoint(watch.checkpoint, student, optimiser) if watch.checkpoint else 0
    watch.tick(step)
    policy = policy or InPlace(student, chat, "student")
    sampling = Sampling(temperature=plan.temperature, top_p=plan.top_p, top_k=plan.top_k)
    batch = setting.play(policy.engine, sampling, chat)
    alarm = CoverageAlarm()
    while not _over(plan, step, optimiser.tokens):
        policy.load(student, step)
        student.eval()
        play = setting.keeping(batch, step, lambda: fingerprint(student))
        chosen = prompts(tasks, plan, seed, step)
        mine = [(limited(t, domains[t.domain], plan), domains[t.domain]) for t in ranks.share(chosen)]
        groups = asyncio.run(
            play_groups(mine, play, size=plan.group, seed=seed * 1_000_003 + step, concurrency=policy.room)
        )
        judged = [
            j for g in groups for j in g.judged if j.trajectory.turns
        ]  # TRUNCATED ones too, ABORTED never
        rows = [(j, s) for j in judged for s in exact_samples(j.trajectory)]
        signals = scored(teachers, [s for _, s in rows], plan.k)
        kept = [row for row, signal in zip(rows, signals, strict=True) if signal is not None]
        unscored, unplayed = len(rows) - len(kept), sum(len(g.aborted) for g in groups)
        judged = list({j.trajectory.id: j for j, _ in kept}.values())
        samples, statuses = [s for _, s in kept], [str(j.trajectory.status) for j, _ in kept]
        weights, tokens = step_weights(samples, plan, watch)
        if not tokens:
            raise EngineError(
                f"step {step}: not one attempt could be played and scored ({unplayed} were aborted, the teachers' servers failed "
                f"for {unscored}); run again to go on from the last checkpoint"
            )
        everywhere = bool(plan.coverage_every) and step % plan.coverage_every == 0
        probe = Probe.of(
            samples, statuses, 1.0 if everywhere else plan.coverage_share,
            f"{seed}/{step}/{ranks.rank}", whole=plan.temperature == 1.0 and plan.top_p == 1.0 and not plan.top_k,
        )  # fmt: skip
        values = align(
            student, teachers, samples, [s for s in signals if s is not None], weights, plan, probe
        )
        for name in domains:
            own = [j.verdict.passed for j in judged if j.trajectory.domain == name]
            values[f"success/{name}"] = (float(sum(own)), float(len(own)))
        values["aborted"] = (float(unplayed + unscored), 1.0)
        if unplayed:
            watch.say(
                f"step {step}: aborted, and not learnt from: {named([t for g in groups for t in g.aborted])}"
            )
        optimiser.tokens += tokens
        norm = optimiser.step(_progress(plan, step, optimiser.tokens - tokens))
        logged = reduced(values, watch)
        for name in domains:
            if f"coverage/{name}" in logged and (
                said := alarm.hear(name, logged[f"coverage/{name}"], logged[f"sva/{name}"])
            ):
                logged[f"coverage_alarm/{name}"] = 1.0
                watch.say(f"step {step}: {said}")
        watch.log(step, {**logged, "tokens": float(optimiser.tokens), "gradient_norm": norm})
        watch.tick(1)
        step += 1
        if watch.checkpoint and ranks.first and plan.checkpoint_every and step % plan.checkpoint_every == 0:
            save_checkpoint(watch.checkpoint, student, optimiser, step)
            setting.forget(step)
            teachers.forget()
    return step


def _over(plan: DistillPlan, step: int, tokens: int) -> bool:
    return tokens >= plan.student_tokens if plan.student_tokens else step >= plan.steps


def _progress(plan: DistillPlan, step: int, tokens: int) -> float:
    """Where on the schedule of `plan.steps` this step stands: by its number, or by the tokens before it."""
    return tokens / plan.student_tokens * plan.steps if plan.student_tokens else float(step)


def prompts(tasks: Mapping[str, Sequence[Task]], plan: DistillPlan, seed: int, step: int) -> list[Task]:
    """The step's tasks: unique prompts, each domain's quota of them, each epoch in its own order."""
    chosen: list[Task] = []
    for domain, pool in tasks.items():
        unique = list({t.instruction: t for t in pool}.values())
        need = min(plan.quotas.get(domain, plan.prompts_per_domain), len(unique))
        if not need:
            continue
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


def reduced(values: Sums, watch: Watch) -> dict[str, float]:
    """Means over all processes' sums; the loss is a sum over processes already weighted."""
    names = sorted({name for part in watch.ranks.gather(sorted(values)) for name in part})
    table = torch.tensor([values.get(name, (0.0, 0.0)) for name in names], dtype=torch.float64)
    watch.ranks.add([table])
    return {
        name: total if name in ("loss", "aborted") else total / count
        for name, (total, count) in zip(names, table.tolist())
        if count
    }  # fmt: skip
