"""GPUs, what is assumed of how well they are used, and what a model takes on them: bytes, and tokens a second."""

from typing import Annotated

from msgspec import Meta

from openhorizon.planning.shape import Shape
from openhorizon.records import Record

GB = 1e9
Share = Annotated[float, Meta(gt=0.0, le=1.0)]


class Gpu(Record, kw_only=True):
    """One accelerator, by its data sheet."""

    name: str
    flops: float  # a second, bfloat16, dense
    bandwidth: float  # bytes a second of its memory
    memory: float  # bytes


# NVIDIA's data sheets of the SXM parts: dense bfloat16, half of what they give with sparsity
GPUS = {
    "h100": Gpu(name="H100", flops=989e12, bandwidth=3.35e12, memory=80e9),
    "h200": Gpu(name="H200", flops=989e12, bandwidth=4.8e12, memory=141e9),
    "b200": Gpu(name="B200", flops=2250e12, bandwidth=8.0e12, memory=180e9),
}


class Assumptions(Record, kw_only=True):
    """What nobody has measured here yet; each is to be replaced by a measurement on the cluster at hand."""

    mfu: Share = (
        0.20  # of model FLOPs in training, recomputation not counted: small experts and long sequences
    )
    prefill: Share = 0.35  # of peak, reading contexts and scoring: a forward pass in large batches
    decode: Share = 0.50  # of memory bandwidth, writing: kernels of small experts, scheduling, sampling
    memory: Share = 0.85  # of a GPU's memory that may be planned with
    written: Share = (
        0.30  # of a trajectory's tokens that the policy writes; the others are prompts and tool results
    )
    busy: Share = 0.70  # of the time that a server's places are filled: tools are waited for, and a step's last attempts
    serving: Share = (
        0.50  # of the GPUs that serve in reinforcement learning and distillation; the others train
    )
    disk: Annotated[float, Meta(gt=0.0)] = (
        2.0  # GB a second, of the file system on which weights are handed to servers
    )
    redrawn: Annotated[float, Meta(ge=1.0)] = 1.5  # groups played for one that dynamic sampling keeps


class Training(Record, kw_only=True):
    """Bytes on each GPU while it trains; the model fully sharded (FSDP2), every layer recomputed in the backward pass."""

    master: float  # float32 weights, sharded
    gradient: float  # float32, sharded
    optimiser: float  # AdamW: two float32 moments; Muon: one for the inner matrices
    gathered: float  # two layers whole in bfloat16: the one at work, the next one on its way; and the head
    boundaries: float  # what is kept of each layer: its input, bfloat16
    working: float  # the layer at work, forward and gradient
    context: int  # GPUs that share one sequence

    @property
    def total(self) -> float:
        return self.master + self.gradient + self.optimiser + self.gathered + self.boundaries + self.working


def training_memory(shape: Shape, gpus: int, length: int, context: int, muon: bool) -> Training:
    """Of `length` tokens a sequence, `context` GPUs a sequence, `gpus` in all."""
    inner = shape.total - shape.embedding * (1 if shape.tied else 2)
    layer = shape.feed_forward + max(shape.attention, shape.delta if shape.linear_layers else 0)
    tokens = length / context
    chosen = max(1, shape.active_experts)
    experts = chosen * (3 * shape.expert_width + 2 * shape.hidden) + 3 * shape.shared_width
    attention = (
        (3 if shape.gate else 2) * shape.heads + 2 * shape.kv_heads
    ) * shape.head_width  # queries, gate, output, keys and values
    delta = 2 * shape.key_width + 3 * shape.value_width
    mixer = max(attention, delta if shape.linear_layers else 0)
    return Training(
        master=4 * shape.total / gpus, gradient=4 * shape.total / gpus,
        optimiser=(8 * shape.total - (4 * inner if muon else 0)) / gpus,
        gathered=2 * (2 * layer + shape.embedding), boundaries=2 * shape.layers * tokens * shape.hidden,
        working=2 * 2 * tokens * (experts + mixer + 4 * shape.hidden), context=context,
    )  # fmt: skip


def training_fit(
    shape: Shape, gpu: Gpu, gpus: int, length: int, muon: bool, assumed: Assumptions
) -> Training:
    """The training with the fewest GPUs a sequence that fits; with all of them where none does."""
    context = 1
    while True:
        found = training_memory(shape, gpus, length, context, muon)
        if found.total <= assumed.memory * gpu.memory or context * 2 > gpus:
            return found
        context *= 2


class Serving(Record, kw_only=True):
    """A server of as few GPUs as hold the weights, and what it writes."""

    gpus: int
    weights: float  # bytes, bfloat16
    sequence: float  # bytes that one sequence keeps at its mean length
    sequences: int  # at once
    written: float  # tokens a second of the whole server, all places filled
    read: float  # tokens a second: contexts, or scoring


def writing(shape: Shape, gpu: Gpu, gpus: int, sequences: int, length: float, assumed: Assumptions) -> float:
    """Tokens a second that a server of `gpus` writes for so many sequences at once.

    One step writes a token for each sequence and reads from memory: the weights outside the experts, the experts that any of
    them chose, and each sequence's keys, values and states (states twice: they are written back).
    """
    outside = 2.0 * (shape.active - shape.layers * shape.active_experts * shape.expert)
    experts = 2.0 * shape.layers * shape.touched_experts(sequences) * shape.expert
    moved = outside + experts + sequences * (shape.cache_per_token * length / 2 + 2 * shape.state)
    slow = moved / (assumed.decode * gpu.bandwidth * gpus)
    computed = sequences * shape.forward_flops(length) / (assumed.prefill * gpu.flops * gpus)
    return sequences / max(slow, computed)


def serving(shape: Shape, gpu: Gpu, length: float, assumed: Assumptions, most: int = 256) -> Serving:
    """`length` is a trajectory's mean; while it is played half of it is there on average. `most`: sequences a server may hold."""
    weights = 2.0 * shape.total
    gpus = 1
    while assumed.memory * gpu.memory * gpus < 1.1 * weights:  # a tenth for what is not weights
        gpus *= 2
    kept = shape.cache_per_token * length + shape.state
    room = assumed.memory * gpu.memory * gpus - 1.1 * weights
    sequences = max(1, min(most * gpus, int(room / kept)))
    return Serving(
        gpus=gpus, weights=weights, sequence=kept, sequences=sequences, written=writing(shape, gpu, gpus, sequences, length, assumed),
        read=assumed.prefill * gpu.flops * gpus / shape.forward_flops(length),
    )  # fmt: skip
