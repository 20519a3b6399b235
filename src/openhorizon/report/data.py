"""What a report is made from, and how it is read from a run folder.

Every part may be missing or damaged: a run that was stopped half-way still has a report. What could not be
read becomes a note that stands in the page where the part would have been.
"""

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from openhorizon.errors import RunError, UserError
from openhorizon.evaluation.statistics import EvaluationTable, evaluate_scores
from openhorizon.records import Judged, Record, Score, Task

T = TypeVar("T")

# the order in which stages ran, by the first part of their name; others follow by name
ORDER = (
    "graph", "corpus", "propose", "selfplay", "demonstrate", "demonstrations", "tokenizer", "model", "base", "sft",
    "teach", "teachers", "distill", "student", "evaluate", "evaluation", "report",
)  # fmt: skip


class Stage(Record, frozen=True, kw_only=True):
    """One finished stage, from its manifest.json."""

    name: str  # "sft", "teachers/search"
    seconds: float
    summary: dict[str, Any] = msgspec.field(default_factory=dict)  # numbers or strings, for a person


class Metric(Record, frozen=True, kw_only=True):
    """One point of one learning curve, a line of metrics.jsonl."""

    stage: str
    step: int
    name: str  # "loss", "reward", "sva", "coverage/search"
    value: float  # finite


class Play(Record, frozen=True, kw_only=True):
    """What self-play did with one domain's proposals."""

    domain: str
    proposed: int
    accepted: int
    rejected: dict[str, int] = msgspec.field(default_factory=dict)  # reason -> proposals


class GraphCounts(Record, frozen=True, kw_only=True):
    """How much the knowledge-action graph holds."""

    nodes: dict[str, dict[str, int]] = msgspec.field(default_factory=dict)  # domain -> kind -> nodes
    edges: dict[str, int] = msgspec.field(default_factory=dict)  # kind -> edges


class Shown(Record, frozen=True, kw_only=True):
    """A judged attempt that a reader may open; one line of evaluation/samples.jsonl."""

    model: str  # the role that played: "sft", "student", ...
    judged: Judged
    task: Task


class Note(Record, frozen=True, kw_only=True):
    """Why a part is not in the page, or what of it was left out."""

    part: str  # "recipe", "stages", "metrics", "scores", "table", "samples", "selfplay", "graph"
    text: str


class ReportData(Record, frozen=True, kw_only=True):
    """Everything in one report; any part may be empty, then `notes` says why."""

    name: str  # of the run
    recipe: dict[str, Any] = msgspec.field(default_factory=dict)
    environment: dict[str, str] = msgspec.field(default_factory=dict)
    stages: tuple[Stage, ...] = ()
    metrics: tuple[Metric, ...] = ()
    table: EvaluationTable | None = None
    scores: tuple[Score, ...] = ()
    samples: tuple[Shown, ...] = ()  # held-out attempts
    accepted: tuple[
        Shown, ...
    ] = ()  # accepted tasks with the attempt that proved them, for the provenance view
    selfplay: tuple[Play, ...] = ()
    graph: GraphCounts | None = None
    notes: tuple[Note, ...] = ()


def collect(run_dir: Path | str) -> ReportData:
    """What the run folder holds. RunError where there is no such folder; a part that is missing, or that cannot be
    read, is left out with a note.

    Reads recipe.json, environment.json, every */manifest.json, metrics.jsonl, evaluation/scores.jsonl,
    evaluation/summary.json (made from the scores where it is missing), evaluation/samples.jsonl,
    selfplay/samples.jsonl (optional, same lines), selfplay/report.json, graph/summary.json
    ({"nodes": {domain: {kind: n}}, "edges": {kind: n}}).
    """
    run = Path(run_dir)
    if not run.is_dir():
        raise RunError(f"there is no run folder {run}: give the folder that `openhorizon run` wrote")
    read = _Reader(run)
    scores = tuple(read.lines("scores", "evaluation/scores.jsonl", Score))
    return ReportData(
        name=run.resolve().name,
        recipe=read.json("recipe", "recipe.json", dict[str, Any]) or {},
        environment=_environment(read.json("recipe", "environment.json", dict[str, Any]) or {}),
        stages=_stages(read),
        metrics=tuple(_metrics(read)),
        table=_table(read, scores),
        scores=scores,
        samples=tuple(read.lines("samples", "evaluation/samples.jsonl", Shown)),
        accepted=tuple(read.lines("samples", "selfplay/samples.jsonl", Shown, optional=True)),
        selfplay=_selfplay(read),
        graph=_graph(read),
        notes=tuple(read.notes),
    )


class _Reader:
    """Reads files of one run folder and keeps what went wrong."""

    def __init__(self, run: Path):
        self.run = run
        self.notes: list[Note] = []

    def note(self, part: str, text: str) -> None:
        self.notes.append(Note(part=part, text=text))

    def bytes(self, part: str, path: str, optional: bool = False) -> bytes:
        try:
            return (self.run / path).read_bytes()
        except FileNotFoundError:
            if not optional:
                self.note(part, f"{path} is not in the run folder")
        except OSError as error:
            self.note(part, f"{path} could not be read ({error.strerror})")
        return b""

    def json(self, part: str, path: str, kind: type[T], optional: bool = False) -> T | None:
        data = self.bytes(part, path, optional)
        return self.decoded(part, path, lambda: msgspec.json.decode(data, type=kind)) if data else None

    def decoded(self, part: str, path: str, make: Callable[[], T]) -> T | None:
        try:
            return make()
        except (ValueError, TypeError, KeyError, AttributeError, UserError) as error:
            self.note(part, f"{path} was not understood: {error}")
            return None

    def lines(self, part: str, path: str, kind: type[T], optional: bool = False) -> Iterator[T]:
        """The records of a JSONL file; lines that are none (a run that was killed may end in half a line) are counted."""
        decoder, bad = msgspec.json.Decoder(kind), 0
        for line in self.bytes(part, path, optional).splitlines():
            try:
                yield decoder.decode(line)
            except (ValueError, RecursionError):
                bad += bool(line.strip())
        if bad:
            self.note(part, f"{bad:,} lines of {path} were not understood and are left out")


def _environment(noted: dict[str, Any]) -> dict[str, str]:
    """What `store.environment` notes; of the machine what a number depends on: "2 cores, 24 GiB, x86_64, Linux …"."""
    machine = noted.get("machine")
    if isinstance(machine, dict):
        cores, memory = machine.get("cores"), machine.get("memory_mb")
        parts = [f"{cores} cores" if cores else "", f"{memory / 1024:.0f} GiB" if memory else ""]
        parts += [str(machine.get(k, "")) for k in ("processor", "system")]
        noted = noted | {"machine": ", ".join(p for p in parts if p)}
    return _strings(noted)


def _strings(data: dict[str, Any]) -> dict[str, str]:
    return {k: v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for k, v in data.items()}


def _stages(read: _Reader) -> tuple[Stage, ...]:
    found = []
    for path in sorted(read.run.glob("**/manifest.json")):
        place = path.relative_to(read.run).as_posix()
        data = read.json("stages", place, dict[str, Any]) or {}
        if "stage" not in data:
            continue  # another program's manifest: a checkpoint's, say
        stage = read.decoded(
            "stages",
            place,
            lambda data=data: Stage(
                name=str(data["stage"]),
                seconds=float(data.get("seconds") or 0.0),
                summary=dict(data.get("summary") or {}),
            ),
        )
        found += [stage] if stage else []
    if not found:
        read.note("stages", "no stage has finished")
    return tuple(sorted(found, key=_place))


def _place(stage: Stage) -> tuple[int, str]:
    first = stage.name.partition("/")[0]
    return (ORDER.index(first) if first in ORDER else len(ORDER), stage.name)


def _metrics(read: _Reader) -> Iterator[Metric]:
    """The points of metrics.jsonl, or of one file per stage under metrics/."""
    files = [p.relative_to(read.run).as_posix() for p in sorted(read.run.glob("metrics/**/*.jsonl"))]
    unusable = 0
    for path in files or ["metrics.jsonl"]:
        for line in read.lines("metrics", path, dict[str, Any]):
            point = _point(line)
            unusable += point is None
            if point is not None:
                yield point
    if unusable:
        read.note("metrics", f"{unusable:,} logged values were not finite numbers and are left out")


def _point(line: dict[str, Any]) -> Metric | None:
    try:
        value = float(line["value"])
        found = Metric(stage=str(line["stage"]), step=int(line["step"]), name=str(line["name"]), value=value)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(value) else None


def _table(read: _Reader, scores: tuple[Score, ...]) -> EvaluationTable | None:
    table = read.json("table", "evaluation/summary.json", EvaluationTable, optional=bool(scores))
    if table is None and scores:
        table = read.decoded("table", "evaluation/scores.jsonl", lambda: evaluate_scores(scores))
    return table if table and table.summaries else None


def _selfplay(read: _Reader) -> tuple[Play, ...]:
    def make(data: dict[str, dict[str, Any]]) -> tuple[Play, ...]:
        return tuple(_play(domain, own) for domain, own in data.items())

    data = read.json("selfplay", "selfplay/report.json", dict[str, dict[str, Any]])
    return read.decoded("selfplay", "selfplay/report.json", lambda: make(data or {})) or ()


def _play(domain: str, own: dict[str, Any]) -> Play:
    rejected = {str(k): int(v) for k, v in (own.get("rejected") or {}).items()}
    accepted = int(own["accepted"])
    proposed = int(own.get("proposed") or accepted + sum(rejected.values()))
    return Play(domain=domain, proposed=proposed, accepted=accepted, rejected=rejected)


def _graph(read: _Reader) -> GraphCounts | None:
    data = read.json("graph", "graph/summary.json", dict[str, Any])
    if data is None:
        return None
    known = {k: data[k] for k in ("nodes", "edges") if k in data}
    return read.decoded("graph", "graph/summary.json", lambda: msgspec.convert(known, GraphCounts))
