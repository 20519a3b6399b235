"""What training reads: token rows with masks and weights. L tokens of a sample, K salient vocabulary."""

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
    """The routed teacher's top-k at every position that predicts a trainable token."""

    salient_ids: tuple[tuple[int, ...], ...]  # [L, K]; rows of masked positions are ()
    salient_logprobs: tuple[tuple[float, ...], ...]  # [L, K], nats, over the whole vocabulary
    teacher: str  # name and revision
