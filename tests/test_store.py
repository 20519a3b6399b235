"""The run folder: one owner, whole files, stages that are done once."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from openhorizon.config import DomainPlan, Recipe, SftPlan
from openhorizon.errors import RunError
from openhorizon.files import Folder, whole_file, whole_folder
from openhorizon.records import Document
from openhorizon.store import FORMAT, Run

RECIPE = Recipe(name="test", domains={"search": DomainPlan()})


def document(n: int) -> Document:
    return Document(id=f"d/{n}", title=f"Page {n}", text="one\n\ntwo", source="here")


def refused(action) -> str:
    with pytest.raises(RunError) as caught:
        action()
    return str(caught.value)


def started(program: str, *arguments: str) -> subprocess.Popen:
    """A Python process that runs `program` and has printed its first line."""
    process = subprocess.Popen([sys.executable, "-c", program, *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline().strip() == "ready"
    return process


HOLD = """
import os, sys, time
from openhorizon.config import DomainPlan, Recipe
from openhorizon.store import Run
run = Run.open(sys.argv[1], "r", Recipe(name="test", domains={"search": DomainPlan()}))
if len(sys.argv) > 2 and os.fork() == 0:
    os.close(1)
    time.sleep(3)
    os._exit(0)
print("ready", flush=True)
time.sleep(60)
"""


def test_a_new_run_holds_its_recipe_and_where_it_was_made(tmp_path):
    with Run.open(tmp_path, "r", RECIPE) as run:
        assert json.loads((run.dir / "recipe.json").read_bytes())["sft"]["epochs"] == 1.0
        environment = run.read_json("environment.json")
        assert environment["format"] == FORMAT
        assert environment["packages"]["openhorizon"]
        assert environment["machine"]["cores"] >= 1
    assert Run.load(tmp_path / "r").recipe == RECIPE


def test_a_run_is_continued_by_the_same_recipe_and_may_use_other_workers(tmp_path):
    Run.open(tmp_path, "r", RECIPE).close()
    Run.open(tmp_path, "r", RECIPE).close()
    with Run.open(tmp_path, "r", msgspec.structs.replace(RECIPE, workers=7)) as run:
        assert run.recipe.seed == RECIPE.seed


def test_another_recipe_is_refused_with_what_differs(tmp_path):
    Run.open(tmp_path, "r", RECIPE).close()
    other = msgspec.structs.replace(RECIPE, seed=4, sft=SftPlan(steps=9))
    text = refused(lambda: Run.open(tmp_path, "r", other))
    assert all(words in text for words in ("seed: 0 -> 4", "sft.steps: 0 -> 9", "--name"))
    Run.open(tmp_path, "r", RECIPE).close()  # and the lock was let go


def test_two_owners_of_one_run_are_refused_with_the_owners_pid(tmp_path):
    with Run.open(tmp_path, "r", RECIPE):
        assert str(os.getpid()) in refused(lambda: Run.open(tmp_path, "r", RECIPE))
    owner = started(HOLD, str(tmp_path))
    try:
        text = refused(lambda: Run.open(tmp_path, "r", RECIPE))
        assert str(owner.pid) in text
        assert "--name" in text
        assert Run.load(tmp_path / "r").recipe == RECIPE  # reading needs no lock
    finally:
        owner.kill()
        owner.wait()


@pytest.mark.parametrize("fork", [(), ("and fork",)])
def test_kill_9_lets_go_of_the_run_even_where_a_forked_worker_lives_on(tmp_path, fork):
    owner = started(HOLD, str(tmp_path), *fork)
    owner.kill()
    owner.wait()
    with Run.open(tmp_path, "r", RECIPE) as run:
        assert run.recipe == RECIPE


def test_a_run_of_another_format_is_refused(tmp_path):
    Run.open(tmp_path, "r", RECIPE).close()
    place = tmp_path / "r" / "environment.json"
    place.write_text(json.dumps(json.loads(place.read_text()) | {"format": 0}))
    for action in (lambda: Run.open(tmp_path, "r", RECIPE), lambda: Run.load(tmp_path / "r")):
        text = refused(action)
        assert "format 0" in text
        assert "--name" in text


@pytest.mark.parametrize("name", ["recipe.json", "environment.json"])
@pytest.mark.parametrize("content", [b"", b'{"torn', b"[]", b"\xff\xfe"])
def test_a_damaged_run_is_refused_with_the_file(tmp_path, name, content):
    Run.open(tmp_path, "r", RECIPE).close()
    (tmp_path / "r" / name).write_bytes(content)
    assert name in refused(lambda: Run.open(tmp_path, "r", RECIPE))


def test_a_folder_that_is_no_run_is_left_alone(tmp_path):
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "thesis.tex").write_text("years of work")
    assert "thesis.tex" in refused(lambda: Run.open(tmp_path, "r", RECIPE))
    assert "not a run" in refused(lambda: Run.load(tmp_path / "r"))
    assert (tmp_path / "r" / "thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b"])
def test_a_name_that_would_leave_the_runs_folder_is_refused(tmp_path, name):
    assert refused(lambda: Run.open(tmp_path, name, RECIPE))


def test_a_place_that_cannot_be_written_is_a_run_error(tmp_path):
    (tmp_path / "runs").write_text("a file")
    assert "runs" in refused(lambda: Run.open(tmp_path / "runs", "r", RECIPE))


def test_a_run_that_was_killed_while_it_was_made_is_made_again(tmp_path):
    Run.open(tmp_path, "r", RECIPE).close()
    (tmp_path / "r" / "recipe.json").unlink()
    (tmp_path / "r" / ".recipe.json.1.part").write_text("{")
    Run.open(tmp_path, "r", RECIPE).close()
    assert not list((tmp_path / "r").glob("*.part"))


def test_a_missing_run_says_which_there_are(tmp_path):
    Run.open(tmp_path, "seven", RECIPE).close()
    assert "seven" in refused(lambda: Run.load(tmp_path / "sevn"))


def test_records_come_back_in_order_and_equal_records_give_equal_bytes(tmp_path):
    folder = Folder(tmp_path)
    documents = [document(n) for n in range(5)]
    folder.write_jsonl("a/pages.jsonl", documents)
    folder.write_jsonl("b/pages.jsonl", iter(documents))
    assert folder.read_jsonl("a/pages.jsonl", Document) == documents
    assert folder.path("a/pages.jsonl").read_bytes() == folder.path("b/pages.jsonl").read_bytes()


def test_a_damaged_line_is_named(tmp_path):
    folder = Folder(tmp_path)
    folder.write_jsonl("pages.jsonl", [document(1)])
    with folder.path("pages.jsonl").open("ab") as file:
        file.write(b'{"id": "d/2"')
    text = refused(lambda: folder.read_jsonl("pages.jsonl", Document))
    assert "pages.jsonl" in text
    assert "line 2" in text


def test_a_full_disk_leaves_the_old_file_and_nothing_half_written(tmp_path):
    folder = Folder(tmp_path)
    folder.write_json("a.json", {"old": 1})
    (tmp_path / f".a.json.{os.getpid()}.part").symlink_to("/dev/full")  # every write to it: no space left
    text = refused(lambda: folder.write_json("a.json", {"new": 1}))
    assert "disk is full" in text
    assert "Free some space" in text
    assert folder.read_json("a.json") == {"old": 1}
    assert os.listdir(tmp_path) == ["a.json"]
    folder.write_json("a.json", {"new": 1})
    assert folder.read_json("a.json") == {"new": 1}


def test_a_writer_that_fails_leaves_the_old_file(tmp_path):
    folder = Folder(tmp_path)
    folder.write_jsonl("a.jsonl", [1, 2])
    with pytest.raises(ZeroDivisionError):
        folder.write_jsonl("a.jsonl", (1 // n for n in (1, 0)))
    assert folder.read_jsonl("a.jsonl", int) == [1, 2]
    assert os.listdir(tmp_path) == ["a.jsonl"]


REWRITE = """
import sys
from pathlib import Path
from openhorizon.files import Folder
folder, n = Folder(Path(sys.argv[1])), 0
while True:
    folder.write_json("a.json", {"n": n, "ballast": [n] * 20_000})
    if not n: print("ready", flush=True)
    n += 1
"""


def test_kill_9_in_the_middle_of_writing_leaves_a_whole_file(tmp_path):
    for wait in (0.05, 0.083, 0.121):
        writer = started(REWRITE, str(tmp_path))
        time.sleep(wait)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        found = Folder(tmp_path).read_json("a.json")
        assert found["ballast"] == [found["n"]] * 20_000


def test_a_folder_takes_its_place_whole_or_not_at_all(tmp_path):
    model = tmp_path / "model"
    with whole_folder(model) as beside:
        (beside / "weights").write_text("1")
        assert not model.exists()

    def torn():
        with whole_folder(model) as beside:
            (beside / "weights").write_text("torn")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        torn()
    assert (model / "weights").read_text() == "1"
    with whole_folder(model) as beside:
        (beside / "other").write_text("2")
    assert os.listdir(model) == ["other"]
    assert os.listdir(tmp_path) == ["model"]


FULL = (
    OSError(errno.ENOSPC, "No space left on device"),
    RuntimeError("I/O error: No space left on device (os error 28)"),
)


@pytest.mark.parametrize("error", FULL, ids=("python", "rust"))
@pytest.mark.parametrize("whole", [whole_file, whole_folder])
def test_a_full_disk_is_told_whoever_notices_it(tmp_path, whole, error):
    def fill():
        with whole(tmp_path / "model"):
            raise error

    assert "disk is full" in refused(fill)
    assert os.listdir(tmp_path) == []


def test_a_folder_moved_aside_by_a_killed_process_is_put_back(tmp_path):
    run = Run.open(tmp_path, "r", RECIPE)
    with whole_folder(run.path("sft/model")) as beside:
        (beside / "weights").write_text("1")
    run.close()
    run.path("sft/model").rename(run.path("sft/.model.old"))  # killed between the two renames
    Run.open(tmp_path, "r", RECIPE).close()
    assert (run.path("sft/model") / "weights").read_text() == "1"
    assert os.listdir(run.path("sft")) == ["model"]


def test_a_stage_is_done_when_it_says_so_and_only_once(tmp_path):
    with Run.open(tmp_path, "r", RECIPE) as run:
        stage = run.stage("sft")
        stage.write_jsonl("part-0.jsonl", [1])
        assert not stage.done
    with Run.open(tmp_path, "r", RECIPE) as run:
        stage = run.stage("sft")
        assert stage.read_jsonl("part-0.jsonl", int) == [1]  # what the unfinished stage left is still there
        stage.finish({"loss": 0.5})
        stage.finish({"loss": 0.1})
        assert stage.done
        assert run.stage("sft").summary() == {"loss": 0.5}
        assert stage.read_json("manifest.json")["files"]["part-0.jsonl"]["bytes"] == 2


def test_stages_in_a_group_are_their_own(tmp_path):
    with Run.open(tmp_path, "r", RECIPE) as run:
        run.stage("teachers/search").write_jsonl("log.jsonl", [1])
        run.stage("teachers/search").finish()
        assert [s.name for s in run.stages()] == ["teachers/search"]
        assert not run.stage("teachers/science").done
        run.stage("teachers").finish()
        assert run.stage("teachers").read_json("manifest.json")["files"] == {}


def test_stages_can_be_asked_while_another_process_makes_and_drops_folders(tmp_path, monkeypatch):
    with Run.open(tmp_path, "r", RECIPE) as run:
        run.stage("sft").finish()
        half = run.dir / "teachers" / "search" / ".model.1.part"
        half.mkdir(parents=True)
        (half / "manifest.json").write_text("{}")
        scandir = os.scandir

        def vanishing(place):
            if Path(place).name == "search":
                raise FileNotFoundError(place)
            return scandir(place)

        monkeypatch.setattr(os, "scandir", vanishing)
        assert [s.name for s in run.stages()] == ["sft"]
        monkeypatch.undo()
        assert [s.name for s in run.stages()] == ["sft"]


def test_a_finished_stage_whose_files_changed_is_noticed(tmp_path):
    with Run.open(tmp_path, "r", RECIPE) as run:
        stage = run.stage("sft")
        stage.write_bytes("weights", b"0123")
        stage.finish()
        stage.check(deep=True)
        stage.path("weights").write_bytes(b"9999")
        stage.check()
        assert "weights" in refused(lambda: stage.check(deep=True))
        stage.path("weights").write_bytes(b"9")
        assert "only this stage is repeated" in refused(stage.check)
        stage.path("weights").unlink()
        assert "missing" in refused(stage.check)


def test_a_missing_file_of_a_stage_says_which_stage_to_repeat(tmp_path):
    with Run.open(tmp_path, "r", RECIPE) as run:
        text = refused(lambda: run.stage("sft").read_jsonl("part-0.jsonl", int))
        assert "part-0.jsonl" in text
        assert str(Path("r") / "sft") in text
