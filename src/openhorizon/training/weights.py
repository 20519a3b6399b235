"""Per-token weights of one optimiser step, computed once over the whole step.

A loss only consumes them, so it cannot depend on how the step is split into batches or spread over processes.
Each function returns one weight per sample, that of each of its trainable tokens.
"""

from collections import Counter
from collections.abc import Sequence

from openhorizon.records import Sample


def trainable(sample: Sample) -> int:
    """|R_i|: tokens that carry loss (the first token of a row has nothing to be predicted from)."""
    return sum(sample.loss_mask[1:])


def token_mean(samples: Sequence[Sample]) -> list[float]:
    """Every trainable token of the step counts alike."""
    total = sum(map(trainable, samples))
    return [1.0 / max(1, total)] * len(samples)


def sample_mean(samples: Sequence[Sample]) -> list[float]:
    """Every sample counts alike, every token of a sample alike."""
    count = sum(trainable(s) > 0 for s in samples)
    return [1.0 / max(1, count) / max(1, trainable(s)) for s in samples]


def domain_mean(samples: Sequence[Sample]) -> list[float]:
    """1/(|D_B|·|B_d|·|R_i|): mean over tokens, then samples of the domain, then active domains (recipe.md §6)."""
    members = Counter(s.domain for s in samples if trainable(s))
    return [
        1.0 / (len(members) * members[s.domain] * trainable(s)) if trainable(s) else 0.0
        for s in samples
    ]  # fmt: skip


def domain_token_mean(samples: Sequence[Sample]) -> list[float]:
    """1/(|D_B|·tokens of the domain): long attempts count more within their domain, domains count alike."""
    tokens: Counter[str] = Counter()
    for sample in samples:
        tokens[sample.domain] += trainable(sample)
    active = sum(n > 0 for n in tokens.values())
    return [1.0 / (active * tokens[s.domain]) if tokens[s.domain] else 0.0 for s in samples]
