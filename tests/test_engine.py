"""The local engine says what the model says: the same log-probabilities, whoever decodes beside it."""

import asyncio
import random
from collections import Counter

import numpy as np
import pytest
import tiny
import torch
from torch import nn

from openhorizon.engines.engine import Request, Sampling
from openhorizon.engines.local import LocalEngine
from openhorizon.engines.sampling import draw, uniforms
from openhorizon.errors import EngineError
from openhorizon.records import Completion

FREE = Sampling(temperature=1.0, top_p=1.0, top_k=0)
GREEDY = Sampling(temperature=0.0)
Seen = list[tuple[tuple[int, ...], Completion]]  # context and completion, a turn


def engine_of(model: nn.Module, **more: int) -> LocalEngine:
    return LocalEngine(model, tiny.chat(), policy="tiny", **more)


def some_ids(length: int, seed: int) -> tuple[int, ...]:
    return tuple(random.Random(seed).choices(range(280), k=length))


async def converse(
    engine: LocalEngine,
    name: str,
    *,
    turns: int = 3,
    seed: int = 0,
    sampling: Sampling = FREE,
    most: int = 12,
) -> Seen:
    """An attempt whose context grows by a few made-up tokens each turn."""
    ids = some_ids(5 + len(name), seed=len(name))
    seen: Seen = []
    for turn in range(turns):
        request = Request(
            attempt=name, turn=turn, messages=(), token_ids=ids, max_tokens=most, sampling=sampling, seed=seed
        )
        completion = await engine.complete(request)
        seen.append((ids, completion))
        ids = (*ids, *completion.token_ids, *some_ids(3 + turn, seed=turn))
    engine.forget(name)
    return seen


def together(engine: LocalEngine, names: list[str], **more: object) -> list[Seen]:
    async def main() -> list[Seen]:
        return list(await asyncio.gather(*(converse(engine, n, **more) for n in names)))  # type: ignore[arg-type]

    return asyncio.run(main())


@torch.no_grad()
def full_logprobs(model: nn.Module, context: tuple[int, ...], written: tuple[int, ...]) -> torch.Tensor:
    logits = model(input_ids=torch.tensor([context + written])).logits[0, len(context) - 1 : -1]
    return torch.log_softmax(logits.float(), -1).gather(1, torch.tensor(written)[:, None])[:, 0]


def assert_true(model: nn.Module, seen: Seen) -> None:
    for context, completion in seen:
        wanted = full_logprobs(model, context, completion.token_ids)
        torch.testing.assert_close(torch.tensor(completion.logprobs), wanted, rtol=0, atol=1e-4)
        assert all(i != tiny.chat().eos_id for i in completion.token_ids[:-1])
        assert (completion.finish == "stop") == (completion.token_ids[-1] == tiny.chat().eos_id)


def test_log_probabilities_equal_a_full_forward_pass_over_several_turns():
    model = tiny.model()
    for seen in together(engine_of(model, capacity=16), [f"a{'x' * n}" for n in range(6)]):
        assert_true(model, seen)


def test_only_what_a_turn_adds_is_read_in():
    model = tiny.model()
    engine = engine_of(model)
    read: list[int] = []
    forward = engine._forward

    def counted(rows: list[int], starts: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        read.append(ids.shape[1])
        return forward(rows, starts, ids)

    engine._forward = counted
    (seen,) = together(engine, ["one"])
    length = sum(len(c.token_ids) for _, c in seen[:-1]) + len(seen[0][0]) + 3 + 4
    assert sum(read) == length + len(seen[-1][1].token_ids) - 1


def test_an_attempt_does_not_depend_on_who_decodes_beside_it():
    model = tiny.model()
    names = [f"n{'x' * (3 * n % 7)}{n}" for n in range(10)]
    crowd = together(engine_of(model), names)
    for name, seen in zip(names, crowd, strict=True):
        (alone,) = together(engine_of(model), [name])
        assert [c.token_ids for _, c in alone] == [c.token_ids for _, c in seen]
        torch.testing.assert_close(
            torch.tensor([c.logprobs[0] for _, c in alone]),
            torch.tensor([c.logprobs[0] for _, c in seen]),
            rtol=0,
            atol=1e-4,
        )


def test_another_seed_gives_other_tokens_and_the_same_seed_the_same():
    engine = engine_of(tiny.model())
    first, again, other = (together(engine, ["a"], seed=s)[0] for s in (1, 1, 2))
    assert first == again
    assert first != other


def test_more_attempts_than_slots_take_turns():
    model = tiny.model()
    names = [f"n{n}" for n in range(9)]
    few, many = together(engine_of(model, slots=3), names), together(engine_of(model, slots=16), names)
    assert [[c.token_ids for _, c in s] for s in few] == [[c.token_ids for _, c in s] for s in many]
    for seen in few:
        assert_true(model, seen)


def test_every_slot_is_free_again_after_the_attempts():
    engine = engine_of(tiny.model(), slots=4)
    together(engine, [f"n{n}" for n in range(7)])
    assert sorted(engine._free) == [0, 1, 2, 3]
    assert not engine._asked


def test_two_turns_of_one_attempt_at_once_are_an_error_and_not_a_hang():
    engine = engine_of(tiny.model())

    async def main() -> list[object]:
        twice = asyncio.gather(*(converse(engine, "same", turns=1) for _ in range(2)), return_exceptions=True)
        return await asyncio.wait_for(twice, timeout=20)  # type: ignore[return-value]

    first, second = asyncio.run(main())
    assert not isinstance(first, Exception)
    assert isinstance(second, EngineError)
    assert "must be unique" in str(second)


def test_a_changed_context_is_read_from_its_beginning():
    model = tiny.model()

    async def main() -> Seen:
        engine = engine_of(model)
        seen: Seen = []
        for turn, ids in enumerate((some_ids(9, 1), some_ids(12, 2), some_ids(4, 3))):
            request = Request(attempt="a", turn=turn, messages=(), token_ids=ids, max_tokens=6, sampling=FREE)
            seen.append((ids, await engine.complete(request)))
        return seen

    assert_true(model, asyncio.run(main()))


def test_changed_weights_count_after_a_reset():
    model = tiny.model()
    engine = engine_of(model)
    together(engine, ["a"])
    model.load_state_dict(tiny.model(seed=1).state_dict())
    engine.reset()
    (seen,) = together(engine, ["a"])
    assert_true(model, seen)


def test_greedy_decoding_equals_transformers_generate():
    model = tiny.model()
    seen = together(engine_of(model), ["a", "bb", "ccc"], turns=1, sampling=GREEDY)
    for ((context, completion),) in seen:
        out = model.generate(torch.tensor([context]), max_new_tokens=12, do_sample=False)[0].tolist()  # type: ignore[operator]
        assert tuple(out[len(context) :]) == completion.token_ids


def test_a_model_with_recurrent_state_decodes_and_its_log_probabilities_are_the_models():
    model = tiny.model(preset="qwen3_5_moe", layers=4)
    engine = engine_of(model)
    assert engine._stateful
    names = ["a", "b", "cc"]
    crowd = together(engine, names, turns=2, most=6)
    for name, seen in zip(names, crowd, strict=True):
        assert_true(model, seen)
        (alone,) = together(engine_of(model), [name], turns=2, most=6)
        assert [c.token_ids for _, c in alone] == [c.token_ids for _, c in seen]


def test_a_model_with_a_sliding_window_sees_no_further_than_its_window():
    from transformers import MistralConfig, MistralForCausalLM

    torch.manual_seed(0)
    config = MistralConfig(
        vocab_size=tiny.chat().vocabulary, hidden_size=32, intermediate_size=32, num_hidden_layers=2, head_dim=16,
        num_attention_heads=2, num_key_value_heads=2, sliding_window=6, initializer_range=0.4,
    )  # fmt: skip
    model = MistralForCausalLM(config).eval()
    for seen in together(engine_of(model), ["windowed", "two"]):
        assert_true(model, seen)


@pytest.mark.parametrize("preset", ["qwen3_moe", "qwen3_5_moe"])
@pytest.mark.parametrize("at", [0, 1, 4])
def test_a_broken_model_surfaces_as_an_engine_error_in_every_waiting_attempt(preset: str, at: int):
    model = tiny.model(preset=preset, layers=4 if preset == "qwen3_5_moe" else 2)
    engine = engine_of(model, slots=2)
    decoder, calls = model.get_decoder(), []  # type: ignore[operator]

    def breaks(module: nn.Module, *_: object) -> None:
        calls.append(1)
        if len(calls) > at:
            raise RuntimeError("out of memory")

    hook = decoder.register_forward_pre_hook(breaks)

    async def main() -> list[object]:
        every = asyncio.gather(*(converse(engine, f"n{n}") for n in range(5)), return_exceptions=True)
        return await asyncio.wait_for(every, timeout=20)  # type: ignore[return-value]

    for error in asyncio.run(main()):
        assert isinstance(error, EngineError)
        assert "out of memory" in str(error)
    hook.remove()
    (seen,) = together(engine, ["again"])
    assert_true(model, seen)


def reference(logits: torch.Tensor, sampling: Sampling) -> dict[int, float]:
    """The distribution by its definition, token by token: temperature, then top-k, then the smallest set above top-p."""
    p = torch.softmax(logits.double() / sampling.temperature, -1).tolist()
    order = sorted(range(len(p)), key=lambda i: -p[i])[: sampling.top_k or None]
    total = sum(p[i] for i in order)
    kept, mass = [], 0.0
    for i in order:
        if mass / total >= sampling.top_p:
            break
        kept.append(i)
        mass += p[i]
    return {i: p[i] / mass for i in kept}


@pytest.mark.parametrize(
    "sampling",
    [
        FREE,
        Sampling(temperature=0.6, top_p=1.0, top_k=0),
        Sampling(temperature=1.0, top_p=1.0, top_k=4),
        Sampling(temperature=1.0, top_p=0.7, top_k=0),
        Sampling(temperature=1.5, top_p=0.8, top_k=6),
        Sampling(temperature=1.0, top_p=0.01, top_k=99),
    ],
)
def test_draws_follow_temperature_top_k_and_top_p(sampling: Sampling):
    count = 20_000
    logits = 2 * torch.randn(12, generator=torch.Generator().manual_seed(0))
    uniform = torch.tensor((np.arange(count) + 0.5) / count)
    ids, logprobs = draw(logits.expand(count, -1), sampling, uniform)
    wanted = reference(logits, sampling)
    drawn = Counter(ids.tolist())
    assert set(drawn) <= set(wanted)
    for token, p in wanted.items():
        assert drawn[token] / count == pytest.approx(p, abs=2e-4)
        if drawn[token]:
            assert float(logprobs[ids == token][0].exp()) == pytest.approx(p, rel=1e-4)


def test_greedy_draws_take_the_likeliest_token():
    logits = torch.randn(5, 9, generator=torch.Generator().manual_seed(0))
    ids, logprobs = draw(logits, GREEDY, torch.full((5,), 0.99))
    assert torch.equal(ids, logits.argmax(-1))
    torch.testing.assert_close(logprobs, torch.log_softmax(logits, -1).max(-1).values)


def test_the_random_numbers_of_a_turn_are_its_own():
    rows = [uniforms(s, a, t, 4).tolist() for s in (0, 1) for a in ("a", "b") for t in (0, 1)]
    assert len({tuple(r) for r in rows}) == 8
    assert uniforms(0, "a", 0, 9)[:4].tolist() == rows[0]


def asked_together(engine: LocalEngine, prompts: list[tuple[int, ...]], most: int = 6) -> list[Completion]:
    async def main() -> list[Completion]:
        requests = [
            Request(attempt=f"a{n}", turn=0, messages=(), token_ids=ids, max_tokens=most, sampling=FREE)
            for n, ids in enumerate(prompts)
        ]
        return list(await asyncio.gather(*(engine.complete(r) for r in requests)))

    return asyncio.run(main())


def test_prompts_that_begin_alike_are_read_once_and_say_the_same_as_when_read_alone(monkeypatch):
    protocol, model = some_ids(60, seed=1), tiny.model()
    prompts = (
        [protocol + some_ids(n % 7 + 1, seed=n) for n in range(20)]
        + [some_ids(50, seed=99)]
        + [protocol[:40]] * 3
    )
    read: list[int] = []
    engine = engine_of(model)
    forward = LocalEngine._forward

    def counted(self, rows, starts_R, ids_RS):
        if ids_RS.shape[1] > 1 or len(read) < 2:
            read.append(ids_RS.numel())
        return forward(self, rows, starts_R, ids_RS)

    monkeypatch.setattr(LocalEngine, "_forward", counted)
    seen = asked_together(engine, prompts)
    assert sum(read) < 0.4 * sum(map(len, prompts))
    for one, ids in zip(seen, prompts):
        full = torch.log_softmax(model(torch.tensor([[*ids, *one.token_ids]])).logits[0].float(), -1).detach()
        wanted = [float(full[len(ids) - 1 + i, t]) for i, t in enumerate(one.token_ids)]
        np.testing.assert_allclose(one.logprobs, wanted, atol=2e-4)


def test_an_attempt_that_is_cut_while_its_turn_is_written_disturbs_nobody():
    """Its slot is still written to: it is nobody else's before the turn has ended, also where the attempt begins again."""
    model = tiny.model()

    def request(name: str, most: int) -> Request:
        ids = some_ids(9, seed=ord(name))
        return Request(attempt=name, turn=0, messages=(), token_ids=ids, max_tokens=most, sampling=FREE)

    async def main() -> list[Completion]:
        engine = engine_of(model, slots=2)
        cut = asyncio.ensure_future(engine.complete(request("a", 60)))
        first = await engine.complete(request("b", 3))
        assert not cut.done()
        cut.cancel()
        for name in "ab":
            engine.forget(name)
        rest = await asyncio.gather(*(engine.complete(request(n, 20)) for n in "cdae"))
        assert sorted(slot for slot, _ in engine._cached.values()) + engine._free == [0, 1]
        for name in "cdae":
            engine.forget(name)
        assert sorted(engine._free) == [0, 1]
        return [first, *rest]

    async def alone(name: str, most: int) -> Completion:
        return await engine_of(model, slots=1).complete(request(name, most))

    found = asyncio.run(main())
    for name, most, one in zip("bcdae", (3, 20, 20, 20, 20), found, strict=True):
        assert one.token_ids == asyncio.run(alone(name, most)).token_ids
