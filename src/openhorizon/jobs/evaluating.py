"""One model's attempts at one domain's held-out tasks, and what the table needs of them."""

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import structs

from openhorizon.domains import domain_of
from openhorizon.domains.domain import Domain
from openhorizon.engines.engine import Sampling
from openhorizon.errors import InfrastructureError
from openhorizon.jobs.scenes import Pair, Scene, chat_of, model_folder, scene, tasks_of
from openhorizon.records import Score, Split, Task
from openhorizon.rollout.play import Setting
from openhorizon.workers import tick

if TYPE_CHECKING:
    from torch import nn

    from openhorizon.chat.chat import Chat


def evaluate(run_dir: str, model: str, name: str) -> float:
    """One model on one domain's held-out tasks; returns the success rate."""
    from openhorizon.training.model import load_model

    at = scene(run_dir)
    stage = at.run.stage("evaluation")
    file = f"{model.replace('/', '-')}.{name}.jsonl"
    if not stage.has(file):
        folder = model_folder(at.run, model)
        setting = at.setting(f"evaluation/{file}")
        pairs = held_out(
            at, setting, load_model(folder, at.recipe.model), chat_of(at.run, folder), model, name
        )
        stage.write_jsonl(f"samples/{file}", _kept(pairs, at.recipe.evaluation.samples))
        stage.write_jsonl(file, [score_of(p) for p in pairs])
        setting.forget()
    scores = stage.read_jsonl(file, Score)
    return sum(s.passed for s in scores) / max(1, len(scores))


def held_out(
    at: Scene, setting: Setting, model: "nn.Module", chat: "Chat", policy: str, name: str, count: int = 0
) -> list[Pair]:
    """The model's attempts at the domain's held-out tasks, `count` of them (0: as many as the recipe evaluates)."""
    import asyncio

    from openhorizon.engines.local import LocalEngine
    from openhorizon.rollout.batch import play_groups
    from openhorizon.training.model import fingerprint

    plan = at.recipe.evaluation
    engine = LocalEngine(model.eval(), chat, policy=policy, slots=plan.concurrency)
    sampling = Sampling(temperature=plan.temperature, top_p=plan.top_p, top_k=plan.top_k)
    domain = domain_of(name, at.recipe.size)
    tasks = tasks_of(at.run, name, Split.HELDOUT)[: count or plan.tasks]
    if name in plan.restarts:
        tasks = [restarting(t, domain, plan.restarts[name]) for t in tasks]
    play = setting.keeping(setting.play(engine, sampling, chat), "attempts", lambda: fingerprint(model))
    groups = asyncio.run(
        play_groups(
            [(t, domain) for t in tasks], play,
            seed=plan.seed, concurrency=plan.concurrency, done=tick,
        )
    )  # fmt: skip
    lost = [t.id for g in groups for t in g.aborted]
    if lost:  # never scored 0, never silently left out
        raise InfrastructureError(
            f"{len(lost)} attempts of {policy} kept breaking ({lost[0]} first); run again to retry them"
        )
    return [Pair(task=g.task, judged=j, model=policy) for g in groups for j in g.judged]


def restarting(task: Task, domain: Domain, times: int) -> Task:
    """The task with discard-all in place of folding, as BrowseComp is evaluated (recipe of the paper: five times)."""
    return structs.replace(
        task, limits=structs.replace(task.limits or domain.limits, folds=0, restarts=times)
    )


def score_of(pair: Pair) -> Score:
    """The attempt as one row of the table."""
    trajectory, verdict = pair.judged.trajectory, pair.judged.verdict
    return Score(
        model=pair.model, domain=trajectory.domain, task=trajectory.task, passed=verdict.passed, value=verdict.score,
        turns=len(trajectory.turns), status=str(trajectory.status),
        tokens=sum(len(t.context_ids) + len(t.completion.token_ids) for t in trajectory.turns),
    )  # fmt: skip


def _kept(pairs: Sequence[Pair], count: int) -> list[Pair]:
    """Some right and some wrong attempts, drawn alike for every model."""
    drawn = random.Random(0).sample(list(pairs), len(pairs))
    right = [p for p in drawn if p.judged.verdict.passed][: count // 2]
    return right + [p for p in drawn if not p.judged.verdict.passed][: count - len(right)]
