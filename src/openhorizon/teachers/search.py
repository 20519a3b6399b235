"""Search: imitation of search trajectories, then GRPO on questions of all lengths, with the penalties on search
behaviour: rounds beyond the free ones, repeated calls."""

from openhorizon.teachers.teacher import Curriculum

CURRICULUM = Curriculum(data={"hard": lambda task: task.level >= 2})
