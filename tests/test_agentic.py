"""The agentic domain: the expert passes, breaking the policy or doing nothing fails, the customer tells only what is asked."""

import itertools
import time

import pytest

from openhorizon.chat.tiny import MARKS, SCAFFOLD
from openhorizon.chat.wire import write
from openhorizon.domains.agentic import DOMAIN
from openhorizon.domains.agentic.goal import Goal
from openhorizon.domains.domain import Order, Resources
from openhorizon.domains.names import FIRST, SECOND, split_of
from openhorizon.engines.scripted import ScriptedEngine
from openhorizon.graph.graph import Graph
from openhorizon.records import Edge, Message, Node, Split, Status, Task, ToolCall, from_json
from openhorizon.rollout.batch import play_experts
from openhorizon.rollout.play import Play

BOTH = ("mini",)


def graph_of(size):
    material = list(DOMAIN.material(0, size))
    return Graph([m for m in material if isinstance(m, Node)], [m for m in material if isinstance(m, Edge)])


RESOURCES = {size: Resources(graph=graph_of(size), index=None, sandbox=None) for size in BOTH}


def proposals(size, split, n, level=None):
    order = Order(split=split, seed=3, size=size, levels=(1, 2, 3) if level is None else (level,))
    return list(itertools.islice(DOMAIN.propose(RESOURCES[size].graph, order), n))


def sound(size, split, n, level=None):
    tasks = proposals(size, split, n + n // 3, level)
    return [t for t in tasks if not DOMAIN.shortcut(t, RESOURCES[size])][:n]


def play(tasks, script, size="mini"):
    """The judged attempts of `script(task)` at the tasks."""
    by_id = {t.id: t for t in tasks}
    engine = ScriptedEngine(lambda attempt: script(by_id[attempt.split("@")[0]]))
    groups = play_experts(tasks, DOMAIN, Play(engine=engine, resources=RESOURCES[size], size=size))
    return [g.judged[0] for g in groups]


def said(*messages):
    """A script that says these messages whatever it sees."""

    def script(task):
        for message in messages:
            _ = yield message

    return script


def calls(*pairs, content=""):
    return Message(
        role="assistant", content=content, calls=tuple(ToolCall(name=n, arguments=a) for n, a in pairs)
    )


def tells(text):
    return Message(role="assistant", content=text)


def goal_of(task: Task) -> Goal:
    return from_json(task.private["goal"], Goal)


def first(predicate, level=None, size="mini"):
    return next(t for t in sound(size, Split.TRAIN, 400, level) if predicate(t))


@pytest.mark.parametrize("size", BOTH)
@pytest.mark.parametrize("split", Split)
@pytest.mark.parametrize("level", [1, 2, 3])
def test_the_expert_passes_with_every_part(size, split, level):
    tasks = sound(size, split, 60, level)
    assert len(tasks) == 60
    for task, judged in zip(tasks, play(tasks, lambda t: DOMAIN.expert(t.public()), size)):
        assert judged.trajectory.status is Status.FINISHED
        assert judged.verdict.passed, (task.instruction, judged.verdict.why)
        assert judged.verdict.score == 1.0
        consulted = {s for turn in judged.trajectory.turns for r in turn.results for s in r.sources}
        assert {e.node for e in task.evidence} <= consulted
        assert all(e.node in RESOURCES[size].graph for e in task.evidence)


@pytest.mark.parametrize("size", BOTH)
def test_saying_something_without_doing_anything_fails_also_where_nothing_may_be_done(size):
    for task in sound(size, Split.TRAIN, 90):
        for judged in play([task], said(Message(role="assistant"))):
            assert not judged.verdict.passed
        for guess in DOMAIN.guesses(task):
            assert not play([task], said(tells(guess)), size)[0].verdict.passed, guess


def test_a_refusal_with_the_right_reason_but_without_a_look_fails():
    task = first(lambda t: t.answer.endswith("refuse") and t.plan[0] == "told", 2)
    request = goal_of(task).requests[0]
    row = next(r for r in task.setup["items"] if r["id"] == request.id)
    text = tells(f"{request.id} is {row['status']}. I can not {request.act} {request.id}.")
    blind = play([task], said(text))[0].verdict
    assert (blind.passed, blind.parts["told"], blind.parts["state"]) == (False, 0.0, 1.0)
    looked = play([task], said(calls(("look", {"id": request.id})), text))[0].verdict
    assert looked.passed
    assert looked.parts["checked"] == 0.0
    assert looked.score < 1


def test_a_refusal_with_the_wrong_reason_fails():
    task = first(lambda t: t.answer.endswith("refuse") and t.plan[0] == "told", 2)
    request = goal_of(task).requests[0]
    row = next(r for r in task.setup["items"] if r["id"] == request.id)
    other = next(s for s in ("new", "packed", "sent", "done") if s != row["status"])
    look = calls(("look", {"id": request.id}), ("policy", {"topic": request.act}))
    for reason in (
        f"{request.id} is {other}.",
        f"{request.id} is {row['status']}. {request.id} is {other}.",
        "",
    ):
        text = f"{reason} I can not {request.act} {request.id}."
        assert not play([task], said(look, tells(text)))[0].verdict.passed, text


def test_doing_what_the_policy_forbids_fails_and_its_step_is_marked():
    task = first(lambda t: t.answer.endswith("refuse") and t.plan == ("told", "cancel"), 2)
    id = goal_of(task).requests[0].id
    script = said(
        calls(("look", {"id": id}), ("policy", {"topic": "cancel"})),
        calls(("cancel", {"id": id})),
        tells(f"{id} is cancelled."),
    )
    judged = play([task], script)[0]
    assert not judged.verdict.passed
    assert judged.verdict.parts["state"] == judged.verdict.parts["harmless"] == 0.0
    assert judged.trajectory.turns[0].verdict is None
    assert judged.trajectory.turns[1].verdict.score == 0.0


def test_a_write_beside_the_right_one_fails():
    task = first(lambda t: t.answer.endswith("do") and t.plan == ("told", "cancel"), 1)
    id = goal_of(task).requests[0].id
    other = next(r["id"] for r in task.setup["items"] if r["id"] != id)
    look = calls(("look", {"id": id}), ("policy", {"topic": "cancel"}))
    right = [look, calls(("cancel", {"id": id})), tells(f"{id} is cancelled.")]
    assert play([task], said(*right))[0].verdict.passed
    right.insert(2, calls(("escalate", {"id": other})))
    assert play([task], said(*right))[0].verdict.parts["harmless"] == 0.0


def test_a_claim_that_is_not_true_and_silence_about_what_was_done_fail():
    task = first(lambda t: t.answer.endswith("do") and t.plan == ("told", "cancel"), 1)
    id = goal_of(task).requests[0].id
    look = calls(("look", {"id": id}), ("policy", {"topic": "cancel"}))
    assert not play([task], said(look, tells(f"{id} is cancelled.")))[0].verdict.passed
    done = calls(("cancel", {"id": id}))
    for text in ("all is well.", f"{id} is cancelled. {id} is refunded.", f"{id} is not cancelled."):
        verdict = play([task], said(look, done, tells(text)))[0].verdict
        assert (verdict.parts["state"], verdict.passed) == (1.0, False), text


def test_a_refund_of_a_wrong_amount_fails():
    task = first(lambda t: t.answer.endswith("do") and t.plan == ("told", "refund"), 1)
    id = goal_of(task).requests[0].id
    total = next(r["total"] for r in task.setup["items"] if r["id"] == id)
    for amount, passed in ((total, True), (total - 1, False)):
        script = said(
            calls(("look", {"id": id}), ("policy", {"topic": "refund"})),
            calls(("refund", {"id": id, "amount": amount})),
            tells(f"{id} is refunded."),
        )
        assert play([task], script)[0].verdict.passed is passed


def test_guessing_what_the_customer_left_out_fails_even_when_it_is_right():
    task = first(lambda t: t.plan == ("ask", "cancel") and t.answer.endswith("do"), 2)
    id = goal_of(task).requests[0].id
    script = said(
        calls(("look", {"id": id}), ("policy", {"topic": "cancel"})),
        calls(("cancel", {"id": id})),
        tells(f"{id} is cancelled."),
    )
    verdict = play([task], script)[0].verdict
    assert (verdict.parts["state"], verdict.parts["asked"], verdict.passed) == (1.0, 0.0, False)


def test_the_customer_tells_what_is_asked_and_no_more_and_has_limited_patience():
    task = first(lambda t: t.plan == ("ask", "move") and "id" in goal_of(t).missing, 2)
    goal = goal_of(task)
    env = DOMAIN.open(task, RESOURCES["mini"])
    assert str(goal.requests[0].id) not in task.instruction
    assert DOMAIN.reply(env, "what is your shoe size?") == "I do not know."
    assert DOMAIN.reply(env, "which order?") == f"order {goal.requests[0].id}."
    assert DOMAIN.reply(env, "which address?") == f"to {goal.requests[0].to}."
    assert DOMAIN.reply(env, "which order?") is None
    assert DOMAIN.reply(env, "it is moved.") is None
    env.close()


def test_endless_questions_end():
    task = sound("mini", Split.TRAIN, 1)[0]
    judged = play([task], said(*[tells("which order?")] * 20))[0]
    assert judged.trajectory.status is Status.FINISHED
    assert len(judged.trajectory.turns) == 4
    assert not judged.verdict.passed


def test_the_new_address_stands_nowhere_but_with_the_customer():
    task = first(lambda t: t.plan == ("ask", "move") and goal_of(t).missing == ("place",), 2)
    to = goal_of(task).requests[0].to
    env = DOMAIN.open(task, RESOURCES["mini"])
    seen = [
        DOMAIN.call(env, ToolCall(name="policy", arguments={"topic": a})).text
        for a in ("cancel", "move", "refund")
    ]
    for row in task.setup["items"]:
        seen.append(DOMAIN.call(env, ToolCall(name="look", arguments={"id": row["id"]})).text)
        seen.append(DOMAIN.call(env, ToolCall(name="find", arguments={"name": row["owner"]})).text)
    env.close()
    assert to not in task.instruction
    assert not [s for s in seen if to in s]
    assert to not in str(task.public().setup)


def test_the_public_plan_does_not_say_whether_the_wish_is_granted():
    for size in BOTH:
        told = [t for t in proposals(size, Split.TRAIN, 400) if t.plan[0] == "told"]
        assert {t.answer.split()[-1] for t in told} >= {"do", "refuse"}
        assert not any(word in t.id for t in told for word in ("forbidden", "refuse", "stranger", "escalate"))


BAD = [
    ("look", {}, "look needs the argument id"),
    ("look", {"id": 7}, "there is no 7"),
    ("look", {"id": 10**30}, "there is no"),
    ("look", {"id": "the first"}, "id must be a integer"),
    ("find", {"name": "'; DROP TABLE items; --"}, "there is no customer"),
    ("policy", {"topic": "steal"}, "topic must be one of cancel, move, refund"),
    ("drop", {}, "there is no tool drop"),
]


@pytest.mark.parametrize(("name", "arguments", "message"), BAD)
def test_a_bad_call_is_answered_with_what_is_wrong(name, arguments, message):
    task = sound("mini", Split.TRAIN, 1)[0]
    env = DOMAIN.open(task, RESOURCES["mini"])
    before = env.state()
    result = DOMAIN.call(env, ToolCall(name=name, arguments=arguments))
    assert not result.ok
    assert message in result.text
    assert env.state() == before
    env.close()


def test_impossible_writes_are_refused_by_the_service():
    task = sound("mini", Split.TRAIN, 1)[0]
    row = task.setup["items"][0]
    env = DOMAIN.open(task, RESOURCES["mini"])

    def call(name, **arguments):
        return DOMAIN.call(env, ToolCall(name=name, arguments={"id": row["id"], **arguments}))

    assert f"between 1 and {row['total']}" in call("refund", amount=row["total"] + 1).text
    assert "an address or a day" in call("move", to=" ").text
    assert call("cancel").ok
    assert "cancelled already" in call("cancel").text
    env.close()


def test_opening_a_service_costs_next_to_nothing():
    tasks = sound("mini", Split.TRAIN, 100)
    began = time.perf_counter()
    for task in tasks:
        DOMAIN.open(task, RESOURCES["mini"]).close()
    # 0.15 ms where nothing else runs; the rest is room for a busy machine
    assert (time.perf_counter() - began) / len(tasks) < 0.0015


def test_odd_tasks_are_refused_for_what_is_wrong_with_them():
    reasons = [DOMAIN.shortcut(t, RESOURCES["mini"]) for t in proposals("mini", Split.TRAIN, 1500)]
    assert any("several items" in r for r in reasons)
    assert any("without doing" in r for r in reasons)
    assert sum(map(bool, reasons)) < 100


@pytest.mark.parametrize("size", BOTH)
def test_the_splits_share_no_name_and_no_number(size):
    entities = {}
    for split in Split:
        entities[split] = {e for t in proposals(size, split, 300) for e in t.entities}
        assert all(split_of(e) is split for e in entities[split])
    assert not entities[Split.TRAIN] & entities[Split.HELDOUT]


def test_there_are_enough_tasks_and_no_instruction_comes_twice():
    for split, enough in ((Split.TRAIN, 4000), (Split.HELDOUT, 1000)):
        tasks = proposals("mini", split, enough)
        assert len({t.instruction for t in tasks}) == len({t.id for t in tasks}) == enough
    assert proposals("mini", Split.TRAIN, 30) == proposals("mini", Split.TRAIN, 30)


def test_mini_attempts_are_short_and_of_few_words():
    regex = pytest.importorskip("regex")
    pieces = regex.compile(r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+")
    marks = regex.compile(
        "(" + "|".join(map(regex.escape, sorted([*SCAFFOLD, *MARKS], key=len, reverse=True))) + ")"
    )

    def tokens(text):
        cut = marks.split(text)
        return [t for p in cut for t in ([p] if marks.fullmatch(p) else pieces.findall(p))]

    words = set()
    tasks = sound("mini", Split.TRAIN, 300)
    for task, judged in zip(tasks, play(tasks, lambda t: DOMAIN.expert(t.public()))):
        turns = judged.trajectory.turns
        written = [tokens(write(t.message)) for t in turns]
        read = [tokens(text) for t in turns for text in (*(r.text for r in t.results), t.reply)]
        asked = [tokens(DOMAIN.brief), tokens(task.instruction)]
        assert sum(map(len, [*written, *read, *asked])) <= 200
        assert max(map(len, written)) <= 45
        assert max(map(len, read)) <= 45
        assert len(turns) <= 5
        words |= {t for part in [*written, *read, *asked] for t in part}
    assert len(words - {form for name in FIRST + SECOND for form in (name, f" {name}")}) <= 100
