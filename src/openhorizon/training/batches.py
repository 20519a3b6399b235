"""Samples as tensors: rows of like length side by side, right-padded, and the flat list of positions that carry loss.

Right-padding changes nothing for a causal model: no token looks ahead, no state flows back. So padded rows equal
single ones for every architecture. B rows, T padded length, N positions with loss.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from openhorizon.records import Sample


@dataclass(frozen=True)
class Batch:
    """Rows that go through the model together."""

    ids_BT: Tensor
    at_N: Tensor  # index into [B*T] of the position whose hidden state predicts the token
    targets_N: Tensor  # the token
    weights_N: Tensor  # its share of the step's loss
    logprobs_N: Tensor  # under the policy that sampled it, nats; zeros if unknown
    advantages_N: Tensor
    samples: tuple[int, ...]  # index of each row's sample
    row_N: Tensor  # the row each position stands in

    def hidden(self, model: nn.Module) -> Tensor:
        """Hidden states [N, D] that predict the targets."""
        out = model.get_decoder()(input_ids=self.ids_BT, use_cache=False)  # type: ignore[operator]
        return out.last_hidden_state.flatten(0, 1)[self.at_N]


WASTE = 0.15  # share of padding that a batch may hold beyond its first rows
FREE = 256  # tokens of padding that are not worth another pass through the model


def batches(
    samples: Sequence[Sample],
    weights: Sequence[float],
    *,
    max_tokens: int = 8192,
    device: str | torch.device = "cpu",
) -> Iterator[Batch]:
    """Rows sorted by length, cut into batches of at most `max_tokens` padded tokens (one row at least) and little padding.

    `weights[i]` is the weight of every trainable token of sample i.
    """
    order = sorted(range(len(samples)), key=lambda i: (len(samples[i].token_ids), i))
    chosen: list[int] = []
    real = 0
    for i in order:
        length = len(samples[i].token_ids)
        padded = (len(chosen) + 1) * length
        if chosen and (padded > max_tokens or padded - real - length > max(FREE, WASTE * padded)):
            yield _batch(samples, weights, chosen, device)
            chosen, real = [], 0
        chosen.append(i)
        real += length
    if chosen:
        yield _batch(samples, weights, chosen, device)


def _batch(
    samples: Sequence[Sample], weights: Sequence[float], chosen: list[int], device: str | torch.device
) -> Batch:
    longest = max(len(samples[i].token_ids) for i in chosen)
    ids = torch.zeros(len(chosen), longest, dtype=torch.long)
    at, targets, spread, logprobs, advantages, rows = [], [], [], [], [], []
    for row, i in enumerate(chosen):
        sample = samples[i]
        ids[row, : len(sample.token_ids)] = torch.tensor(sample.token_ids)
        places = [t for t, m in enumerate(sample.loss_mask) if m and t > 0]
        at += [row * longest + t - 1 for t in places]
        targets += [sample.token_ids[t] for t in places]
        spread += [weights[i]] * len(places)
        logprobs += [sample.logprobs[t] for t in places] if sample.logprobs else [0.0] * len(places)
        advantages += [sample.advantages[t] for t in places] if sample.advantages else [0.0] * len(places)
        rows += [row] * len(places)

    def tensor(values: list, dtype: torch.dtype) -> Tensor:
        return torch.tensor(values, dtype=dtype, device=device)

    return Batch(
        ids.to(device), tensor(at, torch.long), tensor(targets, torch.long), tensor(spread, torch.float32),
        tensor(logprobs, torch.float32), tensor(advantages, torch.float32), tuple(chosen), tensor(rows, torch.long),
    )  # fmt: skip
