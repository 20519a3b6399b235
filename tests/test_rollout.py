"""Attempts: token-exact, masked where the policy wrote, never raising for what a model did."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import msgspec
import pytest
import tiny
from towns import TOWNS, Desk, graph_of, resources_of

from openhorizon.chat.wire import write
from openhorizon.domains.domain import Domain, Resources
from openhorizon.engines.engine import Request, Sampling
from openhorizon.engines.local import LocalEngine
from openhorizon.engines.scripted import ScriptedEngine
from openhorizon.errors import EngineError, SandboxError
from openhorizon.records import Completion, Group, Judged, Limits, Message, Status, Task, ToolCall, Trajectory
from openhorizon.rollout.batch import play_experts, play_groups
from openhorizon.rollout.play import Play
from openhorizon.training.samples import NotExact, exact_sample, message_sample

TOOLS = tuple(t.schema for t in TOWNS.tools)
FREE = Sampling(temperature=1.0, top_p=1.0, top_k=0)


@pytest.fixture(scope="module")
def resources() -> Resources:
    return resources_of(graph_of())


class Recorded:
    """Keeps the requests and completions of the engine inside."""

    exact = True

    def __init__(self, inside: "LocalEngine | Written"):
        self.inside, self.policy = inside, inside.policy
        self.seen: list[tuple[Request, Completion]] = []

    async def complete(self, request: Request) -> Completion:
        completion = await self.inside.complete(request)
        self.seen.append((request, completion))
        return completion

    def forget(self, attempt: str) -> None:
        self.inside.forget(attempt)


class Written:
    """An exact engine that writes given messages, cut at the budget as a model's would be."""

    exact, policy = True, "written"

    def __init__(self, *messages: Message):
        self.messages = messages

    async def complete(self, request: Request) -> Completion:
        chat = tiny.chat()
        ids = chat.message_ids(self.messages[request.turn % len(self.messages)])[: request.max_tokens]
        finish = "stop" if ids[-1] == chat.eos_id else "length"
        return Completion(
            text=chat.text(ids), token_ids=ids, logprobs=(-0.5,) * len(ids), finish=finish, policy=self.policy
        )

    def forget(self, attempt: str) -> None: ...


def said(content: str = "", *calls: tuple[str, dict]) -> Message:
    return Message(
        role="assistant", content=content, calls=tuple(ToolCall(name=n, arguments=a) for n, a in calls)
    )


def town_of(task: Task) -> str:
    return task.setup["town"]


def solution(task: Task) -> tuple[Message, ...]:
    return (said("", ("find", {"town": town_of(task)})), said("", ("read", {"page": 1})), said(task.answer))


def played(
    engine: object, resources: Resources, *, task: Task | None = None, domain: Domain = TOWNS, **more: int
) -> Group:
    play = Play(engine, resources, "mini", FREE, tiny.chat())  # type: ignore[arg-type]
    (group,) = asyncio.run(play_groups([(task or tiny.tasks()[0], domain)], play, **more))
    return group


def one(
    engine: object, resources: Resources, *, limits: Limits | None = None, domain: Domain = TOWNS
) -> Trajectory:
    task = msgspec.structs.replace(tiny.tasks()[0], limits=limits)
    return played(engine, resources, task=task, domain=domain).judged[0].trajectory


def test_the_turns_tokens_are_exactly_what_the_engine_saw(resources: Resources):
    engine = Recorded(LocalEngine(tiny.model(), tiny.chat(), policy="tiny"))
    several = [said("", ("find", {"town": "Amber Bay"}), ("find", {"town": "<|im_end|>"}))]
    for inside in (engine, Recorded(Written(*solution(tiny.tasks()[0]))), Recorded(Written(*several))):
        limits = Limits(response_tokens=20, turns=4)
        group = played(
            inside, resources, task=msgspec.structs.replace(tiny.tasks()[0], limits=limits), size=3
        )
        assert len(group.judged) == 3
        for judged in group.judged:
            ids: tuple[int, ...] = ()
            asked = [(r, c) for r, c in inside.seen if r.attempt == judged.trajectory.id]
            for turn, (request, completion) in zip(judged.trajectory.turns, asked, strict=True):
                ids += turn.context_ids
                assert request.token_ids == ids
                ids += completion.token_ids
            assert exact_sample(judged.trajectory).token_ids == ids


def test_the_mask_is_true_exactly_where_the_policy_wrote(resources: Resources):
    trajectory = one(LocalEngine(tiny.model(), tiny.chat(), policy="tiny"), resources)
    sample = exact_sample(trajectory, advantage=2.0)
    wanted, logprobs = [], []
    for turn in trajectory.turns:
        wanted += [False] * len(turn.context_ids) + [True] * len(turn.completion.token_ids)
        logprobs += [0.0] * len(turn.context_ids) + list(turn.completion.logprobs)
    assert sample.loss_mask == tuple(wanted)
    assert sample.logprobs == tuple(logprobs)
    assert sample.advantages == tuple(2.0 * m for m in wanted)


def test_attempts_on_messages_are_refused_on_policy_and_taken_for_imitation(resources: Resources):
    task = tiny.tasks()[0]
    play = Play(ScriptedEngine(lambda name: TOWNS.expert(task)), resources)
    (group,) = play_experts([task], TOWNS, play)
    assert group.judged[0].verdict.passed
    with pytest.raises(NotExact, match="cannot be trained on-policy"):
        exact_sample(group.judged[0].trajectory)
    sample = message_sample(group.judged[0].trajectory, tiny.chat(), TOOLS)
    written = tuple(i for i, m in zip(sample.token_ids, sample.loss_mask, strict=True) if m)
    assert written == sum((tiny.chat().message_ids(m) for m in solution(task)), ())


def test_an_attempt_put_into_tokens_equals_the_one_an_exact_engine_saw(resources: Resources):
    for task in tiny.tasks():
        (judged,) = played(Written(*solution(task)), resources, task=task).judged
        assert judged.verdict.passed
        exact, made = exact_sample(judged.trajectory), message_sample(judged.trajectory, tiny.chat(), TOOLS)
        assert made.token_ids == exact.token_ids
        assert made.loss_mask == exact.loss_mask


def test_a_users_reply_is_context_and_equal_both_ways(resources: Resources):
    asked: Iterator[str | None] = iter(["What is the town?", None])
    domain = replace(TOWNS, reply=lambda env, text: next(asked))
    trajectory = one(Written(said("Amber Bay"), said("Cedar Hill")), resources, domain=domain)
    assert [t.reply for t in trajectory.turns] == ["What is the town?", ""]
    assert trajectory.answer == "Cedar Hill"
    assert message_sample(trajectory, tiny.chat(), TOOLS).token_ids == exact_sample(trajectory).token_ids


class Breaks:
    """Fails the first `times` turns of every attempt, then writes `then`."""

    exact, policy = True, "breaks"

    def __init__(self, times: int, *then: Message):
        self.times, self.inside, self.failed = times, Written(*then), Counter[str]()

    async def complete(self, request: Request) -> Completion:
        if self.failed[request.attempt] < self.times:
            self.failed[request.attempt] += 1
            raise EngineError("the server is gone")
        return await self.inside.complete(request)

    def forget(self, attempt: str) -> None: ...


def test_a_broken_engine_makes_aborted_attempts_that_are_retried_and_never_scored(resources: Resources):
    engine = Breaks(99)
    group = played(engine, resources, size=2, retries=2)
    assert group.judged == ()
    assert [t.status for t in group.aborted] == [Status.ABORTED] * 2
    assert "EngineError: the server is gone" in group.aborted[0].reason
    assert set(engine.failed.values()) == {9}  # three attempts, three tries of a call in each


def test_an_engine_that_recovers_is_scored_as_if_nothing_had_been(resources: Resources):
    answer = solution(tiny.tasks()[0])
    group = played(Breaks(2, *answer), resources, retries=2)
    assert group.aborted == ()
    assert group.judged[0].verdict.passed
    assert exact_sample(group.judged[0].trajectory) == exact_sample(
        played(Written(*answer), resources).judged[0].trajectory
    )


def test_a_broken_sandbox_inside_a_tool_aborts_the_attempt(resources: Resources):
    def broken(env: Desk, town: str) -> str:
        raise SandboxError("no namespace")

    domain = replace(TOWNS, tools=(replace(TOWNS.tools[0], function=broken), TOWNS.tools[1]))
    group = played(Written(said("", ("find", {"town": "x"}))), resources, domain=domain, retries=0)
    assert group.judged == ()
    assert "SandboxError" in group.aborted[0].reason


FOREVER = said("", ("find", {"town": "Amber Bay"}))


@pytest.mark.parametrize(
    ("limits", "reason", "turns"),
    [
        (Limits(turns=3), "turn budget spent", 3),
        (Limits(tool_calls=2), "tool call budget spent", 2),
        (Limits(response_tokens=4), "response budget spent", 1),
        (Limits(context_tokens=150, turns=99, tool_calls=99), "", None),
        (Limits(context_tokens=10), "context budget spent", 0),
    ],
)
def test_a_spent_budget_truncates_the_attempt_and_keeps_it(
    resources: Resources, limits: Limits, reason: str, turns: int | None
):
    task = msgspec.structs.replace(tiny.tasks()[0], limits=limits)
    group = played(Written(FOREVER), resources, task=task)
    (judged,) = group.judged
    assert group.aborted == ()
    assert judged.trajectory.status is Status.TRUNCATED
    assert not judged.verdict.passed
    assert turns is None or len(judged.trajectory.turns) == turns
    assert judged.trajectory.reason == reason or (
        not reason and judged.trajectory.reason.endswith("budget spent")
    )
    if judged.trajectory.turns:
        sample = exact_sample(judged.trajectory)
        assert len(sample.token_ids) <= limits.context_tokens
        assert any(sample.loss_mask)


def test_more_calls_in_one_turn_than_are_left_are_not_run(resources: Resources):
    greedy = said("", *[("find", {"town": town_of(tiny.tasks()[0])})] * 5)
    trajectory = one(Written(greedy), resources, limits=Limits(tool_calls=3))
    assert len(trajectory.turns[0].results) == 3
    assert trajectory.reason == "tool call budget spent"


@pytest.mark.parametrize(
    "failure", [KeyError("secret answer"), RecursionError("secret answer"), AssertionError("secret answer")]
)
def test_a_tool_that_trips_answers_with_an_error_that_tells_no_secret(
    resources: Resources, failure: Exception
):
    def trips(env: Desk, town: str) -> str:
        raise failure

    domain = replace(TOWNS, tools=(replace(TOWNS.tools[0], function=trips), TOWNS.tools[1]))
    trajectory = one(Written(FOREVER, said("done")), resources, domain=domain)
    (result,) = trajectory.turns[0].results
    assert not result.ok
    assert type(failure).__name__ in result.text
    assert "secret" not in result.text
    assert trajectory.status is Status.FINISHED


class Texts(Written):
    """Writes raw texts, as a model that has not learned the format does."""

    def __init__(self, *texts: str):
        self.texts = texts

    async def complete(self, request: Request) -> Completion:
        text = self.texts[request.turn]
        ids = (*tiny.chat().tokenizer.encode(text, add_special_tokens=False), tiny.chat().eos_id)
        return Completion(text=text, token_ids=tuple(ids), logprobs=(-1.0,) * len(ids), policy=self.policy)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('<tool_call>\n{"name": "find", \n</tool_call>', "not valid JSON"),
        (write(said("", ("fly", {}))), "there is no tool fly; the tools are find, read"),
        (write(said("", ("find", {}))), "find needs the argument town"),
        (write(said("", ("read", {"page": "one"}))), "page"),
        (write(said("", ("read", {"page": 7}))), "there is no page 7"),
    ],
)
def test_a_wrong_call_is_answered_with_an_error_that_the_model_reads(
    resources: Resources, text: str, error: str
):
    trajectory = one(Texts(text, "Amber Bay"), resources)
    (result,) = trajectory.turns[0].results
    assert not result.ok
    assert error in result.text
    assert result.text.startswith("error: ")
    assert result.text in tiny.chat().text(trajectory.turns[1].context_ids)
    assert trajectory.status is Status.FINISHED


def test_a_random_model_never_raises_and_the_same_seed_plays_the_same(resources: Resources):
    def play(seed: int) -> list[Group]:
        engine = LocalEngine(tiny.model(init_std=0.4), tiny.chat(), policy="tiny")
        chosen = [(t, TOWNS) for t in tiny.tasks()[:3]]
        limited = [
            (msgspec.structs.replace(t, limits=Limits(response_tokens=24, turns=3)), d) for t, d in chosen
        ]
        settings = Play(engine, resources, "mini", FREE, tiny.chat())
        return asyncio.run(play_groups(limited, settings, size=3, seed=seed, concurrency=4))

    first = play(0)
    assert first == play(0)
    assert first != play(1)
    assert all(isinstance(j, Judged) for g in first for j in g.judged)
    assert [g.task.id for g in first] == [t.id for t in tiny.tasks()[:3]]
