"""Search tasks from a user's own documents, as a file that a person can read: one JSON object a line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from openhorizon.domains import DOMAINS
from openhorizon.domains.domain import Resources
from openhorizon.domains.search import own_corpus
from openhorizon.errors import RunError
from openhorizon.files import write_whole
from openhorizon.records import Judged, Record, Task
from openhorizon.sandboxes.sandbox import Outcome, Sandbox

PER_ANSWER = 3  # accepted tasks; what is asked for more often can be guessed


class Made(Record, kw_only=True):
    """What came of it."""

    accepted: int
    rejected: dict[str, int]  # acceptance check -> proposals
    pages: int  # read
    reasons: dict[str, int]  # the same in words -> proposals
    repaired: int  # accepted tasks that had been rejected before
    skipped: str  # pages left out and why, one line
    short: str = ""  # why fewer tasks than asked for; "" if there are enough


class LazySandbox:
    """See `Sandbox`: opened when the first program comes. Search experts write none, so that their tasks can be had
    where no sandbox works."""

    name = "lazy"

    def __init__(self, kind: str = "auto") -> None:
        self._kind = kind
        self._opened: Sandbox | None = None

    def run(self, program: str, **more: Any) -> Outcome:
        from openhorizon.sandboxes import open_sandbox

        self._opened = self._opened or open_sandbox(self._kind, harmless=True)
        return self._opened.run(program, **more)

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()


def make(
    corpus: str | Path,
    count: int,
    out: str | Path,
    seed: int = 0,
    done: Callable[[int], None] = lambda n: None,
) -> Made:
    """`out` holds up to `count` accepted multi-hop tasks over the pages of `corpus`, each solved by the scripted
    expert through the real tools.

    `done(n)` hears of n newly accepted tasks. CorpusError: unreadable or without links. UserError: not one accepted
    task. RunError: `out` cannot be written, which is seen before the work begins.
    """
    from openhorizon.selfplay.game import play

    out = Path(out)
    _writable(out)
    own = own_corpus.load(corpus)
    sandbox = LazySandbox()
    try:
        outcome = play(
            DOMAINS["search"], own.graph, own_corpus.order(seed), Resources(own.graph, own.index, sandbox), count,
            partial=True, per_answer=PER_ANSWER, done=done,
        )  # fmt: skip
    finally:
        sandbox.close()
    write_whole(
        out, (line(t, j).encode() + b"\n" for t, j in zip(outcome.tasks, outcome.demonstrations, strict=True))
    )
    return Made(
        accepted=len(outcome.tasks), rejected=outcome.reasons, reasons=outcome.whys,
        repaired=outcome.repaired, pages=len(own.index), skipped=str(own.skipped),
        short=outcome.short,
    )  # fmt: skip


def line(task: Task, judged: Judged) -> str:
    """The task as one line of JSON with every field spelled out, what a person looks for first, and how it was solved."""
    fields = _spelled_out(task)
    first = ("id", "instruction", "answer", "evidence", "verifiers")
    solution = [
        {
            "said": turn.message.content,
            "calls": [{"tool": c.name, "arguments": c.arguments} for c in turn.message.calls],
        }
        for turn in judged.trajectory.turns
    ]
    ordered = {k: fields.pop(k) for k in first} | fields | {"solution": solution}
    return json.dumps(ordered, ensure_ascii=False)


def _spelled_out(value: Any) -> Any:
    """Records as dicts that keep the fields whose value is the default."""
    if isinstance(value, msgspec.Struct):
        return {name: _spelled_out(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, (list, tuple)):
        return [_spelled_out(v) for v in value]
    return value


def _writable(out: Path) -> None:
    if out.is_dir():
        raise RunError(f"--out {out} is a folder; name a file, such as {out / 'tasks.jsonl'}")
    try:
        write_whole(out.with_name(f".{out.name}.probe"), ())
    finally:
        out.with_name(f".{out.name}.probe").unlink(missing_ok=True)
