"""The turn-limit rule: at a spent budget one turn is taken back, and the policy is asked for its answer."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest
import tiny
from towns import TOWNS, graph_of, resources_of

from openhorizon.chat.chat import Chat
from openhorizon.chat.wire import write
from openhorizon.domains.domain import Domain, Resources, Size
from openhorizon.engines.engine import Request
from openhorizon.engines.scripted import ScriptedEngine
from openhorizon.records import Completion, Limits, Message, Status, Task, ToolCall, Trajectory
from openhorizon.rollout.batch import play_experts
from openhorizon.rollout.play import Play
from openhorizon.training.samples import exact_sample, exact_samples, message_sample

ASK = "You have no turns left. Give your answer now."
ASKED: Domain = replace(TOWNS, last_call=ASK)
TOOLS = tuple(t.schema for t in TOWNS.tools)
# a template that keeps thoughts only behind the last user's message, as stock Qwen templates do
FORGETFUL = str(tiny.chat().tokenizer.chat_template).replace(
    "{%- if message.reasoning_content %}", "{%- if message.reasoning_content and loop.index0 > last.at %}"
).replace(
    "{%- for message in messages %}",
    "{%- set last = namespace(at=-1) %}{%- for m in messages %}{%- if m.role == 'user' %}"
    "{%- set last.at = loop.index0 %}{%- endif %}{%- endfor %}{%- for message in messages %}",
    1,
)  # fmt: skip


@pytest.fixture(scope="module")
def resources() -> Resources:
    return resources_of(graph_of())


class Looks:
    """An exact engine that looks things up until it is asked, then says `answer` (or looks on, if that is None)."""

    exact, policy = True, "looks"

    def __init__(
        self, answer: str | None = "Cedar Hill", thought: str = "", chat: Chat | None = None, calls: int = 1
    ):
        self.answer, self.thought, self.chat, self.calls = answer, thought, chat or tiny.chat(), calls
        self.requests: list[Request] = []

    async def complete(self, request: Request) -> Completion:
        self.requests.append(request)
        if request.messages[-1].content == ASK and self.answer is not None:
            message = Message(role="assistant", content=self.answer)
        else:
            towns = tuple(
                ToolCall(name="find", arguments={"town": f"{request.turn} {n}"}) for n in range(self.calls)
            )
            message = Message(role="assistant", thought=self.thought, calls=towns)
        ids = self.chat.message_ids(message)[: request.max_tokens]
        finish = "stop" if ids[-1] == self.chat.eos_id else "length"
        return Completion(
            text=self.chat.text(ids), token_ids=ids, logprobs=(-0.5,) * len(ids), finish=finish, policy=self.policy
        )  # fmt: skip

    def forget(self, attempt: str) -> None: ...


def played(
    engine: Looks, resources: Resources, limits: Limits, domain: Domain = ASKED, size: Size = "full"
) -> Trajectory:
    task = msgspec.structs.replace(tiny.tasks()[0], limits=limits)
    play = Play(engine, resources, size, chat=engine.chat)
    (group,) = play_experts([task], domain, play)
    return group.judged[0].trajectory


ROOMY = Limits(turns=99, tool_calls=99, response_tokens=64, context_tokens=99_999)
SPENT = [
    (msgspec.structs.replace(ROOMY, turns=4), "turn budget spent", 4),
    (msgspec.structs.replace(ROOMY, tool_calls=4), "tool call budget spent", 4),
    (msgspec.structs.replace(ROOMY, context_tokens=420), "context budget spent", None),
]


@pytest.mark.parametrize(("limits", "reason", "turns"), SPENT)
def test_at_a_spent_budget_one_turn_is_taken_back_and_the_answer_is_asked_for(
    resources, limits, reason, turns
):
    engine = Looks()
    run = played(engine, resources, limits)
    assert (run.status, run.reason) == (Status.FINISHED, f"{reason}; answered when asked")
    assert run.answer == "Cedar Hill"
    assert turns is None or len(run.turns) == turns
    assert [t.reply for t in run.turns[-2:]] == [ASK, ""]
    asked = engine.requests[-1]
    assert [m.role for m in asked.messages[-3:]] == ["assistant", "tool", "user"]
    assert asked.turn == len(run.turns) - 1
    # law 1: the turns' tokens are what the engine saw; the turn that was taken back is not among them
    ids: tuple[int, ...] = ()
    for turn in run.turns:
        ids += turn.context_ids
        seen = [r for r in engine.requests if r.token_ids == ids]
        assert len(seen) == 1
        ids += turn.completion.token_ids
    back = len(engine.requests) - len(run.turns)  # turns taken back: what was written in them stands nowhere
    assert back == 1 if turns else back > 1
    # law 2: trained on is what was written, and only in the turns that stand
    sample = exact_sample(run)
    assert sample.token_ids == ids
    assert len(ids) <= limits.context_tokens
    written = tuple(i for i, m in zip(ids, sample.loss_mask, strict=True) if m)
    assert written == sum((t.completion.token_ids for t in run.turns), ())
    made = message_sample(run, engine.chat, TOOLS)
    assert (made.token_ids, made.loss_mask) == (sample.token_ids, sample.loss_mask)


def test_a_response_cut_by_the_context_is_a_spent_context(resources):
    engine = Looks(calls=3)
    limits = msgspec.structs.replace(ROOMY, context_tokens=480, response_tokens=200)
    run = played(engine, resources, limits)
    assert run.reason == "context budget spent; answered when asked"
    assert all(t.completion.finish == "stop" for t in run.turns)
    assert len(exact_sample(run).token_ids) <= 480


@pytest.mark.parametrize(
    ("engine", "why"),
    [
        (Looks(answer=None), "asked for the answer, it gave none"),
        (Looks(answer=""), "asked for the answer, it gave none"),
        (Looks(answer="Cedar Hill " * 99), "the answer asked for was cut off"),
    ],
)
def test_who_still_gives_no_answer_is_truncated(resources, engine, why):
    run = played(engine, resources, SPENT[0][0])
    assert (run.status, run.answer) == (Status.TRUNCATED, "")
    assert run.reason == f"turn budget spent; {why}"
    assert run.turns[-1].results == ()


@pytest.mark.parametrize(("limits", "reason", "turns"), SPENT)
def test_mini_tasks_and_domains_without_a_last_call_end_at_the_budget(resources, limits, reason, turns):
    cases: tuple[tuple[Domain, Size], ...] = ((ASKED, "mini"), (TOWNS, "full"), (TOWNS, "mini"))
    for domain, size in cases:
        run = played(Looks(), resources, limits, domain, size)
        assert run.status is Status.TRUNCATED
        assert run.reason.endswith("budget spent")
        assert not any(t.reply for t in run.turns)


def test_a_first_turn_is_never_taken_back(resources):
    run = played(Looks(), resources, msgspec.structs.replace(ROOMY, tool_calls=1))
    assert (run.status, len(run.turns)) == (Status.TRUNCATED, 1)


def test_as_many_turns_are_taken_back_as_the_answer_needs_room(resources):
    engine = Looks(answer="Cedar Hill " * 20)
    limits = msgspec.structs.replace(ROOMY, context_tokens=480, response_tokens=150)
    run = played(engine, resources, limits)
    assert run.status is Status.FINISHED
    assert len(engine.requests) > len(run.turns) + 1
    assert len(exact_sample(run).token_ids) <= 480


def forgetful() -> Chat:
    tokenizer = tiny.chat().tokenizer.__class__(
        tokenizer_object=tiny.chat().tokenizer.backend_tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>",
        chat_template=FORGETFUL,
    )  # fmt: skip
    return Chat(tokenizer)


def test_where_a_users_message_changes_earlier_turns_the_answer_starts_a_new_segment(resources):
    chat = forgetful()
    assert tiny.chat().appends_user(thoughts=True)
    assert not chat.appends_user(thoughts=True)
    assert chat.appends_user(thoughts=False)
    engine = Looks(thought="read the town", chat=chat)
    run = played(engine, resources, SPENT[0][0])
    assert (run.status, run.reason) == (
        Status.FINISHED, "turn budget spent; answered when asked, in a new token segment",
    )  # fmt: skip
    assert [t.fresh for t in run.turns] == [False] * 3 + [True]
    first, second = exact_samples(run, advantage=2.0)
    assert second.token_ids == run.turns[-1].context_ids + run.turns[-1].completion.token_ids
    assert engine.requests[-1].token_ids == run.turns[-1].context_ids
    assert "read the town" in chat.text(first.token_ids)
    assert "read the town" not in chat.text(second.token_ids)
    assert sum(second.loss_mask) == len(run.turns[-1].completion.token_ids)
    assert sum(first.loss_mask) == sum(len(t.completion.token_ids) for t in run.turns[:-1])
    with pytest.raises(ValueError, match="2 token segments"):
        exact_sample(run)
    # the new context is what the template makes of the whole conversation
    shown = [
        {"role": m.role, "content": write(msgspec.structs.replace(m, thought=""))} | ({"reasoning_content": m.thought} if m.thought else {})
        for m in engine.requests[-1].messages
    ]  # fmt: skip
    tools: list[Any] = [
        {"type": "function", "function": {"name": t.name, "parameters": t.parameters}} for t in TOOLS
    ]
    whole = chat.tokenizer.apply_chat_template(shown, tools=tools, add_generation_prompt=True, tokenize=False)
    assert chat.text(run.turns[-1].context_ids).replace("<|im_end|>", "") == str(whole).replace(
        "<|im_end|>", ""
    )


def test_an_expert_hears_the_last_call(resources):
    heard: list[str] = []

    def script(task: Task):
        seen = None
        while not (seen and seen.reply):
            call = ToolCall(name="find", arguments={"town": "x"})
            seen = yield Message(role="assistant", calls=(call,))
        heard.append(seen.reply)
        yield Message(role="assistant", content="Cedar Hill")

    task = msgspec.structs.replace(tiny.tasks()[0], limits=SPENT[0][0])
    play = Play(ScriptedEngine(lambda name: script(task)), resources, "full")
    (group,) = play_experts([task], ASKED, play)
    assert heard == [ASK]
    assert group.judged[0].trajectory.reason == "turn budget spent; answered when asked"
