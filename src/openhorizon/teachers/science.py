"""Science: two supervised stages, reasoning without tools first, then tool-augmented solutions."""

from openhorizon.domains.domain import Order, Resources
from openhorizon.domains.science import WITHOUT_TOOLS
from openhorizon.selfplay.game import play
from openhorizon.teachers.teacher import Curriculum, Demonstration


def without_tools(resources: Resources, order: Order, count: int) -> list[Demonstration]:
    """Problems small enough for written reasoning, with the expert's working."""
    outcome = play(WITHOUT_TOOLS, resources.graph, order, resources, count)
    return list(zip(outcome.tasks, outcome.demonstrations, strict=True))


CURRICULUM = Curriculum(data={"hard": lambda task: task.level >= 2}, extra={"without_tools": without_tools})
