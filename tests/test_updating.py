"""Models that play while they learn: servers take each step's weights, attempts know their version, old ones are not used."""

import asyncio
import copy
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny
import torch
from msgspec.structs import replace
from served import ModelServer
from test_training import on_policy, rows
from torch import nn
from towns import TOWNS, graph_of, resources_of

from openhorizon.config import DistillPlan, GrpoPlan, Optim, RolloutPlan
from openhorizon.engines.engine import Request, Sampling
from openhorizon.engines.local import LocalEngine
from openhorizon.engines.updating import Versioned, version_of
from openhorizon.errors import ConfigError, EngineError
from openhorizon.records import Completion, Group, Judged, Limits, Sample, Task, Trajectory, Verdict
from openhorizon.rollout.play import Setting
from openhorizon.training import grpo as grpo_loop
from openhorizon.training.ahead import Ahead, fresh
from openhorizon.training.batches import batches
from openhorizon.training.distill import distill
from openhorizon.training.model import load_model
from openhorizon.training.policies import Copied, Served
from openhorizon.training.samples import exact_samples
from openhorizon.training.scoring import Teachers
from openhorizon.training.sft import Watch

SHORT = Limits(turns=2, response_tokens=10, context_tokens=200)
MOVED = Optim(lr=3e-2, schedule="constant", warmup_ratio=0.0, weight_decay=0.0)
PLAN = GrpoPlan(
    steps=2, prompts=3, group=3, optim=MOVED, dynamic_sampling=False, kl=0.01, max_length=400, checkpoint_every=0
)  # fmt: skip


def tasks() -> list[Task]:
    return [replace(t, limits=SHORT) for t in tiny.tasks()]


def lively(**changes: object) -> nn.Module:
    """A model of which attempts differ, trained on nothing."""
    return tiny.model(1, init_std=0.3, **changes)


@pytest.fixture(params=["vllm", "sglang"])
def server(request: pytest.FixtureRequest) -> Iterator[ModelServer]:
    one = ModelServer(
        request.param, tiny.model(9)
    )  # not the weights that are trained: the first step must replace them
    yield one
    one.close()


class Spy:
    """Keeps the weights of each version and the groups of each step."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.versions: dict[int, nn.Module] = {}
        self.groups: dict[int, list[Group]] = {}
        learn = grpo_loop.learn

        def watched(model, reference, groups, plan, optimiser, step, same):  # type: ignore[no-untyped-def]
            self.versions[step] = copy.deepcopy(model)
            self.groups[step] = list(groups)
            # rewards of a random model are all 0: give them a spread, so that each step moves the weights
            spread = [
                replace(g, judged=tuple(
                    replace(j, verdict=Verdict(score=n % 2, passed=bool(n % 2))) for n, j in enumerate(g.judged)
                )) for g in groups
            ]  # fmt: skip
            return learn(model, reference, spread, plan, optimiser, step, same)

        monkeypatch.setattr(grpo_loop, "learn", watched)


def own_logprobs(model: nn.Module, sample: Sample) -> list[float]:
    (batch,) = batches([sample], [1.0])
    with torch.no_grad():
        return grpo_loop.logprobs(model.eval(), batch, PLAN, entropy=False)[0].tolist()


def recorded(sample: Sample) -> list[float]:
    return [p for p, m in zip(sample.logprobs[1:], sample.loss_mask[1:], strict=True) if m]


def train(model: nn.Module, plan: GrpoPlan, policy: object = None, **watch: object) -> list[dict[str, float]]:
    logged: list[dict[str, float]] = []
    grpo_loop.train_grpo(
        model, tiny.chat(), tasks(), TOWNS, Setting(resources_of(graph_of())), plan, seed=0,
        watch=Watch(log=lambda step, values: logged.append(values), **watch), policy=policy,  # type: ignore[arg-type]
    )  # fmt: skip
    return logged


def test_attempts_through_a_server_carry_the_log_probabilities_of_the_version_they_name(
    server: ModelServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    spy = Spy(monkeypatch)
    policy = Served(RolloutPlan(urls=(server.url,)), tiny.chat(), "towns-teacher", tmp_path)
    logged = train(lively(), PLAN, policy)
    assert sorted(spy.groups) == [0, 1]
    differences = []
    for step, groups in spy.groups.items():
        turns = [t for g in groups for j in g.judged for t in j.trajectory.turns]
        assert {t.completion.policy for t in turns} == {f"towns-teacher@{step}"}
        samples = [s for g in groups for j in g.judged for s in exact_samples(j.trajectory)]
        assert len(samples) >= 9
        for sample in samples:
            assert recorded(sample) == pytest.approx(own_logprobs(spy.versions[step], sample), abs=2e-4)
            other = own_logprobs(spy.versions[1 - step], sample)
            differences.append(max(abs(a - b) for a, b in zip(recorded(sample), other, strict=True)))
    assert max(differences) > 0.05  # the step moved the weights: the test can tell the versions apart
    assert [v["staleness"] for v in logged] == [0, 0]
    assert all(v["importance"] == pytest.approx(1, abs=1e-3) and v["truncated"] == 0 for v in logged)
    assert not server.loaded_while_busy
    paths = [path for path, _ in server.said if path in ("/update_weights_from_disk", "/collective_rpc")]
    assert len(paths) == 2
    folders = [
        str(body.get("model_path") or body["kwargs"]["weights_path"]) for p, body in server.said if p in paths
    ]
    assert folders == [str(tmp_path / "a"), str(tmp_path / "b")]
    policy.close()
    assert not (tmp_path / "a").exists()


def test_a_server_that_does_not_take_the_weights_is_said_and_left_alone(tmp_path: Path):
    said: list[str] = []
    pair = [ModelServer(kind, tiny.model(9)) for kind in ("sglang", "sglang")]
    policy = Served(RolloutPlan(urls=tuple(s.url for s in pair)), tiny.chat(), "p", tmp_path, say=said.append)

    def play(turns: int) -> list[int]:
        before = [s.answered for s in pair]
        asked = [
            Request(attempt=f"{time.monotonic()}/{n}", turn=0, messages=(), token_ids=(5, 6, 7), max_tokens=4,
                    sampling=Sampling(temperature=1.0, top_p=1.0, top_k=0)) for n in range(turns)
        ]  # fmt: skip

        async def all_of_them() -> None:
            await asyncio.gather(*map(policy.engine.complete, asked))

        asyncio.run(all_of_them())
        return [s.answered - n for s, n in zip(pair, before, strict=True)]

    policy.load(lively(), 1)
    assert all(play(8))
    pair[0].broken = True
    policy.load(lively(), 2)
    assert said == [
        f"version 2: {pair[0].url} is left alone, its weights are old: {pair[0].url}/update_weights_from_disk refuses (400): "
        "no space on the device"
    ]
    assert play(8) == [0, 8]
    pair[0].broken = False
    policy.load(lively(), 3)
    assert all(play(8))
    for one in pair:
        one.broken = True
    with pytest.raises(
        EngineError, match=r"no server took the weights of version 4: .*no space on the device"
    ):
        policy.load(lively(), 4)
    assert policy.engine.version == 3
    policy.close()
    for one in pair:
        one.close()


def test_a_vllm_server_without_its_development_mode_is_refused_with_the_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    server = ModelServer("vllm", tiny.model(9))
    answer = server.answer
    monkeypatch.setattr(
        server, "answer", lambda path, body: (404, {}) if "pause" in path else answer(path, body)
    )
    policy = Served(RolloutPlan(urls=(server.url,)), tiny.chat(), "p", tmp_path)
    with pytest.raises(EngineError, match=r"Start it with VLLM_SERVER_DEV_MODE=1"):
        policy.load(lively(), 0)
    policy.close()
    server.close()


class Slow:
    """An engine whose turns take a while and name the weights they began and ended with."""

    policy, exact, weights = "p", True, 0

    async def complete(self, request: Request) -> Completion:
        began = self.weights
        await asyncio.sleep(0.02)
        return Completion(text=f"{began} {self.weights}")

    def forget(self, attempt: str) -> None: ...


def test_an_update_waits_for_turns_under_way_and_turns_wait_for_the_update():
    slow = Slow()
    engine = Versioned(slow)
    stop = threading.Event()

    def update() -> None:
        for version in range(1, 6):
            with engine.updating(version):
                time.sleep(0.01)
                slow.weights = version
            time.sleep(0.03)
        stop.set()

    async def play() -> list[Completion]:
        turns: list[Completion] = []
        thread = threading.Thread(target=update)
        thread.start()
        while not stop.is_set():
            asked = (Request(attempt=str(n), turn=0, messages=()) for n in range(5))
            turns += await asyncio.gather(*map(engine.complete, asked))
        return turns

    turns = asyncio.run(play())
    seen = [version_of(t.policy) for t in turns]
    assert len(set(seen)) >= 4
    assert all(t.text == f"{v} {v}" for t, v in zip(turns, seen, strict=True))
    with pytest.raises(RuntimeError), engine.updating(9):
        raise RuntimeError
    assert engine.version == 5


# --- staleness


def test_a_copy_plays_by_the_weights_it_was_given_and_not_by_those_that_learn():
    model = lively()
    policy = Copied(model, tiny.chat(), "p")
    asked = Request(attempt="a", turn=0, messages=(), token_ids=(5, 6, 7), max_tokens=12)
    before = asyncio.run(policy.engine.complete(asked))
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(0.5)
    again = asyncio.run(policy.engine.complete(asked))
    assert again.token_ids == before.token_ids
    assert again.logprobs == pytest.approx(before.logprobs, abs=1e-4)
    policy.load(model, 3)
    after = asyncio.run(policy.engine.complete(asked))
    there = asyncio.run(LocalEngine(model, tiny.chat(), policy="x").complete(asked))
    assert (after.token_ids, after.logprobs) == (there.token_ids, there.logprobs)
    assert after.policy == "p@3"
    assert after.logprobs != before.logprobs


@pytest.mark.parametrize("staleness", [1, 3])
def test_groups_are_begun_no_earlier_than_the_bound_allows_and_are_played_ahead(staleness: int):
    done, drawn = [0], []

    def draw(step: int) -> list[Group]:
        drawn.append((step, done[0]))
        return []

    player = Ahead(draw, 0, 8, staleness)
    for step in range(8):
        assert player.take(step) == []
        time.sleep(0.01)  # learning
        done[0] = step + 1
        player.learnt(step + 1)
    player.close()
    behind = [step - version for step, version in drawn]
    assert [step for step, _ in drawn] == list(range(8))
    assert max(behind) == staleness


def test_what_breaks_in_the_thread_that_plays_rises_in_the_one_that_learns():
    def draw(step: int) -> list[Group]:
        if step == 1:
            raise EngineError("gone")
        return []

    player = Ahead(draw, 0, 3, 2)
    assert player.take(0) == []
    with pytest.raises(EngineError, match="gone"):
        player.take(1)


def test_training_ahead_keeps_the_bound_and_says_how_stale_it_was(monkeypatch: pytest.MonkeyPatch):
    spy = Spy(monkeypatch)
    logged = train(lively(), replace(PLAN, steps=5, staleness=2))
    assert sorted(spy.groups) == list(range(5))
    for step, groups in spy.groups.items():
        for judged in (j for g in groups for j in g.judged):
            for turn in judged.trajectory.turns:
                assert step - 2 <= version_of(turn.completion.policy) <= step
            versions = {version_of(t.completion.policy) for t in judged.trajectory.turns}
            if len(versions) == 1:
                (version,) = versions
                for sample in exact_samples(judged.trajectory):
                    theirs = own_logprobs(spy.versions[version], sample)
                    assert recorded(sample) == pytest.approx(theirs, abs=2e-4)
    assert max(v["staleness_max"] for v in logged) >= 1
    assert any(abs(v["importance"] - 1) > 1e-4 for v in logged)
    assert all(v["dropped_as_stale"] == 0 for v in logged)


def test_a_killed_stage_goes_on_from_its_checkpoint_with_the_bound_kept_and_no_step_twice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    plan = replace(PLAN, steps=5, staleness=2, checkpoint_every=2)
    learnt: list[int] = []

    def killed(step: int, values: dict[str, float]) -> None:
        learnt.append(step)
        if step == 2:
            raise KeyboardInterrupt

    def run(log: object) -> None:
        spy = Spy(monkeypatch)
        grpo_loop.train_grpo(
            lively(), tiny.chat(), tasks(), TOWNS, Setting(resources_of(graph_of())), plan, seed=0,
            watch=Watch(log=log, checkpoint=tmp_path / "checkpoint.pt"),  # type: ignore[arg-type]
        )  # fmt: skip
        for step, groups in spy.groups.items():
            turns = [t for g in groups for j in g.judged for t in j.trajectory.turns]
            assert turns
            assert all(max(2, step - 2) <= version_of(t.completion.policy) <= step for t in turns)

    with pytest.raises(KeyboardInterrupt):
        run(killed)
    assert learnt == [0, 1, 2]
    resumed: list[int] = []
    run(lambda step, values: resumed.append(step))
    assert resumed == [2, 3, 4]  # step 2 was after the last checkpoint


def aged(*versions: int) -> Judged:
    turns = exact_turns(versions)
    trajectory = Trajectory(id="t", task="t", domain="towns", prompt=(), turns=turns, status="finished")  # type: ignore[arg-type]
    return Judged(trajectory=trajectory, verdict=Verdict(score=1.0, passed=True))


def exact_turns(versions: tuple[int, ...]):  # type: ignore[no-untyped-def]
    from openhorizon.records import Message, Turn

    return tuple(
        Turn(
            completion=Completion(text="", token_ids=(1, 2), logprobs=(-1.0, -1.0), policy=f"p@{v}"),
            message=Message(role="assistant", content=""),
        )
        for v in versions
    )


def test_an_attempt_with_one_turn_older_than_the_bound_is_dropped_and_counted():
    task = tasks()[0]
    groups = [
        Group(task=task, judged=(aged(5, 5), aged(3, 5), aged(2, 5))),
        Group(task=task, judged=(aged(1),)),
    ]
    kept, said = fresh(groups, 5, 2)
    assert [[len(j.trajectory.turns) for j in g.judged] for g in kept] == [[2, 2]]
    assert said == {"staleness": pytest.approx(2 / 4), "staleness_max": 2.0, "dropped_as_stale": 2.0}
    assert fresh([], 5, 2)[1]["staleness"] == 0


def stale(model: nn.Module) -> list[Sample]:
    """Rows with log-probabilities of another model."""
    other = copy.deepcopy(model)
    with torch.no_grad():
        for n, p in enumerate(other.parameters()):
            p.add_(0.05 * torch.randn(p.shape, generator=torch.Generator().manual_seed(n)))
    return on_policy(other, rows())


def gradient(model: nn.Module) -> list[torch.Tensor]:
    found = [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    return found


def test_the_decoupled_loss_is_the_plain_one_where_the_policy_itself_drew_the_tokens():
    model = tiny.model(init_std=0.1)
    reference, plan = copy.deepcopy(model), GrpoPlan()
    samples = on_policy(model, rows())
    plain = grpo_loop.update(model, reference, samples, plan)
    expected = gradient(model)
    for before in ((), grpo_loop.proximal(model, samples, plan)):
        found = grpo_loop.update(model, reference, samples, plan, before)
        assert found["importance"] == pytest.approx(1, abs=1e-5)
        assert {k: found[k] for k in plain} == pytest.approx(plain, abs=1e-5)
        for a, b in zip(gradient(model), expected, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-6)


def test_the_decoupled_gradient_is_that_of_its_formula_written_out():
    """−Σ w·min(p_prox/p_b, cap)·min(ρA, clip(ρ)A), token by token from full logits, at weights beside the proximal ones."""
    model = tiny.model(init_std=0.1)
    samples, plan = stale(model), GrpoPlan(kl=0.0, entropy=0.0, importance_cap=1.05)
    before = grpo_loop.proximal(model, samples, plan)
    with torch.no_grad():
        for n, p in enumerate(model.parameters()):
            p.add_(0.03 * torch.randn(p.shape, generator=torch.Generator().manual_seed(50 + n)))
    found = grpo_loop.update(model, None, samples, plan, before)
    got = gradient(model)
    weight = 1 / sum(sum(s.loss_mask[1:]) for s in samples)
    total, cut = torch.zeros(()), 0
    for sample, near in zip(samples, before, strict=True):
        ids = torch.tensor([sample.token_ids])
        logp = torch.log_softmax(model(input_ids=ids).logits[0, :-1], -1).gather(1, ids[0, 1:, None])[:, 0]
        places = [t for t in range(1, len(sample.token_ids)) if sample.loss_mask[t]]
        for n, t in enumerate(places):
            drawn = float((near[n] - sample.logprobs[t]).exp())
            cut += drawn > 1.05
            ratio, advantage = (logp[t - 1] - near[n]).exp(), sample.advantages[t]
            total = total - weight * min(drawn, 1.05) * torch.minimum(
                ratio * advantage, ratio.clamp(1 - plan.clip_low, 1 + plan.clip_high) * advantage
            )
    total.backward()
    assert 0 < cut < sum(map(len, before))
    assert found["truncated"] == pytest.approx(cut * weight, abs=1e-5)
    assert found["loss"] == pytest.approx(float(total.detach()), abs=1e-5)
    for a, b in zip(got, gradient(model), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=2e-5)


def test_the_decoupled_loss_does_not_depend_on_how_the_step_is_split(monkeypatch: pytest.MonkeyPatch):
    model = tiny.model(init_std=0.1)
    samples, plan = stale(model), GrpoPlan(kl=0.0)
    before = grpo_loop.proximal(model, samples, plan)
    whole, expected = grpo_loop.update(model, None, samples, plan, before), gradient(model)
    monkeypatch.setattr(grpo_loop, "batches", lambda s, w, device: batches(s, w, max_tokens=1))
    again = grpo_loop.proximal(model, samples, plan)
    for a, b in zip(before, again, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    split = grpo_loop.update(model, None, samples, plan, again)
    assert split == pytest.approx(whole, abs=1e-5)
    for a, b in zip(gradient(model), expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=2e-5)


# --- distillation


def test_a_student_is_distilled_on_attempts_that_a_server_plays_by_its_weights(
    server: ModelServer, tmp_path: Path
):
    teacher = tiny.save(tiny.model(3), tmp_path / "teacher")
    plan = DistillPlan(
        steps=2, prompts_per_domain=3, k=8, optim=MOVED, checkpoint_every=0, coverage_every=0, turns=2,
        response_tokens=10, context_tokens=200,
    )  # fmt: skip
    policy = Served(RolloutPlan(urls=(server.url,)), tiny.chat(), "student", tmp_path / "weights")
    losses: list[float] = []
    steps = distill(
        lively(), Teachers(lambda f: load_model(f, tiny.PLAN), {"towns": teacher}), tiny.chat(), {"towns": tasks()},
        {"towns": TOWNS}, Setting(resources_of(graph_of())), plan, seed=0,
        watch=Watch(log=lambda step, values: losses.append(values["loss"])), policy=policy,
    )  # fmt: skip
    assert steps == len(losses) == 2
    assert policy.engine.version == 1
    policy.close()


def test_draws_whose_log_probabilities_the_server_does_not_tell_are_refused_before_the_first_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    server = ModelServer("vllm", tiny.model(9))
    written = server._written

    def raw(body):  # type: ignore[no-untyped-def]
        answer = written(body)
        told = answer["choices"][0]["logprobs"]
        told["token_logprobs"] = [p - 0.5 for p in told["token_logprobs"]]  # those of another distribution
        return answer

    monkeypatch.setattr(server, "_written", raw)
    with pytest.raises(ConfigError, match="--logprobs-mode processed_logprobs"):
        Served(
            RolloutPlan(urls=(server.url,)), tiny.chat(), "p", tmp_path, sampling=Sampling(temperature=0.7)
        )
    server.close()
