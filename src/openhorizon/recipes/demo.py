"""The whole recipe on two cores in a quarter of an hour, with the tiny model trained from nothing."""

from openhorizon.config import (
    DistillPlan,
    DomainPlan,
    EvaluationPlan,
    GrpoStage,
    Optim,
    Recipe,
    SftPlan,
    SftStage,
    TeacherPlan,
)

RL = Optim(lr=6e-4, schedule="constant", warmup_ratio=0.0, weight_decay=0.0)


def muon(lr: float, muon_lr: float, weight_decay: float = 0.1) -> Optim:
    """Muon for the inner matrices, AdamW for the rest; steps small against the base model's built-in circuit."""
    return Optim(kind="muon", lr=lr, muon_lr=muon_lr, weight_decay=weight_decay, schedule="wsd")


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
    return GrpoStage(steps=steps, data=data, prompts=12, group=8, optim=RL, resample_rounds=2, **more)  # type: ignore[arg-type]


def demo() -> Recipe:
    """What `make demo` runs."""
    plan = DomainPlan(train=1500, demonstrations=1500, heldout=200, levels=(1, 2, 3))
    # engineering is mostly copying under one plan and is learned first: fewer and harder demonstrations leave headroom
    engineering = DomainPlan(train=1000, demonstrations=600, heldout=200, levels=(2, 3))
    return Recipe(
        name="demo",
        domains={
            "search": plan,
            "engineering": engineering,
            "science": plan,
            "instructions": plan,
            "agentic": plan,
            "scientific_agentic": plan,
        },
        sft=SftPlan(steps=580, batch_tokens=1536, optim=muon(4e-3, 0.005), checkpoint_every=100),
        teachers={
            "search": TeacherPlan(
                stages=(
                    study(150),
                    practise(
                        8,
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
            "engineering": TeacherPlan(stages=(study(150), practise(6))),
            "science": TeacherPlan(stages=(study(40, "without_tools", demonstrations=400), study(150))),
            "instructions": TeacherPlan(stages=(practise(50, "constraints"), practise(30, "long_context"))),
            "agentic": TeacherPlan(stages=(study(170), practise(8, process_weight=0.5))),
            "scientific_agentic": TeacherPlan(stages=(study(220), practise(8))),
        },
        distill=DistillPlan(
            steps=130, prompts_per_domain=12, k=16, resident_teachers=6, optim=muon(1.5e-3, 0.003, 0.0)
        ),
        evaluation=EvaluationPlan(tasks=200),
    )
