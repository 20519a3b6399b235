"""Science: formula problems are solvable by their expert, judged by quantity, and never by luck or memory."""

import contextlib
import io
import itertools
import threading
import time

import pytest
import regex

from openhorizon.corpus.graph import to_graph
from openhorizon.domains.domain import Order, Resources
from openhorizon.domains.names import split_of
from openhorizon.domains.science import DOMAIN, WITHOUT_TOOLS
from openhorizon.domains.science.formulas import evaluate
from openhorizon.domains.science.quantities import quantity, unit
from openhorizon.engines.scripted import ScriptedEngine
from openhorizon.errors import SandboxError
from openhorizon.graph.graph import Graph
from openhorizon.records import (
    Completion,
    Document,
    Message,
    Node,
    Split,
    Status,
    ToolCall,
    ToolResult,
    Trajectory,
    Turn,
    as_json,
)
from openhorizon.retrieval.index import Index
from openhorizon.rollout.batch import Play, play_experts
from openhorizon.sandboxes import Local, Outcome, open_sandbox

SIZES = ("mini",)  # the full form: test_science_full.py
PRE_TOKEN = regex.compile(
    r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+"
)  # one token each for the tiny model


ONE = threading.Lock()  # standard output is the process'


class InProcess:
    """Runs programs that this test's own experts wrote in this process: hundreds of them in a second."""

    name = "in-process"

    def run(self, program, *, files={}, collect=(), seconds=10.0, memory_mb=1024):  # noqa: B006
        out = io.StringIO()
        with ONE, contextlib.redirect_stdout(out):
            exec(program, {})
        return Outcome(stdout=out.getvalue(), stderr="", exit_code=0)

    def close(self):
        pass


def made(size):
    things = list(DOMAIN.material(0, size))
    nodes, edges = to_graph((t for t in things if isinstance(t, Document)), DOMAIN.name)
    nodes += tuple(t for t in things if isinstance(t, Node))
    edges += tuple(t for t in things if not isinstance(t, (Document, Node)))
    graph = Graph(nodes, edges)
    return Resources(graph, Index.of_graph(graph), InProcess())


@pytest.fixture(scope="module")
def worlds():
    return {size: made(size) for size in SIZES}


def tasks(world, size, split=Split.TRAIN, levels=(1, 2, 3), n=60, domain=DOMAIN):
    order = Order(split=split, seed=3, levels=levels, size=size)
    return list(itertools.islice(domain.propose(world.graph, order), n))


def played(chosen, world, size, domain=DOMAIN):
    by_id = {t.id: t.public() for t in chosen}
    engine = ScriptedEngine(lambda attempt: domain.expert(by_id[attempt.partition("@")[0]]))
    return play_experts(chosen, domain, Play(engine=engine, resources=world, size=size))


def attempt_of(task, answer, sources=()):
    result = ToolResult(call=None, text="", sources=tuple(sources))
    turn = Turn(completion=Completion(text=""), message=Message(role="assistant"), results=(result,))
    return Trajectory(
        id="x",
        task=task.id,
        domain=task.domain,
        prompt=(),
        turns=(turn,),
        status=Status.FINISHED,
        answer=answer,
    )


def verdict(task, world, answer, sources=()):
    return DOMAIN.verify(task, attempt_of(task, answer, sources), DOMAIN.open(task, world))


def nodes_of(task):
    return [e.node for e in task.evidence]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("split", list(Split))
@pytest.mark.parametrize("level", [1, 2, 3])
def test_the_expert_solves_every_task_and_consults_its_evidence(worlds, size, split, level):
    for group in played(tasks(worlds[size], size, split, (level,)), worlds[size], size):
        (judged,) = group.judged
        assert judged.verdict.passed, (group.task.instruction, judged.trajectory.answer)
        read = {s for t in judged.trajectory.turns for r in t.results for s in r.sources}
        assert set(nodes_of(group.task)) <= read
        assert all(node in worlds[size].graph for node in nodes_of(group.task))


def test_the_expert_passes_in_the_real_sandbox(worlds):
    try:
        sandbox = open_sandbox("auto")
    except SandboxError:
        pytest.skip("bubblewrap does not work here; `make system` installs it")
    world = Resources(worlds["mini"].graph, worlds["mini"].index, sandbox)
    groups = played(tasks(world, "mini", n=12), world, "mini")
    sandbox.close()
    assert all(g.judged[0].verdict.passed for g in groups)


@pytest.mark.parametrize("size", SIZES)
def test_lazy_answers_fail(worlds, size):
    for task in tasks(worlds[size], size):
        if DOMAIN.shortcut(task, worlds[size]):
            continue
        for guess in DOMAIN.guesses(task):
            assert not verdict(task, worlds[size], guess, nodes_of(task)).passed, (task.instruction, guess)


def test_a_right_answer_in_another_unit_passes_and_without_a_look_up_fails(worlds):
    task = next(t for t in tasks(worlds["mini"], "mini", levels=(2,)) if t.answer.endswith(" N"))
    newton = float(task.answer.split()[0])
    for answer in (
        task.answer,
        f"{newton / 1000} kN",
        f"**{newton} kg*m/s^2**",
        f"The force is {newton:.1f} N.",
    ):
        assert verdict(task, worlds["mini"], answer, nodes_of(task)).passed, answer
    assert not verdict(task, worlds["mini"], task.answer).passed
    for wrong in (
        f"{newton}",
        f"{newton} J",
        f"{newton * 1.01} N",
        f"{newton} N\n5 N",
        "N",
        f"{newton} N 5 N",
    ):
        assert not verdict(task, worlds["mini"], wrong, nodes_of(task)).passed, wrong


@pytest.mark.parametrize(
    ("text", "dimension", "value"),
    [
        ("36 N", "N", 36.0),
        ("0.036 kN", "N", 36.0),
        ("so it is 3.6 × 10^1 N", "N", 36.0),
        ("1,200 g", "kg", 1.2),
        ("5 J/(kg*K)", "J/(kg*K)", 5.0),
        ("36 N in total", "N", 36.0),
        ("$4\\,\\text{m/s}$", "m/s", 4.0),
        ("4 m^2", "m", None),
        ("36", "N", None),
        ("", "N", None),
    ],
)
def test_a_quantity_is_read_from_free_text(text, dimension, value):
    found = quantity(text, unit(dimension)[1])[1]
    assert found == (None if value is None else pytest.approx(value))


def test_odd_answers_are_judged_quickly_and_never_raise(worlds):
    task = tasks(worlds["mini"], "mini", n=1)[0]
    verdict(task, worlds["mini"], "1 N")
    start = time.perf_counter()
    for odd in (
        "9" * 5000,
        "1 " + "N*" * 3000,
        "1 N^9^9^9^9",
        "1e999 N",
        "((((1 N",
        "1 __import__('os')",
        "\x00 1 \u2212 N",
        "1 " + "a " * 999,
    ):
        assert not verdict(task, worlds["mini"], odd).passed
    assert time.perf_counter() - start < 1.0


def test_the_splits_share_nothing_and_the_stream_is_long_distinct_and_the_same_each_time(worlds):
    world = worlds["mini"]
    train, heldout = (
        tasks(world, "mini", split, n=n) for split, n in ((Split.TRAIN, 3000), (Split.HELDOUT, 450))
    )
    assert (len(train), len(heldout)) == (3000, 450)
    for task in train + heldout:
        assert all(split_of(e) is task.split for e in task.entities), task.entities
    everything = train + heldout
    assert len({t.instruction for t in everything}) == len({t.id for t in everything}) == 3450
    assert {t.level for t in train} == {1, 2, 3}
    assert [as_json(t) for t in tasks(world, "mini", n=50)] == [as_json(t) for t in train[:50]]


def test_a_mini_attempt_fits_the_tiny_model(worlds):
    words, longest = set(), 0
    for group in played(tasks(worlds["mini"], "mini", n=300), worlds["mini"], "mini"):
        trajectory = group.judged[0].trajectory
        texts = [m.content for m in trajectory.prompt]
        for turn in trajectory.turns:
            texts += [turn.completion.text, *(r.text for r in turn.results)]
            assert max((len(PRE_TOKEN.findall(r.text)) for r in turn.results), default=0) <= 45
        tokens = [PRE_TOKEN.findall(text) for text in texts]
        longest = max(longest, sum(map(len, tokens)))
        words |= {w for t in tokens for w in t}
    assert longest <= 200
    assert sum(not regex.fullmatch(r" ?[A-Z][a-z]{3,}", w) for w in words) <= 150  # names of places aside


def test_sound_tasks_pass_the_ambiguity_check_and_an_answer_in_plain_sight_does_not(worlds):
    reasons = [DOMAIN.shortcut(t, worlds["mini"]) for t in tasks(worlds["mini"], "mini", n=300)]
    assert 0 < sum(map(bool, reasons)) < 45
    assert any("question" in r or "entry" in r for r in reasons)


def test_what_judges_a_task_cannot_be_reached_by_its_solver(worlds):
    for task in tasks(worlds["mini"], "mini"):
        shown = task.public()
        assert (shown.answer, shown.verifiers, shown.private, shown.evidence) == ("", (), {}, ())
        number = task.answer.split()[0]
        if not DOMAIN.shortcut(task, worlds["mini"]):
            assert number not in regex.findall(r"\d+(?:\.\d+)?", " ".join((*shown.plan, str(shown.setup))))
            env = DOMAIN.open(task, worlds["mini"])
            page = DOMAIN.call(env, ToolCall(name="scholar", arguments={"query": task.instruction})).text
            assert number not in regex.findall(r"\d+(?:\.\d+)?", page)


def test_bad_calls_are_answered_with_what_to_do(worlds):
    task = tasks(worlds["mini"], "mini", n=1)[0]
    world = Resources(worlds["mini"].graph, worlds["mini"].index, Local())
    env = DOMAIN.open(task, world)

    def said(name, **arguments):
        result = DOMAIN.call(env, ToolCall(name=name, arguments=arguments))
        assert not result.ok
        assert DOMAIN.verify_step(task, env, result).score == 0
        return result.text

    assert "NameError" in said("code", program="print(mass)")
    assert "SyntaxError" in said("code", program="print(1")
    assert "printed nothing" in said("code", program="x = 1")
    assert "longer than" in said("code", program="#" * 5000)
    assert "no entry" in said("scholar", query="zzz")
    assert "program" in said("code", text="1")


def test_scholar_finds_an_entry_by_more_words_than_its_name(worlds):
    task = next(t for t in tasks(worlds["mini"], "mini", levels=(3,)))
    title = task.plan[0].removeprefix("scholar ")
    found = DOMAIN.call(
        DOMAIN.open(task, worlds["mini"]),
        ToolCall(name="scholar", arguments={"query": f"density of {title}"}),
    )
    assert found.text.startswith(f"{title}: ")
    assert found.sources == (task.evidence[0].node,)


def test_written_reasoning_solves_the_tasks_without_tools(worlds):
    world = worlds["mini"]
    chosen = tasks(world, "mini", n=400, domain=WITHOUT_TOOLS)
    assert len(chosen) == 400
    for group in played(chosen, world, "mini", WITHOUT_TOOLS):
        (judged,) = group.judged
        assert judged.verdict.passed, judged.trajectory.answer
        assert len(judged.trajectory.turns) == 1
        first, *steps = judged.trajectory.turns[0].message.thought.split(" = ")[1:]
        assert first.count(" ") == 2
        assert len({round(evaluate(s, {}), 6) for s in steps}) == 1  # every written step has the same value
    env = DOMAIN.open(chosen[0], world)
    refused = DOMAIN.call(env, ToolCall(name="code", arguments={"program": "print(1)"}))
    assert "without tools" in refused.text
    with_tools = {t.instruction for t in tasks(world, "mini", levels=(1,), n=500)}
    assert with_tools.isdisjoint(t.instruction for t in chosen)
