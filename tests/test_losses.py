"""Losses against dense references, by hand-made cases and by finite differences of the law they stand for."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from openhorizon.config import GrpoPlan
from openhorizon.losses import logprobs, salient_dot, support
from openhorizon.losses.cross_entropy import cross_entropy
from openhorizon.losses.grpo import group_advantages, grpo, process_advantages
from openhorizon.losses.logprobs import token_logprobs
from openhorizon.losses.salient_kl import salient_kl
from openhorizon.losses.support import coverage, salient_vocabulary
from openhorizon.records import Completion, Judged, Message, Status, ToolCall, Trajectory, Turn, Verdict
from openhorizon.training.rewards import efficiency_penalty, process_score, repetition_penalty, reward

torch.set_num_threads(1)
N, D, V = 7, 6, 11


def scene(seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Student's hidden [N, D], head [V, D], bias [V]; teacher's log-probabilities [N, V]; weights [N]."""
    g = torch.Generator().manual_seed(seed)
    hidden = torch.randn(N, D, generator=g, requires_grad=True)
    weight = torch.randn(V, D, generator=g, requires_grad=True)
    bias = torch.randn(V, generator=g, requires_grad=True)
    teacher = torch.log_softmax(2 * torch.randn(N, V, generator=g), -1)
    return hidden, weight, bias, teacher, torch.rand(N, generator=g)


def dense(logits: Tensor, teacher: Tensor, weights: Tensor, direction: str) -> Tensor:
    """The divergence over the whole vocabulary, written from its definition."""
    p, q = torch.softmax(logits, -1), teacher.exp()
    m = (p + q) / 2
    kl = {
        "reverse": (p * (p / q).log()).sum(-1),
        "forward": (q * (q / p).log()).sum(-1),
        "jensen_shannon": 0.5 * (p * (p / m).log()).sum(-1) + 0.5 * (q * (q / m).log()).sum(-1),
    }[direction]
    return (weights * kl).sum()


def test_coverage_is_the_students_mass_on_the_support():
    hidden, weight, bias, teacher, _ = scene()
    ids = teacher.topk(5).indices
    ids[0, 3:] = -1
    rho = coverage(hidden, weight, ids, bias, softcap=2.0)
    p = torch.softmax(2.0 * torch.tanh((hidden @ weight.T + bias) / 2.0), -1)
    wanted = [sum(float(p[n, i].detach()) for i in ids[n].tolist() if i >= 0) for n in range(N)]
    torch.testing.assert_close(rho, torch.tensor(wanted))
    torch.testing.assert_close(coverage(hidden, weight, torch.arange(V).expand(N, V)), torch.ones(N))


def test_the_salient_vocabulary_is_the_top_of_the_log_softmax():
    hidden, weight, bias, _, _ = scene()
    ids, values = salient_vocabulary(hidden, weight, 4, bias)
    top = torch.log_softmax(hidden @ weight.T + bias, -1).topk(4)
    assert torch.equal(ids, top.indices)
    torch.testing.assert_close(values, top.values)
    assert salient_vocabulary(hidden, weight, 99, bias)[0].shape == (N, V)


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch):
    hidden, weight, bias, teacher, weights = scene()
    targets = torch.arange(N)

    def everything() -> list[Tensor]:
        values, ids = teacher.topk(4)
        loss, loss_N, _ = salient_kl(hidden, weight, ids, values, weights, bias)
        logp, spread = token_logprobs(hidden, weight, targets, bias, entropy=True, temperature=0.7)
        nll = cross_entropy(hidden, weight, targets, weights, bias)
        own, own_values = salient_vocabulary(hidden, weight, 3, bias)
        rho = coverage(hidden, weight, ids, bias)
        gradients = torch.autograd.grad(
            loss + (logp * weights).sum() + spread.sum() + nll, (hidden, weight, bias)
        )
        return [loss, loss_N, logp, spread, nll, own, own_values, rho, *gradients]

    whole = everything()
    monkeypatch.setattr(logprobs, "CHUNK", 2 * V)
    monkeypatch.setattr(salient_dot, "CPU_CHUNK", 3 * 4 * D)
    monkeypatch.setattr(support, "COLUMNS", 4)
    for one, other in zip(whole, everything(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_token_logprobs_and_entropy_are_those_of_the_softmax():
    hidden, weight, bias, _, _ = scene()
    targets = torch.arange(N) % V
    logp, entropy = token_logprobs(hidden, weight, targets, bias, temperature=0.5, softcap=4.0, entropy=True)
    wanted = torch.distributions.Categorical(logits=4 * torch.tanh((hidden @ weight.T + bias) / 4) / 0.5)
    torch.testing.assert_close(logp, wanted.log_prob(targets))
    torch.testing.assert_close(entropy, wanted.entropy())


def test_cross_entropy_is_the_weighted_negative_log_likelihood():
    hidden, weight, bias, _, weights = scene()
    targets = torch.arange(N)
    wanted = (
        torch.nn.functional.cross_entropy(hidden @ weight.T + bias, targets, reduction="none") * weights
    ).sum()
    torch.testing.assert_close(cross_entropy(hidden, weight, targets, weights, bias), wanted)


rewards = st.lists(st.floats(-5, 5, allow_nan=False), min_size=1, max_size=9)
outcomes = st.lists(st.tuples(st.sampled_from([0.0, 1.0]), st.floats(0, 1)), min_size=1, max_size=9)


@settings(max_examples=80, deadline=None)
@given(rewards)
def test_the_advantages_of_a_group_sum_to_zero_and_keep_the_order_of_the_rewards(group: list[float]):
    advantages = group_advantages(group)
    assert abs(sum(advantages)) < 1e-4
    ranked = [a for _, a in sorted(zip(group, advantages, strict=True))]
    assert ranked == sorted(ranked)


@settings(max_examples=30, deadline=None)
@given(st.floats(-5, 5), st.integers(1, 9))
def test_equal_rewards_give_no_advantage(value: float, count: int):
    assert group_advantages([value] * count) == [0.0] * count


@settings(max_examples=80, deadline=None)
@given(outcomes)
def test_the_process_term_touches_failed_attempts_only_and_sums_to_zero(group: list[tuple[float, float]]):
    won, process = [o for o, _ in group], [p for _, p in group]
    plain, mixed = group_advantages(won), process_advantages(won, process, 0.5)
    assert all(a == b for a, b, o in zip(plain, mixed, won, strict=True) if o == 1)
    assert abs(sum(mixed)) < 1e-4
    assert process_advantages(won, process, 0.0) == plain


def test_the_process_term_is_normalised_over_the_failed_attempts_alone():
    mixed = process_advantages([1.0, 0.0, 0.0, 1.0], [0.9, 0.25, 0.75, 0.1], 0.5)
    assert mixed == pytest.approx([1.0, -1.0 - 0.5, -1.0 + 0.5, 1.0])


@pytest.mark.parametrize(
    ("ratio", "advantage", "gain", "moves"),
    [
        (1.0, 1.0, 1.0, True),
        (1.5, 1.0, 1.28, False),  # good and already likelier: bounded above, no further push
        (0.5, 1.0, 0.5, True),  # good but less likely: pushed back up
        (0.5, -1.0, -0.8, False),  # bad and already less likely: bounded below
        (1.5, -1.0, -1.5, True),  # bad but likelier: the whole penalty
    ],
)
def test_the_clip_binds_only_where_it_would_overshoot(
    ratio: float, advantage: float, gain: float, moves: bool
):
    logp = torch.tensor([math.log(ratio)], requires_grad=True)
    one = torch.ones(1)
    terms = grpo(logp, torch.zeros(1), one * advantage, one, clip_low=0.2, clip_high=0.28)
    terms.loss.backward()
    assert float(terms.loss.detach()) == pytest.approx(-gain)
    assert logp.grad is not None
    assert bool(logp.grad.abs() > 0) is moves
    assert terms.clipped == float(not moves)


def test_the_kl_term_is_the_k3_estimate_and_the_entropy_is_a_bonus():
    logp = torch.tensor([-1.0, -2.0], requires_grad=True)
    reference, weights = torch.tensor([-1.5, -1.0]), torch.tensor([0.25, 0.5])
    terms = grpo(
        logp, logp.detach(), torch.zeros(2), weights, clip_low=0.2, clip_high=0.2,
        kl=0.1, reference_logp_N=reference, entropy=0.01, entropy_N=torch.tensor([1.0, 2.0]),
    )  # fmt: skip
    k3 = 0.25 * (math.exp(-0.5) + 0.5 - 1) + 0.5 * (math.exp(1.0) - 1.0 - 1)
    assert float(terms.loss.detach()) == pytest.approx(0.1 * k3 - 0.01 * 1.25)
    assert terms.kl == pytest.approx(k3 / 0.75)
    assert terms.entropy == pytest.approx(1.25 / 0.75)
    same = grpo(
        logp,
        logp.detach(),
        torch.zeros(2),
        weights,
        clip_low=0.2,
        clip_high=0.2,
        kl=0.1,
        reference_logp_N=logp.detach(),
    )
    assert float(same.loss.detach()) == 0.0


def judged(
    *turns: tuple[str, ...],
    score: float = 1.0,
    malformed: bool = False,
    parts: dict[str, float] | None = None,
) -> Judged:
    """An attempt whose turns call `find` with these towns."""
    made = tuple(
        Turn(
            completion=Completion(text=""),
            message=Message(
                role="assistant", calls=tuple(ToolCall(name="find", arguments={"town": t}) for t in towns),
                malformed="broken" if malformed else "",
            ),
        )
        for towns in turns
    )  # fmt: skip
    trajectory = Trajectory(id="a", task="t", domain="towns", prompt=(), turns=made, status=Status.FINISHED)
    return Judged(trajectory=trajectory, verdict=Verdict(score=score, passed=score == 1, parts=parts or {}))


def test_rounds_are_free_up_to_a_number_and_cost_the_same_each_after_it():
    plan = GrpoPlan(efficiency_free_rounds=3, efficiency_penalty=0.1)
    assert [efficiency_penalty(n, plan) for n in (1, 3, 4, 6)] == pytest.approx([0, 0, 0.1, 0.3])
    assert efficiency_penalty(99, GrpoPlan(efficiency_penalty=0.1)) == 0


def test_a_repeated_call_costs_within_the_window_of_turns_and_at_most_the_cap():
    plan = GrpoPlan(repetition_window=2, repetition_penalty=0.1, repetition_cap=0.25)

    def cost(*turns: tuple[str, ...]) -> float:
        return repetition_penalty(judged(*turns), plan)

    assert cost(("a",), ("b",), ("c",)) == 0
    assert cost(("a",), ("b",), ("a",)) == pytest.approx(0.1)
    assert cost(("a",), ("b",), ("c",), ("a",)) == 0
    assert cost(("a", "b", "c"), ("d", "e", "f"), ("a",)) == pytest.approx(
        0.1
    )  # turns are counted, not calls
    assert cost(("a", "a")) == pytest.approx(0.1)
    assert cost(*[("a",)] * 9) == 0.25
    assert (
        repetition_penalty(judged(("a",), ("a",)), GrpoPlan(repetition_penalty=1.0, repetition_cap=9.0)) == 0
    )


def test_the_reward_adds_the_format_and_takes_off_what_was_wasted():
    plan = GrpoPlan(
        efficiency_free_rounds=1, efficiency_penalty=0.1, repetition_window=3, repetition_penalty=0.2,
        repetition_cap=1.0, format_reward=0.05,
    )  # fmt: skip
    assert reward(judged(("a",), ("a",)), plan) == pytest.approx(1 - 0.1 - 0.2 + 0.05)
    assert reward(judged(("a",), malformed=True, score=0.5), plan) == pytest.approx(0.5)


def test_the_process_score_is_the_share_of_satisfied_rubrics():
    assert process_score(judged(("a",), score=0.0, parts={"x": 1.0, "y": 0.0})) == 0.5
    assert process_score(judged(("a",), score=0.25)) == 0.25
