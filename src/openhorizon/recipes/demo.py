"""The whole recipe on two cores in a quarter of an hour, with the tiny model trained from nothing."""

from openhorizon.config import (
    DistillPlan,
    DomainPlan,
    EvaluationPlan,
    GrpoStage,
    Optim,
    Recipe,
    Schedule,
    SftPlan,
    SftStage,
    TeacherPlan,
)


def muon(lr: float, muon_lr: float, weight_decay: float = 0.1, schedule: Schedule = "wsd") -> Optim:
    """Muon for the inner matrices, AdamW for the rest; steps small against the base model's built-in circuit."""
    return Optim(kind="muon", lr=lr, muon_lr=muon_lr, weight_decay=weight_decay, schedule=schedule)


def study(steps: int, data: str = "domain", demonstrations: int = 0) -> SftStage:
    """A teacher's supervised stage."""
    return SftStage(
        steps=steps,
        data=data,
        demonstrations=demonstrations,
        batch_tokens=1536,
        optim=muon(2e-3, 0.003),
        checkpoint_every=100,
    )


def practise(steps: int, data: str = "domain", **more: float) -> GrpoStage:
    """A teacher's reinforcement stage."""
    optim = muon(1e-3, 0.003, 0.0)
    return GrpoStage(steps=steps, data=data, prompts=12, group=8, optim=optim, resample_rounds=2, **more)  # type: ignore[arg-type]


def demo() -> Recipe:
    """What `make demo` runs."""
    plan = DomainPlan(train=1500, demonstrations=1500, heldout=200, levels=(1, 2, 3))
    # learned first: fewer and harder demonstrations in SFT leave headroom to their teachers
    search = DomainPlan(train=1500, demonstrations=1100, heldout=200, levels=(1, 2, 3, 4))
    engineering = DomainPlan(train=1000, demonstrations=600, heldout=200, levels=(2, 3))
    return Recipe(
        name="demo",
        domains={
            "search": search,
            "engineering": engineering,
            "science": plan,
            "instructions": plan,
            "agentic": plan,
            "scientific_agentic": plan,
        },
        sft=SftPlan(steps=640, batch_tokens=1536, optim=muon(4e-3, 0.005), checkpoint_every=100),
        teachers={
            "search": TeacherPlan(
                stages=(
                    study(90),
                    practise(
                        6,
                        "hard",
                        format_reward=0.05,
                        efficiency_free_rounds=5,
                        efficiency_penalty=0.05,
                        repetition_window=4,
                        repetition_penalty=0.1,
                        repetition_cap=0.3,
                    ),
                )
            ),
            "engineering": TeacherPlan(stages=(study(100),)),
            "science": TeacherPlan(stages=(study(30, "without_tools", demonstrations=400), study(80))),
            "instructions": TeacherPlan(stages=(practise(45, "constraints"), practise(20, "long_context"))),
            "agentic": TeacherPlan(stages=(study(90), practise(5, process_weight=0.5))),
            "scientific_agentic": TeacherPlan(stages=(study(100),)),
        },
        # docs/distillation.md says why; the paper's student starts from SFT: merge=0
        distill=DistillPlan(
            steps=180,
            prompts_per_domain=10,
            merge=1.0,
            k=16,
            top_p=0.95,
            top_k=20,
            resident_teachers=6,
            optim=muon(2e-3, 0.004, 0.0, "linear"),
        ),
        evaluation=EvaluationPlan(tasks=200),
    )
