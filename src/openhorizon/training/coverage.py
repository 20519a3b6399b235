"""What alignment does not see by itself: how much of the student lies on the teachers' supports, and an alarm.

Renormalised on the support, the loss can fall while the student moves its mass off the support (docs/distillation.md). So
ρ is measured: exactly at a random share of the positions (an unbiased estimate), exactly everywhere every few steps,
and beside both by what costs nothing: the rollout's log-probability of the sampled token gives the normaliser.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from openhorizon.losses.salient_kl import Aligned
from openhorizon.losses.support import agreement, named_logits
from openhorizon.records import Sample
from openhorizon.training.batches import Batch
from openhorizon.training.model import head, softcap
from openhorizon.training.signals import Signal
from openhorizon.training.weights import trainable

Sums = dict[str, tuple[float, float]]  # name -> (sum, count), added over batches and processes


def add(sums: Sums, name: str, values_N: Tensor) -> None:
    """Add the values to the named sum; nothing for no values."""
    if len(values_N):
        total, count = sums.get(name, (0.0, 0.0))
        sums[name] = (total + float(values_N.sum()), count + len(values_N))


@dataclass(frozen=True)
class Probe:
    """Which positions of a step are measured, and what each is called."""

    samples: Sequence[Sample]
    statuses: Sequence[str]  # of the attempt behind each sample
    chosen: Sequence[Tensor]  # per sample a mask [N] of its trainable positions
    whole: bool = (
        True  # the attempts were drawn from the whole distribution: their log-probabilities are the model's
    )

    @classmethod
    def of(
        cls, samples: Sequence[Sample], statuses: Sequence[str], share: float, seed: str, whole: bool = True
    ) -> "Probe":
        """A simple random sample without replacement of each domain's positions: its mean is unbiased."""
        counts = [trainable(s) for s in samples]
        chosen = [torch.zeros(n, dtype=torch.bool) for n in counts]
        for domain in {s.domain for s in samples}:
            places = [(i, t) for i, s in enumerate(samples) if s.domain == domain for t in range(counts[i])]
            draw = random.Random(f"{seed}/{domain}")
            wanted = (
                len(places) if share >= 1 else min(len(places), -(-int(share * 1000) * len(places) // 1000))
            )
            for i, t in draw.sample(places, wanted):
                chosen[i][t] = True
        return cls(samples, statuses, chosen, whole)

    @torch.no_grad()
    def measure(
        self,
        sums: Sums,
        batch: Batch,
        student: nn.Module,
        hidden_ND: Tensor,
        signal: Signal,
        aligned: Aligned,
    ) -> None:
        """Add the batch's ℓ, P, ρ, its proxy, top-1 agreement and overlap, by domain; ρ by status and position too."""
        (weight_VD, bias_V), cap = head(student), softcap(student)
        weight_VD = weight_VD.detach()
        proxy_N = None
        if aligned.log_support_N is not None and self.whole:
            own_N1 = named_logits(hidden_ND, weight_VD, batch.targets_N[:, None], bias_V, cap)
            proxy_N = (aligned.log_support_N - own_N1[:, 0] + batch.logprobs_N).exp()
        mass_N, ids_NK = signal.logprobs_NK.exp().sum(-1), signal.ids_NK
        chosen_N = torch.cat([self.chosen[i] for i in batch.samples]).to(hidden_ND.device)
        seen = agreement(hidden_ND[chosen_N], weight_VD, ids_NK[chosen_N], bias_V, softcap=cap)
        start = 0
        rest = chosen_N.cumsum(0) - 1  # the place of a chosen position among the chosen
        for i in batch.samples:
            count = len(self.chosen[i])
            at, domain = slice(start, start + count), self.samples[i].domain
            start += count
            add(sums, f"sva/{domain}", aligned.loss_N[at])
            add(sums, f"teacher_mass/{domain}", mass_N[at])
            if proxy_N is not None and self.samples[i].logprobs:
                add(sums, f"coverage_proxy/{domain}", proxy_N[at])
            mine = self.chosen[i].nonzero()[:, 0]
            if not len(mine):
                continue
            picked = rest[at][mine.to(rest.device)]
            rho = seen.coverage_N[picked]
            add(sums, f"coverage/{domain}", rho)
            add(sums, f"top1/{domain}", seen.top1_N[picked])
            add(sums, f"overlap/{domain}", seen.overlap_N[picked])
            add(sums, f"coverage_by_status/{self.statuses[i]}", rho)
            for decile in range(10):
                add(
                    sums, f"coverage_by_position/{decile}", rho[(mine * 10 // count == decile).to(rho.device)]
                )


DROP = 0.05  # of ρ below its best, smoothed, that is an alarm where the loss has fallen meanwhile
SMOOTHING = 0.9


@dataclass
class CoverageAlarm:
    """Hears ρ and the loss of every domain, step by step; says once per fall when ρ falls while the loss falls."""

    _now: dict[str, tuple[float, float]] = field(default_factory=dict)  # smoothed ρ and loss
    _best: dict[str, tuple[float, float]] = field(default_factory=dict)  # those at the highest ρ so far
    _heard: set[str] = field(default_factory=set)

    def hear(self, domain: str, rho: float, loss: float) -> str | None:
        """What to tell the user, or None."""
        before = self._now.get(domain, (rho, loss))
        now = (SMOOTHING * before[0] + (1 - SMOOTHING) * rho, SMOOTHING * before[1] + (1 - SMOOTHING) * loss)
        self._now[domain] = now
        best = self._best.setdefault(domain, now)
        if now[0] >= best[0]:
            self._best[domain] = now
            self._heard.discard(domain)
            return None
        if domain in self._heard or best[0] - now[0] < DROP or now[1] >= best[1]:
            return None
        self._heard.add(domain)
        return (
            f"coverage of {domain} fell from {best[0]:.2f} to {now[0]:.2f} while its loss fell from {best[1]:.3g} to {now[1]:.3g}: "
            "the student moves its mass off the teacher's top-k, which the renormalised loss does not see; try a larger "
            "distill.k, distill.mass_term=bernoulli, or a lower rate"
        )
