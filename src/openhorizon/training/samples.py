"""Trajectories as token rows: the turns' tokens concatenated, with the loss mask where the policy wrote.

An attempt by an exact engine is taken as it was seen; an attempt on messages (experts, chat endpoints) is put into
tokens here, through the same frames, and may only be imitated. A turn that starts a new token segment starts a new row.
"""

from collections.abc import Sequence

from openhorizon.chat.chat import Chat
from openhorizon.records import Sample, ToolSchema, Trajectory, Turn
from openhorizon.rollout.folding import folded_prompt, said, standing


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


def message_samples(trajectory: Trajectory, chat: Chat, tools: Sequence[ToolSchema]) -> tuple[Sample, ...]:
    """The rows [L] that an exact engine would have seen, had it written the same messages: one a token segment. Turns that
    stand word for word in a later segment are context there."""
    rows, done = [], 0
    for turns in _segments(trajectory.turns):
        if turns[0].restart:
            ids = list(chat.prompt_ids(trajectory.prompt, tools))
        elif turns[0].digest:
            shown = trajectory.turns[done - turns[0].kept : done]
            ids = list(chat.conversation_ids(folded_prompt(trajectory.prompt, turns[0].digest, shown), tools))
        elif done:
            before = [m for turn in standing(trajectory.turns[:done]) for m in said(turn)]
            ids = list(chat.conversation_ids([*trajectory.prompt, *before], tools))
        else:
            ids = list(chat.prompt_ids(trajectory.prompt, tools))
        mask = [False] * len(ids)
        for n, turn in enumerate(turns):
            written = chat.message_ids(turn.message)
            ids += written
            mask += [True] * len(written)
            if n + 1 < len(turns):
                added = chat.extension_ids(tuple(r.text for r in turn.results), turn.reply or None)
                ids += added
                mask += [False] * len(added)
        rows.append(
            Sample(
                token_ids=tuple(ids), loss_mask=tuple(mask), domain=trajectory.domain, task=trajectory.task
            )
        )
        done += len(turns)
    return tuple(rows)


def message_sample(trajectory: Trajectory, chat: Chat, tools: Sequence[ToolSchema]) -> Sample:
    """The one row of an attempt in one segment; ValueError for several segments."""
    rows = message_samples(trajectory, chat, tools)
    if len(rows) != 1:
        raise ValueError(
            f"{trajectory.id} has {len(rows)} token segments: message_samples gives a row for each"
        )
    return rows[0]
