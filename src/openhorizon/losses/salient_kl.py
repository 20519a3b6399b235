"""Salient vocabulary alignment: divergence of student and teacher on the teacher's top-k.

Recipe.md §6. Only the k logits ⟨h_n, W[ids_nj]⟩ of the support are formed, never a softmax over the vocabulary, and the
gradient is written in closed form. With both sides as masses u (student) and v (teacher) on the support S,

    reverse         Σ u·log(u/v)          forward   Σ v·log(v/u)
    jensen_shannon  ½ Σ u·log(u/m) + ½ Σ v·log(v/m), m = (u + v)/2

`mass_term` says what the masses are. "none", the paper's: both renormalised on S; what the student puts outside S goes
unseen. "bernoulli" and "generalised": as they are, with ρ = Σu and P = Σv; bernoulli adds the divergence of the tails
(1 − ρ against 1 − P) as one more token, generalised the terms −ρ + P (reverse) or ρ − P (forward) that make a divergence
of unnormalised measures. Exactly, for reverse: bernoulli = ρ·SVA + KL(ρ‖P), generalised = ρ·SVA + ρ·log(ρ/P) − ρ + P.

N trainable positions, K salient vocabulary, V vocabulary, D hidden.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from openhorizon.losses.logprobs import log_normaliser
from openhorizon.losses.salient_dot import to_hidden, to_rows
from openhorizon.losses.support import named_logits

Direction = Literal["reverse", "forward", "jensen_shannon"]
MassTerm = Literal["none", "bernoulli", "generalised"]
NOTHING = (
    -1e9
)  # a log-probability that is none; finite, so that the masked entries' gradients are 0 instead of NaN
LEAST_TAIL = 1e-6  # of a mass outside the support: float32 knows no smaller one beside 1


class Aligned(NamedTuple):
    """What every loss against a teacher answers."""

    loss: Tensor  # Σ_n w_n·ℓ_n, nats, with gradients
    loss_N: Tensor  # ℓ_n, detached
    log_support_N: (
        Tensor | None
    )  # log Σ_{u∈S} exp(the student's logit at u), detached; None where there is no support


def salient_kl(
    hidden_ND: Tensor,
    weight_VD: Tensor,
    ids_NK: Tensor,
    teacher_logprobs_NK: Tensor,
    weights_N: Tensor,
    bias_V: Tensor | None = None,
    *,
    direction: Direction = "reverse",
    mass_term: MassTerm = "none",
    temperature: float = 1.0,
    softcap: float = 0.0,
    touched_rows: bool = False,
) -> Aligned:
    """The weighted sum of ℓ_n over the positions. Gradients for hidden, weight and bias; not for the teacher.

    `teacher_logprobs_NK` in nats over the teacher's whole vocabulary (with mass_term "none" any constant per row may be
    missing). Entries whose id is outside [0, V) or whose log-probability is −inf take no part; ids within a row differ.
    `temperature` divides both sides' logits; mass terms know the teacher's mass at 1 alone and refuse others (ValueError).
    `touched_rows` gives the head's gradient as a sparse tensor of the rows that occur: autograd adds it to a dense
    `weight.grad` in place, which spares a [V, D] of zeros; with no `weight.grad` yet the gradient itself is sparse.
    """
    if mass_term != "none" and temperature != 1.0:
        raise ValueError(
            f"mass_term={mass_term} needs temperature 1: the teacher's mass at another one is not known"
        )
    valid_NK = (ids_NK >= 0) & (ids_NK < len(weight_VD)) & (teacher_logprobs_NK != -torch.inf)
    log_z_N = None if mass_term == "none" else log_normaliser(hidden_ND, weight_VD, bias_V, softcap=softcap)
    how = _How(direction, mass_term, temperature, softcap, touched_rows)
    loss_N, log_support_N = _Salient.apply(
        hidden_ND, weight_VD, bias_V, log_z_N, ids_NK.masked_fill(~valid_NK, 0),
        teacher_logprobs_NK.masked_fill(~valid_NK, -torch.inf), how,
    )  # type: ignore[assignment]  # fmt: skip
    return Aligned((weights_N * loss_N).sum(), loss_N.detach(), log_support_N)


@dataclass(frozen=True)
class _How:
    direction: Direction
    mass_term: MassTerm
    temperature: float
    softcap: float
    touched_rows: bool


class _Salient(torch.autograd.Function):
    """ℓ [N] and log Σ_S exp(logit) [N] from hidden, weight, bias and log Σ_V exp(logit) [N] (None: normalised on S)."""

    @staticmethod
    def forward(
        ctx: Any, hidden_ND: Tensor, weight_VD: Tensor, bias_V: Tensor | None, log_z_N: Tensor | None,
        ids_NK: Tensor, teacher_NK: Tensor, how: _How,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        logits_NK = named_logits(hidden_ND, weight_VD, ids_NK, bias_V, how.softcap)
        valid_NK = teacher_NK != -torch.inf
        log_support_N = logits_NK.masked_fill(~valid_NK, -torch.inf).logsumexp(-1)
        student_NK = (logits_NK / how.temperature).masked_fill_(~valid_NK, NOTHING)
        teacher_NK = (teacher_NK.to(student_NK.dtype) / how.temperature).masked_fill_(~valid_NK, NOTHING)
        if log_z_N is None:
            student_NK = torch.log_softmax(student_NK, -1)
            teacher_NK = torch.log_softmax(teacher_NK, -1)
        else:
            student_NK = student_NK - log_z_N[:, None]
        # again: in a row of nothing but padding the softmax made masses out of it
        student_NK.masked_fill_(~valid_NK, NOTHING)
        teacher_NK.masked_fill_(~valid_NK, NOTHING)
        loss_N, grad_NK = divergence(student_NK, teacher_NK, how.direction, how.mass_term)
        grad_z_N = -grad_NK.sum(-1)
        if (
            log_z_N is None
        ):  # the normaliser is the support's own: what pulls at it pulls at every logit by its share
            grad_NK += grad_z_N[:, None] * student_NK.exp()
        grad_NK /= how.temperature
        if how.softcap:
            grad_NK *= 1 - (logits_NK / how.softcap) ** 2
        ctx.how, ctx.has_bias, ctx.has_z = how, bias_V is not None, log_z_N is not None
        ctx.save_for_backward(hidden_ND, weight_VD, ids_NK, grad_NK, grad_z_N)
        ctx.mark_non_differentiable(log_support_N)
        return loss_N, log_support_N

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, up_N: Tensor, _: Any) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        hidden_ND, weight_VD, ids_NK, grad_NK, grad_z_N = ctx.saved_tensors
        grad_NK = grad_NK * up_N[:, None]
        hidden = weight = bias = z = None
        if ctx.needs_input_grad[0]:
            hidden = to_hidden(grad_NK, ids_NK, weight_VD).to(hidden_ND.dtype)
        if ctx.needs_input_grad[1]:
            rows_U, values_UD = to_rows(grad_NK, ids_NK, hidden_ND)
            values_UD = values_UD.to(weight_VD.dtype)
            if ctx.how.touched_rows:
                weight = torch.sparse_coo_tensor(
                    rows_U[None], values_UD, weight_VD.shape, is_coalesced=True, check_invariants=False
                )
            else:
                weight = torch.zeros_like(weight_VD).index_copy_(0, rows_U, values_UD)
        if ctx.has_bias and ctx.needs_input_grad[2]:
            column_N1 = torch.ones(len(ids_NK), 1, dtype=grad_NK.dtype, device=grad_NK.device)
            rows_U, values_U1 = to_rows(grad_NK, ids_NK, column_N1)
            bias = grad_NK.new_zeros(len(weight_VD)).index_copy_(
                0, rows_U, values_U1[:, 0]
            )  # autograd casts it
        if ctx.has_z and ctx.needs_input_grad[3]:
            z = grad_z_N * up_N
        return hidden, weight, bias, z, None, None, None


def divergence(
    student_NK: Tensor, teacher_NK: Tensor, direction: Direction, mass_term: MassTerm
) -> tuple[Tensor, Tensor]:
    """The divergence [N] of log-masses, in nats, and u·∂ℓ/∂u [N, K], its gradient by the student's log-masses."""
    u, v = student_NK.exp(), teacher_NK.exp()
    if direction == "reverse":  # the +1 of the derivative cancels under every mass term
        ratio = student_NK - teacher_NK
        loss, grad = (u * ratio).sum(-1), u * ratio
    elif direction == "forward":
        loss, grad = (v * (teacher_NK - student_NK)).sum(-1), -v
    else:
        middle = torch.logaddexp(student_NK, teacher_NK) - math.log(2.0)
        loss = 0.5 * (u * (student_NK - middle) + v * (teacher_NK - middle)).sum(-1)
        grad = 0.5 * u * (student_NK - middle)
    if mass_term == "none":
        return loss, grad
    rho, mass = u.sum(-1), v.sum(-1)
    if mass_term == "generalised":
        if direction == "reverse":
            return loss - rho + mass, grad
        return (loss + rho - mass, grad + u) if direction == "forward" else (loss, grad)
    tail, teacher_tail = ((1 - m).clamp_min(LEAST_TAIL).log()[:, None] for m in (rho, mass))
    # the tail is one more token, of mass 1 − ρ: what pulls it up pulls every u down
    more, pull = divergence(tail, teacher_tail, direction, "none")
    return loss + more, grad - u * (pull / tail.exp())
