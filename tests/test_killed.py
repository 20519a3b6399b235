"""A run that is killed with -9 again and again ends exactly as one that was never disturbed."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from openhorizon.config import GrpoStage, Recipe, SftStage, TeacherPlan
from openhorizon.recipes.smoke import smoke
from openhorizon.store import Run

KILLS = 12  # then the run is left alone


def short(teacher: TeacherPlan) -> TeacherPlan:
    stages: list[SftStage | GrpoStage] = []
    for stage in teacher.stages:
        if isinstance(stage, SftStage):
            demonstrations = 8 if stage.demonstrations else 0
            stages.append(replace(stage, steps=6, demonstrations=demonstrations, checkpoint_every=2))
        else:
            stages.append(replace(stage, steps=2, prompts=2, group=2, resample_rounds=1, checkpoint_every=1))
    return TeacherPlan(stages=tuple(stages))


def recipe() -> Recipe:
    """All stages in all domains, as small as they go, with a checkpoint every few steps."""
    whole = smoke()
    return replace(
        whole,
        name="killed",
        domains={
            n: replace(p, train=16, demonstrations=16, heldout=4, levels=(1,))
            for n, p in whole.domains.items()
        },
        sft=replace(whole.sft, steps=30, batch_tokens=512, checkpoint_every=5),
        teachers={n: short(t) for n, t in whole.teachers.items()},
        distill=replace(whole.distill, steps=4, prompts_per_domain=2, checkpoint_every=1),
        evaluation=replace(whole.evaluation, tasks=4, samples=2),
    )


def start(runs: Path, name: str) -> "subprocess.Popen[bytes]":
    command = [str(Path(sys.executable).with_name("openhorizon")), "report", name, "--runs", str(runs)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def stands(run: Run) -> str:
    """The stages that are done, and whether there is a checkpoint: where the next kill hits."""
    done = len(run.stages())
    checkpoints = sum("checkpoint.pt" in files for _, _, files in os.walk(run.dir))
    return f"{done} stages, {checkpoints} checkpoints"


def got_on(run: Run, process: "subprocess.Popen[bytes]") -> bool:
    """Wait until a stage or a checkpoint is there that was not; True if the run ended first."""
    before = stands(run)
    while stands(run) == before:
        if process.poll() is not None:
            return True
        time.sleep(0.1)
    return False


def result(run: Run) -> dict[str, str]:
    """What a run is for: its tasks, demonstrations, weights and scores, by content."""
    files = [
        *run.dir.glob("tasks/*/*.jsonl"),
        *run.dir.glob("demonstrations/*.jsonl"),
        *run.dir.rglob("model.safetensors"),
        *run.dir.glob("evaluation/*.jsonl"),
        run.dir / "evaluation" / "summary.json",
    ]
    return {str(f.relative_to(run.dir)): hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(files)}


@pytest.mark.slow
def test_a_run_killed_anywhere_ends_as_one_that_was_not(tmp_path: Path) -> None:
    for name in ("whole", "killed"):
        Run.open(tmp_path, name, recipe()).close()
    undisturbed = start(tmp_path, "whole")
    _, said = undisturbed.communicate(timeout=900)
    assert undisturbed.returncode == 0, said.decode()
    whole, killed = Run.load(tmp_path / "whole"), Run.load(tmp_path / "killed")

    rng = random.Random(int(os.environ.get("OPENHORIZON_TEST_SEED", "0")))
    hit: list[str] = []
    for _ in range(KILLS):
        process = start(tmp_path, "killed")
        # a third of the kills at any time, soon; the others a little after the run got on, however slow the machine is
        if rng.random() < 2 / 3:
            ended = got_on(killed, process)
        else:
            ended = False
            time.sleep(rng.uniform(0.5, 6.0))
        time.sleep(rng.uniform(0.0, 2.0))
        if ended or process.poll() is not None:
            break
        hit.append(stands(killed))
        process.send_signal(signal.SIGKILL)
        process.communicate()
    else:
        process = start(tmp_path, "killed")
    _, said = process.communicate(timeout=900)
    assert process.returncode == 0, f"after {hit}: {said.decode()}"

    assert len(set(hit)) >= 4, f"the kills all hit the same place: {hit}"
    expected, found = result(whole), result(killed)
    assert len(expected) > 40
    assert found == expected, f"differs: {[f for f in expected if found.get(f) != expected[f]]}, after {hit}"
