"""The loss of the third stage: against dense references, by its closed-form gradient, in every variant and number type."""

import math

import pytest
import torch
from torch import Tensor

from openhorizon.losses import salient_dot
from openhorizon.losses.on_policy import full_kl, sampled_token_kl
from openhorizon.losses.salient_kl import Direction, MassTerm, salient_kl
from openhorizon.losses.support import coverage, salient_vocabulary

torch.set_num_threads(1)
N, D, V, K = 7, 6, 11, 4
DIRECTIONS: tuple[Direction, ...] = ("reverse", "forward", "jensen_shannon")
MASS_TERMS: tuple[MassTerm, ...] = ("none", "bernoulli", "generalised")


def scene(seed: int = 0, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Student's hidden [N, D], head [V, D], bias [V]; teacher's log-probabilities [N, V]; weights [N]."""
    g = torch.Generator().manual_seed(seed)
    hidden = torch.randn(N, D, generator=g, dtype=dtype, requires_grad=True)
    weight = torch.randn(V, D, generator=g, dtype=dtype, requires_grad=True)
    bias = torch.randn(V, generator=g, dtype=dtype, requires_grad=True)
    teacher = torch.log_softmax(2 * torch.randn(N, V, generator=g, dtype=dtype), -1)
    return hidden, weight, bias, teacher, torch.rand(N, generator=g, dtype=dtype)


def dense(logits: Tensor, teacher: Tensor, weights: Tensor, direction: str) -> Tensor:
    """The divergence over the whole vocabulary, written from its definition."""
    p, q = torch.softmax(logits, -1), teacher.exp()
    return (weights * between(p, q, direction)).sum()


def between(p: Tensor, q: Tensor, direction: str) -> Tensor:
    m = (p + q) / 2
    return {
        "reverse": (p * (p / q).log()).sum(-1),
        "forward": (q * (q / p).log()).sum(-1),
        "jensen_shannon": 0.5 * (p * (p / m).log()).sum(-1) + 0.5 * (q * (q / m).log()).sum(-1),
    }[direction]


def defined(logits: Tensor, teacher: Tensor, ids: Tensor, direction: str, mass_term: str) -> Tensor:
    """ℓ [N] on the support `ids`, from the definitions, out of all logits."""
    p, q = torch.softmax(logits, -1).gather(1, ids), teacher.exp().gather(1, ids)
    rho, mass = p.sum(-1, keepdim=True), q.sum(-1, keepdim=True)
    if mass_term == "none":
        return between(p / rho, q / mass, direction)
    if mass_term == "bernoulli":  # everything else is one more token
        return between(torch.cat([p, 1 - rho], 1), torch.cat([q, 1 - mass], 1), direction)
    extra = {"reverse": mass - rho, "forward": rho - mass, "jensen_shannon": 0 * rho}[direction]
    return between(p, q, direction) + extra[:, 0]


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("mass_term", MASS_TERMS)
@pytest.mark.parametrize("softcap", [0.0, 3.0])
def test_every_variant_is_its_definition_with_its_gradient(
    direction: Direction, mass_term: MassTerm, softcap: float
):
    hidden, weight, bias, teacher, weights = scene(dtype=torch.float64)
    values, ids = teacher.topk(K)
    ids[3] = torch.tensor([0, 5, 2, 9])  # a support that the teacher itself would not have named
    values[3] = teacher[3, ids[3]]
    loss, loss_N, _ = salient_kl(
        hidden, weight, ids, values, weights, bias,
        direction=direction, mass_term=mass_term, softcap=softcap,
    )  # fmt: skip
    logits = hidden @ weight.T + bias
    logits = softcap * torch.tanh(logits / softcap) if softcap else logits
    wanted_N = defined(logits, teacher, ids, direction, mass_term)
    torch.testing.assert_close(loss_N, wanted_N.detach())
    wanted = (weights * wanted_N).sum()
    torch.testing.assert_close(loss, wanted)
    ours = torch.autograd.grad(loss, (hidden, weight, bias))
    for a, b in zip(ours, torch.autograd.grad(wanted, (hidden, weight, bias)), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("mass_term", MASS_TERMS)
def test_the_gradient_passes_gradcheck(direction: Direction, mass_term: MassTerm):
    hidden, weight, bias, teacher, weights = scene(1, torch.float64)
    values, ids = teacher.topk(K)
    values[2, 3], ids[4, 2] = -math.inf, -1

    def of(h: Tensor, w: Tensor, b: Tensor) -> Tensor:
        return salient_kl(
            h, w, ids, values, weights, b, direction=direction, mass_term=mass_term, softcap=4.0
        )[0]

    assert torch.autograd.gradcheck(of, (hidden, weight, bias))


def test_a_temperature_divides_both_sides_and_is_refused_where_the_mass_counts():
    hidden, weight, _, teacher, weights = scene(dtype=torch.float64)
    values, ids = teacher.topk(K)
    loss = salient_kl(hidden, weight, ids, values, weights, temperature=0.7).loss
    wanted = dense(
        (hidden @ weight.T).gather(1, ids) / 0.7, torch.log_softmax(values / 0.7, -1), weights, "reverse"
    )
    torch.testing.assert_close(loss, wanted)
    for a, b in zip(*(torch.autograd.grad(x, (hidden, weight)) for x in (loss, wanted)), strict=True):
        torch.testing.assert_close(a, b)
    with pytest.raises(ValueError, match="temperature"):
        salient_kl(hidden, weight, ids, values, weights, temperature=0.7, mass_term="bernoulli")


def test_the_mass_terms_follow_from_the_loss_the_coverage_and_the_teachers_mass():
    hidden, weight, _, teacher, weights = scene(dtype=torch.float64)
    values, ids = teacher.topk(K)
    sva, bernoulli, generalised = (
        salient_kl(hidden, weight, ids, values, weights, mass_term=m)[1] for m in MASS_TERMS
    )
    rho, mass = coverage(hidden, weight, ids), values.exp().sum(-1)
    tails = rho * (rho / mass).log() + (1 - rho) * ((1 - rho) / (1 - mass)).log()
    torch.testing.assert_close(bernoulli, rho * sva + tails)
    torch.testing.assert_close(generalised, rho * sva + rho * (rho / mass).log() - rho + mass)
    assert (bernoulli >= 0).all()
    assert (generalised >= 0).all()


def test_renormalised_the_loss_is_blind_to_mass_outside_and_the_mass_terms_are_not():
    hidden, weight, bias, teacher, weights = scene()
    ids, outside = torch.arange(K).expand(N, K), list(range(K, V))
    pulls = []
    for mass_term in MASS_TERMS:
        loss = salient_kl(
            hidden, weight, ids, teacher.gather(1, ids), weights, bias, mass_term=mass_term
        ).loss
        (gradient,) = torch.autograd.grad(loss, bias)
        pulls.append(float(gradient[outside].abs().sum()))
    assert pulls[0] == 0
    assert min(pulls[1:]) > 1e-3


def test_within_the_support_the_pulls_on_the_logits_sum_to_zero():
    hidden, weight, _, teacher, weights = scene(dtype=torch.float64)
    values, ids = teacher[:1].topk(K)
    bias = torch.zeros(V, dtype=torch.float64, requires_grad=True)
    for direction in DIRECTIONS:
        loss = salient_kl(hidden[:1], weight, ids, values, weights[:1], bias, direction=direction).loss
        (gradient,) = torch.autograd.grad(loss, bias)
        assert gradient.abs().sum() > 1e-3
        assert abs(float(gradient.sum())) < 1e-12


def test_ids_that_the_students_vocabulary_lacks_take_no_part():
    hidden, weight, bias, teacher, weights = scene()
    values, ids = teacher.topk(K)
    lacking, more = torch.cat([ids, ids[:, :2]], 1), torch.cat([values, values[:, :2]], 1)
    lacking[:, 4], lacking[:, 5] = V, V + 70_000
    for mass_term in MASS_TERMS:
        short, long = (
            salient_kl(hidden, weight, i, v, weights, bias, mass_term=mass_term)[0]
            for i, v in ((ids, values), (lacking, more))
        )
        torch.testing.assert_close(short, long)
        for a, b in zip(
            *(torch.autograd.grad(x, (hidden, weight, bias)) for x in (short, long)), strict=True
        ):
            torch.testing.assert_close(a, b)


def test_a_missing_log_probability_is_never_read_as_a_number():
    hidden, weight, _, teacher, weights = scene()
    values, ids = teacher.topk(K)
    values[1, 2] = math.nan
    loss, loss_N, _ = salient_kl(hidden, weight, ids, values, weights)
    assert loss.isnan()
    assert loss_N[1].isnan()
    assert not loss_N[0].isnan()


def test_rows_together_are_the_rows_apart():
    hidden, weight, bias, teacher, weights = scene()
    values, ids = teacher.topk(K)

    def of(at: slice) -> tuple[Tensor, ...]:
        loss = salient_kl(hidden[at], weight, ids[at], values[at], weights[at], bias).loss
        return (loss, *torch.autograd.grad(loss, (hidden, weight, bias)))

    whole, parts = of(slice(None)), [of(slice(0, 2)), of(slice(2, 3)), of(slice(3, None))]
    for n, one in enumerate(whole):
        torch.testing.assert_close(one, sum(p[n] for p in parts), rtol=1e-5, atol=1e-6)
    assert of(slice(0, 0))[0] == 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("mass_term", MASS_TERMS)
def test_low_precision_inputs_are_summed_in_single_precision(dtype: torch.dtype, mass_term: MassTerm):
    hidden, weight, _, teacher, weights = scene(dtype=torch.float64)
    values, ids = teacher.topk(K)
    low = [x.detach().to(dtype).requires_grad_() for x in (hidden, weight)]
    high = [x.detach().double().requires_grad_() for x in low]  # the same numbers
    results = []
    for h, w in (low, high):
        loss = salient_kl(h, w, ids, values, weights.to(torch.float32), mass_term=mass_term).loss
        results.append((loss, *torch.autograd.grad(loss, (h, w))))
    assert results[0][0].dtype == torch.float32
    assert results[0][1].dtype == results[0][2].dtype == dtype
    # the mass terms go through the head's own matmul, which rounds its logits to the inputs' type
    loose = 2e-6 if mass_term == "none" else 2e-2
    torch.testing.assert_close(results[0][0].double(), results[1][0].double(), rtol=loose, atol=loose)
    step = torch.finfo(dtype).eps
    for a, b in zip(results[0][1:], results[1][1:], strict=True):
        torch.testing.assert_close(a.double(), b, rtol=4 * step, atol=4 * step)


def test_tied_embeddings_get_both_gradients_and_touched_rows_change_nothing():
    _, _, _, teacher, weights = scene()
    table = torch.randn(V, D, generator=torch.Generator().manual_seed(5), requires_grad=True)
    inner = torch.randn(D, D, generator=torch.Generator().manual_seed(6))
    values, ids = teacher.topk(K)
    tokens = torch.arange(N) % V

    def pulled(touched: bool, there: bool) -> Tensor:
        table.grad = torch.full_like(table, 2.0) if there else None
        held = table.grad
        hidden = torch.tanh(torch.nn.functional.embedding(tokens, table) @ inner)
        salient_kl(hidden, table, ids, values, weights, touched_rows=touched)[0].backward()
        assert table.grad is not None
        assert held is None or table.grad is held  # added in place
        return table.grad.to_dense() - (2.0 if there else 0.0)

    wanted = pulled(False, False)
    for touched, there in ((True, True), (True, False), (False, True)):
        torch.testing.assert_close(pulled(touched, there), wanted, rtol=1e-4, atol=1e-5)
    hidden = torch.tanh(torch.nn.functional.embedding(tokens, table) @ inner)
    loss = dense((hidden @ table.T).gather(1, ids), torch.log_softmax(values, -1), weights, "reverse")
    torch.testing.assert_close(torch.autograd.grad(loss, table)[0], wanted, rtol=1e-4, atol=1e-5)


def test_a_frozen_head_is_left_alone_and_the_hidden_states_still_learn():
    hidden, weight, _, teacher, weights = scene()
    values, ids = teacher.topk(K)
    loss = salient_kl(hidden, weight.detach(), ids, values, weights).loss
    (alone,) = torch.autograd.grad(loss, hidden)
    (together,) = torch.autograd.grad(salient_kl(hidden, weight, ids, values, weights)[0], hidden)
    torch.testing.assert_close(alone, together)


def test_the_gradient_of_the_head_has_the_same_bits_every_time():
    g = torch.Generator().manual_seed(0)
    hidden, grad = torch.randn(300, D, generator=g), torch.randn(300, 8, generator=g)
    ids = torch.randint(0, 40, (300, 8), generator=g)
    rows, values = salient_dot.to_rows(grad, ids, hidden)
    assert rows.tolist() == sorted(set(ids.reshape(-1).tolist()))
    for _ in range(5):
        again = salient_dot.to_rows(grad, ids, hidden)
        assert torch.equal(again[0], rows)
        assert torch.equal(again[1], values)
    wanted = torch.zeros(40, D, dtype=torch.float64)
    for n in range(300):
        for j in range(8):
            wanted[ids[n, j]] += grad[n, j].double() * hidden[n].double()
    torch.testing.assert_close(values.double(), wanted[rows], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0])
def test_parity_with_the_definitions_of_two_public_trainers(beta: float):
    """NeMo-RL (DistillationLossFn, zero_outside_topk=False: log-softmax of both sides' logits at the teacher's top-k, then
    KL, mean over tokens) and ms-swift (gkd_loss with gkd_logits_topk: gather, log-softmax, generalised Jensen–Shannon with
    beta 1 the reverse, 0 the forward KL, divided by the number of tokens), written out here on fixed tensors."""
    hidden, weight, _, teacher, _ = scene(4, torch.float64)
    teacher_logits = teacher + 1.3  # both peers are given logits; a constant per row falls out
    top, ids = teacher_logits.topk(K)
    s = torch.log_softmax((hidden @ weight.T).gather(-1, ids), -1)
    t = torch.log_softmax(top, -1)

    def kl_div(
        given: Tensor, target: Tensor
    ) -> Tensor:  # KL(target ‖ given), the argument order of both peers
        return torch.nn.functional.kl_div(given, target, reduction="none", log_target=True).sum(-1)

    if beta == 0.5:
        m = torch.logsumexp(torch.stack([s + math.log(0.5), t + math.log(0.5)]), 0)
        theirs = (0.5 * kl_div(m, t) + 0.5 * kl_div(m, s)).sum() / N
    else:
        theirs = (kl_div(t, s) if beta == 1.0 else kl_div(s, t)).mean()
    direction: Direction = {0.0: "forward", 0.5: "jensen_shannon", 1.0: "reverse"}[beta]  # type: ignore[assignment]
    token_mean = torch.full((N,), 1 / N, dtype=torch.float64)
    ours = salient_kl(hidden, weight, ids, top, token_mean, direction=direction).loss
    torch.testing.assert_close(ours, theirs)
    for a, b in zip(*(torch.autograd.grad(x, (hidden, weight)) for x in (ours, theirs)), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_the_full_divergence_is_the_salient_one_on_the_whole_vocabulary(
    direction: Direction, monkeypatch: pytest.MonkeyPatch
):
    hidden, weight, bias, _, weights = scene(dtype=torch.float64)
    theirs = torch.randn(N, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    head = torch.randn(V, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    every = torch.arange(V).expand(N, V)
    wanted, wanted_N, _ = salient_kl(
        hidden, weight, every, torch.log_softmax(theirs @ head.T, -1), weights, bias, direction=direction
    )
    for chunk in (1 << 20, 8 * V):  # whole, and two positions at a time
        monkeypatch.setattr("openhorizon.losses.logprobs.CHUNK", chunk)
        full, full_N, _ = full_kl(hidden, weight, theirs, head, weights, bias, direction=direction)
        torch.testing.assert_close(full, wanted)
        torch.testing.assert_close(full_N, wanted_N)
        for a, b in zip(
            *(torch.autograd.grad(x, (hidden, weight, bias), retain_graph=True) for x in (full, wanted)),
            strict=True,
        ):
            torch.testing.assert_close(a, b)


def test_the_sampled_tokens_gradient_is_in_expectation_that_of_the_full_reverse_kl():
    hidden, weight, bias, teacher, weights = scene(dtype=torch.float64)
    full = dense(hidden @ weight.T + bias, teacher, weights, "reverse")
    p = torch.softmax(hidden @ weight.T + bias, -1).detach()
    value, gradient = torch.zeros((), dtype=torch.float64), torch.zeros_like(hidden)
    for token in range(V):  # the expectation, token by token
        ids = torch.full((N,), token)
        loss = sampled_token_kl(hidden, weight, ids, teacher[:, token], weights * p[:, token], bias).loss
        value = value + loss.detach()
        gradient = gradient + torch.autograd.grad(loss, hidden)[0]
    torch.testing.assert_close(value, full.detach())
    torch.testing.assert_close(gradient, torch.autograd.grad(full, hidden)[0])


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("softcap", [0.0, 3.0])
def test_with_the_whole_vocabulary_as_support_it_is_the_full_divergence_and_has_its_gradient(
    direction: Direction, softcap: float
):
    hidden, weight, bias, teacher, weights = scene()
    ids = torch.stack([torch.randperm(V, generator=torch.Generator().manual_seed(n)) for n in range(N)])
    loss, loss_N, _ = salient_kl(
        hidden, weight, ids, teacher.gather(1, ids), weights, bias, direction=direction, softcap=softcap
    )
    logits = hidden @ weight.T + bias
    wanted = dense(softcap * torch.tanh(logits / softcap) if softcap else logits, teacher, weights, direction)
    torch.testing.assert_close(loss, wanted, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close((weights * loss_N).sum(), loss.detach())
    ours = torch.autograd.grad(loss, (hidden, weight, bias))
    for a, b in zip(ours, torch.autograd.grad(wanted, (hidden, weight, bias)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_the_divergence_of_a_model_from_itself_is_zero_with_zero_gradient(direction: Direction):
    hidden, weight, bias, _, weights = scene()
    ids, values = salient_vocabulary(hidden, weight, 4, bias)
    loss, loss_N, _ = salient_kl(hidden, weight, ids, values, weights, bias, direction=direction)
    assert loss.detach().abs() < 1e-6
    assert loss_N.abs().max() < 1e-6
    for gradient in torch.autograd.grad(loss, (hidden, weight, bias)):
        assert gradient.abs().max() < 1e-5


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_on_a_part_of_the_vocabulary_both_sides_are_renormalised(direction: Direction):
    hidden, weight, bias, teacher, weights = scene()
    values, ids = teacher.topk(4)
    loss = salient_kl(hidden, weight, ids, values - 1.7, weights, bias, direction=direction).loss
    wanted = dense(
        (hidden @ weight.T + bias).gather(1, ids), torch.log_softmax(values, -1), weights, direction
    )
    torch.testing.assert_close(loss, wanted, rtol=1e-5, atol=1e-6)
    ours, theirs = (torch.autograd.grad(x, (hidden, weight))[0] for x in (loss, wanted))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("padding", ["id", "logprob"])
def test_padding_of_the_support_takes_no_part(direction: Direction, padding: str):
    hidden, weight, bias, teacher, weights = scene()
    values, ids = teacher.topk(4)
    more_ids, more = torch.cat([ids, ids[:, :2]], 1), torch.cat([values, values[:, :2]], 1)
    if padding == "id":
        more_ids[:, 4:] = -1
    else:
        more[:, 4:] = -math.inf
    short = salient_kl(hidden, weight, ids, values, weights, bias, direction=direction).loss
    long = salient_kl(hidden, weight, more_ids, more, weights, bias, direction=direction).loss
    torch.testing.assert_close(short, long)
    a, b = (torch.autograd.grad(x, (hidden, weight, bias)) for x in (short, long))
    for one, other in zip(a, b, strict=True):
        assert torch.isfinite(other).all()
        torch.testing.assert_close(one, other)


def test_a_row_without_any_support_gives_zero_and_no_nan():
    hidden, weight, _, teacher, weights = scene()
    values, ids = teacher.topk(3)
    ids[2] = -1
    loss, loss_N, _ = salient_kl(hidden, weight, ids, values, weights)
    assert loss_N[2] == 0
    (gradient,) = torch.autograd.grad(loss, hidden)
    assert torch.isfinite(gradient).all()
    assert gradient[2].abs().max() == 0
