"""What training reads: token rows with masks and weights, and what teachers say about them.

L tokens of a sample, N of them with loss, K salient vocabulary.
"""

from openhorizon.records.base import Record


class Sample(Record, kw_only=True):
    """One token row. `loss_mask[t]` is True exactly where the policy wrote token t."""

    token_ids: tuple[int, ...]  # [L]
    loss_mask: tuple[bool, ...]  # [L]
    logprobs: tuple[float, ...] = ()  # [L], nats under the sampling policy, 0.0 where masked; () if unknown
    advantages: tuple[float, ...] = ()  # [L], 0.0 where masked; () outside reinforcement learning
    domain: str
    task: str = ""


class TeacherSignal(Record, kw_only=True):
    """What one teacher says about one sample: its top-k at each of the N positions that carry loss, in the row's order.

    Packed, 6·K + 2 bytes a position: `training/signals.py` packs and unpacks it.
    """

    salient_ids: bytes  # [N, K] int32, little endian, row by row; −1 where unused
    salient_logprobs: (
        bytes  # [N, K] float16, little endian, nats over the teacher's whole vocabulary; −inf where unused
    )
    sampled_logprobs: bytes  # [N] float16, little endian, nats: log p_T of the token that stands there
    k: int  # K: entries of a row
    teacher: str  # revision
