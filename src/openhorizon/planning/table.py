"""The plan of a recipe on so many GPUs: tables of lines, each with its value and the formula that gives it."""

import math
from collections.abc import Iterator

import msgspec

from openhorizon.config import GrpoStage, Recipe, SftStage
from openhorizon.errors import ConfigError
from openhorizon.planning.hardware import (
    GB,
    Assumptions,
    Gpu,
    Serving,
    serving,
    training_fit,
    training_memory,
    writing,
)
from openhorizon.planning.shape import Shape
from openhorizon.records import Record

# tokens of an attempt, contexts included: the paper's averages; scientific agentic: the paper's mean over all domains
DOMAIN_TOKENS = {
    "search": 44_000, "engineering": 48_000, "science": 37_000, "instructions": 3_000, "agentic": 39_000,
    "scientific_agentic": 45_000,
}  # fmt: skip
MEAN_TOKENS = 45_000  # the paper's average of a demonstration
SVA_BYTES = 114  # per position and entry of the support: measured, benchmarks/README.md, salient_kl.py


class Line(Record, kw_only=True):
    """One number and where it comes from."""

    name: str
    value: float
    unit: str
    formula: str


class Table(Record, kw_only=True):
    """Lines under a heading."""

    title: str
    lines: tuple[Line, ...]

    def line(self, name: str) -> Line:
        return next(one for one in self.lines if one.name == name)


def plan(recipe: Recipe, shape: Shape, gpu: Gpu, gpus: int, assumed: Assumptions) -> tuple[Table, ...]:
    """The tables of the run: the model, memory in training, serving, what alignment holds, hours per stage."""
    mini = recipe.size == "mini"
    tokens = {
        n: recipe.sft.max_length / 2 if mini else DOMAIN_TOKENS.get(n, MEAN_TOKENS) for n in recipe.domains
    }
    mean = recipe.sft.max_length / 2 if mini else MEAN_TOKENS
    fleet = serving(shape, gpu, mean, assumed)
    return (
        _model(shape), _memory(recipe, shape, gpu, gpus, assumed), _serving(shape, fleet, gpu, mean, assumed),
        _alignment(recipe, shape, mean * assumed.written), _hours(recipe, shape, gpu, gpus, tokens, mean, fleet, assumed),
    )  # fmt: skip


def _model(shape: Shape) -> Table:
    delta = f" + {shape.linear_layers} delta nets of {shape.delta:,}" if shape.linear_layers else ""
    return Table(title=f"The model: {shape.name}", lines=(
        Line(name="parameters", value=shape.total / 1e9, unit="B", formula=(
            f"{shape.full_layers} attentions of {shape.attention:,}{delta} + {shape.layers} feed-forward of "
            f"{shape.feed_forward:,} + norms + {1 if shape.tied else 2} × {shape.vocabulary:,} × {shape.hidden:,}")),
        Line(name="active per token", value=shape.active / 1e9, unit="B", formula=(
            f"all − {shape.layers} × ({shape.experts} − {shape.active_experts}) experts of {shape.expert:,}"
            f"{'' if shape.tied else ' − the table of embeddings'}")),
        Line(name="weights in bfloat16", value=2 * shape.total / GB, unit="GB", formula="2 B × parameters"),
        Line(name="cache per token", value=shape.cache_per_token / 1e3, unit="kB", formula=(
            f"2 × {shape.kv_heads} heads × {shape.head_width} × 2 B × {shape.full_layers} layers")),
        Line(name="state per sequence", value=shape.state / 1e6, unit="MB", formula=(
            f"{shape.linear_layers} layers × ({shape.value_heads} × {shape.key_head} × {shape.value_head} × 4 B + convolution)")),
        Line(name="one sequence of 131,072 tokens", value=(shape.cache_per_token * 131_072 + shape.state) / GB, unit="GB",
             formula="cache per token × 131,072 + state"),
    ))  # fmt: skip


def _memory(recipe: Recipe, shape: Shape, gpu: Gpu, gpus: int, assumed: Assumptions) -> Table:
    length, muon = recipe.sft.max_length, recipe.sft.optim.kind == "muon"
    fit = training_fit(shape, gpu, gpus, length, muon, assumed)
    other = training_memory(shape, gpus, length, fit.context, not muon)
    kind = "Muon: 4 B for inner matrices, 8 B for the rest" if muon else "AdamW: 8 B × parameters"
    may = assumed.memory * gpu.memory
    verdict = "fits" if fit.total <= may else "DOES NOT FIT: take more GPUs or a shorter max_length"
    return Table(title=f"Memory of each of {gpus} {gpu.name} in training, {length:,} tokens a sequence", lines=(
        Line(name="weights, float32", value=fit.master / GB, unit="GB", formula=f"4 B × parameters / {gpus}"),
        Line(name="gradients, float32", value=fit.gradient / GB, unit="GB", formula=f"4 B × parameters / {gpus}"),
        Line(name="optimiser", value=fit.optimiser / GB, unit="GB", formula=f"({kind}) / {gpus}"),
        Line(name="gathered layers", value=fit.gathered / GB, unit="GB", formula="2 B × (2 layers + head)"),
        Line(name="GPUs a sequence", value=fit.context, unit="", formula="fewest, in powers of two, that fit"),
        Line(name="layer inputs kept", value=fit.boundaries / GB, unit="GB", formula=(
            f"2 B × {shape.layers} layers × {length:,} / {fit.context} × {shape.hidden:,}")),
        Line(name="one layer at work", value=fit.working / GB, unit="GB", formula=(
            "2 × 2 B × tokens × (chosen experts × (3 × inner + 2 × hidden) + shared + mixer + 4 × hidden)")),
        Line(name="together", value=fit.total / GB, unit="GB", formula=f"the sum; {may / GB:.0f} GB may be used: {verdict}"),
        Line(name=f"together with {'AdamW' if muon else 'Muon'}", value=other.total / GB, unit="GB", formula="the same, other optimiser"),
    ))  # fmt: skip


def _serving(shape: Shape, fleet: Serving, gpu: Gpu, mean: float, assumed: Assumptions) -> Table:
    return Table(title=f"One server of {fleet.gpus} {gpu.name}, attempts of {mean:,.0f} tokens", lines=(
        Line(name="GPUs", value=fleet.gpus, unit="", formula=f"1.1 × {fleet.weights / GB:.0f} GB ≤ {assumed.memory:.0%} of memory"),
        Line(name="one attempt at its end", value=fleet.sequence / GB, unit="GB", formula="cache per token × tokens + state"),
        Line(name="attempts at once", value=fleet.sequences, unit="", formula="memory left / one attempt, at most 256 a GPU"),
        Line(name="written", value=fleet.written, unit="tokens/s", formula=(
            f"attempts / max(bytes moved / ({assumed.decode:.0%} of bandwidth), operations / ({assumed.prefill:.0%} of peak)), all places filled")),
        Line(name="written by one attempt", value=fleet.written / fleet.sequences, unit="tokens/s", formula="written / attempts"),
        Line(name="read or scored", value=fleet.read, unit="tokens/s", formula=f"{assumed.prefill:.0%} of peak / operations of a token"),
    ))  # fmt: skip


def _alignment(recipe: Recipe, shape: Shape, positions: float) -> Table:
    k = recipe.distill.k
    return Table(title=f"Alignment on k = {k} of {shape.vocabulary:,}, an attempt with {positions:,.0f} written tokens", lines=(
        Line(name="a teacher's answer", value=positions * (6 * k + 2) / 1e6, unit="MB", formula="(6·k + 2) B × positions, before compression"),
        Line(name="held by the loss", value=positions * k * SVA_BYTES / GB, unit="GB", formula=f"{SVA_BYTES} B × positions × k (measured)"),
        Line(name="touched rows of the head", value=min(shape.vocabulary, positions * k) * shape.hidden * 4 / GB, unit="GB",
             formula="at most min(vocabulary, positions × k) × hidden × 4 B"),
        Line(name="full logits, not held", value=positions * shape.vocabulary * 4 / GB, unit="GB", formula="positions × vocabulary × 4 B"),
    ))  # fmt: skip


def _hours(
    recipe: Recipe, shape: Shape, gpu: Gpu, gpus: int, tokens: dict[str, float], mean: float, fleet: Serving, assumed: Assumptions
) -> Table:  # fmt: skip
    serve = max(fleet.gpus, int(gpus * assumed.serving) // fleet.gpus * fleet.gpus)
    train = gpus - serve
    if train < 1:
        raise ConfigError(
            f"a server takes {fleet.gpus} {gpu.name}, and one more is needed to train: give --gpus {fleet.gpus + 1} or more"
        )
    everyone = max(fleet.gpus, gpus // fleet.gpus * fleet.gpus)

    def learn(count: float, length: float, on: int, passes: float = 1.0) -> float:
        """Hours of training on `count` tokens, `passes` in units of forward and backward."""
        return 3 * passes * count * shape.forward_flops(length) / (assumed.mfu * gpu.flops * on) / 3600

    def places(on: int, together: float) -> int:
        """Attempts at once on each server, of `together` in a step: a step ends before the next one is played."""
        return max(1, min(fleet.sequences, recipe.rollout.concurrency, math.ceil(together * fleet.gpus / on)))

    def play(count: float, on: int, together: float = math.inf) -> float:
        """Hours of playing attempts of `count` tokens in all, `together` of them in a step."""
        each = fleet.sequences if together == math.inf else places(on, together)
        written = count * assumed.written / writing(shape, gpu, fleet.gpus, each, mean, assumed)
        read = count * (1 - assumed.written) / fleet.read
        return (written + read) / assumed.busy / (on / fleet.gpus) / 3600

    handover = (
        2 * 2 * shape.total / (assumed.disk * GB) / 3600
    )  # written once, read by all servers at the same time

    def line(name: str, hours: float, formula: str) -> Line:
        return Line(name=name, value=hours, unit="h", formula=formula)

    def lines() -> Iterator[Line]:
        shown = sum(p.demonstrations for p in recipe.domains.values())
        count = recipe.sft.steps * recipe.sft.batch_tokens or shown * mean * recipe.sft.epochs
        yield line(
            "SFT",
            learn(count, mean, gpus),
            f"3 × {count / 1e9:.3g}B tokens × operations / ({assumed.mfu:.0%} of {gpus} GPUs)",
        )
        for name, teacher in recipe.teachers.items():
            for n, stage in enumerate(teacher.stages):
                if isinstance(stage, SftStage):
                    data = stage.demonstrations or recipe.domains[name].demonstrations
                    count = stage.steps * stage.batch_tokens or data * tokens[name] * stage.epochs
                    yield line(
                        f"teacher {name}, {n}: SFT",
                        learn(count, tokens[name], gpus),
                        f"as SFT, {count / 1e9:.3g}B tokens",
                    )
                else:
                    yield from practice(name, n, stage)
        yield from student()
        models = 3 * len(recipe.domains) + len(recipe.teachers)
        per = sum(tokens.values()) / max(1, len(tokens))
        count = models * recipe.evaluation.tasks * per
        yield line(
            "evaluation",
            play(count, everyone),
            f"{models * recipe.evaluation.tasks:,} attempts of {per:,.0f} tokens, all GPUs serve",
        )

    def practice(name: str, n: int, stage: GrpoStage) -> Iterator[Line]:
        attempts = stage.steps * stage.prompts * stage.group
        drawn = attempts * (assumed.redrawn if stage.dynamic_sampling else 1) + stage.tasks * stage.tries
        length = tokens[name]
        together = stage.prompts * stage.group
        played = play(drawn * length, serve, together)
        passes = stage.epochs + (1 / 3 if stage.kl else 0)
        learnt = learn(attempts * length, length, train, passes)
        given = stage.steps * handover
        said = (
            f"played {played:.3g} h ({drawn:,.0f} attempts of {length:,.0f}, {places(serve, together)} a server, {serve} GPUs), learnt {learnt:.3g} h "
            f"({'with the reference, ' if stage.kl else ''}{train} GPUs), weights handed over {given:.3g} h; "
        )
        if stage.staleness:
            yield line(
                f"teacher {name}, {n}: GRPO",
                max(played, learnt) + given,
                said + "playing and learning side by side",
            )
        else:
            yield line(f"teacher {name}, {n}: GRPO", played + learnt + given, said + "one after the other")

    def student() -> Iterator[Line]:
        own = recipe.distill
        counts = {d: own.quotas.get(d, own.prompts_per_domain) * own.group for d in recipe.domains}
        step = sum(c * tokens[d] for d, c in counts.items())
        count = own.student_tokens / assumed.written if own.student_tokens else own.steps * step
        length = step / max(1, sum(counts.values()))
        together = sum(counts.values())
        played, learnt = play(count, serve, together), learn(count, length, train)
        scored = count / fleet.read / (serve / fleet.gpus) / 3600
        given = count / step * handover if step else 0.0
        yield line("distillation", played + scored + learnt + given, (
            f"played {played:.3g} h ({places(serve, together)} a server) + scored by teachers {scored:.3g} h ({serve} GPUs) + learnt {learnt:.3g} h ({train} GPUs), "
            f"weights handed over {given:.3g} h, {count / 1e9:.3g}B tokens"
        ))  # fmt: skip

    found = tuple(lines())
    total = sum(one.value for one in found)
    end = (
        line("together", total, "one stage after the other"),
        Line(name="GPU hours", value=total * gpus, unit="", formula=f"together × {gpus}"),
    )
    return Table(title=f"Hours on {gpus} {gpu.name}", lines=(*found, *end))


def text(tables: tuple[Table, ...], assumed: Assumptions) -> str:
    """The tables and the assumptions as Markdown; equal inputs give equal text."""
    parts = []
    for table in tables:
        rows = [
            f"| {one.name} | {_number(one.value)}{' ' + one.unit if one.unit else ''} | {one.formula} |"
            for one in table.lines
        ]
        parts.append("\n".join([f"**{table.title}**", "", "| | | how |", "| --- | ---: | --- |", *rows]))
    values = ", ".join(f"{name} {value:g}" for name, value in msgspec.structs.asdict(assumed).items())
    return "\n\n".join([*parts, f"Assumed, not measured: {values}."]) + "\n"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 or value == int(value) else f"{value:.3g}"
