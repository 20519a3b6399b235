"""Training: a step is the same however it is split, stopped or spread; and it does lower the loss."""

import copy
import math
import multiprocessing
from pathlib import Path

import pytest
import tiny
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from openhorizon.config import GrpoPlan, Optim, SftPlan
from openhorizon.errors import ConfigError, ModelError
from openhorizon.losses.cross_entropy import cross_entropy
from openhorizon.losses.salient_kl import salient_kl
from openhorizon.records import Sample
from openhorizon.training import grpo as grpo_loop
from openhorizon.training.batches import batches
from openhorizon.training.checkpoint import finished_steps, load_checkpoint, save_checkpoint
from openhorizon.training.model import head, load_model, merge
from openhorizon.training.muon import orthogonal
from openhorizon.training.optimiser import Optimiser
from openhorizon.training.prewired import prewire
from openhorizon.training.ranks import Ranks
from openhorizon.training.sft import Watch, schedule, sft
from openhorizon.training.weights import domain_mean, domain_token_mean, sample_mean, token_mean, trainable

PRESETS = {
    "qwen3_moe": 2,
    "qwen3_5_moe": 4,
}  # layers: the second mixes three recurrent layers with one of attention
FAST = Optim(lr=1e-2, warmup_ratio=0.1, weight_decay=0.0)


def rows(count: int = 6) -> list[Sample]:
    return [tiny.sample(5 + 7 * n % 19, seed=n, domain="ab"[n % 2]) for n in range(count)]


def gradients(model: nn.Module) -> dict[str, Tensor]:
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def step_of(
    model: nn.Module, samples: list[Sample], weights: list[float], max_tokens: int
) -> tuple[float, dict[str, Tensor]]:
    model.zero_grad()
    total = 0.0
    for batch in batches(samples, weights, max_tokens=max_tokens):
        weight, bias = head(model)
        loss = cross_entropy(batch.hidden(model), weight, batch.targets_N, batch.weights_N, bias)
        loss.backward()
        total += float(loss.detach())
    return total, gradients(model)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("weigh", [token_mean, sample_mean, domain_mean, domain_token_mean])
def test_loss_and_gradient_are_the_same_however_the_step_is_split(preset: str, weigh):
    model, samples = tiny.model(preset=preset, layers=PRESETS[preset], init_std=0.1), rows()
    weights = weigh(samples)
    assert len(list(batches(samples, weights, max_tokens=1))) == len(samples)
    assert len(list(batches(samples, weights, max_tokens=10**6))) == 1
    one, split = (step_of(model, samples, weights, m) for m in (10**6, 1))
    assert one[0] == pytest.approx(split[0], rel=1e-5)
    for name, gradient in one[1].items():
        torch.testing.assert_close(gradient, split[1][name], rtol=1e-3, atol=2e-5)


@pytest.mark.parametrize("preset", PRESETS)
def test_padded_rows_have_the_hidden_states_of_single_rows(preset: str):
    model, samples = tiny.model(preset=preset, layers=PRESETS[preset]), rows()
    with torch.no_grad():
        (together,) = batches(samples, [1.0] * len(samples), max_tokens=10**6)
        hidden = together.hidden(model)
        for row, index in enumerate(together.samples):
            (alone,) = batches([samples[index]], [1.0])
            mine = together.row_N == row
            torch.testing.assert_close(hidden[mine], alone.hidden(model), rtol=1e-4, atol=1e-4)
            assert together.targets_N[mine].tolist() == alone.targets_N.tolist()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(2, 40), min_size=1, max_size=25), st.integers(1, 200))
def test_batches_hold_every_sample_once_within_their_size(lengths: list[int], most: int):
    samples = [tiny.sample(n, seed=i) for i, n in enumerate(lengths)]
    weights = [float(i + 1) for i in range(len(samples))]
    found = list(batches(samples, weights, max_tokens=most))
    assert sorted(i for b in found for i in b.samples) == list(range(len(samples)))
    for batch in found:
        assert batch.ids_BT.numel() <= most or len(batch.samples) == 1
        for row, index in enumerate(batch.samples):
            sample, mine = samples[index], batch.row_N == row
            written = [t for t, m in zip(sample.token_ids, sample.loss_mask, strict=True) if m][
                -trainable(sample) :
            ]
            assert batch.targets_N[mine].tolist() == written
            assert set(batch.weights_N[mine].tolist()) == {weights[index]}


def test_a_first_token_carries_no_loss_since_nothing_predicts_it():
    sample = tiny.sample(4, seed=0, mask=(True, True, False, True))
    (batch,) = batches([sample], [1.0])
    assert trainable(sample) == 2
    assert batch.at_N.tolist() == [0, 2]


def masked(domain: str, count: int) -> Sample:
    return Sample(token_ids=(1,) * (count + 2), loss_mask=(False, False) + (True,) * count, domain=domain)


def test_the_weights_of_a_step_have_their_documented_values():
    samples = [masked("a", 2), masked("a", 6), masked("b", 4), masked("c", 0)]
    assert token_mean(samples) == pytest.approx([1 / 12] * 4)
    assert sample_mean(samples)[:3] == pytest.approx([1 / 3 / 2, 1 / 3 / 6, 1 / 3 / 4])
    assert domain_mean(samples) == pytest.approx([1 / (2 * 2 * 2), 1 / (2 * 2 * 6), 1 / (2 * 1 * 4), 0])
    assert domain_token_mean(samples) == pytest.approx([1 / (2 * 8), 1 / (2 * 8), 1 / (2 * 4), 0])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9)), min_size=1, max_size=9).filter(
        lambda r: any(n for _, n in r)
    )
)
def test_the_weights_of_a_steps_tokens_sum_to_one(made: list[tuple[str, int]]):
    samples = [masked(d, n) for d, n in made]
    for weigh in (token_mean, sample_mean, domain_mean, domain_token_mean):
        assert sum(w * trainable(s) for w, s in zip(weigh(samples), samples, strict=True)) == pytest.approx(1)


def test_a_schedule_covers_its_epochs_and_fills_every_step():
    samples = [tiny.sample(10, seed=n) for n in range(20)]
    steps = schedule(samples, SftPlan(epochs=3, batch_tokens=50, max_length=10), seed=0)
    assert [len(s) for s in steps] == [5] * 12
    for epoch in range(3):
        assert sorted(i for s in steps[4 * epoch : 4 * epoch + 4] for i in s) == list(range(20))
    assert steps[:4] != steps[4:8]
    assert steps == schedule(samples, SftPlan(epochs=3, batch_tokens=50, max_length=10), seed=0)
    assert steps != schedule(samples, SftPlan(epochs=3, batch_tokens=50, max_length=10), seed=1)
    assert len(schedule(samples, SftPlan(steps=7, epochs=0, batch_tokens=1), seed=0)) == 7


def test_demonstrations_over_the_longest_length_are_left_out():
    samples = [tiny.sample(n, seed=n) for n in (5, 50, 6)]
    steps = schedule(samples, SftPlan(epochs=2, batch_tokens=11, max_length=10), seed=0)
    assert {i for s in steps for i in s} == {0, 2}
    with pytest.raises(
        ConfigError, match=r"max_length=4 tokens \(the shortest of 3 has 5\): raise sft\.max_length"
    ):
        schedule(samples, SftPlan(max_length=4), seed=0)


def test_the_rate_warms_up_and_ends_as_its_schedule_says():
    def rates(**plan: object) -> list[float]:
        optimiser = Optimiser(nn.Linear(2, 2), Optim(lr=1.0, **plan), 10, Ranks())  # type: ignore[arg-type]
        return [optimiser.rate(s) for s in range(10)]

    assert rates(schedule="constant", warmup_ratio=0.2) == pytest.approx([0.5] + [1.0] * 9)
    assert rates(schedule="linear", warmup_ratio=0.2) == pytest.approx(
        [0.5, 1, 1, *(1 - n / 8 for n in range(1, 8))]
    )
    assert rates(schedule="cosine", warmup_ratio=0.2)[6] == pytest.approx(0.5)


LEARNABLE = [tiny.sample(12, seed=n) for n in range(4)]
TOY = SftPlan(steps=12, epochs=0, batch_tokens=24, checkpoint_every=0, optim=FAST)


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_supervised_training_lowers_the_loss(kind: str):
    losses: list[float] = []
    plan = SftPlan(
        steps=30,
        epochs=0,
        batch_tokens=48,
        checkpoint_every=0,
        optim=Optim(kind=kind, lr=1e-2, weight_decay=0.0),
    )  # type: ignore[arg-type]
    model = tiny.model(init_std=0.05)
    watch = Watch(log=lambda step, values: losses.append(values["loss"]))
    assert sft(model, LEARNABLE, plan, seed=0, watch=watch) == 30
    assert losses[0] == pytest.approx(math.log(tiny.chat().vocabulary), abs=0.6)
    assert losses[-1] < 0.5 * losses[0]


class Killed(Exception):
    pass


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_a_run_that_was_stopped_goes_on_as_if_it_had_never_been(tmp_path: Path, kind: str):
    plan = SftPlan(steps=8, epochs=0, batch_tokens=24, checkpoint_every=3, optim=Optim(kind=kind, lr=1e-2))  # type: ignore[arg-type]
    straight, stopped = tiny.model(), tiny.model()
    sft(straight, LEARNABLE, plan, seed=0, watch=Watch())

    def kill(step: int, values: dict[str, float]) -> None:
        if step == 4:
            raise Killed

    file = tmp_path / "checkpoint.pt"
    with pytest.raises(Killed):
        sft(stopped, LEARNABLE, plan, seed=0, watch=Watch(log=kill, checkpoint=file))
    assert finished_steps(file) == 3
    ticks: list[int] = []
    again = tiny.model(seed=5)
    sft(again, LEARNABLE, plan, seed=0, watch=Watch(tick=ticks.append, checkpoint=file))
    assert ticks == [3, 1, 1, 1, 1, 1]
    for name, tensor in straight.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name


def test_a_damaged_checkpoint_is_a_model_error_with_the_mend(tmp_path: Path):
    model, file = tiny.model(), tmp_path / "checkpoint.pt"
    optimiser = Optimiser(model, FAST, 10, Ranks())
    assert load_checkpoint(file, model, optimiser) == 0
    save_checkpoint(file, model, optimiser, 4)
    assert load_checkpoint(file, model, optimiser) == 4
    other = Optimiser(model, FAST, 11, Ranks())
    with pytest.raises(ModelError, match=r"made for 10 steps, this run takes 11.*delete that file"):
        load_checkpoint(file, model, other)
    whole = file.read_bytes()
    for broken in (b"", whole[: len(whole) // 2], b"nonsense"):
        file.write_bytes(broken)
        assert finished_steps(file) == 0
        with pytest.raises(ModelError, match="delete that file to train this stage again"):
            load_checkpoint(file, model, optimiser)


def test_a_damaged_model_folder_is_a_model_error_with_the_mend(tmp_path: Path):
    folder = tiny.save(tiny.model(), tmp_path / "model")
    (folder / "model.safetensors").write_bytes(b"nonsense")
    for broken in (folder, tmp_path / "missing"):
        with pytest.raises(ModelError, match=r"needs config\.json and intact model\.safetensors"):
            load_model(broken)


def _rank(rank: int, world: int, folder: Path) -> None:
    torch.set_num_threads(1)
    ranks = Ranks.join(rank, world, folder / "meeting")
    model = tiny.model(init_std=0.1)
    losses: list[float] = []
    sft(model, rows(), TOY, seed=0, watch=Watch(log=lambda s, v: losses.append(v["loss"]), ranks=ranks))
    torch.save((losses, model.state_dict()), folder / f"{rank}.pt")
    ranks.leave()


@pytest.mark.slow
def test_two_ranks_train_as_one_does(tmp_path: Path):
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_rank, args=(r, 2, tmp_path)) for r in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    (losses, first), (others, second) = (torch.load(tmp_path / f"{r}.pt") for r in range(2))
    (tmp_path / "alone").mkdir()
    _rank(0, 1, tmp_path / "alone")
    alone, weights = torch.load(tmp_path / "alone" / "0.pt")
    assert losses == others
    assert losses == pytest.approx(alone, rel=1e-3)
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name])
        torch.testing.assert_close(tensor, weights[name], rtol=0, atol=5e-3)


@pytest.mark.parametrize("shape", [(16, 40), (40, 16), (3, 16, 40), (2, 3, 40, 16)])
def test_muon_makes_the_singular_values_near_one_in_stacks_and_both_orientations(shape: tuple[int, ...]):
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 7
    done = orthogonal(matrices)
    assert done.shape == matrices.shape
    values = torch.linalg.svdvals(done)
    assert values.min() > 0.6
    assert values.max() < 1.3
    u, _, v = torch.linalg.svd(matrices, full_matrices=False)
    aligned = (u @ v * done).sum((-2, -1)) / ((u @ v).norm(dim=(-2, -1)) * done.norm(dim=(-2, -1)))
    assert aligned.min() > 0.97
    if matrices.ndim == 3:
        torch.testing.assert_close(done[1], orthogonal(matrices[1]), rtol=1e-4, atol=1e-5)


def test_muon_leaves_a_matrix_without_gradient_alone():
    assert torch.equal(orthogonal(torch.zeros(3, 4)), torch.zeros(3, 4))


def test_a_prewired_model_copies_what_stood_after_the_same_two_tokens():
    wide = dict(width=128, layers=3, heads=4, kv_heads=4, head_width=64, init_std=0.05)
    random, wired = tiny.model(**wide), tiny.model(**wide)
    tokens = tiny.chat().tokenizer.convert_ids_to_tokens(list(range(tiny.chat().vocabulary)))
    prewire(wired, tokens, seed=0)
    once = torch.randint(0, 256, (8, 40), generator=torch.Generator().manual_seed(0))
    ids = torch.cat([once, once], 1)

    @torch.no_grad()
    def copied(model: nn.Module) -> tuple[float, float]:
        logits = model(input_ids=ids).logits[:, 41:-1]
        p = torch.softmax(logits, -1).gather(2, ids[:, 42:, None])
        return float(p.mean()), float((logits.argmax(-1) == ids[:, 42:]).float().mean())

    assert copied(wired)[0] > 5 * copied(random)[0]
    assert copied(wired)[1] > 0.8
    assert copied(random)[1] < 0.1


def on_policy(model: nn.Module, samples: list[Sample]) -> list[Sample]:
    """The rows with the model's own log-probabilities and made-up advantages."""
    from msgspec.structs import replace

    found = []
    for n, sample in enumerate(samples):
        ids = torch.tensor([sample.token_ids])
        with torch.no_grad():
            logp = (
                torch.log_softmax(model(input_ids=ids).logits[0, :-1], -1)
                .gather(1, ids[0, 1:, None])[:, 0]
                .tolist()
            )
        masked = tuple(float(p) * m for p, m in zip([0.0, *logp], sample.loss_mask, strict=True))
        advantage = 1.0 if n % 2 else -1.0
        found.append(
            replace(sample, logprobs=masked, advantages=tuple(advantage * m for m in sample.loss_mask))
        )
    return found


def test_a_policy_step_makes_good_attempts_likelier_and_bad_ones_less(monkeypatch: pytest.MonkeyPatch):
    model = tiny.model(init_std=0.1)
    reference = copy.deepcopy(model)
    samples = on_policy(model, rows())
    plan = GrpoPlan(optim=Optim(lr=3e-3, schedule="constant", weight_decay=0.0, clip_norm=0.0))
    terms = grpo_loop.update(model, reference, samples, plan)
    assert terms["kl"] == pytest.approx(0, abs=1e-5)
    assert terms["clipped"] == 0
    whole = gradients(model)
    model.zero_grad()
    monkeypatch.setattr(grpo_loop, "batches", lambda s, w, device: batches(s, w, max_tokens=1))
    again = grpo_loop.update(model, reference, samples, plan)
    assert again == pytest.approx(terms, abs=1e-5)
    for name, gradient in gradients(model).items():
        torch.testing.assert_close(gradient, whole[name], rtol=1e-3, atol=2e-5)
    Optimiser(model, plan.optim, 10, Ranks()).step(0)
    for before, after in zip(samples, on_policy(model, samples), strict=True):
        gain = sum(after.logprobs) - sum(before.logprobs)
        assert gain * sum(before.advantages) > 0


def test_the_gradient_is_clipped_to_its_norm_and_cleared():
    model = nn.Linear(3, 1, bias=False)
    optimiser = Optimiser(model, Optim(kind="adamw", clip_norm=0.5), 1, Ranks())
    given: list[float] = []
    optimiser.parts[0].register_step_pre_hook(lambda *_: given.append(float(model.weight.grad.norm())))  # type: ignore[union-attr]
    model.weight.grad = torch.full((1, 3), 2.0)
    assert optimiser.step(0) == pytest.approx(math.sqrt(12))
    assert given == pytest.approx([0.5])
    assert model.weight.grad is None or not model.weight.grad.any()


def test_what_no_token_reached_is_left_alone_and_does_not_stop_the_step():
    model = nn.ModuleDict({"chosen": nn.Linear(2, 2), "idle": nn.Linear(2, 2)})
    before = copy.deepcopy(model.state_dict())
    optimiser = Optimiser(model, Optim(lr=0.1, weight_decay=0.0), 1, Ranks())
    model["chosen"](torch.ones(1, 2)).sum().backward()
    optimiser.step(0)
    assert torch.equal(model["idle"].weight, before["idle.weight"])
    assert not torch.equal(model["chosen"].weight, before["chosen.weight"])


def test_merging_moves_the_weights_towards_the_mean_of_the_others():
    own, others = tiny.model(0), [tiny.model(1), tiny.model(2)]
    before = {n: p.detach().clone() for n, p in own.named_parameters()}
    theirs = [dict(m.named_parameters()) for m in others]
    merge(own, iter(others), 1.0)
    for name, p in own.named_parameters():
        torch.testing.assert_close(p, (theirs[0][name] + theirs[1][name]) / 2)
    merge(own, [], 1.0)  # nobody to move to
    own = tiny.model(0)
    merge(own, others, 0.5)
    for name, p in own.named_parameters():
        torch.testing.assert_close(
            p, before[name] + 0.25 * (theirs[0][name] + theirs[1][name] - 2 * before[name])
        )
    with pytest.raises(ModelError, match="cannot be merged"):
        merge(own, [tiny.model(0, width=48)], 1.0)


def test_a_lora_adapter_on_the_head_is_seen_and_learns():
    peft = pytest.importorskip("peft", reason="peft is not installed: pip install peft")
    model = tiny.model(0, init_std=0.1)
    plain, _ = head(model)
    plain = plain.detach().clone()
    adapted = peft.get_peft_model(
        model, peft.LoraConfig(r=2, target_modules=["lm_head"], init_lora_weights=False)
    )
    weight, _ = head(adapted)
    assert (weight - plain).abs().max() > 1e-4
    hidden = torch.randn(5, weight.shape[1])
    layer = adapted.get_output_embeddings()
    torch.testing.assert_close(hidden @ weight.T, layer(hidden))
    targets = torch.arange(20).view(5, 4)
    salient_kl(hidden, weight, targets, torch.zeros(5, 4), torch.ones(5)).loss.backward()
    learning = {n for n, p in adapted.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert learning
    assert all("lora_" in n for n in learning)
