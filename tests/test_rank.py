"""Several attempts at one task: which is the best, which are invalid, and which tasks are near-misses."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from openhorizon.domains.agentic import DOMAIN
from openhorizon.domains.domain import Resources
from openhorizon.graph.graph import Graph
from openhorizon.records import (
    Completion,
    Group,
    Judged,
    Message,
    Split,
    Status,
    Task,
    ToolCall,
    Trajectory,
    Turn,
    Verdict,
)
from openhorizon.rollout.play import Setting
from openhorizon.selfplay.rank import best, closeness, near_misses, ranked, reuse

FIT = ToolCall(name="look", arguments={"id": 3})


def attempt(name, *, passed=True, calls=(FIT,), malformed="", status=Status.FINISHED, **parts):
    message = Message(role="assistant", calls=tuple(calls), malformed=malformed)
    run = Trajectory(
        id=name, task="t", domain="agentic", prompt=(), turns=(Turn(completion=Completion(text=""), message=message),), status=status
    )  # fmt: skip
    parts = {name.replace("__", "/"): share for name, share in parts.items()}
    return Judged(trajectory=run, verdict=Verdict(score=float(passed), passed=passed, parts=parts))


def group(name, *judged):
    return Group(
        task=Task(id=name, domain="agentic", split=Split.TRAIN, instruction="", answer=""), judged=judged
    )


def names(judged):
    return [r.attempt for r in ranked(judged, DOMAIN)]


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (dict(passed=True, policy=0.5), dict(passed=False, policy=1.0)),
        (dict(state=1.0, policy=0.0), dict(state=0.5, policy=1.0)),
        (dict(grounding=1.0, goal=0.5), dict(grounding=0.5, goal=1.0)),
        (dict(rubric__polite=1.0), dict(rubric__polite=0.0)),
        (dict(calls=(FIT,)), dict(calls=(FIT, FIT))),
        (dict(passed=False), dict(passed=True, calls=(ToolCall(name="look", arguments={"id": "x"}),))),
    ],
)
def test_the_better_attempt_comes_first(better, worse):
    assert names([attempt("worse", **worse), attempt("better", **better)]) == ["better", "worse"]


def test_invalid_attempts_are_rejected_with_the_reason():
    bad = (
        attempt("unread", malformed="no JSON"),
        attempt("unknown", calls=(ToolCall(name="fly", arguments={}),)),
        attempt("mistyped", calls=(ToolCall(name="look", arguments={"id": "x"}),)),
        attempt("cut", status=Status.TRUNCATED),
        attempt("failed", passed=False),
        attempt("second", calls=(FIT, FIT)),
    )
    found = best([group("t", attempt("first"), *bad)], DOMAIN)
    assert [j.trajectory.id for j in found.kept] == ["first"]
    said = {r.id: r.why for r in found.removed}
    assert set(said) == {b.trajectory.id for b in bad}
    assert "there is no tool fly" in said["unknown"]
    assert "must be a integer" in said["mistyped"]
    assert said["failed"] == "did not pass"
    assert "place 2" in said["second"]
    assert best([group("t", *bad)], DOMAIN).kept == (bad[-1],)


def test_near_misses_are_mixed_or_close_and_the_hardest_come_first():
    wrong = dict(passed=False, goal=0.0, state=0.0, policy=0.0)
    close = attempt("b", passed=False, goal=0.0, state=1.0, communication=1.0, policy=1.0, grounding=1.0)
    easy, rare = (
        group("easy", attempt("a"), attempt("a2"), attempt("b", **wrong)),
        group("rare", attempt("a"), *[attempt("b", **wrong)] * 3),
    )
    almost, solved = group("almost", close, attempt("c", **wrong)), group("solved", attempt("a"))
    lost, none = group("lost", attempt("c", **wrong)), group("none")
    found = near_misses([easy, solved, almost, lost, rare, none])
    assert [g.task.id for g in found.kept] == ["rare", "easy", "almost"]
    assert {r.id for r in found.removed} == {"solved", "lost", "none"}
    assert [g.task.id for g in near_misses([easy, almost, rare], 1).kept] == ["rare"]
    assert closeness(attempt("x")) == 1.0 > closeness(close) > closeness(attempt("y", **wrong)) == 0.0


def test_reuse_counts_attempts_per_task():
    assert reuse(steps=40, prompts=16, group=8, tasks=range(64)) == 80


def test_a_stage_with_hard_keeps_near_misses(monkeypatch):
    """The teacher's tries go through the ranking: what nobody solved but came close to stays."""
    torch = pytest.importorskip("torch")
    from openhorizon.config import GrpoStage
    from openhorizon.training import grpo

    almost = group("almost", attempt("b", passed=False, state=1.0, communication=1.0, goal=0.0, policy=1.0))
    mixed = group("mixed", attempt("a"), attempt("b", passed=False))

    async def played(pairs, play, *, size, seed, concurrency):
        return [almost, mixed]

    monkeypatch.setattr(grpo, "play_groups", played)
    still = SimpleNamespace(engine=None, room=4, load=lambda model, version: None)
    monkeypatch.setattr(grpo, "InPlace", lambda *a, **k: still)

    setting = Setting(Resources(Graph([], []), None, None))  # type: ignore[arg-type]

    def kept(**options):
        stage = GrpoStage(tries=2, **options)
        tasks = [almost.task, mixed.task]
        return [
            t.id
            for t in grpo.undecided(
                torch.nn.Linear(1, 1), None, tasks, replace(DOMAIN), setting, stage, seed=0
            )
        ]

    assert kept() == ["mixed"]
    assert kept(hard=64) == ["mixed", "almost"]
