"""Distillation alone: plain prompts and tasks, teachers in folders and behind servers, stopped, refused, from the command line."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
import tiny
import torch
from test_remote import Vllm, own_app, running
from test_rollout import Written, played, said
from towns import TOWNS, graph_of, resources_of
from typer.testing import CliRunner

from openhorizon import cli
from openhorizon.config import DistillPlan, DomainPlan, ModelPlan, Optim, OwnPlan, Recipe, SandboxPlan
from openhorizon.domains import DOMAINS
from openhorizon.domains.domain import Order
from openhorizon.domains.plain import opening, plain_domain, plain_task
from openhorizon.errors import ConfigError, EngineError, ModelError, RunError, UserError
from openhorizon.files import locked, unlock
from openhorizon.graph.store import GraphStore
from openhorizon.metrics import Metrics
from openhorizon.own_teachers import Distilled, distill_own
from openhorizon.own_teachers.prompts import fitted, read_pool
from openhorizon.records import Limits, Split, Task
from openhorizon.settings import override
from openhorizon.store import Run
from openhorizon.training import places
from openhorizon.training.model import load_model
from openhorizon.training.remote import connect
from openhorizon.training.signals import KEY

README = Path(__file__).parents[1] / "README.md"
FAST = Optim(lr=2e-2, schedule="constant", warmup_ratio=0.0, weight_decay=0.0)
PLAN = DistillPlan(steps=12, prompts_per_domain=3, k=8, response_tokens=10, optim=FAST, checkpoint_every=5)
SHORT = msgspec.structs.replace(PLAN, steps=1)


@pytest.fixture(autouse=True)
def _no_key(monkeypatch):
    monkeypatch.delenv(KEY, raising=False)


def lines(file: Path, *rows: Any) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


class Place:
    """A user's folder: a student, two teachers, prompts of two domains."""

    def __init__(self, dir: Path):
        self.dir = dir
        self.student = tiny.save(tiny.model(0, init_std=0.1), dir / "student")
        self.math = tiny.save(tiny.model(5, init_std=0.1), dir / "math-teacher")
        asked = [f"What is the sister of Amber Bay {n}?" for n in range(7)]
        self.prompts = {
            "math": lines(dir / "math.jsonl", *({"prompt": a, "answer": n} for n, a in enumerate(asked))),
            "code": lines(
                dir / "code.jsonl", *({"prompt": f"read the page. {a}", "from": "me"} for a in asked)
            ),
        }

    def distil(self, out: str, code: str | Path, plan: DistillPlan = PLAN, **more: Any) -> Distilled:
        teachers = {"math": self.math, "code": code}
        return distill_own(self.student, teachers, self.prompts, self.dir / out, plan, **more)

    def alone(self, out: str, prompts: Path, plan: DistillPlan = SHORT, **more: Any) -> Distilled:
        """One domain, one local teacher."""
        more = {"say": lambda text: None, "teacher": self.math, "domain": "math"} | more
        teacher, domain = more.pop("teacher"), more.pop("domain")
        return distill_own(self.student, {domain: teacher}, {domain: prompts}, self.dir / out, plan, **more)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Place:
    return Place(tmp_path_factory.mktemp("own"))


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with running(own_app(tiny.model(6, init_std=0.1))) as url:
        yield url


@pytest.fixture(scope="module")
def undisturbed(place: Place, server: str) -> tuple[Distilled, list[str]]:
    """A whole distillation of a local and a remote teacher, and what it said."""
    heard: list[str] = []
    return place.distil("undisturbed", server, say=heard.append), heard


def weights(folder: str | Path) -> dict[str, torch.Tensor]:
    return load_model(folder, ModelPlan()).state_dict()


def refused(place: Place, kind: type[UserError], *, out: str = "refused", **more: Any) -> str:
    """The message; nothing was left behind."""
    with pytest.raises(kind) as caught:
        place.alone(out, **more)
    assert not (place.dir / out).exists()
    return str(caught.value)


# a whole distillation


def test_a_local_and_a_remote_teacher_make_a_student(place: Place, undisturbed):
    done, heard = undisturbed
    out = place.dir / "undisturbed"
    before, after = weights(place.student), weights(done.model)
    assert done.model == str(out / "model")
    assert any(not torch.equal(before[name], after[name]) for name in before)
    metrics = Metrics(out / "metrics")
    losses = [value for _, value in metrics.curve("student", "loss")]
    assert len(losses) == done.steps == 12
    assert losses[-1] < 0.8 * losses[0]
    assert done.loss == losses[-1]
    assert set(done.coverage) == {"math", "code"}
    assert 0 < done.student_tokens <= 12 * 6 * 10
    assert done.aborted == 0
    assert sorted(p.name for p in out.iterdir()) == [".lock", "done.json", "metrics", "model", "plan.json"]
    assert msgspec.json.decode((out / "done.json").read_bytes(), type=Distilled) == done
    assert [line.partition(":")[0] for line in heard] == [
        "math", "code", "step 1/12", "step 10/12", "step 12/12", heard[-1].partition(":")[0]
    ]  # fmt: skip
    assert heard[1] == "code: 7 prompts; fields not read: from"
    assert re.fullmatch(
        r"step 1/12: loss \d\.\d{4}, coverage math 0\.\d{3} code 0\.\d{3}, \d+ tokens", heard[2]
    )
    # only where answers are known a success is counted
    assert metrics.curve("student", "success/math")
    assert not metrics.curve("student", "success/code")


def test_what_it_was_made_from_is_written_down(place: Place, server: str, undisturbed):
    plan = json.loads((place.dir / "undisturbed" / "plan.json").read_text())
    assert plan["teachers"]["code"] == {"place": server, "revision": "r1"}
    assert plan["teachers"]["math"]["place"] == str(place.math)
    assert len(plan["teachers"]["math"]["revision"]) == 16
    assert len(plan["prompts"]["math"]["sha256"]) == 64
    assert plan["prompts"]["math"]["unique"] == 7
    assert plan["distill"]["k"] == 8
    assert plan["model"] == {"dtype": "float32", "attention": "sdpa", "device": "auto"}


class Stopped(Exception):
    """Ctrl-C, a full disk, a power cut: whatever."""


def test_stopped_half_way_it_goes_on_as_if_it_had_never_been(place: Place, server: str, undisturbed):
    def stop(text: str) -> None:
        if text.startswith("step 10/"):
            raise Stopped

    with pytest.raises(Stopped):
        place.distil("again", server, say=stop)
    assert (place.dir / "again" / "signals").exists()  # what the server said since the checkpoint
    heard: list[str] = []
    done = place.distil("again", server, say=heard.append)
    assert "going on after step 5" in heard
    straight, again = weights(undisturbed[0].model), weights(done.model)
    for name, tensor in straight.items():
        assert torch.equal(tensor, again[name]), name
    curves = [
        Metrics(place.dir / out / "metrics").curve("student", "loss") for out in ("undisturbed", "again")
    ]
    assert curves[0] == curves[1]
    assert msgspec.structs.replace(done, model="") == msgspec.structs.replace(undisturbed[0], model="")


def test_a_finished_one_says_so_and_asks_no_server(place: Place, monkeypatch):
    heard: list[str] = []
    prompts = lines(place.dir / "few.jsonl", {"prompt": "read"}, {"prompt": "find"})
    with running(own_app()) as url:
        done = place.alone("few", prompts, teacher=url)
    assert done.steps == 1
    assert place.alone("few", prompts, teacher=url, say=heard.append) == done
    assert heard == [f"done already: {done.model}"]
    shutil.rmtree(done.model)
    with pytest.raises(RunError, match="model was made and is gone"):
        place.alone("few", prompts, teacher=url)


def test_another_plan_in_the_same_folder_is_refused_with_what_differs(place: Place, server: str, undisturbed):
    with pytest.raises(RunError) as caught:
        place.distil("undisturbed", server, msgspec.structs.replace(PLAN, k=4, optim=Optim(lr=1e-3)), seed=3)
    assert all(
        part in str(caught.value)
        for part in ("seed: 0 -> 3", "distill.k: 8 -> 4", "distill.optim.lr: 0.02 -> 0.001", "--out")
    )
    # a model or file that lies elsewhere and is the same is the same
    moved = tiny.save(tiny.model(5, init_std=0.1), place.dir / "moved")
    teachers = {"math": moved, "code": server}
    distill_own(
        place.student, teachers, place.prompts, place.dir / "undisturbed", PLAN, say=lambda text: None
    )
    other = tiny.save(tiny.model(9, init_std=0.1), place.dir / "other")
    with pytest.raises(RunError, match=r"teachers\.math\.revision: \w{16} -> \w{16}"):
        distill_own(
            place.student, {**teachers, "math": other}, place.prompts, place.dir / "undisturbed", PLAN
        )
    changed = {**place.prompts, "math": lines(place.dir / "changed.jsonl", {"prompt": "read"})}
    with pytest.raises(RunError, match=r"prompts\.math\.sha256: \w{12}… -> \w{12}…"):
        distill_own(place.student, teachers, changed, place.dir / "undisturbed", PLAN)


def test_a_folder_in_use_or_of_something_else_is_refused(place: Place):
    prompts = lines(place.dir / "one.jsonl", {"prompt": "read"})
    busy = place.dir / "busy"
    busy.mkdir()
    lock = locked(busy, "")
    with pytest.raises(RunError, match=f"in use by process {os.getpid()}.*another --out"):
        place.alone("busy", prompts)
    unlock(lock)
    with pytest.raises(RunError, match=r"holds chat_template\.jinja, which is not of a distillation"):
        place.alone("math-teacher", prompts)
    place.alone("busy", prompts)


# what can be wrong with what was given


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "bad.jsonl is empty"),
        ("\n \n", "bad.jsonl is empty"),
        ('{"prompt": "a"}\n{"prompt": \n', r"bad.jsonl:2 is not JSON .* one JSON object a line"),
        ('[{"prompt": "a"}]', "bad.jsonl:1 is not a JSON object"),
        ('{"promt": "a"}', r"bad.jsonl:1: it has neither prompt nor messages \(it holds promt\)"),
        ('{"prompt": "a", "messages": []}', "both prompt and messages"),
        ('{"prompt": 3}', r"bad.jsonl:1: Expected `str \| null`, got `int` - at `\$.prompt`; a line is {\"prompt\""),
        ('{"prompt": " "}', "bad.jsonl:1: the prompt is empty"),
        ('{"messages": []}', "do not end with the user's"),
        ('{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}', "do not end with"),
        ('{"messages": [{"role": "tool", "content": "a"}]}', "Invalid enum value 'tool'"),
        ('{"messages": [{"role": "user", "content": "a"}, {"role": "system", "content": "b"}, {"role": "user", "content": "c"}]}',
         "a system message stands first"),
        ('{"prompt": "a", "id": 1}\n{"prompt": "b", "id": "1"}', r"bad.jsonl:2 has the id of line 1 \(math/train/1\)"),
        ('{"prompt": "a"}\n{"id": "x", "domain": "math", "instruction": "b", "split": "train", "answer": ""}',
         "bad.jsonl:2 is a task and line 1 is not; a file holds one kind"),
        ('{"id": "x", "domain": "search", "instruction": "b", "split": "train", "answer": ""}',
         "a task of the domain search, given as math"),
        ('{"id": "x", "domain": "math", "instruction": "b"}', "is not a task of this version"),
    ],
)  # fmt: skip
def test_a_line_that_cannot_be_read_is_named(place: Place, text: str, told: str):
    bad = place.dir / "bad.jsonl"
    bad.write_text(text)
    assert re.search(told, refused(place, ConfigError, prompts=bad))


@pytest.mark.parametrize(
    ("plan", "told"),
    [
        ({"steps": 0}, "distill.steps=0 trains nothing"),
        ({"quotas": {"code": 3}}, r"distill.quotas.code is of a domain that the run does not have \(math\)"),
        ({"quotas": {"math": 0}}, "leaves no domain a prompt"),
        ({"k": 0}, "distill.k=0: must be a whole number at least 1"),
        ({"mass_term": "bernoulli", "objective": "full"}, "mass_term=bernoulli is of objective salient"),
        ({"context_tokens": 600}, r"distill.context_tokens=600 is above the context of the student \(512\)"),
        ({"response_tokens": 600}, r"one.jsonl:1: a prompt of \d+ tokens and a reply of up to 600 do not fit into 512.*lower distill.resp"),
        ({"response_tokens": 0}, "a reply of up to 1024 do not fit into 512"),
        ({"context_tokens": 11}, r"raise distill.context_tokens to \d+"),
    ],
)  # fmt: skip
def test_a_plan_that_cannot_be_followed_is_refused(place: Place, plan: dict[str, Any], told: str):
    prompts = lines(place.dir / "one.jsonl", {"prompt": "read the page"})
    assert re.search(
        told, refused(place, ConfigError, prompts=prompts, plan=msgspec.structs.replace(SHORT, **plan))
    )


def test_names_that_do_not_fit_together_are_refused(place: Place):
    file = place.prompts["math"]
    out = place.dir / "nothing"
    for teachers, prompts, told in (
        ({"math": place.math}, {"math": file, "code": file}, r"domain code has no teacher \(teachers: math\); add --teacher code="),
        ({"math": place.math, "code": place.math}, {"math": file}, r"code teacher has no prompts .*--prompts code=FILE"),
        ({}, {}, "there are no prompts"),
        ({"a b": place.math}, {"a b": file}, "'a b' cannot be a domain's name"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=told):
            distill_own(place.student, teachers, prompts, out, SHORT)
    assert "is trained here" in _refused(lambda: distill_own("http://x", {"math": "y"}, {"math": file}, out))
    assert "model.layers is of the model that a recipe makes" in refused(
        place, ConfigError, prompts=file, model=ModelPlan(layers=4)
    )
    assert not out.exists()


def _refused(action: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        action()
    return str(caught.value)


def test_models_that_cannot_teach_are_refused(place: Place, server: str, tmp_path: Path):
    file = place.prompts["math"]
    assert "there is no folder /nowhere" in refused(place, ModelError, prompts=file, teacher="/nowhere")
    (tmp_path / "empty").mkdir()
    told = refused(place, ModelError, prompts=file, teacher=tmp_path / "empty")
    assert "empty cannot be read" in told
    talk = tiny.make_chat(tmp_path / "tokenizer")
    talk.tokenizer.add_tokens(["Zebra"])
    talk.tokenizer.save_pretrained(str(tmp_path / "stranger"))
    tiny.model(1).save_pretrained(str(tmp_path / "stranger"))  # type: ignore[operator]
    told = refused(place, ModelError, prompts=file, teacher=tmp_path / "stranger")
    assert "another vocabulary than the student (1 tokens differ)" in told
    with running(own_app(vocabulary=talk.tokenizer.get_vocab())) as url:
        assert "another vocabulary" in refused(place, ModelError, prompts=file, teacher=url)
    merged, full = (msgspec.structs.replace(SHORT, **c) for c in ({"merge": 1.0}, {"objective": "full"}))
    assert "math teacher is a server: set distill.merge=0" in refused(
        place, ConfigError, prompts=file, teacher=server, plan=merged
    )
    assert "distill.objective=full needs" in refused(
        place, ConfigError, prompts=file, teacher=server, plan=full
    )
    narrow = tiny.save(tiny.model(1, width=16), tmp_path / "narrow")
    assert "of the student's architecture" in (
        told := refused(place, ConfigError, prompts=file, teacher=narrow, plan=merged)
    )
    assert "hidden_size 32 and 16" in told
    short = tiny.save(tiny.model(1, context=32), tmp_path / "short")
    wide = msgspec.structs.replace(SHORT, context_tokens=40)
    assert "above the context of the math teacher (32)" in refused(
        place, ConfigError, prompts=file, teacher=short, plan=wide
    )


def test_what_a_server_cannot_do_is_known_before_the_first_step(place: Place, server: str):
    file = place.prompts["math"]
    more = msgspec.structs.replace(SHORT, k=17)
    assert "--k-max 17" in refused(place, ConfigError, prompts=file, teacher=server, plan=more)
    with running(own_app(tiny.model(3, context=16))) as url:
        assert "context holds 16" in refused(place, ConfigError, prompts=file, teacher=url)
    assert "is not an option" in refused(place, ConfigError, prompts=file, teacher=f"{server},name=x")


def test_a_vllm_server_teaches_where_its_tokenizer_is_named(place: Place, monkeypatch):
    monkeypatch.setattr(places, "connect", partial(connect, sleep=lambda seconds: None))
    file, fake = place.prompts["math"], Vllm()
    with running(fake.app()) as url:
        told = refused(place, ConfigError, prompts=file, teacher=f"{url},model=tutor")
        assert f"math={url},tokenizer=FOLDER" in told
        done = place.alone("vllm", file, teacher=f"{url},model=tutor,tokenizer={place.student}")
        fake.broken = 100
        with pytest.raises(
            EngineError, match=r"math teacher could not score a row of \d+ tokens .*engine died"
        ):
            place.alone("vllm2", file, teacher=f"{url},tokenizer={place.student}")
    assert done.steps == 1
    longest = len(fake.asked[0]["prompt"])
    assert all(len(asked["prompt"]) <= longest for asked in fake.asked)  # the rehearsal was the longest


# prompts


def test_conversations_keep_their_history_and_open_with_nothing_of_ours(tmp_path: Path):
    last = {"role": "user", "content": "and again?"}
    histories = [
        [{"role": "user", "content": text}, {"role": "assistant", "content": "yes"}, last]
        for text in ("find", "read")
    ]
    system = [{"role": "system", "content": "Be brief."}, last]
    rows = [*({"messages": m} for m in (*histories, system, [last], histories[0])), {"prompt": "and again?"}]
    pool = read_pool("math", lines(tmp_path / "talk.jsonl", *rows))
    assert len(pool.tasks) == len({t.instruction for t in pool.tasks}) == 4
    assert [[m.content for m in opening(t)] for t in pool.tasks] == [
        ["find", "yes", "and again?"], ["read", "yes", "and again?"], ["Be brief.", "and again?"], ["and again?"]
    ]  # fmt: skip
    chat = tiny.chat()
    texts = [chat.tokenizer.decode(chat.prompt_ids(opening(t))) for t in pool.tasks]
    assert ["system" in text for text in texts] == [False, False, True, False]
    assert pool.tasks[3].instruction == "and again?"


def test_prompts_have_ids_answers_and_lines(tmp_path: Path):
    file = lines(
        tmp_path / "a.jsonl",
        {"prompt": "one", "id": 7, "answer": 1},
        {"prompt": "two", "answer": " b "},
        {"prompt": "one"},
    )
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    pool = read_pool("math", file)
    assert [(t.id, t.instruction, t.answer) for t in pool.tasks] == [
        ("math/train/7", "one", "1"), ("math/train/line-2", "two", "b")
    ]  # fmt: skip
    assert pool.answered == 2


@pytest.mark.parametrize(
    ("reply", "status", "passed"),
    [
        (said(" four\n"), "finished", True),
        (said("five"), "finished", False),
        (said("four", ("find", {"town": "Amber Bay"})), "truncated", False),
    ],
)
def test_a_plain_prompt_is_one_turn_without_tools(reply: Any, status: str, passed: bool):
    task = plain_task({"prompt": "2 + 2?", "answer": "four"}, "math", "1")
    (judged,) = played(
        Written(reply), resources_of(graph_of()), task=task, domain=plain_domain("math")
    ).judged
    assert judged.trajectory.status == status
    assert judged.verdict.passed is passed
    assert len(judged.trajectory.turns) == 1
    assert judged.trajectory.turns[0].results == ()
    unknown = msgspec.structs.replace(task, answer="")
    (judged,) = played(
        Written(said("")), resources_of(graph_of()), task=unknown, domain=plain_domain("math")
    ).judged
    assert not judged.verdict.passed


def test_a_context_shorter_than_the_domains_own_cuts_attempts_off(tmp_path: Path):
    pool = read_pool("math", lines(tmp_path / "a.jsonl", {"prompt": "read"}))
    (task,), longest = fitted("math", pool, tiny.chat(), "full", SHORT, {"student": 512, "math teacher": 0})
    assert task.limits == Limits(turns=1, response_tokens=1024, context_tokens=512, tool_calls=0)
    assert longest == len(tiny.chat().prompt_ids(opening(task))) + 10
    (task,), _ = fitted("math", pool, tiny.chat(), "full", SHORT, {"student": 0})
    assert task.limits == plain_domain("math").limits


def test_a_template_that_refuses_the_messages_is_told_with_the_line(place: Place, tmp_path: Path):
    student = tiny.save(tiny.model(0), tmp_path / "strict")
    template = student / "chat_template.jinja"
    refusal = "{%- if messages[0].role == 'system' %}{{ raise_exception('no system here') }}{%- endif %}"
    template.write_text(refusal + template.read_text())
    system = [{"role": "system", "content": "a"}, {"role": "user", "content": "b"}]
    prompts = lines(tmp_path / "s.jsonl", {"prompt": "read"}, {"messages": system})
    with pytest.raises(ModelError, match=r"s.jsonl:2: the student's chat template refuses .*no system here"):
        distill_own(student, {"math": place.math}, {"math": prompts}, tmp_path / "out", SHORT)


def test_prompts_of_which_some_have_answers_count_no_success(place: Place):
    heard: list[str] = []
    prompts = lines(place.dir / "some.jsonl", {"prompt": "read", "answer": "a"}, {"prompt": "find"})
    place.alone("some", prompts, say=heard.append)
    assert heard[0] == (
        "math: 2 prompts, fewer than the 3 a step may take, so each step takes all; 1 have no answer, so no success is logged"
    )
    assert not Metrics(place.dir / "some" / "metrics").curve("student", "success/math")


# other students, teachers and worlds


def test_a_teacher_with_rows_beyond_the_vocabulary_teaches(place: Place, tmp_path: Path):
    padded: Any = tiny.model(5, init_std=0.1)
    padded.resize_token_embeddings(len(tiny.chat().tokenizer) + 40)
    with torch.no_grad():
        padded.get_input_embeddings().weight[-40:] = padded.get_input_embeddings().weight[:40] * 3
    teacher = tiny.save(padded, tmp_path / "padded")
    done = place.alone("padded", place.prompts["math"], teacher=teacher)
    assert done.steps == 1
    full = msgspec.structs.replace(SHORT, objective="full")
    assert "compares outputs of" in refused(
        place, ConfigError, prompts=place.prompts["math"], teacher=teacher, plan=full
    )


def test_a_student_can_start_at_its_teachers_average(place: Place):
    still = msgspec.structs.replace(SHORT, merge=1.0, optim=Optim(lr=1e-12, weight_decay=0.0))
    done = place.alone("merged", place.prompts["math"], still)
    for name, tensor in weights(place.math).items():
        torch.testing.assert_close(weights(done.model)[name], tensor, rtol=0, atol=1e-6)


@pytest.fixture
def towns_run(tmp_path: Path, monkeypatch) -> Run:
    """A run that holds the towns' graph, with their domain among the known ones."""
    monkeypatch.setitem(DOMAINS, "towns", TOWNS)
    recipe = Recipe(name="towns", domains={"towns": DomainPlan()}, sandbox=SandboxPlan(kind="local"))
    run = Run.open(tmp_path, "towns", recipe)
    graph = graph_of()
    with GraphStore(run.dir / "graph.db") as store:
        store.add(graph.nodes(), [e for n in graph.nodes() for e in graph.out(n.id)])
    run.close()
    return run


def test_tasks_of_a_run_are_played_in_its_world(place: Place, towns_run: Run, tmp_path: Path):
    tasks = [msgspec.to_builtins(t) for t in tiny.tasks()]
    file = lines(tmp_path / "towns.jsonl", {**tasks[0], "solution": []}, *tasks[1:])
    told = refused(place, ConfigError, prompts=file, domain="towns")
    assert "name the run they were made in with --resources RUN" in told
    plan = msgspec.structs.replace(SHORT, turns=2)
    done = place.alone("towns", file, plan, domain="towns", resources=towns_run.dir)
    assert done.steps == 1
    assert Metrics(place.dir / "towns" / "metrics").curve("student", "success/towns")
    astray = {**tasks[0], "evidence": [{"node": "towns/Atlantis#0", "text": "", "source": ""}]}
    told = refused(
        place,
        RunError,
        prompts=lines(tmp_path / "astray.jsonl", astray),
        domain="towns",
        resources=towns_run.dir,
    )
    assert "astray.jsonl:1: towns/Atlantis#0 is not in the graph" in told
    told = refused(place, RunError, prompts=file, domain="towns", resources=tmp_path / "nowhere")
    assert "is not a run folder" in told
    told = refused(place, ConfigError, prompts=place.prompts["math"], resources=towns_run.dir)
    assert "plain prompts need none" in told


def test_the_instructions_of_a_run_need_no_sandbox(place: Place, tmp_path: Path, monkeypatch):
    from openhorizon import sandboxes
    from openhorizon.pipeline import build_graph

    recipe = Recipe(name="r", domains={"instructions": DomainPlan()})
    with Run.open(tmp_path, "r", recipe) as run:
        build_graph(run, None, lambda n: None)  # type: ignore[arg-type]
    with GraphStore(run.dir / "graph.db") as store:
        found = DOMAINS["instructions"].propose(store.snapshot(), Order(split=Split.TRAIN, seed=0))
        tasks: list[Task] = [next(found) for _ in range(4)]
    file = tmp_path / "instructions.jsonl"
    file.write_bytes(b"".join(msgspec.json.encode(t) + b"\n" for t in tasks))
    monkeypatch.setitem(sandboxes.KINDS, "bubblewrap", None)  # type: ignore[arg-type]  # opening it would raise
    told = refused(place, ConfigError, prompts=file, domain="instructions", resources=run.dir)
    assert "tokens leaves no room for a reply in 256" in told
    plan = msgspec.structs.replace(SHORT, context_tokens=480)
    done = place.alone("instructions", file, plan, domain="instructions", resources=run.dir)
    assert done.steps == 1


# the command line and the README


def call(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli.app, [str(a) for a in arguments])
    assert "Traceback" not in result.output
    return result.exit_code, result.stdout, result.stderr


def told(text: str, place: Place, server: str, out: Path) -> str:
    """The README's text with this test's places for its own, and fewer, shorter steps."""
    for old, new in (
        ("Qwen/Qwen3-1.7B", place.student), ("me/math-teacher", place.math), ("http://gpu7:8100", server),
        ("math.jsonl", place.prompts["math"]), ("code.jsonl", place.prompts["code"]),
    ):  # fmt: skip
        assert old in text
        text = text.replace(old, str(new))
    return text.replace("--out student", f"--out {out}").replace('out="student"', f'out="{out}"')


def blocks(fence: str) -> list[str]:
    section = README.read_text().partition("### You have teachers already")[2].partition("\nThe verbs")[0]
    return re.findall(rf"```{fence}\n(.*?)```", section, flags=re.S)


def test_the_readmes_command_distils(place: Place, server: str, tmp_path: Path):
    (block,) = blocks("")
    text = told(
        block[block.index("openhorizon distill") :].replace("\\\n", ""), place, server, tmp_path / "out"
    )
    for old, new in (("distill.k=64", "distill.k=8"), ("distill.steps=200", "distill.steps=1")):
        assert old in text
        text = text.replace(old, new)
    command = [*shlex.split(text)[1:], "--set", "distill.response_tokens=10", "--set", "seed=4"]
    code, out, err = call(*command)
    assert (code, err) == (0, "")
    assert "step 1/1: loss" in out
    assert out.splitlines()[-1].endswith(f"model: {tmp_path / 'out' / 'model'}")
    load_model(tmp_path / "out" / "model")
    assert json.loads((tmp_path / "out" / "plan.json").read_text())["seed"] == 4
    code, out, err = call(*command)
    assert (code, out) == (0, f"done already: {tmp_path / 'out' / 'model'}\n")
    code, out, err = call(*command, "--set", "distill.k=7")
    assert code == 2
    assert "distill.k: 8 -> 7" in err


def test_the_readmes_ten_lines_distil(place: Place, server: str, tmp_path: Path, capsys):
    (block,) = blocks("python")
    assert len(block.splitlines()) <= 10
    text = told(block, place, server, tmp_path / "out")
    for old, new in (("steps=200", "steps=1, response_tokens=10"), ("k=64", "k=8")):
        assert old in text
        text = text.replace(old, new)
    exec(text, {})
    assert "step 1/1" in capsys.readouterr().out
    load_model(tmp_path / "out" / "model")


def test_wrong_words_on_the_command_line_are_refused_with_the_mend(place: Place, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    whole = (
        "--student",
        place.student,
        "--teacher",
        f"math={place.math}",
        "--prompts",
        f"math={place.prompts['math']}",
    )
    for arguments, said_ in (
        ((), "name a RUN to distill its teachers, or with --student"),
        (("nosuch",), "nosuch is neither a run nor a recipe"),
        (("demo", *whole), "RUN (demo) distils the teachers of a run, --student is for teachers of your own"),
        (("demo", "--out", "x"), "--out is for teachers of your own"),
        (("--teacher", "math=x"), "name a RUN"),
        (("--student", "x", "--teacher", "math=x"), "there are no prompts"),
        (whole[:2] + whole[4:], "add --teacher math=FOLDER"),
        ((*whole, "--teacher", "code"), "write --teacher DOMAIN=FOLDER"),
        ((*whole, "--teacher", "math=x"), "math has one already"),
        ((*whole, "--set", "distill.kk=3"), "did you mean k?"),
        ((*whole, "--set", "sft.steps=3"), "there are: seed, model, distill"),
        ((*whole, "--set", "distill.k=x"), "must be a whole number at least 1"),
        ((*whole, "--resources", "nowhere"), "is not a run folder"),
    ):
        code, _, err = call("distill", *arguments)
        assert (code, err.startswith("error: ")) == (2, True), err
        assert said_ in err
    assert list(tmp_path.iterdir()) == []


def test_settings_change_any_plan():
    changed = override(
        OwnPlan(), ["seed=3", "distill.optim.lr=1e-3", "model.dtype=bfloat16", "distill.quotas.math=4"]
    )
    assert (changed.seed, changed.distill.optim.lr, changed.model.dtype) == (3, 1e-3, "bfloat16")
    assert changed.distill.quotas == {"math": 4}


TOGETHER = """
import sys
from openhorizon.config import DistillPlan
from openhorizon.own_teachers import distill_own
student, teacher, prompts, out = sys.argv[1:]
plan = DistillPlan(steps=2, prompts_per_domain=4, k=8, response_tokens=10, coverage_share=1.0)
print(distill_own(student, {"math": teacher}, {"math": prompts}, out, plan))
"""


@pytest.mark.slow
def test_processes_of_torchrun_train_one_student(place: Place, tmp_path: Path):
    script = tmp_path / "together.py"
    script.write_text(textwrap.dedent(TOGETHER))
    arguments = [place.student, place.math, place.prompts["math"], tmp_path / "out"]
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node=2",
        script,
        *arguments,
    ]
    for _ in range(2):  # and again, when it is done
        run = subprocess.run(
            [str(c) for c in command], capture_output=True, text=True, timeout=300, check=False,
            env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        )  # fmt: skip
        assert run.returncode == 0, run.stderr
        assert run.stdout.count("Distilled(steps=2") == 2
    assert run.stdout.count("done already") == 1
    plan = DistillPlan(steps=2, prompts_per_domain=4, k=8, response_tokens=10, coverage_share=1.0)
    alone = place.alone("together", place.prompts["math"], plan)
    for name, tensor in weights(alone.model).items():
        torch.testing.assert_close(weights(tmp_path / "out" / "model")[name], tensor, rtol=0, atol=1e-5)
