"""What an attempt is worth in reinforcement learning: the outcome, less what it wasted."""

from collections import deque

from openhorizon.config import GrpoPlan
from openhorizon.records import Judged, as_json


def reward(judged: Judged, plan: GrpoPlan) -> float:
    """Verdict score − efficiency penalty − repetition penalty + format reward (recipe.md §5, search)."""
    turns = judged.trajectory.turns
    wellformed = all(not turn.message.malformed for turn in turns)
    return (
        judged.verdict.score
        - efficiency_penalty(len(turns), plan)
        - repetition_penalty(judged, plan)
        + (plan.format_reward if wellformed else 0.0)
    )


def efficiency_penalty(rounds: int, plan: GrpoPlan) -> float:
    """Free for K rounds, then linear in the extra ones."""
    if not plan.efficiency_free_rounds:
        return 0.0
    return plan.efficiency_penalty * max(0, rounds - plan.efficiency_free_rounds)


def repetition_penalty(judged: Judged, plan: GrpoPlan) -> float:
    """For every call already made within the window; at most the cap over the attempt."""
    if not plan.repetition_window:
        return 0.0
    recent: deque[set[bytes]] = deque(maxlen=plan.repetition_window)  # the calls of each turn in the window
    repeated = 0
    for turn in judged.trajectory.turns:
        now: set[bytes] = set()
        for said in map(as_json, turn.message.calls):
            repeated += said in now or any(said in earlier for earlier in recent)
            now.add(said)
        recent.append(now)
    return min(plan.repetition_cap, plan.repetition_penalty * repeated)


def process_score(judged: Judged) -> float:
    """r_proc: satisfied rubrics over rubrics; the outcome's score where the domain names none."""
    parts = judged.verdict.parts
    return sum(parts.values()) / len(parts) if parts else judged.verdict.score
