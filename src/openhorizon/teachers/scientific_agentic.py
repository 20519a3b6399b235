"""Scientific agentic: imitation of tool trajectories, then GRPO on the recomputed answer.

The paper names no teacher recipe for this domain; ours follows search without its penalties.
"""

from openhorizon.teachers.teacher import Curriculum

CURRICULUM = Curriculum(data={"hard": lambda task: task.level >= 2})
