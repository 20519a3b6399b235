"""Self-play: proposals are drawn, solved and checked until enough of them are accepted.

The solver is a `Play`: any engine under a name. By default it is the domain's scripted expert, played through the
same rollout as a model, so that every accepted task comes with a demonstration. A rejected task goes to repair where
the domain can mend it, a few times; what comes back is a proposal of its own. Everything played, accepted or not, can
be written back into the graph (`Outcome.written`).
"""

import asyncio
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice

import msgspec

from openhorizon.domains.domain import Domain, Expert, Order, Resources, Seen, Size
from openhorizon.engines.scripted import ScriptedEngine
from openhorizon.errors import InfrastructureError, UserError
from openhorizon.graph.graph import Graph
from openhorizon.graph.writeback import Acceptance, Played
from openhorizon.records import Judged, Message, Record, Task, Trajectory, Verdict
from openhorizon.rollout.batch import play_groups
from openhorizon.rollout.play import Play
from openhorizon.selfplay.accept import Case, folded, fresh, judged, reached, verifiable
from openhorizon.selfplay.curate import Variety
from openhorizon.selfplay.rank import ranked

BATCH = 64  # proposals played at once: what a batching engine gets to see
HOPELESS = 20  # proposals per accepted task after which the proposer or the solver is to blame
REPAIRS = 4  # most repairs of one proposal, each of what the last one left
PATIENCE = 200  # proposals before anyone is blamed
BREAKS = 20  # tasks lost to a broken engine or sandbox, beyond the accepted ones, before the game stops

Attempts = tuple[Judged | Trajectory, ...]


class Proposal(Record, kw_only=True):
    """A proposed task with what was played and what the checks said."""

    task: Task
    acceptance: Acceptance
    attempts: Attempts = ()  # the solver's; and a lazy one, where that is why it was rejected
    mends: str = ""  # id of the rejected task that this one was made from, "" for one of the proposer's own

    @property
    def demonstration(self) -> Judged | None:
        """The first attempt that passed; of several attempts the best ranked stands first (`selfplay.rank`)."""
        return next((a for a in self.attempts if isinstance(a, Judged) and a.verdict.passed), None)


@dataclass(frozen=True)
class Outcome:
    """What a game leaves behind, in the order proposed."""

    domain: str
    proposals: tuple[Proposal, ...]
    short: str = ""  # why there are fewer accepted tasks than were asked for; "" if there are enough

    @property
    def accepted(self) -> tuple[Proposal, ...]:
        return tuple(p for p in self.proposals if p.acceptance.accepted)

    @property
    def rejected(self) -> tuple[Proposal, ...]:
        return tuple(p for p in self.proposals if not p.acceptance.accepted)

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The accepted tasks."""
        return tuple(p.task for p in self.accepted)

    @property
    def demonstrations(self) -> tuple[Judged, ...]:
        """One passing attempt of each accepted task, in the same order."""
        return tuple(d for p in self.accepted if (d := p.demonstration) is not None)

    @property
    def repaired(self) -> int:
        """How many of the accepted tasks had been rejected before they were mended."""
        return sum(bool(p.mends) for p in self.accepted)

    @property
    def whys(self) -> dict[str, int]:
        """How many proposals were rejected for each reason in words, most first; numbers and names left out."""
        said = (f"{p.acceptance.check}: {_plain(p.acceptance.why)}" for p in self.rejected)
        return dict(Counter(said).most_common())

    @property
    def reasons(self) -> dict[str, int]:
        """How many proposals each check rejected, most first."""
        return dict(Counter(p.acceptance.check for p in self.rejected).most_common())

    def written(self) -> tuple[Played, ...]:
        """The write-back: all proposals, attempts and verdicts, for `GraphStore.record`."""
        return tuple(Played(p.task, tuple(p.attempts), p.acceptance) for p in self.proposals)


def play(
    domain: Domain,
    graph: Graph,
    order: Order,
    resources: Resources,
    count: int,
    size: Size | None = None,
    seed: int | None = None,
    solver: Play | None = None,
    *,
    attempts: int = 1,
    known: Iterable[str] = (),
    partial: bool = False,
    batch: int = BATCH,
    rewrite: Callable[[Task], Task | None] | None = None,
    variety: Variety | None = None,
    done: Callable[[int], None] = lambda n: None,
) -> Outcome:
    """Draw proposals until `count` are accepted; same arguments, same outcome, whatever `batch`.

    A domain that repairs is played one proposal at a time, unless a solver is given: then a batch is repaired once it
    has been played. `rewrite` says an accepted task in other words; what it gives is checked like any proposal and takes
    the task's place if it is accepted too. `variety` turns away what adds too little to the tasks accepted before. `size` and `seed` are the order's unless given. The solver makes `attempts` attempts, one of which must pass.
    `known` are instructions that may not come again; `done(n)` hears of n newly accepted tasks.
    UserError: far more proposals than acceptances, or the proposer has nothing more; it names the commonest reason.
    With `partial` that is `Outcome.short` instead, and what was accepted comes back, unless that is nothing.
    InfrastructureError: the engine or the sandbox keeps breaking.
    """
    if size is not None or seed is not None:
        order = Order(
            split=order.split,
            levels=order.levels,
            seed=order.seed if seed is None else seed,
            size=size or order.size,
        )
    domain = domain.sized(order.size)
    game = _Game(domain, resources, order, solver, attempts, {folded(k) for k in known}, rewrite, variety)
    proposer = domain.propose(graph, order)
    accepted = broken = drawn = 0
    while accepted < count:
        tasks = list(islice(proposer, min(batch, count - accepted)))
        if not tasks or drawn >= max(PATIENCE, HOPELESS * accepted):
            why = _hopeless(game, accepted, count, exhausted=not tasks)
            if partial and accepted:
                return Outcome(domain.name, tuple(game.proposals), short=why)
            raise UserError(why)
        drawn += len(tasks)
        new = asyncio.run(game.play_and_mend(tasks))
        game.proposals += new
        now = sum(p.acceptance.accepted for p in new)
        accepted += now
        broken += sum(p.acceptance.check == "aborted" for p in new)
        if broken >= BREAKS + accepted:
            last = next(p for p in reversed(new) if p.acceptance.check == "aborted")
            raise InfrastructureError(
                f"self-play of {domain.name} lost {broken} tasks, the last to {last.acceptance.why}"
            )
        done(now)
    return Outcome(domain.name, tuple(game.proposals))


def disjoint(train: Iterable[Task], heldout: Iterable[Task]) -> tuple[str, ...]:
    """Entities and values of held-out tasks that training tasks carry or speak of, sorted; () is what must be.

    Single words are looked for among the training entities only; longer names also in the training instructions.
    """
    held = {e for t in heldout for e in t.entities}
    named = {tuple(words): e for e in held if len(words := _words(e)) > 1}
    lengths = sorted({len(words) for words in named})
    found: set[str] = set()
    for task in train:
        found |= held.intersection(task.entities)
        words = _words(task.instruction)
        for n in lengths:
            found |= {named[run] for run in zip(*(words[i:] for i in range(n))) if run in named}
    return tuple(sorted(found))


def _words(text: str) -> list[str]:
    return re.findall(r"\d+(?:\.\d+)?|\w+", text)


@dataclass
class _Game:
    """The players of one game, and what has been proposed so far."""

    domain: Domain
    resources: Resources
    order: Order
    solver: Play | None
    attempts: int
    instructions: set[str]
    rewrite: Callable[[Task], Task | None] | None = None
    variety: Variety | None = None
    ids: set[str] = field(default_factory=set)
    proposals: list[Proposal] = field(default_factory=list)
    raised: dict[str, str] = field(default_factory=dict)  # attempt id -> what its verifier raised

    async def play_and_mend(self, tasks: list[Task]) -> list[Proposal]:
        """Play and judge the tasks, in order, each followed by its repairs."""
        at_once = [tasks] if self.solver or not (self.domain.repair or self.rewrite) else [[t] for t in tasks]
        found: list[Proposal] = []
        for some in at_once:
            for proposal in await self.play(some):
                found += self._varied(await self._mended(proposal))
        return found

    async def _mended(self, proposal: Proposal) -> list[Proposal]:
        """The proposal and what repair made of it, until one is accepted or nothing more can be tried."""
        found = [proposal]
        for number in range(REPAIRS if self.domain.repair else 0):
            last = found[-1]
            if last.acceptance.accepted or last.acceptance.check in ("split", "aborted"):
                break
            rng = random.Random(f"repair {self.order.seed} {proposal.task.id} {number}")
            assert self.domain.repair is not None
            task = self.domain.repair(last.task, last.acceptance.why, self.resources, rng)
            if task is None:
                break
            found += await self._again(task, last)
        if self.rewrite and found[-1].acceptance.accepted and (task := self.rewrite(found[-1].task)):
            said = await self._again(task, found[-1])
            if said[0].acceptance.accepted:  # one task, said better: the template makes room
                found[-1] = said[0]
        return found

    async def _again(self, task: Task, last: Proposal) -> list[Proposal]:
        mends = last.mends if last.acceptance.accepted else last.task.id
        return [msgspec.structs.replace(p, mends=mends) for p in await self.play([task])]

    def _varied(self, found: list[Proposal]) -> list[Proposal]:
        """The proposals; an accepted one is rejected where it adds too little to those before."""
        last = found[-1]
        why = self.variety.against(last.task) if self.variety and last.acceptance.accepted else ""
        said = Acceptance(accepted=False, check="varied", why=why)
        return [*found[:-1], msgspec.structs.replace(last, acceptance=said)] if why else found

    async def play(self, tasks: list[Task]) -> list[Proposal]:
        """Play and judge the tasks, in order."""
        done: dict[int, Proposal] = {}
        cases: dict[int, Case] = {}
        for number, task in enumerate(tasks):
            if why := self._fresh(task):
                done[number] = Proposal(task=task, acceptance=why)
                continue
            lazy = await self._lazy(task)
            if isinstance(lazy, Proposal):
                done[number] = lazy
            else:
                cases[number] = Case(task, self.domain, self.resources, lazy, raised=self._raised(lazy))
        asked = [number for number, case in cases.items() if not verifiable(case)]
        solved = dict(zip(asked, await self._solved([tasks[number] for number in asked])))
        for number, case in cases.items():
            done[number] = await self._judged(case, solved.get(number, ()))
        return [done[number] for number in range(len(tasks))]

    def _fresh(self, task: Task) -> Acceptance | None:
        """Why the task is not even played; None if it is."""
        why = fresh(task, self.instructions, self.ids)
        self.instructions.add(folded(task.instruction))
        self.ids.add(task.id)
        return why

    async def _lazy(self, task: Task) -> tuple[tuple[str, Judged], ...] | Proposal:
        """Play the attempts that look at nothing: one that says nothing, one per guess."""
        answers = list(dict.fromkeys(("", *self.domain.guesses(task))))
        engine = ScriptedEngine(lambda name: _say(answers[int(name.rpartition("/")[2])]), policy="guess")
        play = Play(engine=engine, resources=self.resources, size=self.order.size)
        pairs = [(task, self._guarded)]
        group = (await play_groups(pairs, play, size=len(answers), seed=self.order.seed))[0]
        if group.aborted:
            return Proposal(task=task, acceptance=_aborted(group.aborted), attempts=group.aborted)
        return tuple(zip(answers, group.judged))

    async def _looked_up(self, task: Task) -> tuple[Judged, ...]:
        """Play the attempts that look once and answer."""
        scripts = list(self.domain.lookups(task))
        if not scripts:
            return ()
        engine = ScriptedEngine(lambda name: scripts[int(name.rpartition("/")[2])], policy="look-up")
        play = Play(engine=engine, resources=self.resources, size=self.order.size)
        groups = await play_groups([(task, self._guarded)], play, size=len(scripts), seed=self.order.seed)
        return groups[0].judged

    async def _spared(self, task: Task) -> tuple[str, ...]:
        """The pieces of evidence without which the expert reaches the answer all the same."""
        spared: list[str] = []
        for node in dict.fromkeys(e.node for e in task.evidence) if self.domain.without else ():
            assert self.domain.without is not None
            engine = ScriptedEngine(lambda name: _expert(self.domain, task), policy="without")
            play = Play(engine, self.domain.without(self.resources, node), self.order.size)
            groups = await play_groups([(task, self._guarded)], play, seed=self.order.seed)
            spared += [node for played in groups[0].judged if reached(played)]
        return tuple(spared)

    async def _solved(self, tasks: list[Task]) -> list[Attempts]:
        """The solver's attempts at each task."""
        by_id = {task.id: task for task in tasks}
        play = self.solver or Play(
            engine=ScriptedEngine(lambda name: _expert(self.domain, by_id[name.rpartition("@")[0]])),
            resources=self.resources,
            size=self.order.size,
        )
        pairs = [(task, self._guarded) for task in tasks]
        groups = await play_groups(pairs, play, size=self.attempts, seed=self.order.seed)
        return [(*g.judged, *g.aborted) for g in groups]

    async def _judged(self, case: Case, attempts: Attempts) -> Proposal:
        judges = [a for a in attempts if isinstance(a, Judged)]
        if len(judges) > 1:
            places = {r.attempt: n for n, r in enumerate(ranked(judges, self.domain))}
            judges.sort(key=lambda j: places[j.trajectory.id])
            attempts = (*judges, *(a for a in attempts if isinstance(a, Trajectory)))
        if attempts and not judges:
            aborted = tuple(a for a in attempts if isinstance(a, Trajectory))
            return Proposal(task=case.task, acceptance=_aborted(aborted), attempts=attempts)
        raised = case.raised or self._raised(("", a) for a in judges)
        case = replace(case, attempts=attempts, raised=raised)
        said = judged(case)
        if said.accepted and self.order.size == "full":  # the dearer checks, of what passed the others
            case = replace(
                case, lookups=await self._looked_up(case.task), spared=await self._spared(case.task)
            )
            said = judged(case)
        lucky = [a for _, a in case.lazy if a.verdict.passed] + [a for a in case.lookups if reached(a)]
        guilty = lucky[:1] if said.check in ("verifiable", "process_informative") else []
        return Proposal(task=case.task, acceptance=said, attempts=(*attempts, *guilty))

    def _raised(self, played: Iterable[tuple[str, Judged]]) -> str:
        """What a verifier raised on these attempts, "" if none did."""
        return next((self.raised[i] for _, a in played if (i := a.trajectory.id) in self.raised), "")

    @cached_property
    def _guarded(self) -> Domain:
        """The domain with verifiers that cannot stop the game: one that raises is noted, and fails the attempt."""

        def verify(task: Task, run: Trajectory, env: object) -> Verdict:
            try:
                return self.domain.verify(task, run, env)
            except InfrastructureError:
                raise
            except Exception as error:
                self.raised[run.id] = f"{type(error).__name__}: {error}"
                return Verdict(score=0.0, passed=False, why=f"the verifier raised {type(error).__name__}")

        return replace(self.domain, verify=verify)


def _aborted(attempts: tuple[Trajectory, ...]) -> Acceptance:
    return Acceptance(accepted=False, check="aborted", why=attempts[-1].reason)


def _expert(domain: Domain, task: Task) -> Expert:
    """The expert on the public task. One that trips gives up: the task is then not valid, the game goes on."""
    script = domain.expert(task.public())
    seen: Seen | None = None
    while True:
        try:
            message = next(script) if seen is None else script.send(seen)
        except StopIteration:
            return
        except Exception as error:
            yield Message(role="assistant", content=f"the expert gave up ({type(error).__name__}: {error})")
            return
        seen = yield message


def _plain(why: str) -> str:
    """A reason without its particulars: what is counted together."""
    return re.sub(r"\d+(?:\.\d+)?", "N", re.sub(r"'[^']*'|\S+#\d+", "…", why))


def _say(answer: str) -> Expert:
    yield Message(role="assistant", content=answer)


def _hopeless(game: _Game, accepted: int, count: int, exhausted: bool) -> str:
    """What to tell whoever asked for more tasks than can be had."""
    order, drawn = game.order, f"{len(game.proposals)} proposals"
    where = (
        f"{game.domain.name} ({order.split.value}, {order.size}, levels {', '.join(map(str, order.levels))})"
    )
    text = f"self-play of {where} accepted {accepted} of the {count} tasks asked for, out of {drawn}"
    text += "; the proposer has no more" if exhausted else ""
    rejected = [p.acceptance for p in game.proposals if not p.acceptance.accepted]
    if rejected:
        check, n = Counter(said.check for said in rejected).most_common(1)[0]
        why = Counter(said.why for said in rejected if said.check == check).most_common(1)[0][0]
        text += f"; most rejections came from the check {check!r} ({n} of {len(rejected)}), such as: {why}"
    return f"{text}. Ask for fewer tasks, or give more or better material"
