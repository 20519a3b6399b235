"""A whole smoke run in which a fifth of all engine calls and of all sandboxed programs break, beside one in which nothing does.

pytest -m soak; about six minutes, or four where OPENHORIZON_SMOKE names a finished smoke run to compare with.
"""

import hashlib
import os
from pathlib import Path

import pytest

from openhorizon.jobs import scene
from openhorizon.metrics import Metrics
from openhorizon.pipeline import Shown, advance
from openhorizon.recipes.smoke import smoke
from openhorizon.records import Score, Status
from openhorizon.settings import override
from openhorizon.store import Run

pytestmark = pytest.mark.soak

RATE = 0.2
ROUNDED = (
    0.01  # share of attempts whose draws may differ: batches of another size round the last digit otherwise
)


def played(runs: Path, name: str, *settings: str) -> Run:
    with Run.open(runs, name, override(smoke(), list(settings))) as run:
        advance(run, "evaluate", Shown())
    return run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    folder, there = tmp_path_factory.mktemp("soak"), os.environ.get("OPENHORIZON_SMOKE")
    calm = Run.load(there) if there else played(folder, "calm")
    return calm, played(folder, "faulty", f"faults.rate={RATE}")


def test_the_tasks_and_demonstrations_are_the_same_bytes(runs: tuple[Run, Run]):
    calm, faulty = runs
    assert scene(str(faulty.dir)).resources.sandbox.name.startswith("faulty")
    for name in calm.recipe.domains:
        parts = [f"tasks/{name}/{split}.solved.jsonl" for split in ("train", "heldout")]
        for part in (*parts, f"demonstrations/{name}.jsonl"):
            assert (calm.dir / part).read_bytes() == (faulty.dir / part).read_bytes(), part
    report = "selfplay/report.json"
    assert calm.read_json(report) == faulty.read_json(report)


def test_no_attempt_of_training_is_lost(runs: tuple[Run, Run]):
    calm, faulty = runs
    metrics, same = Metrics(faulty.dir / "metrics"), Metrics(calm.dir / "metrics")
    assert len(metrics.curve("student", "aborted")) == faulty.recipe.distill.steps
    assert not any(lost for _, lost in metrics.curve("student", "aborted"))
    for name, teacher in faulty.recipe.teachers.items():
        for n, stage in enumerate(teacher.stages):
            steps = [len(m.curve(f"teachers/{name}/stage{n}", "loss")) for m in (metrics, same)]
            assert steps[0] <= stage.steps
            assert stage.steps - steps[0] <= stage.steps - steps[1] + 1  # a step may find all groups alike
    assert not [f for f in (faulty.dir / "journals").rglob("*") if f.is_file()]


def test_every_held_out_task_is_finished_and_scored_as_without_faults(runs: tuple[Run, Run]):
    calm, faulty = (
        {(s.model, s.domain, s.task): s for s in run.stage("evaluation").read_jsonl("scores.jsonl", Score)}
        for run in runs
    )
    assert list(calm) == list(faulty)
    assert not [s for s in faulty.values() if s.status == Status.ABORTED]
    equal = {name for name in {m for m, _, _ in calm} if weights(runs[0], name) == weights(runs[1], name)}
    assert {"base", "sft"} <= equal  # what no attempt went into has the same bytes
    other = [key for key, score in calm.items() if key[0] in equal and score != faulty[key]]
    assert len(other) <= ROUNDED * sum(key[0] in equal for key in calm), other
    # trained on attempts whose last digits differ, a model is another one, and about as good
    for name in {m for m, _, _ in calm} - equal:
        rows = [(s.passed, faulty[k].passed) for k, s in calm.items() if k[0] == name]
        assert sum(a != b for a, b in rows) <= 0.1 * len(rows), name


def weights(run: Run, model: str) -> str:
    """A digest of the model's weights; "teacher" is each domain's own."""
    folders = {
        "teacher": sorted(run.dir.glob("teachers/*/model")),
        "base": [run.dir / "base" / "model"],
    }.get(model, [run.dir / model.replace("teacher/", "teachers/") / "model"])
    digest = hashlib.sha256()
    for folder in folders:
        digest.update((folder / "model.safetensors").read_bytes())
    return digest.hexdigest()
