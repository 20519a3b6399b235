"""The demo's code with small numbers: minutes instead of a quarter of an hour, for continuous integration."""

from msgspec.structs import replace

from openhorizon.config import GrpoStage, Recipe, SftStage, TeacherPlan
from openhorizon.recipes.demo import demo


def shortened(teacher: TeacherPlan) -> TeacherPlan:
    """The same stages with few steps."""
    short: list[SftStage | GrpoStage] = []
    for stage in teacher.stages:
        if isinstance(stage, SftStage):
            short.append(replace(stage, steps=30))
        else:  # "hard" tasks are of levels that the smoke run does not have
            data = "domain" if stage.data == "hard" else stage.data
            short.append(replace(stage, steps=2, prompts=6, data=data))
    return TeacherPlan(stages=tuple(short))


def smoke() -> Recipe:
    """What `make smoke` runs."""
    whole = demo()
    return replace(
        whole,
        name="smoke",
        # the easiest tasks only: short enough to be learned in a minute, so that the checks can ask for success
        domains={
            n: replace(p, train=300, demonstrations=300, heldout=24, levels=(1,))
            for n, p in whole.domains.items()
        },
        sft=replace(whole.sft, steps=340, batch_tokens=1024, checkpoint_every=100),
        teachers={n: shortened(t) for n, t in whole.teachers.items()},
        distill=replace(whole.distill, steps=36, prompts_per_domain=8, checkpoint_every=12),
        evaluation=replace(whole.evaluation, tasks=24, samples=4),
    )
