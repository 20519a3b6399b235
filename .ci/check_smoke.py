"""Facts about a finished smoke run: every line below is something a newcomer would notice if it were false.

python .ci/check_smoke.py runs/smoke
"""

import math
import re
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from openhorizon.graph.store import GraphStore
from openhorizon.metrics import Metrics
from openhorizon.records import NodeKind, Score, Split, Task
from openhorizon.store import Run

STAGES = ("graph", "tasks", "demonstrations", "base", "sft", "teachers", "student", "evaluation", "report")
AGAIN_SECONDS = 20.0  # a second `run` skips everything


def stages_are_done(run: Run) -> str:
    wanted = [*STAGES, *(f"teachers/{name}" for name in run.recipe.teachers)]
    missing = [name for name in wanted if not run.stage(name).done]
    assert not missing, f"not done: {missing}"
    for name in wanted:
        run.stage(name).check()
    return f"{len(wanted)} manifests"


def tasks_are_whole_and_the_splits_apart(run: Run) -> str:
    count = 0
    for name, plan in run.recipe.domains.items():
        by_split = {s: run.stage("tasks").read_jsonl(f"{name}/{s}.jsonl", Task) for s in Split}
        assert len(by_split[Split.TRAIN]) == plan.train, (
            f"{name}: {len(by_split[Split.TRAIN])} training tasks"
        )
        assert len(by_split[Split.HELDOUT]) == plan.heldout, (
            f"{name}: {len(by_split[Split.HELDOUT])} held-out tasks"
        )
        ids, texts = set(), set()
        for task in (t for tasks in by_split.values() for t in tasks):
            assert task.evidence, f"{task.id} has no evidence"
            assert task.verifiers, f"{task.id} has no verifier"
            ids.add(task.id)
            texts.add(task.instruction)
            count += 1
        assert len(ids) == len(texts) == plan.train + plan.heldout, f"{name}: tasks repeat"
        train, heldout = ({e for t in by_split[s] for e in t.entities} for s in Split)
        assert min(len(train), len(heldout)) > 0, f"{name}: no entities to tell the splits by"
        assert not train & heldout, f"{name}: both splits hold {sorted(train & heldout)[:3]}"
    return f"{count} tasks"


def self_play_rejects_for_reasons(run: Run) -> str:
    table = run.read_json("selfplay/report.json")
    reasons: dict[str, int] = defaultdict(int)
    for name in run.recipe.domains:
        rejected = sum(table[name]["rejected"].values())
        assert table[name]["proposed"] == table[name]["accepted"] + rejected, (
            f"{name}: {table[name]} does not add up"
        )
        for reason, n in table[name]["rejected"].items():
            reasons[reason] += n
    assert sum(reasons.values()) > 0, "nothing was ever rejected"
    return ", ".join(f"{reason} {n}" for reason, n in sorted(reasons.items()))


def the_graph_holds_every_domain(run: Run) -> str:
    with GraphStore(run.graph) as store:
        counts, edges = store.counts(), store.edge_counts()
    kinds = (NodeKind.ACTION, NodeKind.OBSERVATION, NodeKind.VERDICT, NodeKind.ARTIFACT)
    for name in run.recipe.domains:
        for kind in kinds:
            if kind is NodeKind.OBSERVATION and name == "instructions":
                continue  # the domain has no tools, so nothing comes back
            assert counts.get((name, kind), 0) > 0, f"{name} has no {kind} nodes"
    missing = {"supports", "depends_on", "produces", "verifies", "next"} - set(edges)
    assert not missing, f"no edges of kind {missing}"
    return f"{sum(counts.values())} nodes, {sum(edges.values())} edges"


def every_row_of_the_evaluation_is_there(run: Run) -> str:
    plan = run.recipe.evaluation
    rows: dict[tuple[str, str], list[str]] = defaultdict(list)
    for score in run.stage("evaluation").read_jsonl("scores.jsonl", Score):
        rows[score.model.replace("teachers/", "teacher/"), score.domain].append(score.task)
        assert 0.0 <= score.value <= 1.0, f"{score.task}: {score.value}"
        assert score.status in ("finished", "truncated"), f"{score.task} was scored though {score.status}"
    for name in run.recipe.domains:
        models = ["base", "sft", "student", *([f"teacher/{name}"] if name in run.recipe.teachers else [])]
        for model in models:
            assert len(rows[model, name]) == plan.tasks, (
                f"{model} on {name}: {len(rows[model, name])} rows"
            )
            assert sorted(rows[model, name]) == sorted(rows["base", name]), (
                f"{model} on {name}: other tasks than base"
            )
        assert all("/heldout/" in task for task in rows["base", name]), f"{name}: evaluated on training tasks"
    return f"{sum(map(len, rows.values()))} scores of {len(rows)} rows"


def training_helped(run: Run) -> str:
    passed: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for score in run.stage("evaluation").read_jsonl("scores.jsonl", Score):
        passed[score.model.split("/")[0]][score.domain].append(score.passed)
    mean = {m: sum(sum(p) / len(p) for p in d.values()) / len(d) for m, d in passed.items()}
    shown = ", ".join(f"{m} {rate:.3f}" for m, rate in mean.items())
    assert mean["sft"] > mean["base"], f"SFT is not above base: {shown}"
    assert mean["teacher"] > mean["sft"], f"the teachers are not above SFT: {shown}"
    assert mean["student"] > mean["sft"], f"the student is not above SFT: {shown}"
    return shown


def curves_are_finite_and_go_down(run: Run) -> str:
    metrics = Metrics(run.path("metrics"))
    bad = [p for p in metrics.read_all() if p.value is None]
    assert not bad, f"{len(bad)} values are not finite, {bad[0]} first"
    loss = [v for _, v in metrics.curve("sft", "loss")]
    assert loss, "SFT logged no loss"
    tenth = max(1, len(loss) // 10)
    first, last = sum(loss[:tenth]) / tenth, sum(loss[-tenth:]) / tenth
    assert last < first, f"SFT loss went from {first:.3f} to {last:.3f}"
    for name in run.recipe.domains:
        rho = [v for _, v in metrics.curve("student", f"coverage/{name}")]
        assert rho, f"no coverage of {name}"
        assert all(0.0 <= v <= 1.0 + 1e-4 for v in rho), f"coverage of {name} outside [0, 1]"
    return f"SFT loss {first:.2f} to {last:.2f}"


def the_report_stands_alone(run: Run) -> str:
    page = run.path("report.html").read_text("utf-8")
    outside = re.findall(
        r"<(?:script|img|link|iframe|source)\b[^>]*\b(?:src|href)\s*=\s*[\"'](?!data:|#)[^\"']*", page
    )
    outside += re.findall(r"(?:@import|url\()\s*[\"']?(?:https?:)?//[^\s\"')]+", page)
    assert not outside, f"the report needs {outside[:3]}"
    words = [*run.recipe.domains, "student", "sft", "base"]
    missing = [w for w in words if w.replace("_", " ").lower() not in page.lower().replace("_", " ")]
    assert not missing, f"the report does not speak of {missing}"
    assert len(page) > 20_000, f"the report has {len(page)} characters"
    return f"{len(page) // 1024} KiB"


def transformers_loads_every_model(run: Run) -> str:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folders = ["base", "sft", "student", *(f"teachers/{name}" for name in run.recipe.teachers)]
    for folder in folders:
        place = str(run.path(f"{folder}/model"))
        model, tokenizer = AutoModelForCausalLM.from_pretrained(place), AutoTokenizer.from_pretrained(place)
        ids = tokenizer.apply_chat_template(
            [{"role": "user", "content": "hello"}], tokenize=True, return_tensors="pt", return_dict=True,
            add_generation_prompt=True,
        )["input_ids"]  # fmt: skip
        loss = float(model(ids, labels=ids).loss.detach())
        assert math.isfinite(loss), f"{folder}: loss {loss}"
    return f"{len(folders)} folders"


def running_again_skips_everything(run: Run) -> str:
    def marks() -> dict[str, int]:
        return {str(f): f.stat().st_mtime_ns for f in sorted(run.dir.rglob("manifest.json"))}

    before, began = marks(), time.monotonic()
    command = [str(Path(sys.executable).with_name("openhorizon")), "run", run.name]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=run.dir.resolve().parents[1]
    )
    seconds = time.monotonic() - began
    assert done.returncode == 0, done.stderr[-2000:]
    assert marks() == before, "a finished stage ran again"
    assert seconds < AGAIN_SECONDS, f"it took {seconds:.0f} s"
    return f"{seconds:.1f} s"


FACTS: tuple[Callable[[Run], str], ...] = (
    stages_are_done,
    tasks_are_whole_and_the_splits_apart,
    self_play_rejects_for_reasons,
    the_graph_holds_every_domain,
    every_row_of_the_evaluation_is_there,
    training_helped,
    curves_are_finite_and_go_down,
    the_report_stands_alone,
    transformers_loads_every_model,
    running_again_skips_everything,
)


def main(folder: str) -> int:
    """Print each fact with what was found; 1 if any is false."""
    run, wrong = Run.load(folder), 0
    for fact in FACTS:
        name = fact.__name__.replace("_", " ")
        try:
            print(f"  ok  {name}: {fact(run)}", flush=True)
        except Exception as error:
            wrong += 1
            print(f"FALSE {name}: {type(error).__name__}: {error}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
