"""Tasks as a file that a person can read, one JSON object a line: of a domain's own material, or of a user's documents."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import structs

from openhorizon.config import CorpusPlan
from openhorizon.domains import domain_of
from openhorizon.domains.domain import Ask, Domain, Order, Resources
from openhorizon.domains.search import own_corpus
from openhorizon.domains.search.propose import NAME, propose
from openhorizon.domains.search.rewrite import rewriter
from openhorizon.domains.search.walk import ANY, Hops, region_of
from openhorizon.errors import RunError, UserError
from openhorizon.files import write_whole
from openhorizon.graph.graph import Graph
from openhorizon.records import Judged, Record, Split, Task
from openhorizon.sandboxes.sandbox import Outcome as Ran
from openhorizon.sandboxes.sandbox import Sandbox

if TYPE_CHECKING:
    from openhorizon.chat.chat import Chat
    from openhorizon.engines.engine import Engine
    from openhorizon.records import Group
    from openhorizon.selfplay.difficulty import Difficulty
    from openhorizon.selfplay.game import Outcome

PER_ANSWER = 8  # accepted tasks; what is asked for more often can be guessed


class Made(Record, kw_only=True):
    """What came of it."""

    accepted: int
    rejected: dict[str, int]  # acceptance check -> proposals
    reasons: dict[str, int]  # the same in words -> proposals
    repaired: int  # accepted tasks that had been rejected before
    pages: int = 0  # read; 0: none of the user's
    rewritten: dict[
        str, int
    ] = {}  # what came of the rewritings by a model: "" for kept, else why not -> tasks
    skipped: str = ""  # pages left out and why, one line
    tried: int = 0  # tasks that a solver tried
    solved: float = 0.0  # share of its judged attempts that passed
    lost: int = 0  # attempts of it that broke off for no fault of its own; not scored
    mixed: int = 0  # tasks it got right in some attempts and wrong in others
    short: str = ""  # why fewer tasks than asked for; "" if there are enough


class LazySandbox:
    """See `Sandbox`: opened when the first program comes. Search experts write none, so that their tasks can be had
    where no sandbox works. `harmless`: no model writes programs (docs/security.md)."""

    name = "lazy"

    def __init__(self, harmless: bool, kind: str = "auto") -> None:
        self._harmless, self._kind = harmless, kind
        self._opened: Sandbox | None = None

    def run(self, program: str, **more: Any) -> Ran:
        from openhorizon.sandboxes import open_sandbox

        self._opened = self._opened or open_sandbox(self._kind, harmless=self._harmless)
        return self._opened.run(program, **more)

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()


def make(
    corpus: str | Path | None,
    count: int,
    out: str | Path,
    seed: int = 0,
    *,
    ask: Ask | None = None,
    hops: Hops = ANY,
    done: Callable[[int], None] = lambda n: None,
    plan: CorpusPlan | None = None,
    horizon: str = "short",
    trial: "Trial | None" = None,
) -> Made:
    """`out` holds up to `count` accepted multi-hop tasks over the pages of `corpus`, each solved by the scripted
    expert through the real tools. With `horizon` "long" they are surveys of 60 to 300 calls, and None is a corpus too:
    generated chronicles.

    With `ask`, a model says each accepted task in its own words, where its own checks and ours let it. `hops` says how the
    walks choose their way, `plan` how the corpus is read. `done(n)` hears of n newly accepted tasks. CorpusError:
    unreadable or without links. UserError: not one accepted task. RunError: `out` cannot be written, which is seen before
    the work begins.
    """
    from openhorizon.selfplay.curate import Variety
    from openhorizon.selfplay.game import play

    out = Path(out)
    _writable(out)
    domain, rewrite, said = domain_of(NAME, "full", horizon=horizon), None, Counter[str]()
    if horizon == "long" and (ask is not None or hops != ANY):
        raise UserError(
            "--ask, --ask-hops and --topic-shift are of chains; surveys (--horizon long) know none"
        )
    wiki = (plan or CorpusPlan()).wiki
    own = own_corpus.generated(seed) if corpus is None else own_corpus.load(corpus, wiki)
    order = own_corpus.order(seed)
    if hops != ANY:
        domain = replace(domain, propose=partial(propose, hops=hops))
    if ask is not None:
        words = region_of(own.graph, NAME, order.split, hops).words
        rewrite = rewriter(own.graph, words, ask, heard=lambda why: said.update([why]))
    variety = Variety(PER_ANSWER) if horizon == "short" else None
    with _sandbox(trial) as sandbox:
        resources = Resources(own.graph, own.index, sandbox, ask=trial.ask if trial else None)
        outcome = play(
            domain, own.graph, order, resources, count, partial=True, variety=variety, rewrite=rewrite, done=done,
        )  # fmt: skip
        made = _tried_and_written(domain, outcome, resources, trial, seed, out)
    return structs.replace(made, rewritten=dict(said), pages=len(own.index), skipped=str(own.skipped))


def make_of(
    name: str, count: int, out: str | Path, seed: int = 0, *,
    levels: tuple[int, ...] = (1, 2, 3), split: Split = Split.TRAIN,
    done: Callable[[int], None] = lambda n: None, trial: "Trial | None" = None,
) -> Made:  # fmt: skip
    """`out` holds up to `count` accepted full-size tasks of the domain's own material, each solved by the scripted expert
    through the real tools. Arguments and errors as of `make`."""
    from openhorizon.corpus import material_graph
    from openhorizon.retrieval.index import Index
    from openhorizon.selfplay.game import play

    out = Path(out)
    _writable(out)
    domain = domain_of(name, "full")
    graph = Graph(*material_graph(domain.material(seed, "full"), name))
    order = Order(split=split, seed=seed, levels=levels, size="full")
    with _sandbox(trial) as sandbox:
        resources = Resources(graph, Index.of_graph(graph), sandbox, ask=trial.ask if trial else None)
        outcome = play(domain, graph, order, resources, count, partial=True, done=done)
        return _tried_and_written(domain, outcome, resources, trial, seed, out)


@dataclass(frozen=True)
class Trial:
    """A model that tries each accepted task."""

    engine: "Engine"
    chat: "Chat | None" = None  # where the engine works on tokens
    attempts: int = 4  # at each task
    only_mixed: bool = False  # write only the tasks that it gets both right and wrong
    ask: Ask | None = None  # who summarises pages and reads trees for it; None: nobody


@contextmanager
def _sandbox(trial: Trial | None) -> Iterator[LazySandbox]:
    sandbox = LazySandbox(harmless=trial is None)
    try:
        yield sandbox
    finally:
        sandbox.close()


def _tried_and_written(
    domain: Domain, outcome: "Outcome", resources: Resources, trial: Trial | None, seed: int, out: Path
) -> Made:
    """The accepted tasks, tried where somebody tries them, in `out`; and what came of it."""
    from openhorizon.rollout.play import Play
    from openhorizon.selfplay.difficulty import attempted, difficulty, select_mixed

    groups: list[Group] = []
    if trial is not None:
        solver = Play(engine=trial.engine, resources=resources, size="full", chat=trial.chat)
        groups = attempted(domain, outcome.tasks, solver, trial.attempts, seed)
    found = {g.task.id: difficulty(g) for g in groups}
    mixed = {g.task.id for g in select_mixed(groups).kept}
    pairs = [
        (task, shown)
        for task, shown in zip(outcome.tasks, outcome.demonstrations, strict=True)
        if not (trial and trial.only_mixed) or task.id in mixed
    ]
    write_whole(out, (line(t, j, found.get(t.id)).encode() + b"\n" for t, j in pairs))
    judged = sum(d.attempts for d in found.values())
    return Made(
        accepted=len(pairs), tried=len(found), mixed=len(mixed), lost=sum(len(g.aborted) for g in groups),
        solved=sum(d.passed for d in found.values()) / judged if judged else 0.0, rejected=outcome.reasons, reasons=outcome.whys,
        repaired=outcome.repaired, short=outcome.short,
    )  # fmt: skip


def asking(what: str, model: str, temperature: float = 0.0, option: str = "--ask") -> Ask:
    """Who is asked: the server at a URL, or the model of a folder. UserError or ModelError: it cannot be."""
    from openhorizon.engines.ask import Endpoint, Local

    if what.startswith(("http://", "https://")):
        if not model:
            raise UserError(f"{option} {what} needs the model's name there: add {option}-model NAME")
        return Endpoint(what, model, temperature=temperature)
    if not Path(what).is_dir():
        raise UserError(f"{option} {what} is neither a URL (http://...) nor a model's folder")
    from openhorizon.chat.chat import Chat
    from openhorizon.training.model import load_model

    return Local(load_model(what), Chat.load(what))


def solving(what: str, model: str = "", *, attempts: int = 4, only_mixed: bool = False) -> Trial:
    """Who tries the tasks: the server at a URL (several: with commas between them), or the model of a folder.

    UserError, ModelError or EngineError: it cannot be asked.
    """
    if what.startswith(("http://", "https://")):
        from openhorizon.engines.http import connect

        engine = connect(what.split(","), model, mode="message")
        return Trial(engine, attempts=attempts, only_mixed=only_mixed)
    if not Path(what).is_dir():
        raise UserError(f"--solver {what} is neither a URL (http://...) nor a model's folder")
    from openhorizon.chat.chat import Chat
    from openhorizon.engines.local import LocalEngine
    from openhorizon.training.model import load_model

    chat = Chat.load(what)
    return Trial(LocalEngine(load_model(what).eval(), chat, policy="solver"), chat, attempts, only_mixed)


def line(task: Task, judged: Judged, rate: "Difficulty | None" = None) -> str:
    """The task as one line of JSON with every field spelled out, what a person looks for first, how it was solved, and how
    hard it was for a solver, where one tried."""
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
    if rate is not None:
        ordered["difficulty"] = {
            "attempts": rate.attempts, "passed": rate.passed, "rate": rate.rate, "low": rate.low, "high": rate.high,
        }  # fmt: skip
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
