"""What is there before any training: accepted tasks with their demonstrations, and the base model."""

from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openhorizon.domains import DOMAINS, domain_of
from openhorizon.domains.domain import Order
from openhorizon.graph.store import GraphStore
from openhorizon.jobs.scenes import Pair, base_folder, demonstrations_of, scene
from openhorizon.records import Split
from openhorizon.rollout.cluster import Cluster
from openhorizon.store import Run
from openhorizon.workers import Tick, Workers, tick

if TYPE_CHECKING:
    from openhorizon.selfplay.game import Outcome


def self_play(run_dir: str, name: str, split: Split) -> None:
    """Accepted tasks of one domain and split, their demonstrations, and all that was tried, written back to the graph."""
    keep_tasks(Run.load(run_dir), name, split, played(run_dir, name, split))


def played(run_dir: str, name: str, split: Split) -> "Outcome":
    """What self-play of one domain and split made; nothing is written."""
    from openhorizon.selfplay.game import play

    at = scene(run_dir)
    plan = at.recipe.domains[name]
    count = plan.train if split is Split.TRAIN else plan.heldout
    today = date.today().isoformat() if at.recipe.search.today == "clock" else at.recipe.search.today
    order = Order(split=split, seed=at.recipe.seed, levels=plan.levels, size=at.recipe.size, today=today)
    return play(
        domain_of(name, order.size, horizon=plan.horizon),
        at.resources.graph,
        order,
        at.resources,
        count,
        done=tick,
    )


def keep_tasks(run: Run, name: str, split: Split, outcome: "Outcome") -> None:
    """Write what self-play made to the graph and the run folder."""
    stage = run.stage("tasks")
    with GraphStore(run.graph) as store:
        store.record(outcome.written())
    pairs = [Pair(task=t, judged=j) for t, j in zip(outcome.tasks, outcome.demonstrations, strict=True)]
    stage.write_jsonl(f"{name}/{split}.solved.jsonl", pairs)
    stage.write_jsonl(f"{name}/{split}.jsonl", outcome.tasks)
    report = {"proposed": len(outcome.proposals), "accepted": len(pairs), "rejected": outcome.reasons}
    stage.write_json(f"{name}/{split}.report.json", report)


def play_games(run: Run, games: Sequence[tuple[str, Split]], workers: Workers, tick: Tick) -> None:
    """Self-play of these domains and splits: by this machine's workers, which write what they made; or on the recipe's
    cluster, from where it comes back to be written here, so that graph and files have one writer."""
    todo = [(str(run.dir.resolve()), name, split) for name, split in games]
    if not run.recipe.cluster.address:
        workers.run(self_play, todo, tick)
        return

    def keep(job: Sequence[Any], outcome: "Outcome") -> None:
        keep_tasks(run, job[1], job[2], outcome)
        tick(len(outcome.tasks))

    with Cluster(run.recipe.cluster) as cluster:
        cluster.run(played, todo, keep)


def make_base(run_dir: str) -> dict[str, Any]:
    """The tiny model with random weights and the run's own tokenizer, or a look at the user's model folder."""
    from openhorizon.chat.chat import Chat
    from openhorizon.chat.tiny import train_tokenizer
    from openhorizon.training.model import load_model, make_model, save_model

    run = Run.load(run_dir)
    plan = run.recipe.model
    if plan.base:
        chat = Chat.load(plan.base)
        model = load_model(plan.base, plan)
    else:
        tokenizer = run.dir / "base" / "tokenizer"
        train_tokenizer(_texts(run), plan.vocabulary, tokenizer)
        chat = Chat.load(tokenizer)
        pad = int(chat.tokenizer.pad_token_id)  # type: ignore[arg-type]
        tokens = chat.tokenizer.convert_ids_to_tokens(list(range(chat.vocabulary)))
        model = make_model(plan, list(tokens), chat.eos_id, pad, run.recipe.seed)
        save_model(model, chat.tokenizer, Path(base_folder(run)))
    parameters = sum(p.numel() for p in model.parameters())
    return {"parameters": parameters, "vocabulary": chat.vocabulary, "model": model.config.model_type}  # type: ignore[union-attr]


def _texts(run: Run) -> Iterable[str]:
    """What the run's own tokenizer counts: everything said in the training demonstrations."""
    import json

    for name in run.recipe.domains:
        schemas = [
            {"name": t.name, "arguments": " ".join(t.schema.parameters["properties"])}
            for t in DOMAINS[name].sized(run.recipe.size).tools
        ]
        yield from ["# Tools\n<tools>\nsystem user assistant\n</tools>", *map(json.dumps, schemas)] * 2
        for pair in demonstrations_of(run, name):
            trajectory = pair.judged.trajectory
            yield from (m.content for m in trajectory.prompt)
            for turn in trajectory.turns:
                yield turn.completion.text
                yield from (r.text for r in turn.results)
                yield turn.reply
