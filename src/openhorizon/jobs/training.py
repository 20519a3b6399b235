"""The three loops over a run folder: SFT, one domain's teacher, the student."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from openhorizon.config import GrpoStage, SftStage
from openhorizon.domains import DOMAINS, domain_of
from openhorizon.domains.domain import Order, Size
from openhorizon.engines.engine import Sampling
from openhorizon.jobs.scenes import Pair, base_folder, chat_of, demonstrations_of, scene, tasks_of
from openhorizon.metrics import Metrics
from openhorizon.records import Sample, Split
from openhorizon.store import Run
from openhorizon.workers import tick

if TYPE_CHECKING:
    from openhorizon.chat.chat import Chat
    from openhorizon.training.policies import Policy
    from openhorizon.training.sft import Watch


def rows_of(pairs: Iterable[Pair], chat: "Chat", size: Size) -> list[Sample]:
    """The demonstrations as rows to imitate, one a token segment, in order."""
    from openhorizon.training.samples import message_samples

    tools = {name: tuple(t.schema for t in domain.sized(size).tools) for name, domain in DOMAINS.items()}
    return [row for p in pairs for row in message_samples(p.judged.trajectory, chat, tools[p.task.domain])]


def watch_for(run: Run, stage: str, rank: int = 0, world: int = 1) -> "Watch":
    """Where a loop logs, ticks, stops and meets its peers."""
    from openhorizon.training.checkpoint import finished_steps
    from openhorizon.training.ranks import Ranks
    from openhorizon.training.sft import Watch

    checkpoint = run.dir / stage / "checkpoint.pt"
    ranks = Ranks.join(rank, world, run.dir / stage / ".meeting")
    metrics = Metrics(run.dir / "metrics")
    if rank == 0:
        metrics.rewind(stage, finished_steps(checkpoint))

    def log(step: int, values: dict[str, float]) -> None:
        if rank == 0:
            metrics.log(stage, step, **values)

    def say(text: str) -> None:
        if rank == 0:
            print(f"{stage}: {text}", file=sys.stderr, flush=True)

    return Watch(log, tick if rank == 0 else lambda n: None, say, checkpoint, ranks)


@contextmanager
def served(run: Run, chat: "Chat", name: str, sampling: Sampling, watch: "Watch") -> "Iterator[Policy | None]":  # fmt: skip
    """The recipe's servers, as long as the block has them; None where it names none and this process plays."""
    from openhorizon.training.policies import Served

    plan = run.recipe.rollout
    if not plan.urls:
        yield None
        return
    policy = Served(
        plan, chat, name, run.dir / "weights", sampling=sampling, ranks=watch.ranks, say=watch.say
    )
    watch.say(f"attempts are played by {', '.join(plan.urls)}")
    try:
        yield policy
    finally:
        policy.close()


def train_sft(rank: int, world: int, run_dir: str) -> tuple[int, int]:
    """Full-domain SFT, in all workers at once; the first one saves the model. Steps, and demonstrations too long to use."""
    from openhorizon.training.model import load_model, save_model
    from openhorizon.training.sft import sft

    run = Run.load(run_dir)
    recipe = run.recipe
    chat = chat_of(run, base_folder(run))
    pairs = [
        p
        for name, plan in recipe.domains.items()
        for p in demonstrations_of(run, name)[: plan.demonstrations]
    ]
    model = load_model(base_folder(run), recipe.model)
    watch = watch_for(run, "sft", rank, world)
    samples = rows_of(pairs, chat, recipe.size)
    too_long = sum(len(s.token_ids) > recipe.sft.max_length for s in samples)
    steps = sft(model, samples, recipe.sft, seed=recipe.seed, watch=watch)
    if rank == 0:
        save_model(model, chat.tokenizer, run.dir / "sft" / "model")
    watch.ranks.leave()
    return steps, too_long


def train_teacher(run_dir: str, name: str) -> int:
    """One domain's teacher: its stages in order, each from the model before it."""
    from openhorizon.teachers import CURRICULA
    from openhorizon.training.grpo import train_grpo, undecided
    from openhorizon.training.model import load_model, save_model
    from openhorizon.training.sft import sft

    at = scene(run_dir)
    run, recipe = at.run, at.recipe
    domain, curriculum = domain_of(name, recipe.size), CURRICULA[name]
    folder = run.dir / "sft" / "model"
    chat = chat_of(run, folder)
    pairs = [(p.task, p.judged) for p in demonstrations_of(run, name)]
    steps = 0
    for n, stage in enumerate(recipe.teachers[name].stages):
        part = f"teachers/{name}/stage{n}"
        if not (run.dir / part / "model").exists():
            model = load_model(folder, recipe.model)
            watch = watch_for(run, part)
            if isinstance(stage, SftStage):
                order = Order(
                    split=Split.TRAIN, seed=recipe.seed, levels=recipe.domains[name].levels, size=recipe.size
                )
                shown = curriculum.demonstrations(stage, pairs, at.resources, order)
                samples = rows_of((Pair(task=t, judged=j) for t, j in shown), chat, recipe.size)
                steps += sft(model, samples, stage, seed=recipe.seed + n, watch=watch)
            else:
                assert isinstance(stage, GrpoStage)
                tasks = curriculum.tasks(stage, tasks_of(run, name, Split.TRAIN))
                pure = Sampling(temperature=stage.temperature, top_p=1.0, top_k=0)
                seed = recipe.seed + n
                with served(run, chat, f"{name}-teacher", pure, watch) as policy:
                    if stage.tries:
                        tasks = undecided(
                            model, chat, tasks, domain, at.setting(f"{part}/tries", policy is not None), stage, seed=seed, policy=policy
                        )  # fmt: skip
                    steps += train_grpo(
                        model,
                        chat,
                        tasks,
                        domain,
                        at.setting(part, policy is not None),
                        stage,
                        seed=seed,
                        watch=watch,
                        policy=policy,
                    )
            save_model(model, chat.tokenizer, run.dir / part / "model")
            at.setting(part, bool(recipe.rollout.urls)).forget()
        folder = run.dir / part / "model"
    save_model(load_model(folder, recipe.model), chat.tokenizer, run.dir / "teachers" / name / "model")
    return steps


def train_student(rank: int, world: int, run_dir: str) -> int:
    """Distillation of all teachers into one student, in all workers at once; the first one saves the model."""
    from openhorizon.training.distill import distill
    from openhorizon.training.model import load_model, merge, save_model
    from openhorizon.training.scoring import Teachers, check_routing

    at = scene(run_dir)
    run, recipe = at.run, at.recipe
    folder = run.dir / "sft" / "model"
    chat = chat_of(run, folder)
    folders = {name: run.dir / "teachers" / name / "model" for name in recipe.teachers}
    check_routing(
        list(recipe.domains),
        folders,
        chat.tokenizer.get_vocab(),
        lambda f: chat_of(run, f).tokenizer.get_vocab(),
    )
    student = load_model(folder, recipe.model)
    if recipe.distill.merge:
        merge(student, (load_model(f, recipe.model) for f in folders.values()), recipe.distill.merge)
    teachers = Teachers(lambda f: load_model(f, recipe.model), folders, recipe.distill.resident_teachers)
    watch = watch_for(run, "student", rank, world)
    tasks = {name: tasks_of(run, name, Split.TRAIN) for name in recipe.domains}
    plan = recipe.distill
    drawn = Sampling(temperature=plan.temperature, top_p=plan.top_p, top_k=plan.top_k)
    with served(run, chat, "student", drawn, watch) as policy:
        steps = distill(
            student, teachers, chat, tasks, DOMAINS, at.setting("student", policy is not None), plan,
            seed=recipe.seed, watch=watch, policy=policy,
        )  # fmt: skip
    if rank == 0:
        save_model(student, chat.tokenizer, run.dir / "student" / "model")
        at.setting("student", bool(recipe.rollout.urls)).forget()
    watch.ranks.leave()
    return steps
