"""Tool calling: imitation, then GRPO on outcomes with the asymmetric process advantage over failed attempts."""

from openhorizon.teachers.teacher import Curriculum

CURRICULUM = Curriculum(data={"hard": lambda task: task.level >= 2})
