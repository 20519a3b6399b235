"""The paper's own run: every number that arXiv 2606.30616 gives, and beside each value of ours where it comes from.

It validates and prints (`describe`); to train it takes a cluster and the parts that README names as missing. Where the
paper is silent the value is ours and says so. A path that SOURCES does not name keeps the default of `config/plans.py`.
"""

from openhorizon.config import (
    DistillPlan,
    DomainPlan,
    EvaluationPlan,
    GrpoStage,
    ModelPlan,
    Optim,
    Recipe,
    SandboxPlan,
    SearchPlan,
    SftPlan,
    SftStage,
    TeacherPlan,
)

LENGTH = 131_072  # tokens of one sequence, in stage 1 and in the search teacher's attempts
BATCH_TOKENS = 720_000  # 16 sequences of 45K tokens on average: our plans count tokens, the paper's sequences
SILENT = "ours: the paper is silent"

STAGE_1 = Optim(kind="adamw", lr=1e-5, schedule="cosine", warmup_ratio=0.05, weight_decay=0.1)
CONSTANT = Optim(kind="adamw", lr=1e-6, schedule="constant", warmup_ratio=0.0, weight_decay=0.1)


def paper() -> Recipe:
    """The whole recipe for Qwen3.5-35B-A3B: about 100K demonstrations, six teachers, one student."""
    return Recipe(
        name="paper",
        size="full",
        domains={
            "search": DomainPlan(train=22_000, demonstrations=20_000, heldout=500),
            "engineering": DomainPlan(train=14_000, demonstrations=14_000, heldout=500),
            "science": DomainPlan(train=15_000, demonstrations=15_000, heldout=500),
            "instructions": DomainPlan(train=23_000, demonstrations=23_000, heldout=500),
            "agentic": DomainPlan(train=20_000, demonstrations=20_000, heldout=500),
            "scientific_agentic": DomainPlan(train=8_000, demonstrations=8_000, heldout=500),
        },
        sandbox=SandboxPlan(kind="auto"),
        search=SearchPlan(results=50),
        model=ModelPlan(base="Qwen/Qwen3.5-35B-A3B", dtype="bfloat16", context=262_144),
        sft=SftPlan(epochs=1.0, batch_tokens=BATCH_TOKENS, max_length=LENGTH, optim=STAGE_1),
        teachers={
            "search": TeacherPlan(stages=(_imitation(), _search())),
            "engineering": TeacherPlan(stages=(_imitation(), _practice("hard"))),
            "science": TeacherPlan(stages=(_imitation("without_tools"), _imitation())),
            "instructions": TeacherPlan(stages=(_practice("constraints"), _practice("long_context"))),
            "agentic": TeacherPlan(stages=(_imitation(), _agentic())),
            "scientific_agentic": TeacherPlan(stages=(_imitation(), _practice("hard"))),
        },
        distill=DistillPlan(
            steps=300, prompts_per_domain=32, group=1, k=64, direction="reverse", balance="domain", optim=CONSTANT,
            turns=300, response_tokens=4096, context_tokens=LENGTH,
        ),
        evaluation=EvaluationPlan(tasks=500, temperature=1.0, top_p=0.95, top_k=20, restarts={"search": 5}),
    )  # fmt: skip


def _imitation(data: str = "domain") -> SftStage:
    """A teacher's supervised stage: stage 1's numbers on its own domain."""
    return SftStage(data=data, epochs=1.0, batch_tokens=BATCH_TOKENS, max_length=LENGTH, optim=STAGE_1)


def _search() -> GrpoStage:
    """GRPO on about 2,000 questions that five tries answer both rightly and wrongly, once over in 32 a step."""
    return GrpoStage(
        data="domain", tasks=2_000, tries=5, steps=63, prompts=32, group=8, optim=CONSTANT, clip_low=0.2,
        clip_high=0.28, kl=0.001, entropy=0.0001, temperature=1.0, dynamic_sampling=False,
        efficiency_free_rounds=50, efficiency_penalty=0.002, repetition_window=10, repetition_penalty=0.02,
        repetition_cap=0.2, format_reward=0.1, max_length=LENGTH,
    )  # fmt: skip


def _practice(data: str) -> GrpoStage:
    """GRPO on outcomes with dynamic sampling and search's numbers, without its penalties."""
    return GrpoStage(
        data=data, steps=200, prompts=32, group=8, optim=CONSTANT, clip_low=0.2, clip_high=0.28, kl=0.001,
        entropy=0.0001, temperature=1.0, dynamic_sampling=True, max_length=LENGTH,
    )  # fmt: skip


def _agentic() -> GrpoStage:
    """GRPO on 64 hard near-miss tasks, used again and again, with the process advantage of failed attempts."""
    return GrpoStage(
        data="hard", tasks=64, tries=5, steps=100, prompts=32, group=8, optim=CONSTANT, clip_low=0.2, clip_high=0.28,
        kl=0.001, entropy=0.0001, temperature=1.0, dynamic_sampling=False, process_weight=0.5, max_length=LENGTH,
    )  # fmt: skip


def _shared(names: tuple[str, ...], path: str, text: str) -> dict[str, str]:
    return {path.format(name): text for name in names}


def _optim(path: str, text: str) -> dict[str, str]:
    return {
        f"{path}.optim.{name}": text for name in ("kind", "lr", "schedule", "warmup_ratio", "weight_decay")
    }


def _stages() -> dict[str, str]:
    """Sources of the teachers' stages, which share most of their numbers."""
    found: dict[str, str] = {}
    for name, teacher in paper().teachers.items():
        for n, stage in enumerate(teacher.stages):
            at = f"teachers.{name}.stages.{n}"
            if isinstance(stage, SftStage):
                found |= {
                    f"{at}.{field}": f"{SILENT}; as in stage 1"
                    for field in ("epochs", "batch_tokens", "max_length")
                }
                found |= _optim(at, f"{SILENT}; as in stage 1")
                continue
            where = "stage 2, search" if name == "search" else f"{SILENT}; as in search"
            shared = (
                "prompts",
                "group",
                "clip_low",
                "clip_high",
                "kl",
                "entropy",
                "temperature",
                "max_length",
            )
            found |= {f"{at}.{field}": where for field in shared}
            found |= {f"{at}.optim.lr": where, f"{at}.optim.schedule": where, f"{at}.steps": SILENT}
    return found


_SEARCH, _AGENTIC = "teachers.search.stages.1", "teachers.agentic.stages.1"
_TEACHERS = "teachers.{}.stages"
_OURS = ("engineering", "scientific_agentic")

SOURCES: dict[str, str] = {
    "size": "ours: full tasks are the ones for real models",
    "domains.search.train": "stage 2, search: about 2,000 questions beside the demonstrations",
    **_shared(
        ("search", *_OURS, "agentic"),
        "domains.{}.demonstrations",
        "stage 1: about 100K together; the split is ours",
    ),
    "domains.science.demonstrations": "the six domains, science: about 15K problems",
    "domains.instructions.demonstrations": "the six domains, instructions: 13K constraint prompts + 10K long-context questions",
    "search.results": "evaluation protocol: top-50 results, where a web back end is configured",
    "model.base": "stage 1: 40 layers, 256 experts, 8 active",
    "model.dtype": SILENT,
    "model.context": "the six domains, search: 256K context",
    "sft.epochs": "stage 1",
    "sft.batch_tokens": "stage 1: 16 sequences of 45K tokens on average, which our plan counts in tokens",
    "sft.max_length": "stage 1",
    **_optim("sft", "stage 1"),
    "sft.optim.beta2": SILENT,
    "sft.optim.clip_norm": SILENT,
    **_stages(),
    f"{_SEARCH}.tasks": "stage 2, search: about 2,000 questions",
    f"{_SEARCH}.tries": "stage 2, search: kept if 5 tries give both right and wrong",
    f"{_SEARCH}.steps": "ours: the paper is silent; 2,000 questions once over at 32 a step",
    f"{_SEARCH}.efficiency_free_rounds": "stage 2, search: free for K rounds; K is ours",
    f"{_SEARCH}.efficiency_penalty": "stage 2, search: linear in extra rounds; the slope is ours",
    f"{_SEARCH}.repetition_window": "stage 2, search: a recent window; its length is ours",
    f"{_SEARCH}.repetition_penalty": "stage 2, search: the amount is ours",
    f"{_SEARCH}.repetition_cap": "stage 2, search: capped per trajectory; the cap is ours",
    f"{_SEARCH}.format_reward": "stage 2, search: the amount is ours",
    "teachers.science.stages.0.data": "stage 2, science: reasoning without tools first",
    "teachers.science.stages.1.data": "stage 2, science: then tool-augmented",
    "teachers.instructions.stages.0.data": "stage 2, instruction following: rule rewards first",
    "teachers.instructions.stages.1.data": "stage 2, instruction following: then long-context answer matching",
    **_shared(
        ("0", "1"), "teachers.instructions.stages.{}.dynamic_sampling", "stage 2, instruction following"
    ),
    f"{_AGENTIC}.data": "stage 2, tool calling: hard near-miss tasks",
    f"{_AGENTIC}.tasks": "stage 2, tool calling: 64 tasks, reused",
    f"{_AGENTIC}.tries": "ours: near-miss means both right and wrong among five tries, as in search",
    f"{_AGENTIC}.process_weight": "stage 2, tool calling: λ = 0.5",
    **_shared(_OURS, f"{_TEACHERS}.1.data", "ours: the paper trains no teacher of this domain alone"),
    "distill.steps": SILENT,
    "distill.prompts_per_domain": "stage 3: unique prompts balanced over domains; the number is ours",
    "distill.group": SILENT,
    "distill.k": "stage 3: the teacher's top-k; k is ours",
    "distill.direction": "stage 3: reverse KL on the support",
    "distill.balance": "stage 3: mean per domain, then over active domains",
    "distill.turns": "stage 3: T_max; the number is search's 300 tool calls",
    "distill.response_tokens": "stage 3: a budget; the number is stage 2's, search",
    "distill.context_tokens": "stage 3: a budget; the number is stage 2's, search",
    **_optim("distill", SILENT),
    "evaluation.tasks": "ours: intervals of about ±4 points",
    "evaluation.temperature": "evaluation protocol (0.6 for HiPhO and FS)",
    "evaluation.top_p": "evaluation protocol",
    "evaluation.top_k": "evaluation protocol",
    "evaluation.restarts.search": "evaluation protocol: BrowseComp with discard-all and at most 5 restarts",
}
