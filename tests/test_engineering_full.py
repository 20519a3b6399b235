"""Engineering at full size: sound tasks, private grades, state that survives, attempts that are tidied."""

import asyncio
import itertools
import json

import pytest

from openhorizon.domains.domain import Order, Resources
from openhorizon.domains.engineering import DOMAIN
from openhorizon.domains.engineering.competitions.leaderboard import boards, play_teams
from openhorizon.domains.engineering.competitions.shipped import KINDS, shipped
from openhorizon.domains.engineering.full.cleanup import tidied
from openhorizon.domains.names import split_of
from openhorizon.engines.scripted import ScriptedEngine
from openhorizon.records import Message, Split, ToolCall
from openhorizon.rollout.attempt import attempt
from openhorizon.rollout.play import Play
from openhorizon.sandboxes import open_sandbox, what_works
from openhorizon.selfcheck import graph_of
from openhorizon.selfplay.curate import tidy

pytestmark = pytest.mark.skipif(not what_works()[0][1], reason="bubblewrap does not work here; `make system`")
FULL = DOMAIN.sized("full")


@pytest.fixture(scope="module")
def resources():
    sandbox = open_sandbox()
    yield Resources(graph=graph_of(DOMAIN, 0, "full"), index=None, sandbox=sandbox)  # type: ignore[arg-type]
    sandbox.close()


def tasks_of(resources, count, split=Split.TRAIN, levels=(1, 2, 3), seed=0):
    order = Order(split=split, seed=seed, size="full", levels=levels)
    return list(itertools.islice(FULL.propose(resources.graph, order), count))


def played(task, resources, start=None):
    engine = ScriptedEngine(lambda _: (start or FULL.expert)(task.public()))
    return asyncio.run(attempt(task, DOMAIN, Play(engine, resources, "full")))


def say(content, *calls):
    return Message(
        role="assistant", content=content, calls=tuple(ToolCall(name=n, arguments=a) for n, a in calls)
    )


def test_five_kinds_of_competition_are_not_trivial(resources):
    assert len(KINDS) == 5
    for kind in KINDS:
        given = shipped(kind, 0)
        scores = next(b.scores for b in boards().values() if (b.kind, b.seed) == (kind, 0))
        best = max(scores) if given.measure.greater_is_better else min(scores)
        assert abs(best - given.constant) > 0.05
        assert len(set(scores)) >= 12


def test_a_shipped_leaderboard_is_what_the_teams_score(resources):
    given = shipped("progression", 0)
    shipped_scores = next(b.scores for b in boards().values() if (b.kind, b.seed) == ("progression", 0))
    assert play_teams(given, resources.sandbox) == pytest.approx(shipped_scores, rel=1e-3)


def test_tasks_are_many_distinct_and_split_apart(resources):
    train, held = tasks_of(resources, 300), tasks_of(resources, 100, Split.HELDOUT)
    assert len({t.instruction for t in train}) == 300
    assert all(split_of(e) is t.split for t in (*train, *held) for e in t.entities)
    statements = [
        {t.setup["statement"] for t in some if t.setup["task"] == "coding"} for some in (train, held)
    ]
    assert not statements[0] & statements[1]
    assert train == tasks_of(resources, 300)


def test_the_public_task_and_the_files_hold_nothing_private(resources):
    for task in tasks_of(resources, 12):
        public = json.dumps([task.public().setup, task.instruction], default=str)
        env = FULL.open(task, resources)
        if task.setup["task"] == "coding":
            assert str(task.private["tests"]) not in public
            continue
        given = env.arena.given
        assert set(env.arena.files) <= {
            "train.csv", "test.csv", "sample_submission.csv", "description.md", "train_images.npz", "test_images.npz",
        }  # fmt: skip
        test = env.arena.files["test.csv"].decode()
        assert test.split("\n")[0].split(",")[0] == "id"
        assert not set(given.columns) & set(test.split("\n")[0].split(","))
        assert str(task.private["seed"]) not in public


def coding(resources):
    return next(t for t in tasks_of(resources, 4) if t.setup["task"] == "coding")


def competition(resources, kind="progression"):
    return next(t for t in tasks_of(resources, 60) if t.private.get("kind") == kind and t.level < 3)


def test_the_expert_solves_a_coding_task_by_mending_a_draft(resources):
    done = played(coding(resources), resources)
    assert done.verdict.passed, done.verdict.why
    assert [r.call.name for t in done.trajectory.turns for r in t.results].count("execute_code") >= 1


def test_the_expert_wins_a_medal_and_lazy_policies_do_not(resources):
    task = competition(resources)
    done = played(task, resources)
    assert done.verdict.parts["submission"] == 1.0
    assert done.verdict.parts["tried"] == 1.0
    for name in ("copy the sample", "first program"):
        assert not played(task, resources, FULL.baselines([task])[name]).verdict.passed
    for guess in FULL.guesses(task):
        assert played(task, resources, lambda t, g=guess: iter_one(g)).verdict.score == 0


def iter_one(text):
    yield say(text)


def test_a_claimed_metric_does_not_agree(resources):
    task = competition(resources)
    code = (
        "import shutil\nshutil.copy('sample_submission.csv', 'submission.csv')\nprint('validation: 100000')\n"
    )

    def lie(_):
        yield say(
            "",
            ("write_full_code", {"code": code}),
            ("execute_code", {"node": 1}),
            ("update_answer", {"node": 1}),
        )
        yield say("done")

    verdict = played(task, resources, lie).verdict
    assert not verdict.passed
    assert verdict.parts["agreement"] == 0.0


def test_state_survives_a_fresh_environment(resources):
    task = coding(resources)
    steps = list_of_calls(task, resources)
    for cut in range(len(steps) + 1):
        env = FULL.open(task, resources)
        for call in steps[:cut]:
            FULL.call(env, call)
        fresh = FULL.open(task, resources)
        fresh.load(env.save())
        for call in steps[cut:]:
            FULL.call(fresh, call)
        assert FULL.verify(task, played(task, resources).trajectory, fresh).passed


def list_of_calls(task, resources):
    return [r.call for t in played(task, resources).trajectory.turns for r in t.results]


def wandering(task):
    """A right solution found by way of failures, regressions and errors."""
    right = next(
        c for m in itertools.islice(FULL.expert(task), 1) for c in m.calls if c.name == "write_full_code"
    )
    del right
    from openhorizon.domains.engineering.full.propose import made_of

    good = made_of(task.setup, {}).solution
    for number, code in enumerate(("1 / 0", good, "def solve(*a):\n    return 'no'\n", "1 / 0"), 1):
        yield say(
            f"Node {number} next.", ("write_full_code", {"code": code}), ("execute_code", {"node": number})
        )
    yield say("", ("execute_code", {"node": 77}))
    yield say("Node 2 it is.\nNode 3 was bad.", ("list_nodes", {}), ("update_answer", {"node": 2}))
    yield say("The answer is node 2.")


def test_a_wandering_attempt_is_trimmed_and_replays_to_the_same_answer(resources):
    task = coding(resources)
    done = played(task, resources, lambda _: wandering(task))
    assert done.verdict.passed
    short = tidied(FULL, task, done, resources)
    assert not isinstance(short, str)
    assert short.verdict.passed
    calls = [r.call for t in short.trajectory.turns for r in t.results]
    assert [c.name for c in calls] == ["write_full_code", "execute_code", "list_nodes", "update_answer"]
    assert calls[-1].arguments == {"node": 1}
    assert all(r.ok for t in short.trajectory.turns for r in t.results)
    assert short.trajectory.turns[-1].message.content == "The answer is node 1."
    assert "Node 3" not in short.trajectory.turns[-2].message.content
    assert tidied(FULL, task, short, resources) == short  # nothing is left to trim


def test_an_attempt_whose_results_do_not_come_again_is_given_up(resources):
    from msgspec import structs

    task = coding(resources)
    done = played(task, resources)
    first = done.trajectory.turns[0]
    forged = structs.replace(
        first, results=(*first.results[:-1], structs.replace(first.results[-1], text="validation 1"))
    )
    bad = structs.replace(
        done, trajectory=structs.replace(done.trajectory, turns=(forged, *done.trajectory.turns[1:]))
    )
    kept, removed = tidy(FULL, [(task, done), (task, bad)], resources)
    assert len(kept) == 1
    assert "gave something else when replayed" in removed[0].why


def test_a_competition_goes_on_over_folds_and_its_tree_and_notes_survive(resources):
    from msgspec import structs

    from openhorizon.domains.domain import untold

    task = competition(resources)
    whole = played(task, resources)
    tight = structs.replace(
        task, limits=structs.replace(task.limits, context_tokens=4000, response_tokens=600)
    )
    done = played(tight, resources)
    fresh = [t for t in done.trajectory.turns if t.fresh]
    assert len(fresh) > 1
    assert done.verdict == whole.verdict
    assert untold(done.trajectory.turns[-2].results[0].text) == untold(
        whole.trajectory.turns[-2].results[0].text
    )
    assert "The tree of solutions:\nnode" in fresh[-1].digest
    assert "1. " in fresh[-1].digest.partition("Notes:")[2]
    assert "tokens of context" in done.trajectory.turns[0].results[-1].text
