"""Trajectories as token rows: the turns' tokens concatenated, with the loss mask where the policy wrote.

An attempt by an exact engine is taken as it was seen; an attempt on messages (experts, chat endpoints) is put into
tokens here, through the same frames, and may only be imitated. A turn that starts a new token segment starts a new row.
"""

from collections.abc import Sequence

from openhorizon.chat.chat import Chat
from openhorizon.records import Sample, ToolSchema, Trajectory, Turn


class NotExact(ValueError):
    """The attempt carries no token ids: supervised training may use it, GRPO and distillation may not."""


def exact_samples(trajectory: Trajectory, advantage: float = 0.0) -> tuple[Sample, ...]:
    """The rows [L] that the engine saw, one a token segment, log-probabilities included; NotExact if the engine recorded
    no ids. What an earlier segment's turns wrote is trained on there alone: in a later row it is context."""
    return tuple(_exact(trajectory, turns, advantage) for turns in _segments(trajectory.turns))


def exact_sample(trajectory: Trajectory, advantage: float = 0.0) -> Sample:
    """The one row of an attempt in one segment; NotExact where there are no ids, ValueError for several segments."""
    segments = _segments(trajectory.turns)
    if len(segments) > 1:
        raise ValueError(
            f"{trajectory.id} has {len(segments)} token segments: exact_samples gives a row for each"
        )
    return _exact(trajectory, trajectory.turns, advantage)


def _segments(turns: Sequence[Turn]) -> list[list[Turn]]:
    """The turns, cut where one is fresh."""
    segments: list[list[Turn]] = []
    for turn in turns:
        if turn.fresh or not segments:
            segments.append([])
        segments[-1].append(turn)
    return segments


def _exact(trajectory: Trajectory, turns: Sequence[Turn], advantage: float) -> Sample:
    ids: list[int] = []
    mask: list[bool] = []
    logprobs: list[float] = []
    for turn in turns:
        written = turn.completion
        if not written.token_ids or len(written.logprobs) != len(written.token_ids):
            raise NotExact(
                f"{trajectory.id}: a turn without token ids or log-probabilities cannot be trained on-policy"
            )
        ids += turn.context_ids + written.token_ids
        mask += [False] * len(turn.context_ids) + [True] * len(written.token_ids)
        logprobs += [0.0] * len(turn.context_ids) + list(written.logprobs)
    return Sample(
        token_ids=tuple(ids), loss_mask=tuple(mask), logprobs=tuple(logprobs),
        advantages=tuple(advantage if m else 0.0 for m in mask), domain=trajectory.domain, task=trajectory.task,
    )  # fmt: skip


def message_sample(trajectory: Trajectory, chat: Chat, tools: Sequence[ToolSchema]) -> Sample:
    """The row [L] that an exact engine would have seen, had it written the same messages."""
    ids = list(chat.prompt_ids(trajectory.prompt, tools))
    mask = [False] * len(ids)
    for n, turn in enumerate(trajectory.turns):
        written = chat.message_ids(turn.message)
        ids += written
        mask += [True] * len(written)
        if n + 1 < len(trajectory.turns):
            added = chat.extension_ids(tuple(r.text for r in turn.results), turn.reply or None)
            ids += added
            mask += [False] * len(added)
    return Sample(token_ids=tuple(ids), loss_mask=tuple(mask), domain=trajectory.domain, task=trajectory.task)
