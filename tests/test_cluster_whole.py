"""Rays of their own: a whole run on one, a machine of one that dies, a driver that ends."""

import asyncio
import os
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from pathlib import Path

import pytest
from test_cluster import TASKS, TESTS, lines, logprobs, plain, work
from test_killed import recipe, result

from openhorizon.config import ClusterPlan
from openhorizon.jobs import Pair
from openhorizon.pipeline import Shown, advance
from openhorizon.records import Group
from openhorizon.rollout.cluster import Cluster
from openhorizon.settings import override
from openhorizon.store import Run

pytestmark = pytest.mark.slow
pytest.importorskip("ray", reason='pip install "openhorizon[cluster]"')

STARTED = """
import asyncio, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # what a script starts in the background ignores it
sys.path.insert(0, {tests!r})
from test_cluster import ClusterPlan, Cluster, endless, work

async def forever():
    with Cluster(ClusterPlan(address="local", workers=2)) as cluster:
        async for _ in cluster.groups(endless([]), work(seconds=0.2), attempts=4):
            print("playing", flush=True)

asyncio.run(forever())
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_driver_that_ends_leaves_no_process_behind(how, tmp_path):
    mark = uuid.uuid4().hex
    path = os.pathsep.join([str(TESTS), *sys.path[1:]])
    environment = os.environ | {"OPENHORIZON_TEST_MARK": mark, "PYTHONPATH": path}
    command = [sys.executable, "-c", STARTED.format(tests=str(TESTS))]
    driver = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, start_new_session=True
    )
    assert driver.stdout is not None
    for _ in range(20):  # all of Ray's own processes are there by then
        assert driver.stdout.readline() == b"playing\n"
    assert len(marked(mark)) > 5
    # Ctrl-C in a terminal reaches every process of the group
    os.killpg(driver.pid, how) if how == signal.SIGINT else driver.kill()
    driver.wait(timeout=120)
    driver.stdout.close()
    # killed with -9, two of Ray's own wait a minute for a server that is gone
    until = time.monotonic() + (60 if how == signal.SIGINT else 90)
    while (left := marked(mark)) and time.monotonic() < until:
        time.sleep(0.1)
    assert left == []


def marked(mark: str) -> list[str]:
    """The command lines of all processes with the mark in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return [line for line in found if line]


def test_a_whole_run_on_a_ray_leaves_the_same_files(tmp_path):
    runs = {"here": recipe(), "ray": override(recipe(), ["cluster.address=local", "cluster.workers=2"])}
    for name, chosen in runs.items():
        with Run.open(tmp_path, name, chosen) as run:
            advance(run, "report", Shown())
    here, there = (result(Run.load(tmp_path / name)) for name in runs)
    samples = "evaluation/samples"
    assert len(here) > 40
    assert {f: d for f, d in there.items() if not f.startswith(samples)} == {
        f: d for f, d in here.items() if not f.startswith(samples)
    }
    # an in-process engine rounds the last digits of log-probabilities by who is decoded together; all else is the same
    pairs = [
        [p.judged for p in Run.load(tmp_path / name).stage("evaluation").read_jsonl("samples.jsonl", Pair)]
        for name in runs
    ]
    assert len(pairs[0]) > 20
    groups = [[Group(task=TASKS[0], judged=tuple(found))] for found in pairs]
    assert plain(groups[0][0]) == plain(groups[1][0])
    assert max(abs(a - b) for a, b in zip(*map(logprobs, groups), strict=True)) < 1e-4


def test_a_node_that_dies_loses_no_attempt(tmp_path, monkeypatch):
    import ray
    from ray.cluster_utils import Cluster as Machines

    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS), *sys.path[1:]]))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    file = tmp_path / "lines"
    what = work(lines=str(file), seconds=0.2, journals=str(tmp_path / "journals"))
    machines = Machines(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        second = machines.add_node(num_cpus=1)
        machines.wait_for_nodes()
        with Cluster(ClusterPlan(address=machines.address, workers=2)) as cluster:

            async def play() -> list[Group]:
                groups: list[Group] = []
                async for group in cluster.groups(TASKS, what, attempts=4):
                    groups.append(group)
                    if len(groups) == 8:
                        assert len({p for p, _, _ in lines(file)}) == 2
                        machines.remove_node(second, allow_graceful=False)
                return groups

            groups = asyncio.run(play())
        assert not ray.is_initialized()
    finally:
        machines.shutdown()
    assert sorted(g.task.id for g in groups) == sorted(t.id for t in TASKS)
    assert all(len(g.judged) == 1 and g.judged[0].verdict.passed for g in groups)
    done = Counter((a, t) for _, a, t in lines(file))
    assert max(done.values()) <= 2  # a step that was running when the node died
    assert sum(n - 1 for n in done.values()) <= 4
