"""Models' attempts at held-out tasks, and what the table needs of them."""

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import structs

from openhorizon.config import EnginePlan
from openhorizon.domains import domain_of
from openhorizon.domains.domain import Domain
from openhorizon.engines.engine import Sampling
from openhorizon.errors import InfrastructureError
from openhorizon.jobs.scenes import Pair, Scene, chat_of, model_folder, scene, tasks_of
from openhorizon.records import Group, Score, Split, Task
from openhorizon.rollout.batch import play_groups
from openhorizon.rollout.cluster import Cluster
from openhorizon.rollout.journal import Journals
from openhorizon.rollout.play import Play, Setting
from openhorizon.rollout.players import Work
from openhorizon.store import Run
from openhorizon.workers import Tick, Workers, tick

if TYPE_CHECKING:
    from torch import nn

    from openhorizon.chat.chat import Chat
    from openhorizon.engines.http import HttpEngine

Row = tuple[str, str]  # of the table: a model, and a domain it is evaluated in


def rows(run: Run) -> list[Row]:
    """What is evaluated: the run's own models that are there, each teacher in its own domain, and served models."""
    recipe = run.recipe
    names, plan = list(recipe.domains), recipe.evaluation
    own = [m for m in ("base", "sft", "student") if m == "base" or Path(model_folder(run, m)).exists()]
    found = [(m, n) for m in own for n in names] + [(f"teacher/{n}", n) for n in recipe.teachers]
    return [*(found if plan.own else ()), *((m, n) for m in plan.served for n in names)]


def file_of(model: str, name: str) -> str:
    """The row's file in the stage's folder."""
    return f"{model.replace('/', '-')}.{name}.jsonl"


def evaluate_rows(run: Run, todo: Iterable[Row], workers: Workers, done: Tick) -> None:
    """All rows: by this machine's workers, or on the recipe's cluster, model by model."""
    folder, served = str(run.dir.resolve()), run.recipe.evaluation.served
    spread = bool(run.recipe.cluster.address)
    jobs: dict[tuple[str, str], list[str]] = {}
    for model, name in todo:  # the servers of a served model shall see one client
        jobs.setdefault((model, "" if spread or model in served else name), []).append(name)
    if not spread:
        workers.run(evaluate, [(folder, model, names) for (model, _), names in jobs.items()], done)
        return
    with Cluster(run.recipe.cluster) as cluster:
        for (model, _), names in jobs.items():
            evaluate(folder, model, names, cluster, done)


def evaluate(
    run_dir: str, model: str, names: Sequence[str], cluster: Cluster | None = None, done: Tick = tick
) -> None:
    """One model on the held-out tasks of these domains; a domain's files are written when all its attempts have ended, and
    left alone where they are there. InfrastructureError: some attempts kept breaking."""
    run = Run.load(run_dir)
    stage, plan = run.stage("evaluation"), run.recipe.evaluation
    job = f"evaluation/{file_of(model, names[0]) if len(names) == 1 else model.replace('/', '-')}"
    names = [n for n in names if not stage.has(file_of(model, n))]
    if not names:
        return
    tasks = [t for n in names for t in _tasks(run, n)]

    def write(name: str, pairs: Sequence[Pair]) -> None:
        file = file_of(model, name)
        stage.write_jsonl(f"samples/{file}", _kept(pairs, plan.samples))
        stage.write_jsonl(file, [score_of(p) for p in pairs])

    share, attempts = len(cluster.hands) if cluster is not None else 1, plan.concurrency
    if model in plan.served:
        said = probed(plan.served[model], model)
        stage.write_json(f"served/{model}.json", said)
        attempts = max(1, plan.served[model].concurrency * len(said["urls"]) // share)
    work = Work(playing, (run_dir, model, job, share), model)
    _played(cluster, tasks, work, attempts, plan.seed, done, write)
    Journals(run.dir / "journals" / job).clear()


def playing(run_dir: str, model: str, job: str, share: int) -> tuple[Play, Mapping[str, Domain]]:
    """How one of `share` processes plays with a model of the run, or with a served one; journals lie under the job's name."""
    at = scene(run_dir)
    served = at.recipe.evaluation.served.get(model)
    if served is None:
        from openhorizon.training.model import load_model

        folder = model_folder(at.run, model)
        loaded, chat = load_model(folder, at.recipe.model), chat_of(at.run, folder)
        return _local(at, at.setting(job), loaded, chat, model), _domains(at)
    engine, chat = connected(served, model, share)
    setting = at.setting(job, served=True)
    play = setting.play(engine, _sampling(at), chat)
    return setting.keeping(play, "attempts", lambda: f"{served.model} {engine.said}"), _domains(at)


def connected(plan: EnginePlan, name: str, share: int = 1) -> "tuple[HttpEngine, Chat | None]":
    """The served model's engine under that name, as one of `share` clients, and its chat where it works on tokens.
    ConfigError, EngineError: see `engines.http.connect`."""
    from openhorizon.chat.chat import Chat
    from openhorizon.engines.http import connect

    chat = Chat.load(plan.tokenizer) if plan.tokenizer else None
    each = max(1, plan.concurrency // share)
    engine = connect(plan.urls, plan.model, chat=chat, mode=plan.mode, policy=name, concurrency=each)
    return engine, chat if engine.exact else None


def probed(plan: EnginePlan, name: str) -> dict[str, Any]:
    """Where the served model is and how it is spoken to; an error where it is not to be had."""
    engine, _ = connected(plan, name)
    engine.close()
    return {"urls": engine.servers.urls, "model": plan.model, "said": engine.said}


def held_out(
    at: Scene, setting: Setting, model: "nn.Module", chat: "Chat", policy: str, name: str, count: int = 0
) -> list[Pair]:
    """The model's attempts at the domain's held-out tasks, `count` of them (0: as many as the recipe evaluates)."""
    plan, found = at.recipe.evaluation, list[Pair]()
    tasks = _tasks(at.run, name, count)
    work = Work(lambda: (_local(at, setting, model, chat, policy), _domains(at)), policy=policy)
    _played(None, tasks, work, plan.concurrency, plan.seed, tick, lambda name, pairs: found.extend(pairs))
    return found


def _local(at: Scene, setting: Setting, model: "nn.Module", chat: "Chat", policy: str) -> Play:
    from openhorizon.engines.local import LocalEngine
    from openhorizon.training.model import fingerprint

    engine = LocalEngine(model.eval(), chat, policy=policy, slots=at.recipe.evaluation.concurrency)
    return setting.keeping(setting.play(engine, _sampling(at), chat), "attempts", lambda: fingerprint(model))


def _sampling(at: Scene) -> Sampling:
    plan = at.recipe.evaluation
    return Sampling(temperature=plan.temperature, top_p=plan.top_p, top_k=plan.top_k)


def _domains(at: Scene) -> Mapping[str, Domain]:
    return {n: domain_of(n, at.recipe.size) for n in at.recipe.domains}


def _played(
    cluster: Cluster | None, tasks: Sequence[Task], work: Work, attempts: int, seed: int, done: Tick,
    write: Callable[[str, list[Pair]], None],
) -> None:  # fmt: skip
    """One attempt at each task; `write` gets each domain's, in the order of its tasks, when all of them have ended.

    Without a cluster the tasks are one batch of this process: what an in-process engine decodes together, and so the last digit of
    its log-probabilities, then does not depend on how long anything took.
    """
    left: dict[str, dict[str, Group | None]] = {}
    for task in tasks:
        left.setdefault(task.domain, {})[task.id] = None
    lost: list[str] = []

    def take(group: Group) -> None:
        own = left[group.task.domain]
        own[group.task.id] = group
        lost.extend(t.id for t in group.aborted)
        groups = [g for g in own.values() if g is not None]
        if len(groups) == len(own) and not any(g.aborted for g in groups):
            pairs = [Pair(task=g.task, judged=j, model=work.policy) for g in groups for j in g.judged]
            write(group.task.domain, pairs)

    async def play() -> None:
        if cluster is not None:
            async for group in cluster.groups(tasks, work, seed=seed, attempts=attempts, done=done):
                take(group)
            return
        play, domains = work.make(*work.args)
        pairs = [(t, domains[t.domain]) for t in tasks]
        for group in await play_groups(pairs, play, seed=seed, concurrency=attempts, done=done):
            take(group)

    asyncio.run(play())
    if lost:  # never scored 0, never silently left out
        raise InfrastructureError(
            f"{len(lost)} attempts of {work.policy} kept breaking ({lost[0]} first); run again to retry them"
        )


def _tasks(run: Run, name: str, count: int = 0) -> list[Task]:
    plan = run.recipe.evaluation
    tasks = tasks_of(run, name, Split.HELDOUT)[: count or plan.tasks]
    if name not in plan.restarts:
        return tasks
    return [restarting(t, domain_of(name, run.recipe.size), plan.restarts[name]) for t in tasks]


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
