"""The engine behind HTTP against servers that answer as vLLM, SGLang and hosted models do, break, lie and recover."""

import asyncio
import json
import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openhorizon.chat.wire import read
from openhorizon.engines.dialects import Messages, plain, seed_of
from openhorizon.engines.engine import Request, Sampling
from openhorizon.engines.http import HttpEngine, connect
from openhorizon.engines.servers import KEY, Servers
from openhorizon.errors import ConfigError, EngineError
from openhorizon.records import Message, ToolCall, ToolSchema

PURE = Sampling(temperature=1.0, top_p=1.0, top_k=0)
EOS = 2


class Words:
    """A chat of a hundred words: enough of `Chat` for an engine."""

    eos_id, vocabulary = EOS, 100

    def prompt_ids(self, messages, tools=()):
        return (7, 8, 9)

    def text(self, ids):
        return " ".join(f"w{i}" for i in ids if i != EOS)


class Fake:
    """A server. `answer(path, body)` gives what it says: a dict, or (status, dict or text), or raises."""

    def __init__(self, answer: Callable, models=("m",)):
        self.answer, self.models, self.asked, self.keys = answer, models, [], []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.keys.append(request.headers.get("authorization", ""))
        path = request.url.path
        if path == "/v1/models":
            return httpx.Response(200, json={"data": [{"id": m} for m in self.models]})
        body = json.loads(request.content)
        self.asked.append((path, body))
        said = self.answer(path, body)
        status, text = said if isinstance(said, tuple) else (200, said)
        headers = {"retry-after": "0"} if status == 429 else {}
        if isinstance(text, (dict, list)):
            return httpx.Response(status, json=text, headers=headers)
        return httpx.Response(status, text=text, headers=headers)


async def at_once(seconds: float) -> None:
    await asyncio.sleep(0)


def servers(*fakes, **more) -> Servers:
    hosts = {f"s{i}": fake for i, fake in enumerate(fakes)}
    transport = httpx.MockTransport(lambda request: hosts[request.url.host](request))
    return Servers([f"http://{h}" for h in hosts], transport=transport, sleep=at_once, **more)


def request(number: int = 0, turn: int = 0, **more) -> Request:
    given = {
        "token_ids": (7, 8, 9),
        "messages": (Message(role="user", content="hi"),),
        "max_tokens": 8,
        "sampling": PURE,
    }
    return Request(attempt=f"a{number}", turn=turn, **(given | more))


def complete(engine: HttpEngine, *requests: Request) -> list[Any]:
    async def all_of_them():
        return await asyncio.gather(*(engine.complete(r) for r in requests), return_exceptions=True)

    return asyncio.run(all_of_them())


def vllm(ids=(5, 6, EOS), processed=True, finish="stop", **changed):
    """vLLM's answer to any completion."""

    def answer(path, body):
        if path != "/v1/completions":
            return 404, {"error": "no such endpoint"}
        drawn = [5] if body["max_tokens"] == 1 else list(ids)[: body["max_tokens"]]
        sure = body.get("top_k") == 1 and processed
        choice = {
            "text": "", "token_ids": drawn, "prompt_token_ids": body["prompt"],
            "logprobs": {"token_logprobs": [0.0 if sure else -0.5] * len(drawn)},
            "finish_reason": "length" if len(drawn) < len(ids) else finish,
        }  # fmt: skip
        return {"choices": [choice | changed]}

    return answer


def sglang(path, body):
    if path != "/generate":
        return 404, "Not Found"
    ids = [5, 6, EOS][: body["sampling_params"]["max_new_tokens"]]
    rows = [[-0.25, i, None] for i in ids]
    finish = {"type": "stop" if ids[-1] == EOS else "length"}
    return {"text": "x", "meta_info": {"output_token_logprobs": rows, "finish_reason": finish}}


def chats(content="hello", finish="stop", **message):
    def answer(path, body):
        if path != "/v1/chat/completions":
            return 404, {"error": {"message": "unknown path"}}
        return {"choices": [{"message": {"content": content, **message}, "finish_reason": finish}]}

    return answer


def connected(*fakes, mode="auto", chat=True, **more) -> HttpEngine:
    return connect((), chat=Words() if chat else None, mode=mode, servers=servers(*fakes, **more))  # type: ignore[arg-type]


def test_a_vllm_server_is_spoken_to_in_token_ids_and_gives_them_back_with_log_probabilities():
    fake = Fake(vllm())
    engine = connected(fake)
    assert engine.exact
    assert engine.policy == "m"
    assert "token mode (vLLM)" in engine.said
    (turn,) = complete(engine, request())
    assert (turn.token_ids, turn.logprobs, turn.finish, turn.text) == (
        (5, 6, EOS),
        (-0.5,) * 3,
        "stop",
        "w5 w6",
    )
    path, body = fake.asked[-1]
    assert path == "/v1/completions"
    assert body["prompt"] == [7, 8, 9]
    assert body["stop_token_ids"] == [EOS]
    assert "top_k" not in body


def test_log_probabilities_of_the_bare_model_are_kept_only_where_it_is_what_is_sampled():
    engine = connected(Fake(vllm(processed=False)))
    assert "before temperature" in engine.said
    pure, cut = complete(engine, request(), request(1, sampling=Sampling()))
    assert pure.logprobs == (-0.5,) * 3
    assert cut.logprobs == ()
    assert cut.token_ids == (5, 6, EOS)


def test_an_sglang_server_is_found_behind_its_own_endpoint():
    fake = Fake(sglang)
    engine = connected(fake)
    assert engine.exact
    assert "SGLang" in engine.said
    (turn,) = complete(engine, request())
    assert (turn.token_ids, turn.logprobs) == ((5, 6, EOS), (-0.25,) * 3)
    assert fake.asked[-1][1]["input_ids"] == [7, 8, 9]


def test_a_server_without_token_ids_is_spoken_to_in_messages_and_says_why():
    engine = connected(Fake(chats()))
    assert not engine.exact
    assert "message mode" in engine.said
    assert "vLLM: " in engine.said
    with pytest.raises(ConfigError, match="no token mode at http://s0: vLLM"):
        connected(Fake(chats()), mode="token")
    assert "no tokenizer" in connected(Fake(vllm()), chat=False).said


def test_a_message_engine_carries_tools_calls_and_reasoning_both_ways():
    calls = [
        {"function": {"name": "look", "arguments": '{"at": "</tool_call> é"}'}},
        {"function": {"name": "look", "arguments": "{broken"}},
    ]
    fake = Fake(chats("I look.", "tool_calls", tool_calls=calls, reasoning_content="hm </think> well"))
    engine = connected(fake, mode="message")
    schema = ToolSchema(
        name="look", description="Look.", parameters={"type": "object", "properties": {}, "required": []}
    )
    before = (
        Message(role="user", content="q"),
        Message(
            role="assistant",
            thought="t",
            calls=(ToolCall(name="look", arguments={"at": "x"}),),
            malformed="no JSON",
        ),
        Message(role="tool", content="seen"),
        Message(role="tool", content="error: no JSON"),
    )
    (turn,) = complete(engine, request(messages=before, tools=(schema,), sampling=Sampling(top_k=20)))
    message = read(turn.text)
    assert message.thought == "hm  well"
    assert message.content == "I look."
    assert message.calls == (ToolCall(name="look", arguments={"at": "</tool_call> é"}),)
    assert message.malformed
    body = fake.asked[-1][1]
    assert body["tools"][0]["function"]["name"] == "look"
    assert body["top_k"] == 20
    user, said, seen, wrong = body["messages"]
    assert said["reasoning_content"] == "t"
    assert seen["tool_call_id"] == said["tool_calls"][0]["id"]
    assert json.loads(said["tool_calls"][0]["function"]["arguments"]) == {"at": "x"}
    assert wrong == {"role": "user", "content": "error: no JSON"}
    assert user["content"] == "q"


def test_a_field_that_the_server_refuses_is_left_out_from_then_on():
    def picky(path, body):
        if "top_k" in body:
            return 400, {"error": {"message": "Unrecognized request argument supplied: top_k"}}
        if "max_tokens" in body:
            return 400, {
                "error": {"message": "Unsupported parameter: 'max_tokens'; use 'max_completion_tokens'"}
            }
        return chats()(path, body)

    fake = Fake(picky)
    engine = connected(fake, mode="message")
    first, second = (
        complete(engine, request(sampling=Sampling())),
        complete(engine, request(1, sampling=Sampling())),
    )
    assert [t.text for t in (*first, *second)] == ["hello", "hello"]
    assert len(fake.asked) == 4
    assert fake.asked[-1][1]["max_completion_tokens"] == 8
    together = complete(
        connected(Fake(picky), mode="message"), *(request(n, sampling=Sampling()) for n in range(9))
    )
    assert [t.text for t in together] == ["hello"] * 9


def test_a_context_that_is_too_long_is_a_spent_budget_and_another_refusal_is_the_users():
    full = Fake(
        lambda path, body: (400, {"error": {"message": "This model's maximum context length is 4096 tokens"}})
    )
    (turn,) = complete(connected(full, mode="message"), request())
    assert (turn.text, turn.finish) == ("", "length")
    (error,) = complete(connected(Fake(lambda p, b: (400, "no such tool")), mode="message"), request())
    assert isinstance(error, ConfigError)
    assert "no such tool" in str(error)


@pytest.mark.parametrize(
    "wrong",
    [
        {"token_ids": [5, 100, EOS]}, {"token_ids": [5, -1, EOS]}, {"token_ids": None}, {"token_ids": []},
        {"logprobs": {"token_logprobs": [-1.0]}}, {"logprobs": {"token_logprobs": [-1.0, None, -1.0]}},
        {"logprobs": {"token_logprobs": [-1.0, 3.0, -1.0]}}, {"logprobs": None}, {"token_ids": [5, 6, 9]},
        {"prompt_token_ids": [7]}, {"token_ids": [5] * 9}, {"token_ids": "x"}, {"finish_reason": "abort", "token_ids": [5, 6, 7]},
    ],
)  # fmt: skip
def test_ids_and_log_probabilities_that_can_not_be_are_never_handed_on(wrong):
    engine, fake = connected(Fake(vllm())), Fake(vllm(**wrong))
    engine.servers._transport = httpx.MockTransport(fake)
    (found,) = complete(engine, request())
    assert isinstance(found, EngineError)
    assert len(fake.asked) == engine.servers.tries


@given(st.floats(allow_nan=True) | st.none())
def test_what_is_no_log_probability_raises(value):
    fake = vllm(logprobs={"token_logprobs": [value, value, value]})
    answer = json.dumps(fake("/v1/completions", {"max_tokens": 8, "prompt": [7, 8, 9]}))
    from openhorizon.engines.dialects import Vllm

    sound = value is not None and math.isfinite(value) and value <= 1e-3
    try:
        read_back = Vllm("m", Words(), True).read(answer.encode(), request())  # type: ignore[arg-type]
    except EngineError:
        assert not sound
    else:
        assert sound
        assert read_back.logprobs == (value,) * 3


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_answer_is_a_turn_or_an_engine_error(answer):
    for dialect in (Messages("m"),):
        try:
            dialect.read(answer, request())
        except EngineError:
            continue


def test_broken_answers_are_asked_for_again_and_a_sick_server_rests():
    now = SimpleNamespace(t=0.0)
    down = Fake(lambda path, body: (500, "boom"))
    up = Fake(chats())
    door = servers(down, up, clock=lambda: now.t, concurrency=4)
    engine = HttpEngine(door, Messages("m"), policy="m")
    turns = complete(engine, *(request(n) for n in range(40)))
    assert [t.text for t in turns] == ["hello"] * 40
    sick, well = door.state()
    assert sick.resting
    assert sick.rests >= 1
    assert well.answered == 40
    many = len(down.asked)
    complete(engine, *(request(n) for n in range(40)))
    assert len(down.asked) == many  # it is left alone while it rests
    now.t = 1000.0
    down.answer = chats()
    complete(engine, *(request(n + 100) for n in range(40)))
    assert door.state()[0].answered > 0  # and comes back
    assert len(down.asked) > many


def test_an_attempt_stays_with_the_server_that_holds_its_prefix():
    fakes = [Fake(chats()) for _ in range(3)]
    engine = HttpEngine(servers(*fakes), Messages("m"), policy="m")
    for turn in range(5):
        complete(engine, *(request(n, turn) for n in range(9)))
    whole = [{seed_of(request(n, turn)) for turn in range(5)} for n in range(9)]
    seen = [{b["seed"] for _, b in fake.asked} for fake in fakes]
    assert all(seen)
    assert sum(len(s) for s in seen) == 45
    assert all(any(mine <= s for s in seen) for mine in whole)  # every attempt at one server alone


def test_no_server_has_more_requests_under_way_than_it_may():
    busy = SimpleNamespace(now=0, most=0)

    async def handle(asked: httpx.Request) -> httpx.Response:
        busy.now += 1
        busy.most = max(busy.most, busy.now)
        await asyncio.sleep(0.002)
        busy.now -= 1
        return httpx.Response(200, json=chats()("/v1/chat/completions", {}))

    door = Servers(["http://s0"], transport=httpx.MockTransport(handle), concurrency=7)
    turns = complete(HttpEngine(door, Messages("m"), policy="m"), *(request(n) for n in range(50)))
    assert all(t.text == "hello" for t in turns)
    assert busy.most == 7


def test_a_request_that_hangs_ends_in_time_and_a_server_that_never_answers_is_an_engine_error():
    async def handle(asked: httpx.Request) -> httpx.Response:
        await asyncio.sleep(60)
        raise AssertionError

    door = Servers(
        ["http://s0"], transport=httpx.MockTransport(handle), timeout_s=0.02, tries=2, sleep=at_once
    )
    (error,) = complete(HttpEngine(door, Messages("m"), policy="m"), request())
    assert isinstance(error, EngineError)
    assert "2 tries" in str(error)


def test_the_key_comes_from_the_environment_and_stands_in_no_message(monkeypatch):
    monkeypatch.setenv(KEY, "sk-hidden")
    fake = Fake(lambda path, body: (401, {"error": {"message": "bad key sk-hidden"}}))
    (error,) = complete(connected(fake, mode="message"), request())
    assert fake.keys[-1] == "Bearer sk-hidden"
    assert "sk-hidden" not in str(error)
    assert KEY in str(error)
    with pytest.raises(ConfigError, match="holds a name, password or query"):
        Servers(["http://me:secret@host/v1"])


def test_a_wrong_model_and_servers_that_differ_are_named():
    with pytest.raises(ConfigError, match="serves no big; it has m"):
        connect((), "big", servers=servers(Fake(chats())))
    with pytest.raises(ConfigError, match="name the model"):
        connect((), servers=servers(Fake(chats(), models=("a", "b"))))
    with pytest.raises(ConfigError, match="differ in how they answer"):
        connected(Fake(vllm()), Fake(vllm(processed=False)))
    with pytest.raises(ConfigError, match="no server is named"):
        Servers([])


def test_messages_keep_their_order_and_every_call_its_answer():
    calls = tuple(ToolCall(name="f", arguments={"n": n}) for n in range(3))
    told = plain(
        (Message(role="assistant", calls=calls), *(Message(role="tool", content=str(n)) for n in range(3)))
    )
    assert [m["tool_call_id"] for m in told[1:]] == [c["id"] for c in told[0]["tool_calls"]]


def test_a_server_that_trips_over_tool_calls_is_told_apart():
    def answer(path, body):
        if path == "/v1/chat/completions":
            return 500, {"error": {"message": "Internal Server Error"}}
        return 404, "Not Found"

    engine = connected(Fake(answer), chat=False)
    look = ToolSchema(name="look", description="", parameters={})
    (wrong,) = complete(engine, request(tools=(look,)))
    assert isinstance(wrong, EngineError)
    assert "trips over one that the model wrote" in str(wrong)
    (other,) = complete(engine, request(1))
    assert "trips over" not in str(other)
