"""Attempts live with engines, sandboxes and processes that break: nothing is lost, nothing is scored that was not written."""

import asyncio
import math
import random
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import pytest
import tiny
from test_rollout import FREE, Written, said, solution
from towns import TOWNS, Desk, find, graph_of, read, resources_of

from openhorizon.config import FaultPlan, GrpoPlan
from openhorizon.domains.domain import Domain, Resources, tool, waits_in
from openhorizon.engines.engine import Engine, Request
from openhorizon.engines.faulty import FaultyEngine
from openhorizon.engines.local import LocalEngine
from openhorizon.errors import ConfigError, EngineError, SandboxError
from openhorizon.records import Completion, Group, Judged, Limits, Status, Task, Trajectory, as_json
from openhorizon.rollout.asking import Patience
from openhorizon.rollout.attempt import attempt
from openhorizon.rollout.batch import play_groups
from openhorizon.rollout.journal import Journals
from openhorizon.rollout.play import Play, Setting
from openhorizon.sandboxes import Outcome, Patient
from openhorizon.training.grpo import draw_groups
from openhorizon.training.sft import Watch

TASK = tiny.tasks()[0]
QUICK = Patience(call_s=0.2, tries=3, back_off_s=0.001)


@pytest.fixture(scope="module")
def resources() -> Resources:
    return resources_of(graph_of())


@dataclass
class Kept(Desk):
    """The towns' desk, whose state can be written down."""

    def save(self) -> bytes:
        return msgspec.json.encode(self.found)

    def load(self, saved: bytes) -> None:
        self.found = msgspec.json.decode(saved)


KEPT = replace(TOWNS, tools=(tool(find), tool(read)), open=lambda task, resources: Kept(resources))


def play_one(play: Play, domain: Domain = KEPT, task: Task = TASK) -> Judged | Trajectory:
    return asyncio.run(attempt(task, domain, play))


class Killed(BaseException):
    """Stands for the end of the process: nothing in an attempt may catch it."""


class Counted:
    """Counts the turns that were asked for, and ends the process before turn `at` is written."""

    exact = True

    def __init__(self, inside: Engine, at: int = 99):
        self.inside, self.policy, self.at, self.turns = inside, inside.policy, at, list[int]()

    async def complete(self, request: Request) -> Completion:
        if request.turn == self.at:
            raise Killed
        self.turns.append(request.turn)
        return await self.inside.complete(request)

    def forget(self, attempt: str) -> None: ...


@pytest.mark.parametrize("at", [1, 2])
@pytest.mark.parametrize("torn", [b"", b'{"step":{"turn":{"compl', b'{"step":1}\n'])
def test_a_killed_attempt_goes_on_at_the_step_that_was_running(resources, tmp_path, at: int, torn: bytes):
    written = Written(*solution(TASK))
    whole = play_one(Play(written, resources, "mini", FREE, tiny.chat()))
    play = Play(Counted(written, at), resources, "mini", FREE, tiny.chat(), journals=Journals(tmp_path))
    with pytest.raises(Killed):
        play_one(play)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes() + torn)
    again = Counted(written)
    assert as_json(play_one(replace(play, engine=again))) == as_json(whole)
    assert again.turns == list(range(at, 3))
    over = Counted(written)
    assert as_json(play_one(replace(play, engine=over))) == as_json(whole)
    assert over.turns == []


def test_a_journal_of_another_task_is_not_taken_up(resources, tmp_path):
    written = Written(*solution(TASK))
    play = Play(Counted(written, 2), resources, "mini", FREE, tiny.chat(), journals=Journals(tmp_path))
    with pytest.raises(Killed):
        play_one(play)
    again = Counted(written)
    play_one(replace(play, engine=again), task=msgspec.structs.replace(TASK, limits=Limits(turns=5)))
    assert again.turns == [0, 1, 2]


def test_an_environment_that_cannot_be_saved_begins_again_and_says_so(resources, tmp_path, caplog):
    written = Written(*solution(TASK))
    play = Play(Counted(written, 2), resources, "mini", FREE, tiny.chat(), journals=Journals(tmp_path))
    with pytest.raises(Killed):
        play_one(play, TOWNS)
    again = Counted(written)
    assert isinstance(play_one(replace(play, engine=again), TOWNS), Judged)
    assert again.turns == [0, 1, 2]
    assert "Desk cannot be saved" in caplog.text


@pytest.mark.parametrize("kind", ["delay", "error", "cut", "wrong_ids", "nan", "hang", "crash"])
def test_no_fault_of_an_engine_enters_a_trajectory(resources, kind):
    def group(engine: Engine) -> Group:
        play = Play(engine, resources, "mini", FREE, tiny.chat(), patience=QUICK)
        short = msgspec.structs.replace(TASK, limits=Limits(response_tokens=12, turns=2))
        return asyncio.run(play_groups([(short, KEPT)], play, size=3, retries=4))[0]

    written = Written(*solution(TASK))
    faulty = FaultyEngine(written, 0.4, seed=1, kinds=(kind,))
    assert group(faulty) == group(written)
    assert faulty.broken[kind]
    always = group(FaultyEngine(written, 1.0, kinds=(kind,)))
    assert always.judged == () or kind == "delay"


def test_a_wrong_recipe_rises_from_an_engine(resources):
    class Wrong(Written):
        async def complete(self, request: Request) -> Completion:
            raise ConfigError("no such model")

    with pytest.raises(ConfigError):
        play_one(Play(Wrong(), resources, "mini", FREE, tiny.chat()))


def test_a_broken_sandbox_costs_a_step_and_the_state_is_as_before_it(resources):
    broke = []

    def find_twice(env: Kept, town: str) -> str:
        """Find."""
        env.found.append("half done")
        if len(broke) < 2:
            broke.append(1)
            raise SandboxError("the jail died")
        env.found.pop()
        return find(env, town)

    first = tool(find_twice)
    named = replace(first, schema=msgspec.structs.replace(first.schema, name="find"))
    play = Play(Written(*solution(TASK)), resources, "mini", FREE, tiny.chat(), patience=QUICK)
    judged = play_one(play, replace(KEPT, tools=(named, KEPT.tools[1])))
    assert isinstance(judged, Judged)
    assert judged.verdict.passed
    assert judged.trajectory.turns[0].results[0].text == "the page is 1"


def test_the_clock_of_an_attempt_ends_it_within_a_call(resources):
    slow = FaultyEngine(Written(said("", ("find", {"town": "x"}))), 1.0, kinds=("hang",))
    play = Play(slow, resources, "mini", FREE, tiny.chat(), patience=Patience(call_s=60))
    judged = play_one(play, task=msgspec.structs.replace(TASK, limits=Limits(seconds=0.1)))
    assert isinstance(judged, Judged)
    assert (judged.trajectory.status, judged.trajectory.reason) == (Status.TRUNCATED, "time budget spent")


def test_a_call_that_timed_out_may_be_asked_again_of_the_local_engine(resources):
    engine = LocalEngine(tiny.model(), tiny.chat(), policy="tiny")
    request = Request(attempt="a", turn=0, messages=(), token_ids=(1, 2, 3), max_tokens=8, sampling=FREE)

    async def twice() -> Completion:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(engine.complete(request), 0)
        waiting = asyncio.ensure_future(engine.complete(request))
        await asyncio.sleep(0)
        waiting.cancel()
        return await asyncio.wait_for(engine.complete(request), 20)

    written = asyncio.run(twice())
    assert written.token_ids
    assert all(math.isfinite(p) for p in written.logprobs)


class Straggles(Written):
    """Does not come back from the second turn of one attempt, as long as `stuck`."""

    stuck = True

    async def complete(self, request: Request) -> Completion:
        if self.stuck and request.turn and request.attempt.endswith("/1"):
            await asyncio.sleep(3600)
        return await super().complete(request)


@pytest.mark.parametrize("limit", [{"deadline_s": 0.3}, {"wanted": 1}])
def test_a_straggler_is_cut_and_said_and_goes_on_later(resources, tmp_path, limit):
    engine = Straggles(*solution(TASK))
    counted = Counted(engine)
    play = Play(counted, resources, "mini", FREE, tiny.chat(), journals=Journals(tmp_path))
    other = replace(KEPT, name="other")
    single = msgspec.structs.replace(TASK, id="single")

    def batch(**more: float) -> list[Group]:
        # the group of two has the straggler; the other one ends
        async def both() -> list[Group]:
            first = play_groups([(TASK, KEPT)], play, size=2, deadline_s=0.3)
            second = play_groups([(single, other)], play, **more)  # type: ignore[arg-type]
            return [*await first, *await second]

        return asyncio.run(both())

    straggling, ended = batch(**limit)
    assert straggling.cut == (f"{TASK.id}@written/1",)
    assert len(straggling.judged) == len(ended.judged) == 1
    counted.turns.clear()
    engine.stuck = False
    (whole,) = asyncio.run(play_groups([(TASK, KEPT)], play, size=2))
    assert whole.cut == ()
    assert len(whole.judged) == 2
    assert counted.turns == [1, 2]  # the finished attempt and the finished step are not played again


def test_enough_groups_end_a_batch(resources):
    tasks = [(msgspec.structs.replace(TASK, id=name), KEPT) for name in ("a", "b/1", "c")]

    class Slow(Written):
        async def complete(self, request: Request) -> Completion:
            await asyncio.sleep(3600 if request.attempt.startswith("b") else 0)
            return await super().complete(request)

    play = Play(Slow(*solution(TASK)), resources, "mini", FREE, tiny.chat())
    groups = asyncio.run(play_groups(tasks, play, wanted=2))
    assert [len(g.judged) for g in groups] == [1, 0, 1]
    assert groups[1].cut == ("b/1@written/0",)


def test_a_program_whose_jail_broke_is_run_again():
    class Breaking:
        name = "breaking"
        left = 2

        def run(self, program: str, **more: object) -> Outcome:
            self.left -= 1
            if self.left >= 0:
                raise SandboxError("the jail died")
            return Outcome(stdout=program, stderr="", exit_code=0)

        def close(self) -> None: ...

    pauses: list[float] = []
    assert Patient(Breaking(), 3, 0.5, pauses.append).run("x", seconds=1.0).stdout == "x"
    assert pauses == [0.5, 1.0]
    with pytest.raises(SandboxError):
        Patient(Breaking(), 2, 0.5, pauses.append).run("x")


def test_what_a_run_asks_to_break_breaks(resources: Resources):
    engine = Written(said("done"))
    calm = Setting(resources).play(engine, FREE, tiny.chat())
    assert calm.engine is engine
    faulty = Setting(resources, faults=FaultPlan(rate=1.0)).play(engine, FREE, tiny.chat())
    ended = asyncio.run(attempt(TASK, TOWNS, replace(faulty, patience=QUICK)))
    assert isinstance(ended, Trajectory)
    assert ended.status is Status.ABORTED


def test_steps_that_other_weights_wrote_are_not_taken_up(resources: Resources, tmp_path: Path):
    class Counted(Written):
        calls = 0

        async def complete(self, request: Request) -> Completion:
            self.calls += 1
            return await super().complete(request)

    setting = Setting(resources, journals=tmp_path)
    engine = Counted(said("", ("find", {"town": "Arle"})), said("done"))
    play = setting.keeping(setting.play(engine, FREE, tiny.chat()), 3, lambda: "one")
    first = asyncio.run(attempt(TASK, TOWNS, play))
    asked = engine.calls
    assert asyncio.run(attempt(TASK, TOWNS, play)) == first
    assert engine.calls == asked
    other = setting.keeping(setting.play(engine, FREE, tiny.chat()), 3, lambda: "two")
    asyncio.run(attempt(TASK, TOWNS, other))
    assert engine.calls > asked
    setting.forget(3)
    assert list(tmp_path.rglob("*.jsonl"))
    setting.forget(4)
    assert not list(tmp_path.rglob("*.jsonl"))


def test_a_customer_that_a_model_speaks_holds_no_other_attempt_up(resources: Resources):
    together = threading.Barrier(4, timeout=20)  # broken where replies come one after the other

    def reply(env: object, text: str) -> str | None:
        together.wait()
        return None

    talks = replace(TOWNS, reply=reply, replies_wait=lambda env: True)
    play = Play(Written(said("hello")), resources, "mini", FREE, tiny.chat())
    (group,) = asyncio.run(play_groups([(TASK, talks)], play, size=4))
    assert [j.trajectory.answer for j in group.judged] == ["hello"] * 4


@pytest.mark.parametrize(
    ("more", "kept"), [({"spare": 0.5}, 2), ({"deadline_s": 0.4}, 1), ({"spare": 0.5, "deadline_s": 0.4}, 2)]
)
def test_a_straggler_does_not_hold_a_training_step_and_is_reported(
    resources: Resources, more: dict, kept: int
):
    """Of three tasks one never ends; without spare prompts or a deadline its step would wait for ever."""
    slow = tiny.tasks()[random.Random("0/0").sample(range(3), 3)[0]].id

    class Straggling(Written):
        async def complete(self, request: Request) -> Completion:
            if request.attempt.startswith(f"{slow}@"):
                await asyncio.sleep(60)
            return await super().complete(request)

    logged: dict[str, float] = {}
    watch = Watch(log=lambda step, values: logged.update(values))
    play = Play(Straggling(said("done")), resources, "mini", FREE, tiny.chat())
    plan = GrpoPlan(prompts=2, group=2, dynamic_sampling=False, **more)
    began = time.monotonic()
    groups = draw_groups(tiny.tasks()[:3], TOWNS, play, plan, 0, 0, watch)
    assert time.monotonic() - began < 20
    assert len(groups) == kept
    assert all(len(g.judged) == 2 and g.task.id != slow for g in groups)
    assert logged["cut"] == 2


class Down(Written):
    """Some tasks' attempts find the servers gone."""

    def __init__(self, gone: set[str]):
        super().__init__(*solution(TASK))
        self.gone = gone

    async def complete(self, request: Request) -> Completion:
        if request.attempt.partition("@")[0] in self.gone:
            raise EngineError("the server is gone")
        return await super().complete(request)


def step_of(engine: Engine, resources: Resources, said: list[str], logged: dict, **more) -> list[Group]:
    watch = Watch(log=lambda step, values: logged.update(values), say=said.append)
    play = Play(engine, resources, "mini", FREE, tiny.chat(), patience=QUICK)
    plan = GrpoPlan(prompts=3, group=2, dynamic_sampling=False)
    return draw_groups(tiny.tasks()[:3], TOWNS, play, plan, 0, 0, watch, **more)


def test_a_training_step_names_what_was_aborted_and_ends_where_nothing_could_be_played(resources):
    names, said, logged = [t.id for t in tiny.tasks()[:3]], list[str](), dict[str, float]()
    groups = step_of(Down({names[1]}), resources, said, logged)
    assert sorted(g.task.id for g in groups) == sorted([names[0], names[2]])
    assert logged == {"aborted": 2.0}
    assert said[0].startswith("step 0: aborted, and not learnt from: ")
    assert names[1] in said[0]
    assert "the server is gone" in said[0]
    with pytest.raises(EngineError, match=r"not one attempt could be played .*the server is gone.*run again"):
        step_of(Down(set(names)), resources, said, logged)


def test_as_many_attempts_of_a_training_step_are_under_way_as_there_is_room_for(resources):
    class Watched(Written):
        now = most = 0

        async def complete(self, request: Request) -> Completion:
            self.now += 1
            self.most = max(self.most, self.now)
            await asyncio.sleep(0.02)
            self.now -= 1
            return await super().complete(request)

    for room in (2, 6):
        engine = Watched(said("done"))
        step_of(engine, resources, [], {}, concurrency=room)
        assert engine.most == room


def test_an_engines_own_time_out_is_its_failure_and_no_spent_clock(resources):
    class Late(Written):
        async def complete(self, request: Request) -> Completion:
            raise TimeoutError("socket")

    for seconds in (0.0, 60.0):
        play = Play(Late(), resources, "mini", FREE, tiny.chat(), patience=QUICK)
        found = play_one(play, task=msgspec.structs.replace(TASK, limits=Limits(seconds=seconds)))
        assert isinstance(found, Trajectory)
        assert found.status is Status.ABORTED


def test_a_last_call_that_is_not_answered_ends_the_attempt(resources, monkeypatch):
    monkeypatch.setattr("openhorizon.rollout.loop.GRACE_S", 0.3)

    class Stuck(Written):
        async def complete(self, request: Request) -> Completion:
            if request.messages[-1].content == "Answer now.":
                await asyncio.sleep(600)
            await asyncio.sleep(0.06)
            return await super().complete(request)

    towns = replace(TOWNS, last_call="Answer now.")
    play = Play(Stuck(said("", ("find", {"town": "x"}))), resources, "full", FREE, tiny.chat())
    began = time.monotonic()
    judged = play_one(play, towns, msgspec.structs.replace(TASK, limits=Limits(turns=99, seconds=0.2)))
    assert time.monotonic() - began < 10
    assert isinstance(judged, Judged)
    assert judged.trajectory.status is Status.TRUNCATED
    assert judged.trajectory.reason == "time budget spent; the answer asked for did not come in time"


class Slowly(Desk):
    """A desk at which a program runs on after its attempt was cut."""

    running = 0
    closed_while_running: list[bool] = []

    def close(self) -> None:
        self.closed_while_running.append(bool(self.running))


def run(env: Slowly, program: str) -> str:
    """Run a program.

    program: what to run
    """
    env.running += 1
    time.sleep(1.0)
    env.running -= 1
    return "ran"


def test_a_program_that_runs_on_holds_up_neither_other_attempts_nor_a_batch_that_is_over(resources):
    Slowly.closed_while_running = []
    slow = replace(
        TOWNS, tools=(tool(run),), open=lambda task, resources: Slowly(resources), waits=waits_in("run")
    )
    quick = replace(TOWNS, open=lambda task, resources: Desk(resources))

    class Both(Written):
        async def complete(self, request: Request) -> Completion:
            self.messages = (
                said("", ("run", {"program": "x"})) if request.tools[0].name == "run" else said("done"),
            )
            return await super().complete(request)

    play = Play(Both(), resources, "mini", FREE, tiny.chat())
    pairs = [(tiny.tasks()[0], slow), (tiny.tasks()[1], quick)]
    began = time.monotonic()
    groups = asyncio.run(play_groups(pairs, play, size=3, deadline_s=0.3))
    assert time.monotonic() - began < 0.9
    assert [len(g.cut) for g in groups] == [3, 0]
    assert [len(g.judged) for g in groups] == [0, 3]
    until = time.monotonic() + 10
    while len(Slowly.closed_while_running) < 3 and time.monotonic() < until:
        time.sleep(0.02)
    assert Slowly.closed_while_running == [False] * 3


def test_a_full_size_verifier_holds_up_no_other_attempt(resources):
    together = threading.Barrier(3, timeout=20)

    def verify(task, trajectory, env):
        together.wait()
        return TOWNS.verify(task, trajectory, env)

    play = Play(Written(said("done")), resources, "full", FREE, tiny.chat())
    (group,) = asyncio.run(play_groups([(TASK, replace(TOWNS, verify=verify))], play, size=3))
    assert len(group.judged) == 3
