"""Two ways not to route, as controls for hard routing: the average of all teachers, and one of them drawn for each sample.

N trainable positions, K salient vocabulary, V vocabulary.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from openhorizon.losses import logprobs
from openhorizon.losses.logprobs import logits_of
from openhorizon.records import Sample
from openhorizon.training.batches import batches
from openhorizon.training.model import head, softcap
from openhorizon.training.scoring import Teachers
from openhorizon.training.signals import Signal
from openhorizon.training.weights import trainable


@dataclass
class RandomTeachers(Teachers):
    """Each sample is scored by one teacher drawn from all, whatever its domain."""

    def score(self, domain: str, samples: Sequence[Sample], k: int) -> list[Signal | None]:
        names = sorted(self.places)
        drawn = [random.Random(f"{s.task}/{s.token_ids[-8:]}").choice(names) for s in samples]
        found: list[Signal | None] = [None] * len(samples)
        for name in sorted(set(drawn)):
            own = [i for i, n in enumerate(drawn) if n == name]
            for i, signal in zip(own, super().score(name, [samples[i] for i in own], k), strict=True):
                found[i] = signal
        return found


@dataclass
class AveragedTeachers(Teachers):
    """Every sample is scored by the mean of all teachers' distributions. [N, V] is formed in chunks of positions."""

    @torch.no_grad()
    def score(self, domain: str, samples: Sequence[Sample], k: int) -> list[Signal | None]:
        found: dict[int, Signal] = {}
        models = [self.load(name) for name in sorted(self.places)]
        for batch in batches(samples, [0.0] * len(samples), device=next(models[0].parameters()).device):
            hiddens = [batch.hidden(m) for m in models]
            rows = max(1, logprobs.CHUNK // (len(models) * len(head(models[0])[0])))
            ids, tops, own = [], [], []
            for start in range(0, len(batch.targets_N), rows):
                at = slice(start, start + rows)
                mean_NV = self._mean([h[at] for h in hiddens], models)
                best = mean_NV.topk(min(k, mean_NV.shape[1]), -1)
                ids.append(best.indices)
                tops.append(best.values.log())
                own.append(mean_NV.gather(1, batch.targets_N[at, None])[:, 0].log())
            counts = [trainable(samples[i]) for i in batch.samples]
            parts = [torch.cat(p).split(counts) for p in (ids, tops, own)]
            for i, *of_one in zip(batch.samples, *parts, strict=True):
                found[i] = Signal(*of_one, teacher="average")
        return [found[i] for i in range(len(samples))]

    @staticmethod
    def _mean(hiddens: Sequence[Tensor], models: Sequence[torch.nn.Module]) -> Tensor:
        total = torch.zeros(())
        for hidden_ND, model in zip(hiddens, models, strict=True):
            weight_VD, bias_V = head(model)
            total = total + torch.softmax(logits_of(hidden_ND, weight_VD, bias_V, softcap(model)), -1)
        return total / len(models)
