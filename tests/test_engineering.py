"""The engineering domain: sound tasks, real runs, private answers that stay private."""

import itertools
import json
import subprocess
import sys
from collections import Counter

import pytest
from tokenizers import Regex, pre_tokenizers

from openhorizon.chat.tiny import MARKS, PATTERN, SCAFFOLD
from openhorizon.chat.wire import write
from openhorizon.domains.domain import Order, Resources
from openhorizon.domains.engineering import DOMAIN
from openhorizon.domains.engineering.baselines import always_the_same
from openhorizon.domains.engineering.data import competition, read_submission, score
from openhorizon.domains.engineering.grade import run
from openhorizon.domains.engineering.programs import KIT, kit_program
from openhorizon.domains.engineering.propose import curated
from openhorizon.domains.names import FIRST, SECOND, split_of
from openhorizon.engines.scripted import ScriptedEngine
from openhorizon.graph.graph import Graph
from openhorizon.records import Edge, Message, Node, Split, Status, ToolCall, Trajectory
from openhorizon.rollout.attempt import opening
from openhorizon.rollout.batch import play_experts
from openhorizon.rollout.play import Play
from openhorizon.sandboxes import open_sandbox, what_works

pytestmark = pytest.mark.skipif(not what_works()[0][1], reason="bubblewrap does not work here; `make system`")


def graph_of(size) -> Graph:
    parts = list(DOMAIN.material(3, size))
    return Graph([p for p in parts if isinstance(p, Node)], [p for p in parts if isinstance(p, Edge)])


@pytest.fixture(scope="module")
def resources():
    sandbox = open_sandbox()
    yield Resources(graph=graph_of("mini"), index=None, sandbox=sandbox)  # type: ignore[arg-type]
    sandbox.close()


def tasks_of(split, count, size="mini", seed=1, levels=(1, 2, 3)):
    graph = graph_of(size)
    return list(
        itertools.islice(
            DOMAIN.propose(graph, Order(split=split, seed=seed, size=size, levels=levels)), count
        )
    )


def play(tasks, resources, size="mini"):
    by_id = {t.id: t for t in tasks}
    engine = ScriptedEngine(lambda attempt: DOMAIN.expert(by_id[attempt.split("@")[0]].public()))
    groups = play_experts(tasks, DOMAIN, Play(engine=engine, resources=resources, size=size))
    assert all(len(g.judged) == 1 for g in groups)
    return [g.judged[0] for g in groups]


def call(env, name, **arguments):
    return DOMAIN.call(env, ToolCall(name=name, arguments=arguments))


def judged(task, env, said="done"):
    prompt = opening(task, DOMAIN, "mini")
    attempt = Trajectory(
        id="t",
        task=task.id,
        domain="engineering",
        prompt=prompt,
        turns=(),
        status=Status.FINISHED,
        answer=said,
    )
    return DOMAIN.verify(task, attempt, env)


def pre_tokens(text: str) -> list[str]:
    for mark in (*MARKS, *SCAFFOLD):
        text = text.replace(mark, "\x00")
    split = pre_tokenizers.Split(Regex(PATTERN), "isolated")
    parts = [[piece for piece, _ in split.pre_tokenize_str(p)] if p else [] for p in text.split("\x00")]
    return [w for p in parts for w in p] + ["\x00"] * (len(parts) - 1)


@pytest.mark.parametrize("split", list(Split))
def test_the_expert_passes_every_mini_task_that_the_checks_accept(resources, split):
    tasks = tasks_of(split, 60)
    sound = [t for t in tasks if not DOMAIN.shortcut(t, resources)]
    assert len(sound) >= 0.9 * len(tasks)
    assert all(j.verdict.passed for j in play(sound, resources))


@pytest.mark.slow
@pytest.mark.parametrize("split", list(Split))
def test_the_expert_passes_sixty_tasks_of_each_level(resources, split):
    for level in (1, 2, 3):
        tasks = [t for t in tasks_of(split, 60, levels=(level,)) if not DOMAIN.shortcut(t, resources)]
        assert len(tasks) >= 54
        assert [t.instruction for t, j in zip(tasks, play(tasks, resources)) if not j.verdict.passed] == []


def test_lazy_answers_fail(resources):
    for task in tasks_of(Split.HELDOUT, 6):
        for guess in DOMAIN.guesses(task):
            verdict = judged(task, DOMAIN.open(task, resources), guess)
            assert not verdict.passed
            assert verdict.score == 0


def test_any_other_choice_than_the_best_fails_even_when_all_were_tried(resources):
    for task in tasks_of(Split.TRAIN, 9):
        passed = []
        for chosen in range(len(task.private["programs"])):
            env = DOMAIN.open(task, resources)
            for program in task.private["programs"]:
                call(env, "write_full_code", code=program)
            call(env, "execute_code")
            call(env, "update_answer", node=chosen + 1)
            passed.append(judged(task, env).passed)
        assert sum(passed) == 1


def test_the_right_choice_without_the_trials_fails(resources):
    for task in tasks_of(Split.TRAIN, 3):
        for program in task.private["programs"]:
            env = DOMAIN.open(task, resources)
            call(env, "write_full_code", code=program)
            call(env, "execute_code", node=1)
            call(env, "update_answer", node=1)
            assert not judged(task, env).passed


def test_always_the_same_choice_fails_more_often_than_not(resources):
    rates = always_the_same(tasks_of(Split.HELDOUT, 60), resources)
    assert set(rates) >= {"always tree", "always near", "always first"}
    assert all(0 < rate < 0.5 for rate in rates.values())


def test_there_are_enough_distinct_tasks_and_proposing_is_quick():
    for split, count in ((Split.TRAIN, 3000), (Split.HELDOUT, 500)):
        tasks = tasks_of(split, count)
        assert len({t.instruction for t in tasks}) == count
        assert len({t.id for t in tasks}) == count
        assert max(Counter(t.level for t in tasks).values()) <= count // 3 + 1


def test_equal_orders_give_equal_tasks_and_seeds_differ():
    assert tasks_of(Split.TRAIN, 20) == tasks_of(Split.TRAIN, 20)
    assert tasks_of(Split.TRAIN, 20) != tasks_of(Split.TRAIN, 20, seed=2)


def test_the_splits_share_no_name_no_competition_and_no_row():
    tasks = {split: tasks_of(split, 90) for split in Split}
    for split, some in tasks.items():
        assert all(split_of(e) is split for t in some for e in t.entities)
    rows = {
        split: {line for c in curated() if split_of(f"{c.data} {c.seed}") is split for line in _rows(c)}
        for split in Split
    }
    assert rows[Split.TRAIN]
    assert not rows[Split.TRAIN] & rows[Split.HELDOUT]


def _rows(one):
    given = competition(one.data, one.seed)
    return {line.rsplit(b",", 1)[0] for line in given.train.splitlines()[1:]} | set(
        given.test.splitlines()[1:]
    )


def test_a_mini_attempt_is_short_and_its_words_are_few(resources):
    tasks = tasks_of(Split.TRAIN, 90)
    words: set[str] = set()
    for task, one in zip(tasks, play(tasks, resources)):
        texts = [m.content for m in opening(task, DOMAIN, "mini")]
        for turn in one.trajectory.turns:
            said = write(turn.message)
            assert len(pre_tokens(said)) <= 50
            texts += [said, *(r.text for r in turn.results)]
        assert sum(len(pre_tokens(t)) for t in texts) <= 205
        assert len(one.trajectory.turns) <= 5
        words |= {w for t in texts for w in pre_tokens(t)}
    names = {*FIRST, *SECOND}
    assert len({w for w in words if w.strip() not in names}) <= 150
    assert len(DOMAIN.brief.split()) <= 8


def test_every_task_has_evidence_that_its_attempt_consults(resources):
    tasks = tasks_of(Split.TRAIN, 6)
    for task, one in zip(tasks, play(tasks, resources)):
        consulted = {s for turn in one.trajectory.turns for r in turn.results for s in r.sources}
        for evidence in task.evidence:
            assert evidence.text
            assert resources.graph.node(evidence.node)
            assert evidence.node in consulted
        assert sum(len(turn.results) for turn in one.trajectory.turns) >= DOMAIN.min_calls


def test_the_private_answers_are_not_in_the_jail(resources):
    task = tasks_of(Split.TRAIN, 1)[0]
    env = DOMAIN.open(task, resources)
    program = """
import os
print(sorted(os.listdir('.')), open('test.csv').readline().count('target'))
from sklearn import datasets
for name in ('iris', 'wine', 'digits', 'breast_cancer', 'diabetes', 'linnerud'):
    try: getattr(datasets, 'load_' + name)(); print('leak', name)
    except OSError: pass
"""
    ran = run(program, env.given, resources.sandbox)
    assert ran.error == ""
    assert "leak" not in ran.said
    assert ran.said == "['__pycache__', 'kit.py', 'test.csv', 'train.csv'] 0"


def test_what_a_solver_sees_holds_nothing_private(resources):
    for task in tasks_of(Split.TRAIN, 6):
        public = task.public()
        seen = json.dumps([public.setup, public.instruction, public.plan])
        assert str(task.private["data"]) not in seen
        assert not public.private
        assert not public.verifiers


def test_results_of_runs_are_reported(resources):
    env = DOMAIN.open(tasks_of(Split.TRAIN, 1)[0], resources)
    cases = {
        "1 / 0": "failed: ZeroDivisionError",
        "print('near 50')": "no submission.csv",
        "import kit; kit.line(); open('submission.csv', 'w').write('target\\n1\\n')": "submission.csv has 1 rows",
        "import kit; kit.line(); open('submission.csv', 'w').write('x')": "begin with a line: target",
        "import kit; kit.line(); print('ok')": "no metric",
    }
    for number, (code, wanted) in enumerate(cases.items(), 1):
        assert call(env, "write_full_code", code=code).text == f"node {number}"
        assert wanted in call(env, "execute_code", node=number).text
    assert (
        call(env, "update_answer", node=1).text
        == "error: node 1 has no valid submission: ZeroDivisionError: division by zero"
    )
    assert "node 1 failed" in call(env, "list_nodes").text


def test_wrong_calls_are_answered_with_what_to_do(resources):
    env = DOMAIN.open(tasks_of(Split.TRAIN, 1)[0], resources)
    assert call(env, "list_nodes").text == "no nodes"
    assert call(env, "execute_code").text == "error: there is nothing new to run"
    assert call(env, "select_node", node=1).text == "error: there is no node 1; write one first"
    call(env, "write_full_code", code=kit_program("near", 3))
    assert call(env, "update_answer", node=1).text == "error: node 1 was not run"
    assert call(env, "update_answer", node=9).text == "error: there is no node 9; the last is 1"
    assert "exactly once" in call(env, "patch_code", node=1, old="kit", new="x").text
    assert "exactly once" in call(env, "patch_code", node=1, old="", new="x").text
    assert call(env, "patch_code", node=1, old="3", new="6").text == "node 2"
    assert call(env, "select_node", node=2).text == "import kit; kit.near(6)"
    assert not call(env, "run_bash").ok
    for _ in range(60):
        last = call(env, "write_full_code", code="")
    assert last.text == "error: 40 nodes are the most"


def test_a_claimed_metric_does_not_pass(resources):
    task = tasks_of(Split.TRAIN, 1)[0]
    env = DOMAIN.open(task, resources)
    for program in task.private["programs"]:
        call(env, "write_full_code", code=program)
    rows = len(env.given.answers)
    call(
        env,
        "write_full_code",
        code=f"open('submission.csv', 'w').write('target\\n' + '0\\n' * {rows}); print('near 100')",
    )
    call(env, "execute_code")
    last = len(env.nodes)
    assert call(env, "list_nodes").text.startswith(f"best is node {last}")
    call(env, "update_answer", node=last)
    assert not judged(task, env).passed


def test_step_verdicts_fire_where_something_ran(resources):
    task = tasks_of(Split.TRAIN, 1)[0]
    env = DOMAIN.open(task, resources)
    assert DOMAIN.verify_step(task, env, call(env, "write_full_code", code="1 / 0")) is None
    bad = DOMAIN.verify_step(task, env, call(env, "execute_code"))
    assert bad is not None
    assert not bad.passed


def test_every_kit_program_runs(resources):
    for data in ("digits", "wine"):
        given = competition(data, 1)
        assert all(run(kit_program(*k), given, resources.sandbox).valid for k in KIT)


def test_the_grader_reads_submissions_strictly():
    assert read_submission(b"target\n1\n2.5\n", 2) == (1.0, 2.5)
    for wrong in (None, b"", b"1\n2\n", b"target\n1\n", b"target\nnan\n1\n", b"target\na\nb\n", b"\xff\xfe"):
        assert isinstance(read_submission(wrong, 2), str)
    assert score("accuracy", (0.0, 1.0), (0.0, 0.0)) == 0.5
    assert score("r2", (0.0, 2.0), (1.0, 1.0)) == 0.0


def test_importing_the_domain_is_quick():
    code = "import sys; import openhorizon.domains.engineering; print([m for m in ('sklearn', 'scipy', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_message_of_the_expert_quotes_what_it_then_uses(resources):
    task = next(t for t in tasks_of(Split.TRAIN, 3) if t.level == 3)
    messages: list[Message] = [t.message for t in play([task], resources)[0].trajectory.turns]
    patch = next(m for m in messages if any(c.name == "patch_code" for c in m.calls))
    arguments = patch.calls[0].arguments
    assert f"node {arguments['node']}" in patch.content
    assert patch.content.endswith(f"to {arguments['new']}")
    assert messages[-1].calls == ()
