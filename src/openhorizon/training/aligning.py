"""One step of alignment: the teachers score the student's attempts, weights are computed over the whole step, and the
gradient is accumulated batch by batch.

N trainable positions of a batch, K salient vocabulary.
"""

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from openhorizon.config import DistillPlan
from openhorizon.errors import ModelError
from openhorizon.losses.on_policy import full_kl, sampled_token_kl
from openhorizon.losses.salient_kl import Aligned, salient_kl
from openhorizon.records import Sample
from openhorizon.training.batches import Batch, batches
from openhorizon.training.coverage import Probe, Sums
from openhorizon.training.model import head, softcap
from openhorizon.training.scoring import Teachers
from openhorizon.training.sft import Watch
from openhorizon.training.signals import Signal
from openhorizon.training.weights import (
    domain_mean,
    domain_token_mean,
    sample_mean,
    token_mean,
    trainable,
)

BALANCES = {
    "domain": domain_mean, "domain_token": domain_token_mean, "token": token_mean, "sample": sample_mean,
}  # fmt: skip


def scored(teachers: Teachers, samples: Sequence[Sample], k: int) -> list[Signal | None]:
    """Each sample's signal from its own domain's teacher, one teacher after the other."""
    by_domain: dict[str, list[int]] = defaultdict(list)
    for i, sample in enumerate(samples):
        by_domain[sample.domain].append(i)
    found: list[Signal | None] = [None] * len(samples)
    for domain in sorted(by_domain):
        own = by_domain[domain]
        for i, signal in zip(own, teachers.score(domain, [samples[i] for i in own], k), strict=True):
            found[i] = signal
    return found


def step_weights(samples: Sequence[Sample], plan: DistillPlan, watch: Watch) -> tuple[list[float], int]:
    """The weights of this process' samples, counted over all processes' samples, and the trainable tokens of all."""
    light = [(s.domain, trainable(s)) for s in samples]
    everyone = watch.ranks.gather(light)
    start = sum(len(part) for part in everyone[: watch.ranks.rank])
    stand_ins = [
        Sample(token_ids=(0,) * (n + 1), loss_mask=(False,) + (True,) * n, domain=d)
        for part in everyone
        for d, n in part
    ]
    weights = BALANCES[plan.balance](stand_ins)[start : start + len(samples)]
    return weights, sum(n for part in everyone for _, n in part)


def align(
    student: nn.Module, teachers: Teachers, samples: Sequence[Sample], signals: Sequence[Signal],
    weights: Sequence[float], plan: DistillPlan, probe: Probe,
) -> Sums:  # fmt: skip
    """Accumulate the gradient of the loss over the samples; the sums of what was measured on the way."""
    student.train()
    sums: Sums = {"loss": (0.0, 1.0)}
    device = next(student.parameters()).device
    for domain, own in _groups(samples, plan):
        teacher = teachers.load(domain) if plan.objective == "full" else None
        for part in batches([samples[i] for i in own], [weights[i] for i in own], device=device):
            batch = _renumbered(part, own)
            hidden_ND = batch.hidden(student)
            signal = joined([signals[i] for i in batch.samples], device)
            aligned = _loss(student, teacher, batch, hidden_ND, signal, plan)
            aligned.loss.backward()
            sums["loss"] = (sums["loss"][0] + float(aligned.loss.detach()), 1.0)
            probe.measure(sums, batch, student, hidden_ND.detach(), signal, aligned)
    return sums


def joined(signals: Sequence[Signal], device: torch.device | str) -> Signal:
    """The signals of several rows, one after the other."""
    if len({s.ids_NK.shape[1] for s in signals}) > 1:
        raise ModelError(
            "the teachers' supports are of different widths; their vocabularies cannot be the same"
        )
    hidden = [s.hidden_NE for s in signals if s.hidden_NE is not None]
    return Signal(
        torch.cat([s.ids_NK for s in signals]).to(device), torch.cat([s.logprobs_NK for s in signals]).to(device),
        torch.cat([s.sampled_N for s in signals]).to(device), teacher="",
        hidden_NE=torch.cat(hidden).to(device) if len(hidden) == len(signals) else None,
    )  # fmt: skip


def _groups(samples: Sequence[Sample], plan: DistillPlan) -> list[tuple[str, list[int]]]:
    """Samples that may share a batch: all of them, or those of one domain where its teacher must be at hand."""
    if plan.objective != "full":
        return [("", list(range(len(samples))))]
    names = sorted({s.domain for s in samples})
    return [(name, [i for i, s in enumerate(samples) if s.domain == name]) for name in names]


def _renumbered(batch: Batch, own: Sequence[int]) -> Batch:
    from dataclasses import replace

    return replace(batch, samples=tuple(own[i] for i in batch.samples))


def _loss(
    student: nn.Module, teacher: nn.Module | None, batch: Batch, hidden_ND: Tensor, signal: Signal, plan: DistillPlan
) -> Aligned:  # fmt: skip
    (weight_VD, bias_V), cap = head(student), softcap(student)
    if plan.objective == "salient":
        return salient_kl(
            hidden_ND, weight_VD, signal.ids_NK, signal.logprobs_NK, batch.weights_N, bias_V,
            direction=plan.direction, mass_term=plan.mass_term, softcap=cap,
        )  # fmt: skip
    if teacher is None:
        return sampled_token_kl(
            hidden_ND, weight_VD, batch.targets_N, signal.sampled_N, batch.weights_N, bias_V, softcap=cap
        )
    theirs_VE, their_bias_V = head(teacher)
    assert signal.hidden_NE is not None  # `Teachers.keep_hidden` is set for this objective
    return full_kl(
        hidden_ND, weight_VD, signal.hidden_NE, theirs_VE, batch.weights_N, bias_V, their_bias_V,
        direction=plan.direction, softcap=cap, teacher_softcap=softcap(teacher),
    )  # fmt: skip
