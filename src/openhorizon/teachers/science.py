"""Science: two supervised stages, reasoning without tools first, then tool-augmented solutions."""

from openhorizon.teachers.teacher import Curriculum

CURRICULUM = Curriculum(
    data={
        "without_tools": lambda task: task.setup.get("tools") is False,
        "with_tools": lambda task: task.setup.get("tools") is not False,
        "hard": lambda task: task.level >= 2,
    }
)
