"""Attempts on workers: the same records as in this process, drawn no faster than taken, none lost to a worker that dies."""

import asyncio
import os
import pickle
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import aclosing
from itertools import islice
from pathlib import Path

import pytest
import tiny
from cluster_work import KEPT, dies, doubled, looks_with, refuses, tiny_model, towns, wrong
from hypothesis import given, settings
from hypothesis import strategies as st
from towns import propose

from openhorizon.config import ClusterPlan
from openhorizon.domains.domain import Order
from openhorizon.errors import ConfigError, InfrastructureError, RunError
from openhorizon.records import (
    Completion,
    Group,
    Judged,
    Message,
    Split,
    Status,
    Task,
    Trajectory,
    Turn,
    Verdict,
    as_json,
)
from openhorizon.rollout.batch import play_groups
from openhorizon.rollout.cluster import Cluster, _Stream
from openhorizon.rollout.players import Work, WorkerLost

TESTS = Path(__file__).parent
TASKS = list(islice(propose(towns().graph, Order(split=Split.TRAIN, seed=0)), 40))


@pytest.fixture(scope="module")
def ray(tmp_path_factory) -> Iterator[Cluster]:
    pytest.importorskip("ray", reason='pip install "openhorizon[cluster]"')
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(TESTS), *sys.path[1:], before or ""])
    try:
        with Cluster(ClusterPlan(address="local", workers=2)) as cluster:
            yield cluster
    finally:
        os.environ.pop("PYTHONPATH") if before is None else os.environ.update(PYTHONPATH=before)


def work(**arguments: object) -> Work:
    return Work(looks_with, (arguments,), "looks")


def collect(cluster: Cluster, tasks: object, what: Work, **more: int) -> list[Group]:
    async def all_of_them() -> list[Group]:
        return [g async for g in cluster.groups(tasks, what, **more)]  # type: ignore[arg-type]

    return sorted(asyncio.run(all_of_them()), key=lambda g: [t.id for t in TASKS].index(g.task.id))


def lines(file: Path) -> list[tuple[str, str, int]]:
    """Process, attempt and turn of every completion."""
    return [(p, a, int(t)) for p, a, t in (line.split() for line in file.read_text().splitlines())]


def endless(drawn: list[Task]) -> Iterator[Task]:
    for task in propose(towns().graph, Order(split=Split.TRAIN, seed=0)):
        drawn.append(task)
        yield task


# in this process


def test_a_stream_of_groups_holds_what_a_batch_does():
    with Cluster() as here:
        streamed = collect(here, TASKS, work(), size=3, attempts=7)
    play, _ = looks_with({})
    batch = asyncio.run(play_groups([(t, KEPT) for t in TASKS], play, size=3))
    assert streamed == batch
    assert all(j.verdict.passed for g in streamed for j in g.judged)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 12), st.integers(1, 4), st.integers(1, 9))
def test_tasks_are_drawn_no_faster_than_groups_are_taken(attempts: int, size: int, taken: int):
    drawn: list[Task] = []
    room = max(1, attempts // size)

    async def slowly() -> None:
        with Cluster() as here:
            async with aclosing(here.groups(endless(drawn), work(), size=size, attempts=attempts)) as groups:
                number = 0
                async for _ in groups:
                    number += 1
                    for _ in range(20):
                        await asyncio.sleep(0)
                    assert len(drawn) <= room + number - 1
                    if number == taken:
                        break

    asyncio.run(slowly())
    assert len(drawn) >= taken


@given(st.text(max_size=3), st.sampled_from(["stop", "length", "st" + "op"]), st.floats(0, 1))
def test_a_record_from_another_process_is_written_as_here(text: str, finish: str, score: float):
    """msgspec leaves a default out where it is the very object, and a copied text no longer is."""
    completion = Completion(text=text, finish=finish, token_ids=(1,))
    verdict = Verdict(score=score, passed=False, parts={"a": score} if text else {}, why=text)
    trajectory = Trajectory(
        id="t", task="t", domain="towns", prompt=(), status=Status.FINISHED,
        turns=(Turn(completion=completion, message=Message(role="assistant", content=text)),),
    )  # fmt: skip
    group = Group(task=TASKS[0], judged=(Judged(trajectory=trajectory, verdict=verdict),))
    copied = pickle.loads(pickle.dumps(group))
    assert copied == group
    assert as_json(copied) == as_json(group)


def test_groups_come_back_in_the_order_in_which_they_end():
    class Hand:
        name, up = "h", True

        async def ready(self) -> None: ...

    async def ask(hand: Hand, seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds

    async def order() -> list[float]:
        stream = _Stream([Hand()], [0.06, 0.02, 0.04, 0.0], ask, 4, 0)  # type: ignore[arg-type, list-item]
        return [item async for item, _ in stream.results()]

    assert asyncio.run(order()) == [0.0, 0.02, 0.04, 0.06]


def test_leaving_the_loop_ends_what_is_under_way():
    with Cluster() as here:

        async def leave() -> int:
            async for _ in here.groups(endless([]), work(seconds=0.01), attempts=8):
                break
            await asyncio.sleep(0.01)
            return len(asyncio.all_tasks())

        assert asyncio.run(leave()) == 1


def test_what_cannot_be_made_rises_with_its_own_kind():
    with Cluster() as here, pytest.raises(RunError, match="not here"):
        collect(here, TASKS, Work(refuses))


class Frail:
    """A hand whose process dies of some items, and by chance with all it has."""

    def __init__(self, name: str, deadly: set[int], deaths: Iterator[bool]) -> None:
        self.name, self.up, self.deadly, self.deaths = name, True, deadly, deaths
        self.process = 0  # which one stands behind the hand; negative: none

    async def ready(self) -> None:
        await asyncio.sleep(0)
        self.process, self.up = abs(self.process), True

    async def ask(self, item: int) -> int:
        process = self.process
        for _ in range(3):
            await asyncio.sleep(0)
        alive = process == self.process >= 0
        if alive and (item in self.deadly or next(self.deaths, False)):
            self.process, alive = -self.process - 1, False
        if not alive:
            self.up = self.up and process != self.process and self.process >= 0
            raise WorkerLost(f"{self.name} died")
        return -item


@settings(max_examples=50, deadline=None)
@given(
    st.integers(1, 4), st.integers(1, 5), st.integers(0, 3), st.integers(0, 30), st.sets(st.integers(0, 29), max_size=3),
    st.lists(st.booleans(), max_size=8),
)  # fmt: skip
def test_every_task_comes_back_once_however_workers_die(hands, most, retries, count, deadly, deaths):
    chance = iter(deaths)
    all_hands = [Frail(str(n), deadly, chance) for n in range(hands)]

    async def all_of_them() -> list[tuple[int, object]]:
        stream = _Stream(all_hands, range(count), lambda hand, item: hand.ask(item), most, retries)  # type: ignore[arg-type]
        return [pair async for pair in stream.results()]

    found = asyncio.run(all_of_them())
    assert sorted(item for item, _ in found) == list(range(count))
    for item, result in found:
        assert (
            result == -item if not isinstance(result, WorkerLost) else f"{retries + 1} workers" in str(result)
        )
    assert all(isinstance(result, WorkerLost) for item, result in found if item in deadly)


@given(st.integers(1, 3), st.integers(2, 6), st.integers(1, 3))
@settings(max_examples=20, deadline=None)
def test_a_task_that_kills_its_workers_takes_no_other_with_it(hands, most, retries):
    all_hands = [Frail(str(n), {5}, iter(())) for n in range(hands)]

    async def all_of_them() -> dict[int, object]:
        stream = _Stream(all_hands, range(20), lambda hand, item: hand.ask(item), most, retries)  # type: ignore[arg-type]
        return {item: result async for item, result in stream.results()}

    found = asyncio.run(all_of_them())
    assert [item for item, result in found.items() if isinstance(result, WorkerLost)] == [5]


def test_a_missing_ray_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(ConfigError, match=r"pip install \"openhorizon\[cluster\]\""),
        Cluster(ClusterPlan(address="local")),
    ):
        pass


# on Ray


def test_workers_of_a_ray_give_the_same_groups(ray: Cluster, tmp_path):
    file = tmp_path / "lines"
    on_ray = collect(ray, TASKS, work(lines=str(file), seconds=0.01), size=2, attempts=8)
    with Cluster() as here:
        assert on_ray == collect(here, TASKS, work(), size=2)
    processes = {p for p, _, _ in lines(file)}
    assert len(processes) == 2
    assert str(os.getpid()) not in processes


def test_a_slow_taker_slows_the_drawing_of_a_ray(ray: Cluster):
    drawn: list[Task] = []

    async def slowly() -> int:
        number = 0
        async with aclosing(ray.groups(endless(drawn), work(), size=2, attempts=6)) as groups:
            async for _ in groups:
                number += 1
                await asyncio.sleep(0.02)
                assert len(drawn) <= 2 * 3 + number - 1
                if number == 12:
                    return number
        return number

    assert asyncio.run(slowly()) == 12
    assert len(drawn) >= 12


def test_a_worker_that_dies_loses_only_the_running_step(ray: Cluster, tmp_path):
    deadly, file = TASKS[3].id, tmp_path / "lines"
    arguments = {"lines": str(file), "deadly": f"{deadly}@", "once": str(tmp_path / "once"), "seconds": 0.02}
    groups = collect(ray, TASKS[:12], work(journals=str(tmp_path / "journals"), **arguments), attempts=4)
    with Cluster() as here:
        assert groups == collect(here, TASKS[:12], work())
    done = Counter((a, t) for _, a, t in lines(file))
    assert len(done) == 36
    assert done[f"{deadly}@looks/0", 2] == 2
    # what stood beside it: at most its running step was repeated
    for name in {a for a, _ in done}:
        assert sum(done[name, t] - 1 for t in range(3)) <= 1


def test_a_task_that_kills_every_worker_is_reported_by_name_and_never_scored(ray: Cluster):
    deadly = TASKS[2].id
    groups = collect(ray, TASKS[:8], work(deadly=f"{deadly}@"), size=2, retries=1)
    (broken,) = (g for g in groups if g.aborted)
    assert broken.task.id == deadly
    assert broken.judged == ()
    assert [t.id for t in broken.aborted] == [f"{deadly}@looks/{n}" for n in range(2)]
    assert all(t.status is Status.ABORTED and "2 workers died of it" in t.reason for t in broken.aborted)
    assert sum(len(g.judged) for g in groups) == 14


def test_jobs_run_on_workers_and_their_results_come_back(ray: Cluster):
    found = {}
    ray.run(doubled, [(n, 0.01) for n in range(9)], lambda job, result: found.update({job[0]: result}))
    assert found == {n: 2 * n for n in range(9)}
    with pytest.raises(RunError, match="3 is wrong"):
        ray.run(wrong, [(3,)], print)


@pytest.mark.slow
def test_a_job_that_kills_every_worker_is_named(ray: Cluster):
    with pytest.raises(InfrastructureError, match=r"dies\('7',\): 3 workers died of it"):
        ray.run(dies, [(7,)], print)


def test_what_cannot_be_made_on_a_worker_rises_here_with_the_machine(ray: Cluster):
    with pytest.raises(RunError, match=r"worker \d on .+: the run folder is not here.* shared file system"):
        collect(ray, TASKS, Work(refuses))


@pytest.mark.slow
def test_the_tiny_model_writes_the_same_tokens_on_workers(ray: Cluster, tmp_path):
    folder = str(tiny.save(tiny.model(), tmp_path / "model"))
    what = Work(tiny_model, (folder,), "tiny")
    with Cluster() as here:
        alone = collect(here, TASKS[:8], what, attempts=1)
        together = collect(here, TASKS[:8], what, size=2)
    assert collect(ray, TASKS[:8], what, attempts=1) == alone
    # who decodes beside an attempt changes the last digits of its log-probabilities, and nothing else
    on_ray = collect(ray, TASKS[:8], what, size=2, attempts=8)
    assert [plain(g) for g in on_ray] == [plain(g) for g in together]
    pairs = zip(logprobs(on_ray), logprobs(together), strict=True)
    assert max(abs(a - b) for a, b in pairs) < 1e-4


def plain(group: Group) -> list[tuple[object, ...]]:
    """Everything of the attempts but log-probabilities."""
    return [
        (
            j.verdict,
            j.trajectory.id,
            [(t.completion.token_ids, t.context_ids, t.results) for t in j.trajectory.turns],
        )
        for j in group.judged
    ]


def logprobs(groups: list[Group]) -> list[float]:
    return [p for g in groups for j in g.judged for t in j.trajectory.turns for p in t.completion.logprobs]
