"""The recipe: every number a run depends on, as frozen records with their ranges. A default stands here and nowhere else.

A run is a Python function (recipes/) that returns a `Recipe`; `--set path=value` (settings.py) is the only override.
Units: steps are optimiser steps, tokens are the model's own, rates are fractions of one.
"""

from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta

from openhorizon.records import Record

Positive = Annotated[int, Meta(ge=1)]
Count = Annotated[int, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Amount = Annotated[float, Meta(ge=0.0)]
Size = Literal["mini", "full"]


class Plan(Record, kw_only=True, omit_defaults=False):
    """A part of the recipe. Written to disk with every default spelled out, so that a run can be read years later."""


class SandboxPlan(Plan, kw_only=True):
    """Where a model's programs run."""

    kind: Literal["auto", "bubblewrap", "local"] = "auto"  # auto: the safest that works here; local is unsafe


class SearchPlan(Plan, kw_only=True):
    """Where agents look up what open questions ask for; tasks made from a corpus are always looked up in it."""

    backend: Literal["corpus", "serper", "searxng"] = (
        "corpus"  # serper: its key is SERPER_API_KEY's, never here
    )
    url: str = ""  # of the back end; searxng: needed; serper: "" is its own
    results: Annotated[int, Meta(ge=1, le=100)] = 10  # of one search
    seconds: Annotated[float, Meta(gt=0.0, le=600.0)] = 20.0  # of one request, all of it
    tries: Annotated[int, Meta(ge=1, le=10)] = 4  # of one request to the back end; pages get two at most
    page_bytes: Annotated[int, Meta(ge=10_000)] = 5_000_000  # a larger page is not read
    private_addresses: bool = (
        False  # pages of this machine and its network may be read: only in a closed network
    )
    ask: str = (
        ""  # URL of an OpenAI-compatible server that summarises long pages for real models; "": they are cut
    )
    ask_model: str = ""  # its model's name; its key is OPENHORIZON_ASK_KEY's, never here
    # where science's `scholar` finds papers beside the handbook's reports; its key is SEMANTIC_SCHOLAR_API_KEY's, never here
    scholar: Literal["handbook", "semantic_scholar", "arxiv"] = "handbook"
    scholar_url: str = ""  # of that service; "": its own
    today: str = (
        ""  # in the system prompt of full tasks: YYYY-MM-DD; "clock": the day they are made; "": not said
    )


class DomainPlan(Plan, kw_only=True):
    """How many tasks of one domain, and how hard."""

    train: Positive = 500  # accepted training tasks; teachers and distillation practise on all of them
    demonstrations: Count = (
        300  # of those, how many the full-domain SFT reads; the rest is practice it never saw
    )
    heldout: Count = 200  # accepted held-out tasks
    levels: tuple[Annotated[int, Meta(ge=1, le=9)], ...] = (
        1,
        2,
        3,
    )  # mixture: drawn in turn, so (1, 1, 2) is 2:1
    horizon: Literal["short", "long"] = (
        "short"  # long: tasks of 60 to 300 calls, at full size, where the domain has them
    )


class ModelPlan(Plan, kw_only=True):
    """The base model: a tiny one made here, or any Hugging Face causal LM."""

    base: str = ""  # folder or hub name; "": make and train the tiny model below (then the next fields hold)
    preset: Literal["qwen3_moe", "qwen3_5_moe"] = "qwen3_moe"  # architecture of the tiny model
    width: Positive = 128  # hidden size
    layers: Positive = 3
    heads: Positive = 4  # query heads
    kv_heads: Positive = 4  # key/value heads
    head_width: Positive = 64  # of one head
    rope_theta: Annotated[float, Meta(gt=1.0)] = 1e6  # base of the rotary positions
    prewired: bool = True  # the tiny qwen3_moe is born with an induction head (training/prewired.py)
    experts: Positive = 8
    active_experts: Positive = 2  # experts per token
    expert_width: Positive = 96  # inner width of one expert
    vocabulary: Annotated[int, Meta(ge=64)] = 2048  # most entries the run's own tokenizer may have
    init_std: Annotated[float, Meta(gt=0.0, le=1.0)] = (
        0.05  # of the random weights the tiny model starts from
    )
    context: Annotated[int, Meta(ge=64)] = 1024  # positions, tokens
    dtype: Literal["float32", "bfloat16"] = "float32"  # of the weights in training
    attention: str = "sdpa"  # transformers' attn_implementation
    device: str = "auto"  # torch's name of it; auto: cuda where there is one, else cpu


Schedule = Literal["cosine", "constant", "linear", "wsd"]  # of the rate, after the warm-up


class Optim(Plan, kw_only=True):
    """AdamW, or Muon for the inner matrices and AdamW for the rest, and their schedule."""

    kind: Literal["adamw", "muon"] = "adamw"
    muon_lr: Annotated[float, Meta(gt=0.0, le=1.0)] = 0.02  # peak, of the matrices under Muon
    lr: Annotated[float, Meta(gt=0.0, le=1.0)] = 1e-5  # peak
    warmup_ratio: Share = 0.05  # of all steps, linear from 0
    schedule: Schedule = "cosine"  # after warm-up; all but constant end at 0
    weight_decay: Amount = 0.1  # matrices only
    beta1: Annotated[float, Meta(ge=0.0, lt=1.0)] = 0.9
    beta2: Annotated[float, Meta(ge=0.0, lt=1.0)] = 0.95
    clip_norm: Amount = 1.0  # of the whole gradient; 0: never clipped


class SftPlan(Plan, kw_only=True):
    """Cross-entropy on response tokens."""

    steps: Count = 0  # 0: as many as `epochs` over the demonstrations take
    epochs: Amount = 1.0  # used where steps is 0
    batch_tokens: Positive = 16_384  # tokens per optimiser step, context included
    max_length: Positive = 1024  # tokens; a longer demonstration is left out and counted
    optim: Optim = Optim()
    checkpoint_every: Count = 100  # steps; 0: only at the end


class GrpoPlan(Plan, kw_only=True):
    """Group-relative policy optimisation."""

    steps: Positive = 50
    prompts: Positive = 32  # tasks per step
    group: Annotated[int, Meta(ge=2)] = 8  # attempts per task
    epochs: Positive = 1  # passes over one step's attempts
    optim: Optim = Optim(lr=1e-6, schedule="constant", warmup_ratio=0.0)
    clip_low: Share = 0.2  # ratio floor 1 - clip_low
    clip_high: Amount = 0.28  # ratio ceiling 1 + clip_high
    kl: Amount = 0.001  # weight of the KL to the model the stage started from
    entropy: Amount = 0.0001  # weight of the entropy bonus
    temperature: Annotated[float, Meta(gt=0.0, le=5.0)] = 1.0
    dynamic_sampling: bool = True  # drop groups whose rewards are all equal, and draw others
    resample_rounds: Positive = 3  # draws per step at most, where dynamic sampling drops groups
    spare: Share = (
        0.0  # of `prompts`, drawn besides: a draw is over when `prompts` groups have ended; 0: none
    )
    deadline_s: Amount = (
        0.0  # wall seconds of a draw; groups with attempts still under way are left out and counted; 0: none
    )
    efficiency_free_rounds: Count = 0  # assistant turns that cost nothing; 0: no efficiency penalty
    efficiency_penalty: Amount = 0.0  # reward lost per turn beyond them
    repetition_window: Count = 0  # turns looked back for the same call; 0: no repetition penalty
    repetition_penalty: Amount = 0.0  # reward lost per repeated call
    repetition_cap: Amount = 0.0  # most of it that one attempt can lose
    format_reward: Amount = 0.0  # reward for an attempt without a malformed call
    process_weight: Amount = 0.0  # λ of the process advantage, failed attempts only; 0: outcome alone
    max_length: Positive = 1024  # tokens of one attempt
    staleness: Count = 0  # optimiser steps that the policy which plays may lie behind; 0: play, then learn
    importance_cap: Annotated[float, Meta(ge=1.0)] = (
        2.0  # most a token's weight for having been drawn by another policy than the one that learns
    )
    checkpoint_every: Count = 25  # steps; 0: only at the end


class SftStage(SftPlan, kw_only=True, tag="sft"):
    """A teacher's stage of supervised training."""

    data: str = "domain"  # which of the domain's demonstrations; the names are teachers/'s
    demonstrations: Count = 0  # at most so many; 0: all that `data` selects


class GrpoStage(GrpoPlan, kw_only=True, tag="grpo"):
    """A teacher's stage of reinforcement learning."""

    data: str = "domain"  # which of the domain's training tasks; the names are teachers/'s
    tasks: Count = 0  # at most so many; 0: all that `data` selects
    tries: Count = 0  # keep only tasks with both right and wrong among so many tries; 0: keep all
    hard: Count = (
        0  # of the tries, keep so many near-misses instead: mixed, or wrong but close; 0: the mixed ones
    )


class TeacherPlan(Plan, kw_only=True):
    """One domain's teacher: stages in order, each starting from the one before; the first from the SFT model."""

    stages: tuple[SftStage | GrpoStage, ...] = ()


class DistillPlan(Plan, kw_only=True):
    """Domain-routed multi-teacher on-policy distillation with salient vocabulary alignment."""

    steps: Count = 100  # 0: no distillation, no student
    student_tokens: Count = (
        0  # stop, and end the schedule, after so many tokens that the student wrote; 0: by steps
    )
    prompts_per_domain: Positive = 12  # unique tasks of each domain in a step
    quotas: dict[str, Count] = msgspec.field(default_factory=dict)  # prompts in a step of domains that differ
    group: Positive = 1  # attempts per task
    merge: Amount = 0.0  # start at SFT + merge x mean(teacher - SFT), the weights; 0: at SFT, the paper's
    objective: Literal["salient", "sampled_token", "full"] = (
        "salient"  # on the teacher's top-k; on the one sampled token; on the whole vocabulary
    )
    k: Positive = 16  # salient vocabulary: the teacher's top-k at each position
    direction: Literal["reverse", "forward", "jensen_shannon"] = (
        "reverse"  # of the KL; reverse: student || teacher
    )
    mass_term: Literal["none", "bernoulli", "generalised"] = (
        "none"  # what the student puts outside the top-k: unseen, the paper's; one more token; an unnormalised measure
    )
    temperature: Annotated[float, Meta(gt=0.0, le=5.0)] = 1.0  # of the student's attempts
    top_p: Annotated[float, Meta(gt=0.0, le=1.0)] = 1.0  # of the student's attempts; 1: off
    top_k: Count = 0  # of the student's attempts; 0: all tokens
    optim: Optim = Optim(lr=1e-6, schedule="constant")
    turns: Count = 0  # T_max, assistant turns; 0: the domain's own limit
    response_tokens: Count = 0  # per turn; 0: the domain's own limit
    context_tokens: Count = 0  # per attempt; 0: the domain's own limit
    balance: Literal["domain", "domain_token", "token", "sample"] = (
        "domain"  # mean over tokens, samples, domains: the paper's; over a domain's tokens, domains; over all tokens; samples
    )
    resident_teachers: Positive = (
        1  # teachers in memory at once; the others are loaded when their domain is scored
    )
    coverage_share: Share = 0.1  # of each step's positions, at random, whose coverage is measured exactly
    coverage_every: Count = 10  # steps between measurements at every position; 0: never
    checkpoint_every: Count = 25  # steps; 0: only at the end


class EnginePlan(Plan, kw_only=True):
    """A model behind OpenAI-compatible servers; their key is OPENHORIZON_ENGINE_KEY's, never here."""

    named_freely: ClassVar[bool] = True  # in a dict of these, --set may name a new one

    urls: tuple[
        str, ...
    ] = ()  # of servers with the same model, such as http://host:8000/v1; none: in this process
    model: str = ""  # its name there; "": the first that the servers list
    mode: Literal["auto", "token", "message"] = (
        "auto"  # token: ids and log-probabilities, needed to train; message: chat completions; auto: what they offer
    )
    concurrency: Positive = 64  # requests at once, per server
    tokenizer: str = ""  # folder or hub name of the model's tokenizer and template; "": no token mode, in training the model's own


class RolloutPlan(EnginePlan, kw_only=True):
    """Servers that play for training and are handed the weights."""

    folder: str = (
        ""  # where weights are handed over, the same path for servers and trainer; "": in the run folder
    )


class EvaluationPlan(Plan, kw_only=True):
    """Held-out evaluation: one attempt at each task (pass@1), the same tasks and seeds for every model."""

    tasks: Positive = 200  # per domain
    temperature: Annotated[float, Meta(ge=0.0, le=5.0)] = 1.0  # 0: greedy
    top_p: Annotated[float, Meta(gt=0.0, le=1.0)] = 0.95
    top_k: Count = 20  # 0: all tokens
    seed: Count = 0  # of the attempts
    concurrency: Positive = 64  # attempts at once, per process
    restarts: dict[str, Count] = msgspec.field(
        default_factory=dict
    )  # domain -> times that an attempt with a spent context begins again with its question alone (discard-all), in place of folding
    samples: Count = 12  # attempts kept per model and domain for the report's browser
    # models behind servers, evaluated beside the run's own under these names
    served: dict[str, EnginePlan] = msgspec.field(default_factory=dict)
    own: bool = True  # false: the served models alone; then nothing is trained


class ClusterPlan(Plan, kw_only=True):
    """Ray, for attempts beyond one machine."""

    address: str = ""  # "": processes of this machine; local: a Ray started on it; auto or HOST:PORT: the Ray cluster there
    workers: Count = 0  # Ray processes that play, each on one core; 0: as many as the Ray has cores


class FaultPlan(Plan, kw_only=True):
    """A test tool: engines and sandboxes that break on purpose, to see that a run lives with those that break."""

    rate: Share = 0.0  # of the engine's turns and the sandbox's programs
    seed: Count = 0  # which ones


class WikiPlan(Plan, kw_only=True):
    """What a MediaWiki dump does not say of its wiki; all of it adds to what is known of the wiki's language."""

    language: str = ""  # code, such as de; "": the one that the dump gives
    tails: tuple[str, ...] = ()  # headings of sections to leave out, such as References
    disambiguations: tuple[str, ...] = ()  # templates of pages that only tell names apart
    templates: dict[
        str, int
    ] = {}  # template that stands for words of its sentence -> number of the argument it shows


class Recipe(Plan, kw_only=True):
    """A whole run."""

    name: str  # of the recipe; the run folder's default name
    seed: Count = 0  # everything random follows from it
    workers: Count = 0  # processes; 0: one per core
    size: Size = "mini"  # of the tasks: mini for the tiny model, full for real ones
    domains: dict[str, DomainPlan]
    corpus: str | None = None  # file or folder the search domain reads; none: the generated encyclopedia
    wiki: WikiPlan = WikiPlan()  # for a corpus that is a MediaWiki dump
    graph: str | None = (
        None  # postgresql:// address of this run's own database or schema; none: the run's graph.db
    )
    sandbox: SandboxPlan = SandboxPlan()
    faults: FaultPlan = FaultPlan()
    search: SearchPlan = SearchPlan()
    cluster: ClusterPlan = ClusterPlan()
    model: ModelPlan = ModelPlan()
    sft: SftPlan = SftPlan()
    teachers: dict[str, TeacherPlan] = msgspec.field(default_factory=dict)
    distill: DistillPlan = DistillPlan()
    rollout: RolloutPlan = RolloutPlan()  # who plays in reinforcement learning and distillation
    evaluation: EvaluationPlan = EvaluationPlan()


class CorpusPlan(Plan, kw_only=True):
    """How a user's documents are read: what `openhorizon propose search --corpus` can be set to."""

    wiki: WikiPlan = WikiPlan()  # for a MediaWiki dump


class OwnPlan(Plan, kw_only=True):
    """A distillation alone, of teachers that are there already: what `openhorizon distill --student` can be set to."""

    seed: Count = 0  # everything random follows from it
    model: ModelPlan = ModelPlan()  # dtype, attention and device alone: how student and teachers are loaded
    distill: DistillPlan = DistillPlan()


def to_json(recipe: Plan) -> bytes:
    """The recipe, or another plan, as indented JSON, every default spelled out; equal recipes give equal bytes."""
    return msgspec.json.format(msgspec.json.encode(recipe, order="deterministic"), indent=2) + b"\n"
