"""Engineering: imitation of search over solution trees, then GRPO on the private grader's normalised score.

The paper trains no teacher of its own here and folds these trajectories into stage 1; we treat it like search.
"""

from openhorizon.teachers.teacher import Curriculum

CURRICULUM = Curriculum(data={"hard": lambda task: task.level >= 2})
