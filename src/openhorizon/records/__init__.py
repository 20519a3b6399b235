"""What flows between the rooms: frozen, typed, serialisable records. No torch, no numpy, no handles."""

from openhorizon.records.base import Record, as_json, from_json
from openhorizon.records.evaluation import Comparison, Score, Summary
from openhorizon.records.graph import Document, Edge, EdgeKind, Link, Node, NodeKind, Passage
from openhorizon.records.messages import Message, ToolCall, ToolSchema
from openhorizon.records.tasks import Evidence, Limits, Split, Task, VerifierSpec
from openhorizon.records.training import Sample, TeacherSignal
from openhorizon.records.trajectories import (
    Completion,
    Group,
    Judged,
    Status,
    ToolResult,
    Trajectory,
    Turn,
    Verdict,
)

__all__ = [
    "Comparison", "Completion", "Document", "Edge", "EdgeKind", "Evidence", "Group", "Judged", "Limits",
    "Link", "Message", "Node", "NodeKind", "Passage", "Record", "Sample", "Score", "Split", "Status",
    "Summary", "Task", "TeacherSignal", "ToolCall", "ToolResult", "ToolSchema", "Trajectory", "Turn",
    "Verdict", "VerifierSpec", "as_json", "from_json",
]  # fmt: skip
