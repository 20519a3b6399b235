"""The teachers by domain, and what they say of a student's rows: local models swapped in and out, or servers.

N trainable positions of a sample, K salient vocabulary.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch
from torch import nn

from openhorizon.errors import ConfigError, ModelError
from openhorizon.losses.salient_kl import salient_kl
from openhorizon.losses.support import named_logits, top_logits
from openhorizon.records import Sample
from openhorizon.training.batches import batches
from openhorizon.training.model import head, softcap
from openhorizon.training.signals import Signal, SignalCache, pack, unpack, vocabulary_identity
from openhorizon.training.weights import trainable


class Remote(Protocol):
    """A teacher behind a server (`training/remote.py`)."""

    revision: str
    vocabulary: str | None  # identity; None: the server cannot say

    def score(self, samples: Sequence[Sample], k: int) -> list[Signal | None]:
        """A signal per sample, checked; None where the server kept failing."""
        ...


Place = Path | Remote  # where a teacher is


@dataclass
class Teachers:
    """The teachers by domain. Local ones are brought into memory when their domain is scored; at most `resident` stay.

    What servers say is kept in `cache`, if there is one, so that a step that is repeated after a crash asks nothing twice.
    """

    load_model: Callable[[Path], nn.Module]
    places: Mapping[str, Place]
    resident: int = 1
    cache: SignalCache | None = None
    keep_hidden: bool = False  # local teachers' signals carry their hidden states, for the full divergence
    _here: dict[str, nn.Module] = field(default_factory=dict)  # longest unused first

    def load(self, domain: str) -> nn.Module:
        """The local teacher of the domain. ModelError: there is none."""
        place = self._place(domain)
        if not isinstance(place, Path):
            raise ModelError(f"the {domain} teacher is a server: its model cannot be loaded here")
        teacher = self._here.pop(domain, None)
        if teacher is None:
            while len(self._here) >= self.resident:
                del self._here[next(iter(self._here))]
            teacher = self.load_model(place).eval().requires_grad_(False)
        self._here[domain] = teacher
        return teacher

    def score(self, domain: str, samples: Sequence[Sample], k: int) -> list[Signal | None]:
        """What the domain's teacher says of each sample; None where its server kept failing."""
        place = self._place(domain)
        if isinstance(place, Path):
            return list(score_local(self.load(domain), samples, k, str(place), self.keep_hidden))
        known = [self.cache.get(place.revision, s, k) if self.cache else None for s in samples]
        asked = [i for i, record in enumerate(known) if record is None]
        found: list[Signal | None] = [unpack(r) if r else None for r in known]
        for i, signal in zip(
            asked, place.score([samples[i] for i in asked], k) if asked else (), strict=True
        ):
            found[i] = signal
            if signal is not None and self.cache:
                self.cache.put(place.revision, samples[i], k, pack(signal))
        return found

    def forget(self) -> None:
        """What was kept of servers' answers is needed no more: a checkpoint holds the steps they were for."""
        if self.cache:
            self.cache.clear()

    def _place(self, domain: str) -> Place:
        if domain not in self.places:
            raise ModelError(f"no teacher for domain {domain}; there are {', '.join(self.places) or 'none'}")
        return self.places[domain]


@torch.no_grad()
def score_local(
    model: nn.Module, samples: Sequence[Sample], k: int, revision: str, keep_hidden: bool = False
) -> list[Signal]:
    """The model's top-k at every trainable position, by a running top-k over chunks of the vocabulary."""
    found: dict[int, Signal] = {}
    (weight_VD, bias_V), cap = head(model), softcap(model)
    device = next(model.parameters()).device
    for batch in batches(samples, [0.0] * len(samples), device=device):
        hidden_ND = batch.hidden(model)
        ids_NK, top_NK, log_z_N = top_logits(hidden_ND, weight_VD, k, bias_V, softcap=cap)
        own_N1 = named_logits(hidden_ND, weight_VD, batch.targets_N[:, None], bias_V, cap)
        counts = [trainable(samples[i]) for i in batch.samples]
        parts = (ids_NK, top_NK - log_z_N[:, None], own_N1[:, 0] - log_z_N)
        for i, *of_one, hidden_nE in zip(
            batch.samples, *(p.split(counts) for p in (*parts, hidden_ND)), strict=True
        ):
            found[i] = Signal(*of_one, teacher=revision, hidden_NE=hidden_nE if keep_hidden else None)
    return [found[i] for i in range(len(samples))]


def check_routing(
    domains: Iterable[str],
    places: Mapping[str, Place],
    student_vocabulary: Mapping[str, int],
    load: Callable[[Path], Mapping[str, int]],
) -> None:
    """Raise before the first step: every domain has a teacher, and every teacher the student's very vocabulary."""
    for domain in domains:
        if domain not in places:
            raise ConfigError(
                f"domain {domain} has no teacher (teachers: {', '.join(places) or 'none'}); add one or drop the domain"
            )
        place = places[domain]
        if isinstance(place, Path):
            theirs = load(place)
            apart = sum(student_vocabulary.get(token) != i for token, i in theirs.items())
            apart += len(student_vocabulary.keys() - theirs.keys())
            what = f"at {place} has another vocabulary than the student ({apart} tokens differ)"
            same = theirs == student_vocabulary
        else:
            what = f"({place.revision}) has another vocabulary than the student"
            same = place.vocabulary == vocabulary_identity(student_vocabulary)
            if place.vocabulary is None:
                what = f"({place.revision}) does not say which vocabulary it has"
        if not same:
            raise ModelError(
                f"the {domain} teacher {what}; salient vocabulary alignment needs the same tokenizer for both"
            )


TOLERANCE = 1e-3  # nats: a forward pass in bfloat16 repeats itself to less


def self_test(student: nn.Module, k: int) -> None:
    """ModelError: the student as its own teacher has a loss. Its forward pass, then, does not repeat itself, or its head
    is not where we look for it, and no loss of the run would mean what it says."""
    vocabulary = len(head(student)[0])
    ids = tuple(range(min(32, vocabulary)))
    sample = Sample(
        token_ids=ids, loss_mask=tuple(t >= len(ids) // 2 for t in range(len(ids))), domain="self-test"
    )
    student.eval()
    with torch.no_grad():
        (signal,) = score_local(student, [sample], k, "itself")
        (batch,) = batches([sample], [1.0], device=next(student.parameters()).device)
        weight_VD, bias_V = head(student)
        loss_N = salient_kl(
            batch.hidden(student), weight_VD, signal.ids_NK, signal.logprobs_NK, batch.weights_N, bias_V,
            softcap=softcap(student),
        ).loss_N  # fmt: skip
        logits_NV = student(input_ids=batch.ids_BT).logits.flatten(0, 1)[batch.at_N].float()
    apart = (torch.log_softmax(logits_NV, -1).gather(1, signal.ids_NK) - signal.logprobs_NK).abs().max()
    if not (loss_N.abs().max() < TOLERANCE and apart < 100 * TOLERANCE):
        raise ModelError(
            f"self-test: with the student as its own teacher the loss is {float(loss_N.abs().max()):.2g} nats instead of 0, and its "
            f"log-probabilities are up to {float(apart):.2g} nats from those of its own forward pass: alignment would not "
            "mean anything. Does the model scale its logits, or keep its output head elsewhere?"
        )
