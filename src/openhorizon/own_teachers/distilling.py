"""From a student, teachers and prompts to a distilled student, without a run: checks, training, the folder it leaves.

Whatever is wrong with what was given is said before the first step, and before `out` is touched.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from openhorizon.config import DistillPlan, ModelPlan, OwnPlan, Size, own_problems
from openhorizon.domains.domain import Resources
from openhorizon.domains.plain import no_resources
from openhorizon.errors import ConfigError, RunError
from openhorizon.graph.store import GraphStore
from openhorizon.graph.tables import CORPUS_KINDS
from openhorizon.jobs import resources_of
from openhorizon.metrics import Metrics
from openhorizon.own_teachers.folder import STAGE, Distilled, Given, Loaded, Model, OwnFolder
from openhorizon.own_teachers.prompts import Pool, about, fitted, read_pool
from openhorizon.records import Task
from openhorizon.settings import in_range
from openhorizon.store import Run

if TYPE_CHECKING:
    from openhorizon.chat.chat import Chat
    from openhorizon.training.places import Address
    from openhorizon.training.ranks import Ranks
    from openhorizon.training.scoring import Place
    from openhorizon.training.sft import Watch

Say = Callable[[str], None]
EVERY = 10  # steps between two lines
DEFAULT = OwnPlan()


def distill_own(
    student: str | Path, teachers: Mapping[str, str | Path], prompts: Mapping[str, str | Path], out: str | Path,
    plan: DistillPlan = DEFAULT.distill, *, model: ModelPlan = DEFAULT.model, seed: int = DEFAULT.seed,
    resources: str | Path | None = None, say: Say = print,
) -> Distilled:  # fmt: skip
    """Distill the teachers, each on its own domain's prompts, into the student; `<out>/model` is what comes of it.

    `student`: a folder or a name of the hub. `teachers`: by domain a folder, a name of the hub, or the URL of a server
    (`openhorizon teacher serve`, or vLLM's with `,model=NAME,tokenizer=FOLDER` behind it); all have the student's
    vocabulary. `prompts`: by domain a file of JSON lines, {"prompt": ...} or {"messages": [...]} with an optional "id" and
    "answer", or tasks as a run writes them; tasks need `resources`, the folder of the run whose graph their tools read.
    A plain prompt must leave room for a whole reply in the contexts of student, teacher and plan; a task of several turns
    that spends its context is cut off there, and learnt from. The same call again goes on from the last checkpoint, or
    answers what came of it. Under torchrun all processes train together. `say` hears a line about every ten steps.

    ConfigError, ModelError, RunError: what was given cannot be used, said before the first step. EngineError: a server
    does not answer.
    """
    from openhorizon.training.places import Address
    from openhorizon.training.ranks import Ranks

    own = in_range(OwnPlan(seed=seed, model=model, distill=plan))
    placed = {name: str(place) for name, place in teachers.items()}
    _check_names(str(student), placed, prompts, own)
    pools = {name: read_pool(name, Path(file)) for name, file in prompts.items()}
    _check_resources(pools, resources)
    addresses = {name: Address.read(name, placed[name]) for name in pools}
    ranks = Ranks.from_torchrun()
    call = Call(
        str(student), addresses, pools, resources, own, OwnFolder(Path(out)), ranks,
        say if ranks.first else lambda text: None,
    )  # fmt: skip
    done = ranks.gather(call.finished() if ranks.first else None)[0]
    if done is not None:
        call.say(f"done already: {done.model}")
    else:
        with ExitStack() as held:
            done = call.train(held)
    ranks.leave()
    return done


@dataclass(frozen=True)
class World:
    """What attempts act on, and the protocol they follow."""

    resources: Resources
    size: Size


@dataclass(frozen=True)
class Call:
    """One call of `distill_own`, its files read."""

    student: str
    addresses: "Mapping[str, Address]"
    pools: Mapping[str, Pool]
    resources: str | Path | None
    own: OwnPlan
    folder: OwnFolder
    ranks: "Ranks"
    say: Say

    def finished(self) -> Distilled | None:
        """What came of the same call before. RunError: `out` holds the student of another one."""
        if not (self.folder.has("plan.json") and self.folder.has("done.json")):
            return None
        # servers need not run for this: one at the same place is taken for the same one
        kept = self.folder.read_json("plan.json", Given).teachers
        known = {
            name: kept[name].revision if name in kept and kept[name].place == address.place else address.place
            for name, address in self.addresses.items()
            if address.remote
        }
        self.folder.compare(self.given(known))
        return self.folder.done()

    def given(self, servers: Mapping[str, str]) -> Given:
        """What plan.json holds; `servers` are the revisions of the teachers that are servers."""
        from openhorizon.training.places import local_place, revision_of_local

        def local(text: str) -> Model:
            place = local_place(text)
            shown = str(place.resolve()) if place.is_dir() else text
            return Model(place=shown, revision=revision_of_local(place))

        return Given(
            student=local(self.student),
            teachers={
                name: Model(place=a.place, revision=servers[name]) if a.remote else local(a.place)
                for name, a in self.addresses.items()
            },
            prompts={name: pool.prompts for name, pool in self.pools.items()},
            resources="" if self.resources is None else str(Path(self.resources).resolve()),
            seed=self.own.seed, distill=self.own.distill,
            model=Loaded(**{name: getattr(self.own.model, name) for name in Loaded.__struct_fields__}),
        )  # fmt: skip

    def train(self, held: ExitStack) -> Distilled:
        """Check everything, train from the start or the checkpoint, and leave the student's folder."""
        from openhorizon.rollout.play import Setting
        from openhorizon.training.checkpoint import finished_steps
        from openhorizon.training.distill import distill
        from openhorizon.training.model import load_model, save_model
        from openhorizon.training.places import load_student, local_place
        from openhorizon.training.scoring import Teachers
        from openhorizon.training.signals import SignalCache

        plan, model = self.own.distill, self.own.model
        world = held.enter_context(self.world())
        chat, places, tasks = self.checked(world, held)
        servers = {n: p.revision for n, p in places.items() if not isinstance(p, Path)}
        if self.ranks.first:
            held.enter_context(self.folder.claimed(self.given(servers)))
        self.ranks.gather("claimed")
        for name, pool in self.pools.items():
            self.say(about(name, pool, plan))
        if before := finished_steps(self.folder.path("checkpoint.pt")):
            self.say(f"going on after step {before:,}")
        folders = [place for place in places.values() if isinstance(place, Path)]
        student = load_student(local_place(self.student), model, folders, 0.0 if before else plan.merge)
        cache = SignalCache(self.folder.path("signals")) if servers and self.ranks.first else None
        steps = distill(
            student, Teachers(lambda p: load_model(p, model), places, plan.resident_teachers, cache), chat, tasks,
            {n: p.domain for n, p in self.pools.items()}, Setting(world.resources, world.size), plan,
            seed=self.own.seed, watch=self.watch(places, before),
        )  # fmt: skip
        done = None
        if self.ranks.first:
            save_model(student, chat.tokenizer, self.folder.path("model"))
            done = self.folder.finish(steps, list(self.pools))
            self.say(told(done))
        return self.ranks.gather(done)[0]

    @contextmanager
    def world(self) -> Iterator[World]:
        """The run's graph, index, sandbox and protocol; nothing where all prompts are plain. RunError: it is no run, or
        not the one the tasks were made in."""
        from openhorizon.sandboxes import open_sandbox

        if self.resources is None:
            yield World(no_resources(), "full")
            return
        run = Run.load(self.resources)
        if not (run.recipe.graph or run.has("graph.db")):
            raise RunError(f"{run.dir} has no graph yet; build it first: openhorizon graph {run.dir}")
        with GraphStore(run.graph) as store:
            graph = store.snapshot(kinds=CORPUS_KINDS)
        for pool in self.pools.values():
            for task in pool.tasks:
                if lost := [e.node for e in task.evidence if e.node not in graph]:
                    raise RunError(
                        f"{pool.prompts.file}:{pool.lines[task.id]}: {lost[0]} is not in the graph of {run.dir}; name the run "
                        "that the tasks were made in"
                    )
        programs = any(pool.domain.tools for pool in self.pools.values())
        sandbox = open_sandbox(run.recipe.sandbox.kind) if programs else no_resources().sandbox
        try:
            yield World(resources_of(run, graph, sandbox), run.recipe.size)
        finally:
            sandbox.close()

    def checked(
        self, world: World, held: ExitStack
    ) -> "tuple[Chat, dict[str, Place], dict[str, tuple[Task, ...]]]":
        """The student's chat, the teachers' places, and the tasks with their limits: here is said what is wrong with them."""
        from openhorizon.chat.chat import Chat
        from openhorizon.training import places as at
        from openhorizon.training.scoring import check_routing

        plan, mine = self.own.distill, at.local_place(self.student)
        places: dict[str, Place] = {}
        for name, address in self.addresses.items():
            if address.remote:
                teacher = at.connected(name, address)
                held.callback(teacher.close)
                places[name] = teacher
            else:
                places[name] = at.local_place(address.place)
        student, chat = at.config_of(mine), Chat.load(mine)
        check_routing(self.pools, places, chat.tokenizer.get_vocab(), at.vocabulary_of)
        configs = {name: at.config_of(place) for name, place in places.items() if isinstance(place, Path)}
        at.check_supports(places, configs, student, bool(plan.merge), plan.objective == "full")
        tasks: dict[str, tuple[Task, ...]] = {}
        for name, pool in self.pools.items():
            contexts = {"student": at.context_of(student)}
            if name in configs:
                contexts[f"{name} teacher"] = at.context_of(configs[name])
            tasks[name], longest = fitted(name, pool, chat, world.size, plan, contexts)
            if not isinstance(places[name], Path) and self.ranks.first:
                at.rehearse(name, places[name], longest, plan.k)  # type: ignore[arg-type]
        return chat, places, tasks

    def watch(self, places: "Mapping[str, Place]", before: int) -> "Watch":
        """Metrics, and a line about every ten steps."""
        from openhorizon.training.sft import Watch

        plan, metrics = self.own.distill, Metrics(self.folder.path("metrics"))
        unknown = {f"success/{n}" for n, p in self.pools.items() if p.plain and p.answered < len(p.tasks)}
        if self.ranks.first:
            metrics.rewind(STAGE, before)

        def log(step: int, values: dict[str, float]) -> None:
            if not self.ranks.first:
                return
            metrics.log(STAGE, step, **{name: v for name, v in values.items() if name not in unknown})
            last = values["tokens"] >= plan.student_tokens if plan.student_tokens else step + 1 == plan.steps
            if step == before or (step + 1) % EVERY == 0 or last or values["aborted"]:
                self.say(_line(step + 1, values, plan, list(self.pools)) + _trouble(values, places))

        return Watch(log=log, say=self.say, checkpoint=self.folder.path("checkpoint.pt"), ranks=self.ranks)


def _check_names(
    student: str, teachers: Mapping[str, str], prompts: Mapping[str, str | Path], own: OwnPlan
) -> None:
    """ConfigError: domains without prompts or teachers, names that cannot be, values that contradict each other."""
    if student.startswith(("http://", "https://")):
        raise ConfigError(f"the student {student} is trained here; name a folder or a name of the hub")
    if not prompts:
        raise ConfigError("there are no prompts; name a file for each domain: --prompts math=math.jsonl")
    for name in prompts:
        if not re.fullmatch(r"[\w-]+", name):
            raise ConfigError(f"{name!r} cannot be a domain's name; use letters, digits, _ and -")
        if name not in teachers:
            raise ConfigError(
                f"domain {name} has no teacher (teachers: {', '.join(teachers) or 'none'}); add --teacher {name}=FOLDER, or drop "
                "the domain's prompts"
            )
    for name in teachers:
        if name not in prompts:
            raise ConfigError(
                f"the {name} teacher has no prompts (prompts: {', '.join(prompts)}); add --prompts {name}=FILE, or drop the "
                "teacher"
            )
    if found := own_problems(own, prompts):
        raise ConfigError("\n".join(found))


def _check_resources(pools: Mapping[str, Pool], resources: str | Path | None) -> None:
    for name, pool in pools.items():
        if not pool.plain and resources is None:
            raise ConfigError(
                f"{pool.prompts.file} holds tasks of the domain {name}, which are played in the world of a run: name the run "
                "they were made in with --resources RUN"
            )
    if resources is not None and all(pool.plain for pool in pools.values()):
        raise ConfigError("--resources names a run, and plain prompts need none; leave it out")


def _line(step: int, values: Mapping[str, float], plan: DistillPlan, domains: list[str]) -> str:
    tokens = f"{int(values['tokens']):,}"
    if plan.student_tokens:
        count, tokens = f"{step:,}", f"{tokens} of {plan.student_tokens:,}"
    else:
        count = f"{step:,}/{plan.steps:,}"
    rho = " ".join(f"{n} {values[f'coverage/{n}']:.3f}" for n in domains if f"coverage/{n}" in values)
    return f"step {count}: loss {values['loss']:.4f}, coverage {rho}, {tokens} tokens"


def _trouble(values: Mapping[str, float], places: "Mapping[str, Place]") -> str:
    """How many attempts were lost in the step, and what the servers last said."""
    if not values["aborted"]:
        return ""
    said = [trouble for place in places.values() if (trouble := getattr(place, "trouble", ""))]
    return f"; {int(values['aborted'])} attempts lost" + (f" ({'; '.join(said)})" if said else "")


def told(done: Distilled) -> str:
    """What came of it, in a line."""
    rho = ", ".join(f"{n} {value:.3f}" for n, value in done.coverage.items())
    lost = f"; {done.aborted:,} attempts lost" if done.aborted else ""
    return (
        f"{done.steps:,} steps, {done.student_tokens:,} tokens, loss {done.loss:.4f}, coverage {rho}{lost}; "
        f"model: {done.model}"
    )
