"""Ways to learn from a teacher's distribution, behind one call: the contestants of the salient_kl benchmarks.

Every contestant takes the same `Work` and answers with a scalar to call `backward` on: the mean reverse
divergence over N positions. "The same loss" below is the divergence of both sides renormalised on the
teacher's top k, as ours; the others compute the divergence over the whole vocabulary, which is what their
libraries offer.
N positions, K salient vocabulary, V vocabulary, D the student's hidden, E the teacher's.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import embedding
from torch.utils.checkpoint import checkpoint

from openhorizon.losses.on_policy import full_kl
from openhorizon.losses.salient_kl import salient_kl

CHECKPOINTED_ROWS = 256  # as many as in a chunk of TRL; 256 rows of 248,320 float32 logits are 254 MB


@dataclass
class Work:
    """What is given: the student's last hidden states and head, and what the teacher said."""

    hidden_ND: Tensor
    weight_VD: Tensor
    ids_NK: Tensor
    teacher_NK: Tensor  # log-probabilities at the ids
    teacher_hidden_NE: Tensor | None = None
    teacher_weight_VE: Tensor | None = None
    teacher_logits_NV: Tensor | None = None
    kept_VD: Tensor | None = None  # a gradient buffer that outlives the step, as trainers keep one

    @property
    def weights_N(self) -> Tensor:
        n = len(self.ids_NK)
        return torch.full((n,), 1 / n, device=self.hidden_ND.device)

    def both_sides(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Student's hidden, teacher's hidden, student's head, teacher's head."""
        assert self.teacher_hidden_NE is not None
        assert self.teacher_weight_VE is not None
        return self.hidden_ND, self.teacher_hidden_NE, self.weight_VD, self.teacher_weight_VE


@dataclass(frozen=True)
class Contestant:
    name: str
    loss: Callable[[Work], Tensor]
    teacher: str  # in what form it gets the teacher
    kept: bool = False  # whether it adds to the gradient buffer that is there, instead of making one
    same: bool = True  # whether it is the same loss as ours, so that gradients can be compared
    fast: bool = False  # whether it is run often
    compiles: bool = False  # whether its first run at a size compiles

    def step(self, work: Work) -> None:
        """Forward and backward, into hidden.grad and weight.grad."""
        self.loss(work).backward()

    def clear(self, work: Work) -> None:
        work.hidden_ND.grad = None
        work.weight_VD.grad = work.kept_VD if self.kept else None


def ours(work: Work, touched_rows: bool = False) -> Tensor:
    return salient_kl(
        work.hidden_ND,
        work.weight_VD,
        work.ids_NK,
        work.teacher_NK,
        work.weights_N,
        touched_rows=touched_rows,
    ).loss


def on_support(student_NK: Tensor, teacher_NK: Tensor, weights_N: Tensor) -> Tensor:
    """Both renormalised on the support; student's logits or log-probabilities, the constant falls out."""
    student_NK = torch.log_softmax(student_NK.float(), -1)
    teacher_NK = torch.log_softmax(teacher_NK.float(), -1)
    return (weights_N * (student_NK.exp() * (student_NK - teacher_NK)).sum(-1)).sum()


def naive_rows(
    hidden_ND: Tensor, weight_VD: Tensor, ids_NK: Tensor, teacher_NK: Tensor, weights_N: Tensor
) -> Tensor:
    logp_NV = torch.log_softmax((hidden_ND @ weight_VD.T).float(), -1)
    return on_support(logp_NV.gather(1, ids_NK), teacher_NK, weights_N)


def without_softmax_rows(
    hidden_ND: Tensor, weight_VD: Tensor, ids_NK: Tensor, teacher_NK: Tensor, weights_N: Tensor
) -> Tensor:
    return on_support((hidden_ND @ weight_VD.T).gather(1, ids_NK), teacher_NK, weights_N)


def gathered_rows(
    hidden_ND: Tensor,
    weight_VD: Tensor,
    ids_NK: Tensor,
    teacher_NK: Tensor,
    weights_N: Tensor,
    sparse: bool = False,
) -> Tensor:
    """The head's rows of the support, [N, K, D], under autograd."""
    rows_NKD = embedding(ids_NK, weight_VD, sparse=sparse)
    return on_support((rows_NKD @ hidden_ND[:, :, None])[:, :, 0], teacher_NK, weights_N)


def whole(rows: Callable[..., Tensor], **how: Any) -> Callable[[Work], Tensor]:
    """A loss of all positions at once."""

    def loss(work: Work) -> Tensor:
        return rows(work.hidden_ND, work.weight_VD, work.ids_NK, work.teacher_NK, work.weights_N, **how)

    return loss


def chunked(rows: Callable[..., Tensor], size: int) -> Callable[[Work], Tensor]:
    """A loss in chunks of `size` positions, formed again in the backward pass."""

    def loss(work: Work) -> Tensor:
        given = (work.hidden_ND, work.ids_NK, work.teacher_NK, work.weights_N)
        parts = [
            checkpoint(rows, hidden, work.weight_VD, ids, teacher, weights, use_reentrant=False)
            for hidden, ids, teacher, weights in zip(*(g.split(size) for g in given), strict=True)
        ]
        return torch.stack(parts).sum()  # type: ignore[arg-type]

    return loss


def our_full_kl(work: Work) -> Tensor:
    student, teacher, weight, teacher_weight = work.both_sides()
    return full_kl(student, weight, teacher, teacher_weight, work.weights_N).loss


def trl_contestants() -> tuple[list[Contestant], str]:
    """TRL's losses, called as its trainers call them, and why there are none."""
    os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"
    try:
        from trl.experimental.async_distillation.async_distillation_trainer import (
            _CHUNKED_LM_HEAD_CHUNK_SIZE,
            _chunked_jsd_loss,
        )
        from trl.experimental.gkd.gkd_trainer import GKDTrainer
        from trl.trainer.distillation_trainer import _chunked_divergence_loss
    except Exception as error:  # an import that fails for any reason must not end the others' race
        return [], f"TRL: {type(error).__name__}: {error}"

    def of_full_logits(work: Work) -> Tensor:  # GKDTrainer.compute_loss; beta 1 is reverse KL
        assert work.teacher_logits_NV is not None
        logits_NV = work.hidden_ND @ work.weight_VD.T
        return GKDTrainer.generalized_jsd_loss(
            student_logits=logits_NV[None],
            teacher_logits=work.teacher_logits_NV[None],
            labels=torch.zeros_like(work.ids_NK[None, :, 0]),
            beta=1.0,
            num_items_in_batch=len(logits_NV),
        )

    def of_tiles(work: Work) -> Tensor:  # DistillationTrainer.compute_loss
        student, teacher, weight, teacher_weight = work.both_sides()
        everywhere = torch.ones_like(work.ids_NK[None, :, 0])
        return _chunked_divergence_loss(
            student[None],
            teacher[None],
            weight,
            teacher_weight,
            everywhere,
            1.0,
            num_items_in_batch=len(student),
        )[0]

    # AsyncDistillationTrainer.compute_loss with its tail bucket off. The trainer hands its loss the teacher's
    # top k for forward KL alone (beta 0); the function takes them with beta 1 too, and then is our loss
    def of_top_k(work: Work) -> Tensor:
        loss, *_ = _chunked_jsd_loss(
            work.hidden_ND, work.weight_VD, None, 1.0, None, work.ids_NK, work.teacher_NK.float(),
            torch.ones_like(work.ids_NK, dtype=torch.bool), 1.0, 1.0, False, None, 1,
            _CHUNKED_LM_HEAD_CHUNK_SIZE,
        )  # fmt: skip
        return loss / len(work.ids_NK)

    return [
        Contestant("TRL GKD, full logits", of_full_logits, "its logits", same=False),
        Contestant("TRL distillation, tiles", of_tiles, "projected inside", same=False),
        Contestant("TRL async, top k", of_top_k, "its top k"),
    ], ""


def liger_contestant(cuda: bool) -> tuple[list[Contestant], str]:
    """Liger's fused linear JSD at beta 1, reverse KL: on CUDA its kernels, elsewhere its chunked loss."""
    try:
        if cuda:
            from liger_kernel.transformers.fused_linear_jsd import LigerFusedLinearJSD

            fused = LigerFusedLinearJSD(jsd_beta=1.0)
        else:
            from liger_kernel.chunked_loss import LigerFusedLinearJSDLoss

            chunks = LigerFusedLinearJSDLoss(weight_hard_loss=0.0, weight_soft_loss=1.0, beta=1.0)
    except Exception as error:
        return [], f"Liger: {type(error).__name__}: {error}"

    def loss(work: Work) -> Tensor:
        student, teacher, weight, teacher_weight = work.both_sides()
        labels_N = torch.zeros_like(work.ids_NK[:, 0])
        if cuda:
            return fused(student, weight, teacher, teacher_weight, labels_N)
        return chunks(student, weight, teacher, teacher_weight, labels_N)

    return [Contestant("Liger, fused linear JSD", loss, "projected inside", same=False, compiles=True)], ""
