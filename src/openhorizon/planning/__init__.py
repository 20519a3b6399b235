"""What a run takes before it is started: parameters, memory, token rates and hours, as arithmetic that can be done again by hand.

Nothing here is measured: every rate rests on a stated assumption (`hardware.Assumptions`) that a measurement should replace.
"""

from openhorizon.planning.hardware import GPUS, Assumptions, Gpu
from openhorizon.planning.shape import KNOWN, Shape, shape_of, shape_of_plan
from openhorizon.planning.table import Line, Table, plan

__all__ = [
    "GPUS",
    "KNOWN",
    "Assumptions",
    "Gpu",
    "Line",
    "Shape",
    "Table",
    "plan",
    "shape_of",
    "shape_of_plan",
]
