"""What of the distillation matters: each choice of it changed alone, on finished runs, at equal student tokens.

An arm is one way to distil; it is run for each given run (they differ in their seed), from that run's SFT model and
teachers, and evaluated on that run's held-out tasks. Finished arms are kept: the same command goes on.
"""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from openhorizon.config import DistillPlan
from openhorizon.domains import DOMAINS, domain_of
from openhorizon.files import Folder
from openhorizon.jobs import chat_of, held_out, model_folder, scene, score_of, tasks_of
from openhorizon.records import Record, Score, Split
from openhorizon.rollout.play import Setting

if TYPE_CHECKING:
    from torch import nn

    from openhorizon.chat.chat import Chat
    from openhorizon.jobs import Scene
    from openhorizon.training.scoring import Teachers

BASELINE = "paper"  # what every arm is compared with


class Arm(Record, kw_only=True):
    """One way to distil."""

    name: str
    question: str  # what it answers, beside the others of the same question
    says: str  # what is different from the baseline, in words
    plan: dict[str, Any] = {}  # values of DistillPlan that differ from the baseline's
    routing: Literal["hard", "average", "random"] = "hard"
    on_policy: bool = True  # False: supervised training on the teachers' own accepted attempts
    steps: bool = True  # False: nothing is trained


class Outcome(Record, kw_only=True):
    """What one arm did in one run, beside its scores."""

    arm: str
    run: str
    student_tokens: int  # learnt from
    steps: int
    seconds: float
    coverage: float | None = None  # ρ at the end, mean over domains
    sva: float | None = None  # ℓ at the end, mean over domains


class Budget(Record, kw_only=True):
    """What every arm gets."""

    student_tokens: int = 60_000
    steps: int = 40  # about as many optimiser steps; the schedule's length
    prompts_per_domain: int = 5
    heldout: int = 100  # tasks per domain


ARMS: tuple[Arm, ...] = (
    Arm(name=BASELINE, question="", says="reverse KL, renormalised, k = 16, hard routing, mean per domain, from SFT"),
    Arm(name="k1", question="support", says="k = 1", plan={"k": 1}),
    Arm(name="k4", question="support", says="k = 4", plan={"k": 4}),
    Arm(name="k64", question="support", says="k = 64", plan={"k": 64}),
    Arm(name="full", question="support", says="the whole vocabulary", plan={"objective": "full"}),
    Arm(name="sampled", question="support", says="the sampled token alone", plan={"objective": "sampled_token"}),
    Arm(name="bernoulli", question="mass", says="tail as one token", plan={"mass_term": "bernoulli"}),
    Arm(name="generalised", question="mass", says="generalised KL", plan={"mass_term": "generalised"}),
    Arm(name="k1-bernoulli", question="mass", says="k = 1, tail as one token", plan={"k": 1, "mass_term": "bernoulli"}),
    Arm(name="k4-bernoulli", question="mass", says="k = 4, tail as one token", plan={"k": 4, "mass_term": "bernoulli"}),
    Arm(
        name="k64-bernoulli",
        question="mass",
        says="k = 64, tail as one token",
        plan={"k": 64, "mass_term": "bernoulli"},
    ),
    Arm(name="forward", question="direction", says="forward KL", plan={"direction": "forward"}),
    Arm(name="js", question="direction", says="Jensen–Shannon", plan={"direction": "jensen_shannon"}),
    Arm(name="averaged", question="routing", says="the average of all teachers", routing="average"),
    Arm(name="random", question="routing", says="one teacher drawn for each sample", routing="random"),
    Arm(name="domain-token", question="balance", says="per domain, by tokens", plan={"balance": "domain_token"}),
    Arm(name="token", question="balance", says="all tokens alike", plan={"balance": "token"}),
    Arm(name="sample", question="balance", says="all samples alike", plan={"balance": "sample"}),
    Arm(name="off-policy", question="data", says="SFT on the teachers' accepted attempts", on_policy=False),
    Arm(name="merged", question="start", says="from SFT + 1.5 × mean(teacher − SFT)", plan={"merge": 1.5}),
    Arm(name="merged-only", question="start", says="the same, and no training", plan={"merge": 1.5}, steps=False),
)  # fmt: skip


def named(names: str | None) -> tuple[Arm, ...]:
    """The arms of a comma-separated list (None: all); the baseline is always among them."""
    from openhorizon.errors import UserError

    if names is None:
        return ARMS
    wanted = {BASELINE, *(n.strip() for n in names.split(",") if n.strip())}
    if unknown := wanted - {a.name for a in ARMS}:
        raise UserError(
            f"there is no arm {', '.join(sorted(unknown))}; there are {', '.join(a.name for a in ARMS)}"
        )
    return tuple(a for a in ARMS if a.name in wanted)


def files_of(arm: str, run: str) -> tuple[str, str]:
    """The arm's scores and outcome in the study's folder."""
    return f"arms/{run}.{arm}.scores.jsonl", f"arms/{run}.{arm}.outcome.json"


def play_arm(run_dir: str, arm: Arm, budget: Budget, out: str) -> None:
    """One arm on one run, in a worker process; what it leaves in `out` is whole or not there."""
    from openhorizon.training.model import load_model, merge

    folder, at, began = Folder(Path(out)), scene(run_dir), time.monotonic()
    scores, outcome = files_of(arm.name, at.run.name)
    if folder.has(outcome):
        return
    plan = plan_of(arm, at.recipe.distill, budget)
    start = model_folder(at.run, "sft")
    chat, student = chat_of(at.run, start), load_model(start, at.recipe.model)
    places = {n: Path(model_folder(at.run, f"teacher/{n}")) for n in at.recipe.domains}
    if plan.merge:
        merge(student, (load_model(p, at.recipe.model) for p in places.values()), plan.merge)
    teachers = _teachers(arm, at, places)
    done = Outcome(arm=arm.name, run=at.run.name, student_tokens=0, steps=0, seconds=0.0)
    if arm.steps:
        train = _distilled if arm.on_policy else _imitated
        done = train(at, arm, plan, student, chat, teachers)
    found: list[Score] = []
    setting = Setting(at.resources, at.recipe.size)
    for name in at.recipe.domains:
        found += [score_of(p) for p in held_out(at, setting, student, chat, arm.name, name, budget.heldout)]
    folder.write_jsonl(scores, found)
    folder.write_json(outcome, msgspec.structs.replace(done, seconds=round(time.monotonic() - began, 1)))


def plan_of(arm: Arm, own: DistillPlan, budget: Budget) -> DistillPlan:
    """The run's plan with the study's budget, the paper's choices, and the arm's difference."""
    paper = DistillPlan(
        steps=budget.steps, student_tokens=budget.student_tokens, prompts_per_domain=budget.prompts_per_domain,
        k=16, optim=own.optim, temperature=own.temperature, resident_teachers=64, checkpoint_every=0,
    )  # fmt: skip
    return msgspec.structs.replace(paper, **arm.plan)


def _teachers(arm: Arm, at: "Scene", places: dict[str, Path]) -> "Teachers":
    from openhorizon.training.model import load_model
    from openhorizon.training.scoring import Teachers
    from openhorizon.training.unrouted import AveragedTeachers, RandomTeachers

    kind = {"hard": Teachers, "average": AveragedTeachers, "random": RandomTeachers}[arm.routing]
    return kind(lambda f: load_model(f, at.recipe.model), places, len(places))


def _distilled(
    at: "Scene", arm: Arm, plan: DistillPlan, student: "nn.Module", chat: "Chat", teachers: "Teachers"
) -> Outcome:
    from openhorizon.training.distill import distill
    from openhorizon.training.sft import Watch

    logged: list[dict[str, float]] = []
    names = list(at.recipe.domains)
    steps = distill(
        student, teachers, chat, {n: tasks_of(at.run, n, Split.TRAIN) for n in names}, DOMAINS,
        Setting(at.resources, at.recipe.size), plan, seed=at.recipe.seed,
        watch=Watch(log=lambda step, values: logged.append(values)),
    )  # fmt: skip

    def end(kind: str) -> float:
        last = [v for values in logged[-5:] for n, v in values.items() if n.startswith(f"{kind}/")]
        return sum(last) / max(1, len(last))

    return Outcome(
        arm=arm.name, run=at.run.name, student_tokens=int(logged[-1]["tokens"]), steps=steps, seconds=0.0,
        coverage=round(end("coverage"), 4), sva=round(end("sva"), 4),
    )  # fmt: skip


def _imitated(
    at: "Scene", arm: Arm, plan: DistillPlan, student: "nn.Module", chat: "Chat", teachers: "Teachers"
) -> Outcome:
    """Off-policy: the same prompts, played by their teachers; what the verifiers accept is imitated, token for token as
    much as the student would have written."""
    import asyncio

    from openhorizon.config import SftPlan
    from openhorizon.engines.engine import Sampling
    from openhorizon.engines.local import LocalEngine
    from openhorizon.rollout.batch import play_groups
    from openhorizon.rollout.play import Play
    from openhorizon.training.distill import limited, prompts
    from openhorizon.training.samples import exact_samples
    from openhorizon.training.sft import Watch, sft
    from openhorizon.training.weights import trainable

    names, seed = list(at.recipe.domains), at.recipe.seed
    domains = {n: domain_of(n, at.recipe.size) for n in names}
    pools = {n: tasks_of(at.run, n, Split.TRAIN) for n in names}
    engines = {n: LocalEngine(teachers.load(n), chat, policy=f"teacher/{n}") for n in names}
    sampling = Sampling(temperature=plan.temperature, top_p=1.0, top_k=0)
    samples, step = [], 0
    while sum(map(trainable, samples)) < plan.student_tokens:
        for name in names:
            tasks = [
                (limited(t, domains[name], plan), domains[name])
                for t in prompts({name: pools[name]}, plan, seed, step)
            ]
            play = Play(engines[name], at.resources, at.recipe.size, sampling, chat)
            groups = asyncio.run(play_groups(tasks, play, seed=seed * 1_000_003 + step))
            passed = [j for g in groups for j in g.judged if j.verdict.passed]
            samples += [row for j in passed for row in exact_samples(j.trajectory)]
        step += 1
    whole = sum(len(s.token_ids) for s in samples)
    course = SftPlan(
        steps=plan.steps,
        batch_tokens=whole // plan.steps,
        max_length=10**9,
        optim=plan.optim,
        checkpoint_every=0,
    )
    steps = sft(student, samples, course, seed=seed, watch=Watch())
    return Outcome(
        arm=arm.name, run=at.run.name, student_tokens=sum(map(trainable, samples)), steps=steps, seconds=0.0
    )
