"""Instruction following: GRPO alone, in two stages: rule rewards first, then long-context answer matching.

Dynamic sampling drops groups whose rewards are all equal.
"""

from openhorizon.teachers.teacher import Curriculum

CURRICULUM = Curriculum(
    data={
        "constraints": lambda task: task.setup.get("kind") == "constraints",
        "long_context": lambda task: task.setup.get("kind") == "long_context",
    }
)
